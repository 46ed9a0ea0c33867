"""From a response to an outcome: which of the closed set of things did asking end in. Decides only; sends nothing."""

from standfast.dns.exchange import Heard
from standfast.dns.model import (
    CNAME_CHAIN_MAX,
    Ede,
    Name,
    Question,
    Rcode,
    Reply,
    RRset,
    RRType,
)
from standfast.dns.name import is_below, name_from_wire
from standfast.guard.known import Answer, KnownGood
from standfast.guard.outcome import Bogus, NoData, NxDomain, Outcome, Positive, Refused, ServFail
from standfast.guard.policy import Policy

BOGUS_CODES = frozenset(range(Ede.DNSSEC_BOGUS, Ede.NSEC_MISSING + 1))  # RFC 8914 sections 4.7 to 4.13

_DENIAL_TYPES = frozenset({RRType.SOA, RRType.NSEC, RRType.NSEC3, RRType.RRSIG})


def classify(question: Question, heard: Heard) -> Outcome:
    """Return what `heard` means for `question`; records that the question did not ask for are left out."""
    reply = heard.reply
    match reply.rcode:
        case Rcode.NOERROR:
            return _classify_noerror(question, reply)
        case Rcode.NXDOMAIN:
            return NxDomain(reply=_denial(question, reply), soa=_soa(question, reply))
        case Rcode.SERVFAIL:
            bogus = next((error for error in reply.errors if error.code in BOGUS_CODES), None)
            if bogus is not None:
                return Bogus(detail=bogus.text or Ede(bogus.code).name, errors=reply.errors)
            return ServFail(errors=reply.errors)
        case Rcode.REFUSED:
            return Refused(errors=reply.errors)
        case other:
            return ServFail(detail=f"response code {other}", errors=reply.errors)


def against_known(outcome: Outcome, known: KnownGood | None, policy: Policy, now: float) -> Outcome:
    """Mark a positive outcome that takes addresses away from a watched name."""
    if not isinstance(outcome, Positive) or known is None or known.released_at_s is not None:
        return outcome
    addresses = outcome.answer.addresses
    if not addresses:
        return outcome
    steady = now - max(known.first_seen_s, known.changed_at_s) >= policy.steady_s
    if (policy.pinned or steady) and known.answer.addresses and not set(addresses) & set(known.seen):
        return Positive(answer=outcome.answer, reply=outcome.reply, wholesale_change=True)
    if policy.pinned and len(addresses) < policy.addresses_min:
        return Positive(answer=outcome.answer, reply=outcome.reply, short=True)
    return outcome


def negative_ttl_s(soa: RRset | None) -> int:
    """Return how long a negative answer may be cached: the lesser of the SOA's TTL and MINIMUM (RFC 2308 section 5).

    Without an SOA it is 0: such an answer should not be cached.
    """
    if soa is None or len(soa.rdatas[0]) < 4:
        return 0
    minimum = int.from_bytes(soa.rdatas[0][-4:], "big")  # MINIMUM ends the record data, RFC 1035 section 3.3.13
    return min(soa.ttl_s, minimum)


def _classify_noerror(question: Question, reply: Reply) -> Outcome:
    chain, end, ended = _chain(question, reply.answer)
    if chain is None:
        return ServFail(detail="the CNAME chain loops or is too long")
    if ended:
        answer = Answer(rrsets=chain, ad=reply.ad)
        return Positive(answer=answer, reply=Reply(rcode=Rcode.NOERROR, answer=chain, ad=reply.ad))
    soa = _soa(question, reply)
    if soa is None and end == question.qname and _is_referral(reply):
        return ServFail(detail="a referral instead of an answer: not a recursive server")
    return NoData(reply=_denial(question, reply), soa=soa)


def _chain(question: Question, rrsets: tuple[RRset, ...]) -> tuple[tuple[RRset, ...] | None, Name, bool]:
    """Follow the answer from the question's name. Returns the RRsets on the way, the last name, and whether it ended.

    Anything beside the chain is dropped: it was not asked for, and remembering it is how caches are poisoned.
    """
    by_key: dict[tuple[Name, int], RRset] = {(r.owner, r.rtype): r for r in rrsets if r.rtype != RRType.RRSIG}
    taken: list[RRset] = []
    owner = question.qname
    for _ in range(CNAME_CHAIN_MAX + 1):
        if question.qtype == RRType.ANY:
            found = [r for r in by_key.values() if r.owner == owner]
        else:
            found = [r for key in [(owner, question.qtype)] if (r := by_key.get(key)) and r.rdatas]
        if found:
            return _with_signatures((*taken, *found), rrsets), owner, True
        alias = by_key.get((owner, RRType.CNAME))
        if alias is None or not alias.rdatas:
            return _with_signatures(tuple(taken), rrsets), owner, False
        taken += [r for r in by_key.values() if r.rtype == RRType.DNAME and is_below(owner, r.owner) and r not in taken]
        taken.append(alias)
        owner = name_from_wire(alias.rdatas[0])
    return None, owner, False


def _with_signatures(chain: tuple[RRset, ...], rrsets: tuple[RRset, ...]) -> tuple[RRset, ...]:
    out: list[RRset] = []
    for rrset in chain:
        out.append(rrset)
        for signatures in rrsets:
            if signatures.rtype != RRType.RRSIG or signatures.owner != rrset.owner:
                continue
            covering = tuple(s for s in signatures.rdatas if int.from_bytes(s[:2], "big") == rrset.rtype)
            if covering:
                out.append(RRset(owner=rrset.owner, rtype=RRType.RRSIG, ttl_s=signatures.ttl_s, rdatas=covering))
    return tuple(out)


def _soa(question: Question, reply: Reply) -> RRset | None:
    """Return the SOA of the negative answer, if it is of a zone that can hold the chain's last name."""
    _, end, _ = _chain(question, reply.answer)
    for rrset in reply.authority:
        if rrset.rtype == RRType.SOA and rrset.rdatas and is_below(end, rrset.owner):
            return rrset
    return None


def _denial(question: Question, reply: Reply) -> Reply:
    chain, _, _ = _chain(question, reply.answer)
    authority = tuple(rrset for rrset in reply.authority if rrset.rtype in _DENIAL_TYPES)
    return Reply(rcode=reply.rcode, answer=chain or (), authority=authority, ad=reply.ad, errors=reply.errors)


def _is_referral(reply: Reply) -> bool:
    return not reply.ra and any(rrset.rtype == RRType.NS for rrset in reply.authority)
