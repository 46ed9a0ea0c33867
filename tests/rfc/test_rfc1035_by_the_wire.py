"""RFC 1034 and 1035, with RFC 9619 and RFC 8482, as a client sees them: a guard asked on loopback."""

import socket

import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest

from rfc.conftest import Wire


def raw(wire: Wire, *queries: bytes) -> bytes:
    """Send datagrams and return the first that comes back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.connect(("127.0.0.1", wire.port))
        for query in queries:
            client.send(query)
        return client.recv(65_535)


# RFC 1034


@pytest.mark.parametrize("qname", ["CaSe.Example.ORG", "case.example.org"])
def test_rfc1034_3_1_letters_come_back_as_they_were_sent(wire: Wire, qname: str) -> None:
    query = dns.message.make_query(qname, "A")
    (question,) = wire.udp(query).question
    assert question.name.to_text() == qname + "."


def test_rfc1034_3_1_case_makes_no_other_name(wire: Wire) -> None:
    for qname in ("same.example.org", "SAME.example.org", "sAmE.eXaMpLe.oRg"):
        assert wire.udp(dns.message.make_query(qname, "A")).answer
    assert len([q for q in wire.asked("same.example.org") if q.question[0].rdtype == 1]) == 1


def test_rfc1034_3_1_a_name_may_have_any_octets(wire: Wire) -> None:
    name = dns.name.Name((b"\0 .\\\xff", b"example", b"org", b""))
    response = wire.udp(dns.message.make_query(name, "A"))
    assert response.rcode() == dns.rcode.NOERROR
    assert response.answer[0].name == name


def test_rfc1034_3_1_the_longest_name_is_served(wire: Wire) -> None:
    longest = dns.name.Name((b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 49, b"example", b"org", b""))
    assert len(longest.to_wire() or b"") == 255
    response = wire.udp(dns.message.make_query(longest, "A"))
    assert response.answer[0].name == longest


# RFC 1035


def test_rfc1035_4_1_1_another_query_s_response_is_not_answered(wire: Wire) -> None:
    response = dns.message.make_response(dns.message.make_query("loop.example.org", "A", id=1))
    good = dns.message.make_query("loop.example.org", "A", id=2)
    assert raw(wire, response.to_wire(), good.to_wire())[:2] == b"\x00\x02"


def test_rfc1035_4_2_1_without_edns_no_datagram_has_more_than_512_octets(wire: Wire) -> None:
    octets = raw(wire, dns.message.make_query("small.example.org", "TXT").to_wire())
    assert len(octets) <= 512
    assert dns.message.from_wire(octets).flags & dns.flags.TC


def test_rfc1035_4_2_2_a_message_by_tcp_has_its_length_before_it(wire: Wire) -> None:
    query = dns.message.make_query("length.example.org", "TXT").to_wire()
    with socket.create_connection(("127.0.0.1", wire.port), timeout=20) as client:
        client.sendall(len(query).to_bytes(2, "big") + query)
        with client.makefile("rb") as read:
            octets = read.read(int.from_bytes(read.read(2), "big"))
    assert len(dns.message.from_wire(octets).answer[0]) == 8


# RFC 9619


@pytest.mark.parametrize("count", [0, 2])
def test_rfc9619_4_another_number_of_questions_than_one_gets_formerr_without_any(wire: Wire, count: int) -> None:
    question = dns.message.make_query("count.example.org", "A", id=7).to_wire()[12:]
    octets = raw(wire, b"\0\7\1\0" + count.to_bytes(2, "big") + bytes(6) + question * count)
    response = dns.message.from_wire(octets)
    assert (response.id, response.rcode(), response.question) == (7, dns.rcode.FORMERR, [])
    assert not wire.asked("count.example.org")


# RFC 8482


def test_rfc8482_4_4_any_is_for_tcp_and_no_larger_than_it_was_asked_by_udp(wire: Wire) -> None:
    query = dns.message.make_query("any.example.org", "ANY", use_edns=0)
    octets = raw(wire, query.to_wire())
    assert dns.message.from_wire(octets).flags & dns.flags.TC
    assert len(octets) <= len(query.to_wire())
    assert not wire.asked("any.example.org")
    assert wire.tcp(query).rcode() == dns.rcode.NOERROR
    assert wire.asked("any.example.org")
