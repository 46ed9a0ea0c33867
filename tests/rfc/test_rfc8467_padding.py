"""RFC 7830 and RFC 8467: queries and responses over encrypted transports are padded."""

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.codec import (
    MESSAGE_MAX,
    PADDING_BLOCK,
    QUERY_PADDING_BLOCK,
    Rejected,
    decode_query,
    encode_outbound,
    encode_rejected,
    encode_response,
    rrset_from_text,
)
from standfast.dns.exchange import Outbound
from standfast.dns.model import ExtendedError, Query, Question, Reply, RRset, RRType

ADDRESSES = rrset_from_text("example.org.", RRType.A, 60, ["192.0.2.1", "192.0.2.2"])
REPLY = Reply(rcode=0, answer=(ADDRESSES,), errors=(ExtendedError(code=3, text="held"),))


def query(*options: dns.edns.Option, qtype: str = "A") -> Query | Rejected:
    wire = dns.message.make_query("example.org", qtype, id=7, use_edns=0, options=list(options)).to_wire()
    found = decode_query(wire)
    assert found is not None
    return found


def padded_query() -> Query:
    found = query(dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(40)))
    assert isinstance(found, Query)
    return found


def paddings(wire: bytes) -> list[int]:
    options = dns.message.from_wire(wire).options
    return [len(option.to_wire() or b"") for option in options if option.otype == dns.edns.OptionType.PADDING]


# RFC 7830 section 4: a padded query gets a padded response.


def test_rfc7830_4_a_padded_query_gets_a_padded_response_of_the_same_content() -> None:
    wire = encode_response(padded_query(), REPLY, tcp=True, encrypted=True)
    assert len(wire) == PADDING_BLOCK
    assert len(paddings(wire)) == 1
    answer = dns.message.from_wire(wire)
    assert len(answer.answer[0]) == 2
    assert [option.otype for option in answer.options] == [dns.edns.OptionType.EDE, dns.edns.OptionType.PADDING]


def test_rfc7830_4_a_rejected_query_is_padded_as_well() -> None:
    found = query(dns.edns.GenericOption(dns.edns.OptionType.PADDING, b""), qtype="AXFR")
    assert isinstance(found, Rejected)
    assert len(encode_rejected(found, encrypted=True)) == PADDING_BLOCK
    assert not paddings(encode_rejected(found))


def test_rfc7830_4_a_query_without_padding_gets_none() -> None:
    found = query(dns.edns.GenericOption(dns.edns.OptionType.NSID, b""))
    assert isinstance(found, Query)
    assert not paddings(encode_response(found, REPLY, tcp=True, encrypted=True))


def test_rfc7830_6_in_clear_text_nothing_is_padded() -> None:
    assert not paddings(encode_response(padded_query(), REPLY, tcp=True))
    assert not paddings(encode_response(padded_query(), REPLY))


# RFC 8467 section 4.1: blocks of 468 octets.


@given(size=st.integers(0, 60_000))
def test_rfc8467_4_1_every_response_is_a_multiple_of_the_block(size: int) -> None:
    wire = encode_response(padded_query(), Reply(rcode=0, answer=(large(size),)), tcp=True, encrypted=True)
    assert len(wire) % PADDING_BLOCK == 0
    assert dns.message.from_wire(wire).answer[0][0].to_wire() == b"x" * size


@pytest.mark.parametrize("room", [0, 3, 4, 5, 14, 15, 16])
def test_rfc8467_4_1_a_response_near_the_largest_message_is_padded_as_far_as_it_goes(room: int) -> None:
    empty = len(encode_response(padded_query(), Reply(rcode=0, answer=(large(0),)), tcp=True))
    reply = Reply(rcode=0, answer=(large(MESSAGE_MAX - room - empty),))
    wire = encode_response(padded_query(), reply, tcp=True, encrypted=True)
    assert len(wire) == (MESSAGE_MAX if room >= 4 else MESSAGE_MAX - room)
    assert len(dns.message.from_wire(wire).answer) == 1


# Queries of ours, in blocks of 128 octets.


@given(
    labels=st.lists(st.integers(1, 63), min_size=1, max_size=3), do=st.booleans(), cookie=st.sampled_from([0, 8, 24])
)
def test_rfc8467_4_1_every_query_is_a_multiple_of_the_block(labels: list[int], do: bool, cookie: int) -> None:
    qname = "".join(f"{'a' * size}." for size in labels)
    outbound = Outbound(
        id=7, question=Question(qname, RRType.A), cased_qname=qname, do=do, cookie=bytes(range(1, cookie + 1))
    )
    wire = encode_outbound(outbound, padded=True)
    assert len(wire) % QUERY_PADDING_BLOCK == 0
    assert len(wire) - len(encode_outbound(outbound)) < QUERY_PADDING_BLOCK + 4
    assert len(paddings(wire)) == 1
    assert not paddings(encode_outbound(outbound))
    assert dns.message.from_wire(wire).question[0].name.to_text() == qname


def large(size: int) -> RRset:
    return RRset(owner="example.org.", rtype=65_280, ttl_s=60, rdatas=(b"x" * size,))
