"""The drill's stub resolver asks as glibc's does, and says of every answer what glibc's says."""

import socket
import struct
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.drills.live.loopback import free_endpoint
from standfast.drills.live.stub import StubResolver, build_query, read_reply
from unit.drills.live.scripted_dns import Script, ScriptedDns, addresses, in_order, lame, silence

HOST = "dynamodb.us-east-1.amazonaws.com"
TIMEOUT_S = 0.15


@pytest.fixture
def server() -> Iterator[ScriptedDns]:
    with ScriptedDns(addresses("127.1.0.1", "127.1.0.2")) as server:
        yield server


@pytest.fixture
def stub(server: ScriptedDns) -> StubResolver:
    return StubResolver(server=server.endpoint, timeout_s=TIMEOUT_S, attempts=2)


# What it asks.


def test_it_asks_a_and_aaaa_at_once_from_one_socket_recursively_and_without_edns(
    server: ScriptedDns, stub: StubResolver
) -> None:
    assert stub.addresses(HOST) == ("127.1.0.1", "127.1.0.2")
    queries = [query for query, _ in server.seen]
    assert sorted(query.question[0].to_text() for query in queries) == [f"{HOST}. IN A", f"{HOST}. IN AAAA"]
    assert len({port for _, port in server.seen}) == 1
    assert len({query.id for query in queries}) == 2
    assert all((query.flags, query.edns) == (dns.flags.RD, -1) for query in queries)


def test_it_keeps_nothing_so_that_every_call_asks_again(server: ScriptedDns, stub: StubResolver) -> None:
    stub.addresses(HOST)
    server.script = addresses("127.1.0.3")
    assert stub.addresses(HOST) == ("127.1.0.3",)


def test_addresses_are_not_asked_about(server: ScriptedDns, stub: StubResolver) -> None:
    assert stub.getaddrinfo("127.1.0.1", 443, type=socket.SOCK_STREAM) == [
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.1.0.1", 443))
    ]
    assert server.seen == []


def test_one_family_is_one_question(server: ScriptedDns, stub: StubResolver) -> None:
    found = stub.getaddrinfo(HOST, 443, socket.AF_INET, socket.SOCK_STREAM)
    assert [entry[4] for entry in found] == [("127.1.0.1", 443), ("127.1.0.2", 443)]
    assert [query.question[0].rdtype for query, _ in server.seen] == [dns.rdatatype.A]


# What it makes of the answers.


@pytest.mark.parametrize(
    ("script", "code", "queries"),
    [
        pytest.param(addresses(), socket.EAI_NODATA, 2, id="an empty answer"),
        pytest.param(lame, socket.EAI_AGAIN, 4, id="an empty answer of a server that knows nothing"),
        pytest.param(addresses(rcode=dns.rcode.NXDOMAIN), socket.EAI_NONAME, 2, id="NXDOMAIN"),
        pytest.param(addresses(rcode=dns.rcode.SERVFAIL), socket.EAI_AGAIN, 4, id="SERVFAIL"),
        pytest.param(addresses(rcode=dns.rcode.REFUSED), socket.EAI_AGAIN, 4, id="REFUSED"),
        pytest.param(silence, socket.EAI_AGAIN, 4, id="silence"),
    ],
)
def test_no_address_is_told_as_glibc_tells_it(
    server: ScriptedDns, stub: StubResolver, script: Script, code: int, queries: int
) -> None:
    server.script = script
    with pytest.raises(socket.gaierror) as caught:
        stub.addresses(HOST)
    assert caught.value.errno == code
    assert len(server.seen) == queries


def test_silence_costs_every_attempt_its_whole_time(server: ScriptedDns, stub: StubResolver) -> None:
    server.script = silence
    began_s = time.monotonic()
    with pytest.raises(socket.gaierror):
        stub.addresses(HOST)
    assert time.monotonic() - began_s >= 2 * TIMEOUT_S


def test_a_server_that_is_not_there_costs_no_time() -> None:
    stub = StubResolver(server=free_endpoint(), timeout_s=60)
    with pytest.raises(socket.gaierror) as caught:
        stub.addresses(HOST)
    assert caught.value.errno == socket.EAI_AGAIN


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, None], ids=["SERVFAIL", "silence"])
def test_an_address_is_enough_when_the_other_family_fails(
    server: ScriptedDns, stub: StubResolver, rcode: dns.rcode.Rcode | None
) -> None:
    def script(query: dns.message.Message, transport: str) -> dns.message.Message | bytes | None:
        if query.question[0].rdtype == dns.rdatatype.A:
            return addresses("127.1.0.1")(query, transport)
        return None if rcode is None else addresses(rcode=rcode)(query, transport)

    server.script = script
    assert stub.addresses(HOST) == ("127.1.0.1",)


def test_a_truncated_answer_is_asked_for_over_tcp(server: ScriptedDns, stub: StubResolver) -> None:
    def script(query: dns.message.Message, transport: str) -> dns.message.Message | bytes | None:
        if transport == "tcp":
            return addresses("127.1.0.1", "127.1.0.2", "127.1.0.3")(query, transport)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.TC
        return reply

    server.script = script
    assert stub.addresses(HOST) == ("127.1.0.1", "127.1.0.2", "127.1.0.3")


def test_only_the_end_of_the_alias_chain_counts(server: ScriptedDns, stub: StubResolver) -> None:
    def script(query: dns.message.Message, _: str) -> dns.message.Message:
        reply = dns.message.make_response(query)
        if query.question[0].rdtype == dns.rdatatype.A:
            reply.answer += [
                dns.rrset.from_text("b.example.", 30, "IN", "A", "127.1.0.9"),
                dns.rrset.from_text("Alias.example.", 30, "IN", "CNAME", "b.Example."),
                dns.rrset.from_text(query.question[0].name, 30, "IN", "CNAME", "alias.example."),
                dns.rrset.from_text("other.example.", 30, "IN", "A", "127.6.6.6"),
            ]
        return reply

    server.script = script
    assert stub.addresses(HOST) == ("127.1.0.9",)


def test_an_alias_loop_ends(server: ScriptedDns, stub: StubResolver) -> None:
    def script(query: dns.message.Message, _: str) -> dns.message.Message:
        reply = dns.message.make_response(query, recursion_available=True)
        reply.answer += [
            dns.rrset.from_text(query.question[0].name, 30, "IN", "CNAME", "a.example."),
            dns.rrset.from_text("a.example.", 30, "IN", "CNAME", query.question[0].name.to_text()),
        ]
        return reply

    server.script = script
    with pytest.raises(socket.gaierror) as caught:
        stub.addresses(HOST)
    assert caught.value.errno == socket.EAI_NODATA


def test_answers_to_other_questions_are_not_taken(server: ScriptedDns, stub: StubResolver) -> None:
    def script(query: dns.message.Message, transport: str) -> dns.message.Message | bytes | None:
        other = dns.message.make_query("other.example.", query.question[0].rdtype, id=query.id)
        return addresses("127.6.6.6")(other, transport)

    server.script = script
    with pytest.raises(socket.gaierror) as caught:
        stub.addresses(HOST)
    assert caught.value.errno == socket.EAI_AGAIN


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", ".".join(["x" * 60] * 5), "."])
def test_what_is_no_host_name_is_not_asked(server: ScriptedDns, stub: StubResolver, host: str) -> None:
    with pytest.raises(socket.gaierror) as caught:
        stub.addresses(host)
    assert caught.value.errno == socket.EAI_NONAME
    assert server.seen == []


# Its reading of messages, against dnspython's writing of them.

QNAME = b"\x03www\x07example\x00"
QUERY = build_query(4711, QNAME, 1)


def test_its_query_is_what_dnspython_writes() -> None:
    query = dns.message.make_query("www.example.", "A", id=4711)
    assert query.to_wire() == QUERY


@given(st.lists(st.ip_addresses(v=4), unique=True, max_size=40), st.booleans())
def test_it_reads_the_addresses_that_dnspython_writes(found: list[object], upper: bool) -> None:
    query = dns.message.from_wire(QUERY)
    if upper:  # a server may answer in letters of its own (RFC 4343)
        query.question[0].name = dns.name.from_text("WWW.EXAMPLE.")
    reply = dns.message.make_response(query, recursion_available=True)
    reply.answer += in_order("www.example.", found)
    assert read_reply(reply.to_wire(), QUERY) == (tuple(map(str, found)) or "data")


@given(st.binary(max_size=200))
def test_nothing_that_arrives_makes_it_fail(rest: bytes) -> None:
    read_reply(rest, QUERY)
    header = struct.pack(">6H", 4711, 0x8180, 1, 3, 0, 0)
    read_reply(header + QUERY[12:] + rest, QUERY)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"\xc0\x1d" * 2, id="a name that points at itself"),
        pytest.param(b"\xc0\xff\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x7f\x01\x00\x01", id="a name that points on"),
        pytest.param(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x05\x7f\x01\x00\x01", id="data past the end"),
        pytest.param(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x03\x7f\x01\x00", id="an address of 3 bytes"),
        pytest.param(b"\x80\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x7f\x01\x00\x01", id="an unknown label"),
    ],
)
def test_a_malformed_answer_is_none(answer: bytes) -> None:
    header = struct.pack(">6H", 4711, 0x8180, 1, 1, 0, 0)
    assert read_reply(header + QUERY[12:] + answer, QUERY) is None
