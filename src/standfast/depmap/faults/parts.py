"""A circuit taken apart into its modules, and each of them as a diagram over its variables and the modules below it.

A module that happens while nothing below it does is turned: its diagram is that of the opposite. Then the minimal cut
sets of the whole are those of its modules put into each other, in non-coherent trees as well.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from standfast.depmap.faults.bdd import Diagram, Graph, graph_of
from standfast.depmap.faults.budget import Budget
from standfast.depmap.faults.circuit import Circuit, Kind, Literal
from standfast.depmap.faults.rewrite import modules


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A gate that shares nothing with the rest, as the literal that does not happen by itself; for the top, as it is.

    `leaves` is where it ends: its variables, and the modules right below it.
    """

    literal: Literal
    leaves: frozenset[int]
    is_coherent: bool  # nothing in it is negated

    @property
    def node(self) -> int:
        """Its gate."""
        return self.literal >> 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A module as a diagram; `order` has the leaf that each level is, `built` the nodes that it took on the way."""

    module: Module
    order: tuple[int, ...]
    graph: Graph
    built: int


def modules_of(circuit: Circuit, top: Literal) -> list[Module]:
    """Return the modules that the gate `top` consists of, each after those below it."""
    by_itself = circuit.without_events(top)
    *gates, last = modules(circuit, top)
    literals = [2 * gate + by_itself[gate] for gate in gates] + [2 * last + (top & 1)]
    ends = circuit.names.keys() | set(gates)
    turned = {literal >> 1 for literal in literals[:-1] if literal & 1}
    found: list[Module] = []
    for literal in literals:
        below = circuit.below(literal, ends)
        leaves = ends.intersection(below[:-1])
        found.append(
            Module(
                literal=literal,
                leaves=frozenset(leaves),
                is_coherent=not literal & 1
                and turned.isdisjoint(leaves)
                and not any(_negates(circuit, gate) for gate in below if gate not in leaves),
            )
        )
    return found


def _negates(circuit: Circuit, gate: int) -> bool:
    return circuit.kinds[gate] is Kind.XOR or any(part & 1 for part in circuit.parts[gate])


def turned_of(modules: Sequence[Module]) -> frozenset[int]:
    """Return the gates that those above see as their opposite."""
    return frozenset(module.node for module in modules[:-1] if module.literal & 1)


def part_of(circuit: Circuit, module: Module, order: Sequence[int], turned: Collection[int], budget: Budget) -> Part:
    """Return `module` as a diagram with its leaves in `order`.

    Raises:
        OverBudget: it does not fit.
    """
    diagram = Diagram(budget)
    made = {}
    for level, leaf in enumerate(order):
        variable = diagram.variable(level)
        made[leaf] = diagram.opposite(variable) if leaf in turned else variable
    for node in circuit.below(module.literal, module.leaves):
        if node in made:
            continue
        budget.check(len(diagram.levels))
        parts = [diagram.opposite(made[part >> 1]) if part & 1 else made[part >> 1] for part in circuit.parts[node]]
        made[node] = gate_of(diagram, circuit.kinds[node], circuit.numbers[node], parts)
    top = made[module.node]
    if module.literal & 1:
        top = diagram.opposite(top)
    graph = graph_of(diagram.levels, diagram.lows, diagram.highs, top)
    return Part(module=module, order=tuple(order), graph=graph, built=len(diagram.levels))


def gate_of(diagram: Diagram, kind: Kind, number: int, parts: Sequence[int]) -> int:
    """Return the function of a gate of `kind` over `parts`."""
    match kind:
        case Kind.ALL:
            return diagram.all_of(parts)
        case Kind.ANY:
            return diagram.any_of(parts)
        case Kind.AT_LEAST:
            return diagram.at_least(number, parts)
        case _:
            return diagram.odd(parts)
