"""Probability and importance of what is known as diagrams: each is one walk, and exact but for rounding.

Events are taken to be independent; what they share belongs in the model as an event of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from standfast.depmap.faults.parts import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much the top event hangs on one variable.

    `birnbaum` is by how much its probability rises if the event happens for certain instead of never. `raw` (risk
    achievement worth) is how many times as probable it is where the event happens for certain, `rrw` (risk reduction
    worth) how many times less probable where the event never happens: None where nothing is left. `fussell_vesely` is
    the share of its probability that goes where the event never happens, which is 1 - 1/rrw.
    """

    node: int
    birnbaum: float
    raw: float
    rrw: float | None
    fussell_vesely: float


def probabilities(parts: Sequence[Part], basic: Mapping[int, float]) -> dict[int, float]:
    """Return `basic`, the probabilities of variables, with those of all `parts`, each after those below it."""
    value = dict(basic)
    for part in parts:
        value[part.module.node] = _upwards(part, value)[part.graph.top]
    return value


def importances(parts: Sequence[Part], value: Mapping[int, float]) -> list[Importance]:
    """Return the importance of each variable for the last of `parts`, the greatest first.

    Args:
        parts: each after those below it.
        value: what `probabilities` returned for them.
    """
    top = value[parts[-1].module.node]
    birnbaum: dict[int, float] = {parts[-1].module.node: 1.0}
    for part in reversed(parts):
        outer = birnbaum.pop(part.module.node)
        up = _upwards(part, value)
        graph = part.graph
        reached = [0.0] * len(graph)  # the probability that a walk from the top comes by
        reached[graph.top] = 1.0
        slope = dict.fromkeys(part.order, 0.0)
        for one in range(len(graph) - 1, 1, -1):
            leaf, low, high = part.order[graph.levels[one]], graph.lows[one], graph.highs[one]
            slope[leaf] += reached[one] * (up[high] - up[low])
            reached[high] += reached[one] * value[leaf]
            reached[low] += reached[one] * (1 - value[leaf])
        birnbaum |= {leaf: outer * each for leaf, each in slope.items()}
    found = []
    for node, each in birnbaum.items():
        happens, never = top + (1 - value[node]) * each, max(0.0, top - value[node] * each)
        found.append(
            Importance(
                node=node,
                birnbaum=each,
                raw=happens / top if top else 1.0,
                rrw=top / never if never else None,
                fussell_vesely=min(1.0, value[node] * each / top) if top else 0.0,
            )
        )
    return sorted(found, key=lambda importance: (-importance.birnbaum, importance.node))


def _upwards(part: Part, value: Mapping[int, float]) -> list[float]:
    """Return the probability of each node of a part, by its number."""
    found = [0.0, 1.0]
    graph = part.graph
    for one in range(2, len(graph)):
        share = value[part.order[graph.levels[one]]]
        # A sum of what is never negative: nothing cancels, so that small probabilities keep all their digits.
        found.append((1 - share) * found[graph.lows[one]] + share * found[graph.highs[one]])
    return found
