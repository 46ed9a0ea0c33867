"""What upstreams send us, read by another's pen and by a hostile one."""

import time
from typing import Final

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from standfast.dns.codec import CD, QR, RD, decode_incoming, decode_query, encode_outbound, rrset_from_text
from standfast.dns.exchange import CaseChanged, Heard, NotOurs, Outbound, Unreadable
from standfast.dns.model import Question, Rcode, Reply, RRType

QUESTION: Final = Question("www.example.org.", RRType.A)
ADDRESS: Final = rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1"])
OUTBOUND: Final = Outbound(id=7, question=QUESTION, cased_qname="wWw.eXample.ORG.")


def answered(**changes: object) -> dns.message.Message:
    """Return a good response to `OUTBOUND`, as another implementation writes it."""
    message = dns.message.make_response(dns.message.from_wire(encode_outbound(OUTBOUND)), recursion_available=True)
    message.answer = [dns.rrset.from_text("wWw.eXample.ORG.", 60, "IN", "A", "192.0.2.1")]
    for key, value in changes.items():
        setattr(message, key, value)
    return message


def question_of(qname: str, *, rclass: str = "IN", rtype: str = "A") -> list[dns.rrset.RRset]:
    return dns.message.make_query(qname, rtype, rclass).question


def test_a_good_response_is_heard() -> None:
    assert decode_incoming(answered().to_wire(), OUTBOUND) == Heard(reply=Reply(rcode=Rcode.NOERROR, answer=(ADDRESS,)))


@pytest.mark.parametrize(
    "wire",
    [
        answered(id=8).to_wire(),
        answered(flags=0).to_wire(),
        answered(flags=QR | 4 << 11).to_wire(),
        answered(question=[]).to_wire(),
        answered(question=question_of("wWw.eXample.ORG", rtype="AAAA")).to_wire(),
        answered(question=question_of("wWw.eXample.ORG", rclass="CH")).to_wire(),
        answered(question=question_of("www.example.net")).to_wire(),
        answered().to_wire()[:11],
        answered().to_wire()[:25],
        b"",
    ],
    ids="id query opcode no-question type class name short cut-in-question empty".split(),
)
def test_an_answer_to_something_else_is_not_ours(wire: bytes) -> None:
    assert decode_incoming(wire, OUTBOUND) == NotOurs()


def test_an_answer_in_other_letters_is_told_apart() -> None:
    wire = answered(question=question_of("www.example.org")).to_wire()
    assert decode_incoming(wire, OUTBOUND) == CaseChanged()


def test_the_random_letters_of_the_question_do_not_get_into_the_records() -> None:
    message = answered(answer=[dns.rrset.from_text("wWw.eXample.ORG.", 60, "IN", "CNAME", "a.eXample.ORG.")])
    heard = decode_incoming(message.to_wire(), OUTBOUND)
    assert isinstance(heard, Heard)
    assert heard.reply.answer == (rrset_from_text("www.example.org.", RRType.CNAME, 60, ["a.example.org."]),)


@pytest.mark.parametrize("rcode", [Rcode.FORMERR, Rcode.NOTIMP])
def test_a_server_that_did_not_understand_us_may_leave_the_question_out(rcode: Rcode) -> None:
    header = bytes((0, 7, 0x80, rcode)) + bytes(8)
    assert decode_incoming(header, OUTBOUND) == Heard(reply=Reply(rcode=rcode, ra=False), edns=False)


def test_a_response_that_breaks_off_is_unreadable_unless_it_says_that_it_is_truncated() -> None:
    whole = answered().to_wire()
    assert isinstance(decode_incoming(whole[:-15], OUTBOUND), Unreadable)
    truncated = bytearray(whole[:-15])
    truncated[2] |= 0x02
    assert decode_incoming(bytes(truncated), OUTBOUND) == Heard(reply=Reply(rcode=0), truncated=True)


@pytest.mark.parametrize("octets", range(1, 16))
def test_what_is_said_of_a_response_that_breaks_off_is_in_words(octets: int) -> None:
    heard = decode_incoming(answered().to_wire()[:-octets], OUTBOUND)
    assert isinstance(heard, Unreadable)
    assert heard.detail in ("the octets end within a record", "the octets end within a name")


@pytest.mark.parametrize(
    ("rtype", "rdata"),
    [
        (RRType.A, b"\xc0\x00\x02"),
        (RRType.A, b""),
        (RRType.AAAA, bytes(15)),
        (RRType.CNAME, b""),
        (RRType.CNAME, b"\x01a\x00\x00"),
        (RRType.MX, b"\x00"),
        (RRType.SOA, b"\x00\x00" + bytes(19)),
        (RRType.TXT, b""),
        (RRType.TXT, b"\x05abc"),
        (RRType.SRV, bytes(6)),
    ],
)
def test_record_data_that_are_not_of_their_types_shape_make_a_response_unreadable(rtype: int, rdata: bytes) -> None:
    assert isinstance(decode_incoming(with_record(rtype, rdata), OUTBOUND), Unreadable)


def with_record(rtype: int, rdata: bytes, *, count: int = 1) -> bytes:
    head = bytes((0, 7, 0x80, 0, 0, 1)) + count.to_bytes(2, "big") + bytes(4)
    question = encode_outbound(OUTBOUND)[12:33]
    record = b"\xc0\x0c" + rtype.to_bytes(2, "big") + b"\x00\x01\x00\x00\x00\x3c" + len(rdata).to_bytes(2, "big")
    return head + question + (record + rdata) * count


def test_a_message_full_of_pointer_chains_is_read_in_linear_time() -> None:
    # Every record's data is a pointer to the pointer before it.
    question = encode_outbound(OUTBOUND)[12:33]
    records = bytearray()
    previous = 12
    count = 0
    while 33 + len(records) + 14 < 0x4000:
        records += b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02" + (0xC000 | previous).to_bytes(2, "big")
        previous = 33 + len(records) - 2
        count += 1
    header = bytes((0, 7, 0x80, 0, 0, 1)) + count.to_bytes(2, "big") + bytes(4)
    heard = decode_incoming(header + question + bytes(records), OUTBOUND)
    assert isinstance(heard, Heard)
    assert heard.reply.answer == (rrset_from_text("www.example.org.", RRType.CNAME, 60, ["www.example.org."]),)


@pytest.mark.parametrize("hostile", ["pointers", "labels", "many owners"])
def test_the_worst_message_costs_less_than_a_second(hostile: str) -> None:
    if hostile == "pointers":
        body = b"\xc0\x0c" * 20_000
    elif hostile == "labels":
        body = b"\x01a" * 20_000
    else:
        body = b"".join(
            b"\x04%04d\xc0\x0c" % i + b"\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x0c" for i in range(3000)
        )
    header = bytes((0, 7, 0x80, 0, 0, 1)) + b"\xff\xff" * 3
    wire = header + encode_outbound(OUTBOUND)[12:33] + body
    begun = time.process_time()
    decode_incoming(wire, OUTBOUND)
    decode_query(bytes((0, 7, 1, 0)) + wire[4:])
    assert time.process_time() - begun < 1.0


def test_flags_of_our_queries() -> None:
    outbound = Outbound(id=1, question=QUESTION, cased_qname="www.example.org.", do=True, cd=True)
    read = dns.message.from_wire(encode_outbound(outbound))
    assert read.flags == dns.flags.RD | dns.flags.AD | dns.flags.CD == RD | 0x20 | CD
    assert (read.edns, read.payload, read.ednsflags) == (0, 1232, dns.flags.DO)
