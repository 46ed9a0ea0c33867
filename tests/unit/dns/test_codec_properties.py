"""Messages on any octets: nothing raises, what is written can be read again, and dnspython sees the same."""

from dataclasses import replace
from typing import Final

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import messages
from standfast.dns.codec import (
    PAYLOAD_OURS,
    decode_incoming,
    decode_query,
    encode_outbound,
    encode_response,
)
from standfast.dns.exchange import CaseChanged, Heard, NotOurs, Outbound, Unreadable
from standfast.dns.model import ExtendedError, Query, Question, Reply, RRset, RRType
from standfast.dns.wire import name_to_text

LABELS: Final = st.one_of(st.sampled_from([b"www", b"Example", b"ORG", b"_a"]), st.binary(min_size=1, max_size=63))
NAMES: Final = (
    st.lists(LABELS, max_size=4)
    .map(lambda labels: b"".join(bytes((len(label),)) + label for label in labels) + b"\0")
    .filter(lambda name: len(name) <= 255)
    .map(name_to_text)
)
OWNERS: Final = NAMES.map(str.lower)


def rrsets_of(owner: str) -> st.SearchStrategy[RRset]:
    names = NAMES.map(lambda text: dns.name.from_text(text).to_wire() or b"")
    ttls = st.integers(0, 2**31 - 1)

    def of(rtype: int, data: st.SearchStrategy[bytes]) -> st.SearchStrategy[RRset]:
        rdatas = st.lists(data, min_size=1, max_size=3, unique=True).map(tuple)
        return st.builds(RRset, owner=st.just(owner), rtype=st.just(rtype), ttl_s=ttls, rdatas=rdatas)

    uint16 = st.binary(min_size=2, max_size=2)
    return st.one_of(
        of(RRType.A, st.binary(min_size=4, max_size=4)),
        of(RRType.AAAA, st.binary(min_size=16, max_size=16)),
        of(RRType.CNAME, names),
        of(RRType.NS, names),
        of(RRType.MX, st.builds(bytes.__add__, uint16, names)),
        of(
            RRType.SOA,
            st.tuples(names, names, st.binary(min_size=20, max_size=20)).map(b"".join),
        ),
        of(RRType.TXT, st.binary(max_size=99).map(lambda text: bytes((len(text),)) + text)),
        of(
            RRType.RRSIG,
            st.tuples(st.binary(min_size=18, max_size=18), names).map(b"".join),
        ),
        of(65_280, st.binary(max_size=40)),
    )


@st.composite
def queries(draw: st.DrawFn) -> Query:
    cased_qname = draw(NAMES)
    edns = draw(st.booleans())
    return Query(
        id=draw(st.integers(0, 65_535)),
        question=Question(cased_qname.lower(), draw(st.sampled_from([1, 2, 5, 6, 15, 16, 28, 65, 255, 65_280]))),
        cased_qname=cased_qname,
        rd=draw(st.booleans()),
        ad=draw(st.booleans()),
        cd=draw(st.booleans()),
        edns=edns,
        do=edns and draw(st.booleans()),
        payload_max=draw(st.integers(512, 65_535)) if edns else 512,
    )


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    def section() -> tuple[RRset, ...]:
        found = draw(st.lists(OWNERS.flatmap(rrsets_of), max_size=2, unique_by=lambda r: (r.owner, r.rtype)))
        return tuple(found)

    errors = st.builds(ExtendedError, code=st.integers(0, 65_535), text=st.text(alphabet="aé€", max_size=20))
    return Reply(
        rcode=draw(st.sampled_from([0, 2, 3, 5])),
        answer=section(),
        authority=section(),
        ad=draw(st.booleans()),
        errors=tuple(draw(st.lists(errors, max_size=3))),
    )


def outbound_of(query: Query) -> Outbound:
    return Outbound(id=query.id, question=query.question, cased_qname=query.cased_qname)


@st.composite
def mutated(draw: st.DrawFn, wires: st.SearchStrategy[bytes]) -> bytes:
    """Draw a valid message and spoil it: octets changed, cut off, put in."""
    wire = bytearray(draw(wires))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(wire) - 1)))
        match draw(st.sampled_from(["set", "cut", "insert", "pointer"])):
            case "set" if wire:
                wire[at] = draw(st.integers(0, 255))
            case "cut":
                del wire[at:]
            case "insert":
                wire[at:at] = draw(st.binary(max_size=8))
            case _:
                wire[at : at + 2] = bytes((0xC0, draw(st.integers(0, 255))))
    return bytes(wire)


VALID_QUERIES: Final = queries().map(lambda q: encode_outbound(outbound_of(q)))


@settings(deadline=None)
@given(wire=st.one_of(st.binary(max_size=80), mutated(VALID_QUERIES)))
def test_whatever_a_client_sends_gets_silence_or_an_answer_that_dnspython_can_read(wire: bytes) -> None:
    messages.query(wire)


@settings(deadline=None)
@given(query=queries())
def test_a_query_that_was_written_is_read_the_same(query: Query) -> None:
    outbound = Outbound(
        id=query.id,
        question=query.question,
        cased_qname=query.cased_qname,
        do=query.do,
        cd=query.cd,
        edns=query.edns,
    )
    read = decode_query(encode_outbound(outbound))
    assert read == Query(
        id=query.id,
        question=query.question,
        cased_qname=query.cased_qname,
        rd=True,
        ad=True,
        cd=query.cd,
        edns=query.edns,
        do=query.do,
        payload_max=PAYLOAD_OURS if query.edns else 512,
    )


@settings(deadline=None)
@given(query=queries(), reply=replies())
def test_a_response_that_was_written_is_read_the_same_but_for_the_case_of_compressed_names(
    query: Query, reply: Reply
) -> None:
    asked_for_all = replace(query, edns=True, do=True)
    read = decode_incoming(encode_response(asked_for_all, reply, tcp=True), outbound_of(query))
    assert isinstance(read, Heard)
    assert not read.truncated
    assert messages.lower(read.reply) == messages.lower(reply)


@settings(deadline=None)
@given(query=queries(), reply=replies(), spoil=st.data())
def test_a_spoiled_response_is_a_value_and_what_was_heard_of_it_can_be_sent_on(
    query: Query, reply: Reply, spoil: st.DataObject
) -> None:
    wire = spoil.draw(mutated(st.just(encode_response(query, reply, tcp=True))))
    heard = decode_incoming(wire, outbound_of(query))
    if isinstance(heard, Heard):
        sent_on = encode_response(replace(query, edns=True, do=True), heard.reply, tcp=True)
        again = decode_incoming(sent_on, outbound_of(query))
        assert isinstance(again, Heard)
        assert messages.lower(again.reply) == messages.lower(replace(heard.reply, ra=True))
    else:
        assert isinstance(heard, CaseChanged | NotOurs | Unreadable)


@settings(deadline=None)
@given(query=queries(), reply=replies())
def test_dnspython_reads_the_same_records(query: Query, reply: Reply) -> None:
    read = dns.message.from_wire(encode_response(query, reply, tcp=True), one_rr_per_rrset=True)
    assert [str(question.name) for question in read.question] == [query.cased_qname]
    kept = [
        (rrset.owner, rrset.rtype, rrset.ttl_s, rdata.lower())
        for section in (reply.answer, reply.authority)
        for rrset in section
        for rdata in rrset.rdatas
        if query.do or rrset.rtype != RRType.RRSIG or query.question.qtype == RRType.ANY
    ]
    seen = [
        (str(rr.name).lower(), int(rr.rdtype), rr.ttl, (rr[0].to_wire() or b"").lower())
        for rr in read.answer + read.authority
    ]
    assert seen == kept


@settings(deadline=None)
@given(query=queries(), reply=replies(), size_max=st.integers(512, 4096))
def test_a_datagram_is_never_larger_than_agreed_and_holds_all_records_or_none(
    query: Query, reply: Reply, size_max: int
) -> None:
    wire = encode_response(query, reply, size_max=size_max)
    read = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert len(wire) <= min(query.payload_max, size_max)
    whole = dns.message.from_wire(encode_response(query, reply, tcp=True), one_rr_per_rrset=True)
    if read.flags & dns.flags.TC:
        assert not read.answer + read.authority
        assert len(encode_response(query, replace(reply, errors=()), tcp=True)) > min(query.payload_max, size_max)
    else:
        assert (read.answer, read.authority) == (whole.answer, whole.authority)
