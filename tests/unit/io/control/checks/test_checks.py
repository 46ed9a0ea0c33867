"""What a look says, against real servers on loopback that answer well, wrongly, by halves, slowly or not at all."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bound_sockets import bound_pair
from standfast.control.health import Ill, Look, NotLooked, Well
from standfast.control.intent import CheckKind, HealthCheck
from standfast.dns.codec import decode_query, encode_response, encode_truncated
from standfast.dns.model import Query, Rcode, Reply, RRset, RRType
from standfast.drills.live.authority import Certificate, ThrowawayAuthority, issue_self_signed
from standfast.io.control.checks.check import Checker
from standfast.io.control.checks.http import BODY_MAX
from standfast.io.http1 import HEAD_MAX
from standfast.io.roots import Roots

HOST = "www.example.org."
TIMEOUT_S = 20.0  # for what is there: a busy machine takes its time
SHORT_S = 0.3  # for what never comes

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayAuthority:
    return ThrowawayAuthority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def roots(authority: ThrowawayAuthority) -> Roots:
    return Roots(authority.ca_file)


def serving(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    return context


@pytest.fixture(scope="module")
def ours(authority: ThrowawayAuthority) -> ssl.SSLContext:
    return serving(authority.issue(["www.example.org"]))


@asynccontextmanager
async def served(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await handler(reader, writer)
                await writer.drain()
                await reader.read()  # until the client is gone
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(once, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def look(
    roots: Roots,
    handler: Handler,
    *,
    kind: CheckKind = CheckKind.HTTP,
    tls: ssl.SSLContext | None = None,
    address: str = "127.0.0.1",
    check: HealthCheck | None = None,
) -> Look:
    async def run() -> Look:
        async with served(handler, tls) as port:
            asked = replace(check or HealthCheck(timeout_s=TIMEOUT_S), kind=kind, port=port)
            return await Checker(roots, Random(1)).look(address, replace(asked, host=asked.host or HOST))

    return asyncio.run(run())


def saying(answer: bytes, heard: list[bytes] | None = None) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(head)
        writer.write(answer)

    return handler


async def holding(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    pass


def status(code: int, body: bytes = b"ok") -> bytes:
    return f"HTTP/1.1 {code} Words\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def why(look_: Look) -> str:
    assert isinstance(look_, Ill), look_
    return look_.why


# TCP and TLS.


def test_tcp_is_well_where_somebody_listens(roots: Roots) -> None:
    assert look(roots, holding, kind=CheckKind.TCP) == Well()


@pytest.mark.parametrize("kind", [kind for kind in CheckKind if kind not in (CheckKind.NONE, CheckKind.DYNAMODB)])
def test_a_closed_port_is_ill(roots: Roots, kind: CheckKind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    check = HealthCheck(kind=kind, port=port, host=HOST, timeout_s=TIMEOUT_S)
    assert why(asyncio.run(Checker(roots, Random(1)).look("127.0.0.1", check))) == "connection refused"


@pytest.mark.parametrize("kind", [CheckKind.TLS, CheckKind.HTTPS])
def test_a_certificate_for_the_host_is_well(roots: Roots, ours: ssl.SSLContext, kind: CheckKind) -> None:
    assert look(roots, saying(status(200)), kind=kind, tls=ours) == Well()


@pytest.mark.parametrize("kind", [CheckKind.TLS, CheckKind.HTTPS])
def test_a_certificate_for_another_or_of_nobody_is_ill(
    authority: ThrowawayAuthority, roots: Roots, tmp_path: Path, kind: CheckKind
) -> None:
    theirs = serving(authority.issue(["shop.example.net"]))
    assert "certificate" in why(look(roots, saying(status(200)), kind=kind, tls=theirs))
    nobodys = serving(issue_self_signed(tmp_path, ["www.example.org"]))
    assert "self-signed" in why(look(roots, saying(status(200)), kind=kind, tls=nobodys))


@pytest.mark.parametrize("kind", [CheckKind.TLS, CheckKind.HTTPS, CheckKind.HTTP, CheckKind.DNS])
def test_silence_is_ill_when_its_time_is_over(roots: Roots, kind: CheckKind) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.create_server(("127.0.0.1", 0)) as tcp:
        udp.bind(tcp.getsockname())
        check = HealthCheck(kind=kind, port=tcp.getsockname()[1], host=HOST, timeout_s=SHORT_S)
        assert why(asyncio.run(Checker(roots, Random(1)).look("127.0.0.1", check))) == "no answer in time"


# What cannot be looked at from here.


@pytest.mark.parametrize(
    ("address", "kind", "host", "words"),
    [
        ("169.254.169.254", CheckKind.TCP, HOST, "not an address that may be looked at"),
        ("0.0.0.0", CheckKind.HTTP, HOST, "not an address that may be looked at"),
        ("127.0.0.1", CheckKind.HTTPS, None, "without host"),
        ("127.0.0.1", CheckKind.TLS, None, "without host"),
        ("127.0.0.1", CheckKind.HTTP, "a b\r\nX: y", "no host name"),
        ("127.0.0.1", CheckKind.DYNAMODB, HOST, "needs a table"),
    ],
)
def test_what_cannot_be_asked_says_nothing(
    roots: Roots, address: str, kind: CheckKind, host: str | None, words: str
) -> None:
    check = HealthCheck(kind=kind, port=9, host=host, timeout_s=TIMEOUT_S)
    found = asyncio.run(Checker(roots, Random(1)).look(address, check))
    assert isinstance(found, NotLooked)
    assert words in found.why


def test_a_host_name_is_looked_at_where_it_leads(roots: Roots) -> None:
    assert look(roots, holding, kind=CheckKind.TCP, address="localhost.") == Well()


def test_a_host_that_has_no_address_is_ill_and_one_that_cannot_be_resolved_here_says_nothing(
    roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, kind in ((socket.EAI_NONAME, Ill), (socket.EAI_AGAIN, NotLooked)):

        def fail(*_: object, error: int = error, **__: object) -> None:
            raise socket.gaierror(error, "words")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        check = HealthCheck(kind=CheckKind.TCP, port=9, timeout_s=TIMEOUT_S)
        assert isinstance(asyncio.run(Checker(roots, Random(1)).look("lb.example.org.", check)), kind)


# HTTP.


@pytest.mark.parametrize(
    ("code", "ranges", "well"),
    [
        (200, ((200, 399),), True),
        (204, ((200, 399),), True),
        (302, ((200, 399),), True),
        (404, ((200, 399),), False),
        (503, ((200, 399),), False),
        (302, ((200, 299),), False),
        (418, ((200, 200), (410, 420)), True),
    ],
)
def test_a_status_within_the_ranges_is_well(
    roots: Roots, code: int, ranges: tuple[tuple[int, int], ...], well: bool
) -> None:
    found = look(roots, saying(status(code)), check=HealthCheck(timeout_s=TIMEOUT_S, status=ranges))
    assert found == (Well() if well else Ill(why=f"status {code}"))


def test_a_redirect_is_not_followed_and_the_request_says_host_and_path(roots: Roots) -> None:
    heard: list[bytes] = []
    answer = b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    assert look(roots, saying(answer, heard), check=HealthCheck(timeout_s=TIMEOUT_S, path="/héalth z?a=1")) == Well()
    (head,) = heard
    assert head.startswith(b"GET /h%C3%A9alth%20z?a=1 HTTP/1.1\r\nHost: www.example.org:")
    assert b"Connection: close" in head


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (status(200, b"all is fine here"), True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nis fi\r\n6;a=b\r\nne now\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + status(200, b"is fine"), True),
        (status(200, b"is not"), False),
        (status(200, b"x" * BODY_MAX + b"is fine"), False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nis f\r\n0\r\n\r\n", False),
    ],
)
def test_a_text_is_looked_for_in_the_body(roots: Roots, answer: bytes, well: bool) -> None:
    found = look(roots, saying(answer), check=HealthCheck(timeout_s=TIMEOUT_S, text="is fine"))
    assert found == (Well() if well else Ill(why="status 200, and its text is not what is expected"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * HEAD_MAX * 2, "header is longer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "no number"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no number"),
        (b"HTTP/1.1 100 Go\r\n\r\n" * 6, "interim"),
    ],
)
def test_what_is_no_answer_is_ill(roots: Roots, answer: bytes, words: str) -> None:
    found = look(roots, saying(answer), check=HealthCheck(timeout_s=TIMEOUT_S, text="is fine"))
    assert words in why(found)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nis "])
def test_an_answer_that_ends_within_is_ill(roots: Roots, begun: bytes) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        writer.write_eof()

    found = look(roots, half, check=HealthCheck(timeout_s=TIMEOUT_S, text="is fine"))
    assert why(found) == "it closed the connection within its answer"


def test_one_octet_at_a_time_takes_no_longer_than_the_time_out(roots: Roots) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for octet in b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000:
            writer.write(bytes((octet,)))
            await asyncio.sleep(0.01)

    assert why(look(roots, drip, check=HealthCheck(timeout_s=SHORT_S))) == "no answer in time"


# DNS.


def dns(
    roots: Roots, by_udp: Callable[[Query], bytes | None], by_tcp: Callable[[Query], bytes | None] | None = None
) -> Look:
    """Look at a name server that answers as told."""

    async def run() -> Look:
        udp, tcp = bound_pair()
        loop = asyncio.get_running_loop()

        class Answering(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                query = decode_query(data)
                assert isinstance(query, Query)
                answer = by_udp(query)
                if answer is not None:
                    udp.sendto(answer, addr)

        async def answer_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            query = decode_query(wire)
            assert isinstance(query, Query)
            answer = by_tcp(query) if by_tcp else None
            if answer is not None:
                writer.write(len(answer).to_bytes(2, "big") + answer)
            await writer.drain()
            writer.close()

        transport, _ = await loop.create_datagram_endpoint(Answering, sock=udp)
        server = await asyncio.start_server(answer_tcp, sock=tcp)
        try:
            check = HealthCheck(kind=CheckKind.DNS, port=tcp.getsockname()[1], host=HOST, timeout_s=TIMEOUT_S)
            return await Checker(roots, Random(1)).look("127.0.0.1", check)
        finally:
            transport.close()
            server.close()

    return asyncio.run(run())


def answered(query: Query, *, rtype: int = RRType.A, rcode: int = Rcode.NOERROR) -> bytes:
    rrset = RRset(owner=HOST, rtype=rtype, ttl_s=60, rdatas=(b"\xc0\x00\x02\x01" if rtype == RRType.A else b"\x01a",))
    return encode_response(query, Reply(rcode=rcode, answer=() if rcode else (rrset,)))


def test_an_answer_of_the_type_is_well_and_others_are_not(roots: Roots) -> None:
    assert dns(roots, answered) == Well()
    assert why(dns(roots, lambda query: answered(query, rtype=RRType.TXT))) == "it answers without a record of type A"
    assert why(dns(roots, lambda query: answered(query, rcode=Rcode.SERVFAIL))) == "it answers SERVFAIL"
    assert why(dns(roots, lambda query: answered(query, rcode=Rcode.NXDOMAIN))) == "it answers NXDOMAIN"
    assert "malformed" in why(dns(roots, lambda query: answered(query)[:-3]))


def test_what_does_not_fit_is_asked_by_tcp(roots: Roots) -> None:
    assert dns(roots, encode_truncated, answered) == Well()
    assert why(dns(roots, encode_truncated, encode_truncated)) == "its answer is truncated, by TCP too"
    assert "by TCP it closed" in why(dns(roots, encode_truncated))


def test_an_answer_to_another_question_is_not_heard(roots: Roots) -> None:
    seen: list[int] = []

    def other_first(query: Query) -> bytes:
        seen.append(query.id)
        return answered(replace(query, id=query.id ^ 1))

    async def run() -> Look:
        udp, tcp = bound_pair()
        with tcp:
            loop = asyncio.get_running_loop()
            check = HealthCheck(kind=CheckKind.DNS, port=udp.getsockname()[1], host=HOST, timeout_s=TIMEOUT_S)
            looking = loop.create_task(Checker(roots, Random(1)).look("127.0.0.1", check))
            udp.setblocking(False)
            with udp:
                data, client = await loop.sock_recvfrom(udp, 4096)
                query = decode_query(data)
                assert isinstance(query, Query)
                await loop.sock_sendto(udp, other_first(query), client)
                await loop.sock_sendto(udp, answered(query), client)
                return await looking

    assert asyncio.run(run()) == Well()
    assert seen
