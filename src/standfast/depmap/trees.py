"""The fault tree of a node of a map: what must fail together for it to fail. Works nothing out.

Nodes that need each other in a circle work only if something outside the circle can start them: the *least* state that
their needs allow. A fault tree has no circles, so that state is unfolded: first all of the circle is failed, and each
round works out anew what can then work. A round that changes nothing in a state is the last; each one before brings
back at least one of the nodes that are asked for before they are worked out, so their number and one is enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from standfast.depmap.circles import groups
from standfast.depmap.errors import ModelError
from standfast.depmap.faults.model import AllOf, AnyOf, AtLeast, Basic, Constant, Event, FaultTree, Formula, Gate
from standfast.depmap.graph import DependencyGraph, Kind, Need, Node, graph_of_nodes
from standfast.depmap.merging import DependencyMap
from standfast.depmap.unavailability import REPAIR_H_BY_KIND, cause_event, cause_repair_h, own_events

UNFOLDED_MAX: Final = 100_000  # gates of all circles of a tree: some seconds to make a circuit of
_ZONE: Final = "zone"  # the role of what a name is resolved by


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTree:
    """When a node fails.

    It fails whenever the top of `lower` happens, and never without that of `upper`. They are one tree, unless circles
    are too large to be unfolded whole. `resolutions` are the gates "that name cannot be resolved"; `repairs_h` says of
    each event how long it lasts at a time, on average, in hours.
    """

    lower: FaultTree
    upper: FaultTree
    resolutions: frozenset[str]
    repairs_h: Mapping[str, float]


def tree_of(found: DependencyMap, target: str, *, degraded: bool = False, unfolded_max: int = UNFOLDED_MAX) -> NodeTree:
    """Return when `target` fails; if `degraded`, when it fails or lacks something that it would rather have.

    Raises:
        ModelError: there is no such node.
    """
    if target not in found.graph.nodes:
        raise ModelError(f'there is no "{target}"')
    graph = hard_part(found.graph, target, degraded=degraded)
    trees = _Trees(found, graph, unfolded_max)
    upper = trees.tree(target, circles_fail=True)
    lower = upper if trees.is_whole else trees.tree(target, circles_fail=False)
    return NodeTree(lower=lower, upper=upper, resolutions=frozenset(trees.resolutions), repairs_h=trees.repairs_h)


def hard_part(graph: DependencyGraph, target: str, *, degraded: bool = False) -> DependencyGraph:
    """Return what `target` cannot work without: nodes below it by hard needs; if `degraded`, by its own soft ones too.

    No need in it is soft.
    """
    kept: dict[str, Node] = {}
    todo = [target]
    while todo:
        name = todo.pop()
        if name in kept:
            continue
        node = graph.nodes[name]
        needs = [replace(each, soft=False) for each in node.needs if not each.soft or (degraded and name == target)]
        kept[name] = replace(node, needs=tuple(needs))
        todo += [part for need in needs for part in need.parts]
    return graph_of_nodes(kept.values())


class _Trees:
    def __init__(self, found: DependencyMap, graph: DependencyGraph, unfolded_max: int) -> None:
        self._own = {name: own_events(found, node) for name, node in graph.nodes.items()}
        self._events: dict[str, Event] = {cause: cause_event(found, cause) for cause in graph.causes}
        self.repairs_h = {cause: cause_repair_h(cause) for cause in graph.causes}
        for name, own in self._own.items():
            self._events |= own
            self.repairs_h |= dict.fromkeys(own, REPAIR_H_BY_KIND[graph.nodes[name].kind])
        self._graph = graph
        self._circles = _circles(graph)
        self._unfolded_max = unfolded_max
        self.is_whole = True
        self.resolutions: set[str] = set()

    def tree(self, target: str, *, circles_fail: bool) -> FaultTree:
        """Return the tree; of a circle that is too large all fail at first, or else none: too often, or too seldom."""
        gates: dict[str, Formula] = {}
        left = self._unfolded_max
        for members in self._circles:
            place = {name: number for number, name in enumerate(members)}
            behind = {
                part
                for name in members
                for need in self._graph.nodes[name].needs
                for part in need.parts
                if place.get(part, -1) >= place[name]
            }
            rounds = min(len(behind) + 1, max(1, left // len(members)))
            start = True
            if rounds <= len(behind):
                self.is_whole, start = False, circles_fail
            if behind:
                left -= rounds * len(members)
            before: dict[str, Formula] = dict.fromkeys(behind, Constant(start))
            for number in range(rounds, 0, -1):
                mark = f" ({number} before the last)" if number > 1 else ""
                for name in members:
                    self._add(name, mark, before, gates)
                    before[name] = Gate(name + mark)
        return FaultTree(top=target, gates=gates, events=self._events)

    def _add(self, name: str, mark: str, made: Mapping[str, Formula], gates: dict[str, Formula]) -> None:
        """Add the gate of a node; what is `made` of a circle stands for its members, others by their names."""
        node = self._graph.nodes[name]
        own: list[Formula] = [Basic(event) for event in self._own[name]]
        below: list[Formula] = [Basic(cause) for cause in node.causes]
        for need in node.needs:
            unmet = _unmet(need, made)
            (own if node.kind is Kind.NAME and need.role == _ZONE else below).append(unmet)
        if node.kind is Kind.NAME:
            resolution = f"{name} cannot be resolved{mark}"
            self.resolutions.add(resolution)
            gates[resolution] = AnyOf(tuple(own))
            own = [Gate(resolution)]
        gates[name + mark] = AnyOf((*own, *below))


def _unmet(need: Need, made: Mapping[str, Formula]) -> Formula:
    parts = tuple(made.get(part, Gate(part)) for part in need.parts)
    failed = len(parts) - need.number + 1
    if failed == 1:
        return AnyOf(parts)
    return AllOf(parts) if failed == len(parts) else AtLeast(failed, parts)


def _circles(graph: DependencyGraph) -> list[Sequence[str]]:
    """Return the nodes in groups of those that need each other, each group after those that it needs.

    In a group they stand in an order in which most of them come after what they need.
    """
    place = {name: number for number, name in enumerate(graph.bottom_up)}
    needs = {name: [part for need in node.needs for part in need.parts] for name, node in graph.nodes.items()}
    return [sorted(group, key=place.__getitem__) for group in groups(needs)]
