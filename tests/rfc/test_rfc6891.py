"""RFC 6891: EDNS(0)."""

import dns.flags
import dns.message
import dns.rcode
import pytest

from standfast.dns.codec import Rejected, decode_incoming, decode_query, encode_rejected, encode_response
from standfast.dns.exchange import Heard, Outbound, Unreadable
from standfast.dns.model import Query, Question, Rcode, Reply, RRType

PLAIN = dns.message.make_query("example.org", "A", id=7).to_wire()
OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
OUTBOUND = Outbound(id=7, question=Question("example.org.", RRType.A), cased_qname="example.org.")


def with_additional(*records: bytes, wire: bytes = PLAIN) -> bytes:
    return wire[:10] + len(records).to_bytes(2, "big") + wire[12:] + b"".join(records)


def query(wire: bytes) -> Query:
    found = decode_query(wire)
    assert isinstance(found, Query)
    return found


def rejection(wire: bytes) -> dns.message.Message:
    found = decode_query(wire)
    assert isinstance(found, Rejected)
    return dns.message.from_wire(encode_rejected(found))


# Section 6.1.1: at most one OPT record, the root's, in the additional section.


@pytest.mark.parametrize(
    "wire",
    [
        with_additional(OPT, OPT),
        with_additional(b"\x01a" + OPT),
        with_additional(b"\xc0\x0c" + OPT[1:]),
        PLAIN[:6] + b"\x00\x01" + PLAIN[8:] + OPT,
    ],
    ids="two not-the-roots pointed in-the-answer".split(),
)
def test_6_1_1_a_misplaced_opt_gets_formerr_with_an_opt(wire: bytes) -> None:
    answer = rejection(wire)
    assert (answer.rcode(), answer.edns) == (dns.rcode.FORMERR, 0)


def test_6_1_1_without_opt_in_the_query_there_is_none_in_the_response() -> None:
    assert dns.message.from_wire(encode_response(query(PLAIN), Reply(rcode=0))).edns == -1
    assert dns.message.from_wire(encode_response(query(with_additional(OPT)), Reply(rcode=0))).edns == 0


def test_6_1_1_an_opt_in_an_upstreams_answer_section_makes_it_unreadable() -> None:
    wire = PLAIN[:2] + b"\x81\x80" + PLAIN[4:6] + b"\x00\x01" + PLAIN[8:] + OPT
    assert isinstance(decode_incoming(wire, OUTBOUND), Unreadable)


# Section 6.1.2: options.


@pytest.mark.parametrize("options", [b"\x00", b"\x00\x0a\x00\x08abcd", b"\x00\x0a\x00", b"\x00\x0f\x00\x01x"])
def test_6_1_2_options_that_are_cut_get_formerr_with_an_opt(options: bytes) -> None:
    answer = rejection(with_additional(OPT[:9] + len(options).to_bytes(2, "big") + options))
    assert (answer.rcode(), answer.edns) == (dns.rcode.FORMERR, 0)


def test_6_1_2_options_that_are_not_known_are_ignored() -> None:
    options = b"\xfd\xe9\x00\x03abc" + b"\x00\x0a\x00\x08" + bytes(8)
    assert query(with_additional(OPT[:9] + len(options).to_bytes(2, "big") + options)).edns


# Section 6.1.3: version and extended response code.


def test_6_1_3_a_newer_version_gets_badvers_with_our_version() -> None:
    answer = rejection(dns.message.make_query("example.org", "A", use_edns=1).to_wire())
    assert (answer.rcode(), answer.edns) == (dns.rcode.BADVERS, 0)
    assert answer.question[0].name.to_text() == "example.org."


def test_6_1_3_an_upstreams_extended_code_is_put_together() -> None:
    opt = OPT[:5] + b"\x01" + OPT[6:]
    wire = with_additional(opt, wire=PLAIN[:2] + b"\x81\x87" + PLAIN[4:])
    heard = decode_incoming(wire, OUTBOUND)
    assert isinstance(heard, Heard)
    assert heard.reply.rcode == 0x17


def test_6_1_3_our_extended_code_goes_out_in_both_parts() -> None:
    wire = encode_response(query(with_additional(OPT)), Reply(rcode=Rcode.BADVERS))
    assert dns.message.from_wire(wire).rcode() == dns.rcode.BADVERS


# Section 6.1.4: DO.


@pytest.mark.parametrize("do", [True, False])
def test_6_1_4_do_is_copied_into_the_response(do: bool) -> None:
    asked = query(dns.message.make_query("example.org", "A", use_edns=0, want_dnssec=do).to_wire())
    assert asked.do is do
    response = dns.message.from_wire(encode_response(asked, Reply(rcode=0)))
    assert bool(response.ednsflags & dns.flags.DO) is do


# Section 6.2.3 and 6.2.5: payload sizes.


@pytest.mark.parametrize(("said", "taken"), [(0, 512), (511, 512), (512, 512), (1400, 1400), (65_535, 65_535)])
def test_6_2_5_a_payload_below_512_counts_as_512(said: int, taken: int) -> None:
    assert query(with_additional(OPT[:3] + said.to_bytes(2, "big") + OPT[5:])).payload_max == taken


# Section 7: a server that does not speak EDNS.


def test_7_a_bare_formerr_from_an_old_server_is_heard_as_one_without_edns() -> None:
    header_only = PLAIN[:2] + b"\x81\x81" + bytes(8)
    assert decode_incoming(header_only, OUTBOUND) == Heard(reply=Reply(rcode=Rcode.FORMERR), edns=False)
