"""Whom an encrypted upstream must prove to be, how it is asked, and that there is no other way to it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dns.edns
import dns.message
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, StreamEnded

from pooled import Pooled, address_in, answer_one, reply_to
from scripted_streams import WAIT_S, StreamConnection, StreamServer, listening
from standfast.dns.codec import QUERY_PADDING_BLOCK, decode_query, encode_response
from standfast.dns.model import Query
from standfast.dns.servers import Server, Transport
from standfast.drills.live.authority import Certificate, ThrowawayAuthority, issue_self_signed
from standfast.io import roots as roots_module
from standfast.io.roots import VERIFIED_S, Roots
from standfast.io.upstreams import connection as upstream_connection
from standfast.io.upstreams import pool as upstream_pool

NAME = "dns.example.org"
ENCRYPTED = [Transport.TLS, Transport.HTTPS]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayAuthority:
    return ThrowawayAuthority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no connection for dead because this machine is busy."""
    monkeypatch.setattr(upstream_connection, "STALL_S", 60.0)
    monkeypatch.setattr(upstream_connection, "FIRST_ANSWER_S", 60.0)


@pytest.fixture
def roots(authority: ThrowawayAuthority) -> Roots:
    return Roots(authority.ca_file)


class Shown(ssl.SSLContext):
    """A server's context that notes what its clients ask for."""

    names: list[str | None]

    @classmethod
    def of(cls, certificate: Certificate, *protocols: str) -> "Shown":
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
        context.set_alpn_protocols(protocols)
        context.names = []
        context.sni_callback = lambda _, name, __: context.names.append(name)
        return context


def server_of(transport: Transport, port: int, name: str = NAME, host: str = "127.0.0.1") -> Server:
    return Server(host, port, transport, name, "/dns-query" if transport is Transport.HTTPS else "")


@asynccontextmanager
async def asking(
    context: ssl.SSLContext | None, roots: Roots, *, transport: Transport = Transport.TLS, name: str = NAME
) -> AsyncIterator[tuple[Pooled, StreamServer]]:
    async with listening(tls=context) as server:
        asked = Pooled(server_of(transport, server.port, name), roots)
        try:
            yield asked, server
        finally:
            asked.pool.close()
            await asyncio.sleep(0)


def refusal(
    context: ssl.SSLContext | None, roots: Roots, *, transport: Transport = Transport.TLS, name: str = NAME
) -> str:
    """Return in which words a server is refused."""

    async def scene() -> str:
        async with asking(context, roots, transport=transport, name=name) as (asked, server):
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's side of a broken handshake
            asked.ask(1)
            told = await asked.report(1)
            assert isinstance(told, str)
            assert server.connections_waiting() == 0, "it was sent something"
            return told

    return asyncio.run(scene())


# Who answers


@pytest.mark.parametrize("names", [[NAME], [f"*.{NAME.partition('.')[2]}"], ["other.example.org", NAME, "192.0.2.1"]])
def test_a_server_with_a_certificate_for_its_name_is_asked(
    authority: ThrowawayAuthority, roots: Roots, names: list[str]
) -> None:
    context = Shown.of(authority.issue(names), "dot")

    async def scene() -> None:
        async with asking(context, roots) as (asked, server):
            asked.ask(1)
            connection = await server.connection()
            await answer_one(connection)
            assert address_in(await asked.report(1)) == 1
            assert connection.tls.selected_alpn_protocol() == "dot"
            assert context.names == [NAME]

    asyncio.run(scene())


def test_a_server_without_a_name_must_prove_its_address(authority: ThrowawayAuthority, roots: Roots) -> None:
    context = Shown.of(authority.issue(["127.0.0.1"]))

    async def scene() -> None:
        async with asking(context, roots, name="") as (asked, server):
            asked.ask(1)
            await answer_one(await server.connection())
            assert address_in(await asked.report(1)) == 1
            assert context.names == [None]  # an address is no server name (RFC 6066 section 3)

    asyncio.run(scene())


@pytest.mark.parametrize("transport", ENCRYPTED)
def test_a_certificate_for_another_name_is_refused(
    authority: ThrowawayAuthority, roots: Roots, transport: Transport
) -> None:
    context = Shown.of(authority.issue(["dns.example.net"]), "dot", "h2")
    assert refusal(context, roots, transport=transport) == (
        f"no trust in its certificate: Hostname mismatch, certificate is not valid for '{NAME}'"
    )


def test_a_certificate_for_a_name_does_not_prove_the_address(authority: ThrowawayAuthority, roots: Roots) -> None:
    told = refusal(Shown.of(authority.issue([NAME, "127.0.0.2"])), roots, name="")
    assert told == "no trust in its certificate: IP address mismatch, certificate is not valid for '127.0.0.1'"


@pytest.mark.parametrize("transport", ENCRYPTED)
def test_an_expired_certificate_is_refused(authority: ThrowawayAuthority, roots: Roots, transport: Transport) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = authority.issue([NAME], not_before=yesterday - timedelta(days=90), not_after=yesterday)
    context = Shown.of(expired, "dot", "h2")
    assert refusal(context, roots, transport=transport) == "no trust in its certificate: certificate has expired"


@pytest.mark.parametrize("transport", ENCRYPTED)
def test_a_certificate_that_nobody_signed_is_refused(tmp_path: Path, roots: Roots, transport: Transport) -> None:
    context = Shown.of(issue_self_signed(tmp_path, [NAME]), "dot", "h2")
    assert refusal(context, roots, transport=transport) == "no trust in its certificate: self-signed certificate"


def test_an_authority_of_ones_own_is_trusted_only_where_it_is_named(authority: ThrowawayAuthority) -> None:
    told = refusal(Shown.of(authority.issue([NAME])), Roots())
    assert told == "no trust in its certificate: unable to get local issuer certificate"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(authority: ThrowawayAuthority, roots: Roots) -> None:
    context = Shown.of(authority.issue([NAME]))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert refusal(context, roots) in ("the connection was closed in the handshake", "TLS: unsupported protocol")


@pytest.mark.parametrize("transport", ENCRYPTED)
def test_a_server_in_clear_text_is_told_nothing(roots: Roots, transport: Transport) -> None:
    async def scene() -> None:
        async with asking(None, roots, transport=transport) as (asked, server):
            asked.ask(1)
            connection = await server.connection()
            hello = await connection.some()
            assert hello.startswith(b"\x16\x03")  # the handshake of TLS, and nothing that anybody could read
            assert b"n1" not in hello.lower()
            connection.write(b"\0\x0cno TLS here!")
            assert await asked.report(1) == "TLS: wrong version number"

    asyncio.run(scene())


def test_a_handshake_that_does_not_end_is_waited_for_only_so_long(
    roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_pool, "CONNECT_S", 0.1)

    async def scene() -> None:
        async with asking(None, roots) as (asked, server):
            asked.ask(1)
            assert await asked.report(1) == "no connection within 0.1 s"
            assert (await (await server.connection()).rest())[:2] in (b"", b"\x16\x03")  # a handshake, if anything

    asyncio.run(scene())


def test_a_server_that_hangs_up_in_the_handshake_is_said_to(roots: Roots) -> None:
    async def scene() -> None:
        async with asking(None, roots) as (asked, server):
            asked.ask(1)
            (await server.connection()).close()
            told = await asked.report(1)
            assert told in ("the connection was closed in the handshake", "connection reset by peer")

    asyncio.run(scene())


def test_https_is_spoken_only_by_http_2(authority: ThrowawayAuthority, roots: Roots) -> None:
    context = Shown.of(authority.issue([NAME]), "http/1.1")

    async def scene() -> None:
        async with asking(context, roots, transport=Transport.HTTPS) as (asked, _):
            asked.ask(1)
            told = await asked.report(1)
            assert told in ("it does not speak h2 (ALPN)", "TLS: tlsv1 alert no application protocol")

    asyncio.run(scene())


# How it is asked


def test_a_thousand_queries_cost_one_handshake(authority: ThrowawayAuthority, roots: Roots) -> None:
    context = Shown.of(authority.issue([NAME]))

    async def scene() -> None:
        async with asking(context, roots) as (asked, server):
            asked.ask(0)
            connection = await server.connection()
            await answer_one(connection)
            for first in range(1, 1001, 100):
                for number in range(first, first + 100):
                    asked.ask(number)
                for _ in range(100):
                    await answer_one(connection)
                for number in range(first, first + 100):
                    assert address_in(await asked.report(number)) == number % 256
            assert server.accepted == 1

    asyncio.run(scene())


def test_queries_are_padded_where_nobody_can_read_them_and_only_there(
    authority: ThrowawayAuthority, roots: Roots
) -> None:
    context = Shown.of(authority.issue([NAME]))

    async def wire_to(context: ssl.SSLContext | None, server: Server) -> bytes:
        async with listening(tls=context) as listener:
            asked = Pooled(replace(server, port=listener.port), roots)
            asked.ask(1)
            wire = await (await listener.connection()).wire()
            asked.pool.close()
            await asyncio.sleep(0)
            return wire

    encrypted = asyncio.run(wire_to(context, server_of(Transport.TLS, 0)))
    assert len(encrypted) == QUERY_PADDING_BLOCK
    assert [o.otype for o in dns.message.from_wire(encrypted).options] == [dns.edns.OptionType.PADDING]
    plain = asyncio.run(wire_to(None, Server("127.0.0.1")))
    assert dns.message.from_wire(plain).options == ()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_later_connection_resumes_the_session(
    authority: ThrowawayAuthority, roots: Roots, version: ssl.TLSVersion
) -> None:
    context = Shown.of(authority.issue([NAME]))
    context.maximum_version = version

    async def scene() -> None:
        async with asking(context, roots) as (asked, server):
            resumed = []
            for number in range(1, 4):
                asked.ask(number)
                connection = await server.connection()
                await answer_one(connection)
                assert address_in(await asked.report(number)) == number
                resumed.append(connection.tls.session_reused)
                connection.close()
                await connection.closed()
            assert resumed == [False, True, True]

    asyncio.run(scene())


def test_a_certificate_is_looked_at_again_after_a_while_however_often_its_session_was_renewed(
    authority: ThrowawayAuthority, roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Shown.of(authority.issue([NAME]))
    now_s = 0.0
    monkeypatch.setattr(roots_module, "time", SimpleNamespace(monotonic=lambda: now_s))

    async def scene() -> None:
        nonlocal now_s
        async with asking(context, roots) as (asked, server):
            resumed = []
            for number in range(1, 5):
                asked.ask(number)
                connection = await server.connection()
                await answer_one(connection)
                assert address_in(await asked.report(number)) == number
                resumed.append(connection.tls.session_reused)
                connection.close()
                await connection.closed()
                now_s += 0.4 * VERIFIED_S
            assert resumed == [False, True, True, False]

    asyncio.run(scene())


def test_a_session_is_never_resumed_for_another_name(authority: ThrowawayAuthority, roots: Roots) -> None:
    context = Shown.of(authority.issue([NAME]))

    async def scene() -> None:
        async with asking(context, roots) as (asked, server):
            asked.ask(1)
            connection = await server.connection()
            await answer_one(connection)
            await asked.report(1)
            connection.close()
            await connection.closed()
            for name in ("other.example.org", ""):
                asyncio.get_running_loop().set_exception_handler(lambda *_: None)
                other = Pooled(server_of(Transport.TLS, server.port, name), roots)
                other.ask(1)
                told = await other.report(1)
                assert isinstance(told, str)
                assert told.startswith("no trust in its certificate: ")

    asyncio.run(scene())


def test_a_restart_in_the_middle_is_got_over(authority: ThrowawayAuthority, roots: Roots) -> None:
    context = Shown.of(authority.issue([NAME]))

    async def scene() -> None:
        async with asking(context, roots) as (asked, server):
            asked.ask(1)
            await answer_one(await server.connection())
            await asked.report(1)
            (first,) = server.open
            asked.ask(2)
            await first.query()
            first.abort()  # with the query on it
            second = await server.connection()
            await answer_one(second)
            assert address_in(await asked.report(2)) == 2

    asyncio.run(scene())


def test_a_server_at_an_ipv6_address_is_asked(authority: ThrowawayAuthority, roots: Roots) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    context = Shown.of(authority.issue(["::1"]))

    async def scene() -> None:
        async with listening("::1", tls=context) as server:
            asked = Pooled(Server("::1", server.port, Transport.TLS), roots)
            asked.ask(1)
            async with asyncio.timeout(WAIT_S):
                await answer_one(await server.connection())
            assert address_in(await asked.report(1)) == 1
            asked.pool.close()
            await asyncio.sleep(0)

    asyncio.run(scene())


# By HTTPS


class HttpsSide:
    """The server's side of a connection that speaks HTTP/2."""

    def __init__(self, connection: StreamConnection) -> None:
        self._connection = connection
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._h2.initiate_connection()
        self._bodies: dict[int, bytes] = {}
        self._whole: list[int] = []

    async def query(self) -> tuple[int, Query]:
        """Return the next query, and its stream."""
        while not self._whole:
            self.flush()
            octets = await self._connection.some()
            assert octets, "the connection was closed"
            for event in self._h2.receive_data(octets):
                match event:
                    case DataReceived(stream_id=int(stream_id), data=bytes(data)):
                        self._bodies[stream_id] = self._bodies.get(stream_id, b"") + data
                    case StreamEnded(stream_id=int(stream_id)):
                        self._whole.append(stream_id)
                    case _:
                        pass
        stream_id = self._whole.pop(0)
        query = decode_query(self._bodies.pop(stream_id))
        assert isinstance(query, Query)
        return stream_id, query

    def answer(self, stream_id: int, query: Query, status: str = "200") -> None:
        """Answer a query."""
        self._h2.send_headers(stream_id, [(":status", status), ("content-type", "application/dns-message")])
        self._h2.send_data(stream_id, encode_response(query, reply_to(query), tcp=True), end_stream=True)
        self.flush()

    def refuse(self, stream_id: int) -> None:
        """Say that a query was not looked at."""
        self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
        self.flush()

    def say_goodbye(self, last_stream_id: int) -> None:
        """Close the connection as servers do that have had enough of it."""
        self._h2.close_connection(last_stream_id=last_stream_id)
        self.flush()
        self._connection.close()

    def flush(self) -> None:
        """Send what is to be sent."""
        self._connection.write(self._h2.data_to_send())


def by_https(
    authority: ThrowawayAuthority, scene: Callable[[Pooled, StreamServer], Coroutine[None, None, None]]
) -> None:
    context = Shown.of(authority.issue([NAME]), "h2")

    async def play() -> None:
        async with asking(context, Roots(authority.ca_file), transport=Transport.HTTPS) as (asked, server):
            await scene(asked, server)

    asyncio.run(play())


def test_streams_of_one_connection_are_answered_in_any_order(authority: ThrowawayAuthority) -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in range(1, 51):
            asked.ask(number)
        side = HttpsSide(await server.connection())
        streams = [await side.query() for _ in range(50)]
        for stream_id, query in reversed(streams):
            side.answer(stream_id, query)
        assert [address_in(await asked.report(number)) for number in range(1, 51)] == list(range(1, 51))
        assert server.accepted == 1

    by_https(authority, scene)


@pytest.mark.parametrize("last", [1, 3, 5])
def test_what_waits_when_a_server_says_goodbye_is_asked_again(authority: ThrowawayAuthority, last: int) -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        first = HttpsSide(await server.connection())
        first.answer(*await first.query())
        await asked.report(1)
        for number in (2, 3):
            asked.ask(number)
            await first.query()
        first.say_goodbye(last)
        second = HttpsSide(await server.connection())
        for _ in range(2):
            second.answer(*await second.query())
        assert [address_in(await asked.report(number)) for number in (2, 3)] == [2, 3]

    by_https(authority, scene)


def test_a_server_that_says_goodbye_at_once_is_asked_twice_and_no_more(authority: ThrowawayAuthority) -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        for _ in range(2):
            side = HttpsSide(await server.connection())
            await side.query()
            side.say_goodbye(0)
        assert await asked.report(1) == "HTTP/2: the server closes the connection, NO_ERROR"
        assert server.accepted == 2

    by_https(authority, scene)


def test_a_query_that_is_refused_is_put_once_more(authority: ThrowawayAuthority) -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in (1, 2):
            asked.ask(number)
        side = HttpsSide(await server.connection())
        (one, _), (two, _) = await side.query(), await side.query()
        side.refuse(one)
        side.answer(*await side.query())
        assert address_in(await asked.report(1)) == 1
        side.refuse(two)
        again, _ = await side.query()
        side.refuse(again)
        assert await asked.report(2) == "HTTP/2: REFUSED_STREAM"

    by_https(authority, scene)


def test_a_page_that_says_sorry_is_a_failure_and_the_connection_goes_on(authority: ThrowawayAuthority) -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        side = HttpsSide(await server.connection())
        side.answer(*await side.query(), status="503")
        assert await asked.report(1) == "HTTP status 503 for /dns-query"
        asked.ask(2)
        side.answer(*await side.query())
        assert address_in(await asked.report(2)) == 2
        assert server.accepted == 1

    by_https(authority, scene)
