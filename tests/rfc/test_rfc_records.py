"""Rules about records and flags from several RFCs, each test named by number and section."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest

from standfast.dns.codec import (
    Rejected,
    decode_incoming,
    decode_query,
    encode_outbound,
    encode_response,
    rrset_from_text,
    rrsig_valid_at,
)
from standfast.dns.exchange import Heard, Outbound
from standfast.dns.model import ExtendedError, Query, Question, Rcode, Reply, RRset, RRType

QUESTION = Question("example.org.", RRType.A)
OUTBOUND = Outbound(id=7, question=QUESTION, cased_qname="example.org.")
ADDRESS = rrset_from_text("example.org.", RRType.A, 60, ["192.0.2.1"])
SIGNATURE = rrset_from_text(
    "example.org.", RRType.RRSIG, 60, ["A 13 2 60 20261201000000 20261101000000 12345 example.org. AAAA"]
)
DENIAL = rrset_from_text("example.org.", RRType.NSEC, 60, ["www.example.org. A RRSIG"])


def ask(*, ad: bool = False, do: bool = False, qtype: int = RRType.A) -> Query:
    question = Question("example.org.", qtype)
    return Query(id=7, question=question, cased_qname="example.org.", ad=ad, do=do, edns=True, payload_max=1232)


def heard(*records: bytes, flags: int = 0x8180) -> Reply:
    """Return what is read of a response whose answer section holds `records`."""
    query = encode_outbound(OUTBOUND)
    question = query[12:29]
    wire = query[:2] + flags.to_bytes(2, "big") + b"\0\1" + len(records).to_bytes(2, "big") + bytes(4) + question
    found = decode_incoming(wire + b"".join(records), OUTBOUND)
    assert isinstance(found, Heard)
    return found.reply


def record(*, rtype: int = 1, rclass: int = 1, ttl: int = 60, rdata: bytes = b"\xc0\x00\x02\x01") -> bytes:
    return b"\xc0\x0c" + b"".join(
        number.to_bytes(size, "big") for number, size in ((rtype, 2), (rclass, 2), (ttl, 4), (len(rdata), 2))
    ) + rdata  # fmt: skip


def types_sent(query: Query, reply: Reply) -> list[int]:
    response = dns.message.from_wire(encode_response(query, reply))
    return [int(rrset.rdtype) for rrset in response.answer + response.authority]


# RFC 2181


def test_rfc2181_5_the_same_record_twice_is_one() -> None:
    assert heard(record(), record()).answer == (ADDRESS,)


def test_rfc2181_5_2_of_differing_ttls_the_smallest_holds() -> None:
    (rrset,) = heard(record(ttl=60), record(ttl=30, rdata=b"\xc0\x00\x02\x02"), record(ttl=90)).answer
    assert (rrset.ttl_s, len(rrset.rdatas)) == (30, 2)


@pytest.mark.parametrize(("sent", "read"), [(0, 0), (0x7FFF_FFFF, 0x7FFF_FFFF), (0x8000_0000, 0), (0xFFFF_FFFF, 0)])
def test_rfc2181_8_a_ttl_with_the_highest_bit_set_is_zero(sent: int, read: int) -> None:
    assert heard(record(ttl=sent)).answer[0].ttl_s == read


def test_rfc2181_9_a_truncated_response_is_marked() -> None:
    query = encode_outbound(OUTBOUND)
    wire = query[:2] + b"\x83\x80" + query[4:8] + bytes(4) + query[12:29]
    assert decode_incoming(wire, OUTBOUND) == Heard(reply=Reply(rcode=0), truncated=True, edns=False)


# RFC 3597


def test_rfc3597_3_record_data_of_an_unknown_type_are_left_alone() -> None:
    rdata = b"\xc0\x0c\xff\x00"
    (rrset,) = heard(record(rtype=65_280, rdata=rdata)).answer
    assert rrset.rdatas == (rdata,)
    assert rdata in encode_response(ask(), Reply(rcode=0, answer=(rrset,)))


def test_rfc3597_4_names_in_newer_types_are_read_compressed_and_never_sent_so() -> None:
    (rrset,) = heard(record(rtype=RRType.SRV, rdata=bytes(6) + b"\xc0\x0c")).answer
    assert rrset.rdatas == (bytes(6) + b"\x07example\x03org\x00",)
    assert rrset.rdatas[0] in encode_response(ask(), Reply(rcode=0, answer=(rrset,)))


# RFC 1035 section 3.2.4, as the house has it


def test_records_of_another_class_are_dropped() -> None:
    assert heard(record(rclass=3), record(), record(rclass=254)).answer == (ADDRESS,)


# RFC 4034 section 3.1.5, RFC 1982


@pytest.mark.parametrize(
    ("inception", "expiration", "now", "valid"),
    [
        (100, 200, 99, False),
        (100, 200, 100, True),
        (100, 200, 200.9, True),
        (100, 200, 201, False),
        (2**32 - 50, 50, 2**32 - 1, True),
        (2**32 - 50, 50, 2**32 + 50, True),
        (2**32 - 50, 50, 2**32 + 51, False),
        (2**32 - 50, 50, 2**32 - 51, False),
    ],
)
def test_rfc4034_3_1_5_signature_times_are_serial_numbers(
    inception: int, expiration: int, now: float, valid: bool
) -> None:
    rdata = bytes(8) + expiration.to_bytes(4, "big") + inception.to_bytes(4, "big") + bytes(3)
    assert rrsig_valid_at(rdata, now) is valid


@pytest.mark.parametrize("size", range(19))
def test_rfc4034_3_1_5_a_cut_signature_is_never_valid(size: int) -> None:
    assert not rrsig_valid_at(SIGNATURE.rdatas[0][:size], 1_796_000_000)


# RFC 4035


def test_rfc4035_3_2_1_signatures_and_denials_go_only_to_who_asks() -> None:
    positive = Reply(rcode=0, answer=(ADDRESS, SIGNATURE))
    negative = Reply(rcode=Rcode.NXDOMAIN, authority=(DENIAL, SIGNATURE))
    assert types_sent(ask(), positive) == [RRType.A]
    assert types_sent(ask(do=True), positive) == [RRType.A, RRType.RRSIG]
    assert types_sent(ask(), negative) == []
    assert types_sent(ask(do=True), negative) == [RRType.NSEC, RRType.RRSIG]
    assert types_sent(ask(qtype=RRType.RRSIG), Reply(rcode=0, answer=(SIGNATURE,))) == [RRType.RRSIG]
    assert types_sent(ask(qtype=RRType.ANY), positive) == [RRType.A, RRType.RRSIG]


# RFC 6840


@pytest.mark.parametrize(
    ("ad", "do", "validated", "sent"),
    [(False, False, True, False), (True, False, True, True), (False, True, True, True), (True, True, False, False)],
)
def test_rfc6840_5_8_ad_goes_only_to_who_asks_by_ad_or_do(ad: bool, do: bool, validated: bool, sent: bool) -> None:
    wire = encode_response(ask(ad=ad, do=do), Reply(rcode=0, answer=(ADDRESS,), ad=validated))
    assert bool(dns.message.from_wire(wire).flags & dns.flags.AD) is sent


def test_rfc6840_5_7_our_queries_ask_for_ad() -> None:
    assert dns.message.from_wire(encode_outbound(OUTBOUND)).flags & dns.flags.AD


# RFC 8914


def test_rfc8914_2_extended_errors_are_read_with_their_texts() -> None:
    message = dns.message.make_response(dns.message.from_wire(encode_outbound(OUTBOUND)))
    texts = {6: "signature bad", 9: None, 4_999: "ours\0"}
    message.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.make(c), t) for c, t in texts.items()])
    found = decode_incoming(message.to_wire(), OUTBOUND)
    assert isinstance(found, Heard)
    assert found.reply.errors == (
        ExtendedError(code=6, text="signature bad"),
        ExtendedError(code=9),
        ExtendedError(code=4_999, text="ours"),
    )


def test_rfc8914_2_extended_errors_go_out_with_any_code() -> None:
    reply = Reply(rcode=0, answer=(ADDRESS,), errors=(ExtendedError(code=3, text="held: the service is alive"),))
    (option,) = dns.message.from_wire(encode_response(ask(), reply)).options
    assert isinstance(option, dns.edns.EDEOption)
    assert (option.code, option.text) == (3, "held: the service is alive")


def test_rfc8914_2_a_client_without_edns_gets_no_extended_error() -> None:
    plain = Query(id=7, question=QUESTION, cased_qname="example.org.")
    reply = Reply(rcode=0, answer=(ADDRESS,), errors=(ExtendedError(code=3, text="held"),))
    assert dns.message.from_wire(encode_response(plain, reply)).edns == -1


def test_rfc8914_2_a_text_that_is_no_utf_8_is_still_read() -> None:
    message = dns.message.make_response(dns.message.from_wire(encode_outbound(OUTBOUND)))
    message.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.EDE, b"\x00\x03\xff\xfe")])
    found = decode_incoming(message.to_wire(), OUTBOUND)
    assert isinstance(found, Heard)
    assert found.reply.errors == (ExtendedError(code=3, text="��"),)


# RFC 9619


@pytest.mark.parametrize("count", [0, 2, 65_535])
def test_rfc9619_a_query_with_another_number_of_questions_than_one_gets_formerr(count: int) -> None:
    wire = bytearray(encode_outbound(OUTBOUND))
    wire[4:6] = count.to_bytes(2, "big")
    found = decode_query(bytes(wire))
    assert isinstance(found, Rejected)
    assert found.rcode == Rcode.FORMERR


# RFC 4343


def test_rfc4343_4_1_owners_that_differ_in_case_are_one_rrset() -> None:
    message = dns.message.make_response(dns.message.from_wire(encode_outbound(OUTBOUND)))
    message.answer = [
        dns.rrset.from_text("A.example.org.", 60, "IN", "A", "192.0.2.1"),
        dns.rrset.from_text("a.EXAMPLE.org.", 60, "IN", "A", "192.0.2.2"),
    ]
    found = decode_incoming(message.to_wire(), OUTBOUND)
    assert isinstance(found, Heard)
    assert found.reply.answer == (
        RRset(owner="a.example.org.", rtype=1, ttl_s=60, rdatas=(b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02")),
    )
