"""What could be changed in a map: each change is a map of its own, to be worked out as the first one is. Weighs none.

A copy has what the first has, but for the place that it is to be apart from; what below it would not fail with that is
shared by both. A service fails by its own faults and releases in all its copies at once, anything else in each alone.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from standfast.depmap.faults.model import Event
from standfast.depmap.graph import DependencyGraph, Kind, Need, Node, any_of
from standfast.depmap.loss import blast_radius
from standfast.depmap.merging import DependencyMap
from standfast.depmap.trees import hard_part
from standfast.depmap.unavailability import cause_event, own_events

COPIED_MAX: Final = 200  # nodes of one copy; who copies more builds everything anew
ITSELF: Final = " itself"  # after the name of a service: the cause that all its copies fail by
NEVER: Final = Event(unavailability=0.0)
_SECOND: Final[Mapping[str, str]] = {  # by what stands before the ":" of a cause
    "region": "in a second region",
    "provider": "at a second provider",
    "az": "in a second availability zone",
    "as": "in a second network",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change in words, the map as it would be, and how many things it adds or alters.

    Of what there would be twice, `first` says how the one that is there already is called then.
    """

    what: str
    found: DependencyMap
    size: int
    first: Mapping[str, str] = field(default_factory=dict)


def changes_for(found: DependencyMap, target: str) -> Iterator[Change]:
    """Yield what could be changed of that without which `target` does not work.

    Raises:
        ModelError: there is no such node.
    """
    graph = hard_part(found.graph, target)
    yield from _second_operators(found, graph.nodes)
    yield from _own_regions(found, graph.nodes)
    for cause in graph.causes:
        fallen = blast_radius(graph, [cause]).down
        if target in fallen and not cause.startswith("dns:"):
            for name in fallen:
                yield from _copied(found, name, cause, fallen)
    yield from _softened(found, graph.nodes, graph.nodes)


def changes_against(found: DependencyMap, lost: Collection[str]) -> Iterator[Change]:
    """Yield what could be changed so that the loss of `lost`, nodes and causes, takes less with it.

    Raises:
        ModelError: there is nothing of that name.
    """
    graph = found.graph
    fallen = blast_radius(graph, lost).down
    yield from _second_operators(found, fallen)
    yield from _own_regions(found, fallen)
    for loss in lost:
        place = _place_of(graph.nodes[loss]) if loss in graph.nodes else loss
        with_place = blast_radius(graph, [loss, place] if place else [loss]).down
        if not place.startswith("dns:"):
            for name in fallen:
                yield from _copied(found, name, place, with_place, lost="" if place else loss)
    yield from _softened(found, fallen, fallen)


def _second_operators(found: DependencyMap, names: Iterable[str]) -> Iterator[Change]:
    """A server of another operator, for zones below a top-level domain whose servers all are one operator's."""
    nodes = found.graph.nodes
    for name in names:
        zone, owner = nodes[name], name.removeprefix("zone:")
        servers = [need for need in zone.needs if need.role == "server"]
        if zone.kind is not Kind.ZONE or "." not in owner.strip(".") or not servers:
            continue
        operators = [{each for each in nodes[part].causes if each.startswith("dns:")} for part in servers[0].parts]
        if set.intersection(*operators):
            server = Node(
                name=f"a name server of {owner} elsewhere",
                causes=(f"dns:another operator of {owner}",),
                kind=Kind.NAME_SERVER,
            )
            larger = replace(servers[0], parts=(*servers[0].parts, server.name))
            yield Change(
                what=f"a second DNS operator for {owner}",
                found=_changed(found, [_with(zone, servers[0], larger), server]),
                size=1,
            )


def _own_regions(found: DependencyMap, names: Iterable[str]) -> Iterator[Change]:
    """The one of its own region, for what stands in one region and needs something in another of the same provider."""
    for name in names:
        node = found.graph.nodes[name]
        regions = [cause for cause in node.causes if cause.startswith("region:")]
        for need in node.needs if len(regions) == 1 else ():
            for part in need.parts if not need.soft else ():
                there = _place_of(found.graph.nodes[part])
                if there == regions[0] or not there.startswith(regions[0].partition("/")[0] + "/"):
                    continue
                here = regions[0].partition(":")[2]
                copies = _Copies(found, [part], there, here, moved_to=regions[0])
                nearer = replace(need, parts=tuple(copies.names.get(each, each) for each in need.parts))
                changed = _changed(found, [*copies.nodes, _with(node, need, nearer)], copies.events)
                yield Change(what=f"{name} uses the {part} of its own region, {here}", found=changed, size=1)


def _copied(
    found: DependencyMap, name: str, place: str, fallen: Collection[str], *, lost: str = ""
) -> Iterator[Change]:
    """A second `name` apart from `place`, or where nobody knows one from `lost`, with all below it that falls."""
    how = _SECOND.get(place.partition(":")[0], f"apart from {place}") if place else f"with another {lost}"
    below = _below(found.graph, name, fallen)
    if len(below) <= COPIED_MAX:
        copies = _Copies(found, below, place, how)
        first = next((each for each in copies.nodes if each.name == name), found.graph.nodes[name])
        here = replace(first, name=f"{name} (where it is)")
        either = Node(name=name, needs=(any_of(here.name, copies.names[name]),))
        own = own_events(replace(found, events={**found.events, **copies.events}), first).values()
        events = dict(zip(own_events(found, here), own, strict=True))
        yield Change(
            what=f"another {name} beside it" if name == lost else f"{name} also {how}",
            found=_changed(found, [*copies.nodes, here, either], {**copies.events, **events, name: NEVER}, {name}),
            size=len(below),
            first={name: here.name},
        )


def _below(graph: DependencyGraph, name: str, fallen: Collection[str]) -> list[str]:
    """Return `name` and those of `fallen` that it hangs on by others of them; one more than COPIED_MAX at the most."""
    found: dict[str, None] = {}
    todo = [name]
    while todo and len(found) <= COPIED_MAX:
        one = todo.pop()
        if one not in found:
            found[one] = None
            needs = [need for need in graph.nodes[one].needs if not need.soft]
            todo += [part for need in needs for part in need.parts if part in fallen]
    return list(found)


def _softened(found: DependencyMap, names: Iterable[str], missing: Collection[str]) -> Iterator[Change]:
    """A need of something `missing` made soft, of services: who makes them can choose that they work without."""
    for name in names:
        node = found.graph.nodes[name]
        for need in node.needs if node.kind is Kind.SERVICE else ():
            if not need.soft and not need.role and any(part in missing for part in need.parts):
                what = f"{name} works, degraded, without {', '.join(need.parts)}"
                changed = _changed(found, [_with(node, need, replace(need, soft=True))])
                yield Change(what=what, found=changed, size=1)


class _Copies:
    """Copies of `originals` apart from `place`, or `moved_to` another one; with the nodes that they alter."""

    def __init__(
        self, found: DependencyMap, originals: Iterable[str], place: str, how: str, *, moved_to: str | None = None
    ) -> None:
        self.names = {name: f"{name} ({how})" for name in originals}
        self.nodes: list[Node] = []
        self.events: dict[str, Event] = {}
        whole = replace(found, gone={})  # a copy is not gone
        for name, copied in self.names.items():
            node = found.graph.nodes[name]
            own = own_events(whole, node)
            causes = tuple(self._cause(found, cause, place, moved_to) for cause in node.causes)
            if node.kind is Kind.SERVICE:
                self.nodes.append(replace(node, causes=(*node.causes, name + ITSELF)))
                self.events |= {name + ITSELF: own[name], name: NEVER}
                own, causes = {name: NEVER}, (*causes, name + ITSELF)
            needs = [_renamed(need, self.names) for need in node.needs]
            copy = replace(node, name=copied, causes=causes, needs=tuple(needs))
            self.nodes.append(copy)
            self.events |= dict(zip(own_events(whole, copy), own.values(), strict=True))

    def _cause(self, found: DependencyMap, cause: str, place: str, moved_to: str | None) -> str:
        if not _goes_with(place, cause):
            return cause
        if cause == place and moved_to is not None:
            return moved_to
        another = f"{cause} (another)"
        self.events[another] = cause_event(found, cause)
        return another


def _renamed(need: Need, names: Mapping[str, str]) -> Need:
    return replace(need, parts=tuple(names.get(part, part) for part in need.parts))


def _with(node: Node, need: Need, instead: Need) -> Node:
    return replace(node, needs=tuple(instead if each is need else each for each in node.needs))


def _changed(
    found: DependencyMap, nodes: Iterable[Node], events: Mapping[str, Event] | None = None, back: Collection[str] = ()
) -> DependencyMap:
    """Return the map with `nodes` new or instead of those of their names; what is `back` is no longer gone."""
    by_name = {**found.graph.nodes, **{node.name: node for node in nodes}}
    return replace(
        found,
        graph=DependencyGraph(nodes=by_name),
        events={**found.events, **(events or {})},
        gone={name: how for name, how in found.gone.items() if name not in back},
    )


def _place_of(node: Node) -> str:
    """Return where a node stands: its region, else its provider; empty where nobody knows."""
    for kind in ("region:", "provider:"):
        for cause in node.causes:
            if cause.startswith(kind):
                return cause
    return ""


def _goes_with(place: str, cause: str) -> bool:
    """Return whether who leaves `place` leaves `cause` as well: zones are in regions, and these are a provider's."""
    kind, _, where = place.partition(":")
    of, _, what = cause.partition(":")
    if cause == place:
        return True
    if kind == "provider":
        return what == where or what.startswith(where + "/") or of == "as"
    return kind == "region" and of == "az" and what.startswith(where)
