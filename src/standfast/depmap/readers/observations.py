"""What a guard has resolved: names, where they lead, their zones, and the name servers of these.

The guard's files are not read here: whoever can gives what was answered.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from standfast.depmap.domain_names import node_of, zone_of
from standfast.depmap.graph import Kind
from standfast.depmap.readers.records import Owner, one_of
from standfast.depmap.statements import Is, IsGone, Loss, Needs, Reading, Statement, Told, Witness
from standfast.dns.model import Name, RRset, RRType

NAME: Final = "guard"
_ADDRESSES: Final = frozenset({RRType.A, RRType.AAAA})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The last good answer to one question: to whom it belongs, and since when such answers come.

    `zone` is the one that holds `qname`, where that is known. `lost` is how the answer was lost, where it is now.
    """

    qname: Name
    rrsets: tuple[RRset, ...]
    first_seen_s: float
    zone: Name | None = None
    lost: Loss | None = None


def tell(observed: Iterable[Observed], *, where: str) -> Reading:
    """Return what all of `observed` say; `where` names the guard that has seen it."""
    owners: dict[Name, Owner] = {}
    since_s: dict[Name, float] = {}
    zones: dict[Name, float] = {}
    lost: dict[Name, list[Loss | None]] = {}
    for each in observed:
        if each.zone is not None:
            zones[each.zone] = min(each.first_seen_s, zones.get(each.zone, each.first_seen_s))
        for rrset in each.rrsets:
            owner = owners.setdefault(rrset.owner, Owner())
            since_s[rrset.owner] = min(each.first_seen_s, since_s.get(rrset.owner, each.first_seen_s))
            for rdata in rrset.rdatas:
                owner.take(rrset.rtype, rdata)
        if any(rrset.rtype in _ADDRESSES for rrset in each.rrsets):
            lost.setdefault(each.qname, []).append(each.lost)
    told = _Told(where)
    servers = {server for owner in owners.values() for server in owner.leads.get(RRType.NS, ())}
    for zone, owner in owners.items():
        for server in owner.leads.get(RRType.NS, ()):
            told.add(since_s[zone], Is(node_of(server), Kind.NAME_SERVER))
    for zone, at_s in zones.items():
        told.add(at_s, Is(zone_of(zone), Kind.ZONE))
    for name, owner in owners.items():
        if targets := owner.leads.get(RRType.NS):
            told.add(since_s[name], Needs(zone_of(name), one_of(targets, role="server")))
        needs = owner.needs(name)
        if needs and name not in servers:
            told.add(since_s[name], Is(node_of(name), Kind.NAME))
        for need in needs:
            told.add(since_s[name], Needs(node_of(name), need))
    for name, how in lost.items():
        if gone := _gone(how):
            told.add(since_s.get(name, 0.0), IsGone(node_of(name), gone))
    return Reading(told=tuple(told.all))


class _Told:
    def __init__(self, where: str) -> None:
        self.all: list[Told] = []
        self._where = where

    def add(self, since_s: float, statement: Statement) -> None:
        since = datetime.fromtimestamp(since_s, UTC).date()
        self.all.append(Told(statement, Witness(reader=NAME, where=f"{self._where}, since {since}")))


def _gone(how: Iterable[Loss | None]) -> Loss | None:
    """Return how a name is gone, by how each of its kinds of address is: one that is left keeps it reachable."""
    losses = list(how)
    if None in losses:
        return None
    return Loss.REMOVED if Loss.REMOVED in losses else Loss.EMPTIED
