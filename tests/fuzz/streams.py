"""Laws of streams: what comes over connections, in whatever pieces, from clients, upstreams, operators, monitoring."""

import asyncio
import http.client
import io
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection

from fuzz.messages import EVERYTHING, OUTBOUND, REPLIES
from fuzz.target import Target
from guard_world import START_S, World, a
from standfast.dns.codec import Rejected, decode_query, encode_outbound, encode_rejected, encode_response
from standfast.dns.exchange import Heard
from standfast.dns.model import Query
from standfast.guard.events import Server
from standfast.io import connections, control, pages
from standfast.io.clock import SteadyClock
from standfast.io.commands import Commands
from standfast.io.upstream_http2 import HttpsPipeline
from standfast.io.upstream_messages import NOT_OURS_MAX, Answer, MessagePipeline, Pipeline

PIECES_MAX: Final = 64  # that a stream is cut into; more finds nothing new
SENT_MAX: Final = 1_000  # octets of a few control frames
T = TypeVar("T")


def client_tcp(octets: bytes) -> None:
    """However a client's octets are cut into pieces, each whole query in them gets its one response.

    The input: the size of a piece, whether replies wait until all was sent, and the stream.
    """
    size, late, stream = _head(octets)
    sent, closed = _run(_talk(_pieces(stream, size), late=bool(late & 1)))
    expected, ends = _responses(stream)
    got = Counter(_messages(sent))
    assert got == Counter(expected) or (ends and got <= Counter(expected))  # what is no query ends the connection
    assert closed or not ends


def upstream_stream(octets: bytes) -> None:
    """However an upstream's octets are cut into pieces, the same answers are read, each query's one at most."""
    _same_in_pieces(octets, MessagePipeline)


def upstream_http2(octets: bytes) -> None:
    """The same of HTTP/2, whose rules an upstream may break in any way; what we send back stays in proportion."""
    _same_in_pieces(octets, lambda: HttpsPipeline("dns.example.org", "/dns-query"))


def control_request(line: bytes) -> None:
    """Whatever line an operator's program sends, it gets one JSON object: a result, or an error that is its own."""
    response = _run(_control().answered(line))
    json.dumps(response)
    assert response["standfast"] == 1
    assert response.keys() - {"standfast"} in ({"result"}, {"error"})
    error = response.get("error")
    assert error is None or error["code"] != "internal", error


def page_request(octets: bytes) -> None:
    """Whatever a monitoring system sends gets a response that Python's own client can read, or is cut off."""
    try:
        response = _run(_paged(octets))
    except asyncio.IncompleteReadError:
        assert b"\r\n\r\n" not in octets
        return
    method = octets.partition(b" ")[0].decode("latin-1")
    read = http.client.HTTPResponse(_Socket(response), method=method)  # type: ignore[arg-type]
    read.begin()
    body = read.read()
    assert read.status in (200, 400, 404, 405, 431)
    assert (body == b"fine\n") == (read.status == 200 and method != "HEAD")
    assert len(body) == (0 if method == "HEAD" else int(read.headers["Content-Length"]))


def _same_in_pieces(octets: bytes, make: Callable[[], Pipeline]) -> None:
    """The input: the size of a piece, how many queries were put, and what the server sends."""
    size, queries, stream = _head(octets)
    found = []
    for pieces in ([stream], _pieces(stream, size)):
        pipeline = make()
        keys = {pipeline.put(replace(OUTBOUND, id=number)) for number in range(7, 7 + queries % 4 + 1)}
        pipeline.to_send()
        answers: list[tuple[int, Answer]] = []
        for piece in pieces:
            if pipeline.ended is None:  # then the connection is closed
                answers += pipeline.receive(piece)
        assert len({key for key, _ in answers}) == len(answers)
        assert {key for key, _ in answers} <= keys
        assert len(pipeline.to_send()) <= SENT_MAX + 2 * len(stream)
        heard = [(key, answer) for key, answer in answers if isinstance(answer, Heard)]
        found.append((heard, pipeline.ended is not None))
    (at_once, ended), (in_pieces, ended_too) = found
    assert ended is ended_too
    # What stands before a breach of the rules may be lost with it, and is then asked again over another connection.
    assert at_once == (in_pieces[: len(at_once)] if ended else in_pieces)


# The client's side of TCP --------------------------------------------------------------------------------------------


class _Transport(asyncio.Transport):
    """The near end of a connection: keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5300) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _talk(pieces: Iterable[bytes], *, late: bool) -> tuple[bytes, bool]:
    waiting: list[tuple[Any, Query]] = []
    served = connections.Connections(lambda client, query: waiting.append((client, query)))
    transport, connection = _Transport(), connections.FramedConnection(served)
    connection.connection_made(transport)

    async def reply() -> None:
        while waiting:
            client, query = waiting.pop()
            client.respond(query, REPLIES[0])
            await asyncio.sleep(0)

    for piece in pieces:
        if not transport.closed:
            connection.data_received(piece)
        if not late:
            await reply()
    await reply()
    closed = transport.closed
    connection.connection_lost(None)
    return bytes(transport.written), closed


def _responses(stream: bytes) -> tuple[list[bytes], bool]:
    """Return what the whole messages in `stream` are answered with, and whether one ends the connection."""
    found: list[bytes] = []
    for message in _messages(stream):
        match decode_query(message):
            case Query() as query:
                found.append(encode_response(query, REPLIES[0], tcp=True))
            case Rejected() as rejected:
                found.append(encode_rejected(rejected))
            case None:
                return found, True
    return found, False


def _messages(stream: bytes) -> Iterator[bytes]:
    at = 0
    while at + 2 <= len(stream):
        end = at + 2 + int.from_bytes(stream[at : at + 2], "big")
        if end > len(stream):
            return
        yield stream[at + 2 : end]
        at = end


# Operators and monitoring --------------------------------------------------------------------------------------------


class _Control:
    """A control server whose commands look into a real resolver; none of those that need a disk are served."""

    def __init__(self) -> None:
        world = World()
        world.serve(a("www.example.org.", "192.0.2.1"))
        world.look_up("www.example.org.")
        unused: Any = None
        commands = Commands(
            world.core,
            unused,
            clock=SteadyClock(wall=lambda: START_S),
            store=unused,
            ledger=unused,
            ledger_path=Path("ledger.jsonl"),
            about={},
        )
        self._server = control.ControlServer(Path("state"), {"names": commands.names, "explain": commands.explain})

    async def answered(self, line: bytes) -> dict[str, Any]:
        return await self._server._answer(line)


@cache
def _control() -> _Control:
    return _Control()


async def _paged(octets: bytes) -> bytes:
    server = pages.PageServer(Server("127.0.0.1", 0), {"/fine": lambda: pages.Page(body=b"fine\n")})
    reader = asyncio.StreamReader(limit=pages.REQUEST_OCTETS_MAX)
    reader.feed_data(octets)
    reader.feed_eof()
    return await server._exchange(reader)


class _Socket:
    """As much of a socket as a response of `http.client` is read from."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._octets)


# What the laws begin from --------------------------------------------------------------------------------------------


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _run(work: Coroutine[Any, Any, T]) -> T:
    return _loop().run_until_complete(work)


def _head(octets: bytes) -> tuple[int, int, bytes]:
    head = octets[:2].ljust(2, b"\0")
    return head[0], head[1], octets[2:]


def _pieces(stream: bytes, size: int) -> list[bytes]:
    step = max(size, 1, len(stream) // PIECES_MAX + 1)
    return [stream[at : at + step] for at in range(0, len(stream), step)]


def _framed(*wires: bytes) -> bytes:
    return b"".join(len(wire).to_bytes(2, "big") + wire for wire in wires)


def _client_streams() -> Iterator[bytes]:
    query = encode_outbound(OUTBOUND)
    yield b"\x05\x00" + _framed(query, query, query[:20], b"")
    yield b"\x01\x01" + _framed(*[query] * 70)
    yield b"\xff\x00" + _framed(query, query[:2] + b"\x80" + query[3:], query)


def _upstream_streams() -> Iterator[bytes]:
    wires = [encode_response(replace(EVERYTHING, id=number), REPLIES[1], tcp=True) for number in range(6, 12)]
    yield b"\x09\x03" + _framed(*wires)
    yield b"\x09\x03" + _framed(*wires[::-1], wires[0])
    yield b"\x40\x01" + _framed(*[wires[0]] * (NOT_OURS_MAX + 1))


def _http2_streams() -> Iterator[bytes]:
    for status, media_type in (("200", "application/dns-message"), ("404", "text/html")):
        pipeline = HttpsPipeline("dns.example.org", "/dns-query")
        keys = [pipeline.put(replace(OUTBOUND, id=number)) for number in (7, 8)]
        server = H2Connection(H2Configuration(client_side=False))
        server.initiate_connection()
        server.receive_data(pipeline.to_send())
        for key in keys:
            body = encode_response(replace(EVERYTHING, id=0), REPLIES[1], tcp=True)
            fields = [(":status", status), ("content-type", media_type), ("age", "5")]
            server.send_headers(key, fields)
            server.send_data(key, body, end_stream=True)
        server.ping(bytes(8))
        server.close_connection()
        yield b"\x20\x01" + server.data_to_send()


def _requests() -> Iterator[bytes]:
    for method, params in (
        ("names", {"held": True, "limit": 3}),
        ("explain", {"name": "www.example.org", "type": "TYPE65"}),
        ("explain", {"name": "Www.example.org."}),
        ("status", {}),
    ):
        yield json.dumps({"standfast": 1, "method": method, "params": params}).encode() + b"\n"


STREAMS: Final = {
    "client-tcp": Target(law=client_tcp, seeds=_client_streams),
    "upstream-stream": Target(law=upstream_stream, seeds=_upstream_streams),
    "upstream-http2": Target(law=upstream_http2, seeds=_http2_streams),
    "control": Target(law=control_request, seeds=_requests),
    "page": Target(
        law=page_request,
        seeds=lambda: (
            b"GET /fine HTTP/1.1\r\nHost: a\r\n\r\n",
            b"HEAD /fine?a=b HTTP/1.0\r\n\r\n",
            b"PUT / HTTP/1.1\r\n\r\n",
        ),
    ),
}
