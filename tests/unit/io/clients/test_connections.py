"""Clients by TCP, in clear text and by TLS: pipelining, replies out of order, and what is closed when."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from standfast.dns.codec import encode_outbound
from standfast.dns.exchange import Outbound
from standfast.dns.model import Query, Question, Rcode, Reply, RRset, RRType
from standfast.dns.prepared import PreparedAnswers
from standfast.drills.live.authority import Certificate, issue_self_signed
from standfast.guard.cache import Entry
from standfast.io.clients import connections, limits
from standfast.io.clients.certificates import read_certificate
from standfast.io.clients.client import Client, OnQuery
from standfast.io.clients.connections import PIPELINE_MAX, WRITE_OCTETS_MAX, Connections
from standfast.io.clients.datagrams import NO_FAST_PATH, FastPath
from standfast.io.clients.tls_streams import OwnContext
from standfast.io.settings.addresses import Scheme
from standfast.io.settings.certificate_files import CertificateFiles

OUTBOUND = Outbound(id=0, question=Question("www.example.org.", RRType.TXT), cased_qname="www.example.org.")
REPLY = Reply(rcode=Rcode.NOERROR)
LARGE = Reply(
    rcode=Rcode.NOERROR,
    answer=(RRset(owner="www.example.org.", rtype=65_280, ttl_s=60, rdatas=(b"x" * 60_000,)),),
)

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return issue_self_signed(tmp_path_factory.mktemp("own"), ["ns.example.org"])


@pytest.fixture(params=["clear", "tls"], autouse=True)
def tls(request: pytest.FixtureRequest, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Have every test speak by TLS as well; whether this one does."""
    encrypted: bool = request.param == "tls"
    if encrypted:
        files = CertificateFiles(certificate=certificate.cert_file, key=certificate.key_file)
        context = read_certificate(files).contexts[Scheme.DOT]
        monkeypatch.setattr(Service, "own_context", staticmethod(lambda: context))
    return encrypted


def framed(id_: int) -> bytes:
    wire = encode_outbound(replace(OUTBOUND, id=id_))
    return len(wire).to_bytes(2, "big") + wire


def answer(client: Client, query: Query) -> None:
    client.respond(query, REPLY)


class Held:
    """Queries that wait until the test answers them."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[tuple[Client, Query]] = asyncio.Queue()

    def __call__(self, client: Client, query: Query) -> None:
        self.waiting.put_nowait((client, query))

    async def take(self, count: int) -> list[tuple[Client, Query]]:
        return [await self.waiting.get() for _ in range(count)]


class Service:
    """Connections on a port of loopback."""

    own_context: OwnContext | None = None

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, host: str = "127.0.0.1") -> Stream:
        blind = None if self.own_context is None else trusts_anybody()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(host, 0), ssl=blind)
        self._writers.append(writer)
        return reader, writer

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def serving(
    on_query: OnQuery,
    *,
    connections_max: int = 10,
    client_connections_max: int = 10,
    idle_s: float = 10.0,
    fast: FastPath = NO_FAST_PATH,
) -> AsyncIterator[Service]:
    bound = socket.create_server(("127.0.0.1", 0))
    served = Connections(
        on_query,
        own_context=Service.own_context,
        connections_max=connections_max,
        client_connections_max=client_connections_max,
        idle_s=idle_s,
        fast=fast,
    )
    await served.start(bound)
    service = Service(bound.getsockname()[1])
    try:
        yield service
    finally:
        service.close()
        served.stop()
        await asyncio.sleep(0)


def trusts_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def read_id(reader: asyncio.StreamReader) -> int:
    size = int.from_bytes(await reader.readexactly(2), "big")
    return int.from_bytes((await reader.readexactly(size))[:2], "big")


async def read_to_end(reader: asyncio.StreamReader) -> int:
    """Return how many octets come until the connection ends, in whatever way."""
    count = 0
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            count += len(data)
    return count


def run(scene: Coroutine[None, None, None]) -> None:
    async def play() -> None:
        await asyncio.wait_for(scene, 20)

    asyncio.run(play())


def test_replies_come_as_they_are_ready_not_as_they_were_asked_for() -> None:
    async def scene() -> None:
        held = Held()
        async with serving(held) as service:
            reader, writer = await service.connect()
            writer.write(framed(1) + framed(2) + framed(3))
            for client, query in reversed(await held.take(3)):
                client.respond(query, REPLY)
            assert [await read_id(reader) for _ in range(3)] == [3, 2, 1]

    run(scene())


def test_a_query_may_come_octet_by_octet() -> None:
    async def scene() -> None:
        async with serving(answer) as service:
            reader, writer = await service.connect()
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in framed(1) + framed(2):
                writer.write(bytes((octet,)))
                await asyncio.sleep(0)
            assert [await read_id(reader) for _ in range(2)] == [1, 2]

    run(scene())


@pytest.mark.parametrize("tls", ["clear"], indirect=True)  # asyncio's TLS cannot close one side: see test_tls_streams
def test_a_client_that_closed_its_side_still_gets_its_replies() -> None:
    async def scene() -> None:
        held = Held()
        async with serving(held) as service:
            reader, writer = await service.connect()
            count = PIPELINE_MAX + 10
            writer.write(b"".join(framed(i) for i in range(count)))
            writer.write_eof()
            for client, query in await held.take(PIPELINE_MAX):
                client.respond(query, REPLY)
            for client, query in await held.take(10):
                client.respond(query, REPLY)
            assert [await read_id(reader) for _ in range(count)] == list(range(count))
            assert await reader.read() == b""

    run(scene())


def test_queries_beyond_the_pipeline_wait_until_replies_are_out() -> None:
    async def scene() -> None:
        held = Held()
        async with serving(held) as service:
            _, writer = await service.connect()
            writer.write(b"".join(framed(i) for i in range(PIPELINE_MAX + 1)))
            first = await held.take(PIPELINE_MAX)
            assert held.waiting.empty()
            first[0][0].respond(first[0][1], REPLY)
            ((_, query),) = await held.take(1)
            assert query.id == PIPELINE_MAX

    run(scene())


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\x20abc"], ids="nothing half-a-length half-a-message".split())
def test_a_connection_on_which_nothing_happens_is_closed(sent: bytes) -> None:
    async def scene() -> None:
        async with serving(answer, idle_s=0.1) as service:
            reader, writer = await service.connect()
            writer.write(sent)
            assert await reader.read() == b""

    run(scene())


def test_a_connection_that_is_used_stays_open_and_is_closed_when_it_is_no_more() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        async with serving(answer, idle_s=0.3) as service:
            begun = loop.time()
            reader, writer = await service.connect()
            while loop.time() - begun < 0.6:
                writer.write(framed(1))
                assert await read_id(reader) == 1
            used_until = loop.time()
            assert await reader.read() == b""
            assert loop.time() - used_until > 0.2

    run(scene())


@pytest.mark.parametrize("garbage", [b"\0\0", b"\0\x05abcde", b"\0\x0c\0\1\x80\0" + bytes(8)])
def test_a_message_that_is_no_query_ends_the_connection(garbage: bytes) -> None:
    async def scene() -> None:
        async with serving(answer) as service:
            reader, writer = await service.connect()
            writer.write(garbage + framed(1))
            assert await read_to_end(reader) == 0

    run(scene())


def test_a_malformed_query_gets_formerr_and_the_connection_goes_on() -> None:
    async def scene() -> None:
        async with serving(answer) as service:
            reader, writer = await service.connect()
            broken = encode_outbound(replace(OUTBOUND, id=5))[:20]
            writer.write(len(broken).to_bytes(2, "big") + broken + framed(6))
            assert [await read_id(reader) for _ in range(2)] == [5, 6]

    run(scene())


def test_when_there_are_too_many_the_one_idle_longest_makes_room() -> None:
    async def scene() -> None:
        async with serving(answer, connections_max=2) as service:
            streams = []
            for i in range(3):
                reader, writer = await service.connect()
                writer.write(framed(i))
                assert await read_id(reader) == i
                streams.append((reader, writer))
            assert await streams[0][0].read() == b""
            for reader, writer in streams[1:]:
                writer.write(framed(9))
                assert await read_id(reader) == 9

    run(scene())


def test_connections_that_are_owed_replies_do_not_make_room() -> None:
    async def scene() -> None:
        held = Held()
        async with serving(held, connections_max=1) as service:
            reader, writer = await service.connect()
            writer.write(framed(1))
            ((client, query),) = await held.take(1)
            late_reader, _ = await service.connect()
            assert await read_to_end(late_reader) == 0
            client.respond(query, REPLY)
            assert await read_id(reader) == 1

    run(scene())


def test_a_client_with_too_many_makes_room_itself_and_its_neighbour_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "is_loopback", lambda _address: False)

    async def scene() -> None:
        async with serving(answer, client_connections_max=2) as service:
            neighbour, neighbours = await service.connect("127.0.0.8")
            streams = [await service.connect("127.0.0.7") for _ in range(2)]
            for reader, writer in streams:
                writer.write(framed(1))
                assert await read_id(reader) == 1
            reader, writer = await service.connect("127.0.0.7")
            writer.write(framed(2))
            assert await read_id(reader) == 2
            assert await streams[0][0].read() == b""
            for still, (reader, writer) in enumerate(((neighbour, neighbours), streams[1])):
                writer.write(framed(still))
                assert await read_id(reader) == still

    run(scene())


def test_a_client_that_keeps_all_of_its_connections_busy_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "is_loopback", lambda _address: False)

    async def scene() -> None:
        held = Held()
        async with serving(held, client_connections_max=1) as service:
            reader, writer = await service.connect("127.0.0.7")
            writer.write(framed(1))
            ((client, query),) = await held.take(1)
            refused, _ = await service.connect("127.0.0.7")
            assert await read_to_end(refused) == 0
            client.respond(query, REPLY)
            assert await read_id(reader) == 1

    run(scene())


def test_this_machine_s_programs_share_an_address_and_are_not_counted_as_one_client() -> None:
    async def scene() -> None:
        async with serving(answer, client_connections_max=1) as service:
            streams = [await service.connect() for _ in range(5)]
            for reader, writer in streams:
                writer.write(framed(3))
                assert await read_id(reader) == 3

    run(scene())


def test_a_client_that_does_not_read_is_closed_and_costs_bounded_memory() -> None:
    async def scene() -> None:
        held = Held()
        async with serving(held) as service:
            reader, writer = await service.connect()
            writer.write(b"".join(framed(i) for i in range(PIPELINE_MAX)))
            for client, query in await held.take(PIPELINE_MAX):
                client.respond(query, LARGE)  # all at once: nobody can have read in between
            assert await read_to_end(reader) < 8 * WRITE_OCTETS_MAX < PIPELINE_MAX * 60_000

    run(scene())


def test_a_client_that_reads_too_slowly_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SLOW_S", 0.1)

    async def scene() -> None:
        held = Held()
        async with serving(held) as service:
            reader, writer = await service.connect()
            assert isinstance(writer.transport, asyncio.ReadTransport)
            writer.transport.pause_reading()
            writer.write(b"".join(framed(i) for i in range(PIPELINE_MAX)))
            (client, query), *others = await held.take(PIPELINE_MAX)
            server_side = client._connection._transport  # type: ignore[attr-defined]
            client.respond(query, LARGE)
            while server_side.get_write_buffer_size() < WRITE_OCTETS_MAX // 4:  # the kernel takes some first
                client, query = others.pop()
                client.respond(query, LARGE)
            assert not server_side.is_closing()
            while not server_side.is_closing():
                await asyncio.sleep(0.01)
            writer.transport.resume_reading()
            await read_to_end(reader)

    run(scene())


def test_a_reply_to_a_client_that_has_gone_is_dropped() -> None:
    async def scene() -> None:
        held = Held()
        async with serving(held) as service:
            _, writer = await service.connect()
            writer.write(framed(1))
            ((client, query),) = await held.take(1)
            writer.transport.abort()
            for _ in range(5):
                await asyncio.sleep(0)
            client.respond(query, REPLY)
            reader, writer = await service.connect()  # the service lives
            writer.write(framed(2))
            ((client, query),) = await held.take(1)
            client.respond(query, REPLY)
            assert await read_id(reader) == 2

    run(scene())


class Cached:
    """Answers every query with one entry, as from a cache, and counts how often it was asked."""

    def __init__(self, reply: Reply) -> None:
        self.entry = Entry(reply, 0.0, 60.0)
        self.asked = 0
        self.hits = 0
        self.fast = FastPath(PreparedAnswers(), now=lambda: 0.5, on_hits=self._hit)

    def __call__(self, client: Client, query: Query) -> None:
        self.asked += 1
        client.respond(query, self.entry.reply, self.entry)

    def _hit(self, number: int) -> None:
        self.hits += number


@pytest.mark.parametrize("rdata", [b"x", b"x" * 2000], ids=["small", "too large for a datagram"])
def test_an_answer_that_may_be_given_again_is_given_without_asking_until_it_is_void(rdata: bytes) -> None:
    record = RRset(owner="www.example.org.", rtype=65_280, ttl_s=60, rdatas=(rdata,))
    cached = Cached(Reply(rcode=Rcode.NOERROR, answer=(record,)))

    async def ask(stream: Stream, id_: int) -> bytes:
        reader, writer = stream
        writer.write(framed(id_))
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))

    async def scene() -> None:
        async with serving(cached, fast=cached.fast) as service:
            stream = await service.connect()
            first, again = await ask(stream, 1), await ask(stream, 2)
            assert (cached.asked, cached.hits) == (1, 1)
            assert (again[:2], again[2:]) == (b"\0\2", first[2:])
            assert rdata in again
            cached.entry.void()
            await ask(stream, 3)
            assert (cached.asked, cached.hits) == (2, 1)

    run(scene())


def test_a_very_large_answer_is_not_prepared() -> None:
    cached = Cached(LARGE)

    async def scene() -> None:
        async with serving(cached, fast=cached.fast) as service:
            reader, writer = await service.connect()
            for id_ in range(3):
                writer.write(framed(id_))
                assert await read_id(reader) == id_
            assert (cached.asked, len(cached.fast.answers)) == (3, 0)

    run(scene())
