"""RFC 8906: the tests of a server's compliance of its section 8, by the wire.

They are written for authoritative servers. A forwarder answers with RA and never AA, and does ask upstream: so queries
have RD set, but in section 8.1.3.4, which is about just that.
"""

import socket
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from rfc.conftest import Wire

ZONE = "example.org"
Z = 0x0040  # the header's reserved bit (RFC 1035 section 4.1.1)
UNKNOWN_OPTION = dns.edns.GenericOption(dns.edns.OptionType.make(100), b"")
UNKNOWN_FLAG = 0x0040  # of the OPT record's flags, where only DO has a meaning


def query(rtype: str = "SOA", **edns: Any) -> dns.message.Message:
    return dns.message.make_query(ZONE, rtype, **edns)


def assert_good(response: dns.message.Message, *, edns: bool = False) -> None:
    """See that it is the answer, by a recursive server, with EDNS 0 where `edns`."""
    assert response.rcode() == dns.rcode.NOERROR
    assert [rrset.rdtype for rrset in response.answer] == [dns.rdatatype.SOA]
    assert response.flags & (dns.flags.AA | dns.flags.RA | dns.flags.TC | Z) == dns.flags.RA
    assert response.edns == (0 if edns else -1)


# Section 8.1: basic DNS.


def test_8_1_1_a_plain_query_gets_its_answer(wire: Wire) -> None:
    assert_good(wire.udp(query()))


def test_8_1_2_a_query_of_an_unknown_type_gets_its_answer(wire: Wire) -> None:
    response = wire.udp(query("TYPE1000"))
    assert response.rcode() == dns.rcode.NOERROR
    assert [rrset.rdtype for rrset in response.answer] == [1000]


def test_8_1_2_an_unknown_type_that_there_is_not_gets_no_data(wire: Wire) -> None:
    response = wire.udp(query("TYPE1001"))
    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])
    assert [rrset.rdtype for rrset in response.authority] == [dns.rdatatype.SOA]


def test_8_1_3_1_cd_is_taken(wire: Wire) -> None:
    asked = query()
    asked.flags |= dns.flags.CD
    response = wire.udp(asked)
    assert_good(response)
    assert response.flags & dns.flags.CD  # by a server that knows DNSSEC, copied: RFC 4035 section 3.2.2


def test_8_1_3_2_ad_is_taken(wire: Wire) -> None:
    asked = query()
    asked.flags |= dns.flags.AD
    assert_good(wire.udp(asked))


def test_8_1_3_3_the_reserved_bit_is_ignored_and_not_echoed(wire: Wire) -> None:
    asked = query()
    asked.flags |= Z
    assert_good(wire.udp(asked))


def test_8_1_3_4_a_query_without_rd_is_refused_by_who_has_nothing_of_its_own(wire: Wire) -> None:
    asked = query()
    asked.flags &= ~dns.flags.RD
    response = wire.udp(asked)
    assert response.rcode() == dns.rcode.REFUSED
    assert not response.flags & dns.flags.RD


def test_8_1_4_an_unknown_opcode_gets_notimp(wire: Wire) -> None:
    header = b"\x12\x34" + bytes((15 << 3, 0)) + bytes(8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.connect(("127.0.0.1", wire.port))
        client.send(header)
        response = client.recv(512)
    assert response[:2] == header[:2]
    assert (response[2] >> 3 & 15, response[3] & 15) == (15, dns.rcode.NOTIMP)
    assert response[2] & 0x80
    assert not response[2] & 0x04


def test_8_1_5_tcp_is_answered(wire: Wire) -> None:
    assert_good(wire.tcp(query()))


# Section 8.2: extended DNS.


def test_8_2_1_edns_is_answered_with_edns(wire: Wire) -> None:
    assert_good(wire.udp(query(use_edns=0)), edns=True)


@pytest.mark.parametrize("changes", [{}, {"ednsflags": UNKNOWN_FLAG}, {"options": [UNKNOWN_OPTION]}])
def test_8_2_2_and_5_and_6_a_newer_version_gets_badvers_with_ours(wire: Wire, changes: dict[str, Any]) -> None:
    response = wire.udp(query(use_edns=1, **changes))
    assert response.rcode() == dns.rcode.BADVERS
    assert (response.edns, response.ednsflags & UNKNOWN_FLAG, response.options) == (0, 0, ())
    assert not response.answer + response.authority


def test_8_2_3_an_unknown_option_is_ignored_and_not_echoed(wire: Wire) -> None:
    response = wire.udp(query(use_edns=0, options=[UNKNOWN_OPTION]))
    assert_good(response, edns=True)
    assert not response.options


def test_8_2_4_an_unknown_flag_is_ignored_and_not_echoed(wire: Wire) -> None:
    response = wire.udp(query(use_edns=0, ednsflags=UNKNOWN_FLAG))
    assert_good(response, edns=True)
    assert not response.ednsflags & UNKNOWN_FLAG


def test_8_2_7_a_truncated_response_has_edns_and_is_no_larger_than_said(wire: Wire) -> None:
    response = wire.udp(query("TXT", use_edns=0, payload=512))
    assert response.flags & dns.flags.TC
    assert response.edns == 0
    assert len(response.to_wire()) <= 512
    assert len(wire.tcp(query("TXT", use_edns=0, payload=512)).answer[0]) == 8


def test_8_2_8_do_is_copied(wire: Wire) -> None:
    response = wire.udp(query(use_edns=0, want_dnssec=True))
    assert_good(response, edns=True)
    assert response.ednsflags & dns.flags.DO


def test_8_2_9_a_newer_version_with_do_gets_badvers_with_do(wire: Wire) -> None:
    response = wire.udp(query(use_edns=1, want_dnssec=True))
    assert (response.rcode(), response.edns) == (dns.rcode.BADVERS, 0)
    assert response.ednsflags & dns.flags.DO


def test_8_2_10_several_known_options_are_taken(wire: Wire) -> None:
    options = [
        dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(8)),
        dns.edns.GenericOption(dns.edns.OptionType.NSID, b""),
        dns.edns.GenericOption(dns.edns.OptionType.make(9), b""),  # EXPIRE, RFC 7314
        dns.edns.ECSOption("0.0.0.0", 0),
    ]
    assert_good(wire.udp(query(use_edns=0, options=options)), edns=True)
