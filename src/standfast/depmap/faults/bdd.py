"""Reduced ordered binary decision diagrams: a failure function as one graph, of which each question is one walk.

R. E. Bryant, "Graph-based algorithms for Boolean function manipulation", IEEE Transactions on Computers C-35, 1986.
A node is a number: 0 is "never", 1 is "always", any other has a level (of its variable), a `low` (where the variable
is false) and a `high`. Children have smaller numbers than their parents, so that loops over numbers are walks upwards.

The steps recurse once for each level. A diagram that is deeper than Python recurses is over its budget, as one that is
too large.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from standfast.depmap.faults.budget import CHECKED_EVERY, NODES_POSSIBLE, Budget

NEVER: Final = 0
ALWAYS: Final = 1
BELOW_ALL: Final = 1 << 30  # the level of the two constants
NODE_BITS: Final = NODES_POSSIBLE.bit_length()  # that a node has in a key
LEVEL_BITS: Final = 2 * NODE_BITS  # that the level is shifted by

Unique = Callable[[int, int, int], int]


class Diagram:
    """Nodes of one order of variables, only ever added to.

    `both`, `either` and `opposite` are conjunction, disjunction and negation. They raise OverBudget where no more nodes
    fit, and are made once for each diagram, as functions that see its lists and dictionaries without looking them up:
    nearly all time of an analysis is theirs, and that halves it.
    """

    def __init__(self, budget: Budget) -> None:
        self.levels = [BELOW_ALL, BELOW_ALL]
        self.lows = [NEVER, ALWAYS]
        self.highs = [NEVER, ALWAYS]
        self._budget = budget
        self._unique = unique_of(self.levels, self.lows, self.highs, budget)
        self.both = _junction_of(self, self._unique, budget, neutral=ALWAYS)
        self.either = _junction_of(self, self._unique, budget, neutral=NEVER)
        self.opposite = _opposite_of(self, self._unique)

    def node(self, level: int, low: int, high: int) -> int:
        """Return the function that is `high` where the variable at `level` is true, and `low` where it is not.

        Raises:
            OverBudget: no more nodes fit.
        """
        return low if low == high else self._unique(level, low, high)

    def variable(self, level: int) -> int:
        """Return the function "the variable at `level` is true"."""
        return self.node(level, NEVER, ALWAYS)

    def all_of(self, parts: Sequence[int]) -> int:
        """Return the conjunction of `parts`, the lowest first, so that each step adds at the top."""
        result = ALWAYS
        for part in sorted(parts, key=self._depth):
            result = self.both(result, part)
        return result

    def any_of(self, parts: Sequence[int]) -> int:
        """Return the disjunction of `parts`, the lowest first."""
        result = NEVER
        for part in sorted(parts, key=self._depth):
            result = self.either(result, part)
        return result

    def at_least(self, number: int, parts: Sequence[int]) -> int:
        """Return "at least `number` of `parts`"."""
        so_many = [ALWAYS] + [NEVER] * number  # at least 0, 1, ... of the parts so far
        for part in sorted(parts, key=self._depth):
            self._budget.check(len(self.levels))
            for count in range(number, 0, -1):
                so_many[count] = self.either(so_many[count], self.both(part, so_many[count - 1]))
        return so_many[number]

    def odd(self, parts: Sequence[int]) -> int:
        """Return "an odd number of `parts`"."""
        result = NEVER
        for part in sorted(parts, key=self._depth):
            one, other = self.both(result, self.opposite(part)), self.both(self.opposite(result), part)
            result = self.either(one, other)
        return result

    def _depth(self, one: int) -> int:
        return -self.levels[one]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A finished diagram: only what `top` is made of, numbered anew in the same order, each node after its children."""

    levels: Sequence[int]
    lows: Sequence[int]
    highs: Sequence[int]
    top: int

    def __len__(self) -> int:
        """Return the number of nodes, the two constants among them."""
        return len(self.levels)


def graph_of(levels: Sequence[int], lows: Sequence[int], highs: Sequence[int], top: int) -> Graph:
    """Return what `top` is made of, of the nodes in these lists."""
    nodes = [NEVER, ALWAYS, *within(lows, highs, top)]
    renumbered = {node: index for index, node in enumerate(nodes)}
    return Graph(
        levels=array("i", [levels[node] for node in nodes]),
        lows=array("i", [renumbered[lows[node]] for node in nodes]),
        highs=array("i", [renumbered[highs[node]] for node in nodes]),
        top=renumbered[top],
    )


def within(lows: Sequence[int], highs: Sequence[int], top: int) -> list[int]:
    """Return the nodes that `top` is made of, without the constants, each after those below it."""
    seen = {NEVER, ALWAYS}
    todo = [top]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += (lows[one], highs[one])
    return sorted(seen - {NEVER, ALWAYS})


def unique_of(levels: list[int], lows: list[int], highs: list[int], budget: Budget) -> Unique:
    """Return the function that gives each (level, low, high) one number, and adds it to the lists when it is new."""
    known: dict[int, int] = {}
    nodes_max = min(budget.nodes_max, NODES_POSSIBLE)

    def unique(level: int, low: int, high: int) -> int:
        key = level << LEVEL_BITS | low << NODE_BITS | high
        found = known.get(key)
        if found is None:
            found = known[key] = len(levels)
            levels.append(level)
            lows.append(low)
            highs.append(high)
            if not found % CHECKED_EVERY or found > nodes_max:
                budget.check(found)
        return found

    return unique


def _junction_of(diagram: Diagram, unique: Unique, budget: Budget, *, neutral: int) -> Callable[[int, int], int]:
    """Return conjunction, or disjunction: they differ in the constant that changes nothing."""
    levels, lows, highs = diagram.levels, diagram.lows, diagram.highs
    known: dict[int, int] = {}
    joined_max = min(budget.nodes_max, NODES_POSSIBLE)

    def join(one: int, other: int) -> int:
        if one < other:
            one, other = other, one
        if other <= ALWAYS:
            return one if other == neutral else other
        if one == other:
            return one
        key = one << NODE_BITS | other
        found = known.get(key)
        if found is None:
            level, beside = levels[one], levels[other]
            if level == beside:
                low, high = join(lows[one], lows[other]), join(highs[one], highs[other])
            elif level < beside:
                low, high = join(lows[one], other), join(highs[one], other)
            else:
                level = beside
                low, high = join(one, lows[other]), join(one, highs[other])
            found = known[key] = low if low == high else unique(level, low, high)
            if not len(known) % CHECKED_EVERY:
                budget.check(len(levels))
                if len(known) > joined_max:  # it may be worked out again, and memory stays bounded
                    known.clear()
        return found

    return join


def _opposite_of(diagram: Diagram, unique: Unique) -> Callable[[int], int]:
    levels, lows, highs = diagram.levels, diagram.lows, diagram.highs
    known: dict[int, int] = {NEVER: ALWAYS, ALWAYS: NEVER}

    def opposite(one: int) -> int:
        found = known.get(one)
        if found is None:
            found = known[one] = unique(levels[one], opposite(lows[one]), opposite(highs[one]))
            known[found] = one
        return found

    return opposite
