"""A path to a server over TCP on which messages are held up, lost, doubled or cut off, as a script says."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from typing import Final

from standfast.dns.servers import Server

LENGTH_OCTETS: Final = 2
GIVEN_UP_S: Final = 1.0  # for a server to see that a message ends within, where it closes nothing for it
ANSWERED_S: Final = 20.0  # by a server that works, however busy its machine is

Reads = Callable[[asyncio.StreamReader], Awaitable[bytes]]
"""Reads one whole message, of DNS over TCP or of HTTP."""


class Fault(Enum):
    """What becomes of one message and its answer."""

    NONE = auto()
    CUT_BEFORE = auto()  # it never arrives, and the connection ends
    CUT_WITHIN = auto()  # half of it arrives, and all connections end
    CUT_AFTER = auto()  # it arrives, and the connection ends in place of the answer
    SILENT = auto()  # it arrives, and no answer comes back while anybody waits
    TWICE = auto()  # it arrives a second time, and so does an answer, that to the second before that to the first
    HELD = auto()  # it arrives when it is let go, whoever still waits for an answer by then
    PAUSED = auto()  # it arrives when it is let go, and so does its answer
    HALF_AN_ANSWER = auto()
    BUSY = auto()  # it never arrives, and the answer is that of the server that is busy


class FaultyPath:
    """Listens on loopback, and hands messages on to a server, each by the next fault of `script`, then without any."""

    def __init__(self, to: Server, reads: Reads, busy: bytes) -> None:
        self.server = Server("127.0.0.1", 0)  # where it listens
        self.script: list[Fault] = []
        self.arrived = asyncio.Event()  # a message came that is held up
        self.let_go = asyncio.Event()
        self.answers: list[bytes] = []  # of the server, in order
        self._to = to
        self._reads = reads
        self._busy = busy
        self._held: list[asyncio.Task[None]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._handing: set[asyncio.Task[bytes]] = set()

    async def end(self) -> None:
        """Cut all connections, when the server has answered what is with it."""
        if self._handing:
            await asyncio.wait(self._handing, timeout=ANSWERED_S)
        for task in (*self._serving, *self._held):
            task.cancel()
        await asyncio.gather(*self._serving, *self._held, return_exceptions=True)

    async def all_delivered(self) -> None:
        """Let go what is held up, and wait until the server has answered it."""
        self.let_go.set()
        await asyncio.gather(*self._held)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                message = await self._reads(reader)
                fault = self.script.pop(0) if self.script else Fault.NONE
                for answer in await self._answers(message, fault):
                    writer.write(answer)
                if fault in (Fault.CUT_BEFORE, Fault.CUT_WITHIN, Fault.CUT_AFTER, Fault.HALF_AN_ANSWER):
                    await writer.drain()
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answers(self, message: bytes, fault: Fault) -> Sequence[bytes]:
        match fault:
            case Fault.CUT_BEFORE:
                return []
            case Fault.CUT_WITHIN:
                await self._half(message)
                return []
            case Fault.BUSY:
                return [self._busy]
            case Fault.HELD:
                self._held.append(asyncio.create_task(self._later(message)))
                self.arrived.set()
                return []
            case Fault.PAUSED:
                self.arrived.set()
                await self.let_go.wait()
            case Fault.TWICE:
                first = await self._handed_on(message)
                return [await self._handed_on(message), first]
        answer = await self._handed_on(message)
        match fault:
            case Fault.CUT_AFTER | Fault.SILENT:
                return []
            case Fault.HALF_AN_ANSWER:
                return [answer[: len(answer) // 2]]
        return [answer]

    async def _later(self, message: bytes) -> None:
        await self.let_go.wait()
        await self._handed_on(message)

    async def _handed_on(self, message: bytes) -> bytes:
        """Have the server answer, whoever waits for it."""
        task = asyncio.create_task(self._exchange(message))
        self._handing.add(task)
        task.add_done_callback(self._handing.discard)
        return await asyncio.shield(task)

    async def _half(self, message: bytes) -> None:
        reader, writer = await asyncio.open_connection(self._to.host, self._to.port)
        writer.write(message[: len(message) // 2])
        writer.write_eof()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(GIVEN_UP_S):
                await reader.read()  # until the server has given up, and whatever it says
        writer.close()

    async def _exchange(self, message: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._to.host, self._to.port)
        try:
            writer.write(message)
            answer = await self._reads(reader)
        finally:
            writer.close()
        self.answers.append(answer)
        return answer


async def dns_message(reader: asyncio.StreamReader) -> bytes:
    """Read a message of DNS with its length."""
    length = await reader.readexactly(LENGTH_OCTETS)
    return length + await reader.readexactly(int.from_bytes(length, "big"))


async def http_message(reader: asyncio.StreamReader) -> bytes:
    """Read a request or response of HTTP/1.1 with a body of a known length, or none."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    return head + await reader.readexactly(int(length[1]) if length else 0)


@asynccontextmanager
async def faulty_path(
    to: Server, *script: Fault, reads: Reads = dns_message, busy: bytes = b""
) -> AsyncIterator[FaultyPath]:
    """Have a path to `to` that does what `script` says; `busy` is what a server says that is."""
    path = FaultyPath(to, reads, busy)
    path.script = [*script]
    listening = await asyncio.start_server(path.accept, "127.0.0.1", 0)
    path.server = Server("127.0.0.1", listening.sockets[0].getsockname()[1])
    try:
        yield path
    finally:
        listening.close()
        await path.end()
