"""What a question gets: the algorithm of RFC 1034 section 4.3.2, with what RFCs 4592, 6672, 6604 and 8482 made of it.

`answer` is the order of it all. Pure: zones and a query in, a reply out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from standfast.authority.alike import alike_outside, alike_within
from standfast.authority.checks import ADDRESSES, TARGET_AT
from standfast.authority.denial import next_closer, wildcard_of
from standfast.authority.finding import (
    NOTHING_WITHHELD,
    Delegated,
    Exact,
    Found,
    Missing,
    Renamed,
    Wild,
    Withheld,
    Zones,
    closest,
    find,
    hidden,
)
from standfast.authority.zone import MINIMUM_AT, Node, Zone
from standfast.dns.model import CNAME_CHAIN_MAX, Ede, ExtendedError, Name, Query, Rcode, Reply, RRset, RRType
from standfast.dns.name import ROOT, is_below, name_from_wire
from standfast.dns.standing import Made
from standfast.dns.wire import NAME_OCTETS_MAX, name_from_text

_NOT_CHASED: Final = frozenset({RRType.CNAME, RRType.ANY})
_BRING_ADDRESSES: Final = frozenset(TARGET_AT) - {RRType.CNAME}
_NO_ZONE: Final = ExtendedError(code=Ede.NOT_AUTHORITATIVE, text="this server has no zone for the name")
_REFUSED: Final = Reply(rcode=Rcode.REFUSED, ra=False, errors=(_NO_ZONE,))


Following = Name | Reply | None  # a name to look up next, the reply that ends it; None: all that was asked for is in


def answer(zones: Zones, query: Query, withheld: Withheld = NOTHING_WITHHELD) -> Reply:
    """Return what `zones` say to `query`, and SERVFAIL about those that are `withheld`, which are none of them.

    ANY gets all there is: by UDP it does not come here, but is sent to TCP (RFC 8482 section 4.4).
    """
    return trace(zones, query, withheld)[0]


def trace(zones: Zones, query: Query, withheld: Withheld = NOTHING_WITHHELD) -> tuple[Reply, Made]:
    """Return what `answer` does, and what that was made of."""
    qname, qtype = query.question.qname, query.question.qtype
    why = hidden(zones, withheld, qname, qtype)
    if why is not None:
        return Reply(rcode=Rcode.SERVFAIL, ra=False, errors=(why,)), Made()
    zone = closest(zones, qname, qtype)
    if zone is None:
        return _REFUSED, Made(alike=alike_outside(qname))
    sections = _Sections(qtype=qtype, do=query.do, compact_ok=query.compact_ok)
    reply = _answer(zones, withheld, zone, qname, sections)
    assert sections.first is not None
    alike = alike_within(zone, query, sections.first, reply)
    return reply, Made(names=tuple(sections.names), alike=alike, lasts=sections.lasts)


def _answer(zones: Zones, withheld: Withheld, zone: Zone | None, qname: Name, sections: "_Sections") -> Reply:
    """Put together what `zone` has for `qname`, and what there is for the names that it is an alias of."""
    qtype = sections.qtype
    visited: set[Name] = set()
    while zone is not None and qname not in visited and len(visited) <= CNAME_CHAIN_MAX:
        visited.add(qname)
        sections.compact |= zone.denial is not None and zone.denial.compact
        found = find(zone, qname, qtype)
        sections.look_at(qname, found)
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
    names: dict[Name, None] = field(default_factory=dict)  # that were looked at, there or not
    lasts: bool = True
    first: Found | None = None  # what the name that is asked for was found to be

    def look_at(self, qname: Name, found: Found) -> None:
        """Note the names by which `qname` is `found`."""
        self.first = self.first or found
        match found:
            case Exact(node=node):
                rrset = next(iter(node.values()), None)
                self.names[qname if rrset is None else rrset.owner] = None  # the zone's own text, rather than a copy
            case Wild(owner=owner, encloser=encloser):
                self.names |= {next_closer(qname, encloser): None, owner: None}
            case Missing(encloser=encloser):
                self.names |= {next_closer(qname, encloser): None, encloser: None, wildcard_of(encloser): None}
            case Delegated(cut=owner) | Renamed(owner=owner):
                self.names[owner] = None
            case _:
                assert_never(found)

    def add(self, section: list[RRset], zone: Zone, rrset: RRset, *, owner: Name | None = None) -> None:
        """Put `rrset` of `zone` in, and its signature for who wants one; with `owner` in place of a wildcard's."""
        signature = self._signature(zone, rrset, owner) if self.do else None
        added = [rrset] if signature is None else [rrset, signature]
        section.extend(added if owner in (None, rrset.owner) else [replace(each, owner=owner) for each in added])

    def _signature(self, zone: Zone, rrset: RRset, owner: Name | None) -> RRset | None:
        if owner not in (None, rrset.owner) and zone.denial is not None:
            assert owner is not None
            made = zone.denial.signed_as(rrset, owner)
            if made is not None:
                self.lasts = False
                return made
        return zone.signature(rrset.owner, rrset.rtype)

    def prove(self, zone: Zone, proof: Iterable[RRset]) -> None:
        """Put in what proves a denial, for who wants it."""
        for rrset in proof if self.do else ():
            self.note_proof(zone, rrset)
            if (rrset.owner, rrset.rtype) not in self.proofs:
                self.proofs.add((rrset.owner, rrset.rtype))
                self.add(self.authority, zone, rrset)

    def note_proof(self, zone: Zone, rrset: RRset) -> None:
        """Note whose record proves something; one that is signed when asked for is signed anew before it expires."""
        self.names[rrset.owner] = None
        self.lasts = self.lasts and not (zone.denial is not None and zone.denial.compact)

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
        sections.names[server] = None
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
        for rrset in proof:  # the only type that there is at every name
            sections.note_proof(zone, rrset)
            sections.answer.append(rrset)
        return sections.reply(Rcode.NOERROR)
    soa = zone.soa
    sections.names[zone.origin] = None
    ttl_s = min(soa.ttl_s, int.from_bytes(soa.rdatas[0][MINIMUM_AT:], "big"))
    start = len(sections.authority)
    sections.add(sections.authority, zone, soa)
    if ttl_s != soa.ttl_s:
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
            sections.names[target] = None
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
