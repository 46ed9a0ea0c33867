"""One message to a server over a TCP connection of its own, signed, and its answer. Decides nothing.

What went wrong before anything was sent, and after, are two things: after it, the server may have done what it was
asked for.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from standfast.dns.codec import QR
from standfast.dns.model import rcode_name
from standfast.dns.requests import Message, read_message
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigError, TsigFault, TsigKey, Verified, sign, verify
from standfast.dns.wire import WireError
from standfast.io.faults import in_words
from standfast.values import value

CONNECT_S: Final = 10.0
ANSWER_S: Final = 30.0  # to one message; a server may have two thousand records to write to a database
READ_OCTETS: Final = 1 << 16  # taken from a connection at once
LENGTH_OCTETS: Final = 2  # before each message (RFC 1035 section 4.2.2)


@value
class Unsent:
    """The server was not reached, and knows nothing of it."""

    why: str


@value
class Unanswered:
    """It was sent, and no answer came that is proven to be the server's: what became of it nobody knows."""

    why: str


async def ask(
    server: Server,
    wire: bytes,
    key: TsigKey | None,
    *,
    wall: Callable[[], float],
    answer_s: float = ANSWER_S,
    meanwhile: Callable[[], None] = lambda: None,
) -> Message | Unsent | Unanswered:
    """Send `wire`, signed where there is a key, and return the answer to it.

    Args:
        server: where to.
        wire: the message without signature.
        key: that the server shares.
        wall: the time of the world, in seconds since the epoch, as signatures need it.
        answer_s: how long is waited for the answer once it is sent, in seconds.
        meanwhile: done while the server works on it; it must not raise.

    Raises:
        WireError: it would be longer than a message can be, with its signature.
    """
    signed = None if key is None else sign(wire, key, now=wall())
    sent = False
    try:
        async with connection(server) as (reader, writer):
            sent = True  # from the first octet on
            send(writer, wire if signed is None else signed.wire)
            meanwhile()
            async with asyncio.timeout(answer_s):
                size = int.from_bytes(await reader.readexactly(LENGTH_OCTETS), "big")
                answer = await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return Unanswered(why="it closed the connection without an answer")
    except OSError as error:
        return Unanswered(why=unreached(error)) if sent else Unsent(why=unreached(error))
    if key is not None and signed is not None:
        verified = verify(answer, {key.name: key}, now=wall(), request_mac=signed.mac)
        if not isinstance(verified, Verified):
            return Unanswered(why=about_signature(answer, verified))
        answer = verified.wire
    return _answer(wire, answer)


@asynccontextmanager
async def connection(server: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to `server`, and close without waiting for what is on the way.

    Raises:
        OSError: it cannot be reached, within `CONNECT_S` seconds.
    """
    async with asyncio.timeout(CONNECT_S):
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=READ_OCTETS)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def send(writer: asyncio.StreamWriter, wire: bytes) -> None:
    """Send one message."""
    writer.write(len(wire).to_bytes(LENGTH_OCTETS, "big") + wire)


def about_signature(wire: bytes, fault: TsigFault | None) -> str:
    """Say what is wrong with a signature, or what its sender says is wrong with ours (RFC 8945 section 5.3.2)."""
    if fault is not None and fault.said in _TSIG_ERRORS:
        return f"it says of our signature: {_TSIG_ERRORS[fault.said]}"
    what = f"its signature is not right ({fault.error.name})" if fault and fault.name else "its answer is not signed"
    rcode = wire[3] & 0xF if len(wire) > 3 else 0
    return f"{what}; it says {rcode_name(rcode)}" if rcode else what


def unreached(error: OSError) -> str:
    """Say what came in between."""
    timed_out = isinstance(error, TimeoutError) and error.errno is None
    return "it is silent" if timed_out else in_words(error)


def _answer(asked: bytes, wire: bytes) -> Message | Unanswered:
    try:
        found = read_message(wire)
    except WireError as error:
        return Unanswered(why=f"its answer is malformed: {error.reason}")
    same_opcode = len(wire) > 2 and wire[2] & 0x78 == asked[2] & 0x78
    if wire[:2] != asked[:2] or not found.flags & QR or not same_opcode:
        return Unanswered(why="an answer to something that was not asked")
    return found


_TSIG_ERRORS: Final = {error.value: error.name for error in TsigError}
