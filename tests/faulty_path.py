"""A path to a DNS server over TCP on which messages are held up, lost, doubled or cut off, as a script says."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Final

from standfast.dns.servers import Server

LENGTH_OCTETS: Final = 2


class Fault(Enum):
    """What becomes of one message and its answer."""

    NONE = auto()
    CUT_BEFORE = auto()  # it never arrives, and the connection ends
    CUT_AFTER = auto()  # it arrives, and the connection ends in place of the answer
    SILENT = auto()  # it arrives, and no answer comes back while anybody waits
    TWICE = auto()  # it arrives a second time, and so does an answer, that to the second before that to the first
    HELD = auto()  # it arrives when it is let go, whoever still waits for an answer by then
    HALF_AN_ANSWER = auto()


class FaultyPath:
    """Listens on loopback, and hands messages on to a server, each by the next fault of `script`, then without any."""

    def __init__(self, to: Server) -> None:
        self.server = Server("127.0.0.1", 0)  # where it listens
        self.script: list[Fault] = []
        self.arrived = asyncio.Event()  # a message came that is held up
        self.let_go = asyncio.Event()
        self.answers: list[bytes] = []  # of the server, in order
        self._to = to
        self._held: list[asyncio.Task[None]] = []

    async def all_delivered(self) -> None:
        """Let go what is held up, and wait until the server has answered it."""
        self.let_go.set()
        await asyncio.gather(*self._held)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                message = await _message(reader)
                fault = self.script.pop(0) if self.script else Fault.NONE
                for answer in await self._answers(message, fault):
                    writer.write(answer)
                if fault in (Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.HALF_AN_ANSWER):
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
            case Fault.HELD:
                self._held.append(asyncio.create_task(self._later(message)))
                self.arrived.set()
                return []
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
        reader, writer = await asyncio.open_connection(self._to.host, self._to.port)
        try:
            writer.write(message)
            answer = await _message(reader)
        finally:
            writer.close()
        self.answers.append(answer)
        return answer


@asynccontextmanager
async def faulty_path(to: Server, *script: Fault) -> AsyncIterator[FaultyPath]:
    """Have a path to `to` that does what `script` says."""
    path = FaultyPath(to)
    path.script = [*script]
    listening = await asyncio.start_server(path._serve, "127.0.0.1", 0)
    path.server = Server("127.0.0.1", listening.sockets[0].getsockname()[1])
    try:
        yield path
    finally:
        listening.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(LENGTH_OCTETS)
    return length + await reader.readexactly(int.from_bytes(length, "big"))
