"""A failure function as a graph in which equal parts are one, made smaller without changing what it says.

A node is a variable or a gate; a literal is twice the number of a node, plus one where it is negated. Node 0 is the
constant, so that literal 0 is "never" and 1 is "always". Children have smaller numbers than their parents.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum
from typing import Final, assert_never

from standfast.depmap.faults.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Basic,
    Constant,
    FaultTree,
    Formula,
    Gate,
    Not,
    Xor,
)

Literal = int
NEVER: Final[Literal] = 0
ALWAYS: Final[Literal] = 1


class Kind(IntEnum):
    """What a node is."""

    VARIABLE = 0
    ALL = 1
    ANY = 2
    AT_LEAST = 3
    XOR = 4


class Circuit:
    """Nodes, only ever added to."""

    def __init__(self) -> None:
        self.kinds: list[Kind] = [Kind.VARIABLE]
        self.parts: list[tuple[Literal, ...]] = [()]
        self.numbers: list[int] = [0]  # of AT_LEAST
        self.names: dict[int, str] = {}  # of variables
        self._variables: dict[str, Literal] = {}
        self._known: dict[tuple[Kind, int, tuple[Literal, ...]], int] = {}

    def variable(self, name: str) -> Literal:
        """Return the variable called `name`, a new one where there is none yet."""
        if name not in self._variables:
            self._variables[name] = 2 * self._add(Kind.VARIABLE, (), 0)
            self.names[self._variables[name] >> 1] = name
        return self._variables[name]

    def all_of(self, parts: Iterable[Literal]) -> Literal:
        """Return the conjunction of `parts`."""
        return self._junction(Kind.ALL, parts, neutral=ALWAYS)

    def any_of(self, parts: Iterable[Literal]) -> Literal:
        """Return the disjunction of `parts`."""
        return self._junction(Kind.ANY, parts, neutral=NEVER)

    def at_least(self, number: int, parts: Sequence[Literal]) -> Literal:
        """Return "at least `number` of `parts`", where a part that is there twice counts twice."""
        number -= parts.count(ALWAYS)
        parts = sorted(part for part in parts if part not in (NEVER, ALWAYS))
        if number <= 0:
            return ALWAYS
        if number > len(parts):
            return NEVER
        if number == 1:
            return self.any_of(parts)
        if number == len(parts):
            return self.all_of(parts)
        return 2 * self._node(Kind.AT_LEAST, tuple(parts), number)

    def xor(self, parts: Iterable[Literal]) -> Literal:
        """Return "an odd number of `parts`"."""
        odd: dict[Literal, None] = {}
        negated = 0
        for part in parts:
            negated ^= part & 1
            positive = part & ~1
            if positive in odd:
                del odd[positive]
            elif positive != NEVER:
                odd[positive] = None
        if len(odd) < 2:
            return (next(iter(odd)) if odd else NEVER) ^ negated
        return 2 * self._node(Kind.XOR, tuple(sorted(odd)), 0) ^ negated

    def wrap(self, literal: Literal) -> Literal:
        """Return a gate that says what `literal` says, where a gate is wanted."""
        return 2 * self._node(Kind.ALL, (literal,), 0)

    def make(self, kind: Kind, parts: Sequence[Literal], number: int) -> Literal:
        """Return a gate of any kind; `number` is that of AT_LEAST."""
        match kind:
            case Kind.ALL:
                return self.all_of(parts)
            case Kind.ANY:
                return self.any_of(parts)
            case Kind.AT_LEAST:
                return self.at_least(number, parts)
            case Kind.XOR:
                return self.xor(parts)
            case Kind.VARIABLE:
                raise ValueError("a variable is made by its name")
            case _:
                assert_never(kind)

    def below(self, top: Literal, leaves: Collection[int] = ()) -> list[int]:
        """Return the nodes that `top` hangs on and its own, each after its parts and in the order of first use.

        Below `leaves` nothing is looked at, but for `top` itself.
        """
        order: list[int] = []
        seen: set[int] = set()
        todo = [(top >> 1, False)]
        while todo:
            node, done = todo.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                todo.append((node, True))
                if node not in leaves or node == top >> 1:
                    todo += [(part >> 1, False) for part in reversed(self.parts[node]) if part >> 1 not in seen]
        return order

    def parents(self, order: Iterable[int]) -> dict[int, list[tuple[int, int]]]:
        """Return for each node of `order` the gates there that it is a part of, each with 1 where it is negated."""
        found: dict[int, list[tuple[int, int]]] = {node: [] for node in order}
        for node in found:
            for part in self.parts[node]:
                found[part >> 1].append((node, part & 1))
        return found

    def without_events(self, top: Literal) -> dict[int, bool]:
        """Return for each node that `top` hangs on whether it is true while every variable is false."""
        return self.true_with((), self.below(top))

    def true_with(self, variables: Collection[int], order: Iterable[int]) -> dict[int, bool]:
        """Return for each node of `order`, each after its parts, whether it is true while only `variables` are."""
        true: dict[int, bool] = {}
        for node in order:
            so_many = sum(true[part >> 1] != bool(part & 1) for part in self.parts[node])
            match self.kinds[node]:
                case Kind.VARIABLE:
                    true[node] = node in variables
                case Kind.ALL:
                    true[node] = so_many == len(self.parts[node])
                case Kind.ANY:
                    true[node] = so_many > 0
                case Kind.AT_LEAST:
                    true[node] = so_many >= self.numbers[node]
                case Kind.XOR:
                    true[node] = so_many % 2 == 1
        return true

    def _junction(self, kind: Kind, parts: Iterable[Literal], *, neutral: Literal) -> Literal:
        kept = dict.fromkeys(part for part in parts if part != neutral)
        if 1 - neutral in kept or any(part ^ 1 in kept for part in kept):
            return 1 - neutral
        if len(kept) < 2:
            return next(iter(kept), neutral)
        return 2 * self._node(kind, tuple(kept), 0)

    def _node(self, kind: Kind, parts: tuple[Literal, ...], number: int) -> int:
        key = (kind, number, tuple(sorted(parts)))
        if key not in self._known:
            self._known[key] = self._add(kind, parts, number)
        return self._known[key]

    def _add(self, kind: Kind, parts: tuple[Literal, ...], number: int) -> int:
        self.kinds.append(kind)
        self.parts.append(parts)
        self.numbers.append(number)
        return len(self.kinds) - 1


def circuit_of(tree: FaultTree) -> tuple[Circuit, Literal]:
    """Return `tree` as a circuit, and its top.

    Raises:
        ModelError: a gate of it hangs on itself, or on what is not there.
    """
    circuit = Circuit()
    made: dict[str, Literal] = {}

    def literal(formula: Formula) -> Literal:
        match formula:
            case Basic(name):
                return circuit.variable(name)
            case Gate(name):
                return made[name]
            case Constant(value):
                return ALWAYS if value else NEVER
            case Not(part):
                return literal(part) ^ 1
            case AllOf(parts):
                return circuit.all_of(map(literal, parts))
            case AnyOf(parts):
                return circuit.any_of(map(literal, parts))
            case AtLeast(number, parts):
                return circuit.at_least(number, list(map(literal, parts)))
            case Xor(parts):
                return circuit.xor(map(literal, parts))

    for name in tree.in_order():
        made[name] = literal(tree.gates[name])
    return circuit, made[tree.top]
