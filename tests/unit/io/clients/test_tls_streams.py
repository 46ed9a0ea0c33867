"""TLS below DNS: handshakes that are none, half ones by the hundred, farewells, and what they may cost."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

import pytest

from standfast.dns.codec import encode_outbound
from standfast.dns.exchange import Outbound
from standfast.dns.model import Query, Question, Rcode, Reply, RRType
from standfast.drills.live.authority import Certificate, ThrowawayAuthority
from standfast.io.clients import limits, tls_streams
from standfast.io.clients.certificates import read_certificate
from standfast.io.clients.client import Client, OnQuery
from standfast.io.clients.connections import Connections
from standfast.io.clients.limits import Gate, Limits
from standfast.io.clients.tls_streams import CLIENT_HANDSHAKES_MAX, HANDSHAKES_MAX, OwnContext
from standfast.io.settings.addresses import Scheme
from standfast.io.settings.certificate_files import CertificateFiles

QUESTION = Question("www.example.org.", RRType.A)
WIRE = encode_outbound(Outbound(id=7, question=QUESTION, cased_qname=QUESTION.qname))
FRAMED = len(WIRE).to_bytes(2, "big") + WIRE


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayAuthority:
    return ThrowawayAuthority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own_context(authority: ThrowawayAuthority) -> OwnContext:
    return shown(authority.issue(["ns.example.org"]))


@pytest.fixture(scope="module")
def trusting(authority: ThrowawayAuthority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.ca_file)
    context.set_alpn_protocols(["dot"])
    return context


def shown(certificate: Certificate) -> OwnContext:
    context = read_certificate(CertificateFiles(certificate=certificate.cert_file, key=certificate.key_file))
    return lambda: context.contexts[Scheme.DOT]


def answer(client: Client, query: Query) -> None:
    client.respond(query, Reply(rcode=Rcode.NOERROR))


@asynccontextmanager
async def serving(
    own_context: OwnContext, *, on_query: OnQuery = answer, gate: Gate | None = None
) -> AsyncIterator[tuple[Connections, int]]:
    bound = socket.create_server(("127.0.0.1", 0))
    served = Connections(on_query, own_context=own_context, gate=gate)
    await served.start(bound)
    try:
        yield served, bound.getsockname()[1]
    finally:
        served.stop()
        await asyncio.sleep(0)


async def ask(port: int, trusting: ssl.SSLContext, host: str = "127.0.0.1") -> bytes:
    """Connect, ask once and return the answer."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trusting, server_hostname="ns.example.org", local_addr=(host, 0)
    )
    try:
        writer.write(FRAMED)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.transport.abort()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection ends, in whatever way."""
    got = b""
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            got += data
    return got


def run(scene: Coroutine[None, None, None]) -> None:
    async def play() -> None:
        await asyncio.wait_for(scene, 60)

    asyncio.run(play())


# What an honest client sees.


def test_a_client_gets_its_answer_by_tls_1_3_with_alpn_dot(own_context: OwnContext, trusting: ssl.SSLContext) -> None:
    async def scene() -> None:
        async with serving(own_context) as (served, port):
            assert (await ask(port, trusting))[:2] == WIRE[:2]
            assert (served.queries, served.handshakes_failed) == (1, 0)
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="ns.example.org")
            spoken: ssl.SSLObject = writer.get_extra_info("ssl_object")
            assert (spoken.version(), spoken.selected_alpn_protocol()) == ("TLSv1.3", "dot")
            writer.transport.abort()

    run(scene())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(("version", "served"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)])
def test_tls_1_2_is_the_oldest_that_is_spoken(
    own_context: OwnContext, authority: ThrowawayAuthority, version: ssl.TLSVersion, served: bool
) -> None:
    old = ssl.create_default_context(cafile=authority.ca_file)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")  # or OpenSSL's client would not even try
    old.minimum_version = version
    old.maximum_version = version

    async def scene() -> None:
        async with serving(own_context) as (_, port):
            if served:
                assert await ask(port, old)
            else:
                with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                    await ask(port, old)

    run(scene())


def test_a_new_certificate_is_shown_to_the_next_client(
    authority: ThrowawayAuthority, trusting: ssl.SSLContext, own_context: OwnContext
) -> None:
    contexts = [own_context(), shown(authority.issue(["other.example.org"]))()]

    async def scene() -> None:
        async with serving(lambda: contexts.pop(0)) as (_, port):
            assert await ask(port, trusting)
            with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'ns\.example\.org'"):
                await ask(port, trusting)

    run(scene())


def test_a_client_that_said_its_farewell_still_gets_what_it_is_owed(
    own_context: OwnContext, trusting: ssl.SSLContext
) -> None:
    waiting: asyncio.Queue[tuple[Client, Query]] = asyncio.Queue()

    async def scene() -> None:
        async with serving(own_context, on_query=lambda *asked: waiting.put_nowait(asked)) as (_, port):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = trusting.wrap_bio(incoming, outgoing, server_hostname="ns.example.org")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await until_done(tls.do_handshake, incoming, outgoing, (reader, writer))
            tls.write(FRAMED)
            with suppress(ssl.SSLWantReadError):
                tls.unwrap()
            writer.write(outgoing.read())
            client, query = await waiting.get()
            client.respond(query, Reply(rcode=Rcode.NOERROR))
            incoming.write(await ended(reader))
            assert tls.read()[2:4] == WIRE[:2]
            with pytest.raises(ssl.SSLZeroReturnError):  # it said farewell as well
                tls.read()
            writer.transport.abort()

    run(scene())


async def until_done(
    act: Callable[[], None],
    incoming: ssl.MemoryBIO,
    outgoing: ssl.MemoryBIO,
    stream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    while True:
        try:
            act()
        except ssl.SSLWantReadError:
            stream[1].write(outgoing.read())
            incoming.write(await stream[0].read(65_536))
        else:
            stream[1].write(outgoing.read())
            return


# What is no handshake.


@pytest.mark.parametrize(
    "garbage",
    [FRAMED, b"GET /dns-query HTTP/1.1\r\n\r\n", bytes(100_000), b"\x16\x03\x01\x40\x00" + b"\xff" * 16_384],
    ids="plain-dns http zeros a-broken-hello".split(),
)
def test_garbage_in_place_of_a_handshake_ends_the_connection_and_nothing_else(
    own_context: OwnContext, trusting: ssl.SSLContext, garbage: bytes
) -> None:
    async def scene() -> None:
        async with serving(own_context) as (served, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(garbage)
            assert len(await ended(reader)) < 100  # an alert, at most
            assert served.handshakes_failed == 1
            assert await ask(port, trusting)

    run(scene())


def test_a_handshake_that_takes_too_long_is_ended(own_context: OwnContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_streams, "HANDSHAKE_S", 0.1)

    async def scene() -> None:
        async with serving(own_context) as (served, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x16\x03\x01")
            assert await ended(reader) == b""
            assert served.handshakes_failed == 1

    run(scene())


def test_hundreds_of_half_open_handshakes_make_room_for_a_client_that_means_it(
    own_context: OwnContext, trusting: ssl.SSLContext
) -> None:
    async def scene() -> None:
        async with serving(own_context) as (served, port):
            half = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3 * HANDSHAKES_MAX)]
            for _, writer in half:
                writer.write(b"\x16\x03\x01\x02\x00\x01")
            assert await ask(port, trusting)
            assert served.handshakes_failed == 2 * HANDSHAKES_MAX + 1
            for _, writer in half:
                writer.transport.abort()

    run(scene())


def test_the_half_open_handshakes_of_one_client_are_its_own_loss(
    own_context: OwnContext, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "is_loopback", lambda _address: False)

    async def scene() -> None:
        async with serving(own_context) as (served, port):
            neighbour, neighbours = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.8", 0))
            half = [
                await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.7", 0))
                for _ in range(CLIENT_HANDSHAKES_MAX + 1)
            ]
            assert await ended(half[0][0]) == b""
            assert served.handshakes_failed == 1
            assert not neighbour.at_eof()
            for writer in (neighbours, *(each[1] for each in half)):
                writer.transport.abort()

    run(scene())


def test_who_may_not_connect_gets_no_handshake(own_context: OwnContext, trusting: ssl.SSLContext) -> None:
    gate = Gate(Limits(allow=(ip_network("127.0.0.1/32"),)))

    async def scene() -> None:
        async with serving(own_context, gate=gate) as (served, port):
            assert await ask(port, trusting)
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await ask(port, trusting, "127.0.0.2")
            assert (gate.outside, served.handshakes_failed, served.queries) == (1, 0, 1)

    run(scene())


def test_garbage_after_the_handshake_ends_the_connection(own_context: OwnContext, trusting: ssl.SSLContext) -> None:
    async def scene() -> None:
        async with serving(own_context) as (_, port):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=trusting, server_hostname="ns.example.org"
            )
            writer.get_extra_info("socket")._sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
            assert await ended(reader) == b""
            assert await ask(port, trusting)

    run(scene())
