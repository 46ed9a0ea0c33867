"""Names that have their meaning without any server: answered here, asked nowhere. Decides only; sends nothing."""

from typing import Final

from standfast.dns.codec import rrset_from_text
from standfast.dns.model import Name, Question, Rcode, Reply, RRset, RRType
from standfast.dns.name import is_below
from standfast.guard.known import Answer
from standfast.guard.outcome import Negative, NoData, NxDomain, Positive

TTL_S: Final = 10_800  # of what never changes; that of RFC 6303 section 3

_LOCALHOST: Final = "localhost."
_DESIGNATED: Final = "resolver.arpa."
_ZONES: Final = (
    _LOCALHOST,  # RFC 6761 section 6.3: the loopback addresses
    "invalid.",  # RFC 6761 section 6.4: no name
    "onion.",  # RFC 7686 section 2: no name, and nobody else's business
    # RFC 9462 section 6.1: what the upstream says of itself here would lead clients past the guard.
    _DESIGNATED,
)
_LOOPBACK: Final[dict[int, bytes]] = {RRType.A: bytes((127, 0, 0, 1)), RRType.AAAA: bytes(15) + b"\1"}


def own_answer(question: Question) -> Positive | Negative | None:
    """Return the answer to a question about a special-use name (RFC 6761); None where the upstream is to be asked."""
    qname = question.qname
    if not qname.endswith(_ZONES):  # nearly always, and on the way of every miss
        return None
    zone = next((zone for zone in _ZONES if is_below(qname, zone)), None)
    if zone is None:
        return None
    if zone == _LOCALHOST and question.qtype in _LOOPBACK:
        rdatas = (_LOOPBACK[question.qtype],)
        rrsets = (RRset(owner=qname, rtype=question.qtype, ttl_s=TTL_S, rdatas=rdatas),)
        return Positive(answer=Answer(rrsets=rrsets), reply=Reply(rcode=Rcode.NOERROR, answer=rrsets))
    soa = _soa(zone)
    if zone in (_LOCALHOST, _DESIGNATED):  # RFC 9462 section 4: NODATA tells a client that none is designated
        return NoData(reply=Reply(rcode=Rcode.NOERROR, authority=(soa,)), soa=soa)
    return NxDomain(reply=Reply(rcode=Rcode.NXDOMAIN, authority=(soa,)), soa=soa)


def _soa(zone: Name) -> RRset:
    """Return the SOA of a zone that is served locally (RFC 6303 section 3)."""
    return rrset_from_text(zone, RRType.SOA, TTL_S, [f"{zone} nobody.invalid. 1 3600 1200 604800 {TTL_S}"])
