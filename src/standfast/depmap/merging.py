"""One map of what many readers say. The same edge told by two is one edge with both witnesses; contradictions are kept.

The order in which readers speak changes nothing, and a map that is merged again is the same: what is told is sorted by
who says it and where. What is taken of what differs stands in `reconciling`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias, assert_never

from standfast.depmap.faults.model import Event
from standfast.depmap.graph import DependencyGraph, Kind, Need, Node, all_of, graph_of_nodes
from standfast.depmap.reconciling import (
    HANDWRITTEN,
    Contradiction,
    causes_of,
    claim_of,
    event_of,
    kind_by_name,
    kind_of,
    loss_of,
    needs_of,
)
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

__all__ = ("HANDWRITTEN", "Contradiction", "DependencyMap", "Edge", "kind_by_name", "merge")

Edge: TypeAlias = tuple[str, str]  # from a node to what it needs, or to a cause that it shares


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
        ModelError: a need cannot be met: it is one of nothing, or of more than there are.
    """
    told: set[Told] = set()
    remarks: set[Remark] = set()
    for reading in readings:
        told.update(reading.told)
        remarks.update(reading.remarks)
    merger = _Merger()
    in_order = sorted(told, key=_place)
    for each in in_order:
        merger.take(each)
    return merger.done(tuple(in_order), tuple(sorted(remarks, key=attrgetter("by", "text"))))


class _Merger:
    """Collects what is said of each thing, and then takes of it what holds."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[tuple[Kind, Witness]]] = {}  # of every node, in the order of their first mention
        self._needs: dict[str, list[tuple[Need, Witness]]] = {}
        self._causes: dict[str, list[tuple[str, Witness]]] = {}
        self._events: dict[str, list[tuple[Event, Witness]]] = {}
        self._claims: dict[str, list[tuple[float, Witness]]] = {}
        self._gone: dict[str, list[tuple[Loss, Witness]]] = {}

    def take(self, told: Told) -> None:
        match told.statement:
            case Is(node, kind):
                self._kinds.setdefault(node, []).append((kind, told.by))
            case Needs(node, need):
                for name in (node, *need.parts):
                    self._kinds.setdefault(name, [])
                self._needs.setdefault(node, []).append((need, told.by))
            case Shares(node, cause):
                self._kinds.setdefault(node, [])
                self._causes.setdefault(node, []).append((cause, told.by))
            case Fails(name, event):
                self._events.setdefault(name, []).append((event, told.by))
            case IsGone(node, how):
                self._kinds.setdefault(node, [])
                self._gone.setdefault(node, []).append((how, told.by))
            case Claims(node, availability):
                self._kinds.setdefault(node, [])
                self._claims.setdefault(node, []).append((availability, told.by))
            case _:
                assert_never(told.statement)

    def done(self, told: tuple[Told, ...], remarks: tuple[Remark, ...]) -> DependencyMap:
        witnesses: dict[Edge, tuple[Witness, ...]] = {}
        contradictions = self._causes_that_are_nodes()
        self._leave_out_own_zones()
        nodes = []
        for name, said in self._kinds.items():
            kind, differ = kind_of(name, said)
            needs, needs_differ = needs_of(name, self._needs.get(name, ()))
            causes, causes_differ = causes_of(name, self._causes.get(name, ()))
            nodes.append(Node(name=name, kind=kind, needs=needs, causes=causes))
            contradictions += differ + needs_differ + causes_differ
            parts = {part for need in needs for part in need.parts}
            _witness(
                witnesses, name, parts, ((part, by) for need, by in self._needs.get(name, ()) for part in need.parts)
            )
            _witness(witnesses, name, causes, self._causes.get(name, ()))
        events, claims, gone = {}, {}, {}
        for name, events_said in self._events.items():
            events[name], differ = event_of(name, events_said)
            contradictions += differ
        for name, claims_said in self._claims.items():
            claims[name], differ = claim_of(name, claims_said)
            contradictions += differ
        for name, gone_said in self._gone.items():
            gone[name], differ = loss_of(name, gone_said)
            contradictions += differ
        return DependencyMap(
            graph=graph_of_nodes(nodes),
            events=events,
            claims=claims,
            gone=gone,
            witnesses=witnesses,
            contradictions=tuple(contradictions),
            remarks=remarks,
            told=told,
        )

    def _causes_that_are_nodes(self) -> list[Contradiction]:
        """Turn each into a need: what one file calls a shared cause and another describes is a node that all need."""
        found: dict[str, list[tuple[str, Witness]]] = {}
        for node, said in self._causes.items():
            for cause, by in said:
                if cause in self._kinds:
                    found.setdefault(cause, []).append((f"a shared cause of {node}", by))
                    if cause != node:
                        self._needs.setdefault(node, []).append((all_of(cause), by))
            self._causes[node] = [each for each in said if each[0] not in self._kinds]
        return [
            Contradiction(name=cause, said=tuple(said), taken="a node that those need") for cause, said in found.items()
        ]

    def _leave_out_own_zones(self) -> None:
        """Drop what says that a name server is found by a zone that it serves: the zone above has its address.

        Else the two would hold each other up. Files say it of every name of a zone; see `standfast.depmap.naming`.
        """
        served: dict[str, set[str]] = {}
        for zone, said in self._needs.items():
            for need, _ in said:
                if need.role == "server":
                    for server in need.parts:
                        served.setdefault(server, set()).add(zone)
        for server, zones in served.items():
            if server in self._needs:
                self._needs[server] = [
                    (need, by)
                    for need, by in self._needs[server]
                    if need.role != "zone" or zones.isdisjoint(need.parts)
                ]


def _witness(
    witnesses: dict[Edge, tuple[Witness, ...]], name: str, ends: Collection[str], said: Iterable[tuple[str, Witness]]
) -> None:
    """Write down for each edge from `name` to one of `ends` who said so, each witness once."""
    found: dict[str, dict[Witness, None]] = {}
    for end, by in said:
        if end in ends:
            found.setdefault(end, {})[by] = None
    for end, those in found.items():
        witnesses[name, end] = tuple(those)


def _place(told: Told) -> tuple[Any, ...]:
    """Return what tellings are sorted by: who says it and where, then what."""
    by, statement = told.by, told.statement
    match statement:
        case Is(node, kind):
            what: tuple[Any, ...] = (0, node, kind)
        case Needs(node, need):
            what = (1, node, need.role, need.parts, need.number, need.soft)
        case Shares(node, cause):
            what = (2, node, cause)
        case Fails(name, event):
            what = (3, name, event.source, event.unavailability)
        case IsGone(node, how):
            what = (4, node, how)
        case Claims(node, availability):
            what = (5, node, availability)
        case _:
            assert_never(statement)
    return by.reader, by.where, by.line, *what
