"""Messages that are no plain query: read as dnspython writes them, written as it reads them, refused by their codes."""

from dataclasses import replace
from typing import Final

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.update
import pytest

from standfast.dns.codec import AA, rrset_from_text
from standfast.dns.model import Rcode, RRType
from standfast.dns.requests import (
    CLASS_ANY,
    CLASS_IN,
    CLASS_NONE,
    Faulty,
    MessageWriter,
    Opcode,
    Raw,
    Request,
    is_request,
    message,
    question_octets,
    raws,
    read_message,
    read_request,
    response,
    sealed,
)
from standfast.dns.tsig import FUDGE_S, TsigError, TsigKey, Verified, sign, verify
from standfast.dns.wire import WireError

NOW: Final = 1_790_000_000.0
KEY: Final = TsigKey(name="updater.example.", algorithm="hmac-sha384", secret=b"s" * 48)
KEYS: Final = {KEY.name: KEY}
ADDRESS: Final = b"\xc0\0\2\1"


def update() -> bytes:
    """Return an UPDATE with one of each form of prerequisite and of change (RFC 2136 sections 2.4 and 2.5)."""
    made = dns.update.UpdateMessage("Example.org", id=7)
    made.present("there")
    made.present("there", "A", "192.0.2.1")
    made.absent("gone")
    made.add("www", 300, "A", "192.0.2.1")
    made.delete("old")
    made.delete("old", "A")
    made.delete("old", "A", "192.0.2.1")
    return made.to_wire()


def request_of(wire: bytes) -> Request:
    found = read_request(wire, KEYS, now=NOW)
    assert isinstance(found, Request), found
    return found


def faulty(wire: bytes) -> tuple[Faulty, dns.message.Message]:
    found = read_request(wire, KEYS, now=NOW)
    assert isinstance(found, Faulty), found
    return found, dns.message.from_wire(found.wire, keyring=False)


def test_an_update_is_read_with_its_classes_and_with_data_that_are_missing() -> None:
    found = request_of(update())
    assert (found.opcode, found.qname, found.qtype, found.qclass) == (Opcode.UPDATE, "example.org.", RRType.SOA, 1)
    assert found.answer == (
        Raw("there.example.org.", RRType.ANY, CLASS_ANY, 0, b""),
        Raw("there.example.org.", RRType.A, CLASS_IN, 0, ADDRESS),
        Raw("gone.example.org.", RRType.ANY, CLASS_NONE, 0, b""),
    )
    assert found.authority == (
        Raw("www.example.org.", RRType.A, CLASS_IN, 300, ADDRESS),
        Raw("old.example.org.", RRType.ANY, CLASS_ANY, 0, b""),
        Raw("old.example.org.", RRType.A, CLASS_ANY, 0, b""),
        Raw("old.example.org.", RRType.A, CLASS_NONE, 0, ADDRESS),
    )


def test_an_incremental_transfer_brings_the_serial_that_is_held() -> None:
    asked = dns.message.make_query("example.org", "IXFR", id=7, use_edns=True, payload=4000)
    asked.find_rrset(asked.authority, asked.question[0].name, dns.rdataclass.IN, dns.rdatatype.SOA, create=True).add(
        dns.rdata.from_text("IN", "SOA", "ns.example.org. h.example.org. 41 2 3 4 5")
    )
    found = request_of(asked.to_wire())
    assert found.qtype == RRType.IXFR
    assert int.from_bytes(found.authority[0].rdata[-20:-16], "big") == 41
    assert found.payload_max == 4000
    assert found.key is None


def test_a_signed_request_has_its_key_and_is_answered_under_it() -> None:
    signed = sign(update(), KEY, now=NOW)
    found = request_of(signed.wire)
    assert (found.key, found.mac, found.wire) == (KEY, signed.mac, update())
    answer = sealed(found, response(found, Rcode.NOTZONE), now=NOW)
    assert isinstance(verify(answer, KEYS, now=NOW, request_mac=signed.mac), Verified)
    assert sealed(replace(found, key=None), b"as it is", now=NOW) == b"as it is"


def test_a_response_has_the_question_as_it_came_and_speaks_edns_as_the_request_does() -> None:
    asked = dns.message.make_query("eXample.org", "AXFR", id=7, use_edns=True, want_dnssec=True)
    asked.flags |= dns.flags.RD
    soa = rrset_from_text("example.org.", RRType.SOA, 300, ["ns.example.org. h.example.org. 41 2 3 4 5"])
    wire = response(request_of(asked.to_wire()), Rcode.NOERROR, flags=AA, answer=raws(soa))
    read = dns.message.from_wire(wire)
    assert asked.is_response(read)
    assert read.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD
    assert read.question[0].name.to_text() == "eXample.org."
    assert read.edns == 0
    assert read.ednsflags & dns.flags.DO
    assert read.answer[0][0].serial == 41
    assert wire.count(b"\x07eXample") == 1  # names are compressed


def test_what_is_written_is_read_as_it_was() -> None:
    records = request_of(update()).authority
    wire = message(
        id_=9, flags=Opcode.UPDATE << 11, question=question_octets("example.org.", RRType.SOA), authority=records
    )
    found = read_message(wire)
    assert (found.id, found.opcode, found.qname, found.authority) == (9, Opcode.UPDATE, "example.org.", records)


def test_records_are_taken_as_long_as_they_fit() -> None:
    writer = MessageWriter(id_=7, flags=0x8400, question=question_octets("example.org.", RRType.AXFR), octets_max=512)
    record = Raw("www.example.org.", RRType.TXT, CLASS_IN, 60, b"\x63" + b"x" * 99)
    while writer.add(record):
        pass
    assert not writer.add(record)
    wire = writer.finish()
    assert len(wire) <= 512 < len(wire) + 112
    assert len(read_message(wire).answer) == writer.count == 4
    with pytest.raises(WireError):
        message(id_=7, flags=0, answer=[record] * 1000)


@pytest.mark.parametrize(
    ("wire", "is_more"),
    [
        (dns.message.make_query("example.org", "A", use_edns=True, id=7).to_wire(), False),
        (dns.message.make_query("example.org", "AXFR", id=7).to_wire(), True),
        (dns.message.make_query("example.org", "IXFR", id=7).to_wire(), True),
        (sign(dns.message.make_query("example.org", "A", id=7).to_wire(), KEY, now=NOW).wire, True),
        (update(), True),
        (b"\0\7\x28" + bytes(9), True),
        (b"\0\7\xa8" + bytes(9), False),
        (b"\0\7\x28", False),
        (b"\0\7\0\0\0\1" + bytes(6) + b"\x3f", False),
        (b"\0\7\0\0\0\1" + bytes(6) + b"\0\0\xfa\0\xff", False),
    ],
)
def test_what_is_more_than_a_plain_query_is_told_from_its_first_octets(wire: bytes, is_more: bool) -> None:
    assert is_request(wire) is is_more


@pytest.mark.parametrize("wire", [b"", b"\0\7\x28", b"\0\7\xa8" + bytes(9)])
def test_what_is_no_request_is_not_answered(wire: bytes) -> None:
    assert read_request(wire, KEYS, now=NOW) is None


def test_an_opcode_that_nobody_knows_is_not_implemented() -> None:
    found, read = faulty(b"\0\7\x11" + bytes(9))
    assert (found.rcode, read.rcode(), read.opcode(), read.flags & dns.flags.RD) == (4, 4, 2, dns.flags.RD)
    signed = sign(b"\0\7\x11" + bytes(9), KEY, now=NOW)
    found, read = faulty(signed.wire)
    assert (found.rcode, read.had_tsig) == (4, True)


@pytest.mark.parametrize(
    "wire",
    [
        update() + b"\0",
        update()[:-1],
        update()[:4] + b"\0\2" + update()[6:],
        b"\0\7\x28" + bytes(9),
    ],
)
def test_what_is_malformed_is_told_so(wire: bytes) -> None:
    found, read = faulty(wire)
    assert (found.rcode, read.rcode()) == (Rcode.FORMERR, dns.rcode.FORMERR)
    assert read.opcode() == dns.opcode.UPDATE


def test_another_version_of_edns_is_told_so() -> None:
    asked = dns.message.make_query("example.org", "AXFR", use_edns=1)
    _, read = faulty(asked.to_wire())
    assert read.rcode() == dns.rcode.BADVERS


def test_an_opt_record_in_a_wrong_place_is_malformed_and_its_sender_speaks_edns() -> None:
    asked = dns.message.make_query("example.org", "AXFR", use_edns=True).to_wire()
    _, read = faulty(asked[:6] + b"\0\1" + asked[8:10] + b"\0\0" + asked[12:])
    assert (read.rcode(), read.edns) == (dns.rcode.FORMERR, 0)


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (sign(update(), replace(KEY, name="nobody.example."), now=NOW).wire, TsigError.BADKEY),
        (sign(update(), replace(KEY, secret=b"x"), now=NOW).wire, TsigError.BADSIG),
        (sign(update(), KEY, now=NOW - FUDGE_S - 1).wire, TsigError.BADTIME),
    ],
)
def test_a_signature_that_is_not_right_is_not_authorized_and_told_why(wire: bytes, error: TsigError) -> None:
    found, read = faulty(wire)
    assert (found.rcode, found.error) == (Rcode.NOTAUTH, error)
    assert read.rcode() == dns.rcode.NOTAUTH
    assert read.tsig is not None
    assert read.tsig[0].error == error
    assert read.question[0].name.to_text() == "Example.org."


def test_a_signature_that_is_malformed_makes_its_message_so() -> None:
    found, read = faulty(sign(update(), KEY, now=NOW).wire[:-1])
    assert (found.rcode, found.error, read.rcode()) == (Rcode.FORMERR, TsigError.FORMERR, dns.rcode.FORMERR)
    assert not read.had_tsig


def test_an_extended_code_of_a_response_is_read() -> None:
    asked = dns.message.make_query("example.org", "SOA", id=7, use_edns=True)
    answer = dns.message.make_response(asked)
    answer.set_rcode(dns.rcode.BADVERS)
    assert read_message(answer.to_wire()).rcode == Rcode.BADVERS
