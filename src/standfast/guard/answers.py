"""What a client is sent: known-good answers, negatives and failures made into replies. Decides only; sends nothing."""

from dataclasses import replace
from ipaddress import ip_address

from standfast.dns.codec import rrsig_valid_at
from standfast.dns.model import Ede, ExtendedError, Rcode, Reply, RRset, RRType
from standfast.guard.cache import cap_ttls
from standfast.guard.case import trusted_opinion
from standfast.guard.known import KnownGood
from standfast.guard.outcome import Bogus, Failure, Malformed, Refused, ServFail, Timeout
from standfast.guard.verdict import Verdict

EDE_TEXT_MAX = 160  # octets; enough for a reason, small enough for any packet


def held_reply(
    known: KnownGood,
    reason: str,
    *,
    held_ttl_s: int,
    do: bool,
    strangers: frozenset[str],
    now: float,
) -> Reply:
    """Return the known-good answer as it is served while held.

    TTLs are capped to `held_ttl_s`, AD is clear, the extended error is 3 (Stale Answer, RFC 8914 section 4.4).
    Addresses in `strangers` showed somebody else's certificate and are left out, unless nothing would be left.
    Signatures go to DO clients only, only while all are valid, and only when nothing was left out.
    """
    rrsets = known.answer.rrsets
    kept = _without(rrsets, strangers)
    signatures = [rdata for r in rrsets if r.rtype == RRType.RRSIG for rdata in r.rdatas]
    if not do or kept is not rrsets or not all(rrsig_valid_at(rdata, now) for rdata in signatures):
        kept = tuple(rrset for rrset in kept if rrset.rtype != RRType.RRSIG)
    error = ExtendedError(code=Ede.STALE_ANSWER, text=reason[:EDE_TEXT_MAX])
    return Reply(rcode=Rcode.NOERROR, answer=cap_ttls(kept, held_ttl_s), errors=(error,))


def opinion_reply(verdict: Verdict, known: KnownGood, *, held_ttl_s: int, strangers: frozenset[str]) -> Reply | None:
    """Return the answer of the second opinion that `verdict` rests on, as short-lived as a held one."""
    opinion = trusted_opinion(verdict.evidence, known)
    if opinion is None:  # what is known to be good has changed since the verdict
        return None
    error = ExtendedError(code=Ede.OTHER, text=f"{verdict.cause}: {verdict.reason}"[:EDE_TEXT_MAX])
    return Reply(rcode=Rcode.NOERROR, answer=cap_ttls(_without(opinion.rrsets, strangers), held_ttl_s), errors=(error,))


def denial_of_type(reply: Reply) -> Reply:
    """Return NODATA in the stead of an NXDOMAIN for a name that still stands with another type.

    NXDOMAIN denies all types of a name (RFC 2308 section 5), so caches and stubs behind us would lose those too.
    """
    error = ExtendedError(code=Ede.OTHER, text="NXDOMAIN, but another type of the name is known to be good")
    soa = tuple(rrset for rrset in reply.authority if rrset.rtype == RRType.SOA)
    return Reply(rcode=Rcode.NOERROR, answer=reply.answer, authority=soa, errors=(error,))


def failure_reply(failure: Failure) -> Reply:
    """Return SERVFAIL with the extended errors of the upstream, or one of ours that says what happened."""
    text = failure.detail[:EDE_TEXT_MAX]
    match failure:
        case Timeout():
            errors: tuple[ExtendedError, ...] = (ExtendedError(code=Ede.NO_REACHABLE_AUTHORITY, text=text),)
        case Malformed():
            errors = (ExtendedError(code=Ede.INVALID_DATA, text=text),)
        case ServFail(errors=given) | Refused(errors=given) | Bogus(errors=given):
            errors = given or (ExtendedError(code=Ede.OTHER, text=text),)
    return Reply(rcode=Rcode.SERVFAIL, errors=errors)


def _without(rrsets: tuple[RRset, ...], strangers: frozenset[str]) -> tuple[RRset, ...]:
    if not strangers:
        return rrsets
    out: list[RRset] = []
    dropped = False
    for rrset in rrsets:
        if rrset.rtype not in (RRType.A, RRType.AAAA):
            out.append(rrset)
            continue
        rdatas = tuple(rdata for rdata in rrset.rdatas if str(ip_address(rdata)) not in strangers)
        dropped = dropped or len(rdatas) < len(rrset.rdatas)
        if rdatas:
            out.append(replace(rrset, rdatas=rdatas))
    left = any(rrset.rtype in (RRType.A, RRType.AAAA) for rrset in out)
    return tuple(out) if dropped and left else rrsets
