"""One map of what many readers say. The same edge told by two is one edge with both witnesses; contradictions are kept.

What a hand wrote counts more than what a file says. Of two files that differ, the worse is taken: a need is hard, the
larger number is needed, the longer time it is failed. What is taken is told with each contradiction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final, TypeAlias, assert_never

from standfast.depmap.faults.model import Event, Source
from standfast.depmap.graph import DependencyGraph, Kind, Need, Node, graph_of_nodes
from standfast.depmap.statements import (
    Claims,
    Fails,
    Is,
    IsGone,
    Loss,
    Needs,
    Reading,
    Remark,
    Shares,
    Told,
    Witness,
)

HANDWRITTEN: Final = "handwritten"  # the reader whose word counts more than any other's

Edge: TypeAlias = tuple[str, str]  # from a node to what it needs, or to a cause that it shares

_GRADES: Final = {Source.ASSUMED: 0, Source.CLAIMED: 1, Source.MEASURED: 2}  # measured is believed before claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """What witnesses say differently of `name`, or of an edge "a -> b"; `taken` is what the map says now."""

    name: str
    said: tuple[tuple[str, Witness], ...]
    taken: str


@dataclass(frozen=True, kw_only=True)
class DependencyMap:
    """The graph, and what else is known of its nodes and causes. Never changed; made by `merge`.

    `events` has the own failures of nodes and causes of which somebody spoke. `claims` are availabilities, 0 to 1, and
    `gone` are the names that were found emptied or removed. `told` is all that it was made of, each once.
    """

    graph: DependencyGraph
    events: Mapping[str, Event]
    claims: Mapping[str, float]
    gone: Mapping[str, Loss]
    witnesses: Mapping[Edge, tuple[Witness, ...]]
    contradictions: tuple[Contradiction, ...]
    remarks: tuple[Remark, ...]
    told: tuple[Told, ...]


def merge(readings: Iterable[Reading]) -> DependencyMap:
    """Return the map of all that `readings` tell.

    Raises:
        ModelError: a cause has the name of a node.
    """
    merged = _Merger()
    remarks: dict[Remark, None] = {}
    for reading in readings:
        remarks |= dict.fromkeys(reading.remarks)
        for told in reading.told:
            merged.take(told)
    return merged.done(tuple(remarks))


def kind_by_name(name: str) -> Kind:
    """Return what a node of which nobody said more looks like."""
    if name.startswith("zone:"):
        return Kind.ZONE
    if ":" in name or name[-1:].isdigit():
        try:
            ip_address(name)
        except ValueError:
            return Kind.RESOURCE if ":" in name else Kind.SERVICE
        return Kind.ADDRESS
    return Kind.NAME if "." in name and "/" not in name else Kind.SERVICE


class _Merger:
    def __init__(self) -> None:
        self._told: dict[Told, None] = {}
        self._kinds: dict[str, Kind] = {}
        self._needs: dict[str, dict[Need, list[Witness]]] = {}
        self._causes: dict[str, dict[str, None]] = {}
        self._events: dict[str, Event] = {}
        self._claims: dict[str, float] = {}
        self._gone: dict[str, Loss] = {}
        self._witnesses: dict[Edge, dict[Witness, None]] = {}
        self._contradictions: list[Contradiction] = []

    def take(self, told: Told) -> None:
        if told in self._told:
            return
        self._told[told] = None
        match told.statement:
            case Is(node, kind):
                if self._kinds.get(node, Kind.SERVICE) is Kind.SERVICE:
                    self._kinds[node] = kind
            case Needs(node, need):
                self._kinds.setdefault(node, kind_by_name(node))
                for one in _apart(need):
                    self._needs.setdefault(node, {}).setdefault(one, []).append(told.by)
                for part in need.parts:
                    self._kinds.setdefault(part, kind_by_name(part))
                    self._witnesses.setdefault((node, part), {})[told.by] = None
            case Shares(node, cause):
                self._kinds.setdefault(node, kind_by_name(node))
                self._causes.setdefault(node, {})[cause] = None
                self._witnesses.setdefault((node, cause), {})[told.by] = None
            case Fails(name, event):
                known = self._events.get(name)
                if known is None or _strength(known) < _strength(event):
                    self._events[name] = event
            case IsGone(node, how):
                self._kinds.setdefault(node, kind_by_name(node))
                self._gone[node] = how
            case Claims(node, availability):
                self._kinds.setdefault(node, kind_by_name(node))
                self._claims[node] = max(availability, self._claims.get(node, 0.0))
            case _:
                assert_never(told.statement)

    def done(self, remarks: tuple[Remark, ...]) -> DependencyMap:
        nodes = [
            Node(
                name=name,
                kind=kind,
                needs=tuple(self._needs.get(name, ())),
                causes=tuple(self._causes.get(name, ())),
            )
            for name, kind in self._kinds.items()
        ]
        return DependencyMap(
            graph=graph_of_nodes(nodes),
            events=self._events,
            claims=self._claims,
            gone=self._gone,
            witnesses={edge: tuple(witnesses) for edge, witnesses in self._witnesses.items()},
            contradictions=tuple(self._contradictions),
            remarks=remarks,
            told=tuple(self._told),
        )


def _apart(need: Need) -> list[Need]:
    """Return a need of all as one for each part, so that what two say of one part meets."""
    if need.number < len(need.parts) or need.role:
        return [need]
    return [replace(need, parts=(part,), number=1) for part in need.parts]


def _strength(event: Event) -> tuple[int, float]:
    return _GRADES[event.source], event.unavailability
