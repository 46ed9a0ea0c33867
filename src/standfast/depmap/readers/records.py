"""What the records of one name say that it needs, whoever has read them: a zone file, or the guard's answers.

- one of its *addresses*;
- a CNAME or DNAME: the name that it is an *alias* of;
- one of the *targets* of its SRV, SVCB or HTTPS records: softly if it has addresses, which do as well;
- one of its mail exchangers: softly, since the name itself works without.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from standfast.depmap.domain_names import node_of
from standfast.depmap.graph import Need, all_of, any_of
from standfast.dns.model import Name, RRType
from standfast.dns.name import ROOT, name_from_wire
from standfast.dns.wire import skip_name

_ADDRESSES: Final = frozenset({RRType.A, RRType.AAAA})
_TARGETS: Final = (RRType.SRV, RRType.SVCB, RRType.HTTPS)
# Where in their data the name stands that a record leads to.
_LEADING: Final[dict[int, int]] = {
    RRType.NS: 0,
    RRType.CNAME: 0,
    RRType.DNAME: 0,
    RRType.MX: 2,
    RRType.SRV: 6,
    RRType.SVCB: 2,
    RRType.HTTPS: 2,
}


@dataclass(slots=True)
class Owner:
    """What a name has: the types of its records, its addresses, and the names that it leads to by type."""

    line: int = 0
    types: set[int] = field(default_factory=set)
    addresses: dict[str, None] = field(default_factory=dict)
    leads: dict[int, list[Name]] = field(default_factory=dict)

    def take(self, rtype: int, rdata: bytes) -> None:
        """Take in a record."""
        self.types.add(rtype)
        if rtype in _ADDRESSES:
            self.addresses[str(ip_address(rdata))] = None
        elif rtype in _LEADING:
            at = _LEADING[rtype]
            target = name_from_wire(rdata[at : skip_name(rdata, at)])
            # The root is none (RFC 7505, RFC 2782), or of SVCB and HTTPS the owner itself (RFC 9460 section 2.5.2).
            if target != ROOT:
                self.leads.setdefault(rtype, []).append(target)

    def address_need(self) -> Need:
        """Return the need of one of the addresses, of which there must be any."""
        return any_of(*self.addresses, role="address")

    def needs(self, name: Name) -> list[Need]:
        """Return what `name`, of which this is, needs."""
        found: list[Need] = []
        if self.addresses:
            found.append(self.address_need())
        if aliases := self.leads.get(RRType.CNAME) or self.leads.get(RRType.DNAME):
            found.append(all_of(node_of(aliases[0]), role="alias"))
        if targets := [lead for rtype in _TARGETS for lead in self.leads.get(rtype, ()) if lead != name]:
            found.append(one_of(targets, role="target", soft=bool(self.addresses)))
        if exchangers := self.leads.get(RRType.MX):
            found.append(one_of(exchangers, role="mail", soft=True))
        return found


def one_of(names: Iterable[Name], *, role: str, soft: bool = False) -> Need:
    """Return the need of one of `names`."""
    return any_of(*dict.fromkeys(map(node_of, names)), role=role, soft=soft)
