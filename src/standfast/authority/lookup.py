"""What a question gets: the algorithm of RFC 1034 section 4.3.2, with what RFCs 4592, 6672, 6604 and 8482 made of it.

`answer` is the order of it all. Pure: zones and a query in, a reply out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from standfast.authority.checks import ADDRESSES, TARGET_AT, target_of
from standfast.authority.zone import MINIMUM_AT, Node, Zone
from standfast.dns.model import CNAME_CHAIN_MAX, Ede, ExtendedError, Name, Query, Rcode, Reply, RRset, RRType
from standfast.dns.name import ancestors, is_below, parent
from standfast.dns.wire import NAME_OCTETS_MAX, name_from_text

Zones = Mapping[Name, Zone]  # by origin

_NOT_CHASED: Final = frozenset({RRType.CNAME, RRType.ANY})
_BRING_ADDRESSES: Final = frozenset(TARGET_AT) - {RRType.CNAME}


@dataclass(frozen=True, slots=True)
class Exact:
    """The name is there; an empty node where it is so for the sake of names below."""

    node: Node


@dataclass(frozen=True, slots=True)
class Wild:
    """The name is not there, and its closest encloser has a wildcard (RFC 4592 section 3.3.1)."""

    node: Node
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


Found = Exact | Wild | Delegated | Renamed | Missing


def answer(zones: Zones, query: Query, *, any_whole: bool = False) -> Reply:
    """Return what `zones` say to `query`.

    `any_whole`: a question for ANY gets all there is, as over TCP; otherwise one RRset (RFC 8482 section 4.1).
    """
    qname, qtype = query.question.qname, query.question.qtype
    zone = closest(zones, qname, qtype)
    if zone is None:
        error = ExtendedError(code=Ede.NOT_AUTHORITATIVE, text="this server has no zone for the name")
        return Reply(rcode=Rcode.REFUSED, ra=False, errors=(error,))
    sections = _Sections()
    visited: set[Name] = set()
    while zone is not None and qname not in visited and len(visited) <= CNAME_CHAIN_MAX:
        visited.add(qname)
        found = find(zone, qname, qtype)
        match found:
            case Delegated(cut=cut):
                return _referral(zone, cut, sections)
            case Missing():
                return _denial(zone, Rcode.NXDOMAIN, sections)
            case Renamed(owner=owner):
                following = _rename(zone, qname, owner, sections)
                if following is None:
                    return sections.reply(Rcode.YXDOMAIN)
            case Exact(node=node) | Wild(node=node):
                rrsets = _asked_for(node, qtype, any_whole=any_whole)
                if rrsets:
                    sections.answer.extend(replace(rrset, owner=qname) for rrset in rrsets)
                    break
                alias = node.get(RRType.CNAME)
                if alias is None:
                    return _denial(zone, Rcode.NOERROR, sections)
                sections.answer.append(replace(alias, owner=qname))
                following = target_of(alias.rdatas[0])
            case _:
                assert_never(found)
        if qtype in _NOT_CHASED:
            break
        qname = following
        zone = closest(zones, qname, qtype)
    sections.additional.extend(_addresses_for(zones, sections.answer))
    return sections.reply(Rcode.NOERROR)


def closest(zones: Zones, qname: Name, qtype: int) -> Zone | None:
    """Return the zone that answers for `qname`; a DS is the parent's (RFC 4035 section 3.1.4.1), if that is here."""
    for above in ancestors(qname):
        zone = zones.get(above)
        if zone is None:
            continue
        if qtype == RRType.DS and above == qname and above != "." and (upper := closest(zones, parent(above), qtype)):
            return upper
        return zone
    return None


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
        return Exact(node)
    encloser = parent(qname)
    while encloser not in zone.nodes:
        encloser = parent(encloser)
    if encloser in zone.wildcards:
        return Wild(zone.nodes[f"*.{encloser}" if encloser != "." else "*."], encloser)
    return Missing(encloser)


@dataclass(slots=True)
class _Sections:
    """A reply in the making."""

    answer: list[RRset] = field(default_factory=list)
    authority: list[RRset] = field(default_factory=list)
    glue: list[RRset] = field(default_factory=list)
    additional: list[RRset] = field(default_factory=list)

    def reply(self, rcode: Rcode, *, aa: bool = True) -> Reply:
        there = {(rrset.owner, rrset.rtype) for rrset in self.answer}
        return Reply(
            rcode=rcode,
            answer=tuple(self.answer),
            authority=tuple(self.authority),
            glue=tuple(self.glue),
            additional=tuple(each for each in self.additional if (each.owner, each.rtype) not in there),
            aa=aa,
            ra=False,
        )


def _asked_for(node: Node, qtype: int, *, any_whole: bool) -> list[RRset]:
    if qtype == RRType.ANY:
        return list(node.values())[: None if any_whole else 1]
    rrset = node.get(qtype)
    return [] if rrset is None else [rrset]


def _referral(zone: Zone, cut: Name, sections: _Sections) -> Reply:
    """Send the client on; authoritative only is what stands in the answer already (RFC 1034 section 4.3.2, 3b)."""
    ns = zone.nodes[cut][RRType.NS]
    sections.authority.append(ns)
    for server in map(target_of, ns.rdatas):
        section = sections.glue if is_below(server, cut) else sections.additional
        section.extend(_addresses(zone, server))
    return sections.reply(Rcode.NOERROR, aa=bool(sections.answer))


def _denial(zone: Zone, rcode: Rcode, sections: _Sections) -> Reply:
    """Say that there is nothing, and for how long that may be remembered (RFC 2308 section 3)."""
    soa = zone.soa
    minimum_s = int.from_bytes(soa.rdatas[0][MINIMUM_AT:], "big")
    sections.authority.append(replace(soa, ttl_s=min(soa.ttl_s, minimum_s)))
    return sections.reply(rcode)


def _rename(zone: Zone, qname: Name, owner: Name, sections: _Sections) -> Name | None:
    """Put in the DNAME at `owner` and the CNAME made of it (RFC 6672 section 3.1).

    Returns the new name; None where it would be too long, which is YXDOMAIN (section 2.2).
    """
    dname = zone.nodes[owner][RRType.DNAME]
    sections.answer.append(dname)
    prefix = name_from_text(qname)[: -len(name_from_text(owner))]
    octets = prefix + dname.rdatas[0]
    if len(octets) > NAME_OCTETS_MAX:
        return None
    sections.answer.append(RRset(owner=qname, rtype=RRType.CNAME, ttl_s=dname.ttl_s, rdatas=(octets,)))
    return target_of(octets)


def _addresses_for(zones: Zones, rrsets: Iterable[RRset]) -> Iterator[RRset]:
    """Yield what a client will ask for next (RFC 1034 section 4.3.2 step 6, RFC 2782, RFC 9460 section 4.1)."""
    told: set[Name] = set()
    for rrset in rrsets:
        if rrset.rtype not in _BRING_ADDRESSES:
            continue
        for rdata in rrset.rdatas:
            target = target_of(rdata[TARGET_AT[rrset.rtype] :])
            if rrset.rtype in (RRType.SVCB, RRType.HTTPS) and target == ".":
                target = rrset.owner  # RFC 9460 section 2.5.2
            zone = closest(zones, target, RRType.A)
            if zone is not None and target not in told and not isinstance(find(zone, target, RRType.A), Delegated):
                told.add(target)
                yield from _addresses(zone, target)


def _addresses(zone: Zone, owner: Name) -> Iterator[RRset]:
    for rtype in ADDRESSES:
        rrset = zone.rrset(owner, rtype)
        if rrset is not None:
            yield rrset
