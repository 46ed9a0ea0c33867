"""In which zone a name is, and which zone is whose parent: a step that knows all zones of the map, and public suffixes.

A name is in the closest zone above it that the map has. Where that is only a public suffix, or none at all, it is in
the zone of its registrable domain. Above each zone are the next one that the map has or that public suffixes tell, and
so on up to the root. Public suffixes stand for zones, which nearly all are. A name under a top-level domain that nobody
knows, as cluster.local, is only in zones that the map has.

A name server that is in a zone that it serves cannot be found by that zone: its address comes from the zone above, as
glue (RFC 9471), so that is the one that it needs.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from standfast.depmap.assembly import Step
from standfast.depmap.domain_names import ZONE, above, lies_in, name_of, node_of, origin_of, zone_of
from standfast.depmap.graph import DependencyGraph, Kind, all_of
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Needs, Reading, Statement, Told, Witness
from standfast.dns.model import Name
from standfast.dns.name import ROOT

NAME: Final = "naming"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSuffixes:
    """What registrable domains end with; `edition` says which list that is.

    `suffix_of` gives the public suffix that a name ends with, which may be the name itself; None where it has none.
    Names are written as nodes are.
    """

    edition: str
    suffix_of: Callable[[str], str | None]

    def registrable(self, node: str) -> str | None:
        """Return the registrable domain that `node` is or is below; None where it has none."""
        suffix = self.suffix_of(node)
        if suffix is None or suffix == node:
            return None
        return node.removesuffix(f".{suffix}").rpartition(".")[2] + f".{suffix}"


def zones_of_names(suffixes: PublicSuffixes) -> Step:
    """Return the step."""
    return partial(_zones_of_names, suffixes)


def zones_by_server(graph: DependencyGraph) -> dict[str, list[str]]:
    """Return the zones that each name server serves."""
    served: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        for need in node.needs:
            if need.role == "server":
                for server in need.parts:
                    served.setdefault(server, []).append(node.name)
    return served


def _zones_of_names(suffixes: PublicSuffixes, found: DependencyMap) -> Reading:
    told = tuple(
        Told(statement, Witness(reader=NAME, where=suffixes.edition)) for statement in _statements(suffixes, found)
    )
    return Reading(told=told)


def _statements(suffixes: PublicSuffixes, found: DependencyMap) -> Iterator[Statement]:
    nodes = found.graph.nodes
    zones = _Zones(suffixes, (name for name, node in nodes.items() if node.kind is Kind.ZONE))
    served = zones_by_server(found.graph)
    for name, node in nodes.items():
        placed = any(need.role == "zone" for need in node.needs)
        if placed or not (node.kind in (Kind.NAME, Kind.NAME_SERVER) or name in served):
            continue
        own = [zone for zone in served.get(name, ()) if lies_in(name, zone)]
        zone = zones.next_above(origin_of(min(own, key=len))) if own else zones.closest(name_of(name))
        if zone is not None:
            yield Needs(name, all_of(zone_of(zone), role="zone"))
    yield from zones.chains({name for name, node in nodes.items() if any(need.role == "parent" for need in node.needs)})


class _Zones:
    """The zones of the map, and those that come to be known."""

    def __init__(self, suffixes: PublicSuffixes, zones: Iterable[str]) -> None:
        self._suffixes = suffixes
        self._known = {origin_of(zone): None for zone in zones if zone.startswith(ZONE)}

    def closest(self, name: Name) -> Name | None:
        """Return the zone that `name` is in; None where nobody knows."""
        return self._first((name, *above(name)), name)

    def next_above(self, origin: Name) -> Name | None:
        """Return the parent of the zone that begins at `origin`; None for the root, and where nobody knows."""
        return self._first(above(origin), origin)

    def chains(self, placed: Container[str]) -> Iterator[Statement]:
        """Yield the parent of each zone, also of those that come to be known by that; not of what is in `placed`."""
        waiting = list(self._known)
        while waiting:  # ends: a parent has fewer labels, and each is looked at once
            origin = waiting.pop()
            if zone_of(origin) in placed:
                continue
            before = len(self._known)
            zone = self.next_above(origin)
            if zone is not None:
                yield Needs(zone_of(origin), all_of(zone_of(zone), role="parent"))
                if len(self._known) > before:
                    waiting.append(zone)

    def _first(self, names: Iterable[Name], name: Name) -> Name | None:
        suffix = self._suffixes.suffix_of(node_of(name))
        registrable = self._suffixes.registrable(node_of(name))
        for each in names:
            node = node_of(each)
            if each == ROOT:
                is_zone = suffix is not None  # else it is under no top-level domain, and the root says it is not there
            else:
                is_zone = each in self._known or node == registrable or self._suffixes.suffix_of(node) == node
            if is_zone:
                self._known[each] = None
                return each
        return None
