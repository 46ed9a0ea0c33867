"""Two small diagrams that hold a large one between them: where it cannot be built, its probability lies in an interval.

What is kept of each gate are its most probable states: a function that is true nowhere else, and one that is false
nowhere else. Of these, parts that are hardly ever reached are replaced by "never" in the one and by "always" in the
other, as often as they grow too large. Every step keeps the order lower <= exact <= upper, so the result is proven
whatever was left out; how much was left out only decides how wide it is.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from standfast.depmap.faults.bdd import ALWAYS, NEVER, Diagram, graph_of, within
from standfast.depmap.faults.budget import Budget
from standfast.depmap.faults.circuit import Circuit, Kind
from standfast.depmap.faults.parts import Module, Part

# Relative, for each level of a diagram: two products and a sum of what is never negative, so that nothing cancels.
ROUNDING: Final = 2.0**-50
_NARROW: Final = 1e-9  # relative; nothing that is put in is known so well
_COLLECTED_SHARE: Final = 1 / 4  # of the nodes that may be; then those in use are moved, and the others are gone


@dataclass(frozen=True, slots=True)
class Interval:
    """A probability that is known to lie between two."""

    low: float
    high: float

    @property
    def is_narrow(self) -> bool:
        """Whether rounding is most of its width."""
        return self.high - self.low <= _NARROW * self.high

    def narrowed(self, other: "Interval") -> "Interval":
        """Return what is in both."""
        return Interval(max(self.low, other.low), min(self.high, other.high))

    def widened(self, levels: int) -> "Interval":
        """Return it with room for the rounding of a diagram of so many levels."""
        room = (levels + 1) * ROUNDING
        return Interval(self.low * max(0.0, 1 - room), min(1.0, self.high * (1 + room)))


def interval_of(part: Part, value: Mapping[int, Interval]) -> Interval:
    """Return the interval of a part whose leaves have those of `value`."""
    lows, highs = [0.0, 1.0], [0.0, 1.0]
    graph = part.graph
    for node in range(2, len(graph)):
        leaf = value[part.order[graph.levels[node]]]
        low, high = graph.lows[node], graph.highs[node]
        lows.append(min(share * lows[high] + (1 - share) * lows[low] for share in (leaf.low, leaf.high)))
        highs.append(max(share * highs[high] + (1 - share) * highs[low] for share in (leaf.low, leaf.high)))
    return Interval(lows[graph.top], highs[graph.top])


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """The interval of a module, and a function that is true nowhere where the module is not."""

    interval: Interval
    lower: Part


def enclose(
    circuit: Circuit,
    module: Module,
    order: Sequence[int],
    turned: Collection[int],
    value: Mapping[int, Interval],
    size_max: int,
    budget: Budget,
) -> Enclosure:
    """Return what holds `module` by diagrams that are cut down to `size_max` nodes after each step.

    Args:
        circuit: where the module is.
        module: what to enclose.
        order: of its leaves.
        turned: leaves that mean their opposite.
        value: the intervals of its leaves.
        size_max: nodes; the more, the narrower is the interval, and the longer it takes.
        budget: of the whole.

    Raises:
        OverBudget: the time is over.
    """
    work = _Work(order, value, size_max, budget)
    pairs: dict[int, _Pair] = {}
    for level, leaf in enumerate(order):
        one = work.diagram.variable(level)
        pairs[leaf] = _Pair(one, one) if leaf not in turned else _Pair(*[work.diagram.opposite(one)] * 2)
    gates = [node for node in circuit.below(module.literal, module.leaves) if node not in pairs]
    last_use = {part >> 1: gate for gate in gates for part in circuit.parts[gate]}
    for gate in gates:
        parts = [work.opposite(pairs[part >> 1]) if part & 1 else pairs[part >> 1] for part in circuit.parts[gate]]
        pairs[gate] = work.gate(circuit.kinds[gate], circuit.numbers[gate], parts)
        for part in circuit.parts[gate]:
            if last_use[part >> 1] == gate:
                pairs.pop(part >> 1, None)
        if len(work.diagram.levels) > budget.nodes_max * _COLLECTED_SHARE:
            pairs = work.collect(pairs)
    pair = work.opposite(pairs[module.node]) if module.literal & 1 else pairs[module.node]
    diagram = work.diagram
    graph = graph_of(diagram.levels, diagram.lows, diagram.highs, pair.lower)
    lower = Part(module=module, order=tuple(order), graph=graph, built=len(graph))
    return Enclosure(interval=work.interval(pair), lower=lower)


@dataclass(frozen=True, slots=True)
class _Pair:
    lower: int
    upper: int


class _Work:
    def __init__(self, order: Sequence[int], value: Mapping[int, Interval], size_max: int, budget: Budget) -> None:
        self._leaves = [value[leaf] for leaf in order]
        self._size_max = size_max
        self._budget = budget
        self.diagram = Diagram(budget)

    def gate(self, kind: Kind, number: int, parts: Sequence[_Pair]) -> _Pair:
        parts = sorted(parts, key=lambda pair: -self.diagram.levels[pair.lower])
        match kind:
            case Kind.ALL:
                return self._folded(self._both, parts, _Pair(ALWAYS, ALWAYS))
            case Kind.ANY:
                return self._folded(self._either, parts, _Pair(NEVER, NEVER))
            case Kind.AT_LEAST:
                return self._at_least(number, parts)
            case _:
                return self._folded(self._odd, parts, _Pair(NEVER, NEVER))

    def opposite(self, pair: _Pair) -> _Pair:
        return _Pair(self.diagram.opposite(pair.upper), self.diagram.opposite(pair.lower))

    def interval(self, pair: _Pair) -> Interval:
        low = self._upwards(pair.lower)[pair.lower].low
        return Interval(low, max(low, self._upwards(pair.upper)[pair.upper].high))

    def collect(self, pairs: Mapping[int, _Pair]) -> dict[int, _Pair]:
        old, self.diagram = self.diagram, Diagram(self._budget)
        moved = {NEVER: NEVER, ALWAYS: ALWAYS}
        for top in {top for pair in pairs.values() for top in (pair.lower, pair.upper)}:
            for one in within(old.lows, old.highs, top):
                if one not in moved:
                    moved[one] = self.diagram.node(old.levels[one], moved[old.lows[one]], moved[old.highs[one]])
        return {node: _Pair(moved[pair.lower], moved[pair.upper]) for node, pair in pairs.items()}

    def _folded(self, step: Callable[[_Pair, _Pair], _Pair], parts: Sequence[_Pair], start: _Pair) -> _Pair:
        result = start
        for part in parts:
            result = self._cut(step(result, part))
        return result

    def _both(self, one: _Pair, other: _Pair) -> _Pair:
        return _Pair(self.diagram.both(one.lower, other.lower), self.diagram.both(one.upper, other.upper))

    def _either(self, one: _Pair, other: _Pair) -> _Pair:
        return _Pair(self.diagram.either(one.lower, other.lower), self.diagram.either(one.upper, other.upper))

    def _odd(self, one: _Pair, other: _Pair) -> _Pair:
        return self._either(
            self._cut(self._both(one, self.opposite(other))), self._cut(self._both(self.opposite(one), other))
        )

    def _at_least(self, number: int, parts: Sequence[_Pair]) -> _Pair:
        so_many = [_Pair(ALWAYS, ALWAYS)] + [_Pair(NEVER, NEVER)] * number
        for part in parts:
            self._budget.check(len(self.diagram.levels))
            for count in range(number, 0, -1):
                more = self._cut(self._both(part, so_many[count - 1]))
                so_many[count] = self._cut(self._either(so_many[count], more))
        return so_many[number]

    def _cut(self, pair: _Pair) -> _Pair:
        # Equal as long as neither had to be cut, and then one look is enough.
        lower = self._cut_to(pair.lower, NEVER)
        return pair if lower == pair.upper else _Pair(lower, self._cut_to(pair.upper, ALWAYS))

    def _cut_to(self, top: int, instead: int) -> int:
        """Replace by `instead` what matters the least, if there is too much of it, down to half of what may be."""
        nodes = within(self.diagram.lows, self.diagram.highs, top)
        if len(nodes) <= self._size_max:
            return top
        self._budget.check(len(self.diagram.levels))
        diagram = self.diagram
        lost = self._lost(nodes, top, instead)
        kept = set(sorted(nodes, key=lost.__getitem__, reverse=True)[: self._size_max // 2])
        made = {NEVER: NEVER, ALWAYS: ALWAYS}
        for one in nodes:
            made[one] = (
                diagram.node(diagram.levels[one], made[diagram.lows[one]], made[diagram.highs[one]])
                if one in kept
                else instead
            )
        return made[top]

    def _lost(self, nodes: Sequence[int], top: int, instead: int) -> dict[int, float]:
        """Return for each node about how far the probability moves if `instead` stands in its place."""
        lows, highs = self.diagram.lows, self.diagram.highs
        shares = {one: self._leaves[self.diagram.levels[one]].high for one in nodes}
        true = {NEVER: 0.0, ALWAYS: 1.0}
        for one in nodes:
            true[one] = true[lows[one]] + shares[one] * (true[highs[one]] - true[lows[one]])
        reached = dict.fromkeys((NEVER, ALWAYS, *nodes), 0.0)
        reached[top] = 1.0
        for one in reversed(nodes):
            reached[highs[one]] += reached[one] * shares[one]
            reached[lows[one]] += reached[one] * (1 - shares[one])
        return {one: reached[one] * abs(instead - true[one]) for one in nodes}

    def _upwards(self, top: int) -> dict[int, Interval]:
        found = {NEVER: Interval(0.0, 0.0), ALWAYS: Interval(1.0, 1.0)}
        for one in within(self.diagram.lows, self.diagram.highs, top):
            leaf = self._leaves[self.diagram.levels[one]]
            low, high = found[self.diagram.lows[one]], found[self.diagram.highs[one]]
            found[one] = Interval(
                min(share * high.low + (1 - share) * low.low for share in (leaf.low, leaf.high)),
                max(share * high.high + (1 - share) * low.high for share in (leaf.low, leaf.high)),
            )
        return found
