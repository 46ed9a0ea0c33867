"""What a name is in a zone: the look-up of RFC 1034 section 4.3.2, with wildcards (RFC 4592) and DNAMEs (RFC 6672)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from standfast.authority.denial import wildcard_of
from standfast.authority.zone import Node, Zone
from standfast.dns.model import ExtendedError, Name, RRType
from standfast.dns.name import ROOT, ancestors, parent

Zones = Mapping[Name, Zone]  # by origin
Withheld = Mapping[Name, ExtendedError]  # why zones of ours are not answered from, by origin
NOTHING_WITHHELD: Final[Withheld] = MappingProxyType({})


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


Found = Exact | Wild | Delegated | Renamed | Missing


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
