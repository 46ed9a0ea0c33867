"""What a guard has resolved: names, where they lead, their zones, and the name servers of these.

The guard's files are not read here: whoever can gives what was answered.
"""

from collections.abc import Iterable, Iterator
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
    seen = _Seen(where)
    for each in observed:
        seen.take(each)
    return Reading(told=tuple(seen.told()))


class _Seen:
    def __init__(self, where: str) -> None:
        self._where = where
        self._owners: dict[Name, Owner] = {}
        self._since_s: dict[Name, float] = {}  # of owners and of zones
        self._zones: dict[Name, None] = {}
        self._lost: dict[Name, list[Loss | None]] = {}

    def take(self, each: Observed) -> None:
        self._note(each.qname, each.first_seen_s)
        if each.zone is not None:
            self._zones[each.zone] = None
            self._note(each.zone, each.first_seen_s)
        for rrset in each.rrsets:
            self._note(rrset.owner, each.first_seen_s)
            owner = self._owners.setdefault(rrset.owner, Owner())
            for rdata in rrset.rdatas:
                owner.take(rrset.rtype, rdata)
        if any(rrset.rtype in _ADDRESSES for rrset in each.rrsets):
            self._lost.setdefault(each.qname, []).append(each.lost)

    def told(self) -> Iterator[Told]:
        """Yield all that was seen."""
        servers = set[Name]()
        for zone, owner in self._owners.items():
            if targets := owner.leads.get(RRType.NS):
                servers.update(targets)
                yield self._by(zone, Needs(zone_of(zone), one_of(targets, role="server")))
                for server in targets:
                    yield self._by(zone, Is(node_of(server), Kind.NAME_SERVER))
        for zone in self._zones:
            yield self._by(zone, Is(zone_of(zone), Kind.ZONE))
        for name, owner in self._owners.items():
            needs = owner.needs(name)
            if needs and name not in servers:
                yield self._by(name, Is(node_of(name), Kind.NAME))
            for need in needs:
                yield self._by(name, Needs(node_of(name), need))
        for name, losses in self._lost.items():
            if None not in losses:  # else it is still reached by another kind of address
                how = Loss.REMOVED if Loss.REMOVED in losses else Loss.EMPTIED
                yield self._by(name, IsGone(node_of(name), how))

    def _note(self, name: Name, at_s: float) -> None:
        self._since_s[name] = min(at_s, self._since_s.get(name, at_s))

    def _by(self, name: Name, statement: Statement) -> Told:
        since = datetime.fromtimestamp(self._since_s[name], UTC).date()
        return Told(statement, Witness(reader=NAME, where=f"{self._where}, since {since}"))
