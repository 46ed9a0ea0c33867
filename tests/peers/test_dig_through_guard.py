"""The guard in front of real Knot and real Unbound, asked by real dig; and in front of upstreams that lie."""

import random
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from peers.servers import dig, guard, hostile, knot, unbound
from standfast.dns.servers import Server
from standfast.io.clients.limits import Limits
from standfast.io.settings.addresses import has_ipv6

pytestmark = pytest.mark.peers

ZONE = """\
www 60 A 192.0.2.1
www 60 A 192.0.2.2
www 60 TXT "well"
six 60 AAAA 2001:db8::1
one 60 CNAME two
two 60 CNAME three
three 60 CNAME www
loop 60 CNAME pool
pool 60 CNAME loop
nowhere 60 CNAME missing
*.wild 60 A 192.0.2.3
odd 60 TYPE65280 \\# 4 C00C0001
_sip._tcp 60 SRV 0 5 5060 www
mail 60 MX 10 www
svc 60 HTTPS 1 . alpn=h2
""" + "".join(f'large 60 TXT "{i:03d}{"x" * 200}"\n' for i in range(20))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Server]:
    zones = {"example.org.": ZONE, "forged.example.": "www 60 A 192.0.2.66\n"}
    with knot(tmp_path_factory.mktemp("knot"), free_port(), zones) as server:
        yield server


@pytest.fixture(scope="module")
def recursive(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], authority: Server
) -> Iterator[Server]:
    key = dig(authority, "example.org", "DNSKEY").answer[0].partition(" DNSKEY ")[2]
    anchors = {"example.org.": key, "forged.example.": key}  # the other zone's key: its answers look forged
    with unbound(tmp_path_factory.mktemp("unbound"), free_port(), authority, anchors) as server:
        yield server


@pytest.fixture(scope="module")
def over_unbound(recursive: Server) -> Iterator[Server]:
    with guard(recursive) as server:
        yield server


@pytest.fixture(scope="module")
def over_knot(authority: Server) -> Iterator[Server]:
    with guard(authority) as server:
        yield server


@pytest.fixture(params=["unbound", "knot"])
def both(request: pytest.FixtureRequest) -> tuple[Server, Server]:
    """A guard, and the upstream that it stands in front of."""
    guarded: Server = request.getfixturevalue(f"over_{request.param}")
    upstream: Server = request.getfixturevalue("recursive" if request.param == "unbound" else "authority")
    return guarded, upstream


QUESTIONS = [
    ("www.example.org", "A"),
    ("www.example.org", "TXT"),
    ("six.example.org", "AAAA"),
    ("one.example.org", "A"),
    ("one.example.org", "CNAME"),
    ("nowhere.example.org", "A"),
    ("any.wild.example.org", "A"),
    ("odd.example.org", "TYPE65280"),
    ("_sip._tcp.example.org", "SRV"),
    ("mail.example.org", "MX"),
    ("svc.example.org", "HTTPS"),
    ("large.example.org", "TXT"),
    ("example.org", "NS"),
    ("example.org", "SOA"),
    ("www.example.org", "AAAA"),
    ("missing.example.org", "A"),
    ("three.example.org", "MX"),
]


@pytest.mark.parametrize("how", [(), ("+tcp",), ("+noedns",), ("+dnssec",), ("+dnssec", "+tcp")], ids=" ".join)
@pytest.mark.parametrize(("qname", "qtype"), QUESTIONS)
def test_a_client_gets_what_the_upstream_says(
    both: tuple[Server, Server], qname: str, qtype: str, how: tuple[str, ...]
) -> None:
    guarded, upstream = both
    direct, through = dig(upstream, qname, qtype, *how), dig(guarded, qname, qtype, *how)
    assert through.status == direct.status
    assert sorted(through.answer) == sorted(direct.answer)
    # Of a positive answer's authority, a cache may leave out what nobody asked for.
    if not direct.answer or "+dnssec" not in how:
        soa = [record for record in direct.authority if " SOA " in record]
        assert [record for record in through.authority if " SOA " in record] == soa
    assert {"qr", "rd", "ra"} <= through.flags
    assert "aa" not in through.flags


def test_a_cname_chain_comes_whole(over_unbound: Server) -> None:
    assert [record.split()[2] for record in dig(over_unbound, "one.example.org", "A").answer] == [
        "CNAME",
        "CNAME",
        "CNAME",
        "A",
        "A",
    ]


@pytest.mark.parametrize(("qname", "status"), [("www.example.org", "NOERROR"), ("missing.example.org", "NXDOMAIN")])
def test_a_negative_answer_has_its_soa(both: tuple[Server, Server], qname: str, status: str) -> None:
    dug = dig(both[0], qname, "AAAA")
    assert (dug.status, dug.answer) == (status, ())
    assert [record.split()[2] for record in dug.authority] == ["SOA"]


def test_a_chain_that_is_a_loop_is_a_failure_and_the_guard_lives(both: tuple[Server, Server]) -> None:
    assert dig(both[0], "loop.example.org", "A").status in ("SERVFAIL", "NOERROR")
    assert dig(both[0], "www.example.org", "A").status == "NOERROR"


@pytest.mark.parametrize("size", ["512", "1232", "4096"])
def test_what_does_not_fit_is_truncated_whole_and_comes_over_tcp(over_unbound: Server, size: str) -> None:
    cut = dig(over_unbound, "large.example.org", "TXT", f"+bufsize={size}", "+ignore")
    assert "tc" in cut.flags
    assert cut.answer == ()
    whole = dig(over_unbound, "large.example.org", "TXT", f"+bufsize={size}")
    assert "tc" not in whole.flags
    assert len(whole.answer) == 20


def test_the_clients_letters_come_back(both: tuple[Server, Server]) -> None:
    assert dig(both[0], "wWw.eXAmple.oRG", "A").question.split()[0] == "wWw.eXAmple.oRG."


# DNSSEC


def test_signatures_come_to_who_asks_for_them(both: tuple[Server, Server]) -> None:
    types = [record.split()[2] for record in dig(both[0], "www.example.org", "A", "+dnssec").answer]
    assert sorted(types) == ["A", "A", "RRSIG"]
    types = [record.split()[2] for record in dig(both[0], "www.example.org", "A", "+nodnssec").answer]
    assert types == ["A", "A"]


def test_a_denial_is_proven_to_who_asks_for_it(over_unbound: Server) -> None:
    dug = dig(over_unbound, "missing.example.org", "A", "+dnssec")
    assert {record.split()[2] for record in dug.authority} == {"SOA", "NSEC", "RRSIG"}
    assert "ad" in dug.flags


@pytest.mark.parametrize(
    ("how", "ad"), [(("+adflag",), True), (("+noadflag", "+dnssec"), True), (("+noadflag",), False)], ids=str
)
def test_ad_says_that_the_upstream_validated_to_who_asks(over_unbound: Server, how: tuple[str, ...], ad: bool) -> None:
    assert ("ad" in dig(over_unbound, "www.example.org", "A", *how).flags) is ad


def test_without_validation_there_is_no_ad(over_knot: Server) -> None:
    assert "ad" not in dig(over_knot, "www.example.org", "A", "+adflag", "+dnssec").flags


def test_forged_data_is_a_failure_with_its_reason_and_cd_lets_it_pass(over_unbound: Server) -> None:
    refused = dig(over_unbound, "www.forged.example", "A")
    assert (refused.status, refused.answer) == ("SERVFAIL", ())
    assert any("DNSSEC Bogus" in error or "DNSKEY Missing" in error for error in refused.errors)
    passed = dig(over_unbound, "www.forged.example", "A", "+cdflag")
    assert (passed.status, passed.answer) == ("NOERROR", ("www.forged.example. IN A 192.0.2.66",))
    assert "cd" in passed.flags
    assert dig(over_unbound, "www.forged.example", "A").status == "SERVFAIL"


# Queries of another kind


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("version.bind", "TXT", "CH"), "REFUSED"),
        (("example.org", "A", "+opcode=notify"), "NOTIMP"),
        (("example.org", "A", "+edns=1", "+noednsnegotiation"), "BADVERS"),
        (("+header-only",), "FORMERR"),
        (("www.example.org", "A", "+norecurse"), "REFUSED"),
        (("www.example.org", "A", "+nsid", "+subnet=192.0.2.0/24", "+cookie", "+ednsopt=65001:00ff"), "NOERROR"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_queries_of_another_kind_get_their_answer(over_knot: Server, words: tuple[str, ...], status: str) -> None:
    assert dig(over_knot, *words).status == status


def test_a_zone_transfer_is_refused(over_knot: Server) -> None:
    assert "Transfer failed" in dig(over_knot, "example.org", "AXFR").text


def test_any_is_answered_by_tcp_alone(over_knot: Server) -> None:
    by_udp = dig(over_knot, "+notcp", "+ignore", "www.example.org", "ANY")
    assert (by_udp.status, "tc" in by_udp.flags, by_udp.answer) == ("NOERROR", True, ())
    by_itself = dig(over_knot, "+notcp", "www.example.org", "ANY")
    assert "www.example.org. IN A 192.0.2.1" in by_itself.answer


def test_only_clients_of_the_networks_that_may_ask_are_served(authority: Server) -> None:
    limits = Limits(allow=(ip_network("127.0.0.7/32"),))
    with guard(authority, host="0.0.0.0", limits=limits) as everywhere:
        server = Server("127.0.0.1", everywhere.port)
        for transport in ("+notcp", "+tcp"):
            served = dig(server, "-b", "127.0.0.7", transport, "www.example.org", "A")
            assert (served.status, len(served.answer)) == ("NOERROR", 2)
        refused = dig(server, "-b", "127.0.0.8", "+notcp", "www.example.org", "A")
        assert (refused.status, refused.answer) == ("REFUSED", ())
        assert any("Prohibited" in error for error in refused.errors)
        closed = dig(server, "-b", "127.0.0.8", "+tcp", "+tries=1", "www.example.org", "A")
        assert (closed.status, closed.answer) == ("no answer", ())


def test_many_queries_go_over_one_connection(over_knot: Server) -> None:
    dug = dig(
        over_knot, "+tcp", "+keepopen", "www.example.org", "A", "six.example.org", "AAAA", "mail.example.org", "MX"
    )
    assert re.findall(r"status: (\w+)", dug.text) == ["NOERROR"] * 3


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("how", ["+notcp", "+tcp"])
def test_ipv6_clients_are_served(authority: Server, how: str) -> None:
    with guard(authority, host="::1") as server:
        assert len(dig(server, "www.example.org", "A", how).answer) == 2


def test_malformed_packets_get_an_error_or_silence_and_the_guard_lives(over_knot: Server) -> None:
    rng = random.Random(8)  # any seed will do; this one so that a failure comes again
    good = dns.message.make_query("www.example.org", "A", use_edns=0, want_dnssec=True).to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((over_knot.host, over_knot.port))
        for _ in range(500):
            wire = bytearray(good)
            for _ in range(rng.randint(1, 6)):
                wire[rng.randrange(len(wire))] = rng.getrandbits(8)
            client.send(wire[: rng.randint(0, len(wire))] if rng.random() < 0.3 else wire)
    assert len(dig(over_knot, "www.example.org", "A").answer) == 2


# Upstreams that lie


def answered(wire: bytes, address: str = "192.0.2.1") -> dns.message.Message:
    """Return an honest answer to a query of the guard."""
    query = dns.message.from_wire(wire)
    reply = dns.message.make_response(query, recursion_available=True)
    reply.answer = [dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address)]
    return reply


FORGED = "192.0.2.66"


def other_id(wire: bytes) -> bytes:
    forged = answered(wire, FORGED)
    forged.id ^= 1
    return forged.to_wire()


def other_name(wire: bytes) -> bytes:
    forged = answered(wire, FORGED)
    forged.question = dns.message.make_query("www.example.net", "A").question
    return forged.to_wire()


def other_type(wire: bytes) -> bytes:
    forged = answered(wire, FORGED)
    forged.question = dns.message.make_query(forged.question[0].name, "AAAA").question
    return forged.to_wire()


def as_query(wire: bytes) -> bytes:
    forged = answered(wire, FORGED)
    forged.flags &= ~dns.flags.QR
    return forged.to_wire()


LIES = [other_id, other_name, other_type, as_query]


@pytest.mark.parametrize("lie", LIES)
def test_a_forged_answer_before_the_right_one_is_passed_over(lie: Callable[[bytes], bytes]) -> None:
    def answers(wire: bytes, over_tcp: bool) -> Sequence[bytes]:
        return [lie(wire), lie(wire), answered(wire).to_wire()]

    with hostile(answers) as upstream, guard(upstream) as server:
        assert dig(server, "www.example.org", "A").answer == ("www.example.org. IN A 192.0.2.1",)


def test_an_answer_from_another_port_is_passed_over() -> None:
    def answers(wire: bytes, over_tcp: bool) -> Sequence[bytes]:
        return [answered(wire, FORGED).to_wire(), answered(wire).to_wire()]

    with hostile(answers, other_port=True) as upstream, guard(upstream) as server:
        assert dig(server, "www.example.org", "A").answer == ("www.example.org. IN A 192.0.2.1",)


def test_only_forged_answers_are_a_failure() -> None:
    with hostile(lambda wire, _: [lie(wire) for lie in LIES]) as upstream, guard(upstream) as server:
        dug = dig(server, "www.example.org", "A", "+time=10")
        assert (dug.status, dug.answer) == ("SERVFAIL", ())


def test_an_upstream_that_does_not_keep_letters_is_heard_all_the_same() -> None:
    def answers(wire: bytes, over_tcp: bool) -> Sequence[bytes]:
        return [answered(wire[:12] + wire[12:].lower()).to_wire()]

    with hostile(answers) as upstream, guard(upstream) as server:
        assert dig(server, "wWw.example.org", "A").answer == ("wWw.example.org. IN A 192.0.2.1",)


def test_a_forgery_in_other_letters_does_not_pass_for_an_upstream_that_keeps_them() -> None:
    def answers(wire: bytes, over_tcp: bool) -> Sequence[bytes]:
        forged = answered(wire[:12] + wire[12:].swapcase(), FORGED)
        return [answered(wire).to_wire()] if over_tcp else [forged.to_wire(), answered(wire).to_wire()]

    with hostile(answers) as upstream, guard(upstream) as server:
        assert dig(server, "www.example.org", "A").answer == ("www.example.org. IN A 192.0.2.1",)


def test_a_truncated_answer_is_asked_for_again_over_tcp() -> None:
    def answers(wire: bytes, over_tcp: bool) -> Sequence[bytes]:
        reply = answered(wire)
        if not over_tcp:
            reply.flags |= dns.flags.TC
            reply.answer = []
        return [reply.to_wire()]

    with hostile(answers) as upstream, guard(upstream) as server:
        assert dig(server, "www.example.org", "A").answer == ("www.example.org. IN A 192.0.2.1",)


@pytest.mark.parametrize("bare", [True, False])
def test_an_upstream_without_edns_is_heard(bare: bool) -> None:
    def answers(wire: bytes, over_tcp: bool) -> Sequence[bytes]:
        query = dns.message.from_wire(wire)
        if query.edns < 0:
            return [answered(wire).to_wire()]
        if bare:
            return [wire[:2] + b"\x80\x01" + bytes(8)]
        refusal = dns.message.make_response(query)
        refusal.use_edns(False)
        refusal.set_rcode(dns.rcode.FORMERR)
        return [refusal.to_wire()]

    with hostile(answers) as upstream, guard(upstream) as server:
        assert dig(server, "www.example.org", "A").answer == ("www.example.org. IN A 192.0.2.1",)


@pytest.mark.parametrize("cut", [1, 5, 14])
def test_an_answer_that_cannot_be_read_is_a_failure_and_the_other_upstream_is_heard(cut: int) -> None:
    def broken(wire: bytes, over_tcp: bool) -> Sequence[bytes]:
        reply = answered(wire)
        reply.use_edns(False)
        return [reply.to_wire()[:-cut]]

    with hostile(broken) as liar, guard(liar) as server:
        dug = dig(server, "www.example.org", "A", "+time=10")
        assert (dug.status, dug.answer) == ("SERVFAIL", ())
    with (
        hostile(broken) as liar,
        hostile(lambda wire, _: [answered(wire).to_wire()]) as honest,
        guard(liar, honest) as server,
    ):
        assert dig(server, "www.example.org", "A").answer == ("www.example.org. IN A 192.0.2.1",)
