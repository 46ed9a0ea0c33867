"""What a small tree or map says, by trying every state: a table is one integer, with a bit for each set of events."""

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from operator import xor

from hypothesis import strategies as st

from standfast.depmap.faults.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Basic,
    Constant,
    Event,
    FaultTree,
    Formula,
    Gate,
    Not,
    Xor,
)
from standfast.depmap.graph import DependencyGraph

PROBABILITIES = (0.0, 1e-6, 0.01, 0.3, 0.5, 0.9, 1.0)


@st.composite
def trees(draw: st.DrawFn, *, coherent: bool = False, events_max: int = 20) -> FaultTree:
    """Return a random tree; many of its gates share parts."""
    events = [Basic(f"e{number}") for number in range(draw(st.integers(1, events_max)))]
    formulae: list[Formula] = [*events, *(() if coherent else [Constant(True), Constant(False)])]
    gates: dict[str, Formula] = {}
    kinds = "all any at-least" if coherent else "all any at-least xor not"
    for number in range(draw(st.integers(1, 15))):
        parts = tuple(draw(st.lists(st.sampled_from(formulae), min_size=1, max_size=5)))
        match draw(st.sampled_from(kinds.split())):
            case "all":
                formula: Formula = AllOf(parts)
            case "any":
                formula = AnyOf(parts)
            case "at-least":
                formula = AtLeast(draw(st.integers(0, len(parts) + 1)), parts)
            case "xor":
                formula = Xor(parts)
            case _:
                formula = Not(parts[0])
        gates[f"g{number}"] = formula
        formulae += [Gate(f"g{number}")] * 3  # so that trees grow deep
    probabilities = {event.name: Event(unavailability=draw(st.sampled_from(PROBABILITIES))) for event in events}
    return FaultTree(top=list(gates)[-1], gates=gates, events=probabilities)


class Table:
    """A truth table over events, of which whoever makes one sets `table`."""

    table: int

    def __init__(self, events: Mapping[str, Event]) -> None:
        self.names = list(events)
        self._shares = [event.unavailability for event in events.values()]
        self._states = 1 << len(self.names)
        self._all = (1 << self._states) - 1
        self._variables = [self._variable(number) for number in range(len(self.names))]

    def probability(self) -> float:
        """Return the probability that the top event happens."""
        return self._probability(self.table, len(self.names), {})

    def minimal_sets(self) -> set[frozenset[str]]:
        """Return the minimal sets of events by which the top event happens, if no other does."""
        closed = minimal = self.table
        for number in range(len(self.names)):
            closed |= (closed << (1 << number)) & self._variables[number]
        for number in range(len(self.names)):
            minimal &= ~((closed << (1 << number)) & self._variables[number])
        states = (state for state, bit in enumerate(f"{minimal:b}"[::-1]) if bit == "1")
        return {frozenset(n for i, n in enumerate(self.names) if state >> i & 1) for state in states}

    def _at_least(self, number: int, tables: Sequence[int]) -> int:
        so_many = [self._all] + [0] * len(tables)
        for table in tables:
            for count in range(len(tables), 0, -1):
                so_many[count] |= so_many[count - 1] & table
        return so_many[number] if number <= len(tables) else 0

    def _variable(self, number: int) -> int:
        """Return the table of a variable: blocks of zeros and ones in turn."""
        table, width = ((1 << (1 << number)) - 1) << (1 << number), 2 << number
        while width < self._states:
            table |= table << width
            width *= 2
        return table

    def _probability(self, table: int, variables: int, known: dict[tuple[int, int], float]) -> float:
        if table == 0:
            return 0.0
        if table == (1 << (1 << variables)) - 1:
            return 1.0
        if (table, variables) not in known:
            half = 1 << (variables - 1)
            share = self._shares[variables - 1]
            low, high = (
                self._probability(part, variables - 1, known) for part in (table & ((1 << half) - 1), table >> half)
            )
            known[table, variables] = (1 - share) * low + share * high
        return known[table, variables]


class Truth(Table):
    """The truth table of a tree."""

    def __init__(self, tree: FaultTree) -> None:
        super().__init__(tree.events)
        self._gates: dict[str, int] = {}
        for name in tree.in_order():
            self._gates[name] = self._table(tree.gates[name])
        self.table = self._gates[tree.top]

    def _table(self, formula: Formula) -> int:
        match formula:
            case Basic(name):
                return self._variables[self.names.index(name)]
            case Gate(name):
                return self._gates[name]
            case Constant(value):
                return self._all if value else 0
            case Not(part):
                return self._all ^ self._table(part)
            case AllOf(parts):
                return reduce(int.__and__, map(self._table, parts))
            case AnyOf(parts):
                return reduce(int.__or__, map(self._table, parts))
            case Xor(parts):
                return reduce(xor, map(self._table, parts))
            case AtLeast(number, parts):
                return self._at_least(number, list(map(self._table, parts)))


class MapTruth(Table):
    """In which states a node of a graph fails: `own` has the basic events of each node, causes are events themselves.

    Found as its definition says: at first nothing works, and what can work then does, until nothing more can.
    """

    def __init__(
        self, graph: DependencyGraph, target: str, own: Mapping[str, Collection[str]], events: Mapping[str, Event]
    ) -> None:
        super().__init__(events)
        works = dict.fromkeys(graph.nodes, 0)
        before: dict[str, int] = {}
        while works != before:
            before = dict(works)
            for name, node in graph.nodes.items():
                up = self._all
                for event in (*own[name], *node.causes):
                    up &= ~self._variables[self.names.index(event)]
                for need in node.needs:
                    if not need.soft:
                        up &= self._at_least(need.number, [works[part] for part in need.parts])
                works[name] = up
        self.table = self._all & ~works[target]
