"""Which names get the same answer, but for the question: those that are not there, and those that lack the same type.

The law: where `alike_within` says that names are alike, their answers differ in nothing but the question's own octets.
"""

from itertools import chain
from typing import Final

from standfast.authority.denial import next_closer
from standfast.authority.finding import Delegated, Exact, Found, Missing, Renamed, Wild
from standfast.authority.zone import Zone
from standfast.dns.model import Name, Query, Reply, RRType
from standfast.dns.name import ROOT, parent
from standfast.dns.standing import Alike
from standfast.dns.wire import name_from_text

_OF_MANY_TYPES: Final = frozenset({RRType.ANY, RRType.RRSIG})


def alike_within(zone: Zone, query: Query, found: Found, reply: Reply) -> Alike | None:
    """Return which names of `zone` get the same as `query`, whose name was `found` there and which gets `reply`."""
    qname = query.question.qname
    alike = _alike(zone, query, found)
    if alike is None or _is_spelled(next_closer(qname, alike.above), reply):
        return None
    return alike


def alike_outside(qname: Name) -> Alike | None:
    """Return which names get the same as one that is in no zone."""
    return None if qname == ROOT else Alike(origin=ROOT, above=parent(qname), fits=lambda _: True)


def _alike(zone: Zone, query: Query, found: Found) -> Alike | None:
    qname, qtype = query.question
    if isinstance(found, Delegated):
        return None if found.cut == qname else Alike(origin=zone.origin, above=found.cut, fits=lambda _: True)
    if zone.denial is not None and (query.do or qtype == RRType.NSEC):
        return None  # each name has a proof of its own
    nodes, cuts = zone.nodes, zone.cuts
    match found:
        case Missing(encloser=encloser) | Wild(encloser=encloser):
            return Alike(origin=zone.origin, above=encloser, fits=lambda name: name not in nodes)
        case Exact(node=node) if qname != zone.origin and qtype not in _OF_MANY_TYPES:

            def lacks(name: Name) -> bool:
                node = nodes.get(name)
                if node is None or qtype in node or RRType.CNAME in node:
                    return False
                return name not in cuts or qtype == RRType.DS

            is_lacking = qtype not in node and RRType.CNAME not in node
            return Alike(origin=zone.origin, above=parent(qname), fits=lacks) if is_lacking else None
        case Exact() | Renamed():
            return None


def _is_spelled(name: Name, reply: Reply) -> bool:
    """Say whether the first label of `name` stands in the reply's data, where it may be a pointer to the question."""
    octets = name_from_text(name)
    label = octets[: 1 + octets[0]]
    sections = chain(reply.answer, reply.authority, reply.glue, reply.additional)
    return any(label in rdata.lower() for rrset in sections for rdata in rrset.rdatas)
