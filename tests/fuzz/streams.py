"""Laws of streams: what comes over connections, in whatever pieces, from clients, upstreams, workers and operators."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from fuzz.messages import EVERYTHING, OUTBOUND, REPLIES
from fuzz.near_end import Transport, head, pieces, run, same_in_pieces
from fuzz.target import Target
from guard_world import START_S, World, a
from standfast.dns.codec import Rejected, decode_query, encode_outbound, encode_rejected, encode_response
from standfast.dns.model import Query
from standfast.io.clients import connections
from standfast.io.clients.batch import Datagram
from standfast.io.clients.limits import Admission
from standfast.io.clock import SteadyClock
from standfast.io.commands import server as control
from standfast.io.commands.commands import Commands
from standfast.io.upstreams.messages import NOT_OURS_MAX, MessagePipeline
from standfast.io.workers.link import (
    Asked,
    Prepare,
    Void,
    decode_asked,
    decode_to_worker,
    encode_asked,
    encode_to_worker,
)


def client_tcp(octets: bytes) -> None:
    """However a client's octets are cut into pieces, each whole query in them gets its one response.

    The input: the size of a piece, whether replies wait until all was sent, and the stream.
    """
    size, late, stream = head(octets)
    sent, closed = run(_talk(pieces(stream, size), late=bool(late & 1)))
    expected, ends = _responses(stream)
    got = Counter(_messages(sent))
    assert got == Counter(expected) or (ends and got <= Counter(expected))  # what is no query ends the connection
    assert closed or not ends


def upstream_stream(octets: bytes) -> None:
    """However an upstream's octets are cut into pieces, the same answers are read, each query's one at most."""
    same_in_pieces(octets, MessagePipeline)


def worker_link(octets: bytes) -> None:
    """Whatever clients send, a worker's messages bring it to the guard as it came, and the guard's answers back."""
    size, way, stream = head(octets)
    addresses = (("192.0.2.1", size), ("2001:db8::1", size, 0, way))
    datagrams = [
        Datagram(piece, addresses[n % 2], [(0, 8, piece[:12])] if n % 3 else None)
        for n, piece in enumerate(pieces(stream, size))
    ]
    asked = [Asked(n % 4, datagram, tuple(Admission)[way % len(Admission)]) for n, datagram in enumerate(datagrams)]
    assert list(decode_asked(encode_asked(asked))) == asked
    message = Prepare(query=stream[:way], answer=stream[way:], stored_at_s=1.5, expires_at_s=2.0**31, now=float(size))
    assert decode_to_worker(encode_to_worker(message)) == message
    assert decode_to_worker(encode_to_worker(Void(stream))) == Void(stream)


def control_request(line: bytes) -> None:
    """Whatever line an operator's program sends, it gets one JSON object: a result, or an error that is its own."""
    response = run(_control().answered(line))
    json.dumps(response)
    assert response["standfast"] == 1
    assert response.keys() - {"standfast"} in ({"result"}, {"error"})
    error = response.get("error")
    assert error is None or error["code"] != "internal", error


# The client's side of TCP --------------------------------------------------------------------------------------------


async def _talk(parts: Iterable[bytes], *, late: bool) -> tuple[bytes, bool]:
    waiting: list[tuple[Any, Query]] = []
    served = connections.Connections(lambda client, query: waiting.append((client, query)))
    transport, connection = Transport(), connections.FramedConnection(served)
    connection.connection_made(transport)

    async def reply() -> None:
        while waiting:
            client, query = waiting.pop()
            client.respond(query, REPLIES[0])
            await asyncio.sleep(0)

    for piece in parts:
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


# What the laws begin from --------------------------------------------------------------------------------------------


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
    "worker-link": Target(law=worker_link, seeds=_client_streams),
    "control": Target(law=control_request, seeds=_requests),
}
