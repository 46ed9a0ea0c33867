"""From a response to an outcome: which of the closed set of things did asking end in. Decides only; sends nothing."""

from dataclasses import dataclass

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
from standfast.guard.known import Answer, KnownGood, vouches_for
from standfast.guard.outcome import Bogus, NoData, NxDomain, Outcome, Positive, Refused, ServFail
from standfast.guard.policy import Mode, Policy

BOGUS_CODES = frozenset(range(Ede.DNSSEC_BOGUS, Ede.NSEC_MISSING + 1))  # RFC 8914 sections 4.7 to 4.13

NEGATIVE_TTL_MAX_S = 10_800  # RFC 2308 section 5: one to three hours

_DENIAL_TYPES = frozenset({RRType.SOA, RRType.NSEC, RRType.NSEC3, RRType.RRSIG})


def classify(question: Question, heard: Heard) -> Outcome:
    """Return what `heard` means for `question`; records that the question did not ask for are left out."""
    reply = heard.reply
    match reply.rcode:
        case Rcode.NOERROR | Rcode.NXDOMAIN:
            return _classify_answer(question, reply)
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
    if not addresses or not known.answer.addresses or policy.mode is Mode.OFF:
        return outcome
    steady = now - max(known.first_seen_s, known.changed_at_s) >= policy.steady_s
    if (policy.pinned or steady) and not vouches_for(known, addresses):
        return Positive(answer=outcome.answer, reply=outcome.reply, wholesale_change=True)
    # What is known to be good does not keep the promise either when it has no more: then holding it helps nobody.
    if policy.pinned and len(addresses) < min(policy.addresses_min, len(known.answer.addresses)):
        return Positive(answer=outcome.answer, reply=outcome.reply, short=True)
    return outcome


def negative_ttl_s(soa: RRset | None) -> int:
    """Return how long a negative answer may be cached (RFC 2308 section 5).

    That is the lesser of the SOA's TTL and MINIMUM, at most `NEGATIVE_TTL_MAX_S`; without an SOA it is 0, for such an
    answer should not be cached.
    """
    if soa is None or len(soa.rdatas[0]) < 4:
        return 0
    minimum = int.from_bytes(soa.rdatas[0][-4:], "big")  # MINIMUM ends the record data, RFC 1035 section 3.3.13
    return min(soa.ttl_s, minimum, NEGATIVE_TTL_MAX_S)


@dataclass(frozen=True, slots=True)
class _Chain:
    """The RRsets from the question's name on, the last name, and whether records of the asked type stand there."""

    rrsets: tuple[RRset, ...]
    end: Name
    ended: bool


def _classify_answer(question: Question, reply: Reply) -> Outcome:
    chain = _follow(question, reply.answer)
    if chain is None:
        return ServFail(detail="the CNAME chain loops or is too long")
    nxdomain = reply.rcode == Rcode.NXDOMAIN
    if chain.ended:
        if nxdomain:
            return ServFail(detail="NXDOMAIN, and an answer beside it")
        answer = Answer(rrsets=chain.rrsets, ad=reply.ad)
        return Positive(answer=answer, reply=Reply(rcode=Rcode.NOERROR, answer=chain.rrsets, ad=reply.ad))
    soa = _soa(chain.end, reply)
    if soa is None and not nxdomain and not reply.ra and _is_unfinished(question, chain, reply):
        return ServFail(detail="a referral instead of an answer: not a recursive server")
    authority = tuple(r for r in reply.authority if r.rtype in _DENIAL_TYPES and (r.rtype != RRType.SOA or r is soa))
    denial = Reply(rcode=reply.rcode, answer=chain.rrsets, authority=authority, ad=reply.ad, errors=reply.errors)
    return NxDomain(reply=denial, soa=soa) if nxdomain else NoData(reply=denial, soa=soa)


def _follow(question: Question, rrsets: tuple[RRset, ...]) -> _Chain | None:
    """Follow the answer from the question's name; None where it loops or does not end.

    Anything beside the chain is dropped: it was not asked for, and remembering it is how caches are poisoned.
    """
    by_key = {(r.owner, r.rtype): r for r in rrsets if r.rdatas}
    aliases = [r for r in rrsets if r.rtype == RRType.DNAME and r.rdatas]
    taken: list[RRset] = []
    owner = question.qname
    for _ in range(CNAME_CHAIN_MAX + 1):
        if question.qtype == RRType.ANY:
            found = [r for r in by_key.values() if r.owner == owner and r.rtype != RRType.RRSIG]
        else:
            found = [r for key in [(owner, question.qtype)] if (r := by_key.get(key))]
        if found:
            return _Chain(_with_signatures((*taken, *found), rrsets), owner, ended=True)
        alias = by_key.get((owner, RRType.CNAME))
        if alias is None:
            return _Chain(_with_signatures(tuple(taken), rrsets), owner, ended=False)
        taken += [r for r in aliases if is_below(owner, r.owner) and r not in taken]
        taken.append(alias)
        owner = name_from_wire(alias.rdatas[0])
    return None


def _with_signatures(chain: tuple[RRset, ...], rrsets: tuple[RRset, ...]) -> tuple[RRset, ...]:
    signatures = [r for r in rrsets if r.rtype == RRType.RRSIG]
    if not signatures:
        return chain
    out: list[RRset] = []
    for rrset in chain:
        out.append(rrset)
        for each in signatures:
            if each.owner != rrset.owner or rrset.rtype == RRType.RRSIG:
                continue
            covering = tuple(s for s in each.rdatas if int.from_bytes(s[:2], "big") == rrset.rtype)
            if covering:
                out.append(RRset(owner=rrset.owner, rtype=RRType.RRSIG, ttl_s=each.ttl_s, rdatas=covering))
    return tuple(out)


def _soa(end: Name, reply: Reply) -> RRset | None:
    """Return the SOA of a negative answer, if it is of a zone that can hold the chain's last name."""
    soas = (r for r in reply.authority if r.rtype == RRType.SOA and r.rdatas and is_below(end, r.owner))
    return next(soas, None)


def _is_unfinished(question: Question, chain: _Chain, reply: Reply) -> bool:
    """Say whether a server that does not recurse left the rest to us: a referral, or an alias into another zone."""
    return chain.end != question.qname or any(rrset.rtype == RRType.NS for rrset in reply.authority)
