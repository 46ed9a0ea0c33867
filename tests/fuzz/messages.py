"""Laws of messages: what clients and upstreams may send us, and the prepared answers between them."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdataclass

from fuzz.target import Target
from standfast.dns.codec import (
    Rejected,
    decode_incoming,
    decode_query,
    encode_outbound,
    encode_rejected,
    encode_response,
    encode_truncated,
    rrset_from_text,
    rrset_to_text,
)
from standfast.dns.exchange import CaseChanged, Heard, NotOurs, Outbound, Unreadable
from standfast.dns.model import ExtendedError, Query, Question, Rcode, Reply, RRset, RRType
from standfast.dns.name import BadName, ancestors, is_below, parse_name
from standfast.dns.prepared import PreparedAnswers, split_cookie
from standfast.dns.wire import name_from_text, name_to_text
from standfast.guard.answers import failure_reply
from standfast.guard.cache import aged
from standfast.guard.classify import classify
from standfast.guard.known import Answer, KnownGood
from standfast.guard.outcome import Failure, Positive
from standfast.guard.packed import is_whole, key_of, pack, question_of, unpack

NAME: Final = "www.example.org."
COOKIE: Final = bytes(range(8))  # our part (RFC 7873 section 4)
OUTBOUND: Final = Outbound(
    id=7, question=Question(NAME, RRType.A), cased_qname="wWw.eXample.ORG.", do=True, cookie=COOKIE
)
QUESTION: Final = name_from_text(OUTBOUND.cased_qname) + b"\0\1\0\1"
EVERYTHING: Final = Query(id=7, question=OUTBOUND.question, cased_qname=OUTBOUND.cased_qname, edns=True, do=True)
OPT_OCTETS: Final = 11
REPLIES: Final = (
    Reply(rcode=Rcode.NOERROR, answer=(rrset_from_text(NAME, RRType.A, 60, ["192.0.2.1", "192.0.2.2"]),), ad=True),
    Reply(
        rcode=Rcode.NOERROR,
        answer=(
            rrset_from_text(NAME, RRType.CNAME, 300, ["edge.example.net."]),
            rrset_from_text("edge.example.net.", RRType.AAAA, 90, ["2001:db8::1"]),
        ),
    ),
    Reply(
        rcode=Rcode.NXDOMAIN,
        authority=(rrset_from_text("example.org.", RRType.SOA, 70, ["ns.example.org. h.example.org. 1 2 3 4 70"]),),
        errors=(ExtendedError(code=0, text="words"),),
    ),
)
STORED_FOR_S: Final = 60.0


def query(wire: bytes) -> None:
    """A client's octets get silence or one answer: to it, no larger than it takes, as dnspython reads both."""
    found = decode_query(wire)
    theirs = _read_by_dnspython(wire)
    match found:
        case None:
            assert len(wire) < 12 or wire[2] & 0x80
            return
        case Rejected():
            answer = encode_rejected(found)
            assert len(answer) <= len(wire) + OPT_OCTETS  # nobody is flooded by us
        case Query():
            plain = replace(found, rd=True, ad=True, payload_max=_payload(found))
            plain = replace(plain, padded=False, nsid=False, compact_ok=False, cookie=b"")  # what ours never sends
            assert decode_query(_rewritten(found)) == plain
            assert len(encode_truncated(found)) <= len(wire)
            answer = encode_response(found, REPLIES[0])
            assert len(answer) <= max(512, found.payload_max)
            if theirs is not None:
                (question,) = theirs.question
                assert found.cased_qname == question.name.to_text()
                assert found.question.qtype == question.rdtype
                assert found.edns == (theirs.edns >= 0)
                assert found.do == bool(theirs.ednsflags & dns.flags.DO)
                seen = {flag for flag in (dns.flags.RD, dns.flags.AD, dns.flags.CD) if theirs.flags & flag}
                ours = ((found.rd, dns.flags.RD), (found.ad, dns.flags.AD), (found.cd, dns.flags.CD))
                assert {flag for there, flag in ours if there} == seen
    read = dns.message.from_wire(answer)
    assert answer[:2] == wire[:2]
    assert read.flags & dns.flags.QR


def incoming(octets: bytes) -> None:
    """An upstream's octets are a value; what is heard can be judged, sent on, kept and shown, and stays the same.

    The input is flags, the counts of answer, authority and additional records, and all that follows the question.
    """
    head, rest = octets[:8].ljust(8, b"\0"), octets[8:]
    wire = b"\0\7" + head[:2] + b"\0\1" + head[2:8] + QUESTION + rest
    heard = decode_incoming(wire, OUTBOUND)
    if not isinstance(heard, Heard):
        assert isinstance(heard, CaseChanged | NotOurs | Unreadable)
        return
    assert heard.cookie[:8] in (b"", COOKIE)  # of whose query it cannot be an answer, RFC 7873 section 5.3
    if heard.truncated:
        return
    reply = heard.reply
    _agrees_with_dnspython(wire, reply)
    outcome = classify(OUTBOUND.question, heard)
    served = failure_reply(outcome) if isinstance(outcome, Failure) else outcome.reply
    sent = encode_response(EVERYTHING, served, tcp=True)
    assert dns.message.from_wire(sent, raise_on_truncation=True).flags & dns.flags.QR
    again = decode_incoming(encode_response(EVERYTHING, reply, tcp=True), OUTBOUND)
    assert isinstance(again, Heard)
    assert lower(again.reply) == lower(replace(reply, ra=True)) or again.reply.rcode == Rcode.SERVFAIL
    for rrset in (*reply.answer, *reply.authority):
        assert len(rrset_to_text(rrset)) == len(rrset.rdatas)
    if isinstance(outcome, Positive):
        assert all(int(rrset.ttl_s) >= outcome.answer.ttl_s for rrset in outcome.answer.rrsets)
        known = _known(outcome.answer)
        assert unpack(known.question, pack(known)) == known


def prepared(octets: bytes) -> None:
    """What a prepared answer says of any query is, octet for octet, what the long way says of it, or nothing.

    That of a query with a cookie may be given to the same without, and the other way round, each with its own cookie.
    The input: which reply, how old it is, how much later it is asked for, and two queries; the second one asks.
    """
    which, age, later, split = octets[:4].ljust(4, b"\0")
    first, second = octets[4 : 4 + split], octets[4 + split :] or octets[4:]
    reply, answers = REPLIES[which % len(REPLIES)], PreparedAnswers()
    stored_at_s, later_s = -age / 16, later / 4
    asked = decode_query(first)
    if not isinstance(asked, Query) or asked.question.qname != NAME:
        return
    wire = encode_response(asked, aged(reply, age / 16), cookie=split_cookie(first)[1])
    answers.put(first, wire, stored_at_s=stored_at_s, expires_at_s=stored_at_s + STORED_FOR_S, now=0.0)
    for again in (second, first, first[:12] + first[12:].swapcase()):
        plain, cookie = split_cookie(again)
        fast = answers.get_with_cookie(plain, cookie, later_s) if cookie else answers.get(again, later_s)
        if fast is None:
            continue
        asks = decode_query(again)
        assert isinstance(asks, Query)
        assert (asks.question, asks.cookie) == (asked.question, cookie)
        assert later_s - stored_at_s < STORED_FOR_S
        assert fast == encode_response(asks, aged(reply, later_s - stored_at_s), cookie=cookie)


def name(octets: bytes) -> None:
    """A text is refused or is a name that stays the same, fits the wire and lies below its ancestors."""
    try:
        found = parse_name(octets.decode("utf-8", "replace"))
    except BadName:
        return
    assert found == found.lower() == parse_name(found)
    assert name_to_text(name_from_text(found)).lower() == found
    above = list(ancestors(found))
    assert above[-1] == "."
    assert len(above) <= 128
    assert all(is_below(found, each) for each in above)


def packed(octets: bytes) -> None:
    """What is whole is just what is packed again. The input: the length of the key, the key, and what is packed."""
    key, found = octets[1 : 1 + octets[0]] if octets else b"", octets[1 + octets[0] :] if octets else b""
    named = len(key) > 6 and key[:4] == zlib.crc32(key[6:]).to_bytes(4, "big")  # not cut elsewhere, which no disk does
    if named and is_whole(key, found):
        known = unpack(question_of(key), found)
        assert (key_of(known.question), pack(known)) == (key, found)


def _read_by_dnspython(wire: bytes) -> dns.message.Message | None:
    """Return the query that dnspython reads, None where it does not take it for one of class IN."""
    try:
        message = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError, struct.error):
        return None
    plain = message.opcode() == dns.opcode.QUERY and not message.flags & dns.flags.QR
    return message if plain and len(message.question) == 1 else None


def _agrees_with_dnspython(wire: bytes, reply: Reply) -> None:
    """See that what both can read, both read the same: the records of class IN, without the TTLs that we make one."""
    try:
        message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    except Exception:  # dnspython looks into more types than we do, and raises whatever that makes it raise
        return
    ours = {
        (section, rrset.owner, int(rrset.rtype), rdata.lower())
        for section, rrsets in (("answer", reply.answer), ("authority", reply.authority))
        for rrset in rrsets
        for rdata in rrset.rdatas
    }
    theirs = {
        (section, rr.name.to_text().lower(), int(rr.rdtype), (rr[0].to_wire() or b"").lower())
        for section in ("answer", "authority")
        for rr in getattr(message, section)
        if rr.rdclass == dns.rdataclass.IN
    }
    # dnspython writes some types in another form than they came in (bitmaps, options): those only by owner and type.
    assert {each[:3] for each in ours} == {each[:3] for each in theirs}
    assert reply.rcode == message.rcode()


def _rewritten(found: Query) -> bytes:
    out = Outbound(
        id=found.id, question=found.question, cased_qname=found.cased_qname, do=found.do, cd=found.cd, edns=found.edns
    )
    return encode_outbound(out)


def _payload(found: Query) -> int:
    return 1232 if found.edns else 512


def _known(answer: Answer) -> KnownGood:
    return KnownGood(
        question=OUTBOUND.question,
        answer=answer,
        first_seen_s=1.0,
        confirmed_at_s=1.0,
        changed_at_s=1.0,
        seen=answer.addresses,
    )


def lower(reply: Reply) -> Reply:
    """Return `reply` with its record data in lower case: compression does not look at case."""

    def section(rrsets: tuple[RRset, ...]) -> tuple[RRset, ...]:
        return tuple(replace(each, rdatas=tuple(dict.fromkeys(r.lower() for r in each.rdatas))) for each in rrsets)

    return replace(reply, answer=section(reply.answer), authority=section(reply.authority))


def _queries() -> Iterator[bytes]:
    for edns in (False, True):
        for do, cd in ((False, False), (True, True)):
            out = Outbound(id=7, question=OUTBOUND.question, cased_qname=NAME, do=do and edns, cd=cd, edns=edns)
            yield encode_outbound(out)
    yield encode_outbound(OUTBOUND)
    yield dns.message.make_query("example.org", "AXFR", id=7).to_wire()
    yield dns.message.make_query("version.bind", "TXT", "CH", id=7).to_wire()
    yield dns.message.make_query("example.org", "A", id=7, use_edns=1).to_wire()


def _responses() -> Iterator[bytes]:
    signature = "A 13 2 60 20261201000000 20261101000000 12345 example.org. AAAA"
    records = (
        rrset_from_text(NAME, RRType.RRSIG, 60, [signature]),
        rrset_from_text("example.org.", RRType.NSEC, 60, ["www.example.org. A RRSIG"]),
        rrset_from_text(NAME, RRType.SRV, 60, ["0 5 443 edge.example.net."]),
        rrset_from_text(NAME, RRType.MX, 60, ["10 mx.example.org."]),
        rrset_from_text(NAME, RRType.TXT, 60, ['"a" "b"']),
        RRset(owner=NAME, rtype=65_280, ttl_s=60, rdatas=(b"\xc0\x0c",)),
    )
    for reply in (*REPLIES, Reply(rcode=0, answer=records), Reply(rcode=Rcode.SERVFAIL, errors=REPLIES[2].errors)):
        wire = encode_response(EVERYTHING, reply, tcp=True)
        yield wire[2:4] + wire[6:12] + wire[12 + len(QUESTION) :]
    wire = encode_response(EVERYTHING, REPLIES[0], tcp=True, cookie=COOKIE + bytes(16))
    yield wire[2:4] + wire[6:12] + wire[12 + len(QUESTION) :]


def _pairs() -> Iterator[bytes]:
    for which, wire in enumerate(_queries()):
        yield bytes((which, 8, 40, len(wire))) + wire + b"\x01\x02" + wire[2:]
    plain, known = (
        encode_outbound(replace(OUTBOUND, cased_qname=NAME, cookie=cookie)) for cookie in (b"", COOKIE + bytes(16))
    )
    for which, (first, second) in enumerate(((plain, known), (known, plain), (known, known[:-1] + b"\1"))):
        yield bytes((which, 8, 40, len(first))) + first + second


def _packed() -> Iterator[bytes]:
    for reply in REPLIES:
        known = _known(Answer(rrsets=reply.answer, ad=reply.ad))
        key = key_of(known.question)
        yield bytes((len(key),)) + key + pack(known)


MESSAGES: Final = {
    "query": Target(law=query, seeds=_queries),
    "incoming": Target(law=incoming, seeds=_responses),
    "prepared": Target(law=prepared, seeds=_pairs),
    "name": Target(law=name, seeds=lambda: (b"www.Example.org", b"a\\.b\\032c.", b"\xc3\xbcber.example")),
    "packed": Target(law=packed, seeds=_packed),
}
