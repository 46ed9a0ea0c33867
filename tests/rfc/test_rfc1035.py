"""RFC 1035: what a server answers to messages that it does not take."""

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from standfast.dns.codec import Rejected, decode_query, encode_rejected
from standfast.dns.model import Query, Rcode

QUERY = dns.message.make_query("www.Example.org", "A", id=7).to_wire()


def rejected(wire: bytes) -> Rejected:
    found = decode_query(wire)
    assert isinstance(found, Rejected)
    return found


# Section 4.1.1: the header.


def test_4_1_1_a_response_is_not_answered() -> None:
    assert decode_query(QUERY[:2] + b"\x81" + QUERY[3:]) is None


@pytest.mark.parametrize("size", range(12))
def test_4_1_1_less_than_a_header_is_not_answered(size: int) -> None:
    assert decode_query(QUERY[:size]) is None


@pytest.mark.parametrize("opcode", range(1, 16))
def test_4_1_1_another_opcode_gets_notimp_with_that_opcode(opcode: int) -> None:
    wire = QUERY[:2] + bytes((opcode << 3 | 1,)) + QUERY[3:]
    answer = encode_rejected(rejected(wire))
    flags = int.from_bytes(answer[2:4], "big")
    assert (flags >> 11 & 15, flags & 15) == (opcode, Rcode.NOTIMP)
    assert flags & dns.flags.RD


@pytest.mark.parametrize("size", range(12, len(QUERY)))
def test_4_1_1_a_query_that_breaks_off_gets_formerr(size: int) -> None:
    answer = dns.message.from_wire(encode_rejected(rejected(QUERY[:size])))
    assert (answer.rcode(), answer.question) == (dns.rcode.FORMERR, [])


def test_4_1_1_octets_behind_the_message_get_formerr_with_the_question() -> None:
    answer = dns.message.from_wire(encode_rejected(rejected(QUERY + b"\0")))
    assert answer.rcode() == dns.rcode.FORMERR
    assert answer.question[0].name.to_text() == "www.Example.org."


# Section 4.1.4: compression.


@pytest.mark.parametrize("name", [b"\xc0\x0c", b"\x01a\xc0\x0c", b"\xc0\x00", b"\xc0\x20"])
def test_4_1_4_a_question_that_points_into_itself_or_elsewhere_gets_formerr(name: bytes) -> None:
    assert rejected(QUERY[:12] + name + b"\x00\x01\x00\x01").rcode == Rcode.FORMERR


# Section 3.2.4 and 3.2.3: classes and types.


@pytest.mark.parametrize("rdclass", ["CH", "HS", "NONE", "ANY"])
def test_3_2_4_another_class_than_in_is_refused(rdclass: str) -> None:
    wire = dns.message.make_query("version.bind", "TXT", rdclass).to_wire()
    assert rejected(wire).rcode == Rcode.REFUSED


@pytest.mark.parametrize("rtype", ["AXFR", "IXFR"])
def test_3_2_3_zone_transfers_are_refused(rtype: str) -> None:
    assert rejected(dns.message.make_query("example.org", rtype).to_wire()).rcode == Rcode.REFUSED


@pytest.mark.parametrize("rtype", ["ANY", "TYPE65280", "MAILB"])
def test_3_2_3_any_other_type_may_be_asked_for(rtype: str) -> None:
    assert isinstance(decode_query(dns.message.make_query("example.org", rtype).to_wire()), Query)
