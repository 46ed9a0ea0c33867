"""Clients by HTTP/2: what they get, and what becomes of those that flood, stall, or speak something else."""

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

import dns.message
import dns.rcode
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.codec import encode_outbound
from standfast.dns.exchange import Outbound
from standfast.dns.model import Query, Question, Rcode, Reply, RRset, RRType
from standfast.drills.live.authority import Certificate, issue_self_signed
from standfast.io.clients import http2
from standfast.io.clients.certificates import read_certificate
from standfast.io.clients.client import Client, OnQuery
from standfast.io.clients.connections import Connections
from standfast.io.clients.http2 import HEADER_OCTETS_MAX, STREAMS_MAX, WASTE_MAX, HttpConnection
from standfast.io.clients.tls_streams import OwnContext
from standfast.io.settings.addresses import Scheme
from standfast.io.settings.certificate_files import CertificateFiles

PATH = "/dns-query"
QUESTION = Question("www.example.org.", RRType.A)
WIRE = encode_outbound(Outbound(id=0, question=QUESTION, cased_qname=QUESTION.qname))
MUST = [(":method", "POST"), (":path", PATH), (":scheme", "https"), (":authority", "ns.example.org")]
GET = f"{PATH}?dns={base64.urlsafe_b64encode(WIRE).decode().rstrip('=')}"
ADDRESS = RRset(owner="www.example.org.", rtype=RRType.A, ttl_s=60, rdatas=(bytes((192, 0, 2, 1)),))
REPLY = Reply(rcode=Rcode.NOERROR, answer=(ADDRESS,))
LARGE = Reply(rcode=0, answer=(RRset(owner="www.example.org.", rtype=65_280, ttl_s=60, rdatas=(b"x" * 60_000,)),))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return issue_self_signed(tmp_path_factory.mktemp("own"), ["ns.example.org"])


@pytest.fixture(scope="module")
def own_context(certificate: Certificate) -> OwnContext:
    files = CertificateFiles(certificate=certificate.cert_file, key=certificate.key_file)
    context = read_certificate(files).contexts[Scheme.DOH]
    return lambda: context


@dataclass
class Response:
    """What came on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def said(self) -> tuple[str, str]:
        return self.headers[":status"], self.body.decode().rstrip()


class Speaker:
    """A client that speaks HTTP/2, as far as it is let."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.http = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.responses: dict[int, Response] = {}
        self.terminated: ConnectionTerminated | None = None
        self.reads_windows = True

    def begin(self) -> Self:
        self.http.initiate_connection()
        return self

    def get(self, target: str = GET, *, method: str = "GET") -> Response:
        return self.request([(":method", method), (":path", target)])

    def post(self, body: bytes, media_type: str = "application/dns-message") -> Response:
        return self.request([(":method", "POST"), (":path", PATH), ("content-type", media_type)], body)

    def request(self, headers: list[tuple[str, str]], body: bytes | None = None) -> Response:
        stream_id = self.http.get_next_available_stream_id()
        headers[1:1] = [(":scheme", "https"), (":authority", "ns.example.org")]
        self.http.send_headers(stream_id, headers, end_stream=body is None)
        for at in range(0, len(body or b""), 16_384):
            self.http.send_data(stream_id, (body or b"")[at : at + 16_384])
        if body is not None:
            self.http.end_stream(stream_id)
        self.responses[stream_id] = Response()
        return self.responses[stream_id]

    def flush(self, more: bytes = b"") -> None:
        self.writer.write(self.http.data_to_send() + more)

    async def read(self) -> bool:
        """Read what comes next; False where the connection has ended, in whatever way."""
        self.flush()
        try:
            data = await self.reader.read(65_536)
        except ConnectionError:
            data = b""
        for event in self.http.receive_data(data):
            self._note(event)
        return data != b""

    async def wait(self, *responses: Response) -> None:
        while not all(each.ended or each.reset is not None for each in responses):
            assert await self.read(), "the connection ended before the response did"

    async def to_end(self) -> ErrorCodes | int | None:
        """Read until the connection ends, and return the reason that was given for it."""
        while await self.read():
            pass
        return None if self.terminated is None else self.terminated.error_code

    def _note(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=stream_id, headers=headers):
                self.responses[stream_id].headers = {str(name): str(value) for name, value in headers}
            case DataReceived(stream_id=stream_id, data=data):
                self.responses[stream_id].body += data
                if self.reads_windows:
                    self.http.acknowledge_received_data(event.flow_controlled_length, stream_id)
            case StreamEnded(stream_id=stream_id):
                self.responses[stream_id].ended = True
            case StreamReset(stream_id=stream_id, error_code=code):
                self.responses[stream_id].reset = int(code)
            case ConnectionTerminated():
                self.terminated = event
            case _:
                pass


@dataclass
class Service:
    served: Connections
    port: int
    speakers: list[Speaker] = field(default_factory=list)

    async def connect(self, *, alpn: list[str] | None = None) -> Speaker:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2"] if alpn is None else alpn)
        self.speakers.append(Speaker(*await asyncio.open_connection("127.0.0.1", self.port, ssl=context)))
        return self.speakers[-1]

    async def speak(self) -> Speaker:
        return (await self.connect()).begin()


def answer(client: Client, query: Query) -> None:
    client.respond(query, REPLY)


@asynccontextmanager
async def serving(
    own_context: OwnContext, on_query: OnQuery = answer, *, idle_s: float = 30.0
) -> AsyncIterator[Service]:
    bound = socket.create_server(("127.0.0.1", 0))
    served = Connections(
        on_query, make=lambda connections: HttpConnection(connections, PATH), own_context=own_context, idle_s=idle_s
    )
    await served.start(bound)
    service = Service(served, bound.getsockname()[1])
    try:
        yield service
    finally:
        for speaker in service.speakers:
            speaker.writer.transport.abort()
        served.stop()
        await asyncio.sleep(0)


async def serves(service: Service) -> bool:
    """Say whether somebody who comes now is served."""
    speaker = await service.speak()
    response = speaker.get()
    await speaker.wait(response)
    return response.headers[":status"] == "200"


def run(scene: Coroutine[None, None, None]) -> None:
    faults: list[dict[str, object]] = []

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
        await asyncio.wait_for(scene, 60)

    asyncio.run(play())
    assert not faults, faults


# What an honest client gets.


def test_get_and_post_get_the_answer_with_its_type_and_age(own_context: OwnContext) -> None:
    async def scene() -> None:
        async with serving(own_context) as service:
            speaker = await service.speak()
            by_get, by_post = speaker.get(), speaker.post(WIRE)
            await speaker.wait(by_get, by_post)
            for each in (by_get, by_post):
                assert dns.message.from_wire(each.body).answer[0][0].to_text() == "192.0.2.1"
                assert each.headers == {
                    ":status": "200",
                    "content-type": "application/dns-message",
                    "cache-control": "max-age=60",
                    "content-length": str(len(each.body)),
                }
            assert service.served.queries == 2

    run(scene())


def test_a_padded_query_gets_a_padded_answer(own_context: OwnContext) -> None:
    padded = dns.message.make_query("www.example.org", "A", use_edns=0, pad=128).to_wire()

    async def scene() -> None:
        async with serving(own_context) as service:
            speaker = await service.speak()
            response = speaker.post(padded)
            await speaker.wait(response)
            assert len(response.body) == 468

    run(scene())


def test_replies_come_as_they_are_ready(own_context: OwnContext) -> None:
    waiting: asyncio.Queue[tuple[Client, Query]] = asyncio.Queue()

    async def scene() -> None:
        async with serving(own_context, lambda *asked: waiting.put_nowait(asked)) as service:
            speaker = await service.speak()
            first, second = speaker.get(), speaker.get()
            speaker.flush()
            asked = [await waiting.get() for _ in range(2)]
            answer(*asked[1])
            await speaker.wait(second)
            assert not first.ended
            answer(*asked[0])
            await speaker.wait(first)

    run(scene())


def test_as_many_streams_as_are_offered_are_served_at_once(own_context: OwnContext) -> None:
    waiting: asyncio.Queue[tuple[Client, Query]] = asyncio.Queue()

    async def scene() -> None:
        async with serving(own_context, lambda *asked: waiting.put_nowait(asked)) as service:
            speaker = await service.speak()
            responses = [speaker.get() for _ in range(STREAMS_MAX)]
            speaker.flush()
            for _ in responses:
                answer(*await waiting.get())
            await speaker.wait(*responses)
            assert {each.headers[":status"] for each in responses} == {"200"}

    run(scene())


def test_a_query_that_dns_refuses_is_no_error_of_http(own_context: OwnContext) -> None:
    async def scene() -> None:
        async with serving(own_context) as service:
            speaker = await service.speak()
            response = speaker.post(dns.message.make_query("example.org", "AXFR").to_wire())
            await speaker.wait(response)
            assert response.headers[":status"] == "200"
            assert response.headers["cache-control"] == "max-age=0"
            assert dns.message.from_wire(response.body).rcode() == dns.rcode.REFUSED

    run(scene())


def test_what_is_no_query_gets_its_status_in_words_and_the_connection_goes_on(own_context: OwnContext) -> None:
    async def scene() -> None:
        async with serving(own_context) as service:
            speaker = await service.speak()
            no_query = "this is no DNS query (RFC 1035 section 4.1)"
            told = [
                (speaker.get("/"), "404", "DNS is asked at /dns-query"),
                (speaker.get(method="DELETE"), "405", "DNS is asked by GET and POST (RFC 8484 section 4.1)"),
                (speaker.post(WIRE, "text/plain"), "415", "a query has the media type application/dns-message"),
                (speaker.post(b"x" * 5), "400", no_query),
                (speaker.post(b""), "400", no_query),
                (speaker.get(f"{PATH}?dns=%"), "400", '"dns" must be base64url without padding (RFC 8484 section 6)'),
                (speaker.get(f"{PATH}?dns={'A' * 6000}"), "414", "a query has at most 4096 octets here"),
            ]
            last = speaker.get()
            await speaker.wait(*(each for each, _, _ in told), last)
            assert [each.said for each, _, _ in told] == [(status, words) for _, status, words in told]
            assert [each.headers.get("allow") for each, _, _ in told][:3] == [None, "GET, POST", None]
            assert last.headers[":status"] == "200"

    run(scene())


def test_a_body_without_end_is_refused_before_its_end(own_context: OwnContext) -> None:
    async def scene() -> None:
        async with serving(own_context) as service:
            speaker = await service.speak()
            response, honest = speaker.post(b"x" * 60_000), speaker.get()
            await speaker.wait(response, honest)
            assert response.said == ("413", "a query has at most 4096 octets here")
            assert honest.headers[":status"] == "200"

    run(scene())


@pytest.mark.parametrize("alpn", [["http/1.1"], []], ids=["http/1.1", "none"])
def test_http_1_is_refused_in_words(own_context: OwnContext, alpn: list[str]) -> None:
    async def scene() -> None:
        async with serving(own_context) as service:
            speaker = await service.connect(alpn=alpn)
            speaker.writer.write(b"GET /dns-query?dns=AAAA HTTP/1.1\r\nHost: ns.example.org\r\n\r\n")
            told = (await speaker.reader.read()).decode()
            assert told.startswith("HTTP/1.1 505 ")
            assert told.endswith("\r\n\r\nonly HTTP/2 is spoken here (RFC 8484 section 5.2)\n")

    run(scene())


def test_a_connection_on_which_nothing_is_asked_ends_with_a_farewell(own_context: OwnContext) -> None:
    async def scene() -> None:
        async with serving(own_context, idle_s=0.2) as service:
            speaker = await service.speak()
            await speaker.wait(speaker.get())
            assert await speaker.to_end() == ErrorCodes.NO_ERROR

    run(scene())


# Clients that do not read.


def test_a_large_answer_waits_for_the_clients_window(own_context: OwnContext) -> None:
    async def scene() -> None:
        async with serving(own_context, lambda client, query: client.respond(query, LARGE)) as service:
            speaker = await service.speak()
            speaker.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
            responses = [speaker.get(), speaker.get()]
            await speaker.wait(*responses)
            assert all(len(each.body) > 60_000 for each in responses)

    run(scene())


def test_a_client_that_never_opens_its_window_is_closed(
    own_context: OwnContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2, "SLOW_S", 0.2)

    async def scene() -> None:
        async with serving(own_context, lambda client, query: client.respond(query, LARGE)) as service:
            speaker = await service.speak()
            speaker.reads_windows = False
            speaker.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
            response = speaker.get()
            await speaker.to_end()
            assert response.body == b""
            assert await serves_large(service)

    run(scene())


def test_what_a_client_leaves_unread_is_bounded(own_context: OwnContext) -> None:
    async def scene() -> None:
        async with serving(own_context, lambda client, query: client.respond(query, LARGE)) as service:
            speaker = await service.speak()
            speaker.reads_windows = False
            for _ in range(STREAMS_MAX):
                speaker.get()
            await speaker.to_end()
            assert sum(len(each.body) for each in speaker.responses.values()) <= 65_535
            assert service.served.queries < 10

    run(scene())


async def serves_large(service: Service) -> bool:
    speaker = await service.speak()
    response = speaker.get()
    await speaker.wait(response)
    return len(response.body) > 60_000


# Clients that flood.


def test_ten_thousand_resets_end_the_connection_and_ask_little(own_context: OwnContext) -> None:
    asked: list[Client] = []

    async def scene() -> None:
        async with serving(own_context, lambda client, _query: asked.append(client)) as service:
            speaker = await service.speak()
            for _ in range(10_000):
                speaker.get()
                speaker.http.reset_stream(speaker.http.highest_outbound_stream_id)
                speaker.responses.clear()
            assert await speaker.to_end() in (ErrorCodes.ENHANCE_YOUR_CALM, None)  # the kernel may swallow the reason
            assert len(asked) <= WASTE_MAX
            for client in asked:  # late replies go nowhere
                client.respond(Query(id=0, question=QUESTION, cased_qname=QUESTION.qname), REPLY)

    run(scene())


def test_queries_of_streams_that_were_reset_still_count(own_context: OwnContext) -> None:
    waiting: list[tuple[Client, Query]] = []

    async def scene() -> None:
        async with serving(own_context, lambda *asked: waiting.append(asked)) as service:
            speaker = await service.speak()
            dropped = [speaker.get() for _ in range(STREAMS_MAX)]
            speaker.flush()
            while len(waiting) < STREAMS_MAX:
                await asyncio.sleep(0.01)
            (early, *_) = speaker.responses
            speaker.http.reset_stream(early)
            late = speaker.get()
            await speaker.wait(late)
            assert late.reset == ErrorCodes.REFUSED_STREAM
            for client, query in waiting:
                client.respond(query, REPLY)
            again = speaker.get()
            await speaker.wait(*dropped[1:])
            client, query = waiting[-1] if len(waiting) > STREAMS_MAX else await until(waiting, STREAMS_MAX + 1)
            client.respond(query, REPLY)
            await speaker.wait(again)
            assert again.headers[":status"] == "200"

    run(scene())


async def until(waiting: list[tuple[Client, Query]], count: int) -> tuple[Client, Query]:
    while len(waiting) < count:
        await asyncio.sleep(0.01)
    return waiting[-1]


@pytest.mark.parametrize(
    "frame",
    [
        PingFrame(0, b"12345678"),
        SettingsFrame(0),
        SettingsFrame(0, settings={SettingsFrame.HEADER_TABLE_SIZE: 1 << 20}),
        WindowUpdateFrame(0, window_increment=1),
        PriorityFrame(1, depends_on=0, stream_weight=1),
        DataFrame(1, b""),
        DataFrame(1, b"x"),
    ],
    ids=lambda frame: f"{type(frame).__name__}{len(frame.serialize())}",
)
def test_frames_that_ask_nothing_are_not_read_for_ever(own_context: OwnContext, frame: Frame) -> None:
    async def scene() -> None:
        async with serving(own_context) as service:
            speaker = await service.speak()
            if isinstance(frame, DataFrame):
                speaker.http.send_headers(1, MUST)
            speaker.flush(frame.serialize() * 10_000)
            await speaker.to_end()
            assert await serves(service)

    run(scene())


def test_an_honest_client_may_go_on_for_ever(own_context: OwnContext) -> None:
    async def scene() -> None:
        async with serving(own_context) as service:
            speaker = await service.speak()
            for _ in range(3 * WASTE_MAX):
                response = speaker.get()
                speaker.http.ping(b"12345678")
                await speaker.wait(response)

    run(scene())


# Clients that speak something else.

OPENED = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()


def huge_headers() -> bytes:
    speaker = H2Connection(H2Configuration())
    speaker.initiate_connection()
    start = speaker.data_to_send()
    many = [(f"x-{i}", "v" * 100) for i in range(HEADER_OCTETS_MAX // 100)]
    speaker.send_headers(1, [*MUST, *many], end_stream=True)
    return start + speaker.data_to_send()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /dns-query HTTP/1.1\r\n\r\n" + bytes(100),
        OPENED + b"\xff" * 100_000,
        OPENED + HeadersFrame(1, b"\xff\xff\xff", flags=("END_HEADERS",)).serialize(),
        OPENED + DataFrame(7, b"x").serialize(),
        OPENED + RstStreamFrame(9).serialize(),
        OPENED + bytes((255, 255, 255, 0, 0, 0, 0, 0, 1)) + bytes(100_000),
        OPENED + HeadersFrame(1, b"b" * 16_000).serialize() + ContinuationFrame(1, b"b" * 16_000).serialize() * 40,
        huge_headers(),
    ],
    ids="""
        http-1 garbage broken-hpack data-of-no-stream reset-of-no-stream huge-frame endless-headers large-headers
    """.split(),
)
def test_what_is_no_http_2_ends_the_connection_and_nothing_else(own_context: OwnContext, sent: bytes) -> None:
    async def scene() -> None:
        async with serving(own_context) as service:
            speaker = await service.connect()
            speaker.writer.write(sent)
            with suppress(ConnectionError):
                while await speaker.reader.read(65_536):
                    pass
            assert service.served.queries == 0
            assert await serves(service)

    run(scene())


FRAMES = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda kind, flags, stream, body: len(body).to_bytes(3, "big") + bytes((kind, flags, 0, 0, 0, stream)) + body,
        st.integers(0, 12),
        st.integers(0, 255),
        st.integers(0, 9),
        st.binary(max_size=40),
    ),
    st.sampled_from([0, 1, 3]).map(lambda at: huge_headers()[24:][at * 50 : at * 50 + 200]),
)


class Wire(asyncio.Transport):
    """Takes what is written."""

    def __init__(self, spoken: object) -> None:
        super().__init__({"peername": ("127.0.0.1", 5), "ssl_object": spoken})
        self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have none."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: object) -> None:
        """Take it."""

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


@given(frames=st.lists(FRAMES, max_size=12))
def test_no_octets_whatever_raise_anything(frames: list[bytes]) -> None:
    class H2Spoken:
        def selected_alpn_protocol(self) -> str:
            return "h2"

    async def scene() -> None:
        connection = HttpConnection(Connections(answer), PATH)
        connection.connection_made(Wire(H2Spoken()))
        for octets in (OPENED, *frames):
            connection.data_received(octets)
        connection.connection_lost(None)

    asyncio.run(scene())
