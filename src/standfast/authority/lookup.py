"""What a question gets: the algorithm of RFC 1034 section 4.3.2, with what RFCs 4592, 6672, 6604 and 8482 made of it.

`answer` is the order of it all. Pure: zones and a query in, a reply out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, assert_never

from standfast.authority.checks import ADDRESSES, TARGET_AT
from standfast.authority.denial import wildcard_of
from standfast.authority.zone import MINIMUM_AT, Node, Zone
from standfast.dns.model import CNAME_CHAIN_MAX, Ede, ExtendedError, Name, Query, Rcode, Reply, RRset, RRType
from standfast.dns.name import ROOT, ancestors, is_below, name_from_wire, parent
from standfast.dns.wire import NAME_OCTETS_MAX, name_from_text

Zones = Mapping[Name, Zone]  # by origin
Withheld = Mapping[Name, ExtendedError]  # why zones of ours are not answered from, by origin
NOTHING_WITHHELD: Final[Withheld] = MappingProxyType({})

_NOT_CHASED: Final = frozenset({RRType.CNAME, RRType.ANY})
_BRING_ADDRESSES: Final = frozenset(TARGET_AT) - {RRType.CNAME}


@dataclass(frozen=True, slots=True)
class Exact:
    """The name is there; an empty node where it is so for the sake of names below."""

    node: Node
    owner: Name


@dataclass(frozen=True, slots=True)
class Wild:
    """The name is not there, and its closest encloser has a wildcard, `owner` (RFC 4592 section 3.3.1)."""

    node: Node
    owner: Name
    encloser: Name


@dataclass(frozen=True, slots=True)
class Delegated:
    """The name is at or below `cut`, where another zone begins."""

    cut: Name


@dataclass(frozen=True, slots=True)
class Renamed:
    """The name is below a DNAME."""

    owner: Name


@dataclass(frozen=True, slots=True)
class Missing:
    """The name is not there; `encloser` is the longest of its ancestors that is."""

    encloser: Name


Following = Name | Reply | None  # a name to look up next, the reply that ends it; None: all that was asked for is in
Found = Exact | Wild | Delegated | Renamed | Missing


def answer(zones: Zones, query: Query, withheld: Withheld = NOTHING_WITHHELD) -> Reply:
    """Return what `zones` say to `query`, and SERVFAIL about those that are `withheld`, which are none of them.

    ANY gets all there is: by UDP it does not come here, but is sent to TCP (RFC 8482 section 4.4).
    """
    qname, qtype = query.question.qname, query.question.qtype
    why = hidden(zones, withheld, qname, qtype)
    if why is not None:
        return Reply(rcode=Rcode.SERVFAIL, ra=False, errors=(why,))
    zone = closest(zones, qname, qtype)
    if zone is None:
        error = ExtendedError(code=Ede.NOT_AUTHORITATIVE, text="this server has no zone for the name")
        return Reply(rcode=Rcode.REFUSED, ra=False, errors=(error,))
    sections = _Sections(qtype=qtype, do=query.do, compact_ok=query.compact_ok)
    visited: set[Name] = set()
    while zone is not None and qname not in visited and len(visited) <= CNAME_CHAIN_MAX:
        visited.add(qname)
        sections.compact |= zone.denial is not None and zone.denial.compact
        found = find(zone, qname, qtype)
        match found:
            case Delegated(cut=cut):
                following: Following = _referral(zone, cut, sections)
            case Missing(encloser=encloser):
                following = _no_name(zone, qname, encloser, sections)
            case Renamed(owner=owner):
                following = _rename(zone, qname, owner, sections)
            case Exact() | Wild():
                following = _take(zone, qname, qtype, found, sections)
            case _:
                assert_never(found)
        if isinstance(following, Reply):
            return following
        if following is None or qtype in _NOT_CHASED:
            break
        qname = following
        zone = None if hidden(zones, withheld, qname, qtype) else closest(zones, qname, qtype)
    _bring_addresses(zones, sections)
    return sections.reply(Rcode.NOERROR)


def closest(zones: Zones, qname: Name, qtype: int) -> Zone | None:
    """Return the zone that answers for `qname`; a DS is the parent's (RFC 4035 section 3.1.4.1), if that is here."""
    for above in ancestors(qname):
        zone = zones.get(above)
        if zone is None:
            continue
        if qtype == RRType.DS and above == qname and above != ROOT and (upper := closest(zones, parent(above), qtype)):
            return upper
        return zone
    return None


def hidden(zones: Zones, withheld: Withheld, qname: Name, qtype: int) -> ExtendedError | None:
    """Return why the zone that would answer for `qname` is withheld, and no zone above it answers; None: it is not."""
    if not withheld:
        return None
    for above in ancestors(qname):
        if above in zones:
            return None
        if above in withheld and not (qtype == RRType.DS and above == qname):
            return withheld[above]
    return withheld.get(qname)


def find(zone: Zone, qname: Name, qtype: int) -> Found:
    """Return what `qname`, a name of `zone`, is there. A question for DS is not the child's, even at the cut."""
    if zone.cuts or zone.dnames:
        above = list(ancestors(qname))
        for owner in above[above.index(zone.origin) :: -1]:
            if owner in zone.cuts and not (owner == qname and qtype == RRType.DS):
                return Delegated(owner)
            if owner in zone.dnames and owner != qname:
                return Renamed(owner)
    node = zone.nodes.get(qname)
    if node is not None:
        return Exact(node, qname)
    encloser = parent(qname)
    while encloser not in zone.nodes:
        encloser = parent(encloser)
    if encloser in zone.wildcards:
        owner = wildcard_of(encloser)
        return Wild(zone.nodes[owner], owner, encloser)
    return Missing(encloser)


@dataclass(slots=True, kw_only=True)
class _Sections:
    """A reply in the making."""

    qtype: int
    do: bool
    compact_ok: bool
    answer: list[RRset] = field(default_factory=list)
    authority: list[RRset] = field(default_factory=list)
    glue: list[RRset] = field(default_factory=list)
    additional: list[RRset] = field(default_factory=list)
    proofs: set[tuple[Name, int]] = field(default_factory=set)  # what proves a denial, each of which is needed once
    compact: bool = False

    def add(self, section: list[RRset], zone: Zone, rrset: RRset, *, owner: Name | None = None) -> None:
        """Put `rrset` of `zone` in, and its signature for who wants one; with `owner` in place of a wildcard's."""
        signature = self._signature(zone, rrset, owner) if self.do else None
        added = [rrset] if signature is None else [rrset, signature]
        section.extend(added if owner in (None, rrset.owner) else [replace(each, owner=owner) for each in added])

    @staticmethod
    def _signature(zone: Zone, rrset: RRset, owner: Name | None) -> RRset | None:
        if owner not in (None, rrset.owner) and zone.denial is not None:
            assert owner is not None
            made = zone.denial.signed_as(rrset, owner)
            if made is not None:
                return made
        return zone.signature(rrset.owner, rrset.rtype)

    def prove(self, zone: Zone, proof: Iterable[RRset]) -> None:
        """Put in what proves a denial, for who wants it."""
        for rrset in proof if self.do else ():
            if (rrset.owner, rrset.rtype) not in self.proofs:
                self.proofs.add((rrset.owner, rrset.rtype))
                self.add(self.authority, zone, rrset)

    def reply(self, rcode: Rcode, *, aa: bool = True) -> Reply:
        return Reply(
            rcode=rcode,
            answer=tuple(self.answer),
            authority=tuple(self.authority),
            glue=tuple(self.glue),
            additional=tuple(self.additional),
            aa=aa,
            ra=False,
            compact=self.compact,
        )


def _take(zone: Zone, qname: Name, qtype: int, found: Exact | Wild, sections: _Sections) -> Following:
    """Put in what is asked for, or the CNAME in its place; a wildcard's with the proof that it may speak."""
    rrsets = _asked_for(zone, found.node, found.owner, qtype)
    alias = None if rrsets else found.node.get(RRType.CNAME)
    if not rrsets and alias is None:
        return _no_data(zone, qname, found, sections)
    for rrset in [alias] if alias else rrsets:
        sections.add(sections.answer, zone, rrset, owner=qname)
    if isinstance(found, Wild) and zone.denial is not None:
        sections.prove(zone, zone.denial.wildcard(qname, found.encloser))
    return name_from_wire(alias.rdatas[0]) if alias else None


def _asked_for(zone: Zone, node: Node, owner: Name, qtype: int) -> list[RRset]:
    if qtype == RRType.ANY:
        return list(node.values())
    if qtype == RRType.RRSIG:
        return list(zone.signatures.get(owner, {}).values())
    rrset = node.get(qtype)
    return [] if rrset is None else [rrset]


def _referral(zone: Zone, cut: Name, sections: _Sections) -> Reply:
    """Send the client on; authoritative only is what stands in the answer already (RFC 1034 section 4.3.2, 3b).

    Whether the other zone is signed is said along with it (RFC 4035 section 3.1.4).
    """
    node = zone.nodes[cut]
    ns = node[RRType.NS]
    sections.authority.append(ns)
    if RRType.DS in node:
        if sections.do:
            sections.add(sections.authority, zone, node[RRType.DS])
    elif zone.denial is not None:
        sections.prove(zone, zone.denial.no_data(cut))
    for server in map(name_from_wire, ns.rdatas):
        section = sections.glue if is_below(server, cut) else sections.additional
        for address in _addresses(zone, server):
            sections.add(section, zone, address)
    return sections.reply(Rcode.NOERROR, aa=bool(sections.answer))


def _no_name(zone: Zone, qname: Name, encloser: Name, sections: _Sections) -> Reply:
    """Deny the name; a compact denial says so in the response code only to who may hear it (RFC 9824 section 5)."""
    proof = zone.denial.no_name(qname, encloser) if zone.denial else ()
    as_no_data = sections.do and not sections.compact_ok and zone.denial is not None and zone.denial.compact
    return _denied(zone, Rcode.NOERROR if as_no_data else Rcode.NXDOMAIN, sections, proof)


def _no_data(zone: Zone, qname: Name, found: Exact | Wild, sections: _Sections) -> Reply:
    proof: Iterable[RRset] = ()
    if zone.denial is not None and isinstance(found, Wild):
        proof = zone.denial.wildcard_no_data(qname, found.encloser)
    elif zone.denial is not None:
        proof = zone.denial.no_data(qname)
    return _denied(zone, Rcode.NOERROR, sections, proof)


def _denied(zone: Zone, rcode: Rcode, sections: _Sections, proof: Iterable[RRset]) -> Reply:
    """Say that there is nothing, and for how long that may be remembered (RFC 2308 section 3)."""
    if sections.qtype == RRType.NSEC and zone.denial is not None and zone.denial.compact:
        sections.answer.extend(proof)  # the only type that there is at every name
        return sections.reply(Rcode.NOERROR)
    soa = zone.soa
    ttl_s = min(soa.ttl_s, int.from_bytes(soa.rdatas[0][MINIMUM_AT:], "big"))
    start = len(sections.authority)
    sections.add(sections.authority, zone, soa)
    sections.authority[start:] = [replace(each, ttl_s=ttl_s) for each in sections.authority[start:]]
    sections.prove(zone, proof)
    return sections.reply(rcode)


def _rename(zone: Zone, qname: Name, owner: Name, sections: _Sections) -> Following:
    """Put in the DNAME at `owner` and the CNAME made of it (RFC 6672 section 3.1); YXDOMAIN where that is too long."""
    dname = zone.nodes[owner][RRType.DNAME]
    sections.add(sections.answer, zone, dname)
    prefix = name_from_text(qname)[: -len(name_from_text(owner))]
    octets = prefix + dname.rdatas[0]
    if len(octets) > NAME_OCTETS_MAX:
        return sections.reply(Rcode.YXDOMAIN)
    sections.answer.append(RRset(owner=qname, rtype=RRType.CNAME, ttl_s=dname.ttl_s, rdatas=(octets,)))
    return name_from_wire(octets)


def _bring_addresses(zones: Zones, sections: _Sections) -> None:
    """Add what a client will ask for next (RFC 1034 section 4.3.2 step 6, RFC 2782, RFC 9460 section 4.1)."""
    told: set[Name] = set()
    there = {(rrset.owner, rrset.rtype) for rrset in sections.answer}
    for rrset in sections.answer:
        if rrset.rtype not in _BRING_ADDRESSES:
            continue
        for rdata in rrset.rdatas:
            target = name_from_wire(rdata[TARGET_AT[rrset.rtype] :])
            if rrset.rtype in (RRType.SVCB, RRType.HTTPS) and target == ROOT:
                target = rrset.owner  # RFC 9460 section 2.5.2
            zone = closest(zones, target, RRType.A)
            if zone is None or target in told or isinstance(find(zone, target, RRType.A), Delegated):
                continue
            told.add(target)
            for address in _addresses(zone, target):
                if (target, address.rtype) not in there:
                    sections.add(sections.additional, zone, address)


def _addresses(zone: Zone, owner: Name) -> Iterator[RRset]:
    for rtype in ADDRESSES:
        rrset = zone.rrset(owner, rtype)
        if rrset is not None:
            yield rrset
