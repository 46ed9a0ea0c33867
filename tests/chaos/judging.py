"""What is wrong with an answer, in words. Judges each alone; sends nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from chaos.names import TTL_S, Kind, address_of, kind_of
from chaos.stage import HELD_TTL_S, STALE_ANSWER

HEADER_OCTETS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An answer: whether it was held, what it said, and what was wrong with it."""

    rcode: dns.rcode.Rcode | None
    held: bool
    flaws: tuple[str, ...]

    @property
    def fresh(self) -> bool:
        """Whether it is upstream's word, and not a failure."""
        return not self.held and self.rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


def judge(query: bytes, answer: bytes, qname: str, *, may_fail: bool) -> Judged:
    """Judge `answer` to `query` for `qname`; `may_fail`: no upstream could be asked, so SERVFAIL is honest."""
    try:
        reply = dns.message.from_wire(answer)
    except dns.exception.DNSException as error:
        return Judged(rcode=None, held=False, flaws=(f"an answer that cannot be read: {error!r}",))
    held = any(error.code == STALE_ANSWER for error in reply.extended_errors())
    found = (*_about_form(query, answer, reply), *_about_content(reply, qname, held=held, may_fail=may_fail))
    return Judged(rcode=reply.rcode(), held=held, flaws=found)


def _about_form(query: bytes, answer: bytes, reply: dns.message.Message) -> Iterator[str]:
    if answer[:2] != query[:2]:
        yield "the ID of another query"
    end = query.index(b"\0", HEADER_OCTETS) + 5
    if answer[HEADER_OCTETS:end] != query[HEADER_OCTETS:end]:
        yield f"an answer to another question, {reply.question}"
    if not reply.flags & dns.flags.QR or not reply.flags & dns.flags.RA:
        yield f"the flags of no resolver's answer: {dns.flags.to_text(reply.flags)}"


def _about_content(reply: dns.message.Message, qname: str, *, held: bool, may_fail: bool) -> Iterator[str]:
    kind, rcode = kind_of(qname), reply.rcode()
    given = [(rrset.ttl, record) for rrset in reply.answer for record in rrset if rrset.rdtype == dns.rdatatype.A]
    addresses = [record.address for _, record in given]
    if held and reply.flags & dns.flags.AD:
        yield "AD on a held answer"
    if any(ttl > (HELD_TTL_S if held else TTL_S) for ttl, _ in given):
        yield f"a TTL that is too long: {max(ttl for ttl, _ in given)} s"
    if rcode == dns.rcode.SERVFAIL and kind is not Kind.LEARNED and may_fail:
        return
    if kind is Kind.ABSENT:
        if rcode != dns.rcode.NXDOMAIN or addresses:
            yield f"{rcode.name} {addresses} for a name that does not exist"
    elif rcode != dns.rcode.NOERROR or addresses != [address_of(qname)]:
        yield f"{rcode.name} {addresses} where {address_of(qname)} is right"
