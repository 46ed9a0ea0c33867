"""Minimal cut sets: the smallest sets of events that make the top event happen while nothing else does.

A. Rauzy, "New algorithms for fault trees analysis", Reliability Engineering and System Safety 40, 1993: the sets of a
diagram are again a diagram, zero-suppressed, in which sets by the billion are counted in one walk. In a coherent tree
these are its minimal cut sets in the usual sense. In a non-coherent one an event that is not in the set is one that
does not happen; sets that need something *not* to fail are thus found by what fails in them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import prod
from typing import Final

from standfast.depmap.faults.bdd import ALWAYS, BELOW_ALL, NEVER, NODE_BITS, Diagram, Graph, Unique, graph_of, unique_of
from standfast.depmap.faults.budget import CHECKED_EVERY, Budget
from standfast.depmap.faults.parts import Part

NONE: Final = 0  # no set
EMPTY: Final = 1  # the empty set alone
BEGUN_MAX: Final = 1_000_000  # sets that the search for the most probable may have open; it ends there


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSets:
    """The minimal cut sets of the module `module`, over its leaves.

    A node of the graph stands for sets: 0 for none, 1 for the empty set alone, any other for those without the leaf at
    its level (`lows`) and those with it, from which that leaf is left out (`highs`).
    """

    module: int
    order: tuple[int, ...]
    graph: Graph


def cut_sets_of(part: Part, budget: Budget) -> CutSets:
    """Return the minimal cut sets of `part`.

    Raises:
        OverBudget: they do not fit.
    """
    graph = part.graph if part.module.is_coherent else _closed(part.graph, budget)
    levels, without_it, with_it = [BELOW_ALL, BELOW_ALL], [NONE, EMPTY], [NONE, EMPTY]
    unique = unique_of(levels, without_it, with_it, budget)
    failing = _failing_of(levels, without_it, with_it, unique, graph, budget)
    minimal = [NONE, EMPTY]
    for node in range(2, len(graph)):
        low, high = graph.lows[node], graph.highs[node]
        kept = failing(minimal[high], low)
        minimal.append(minimal[low] if kept == NONE else unique(graph.levels[node], minimal[low], kept))
    top = graph_of(levels, without_it, with_it, minimal[graph.top])
    return CutSets(module=part.module.node, order=part.order, graph=top)


def _closed(graph: Graph, budget: Budget) -> Graph:
    """Return the least coherent function that is true wherever `graph` is: its minimal sets are the same."""
    diagram = Diagram(budget)
    closed = [NEVER, ALWAYS]
    for node in range(2, len(graph)):
        low, high = closed[graph.lows[node]], closed[graph.highs[node]]
        closed.append(diagram.node(graph.levels[node], low, diagram.either(low, high)))
    return graph_of(diagram.levels, diagram.lows, diagram.highs, closed[graph.top])


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSet:
    """Nodes of variables that together make the top event happen, and how probable it is that all of them do."""

    probability: float
    nodes: tuple[int, ...]


def count(parts: Sequence[CutSets]) -> int:
    """Return how many sets the last of `parts` has, the modules before it written out."""
    counted: dict[int, int] = {}
    total = 0
    for sets in parts:
        numbers = [0, 1]
        for node in range(2, len(sets.graph)):
            inner = counted.get(sets.order[sets.graph.levels[node]], 1)
            numbers.append(numbers[sets.graph.lows[node]] + inner * numbers[sets.graph.highs[node]])
        total = counted[sets.module] = numbers[sets.graph.top]
    return total


def most_probable(parts: Sequence[CutSets], probabilities: Mapping[int, float]) -> Iterator[CutSet]:
    """Yield the sets of the last of `parts`, the most probable first.

    A best-first search: what is left of a set that was begun is valued by the best that there is below, so that no set
    is written out that is not asked for. Graphs of functions are taken as well: then each way to "true" is a set.

    Args:
        parts: each after those below it.
        probabilities: of the variables.
    """
    by_module = {sets.module: sets for sets in parts}
    best: dict[int, list[float]] = {}  # of each node of a module: the probability of its most probable set
    value = dict(probabilities)
    for module, sets in by_module.items():
        found = [0.0, 1.0]
        for node in range(2, len(sets.graph)):
            here = value[sets.order[sets.graph.levels[node]]] * found[sets.graph.highs[node]]
            found.append(max(found[sets.graph.lows[node]], here))
        best[module] = found
        value[module] = found[sets.graph.top]
    # Begun: what it is worth at the most, a number against ties (the newest first: it is nearer to its end), what
    # happens in it, and where to go on: pairs of a module and a node of its sets, the next one last.
    begun: list[tuple[float, int, tuple[int, ...], tuple[tuple[int, int], ...]]] = []
    number = 0
    last = parts[-1]
    if last.graph.top != NONE:
        begun.append((-value[last.module], 0, (), ((last.module, last.graph.top),)))
    while begun and len(begun) < BEGUN_MAX:
        _, _, events, ahead = heappop(begun)
        while ahead and ahead[-1][1] == EMPTY:
            ahead = ahead[:-1]
        if not ahead:
            yield CutSet(probability=prod(probabilities[event] for event in events), nodes=tuple(sorted(events)))
            continue
        *rest, (module, node) = ahead
        sets = by_module[module]
        leaf, low, high = sets.order[sets.graph.levels[node]], sets.graph.lows[node], sets.graph.highs[node]
        choices = [(events, (*rest, (module, low)))]
        if leaf in by_module:
            choices.append((events, (*rest, (module, high), (leaf, by_module[leaf].graph.top))))
        else:
            choices.append(((*events, leaf), (*rest, (module, high))))
        for happening, places in choices:
            if any(n == NONE for _, n in places):
                continue
            worth = prod(probabilities[event] for event in happening) * prod(best[m][n] for m, n in places)
            number -= 1
            heappush(begun, (-worth, number, happening, places))


def _failing_of(
    levels: list[int], without_it: list[int], with_it: list[int], unique: Unique, graph: Graph, budget: Budget
) -> Callable[[int, int], int]:
    """Return the function that gives those of some sets for which a function of the coherent `graph` is false."""
    known: dict[int, int] = {}
    function_levels, lows, highs = list(graph.levels), list(graph.lows), list(graph.highs)

    def failing(sets: int, function: int) -> int:
        if function == ALWAYS or sets == NONE:
            return NONE
        level, beside = levels[sets], function_levels[function]
        while beside < level:  # no set has that leaf
            function = lows[function]
            beside = function_levels[function]
        if function <= ALWAYS:
            return sets if function == NEVER else NONE
        key = sets << NODE_BITS | function
        kept = known.get(key)
        if kept is None:
            if level < beside:
                low, high = failing(without_it[sets], function), failing(with_it[sets], function)
            else:
                low, high = failing(without_it[sets], lows[function]), failing(with_it[sets], highs[function])
            kept = known[key] = low if high == NONE else unique(level, low, high)
            if not len(known) % CHECKED_EVERY:
                budget.check(len(levels))
        return kept

    return failing
