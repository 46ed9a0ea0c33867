"""A bad network path for DNS between two programs of a test: a proxy for UDP and TCP that does harm, by a seed.

What it never does is take away the last chance: when it has harmed one exchange of a question, the next few of the same
question go through, so that whoever asks again can have an answer.
"""

import asyncio
import random
import socket
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Self

import dns.exception
import dns.flags
import dns.message

from bound_sockets import bound_pair
from standfast.dns.servers import Server

SPARED: Final = 4  # exchanges of a question that go through after one that was harmed: what a guard tries in 4 s
FLOWS_MAX: Final = 4096  # clients by UDP that are remembered; the longest unused goes
QUESTIONS_MAX: Final = 10_000  # that are remembered as harmed
MESSAGE_MAX: Final = 65_535
START_TIMEOUT_S: Final = 20.0
HEADER_OCTETS: Final = 12
_TC: Final = 0x02  # in the third octet of a message


class Spoil(Enum):
    """Which octets of a message may change."""

    FRAME = "header and question"  # of a record, nobody could tell without a signature
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares of exchanges, from 0 to 1, that something happens to; delays in seconds.

    `lost`: the query or the answer; by TCP that hangs, or resets the connection. `spoilt`: octets of either change.
    Every message is delayed by up to `jitter_s`, so that they overtake each other, and `late` answers by `late_s`.
    `cut` answers by UDP come truncated. `twice`: the query or the answer. `stray`: a spoilt copy of the query comes
    with it, from somewhere else.
    """

    lost: float = 0.0
    spoilt: float = 0.0
    spoil: Spoil = Spoil.FRAME
    jitter_s: float = 0.0
    late: float = 0.0
    late_s: float = 0.0
    cut: float = 0.0
    twice: float = 0.0
    stray: float = 0.0


CLEAN: Final = Faults()


@dataclass(frozen=True, slots=True)
class _Fate:
    """What is to happen to one exchange."""

    faults: Faults = CLEAN
    query: str = ""  # "", "lost", "spoilt" or "twice"
    answer: str = ""
    late: bool = False
    cut: bool = False
    stray: bool = False


@dataclass(slots=True)
class _Flow:
    """A client by UDP, and the socket that stands for it before the server."""

    client: tuple[str, int]
    socket: socket.socket
    fates: dict[bytes, _Fate] = field(default_factory=dict)  # by ID


class Path:
    """The path to `server`, from entering to leaving; programs are to use `address` in its place.

    `faults` may be changed at any time; `did` counts them. `clients_apart`: what two clients ask is never one question.
    """

    def __init__(self, server: Server, *, seed: int, faults: Faults = CLEAN, clients_apart: bool = False) -> None:
        self.faults = faults
        self.did: Counter[str] = Counter()
        self._server = server
        self._rng = random.Random(seed)
        self._clients_apart = clients_apart
        self._udp, self._tcp = bound_pair()
        self.address = Server(*self._udp.getsockname())
        self._flows: OrderedDict[tuple[str, int], _Flow] = OrderedDict()
        self._streams: list[list[asyncio.StreamWriter]] = []
        self._spared: OrderedDict[Hashable, int] = OrderedDict()
        self._troubles: list[dict[str, object]] = []  # of the proxy itself
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _loop, trouble: self._troubles.append(trouble))
        self._thread = threading.Thread(target=self._loop.run_forever, name="path")

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(START_TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(START_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_TIMEOUT_S)
        self._loop.close()
        assert not self._troubles, self._troubles

    async def _start(self) -> None:
        self._udp.setblocking(False)
        self._loop.add_reader(self._udp, self._from_client)
        self._accepting = await asyncio.start_server(self._carry_stream, sock=self._tcp)

    async def _stop(self) -> None:
        self._accepting.close()
        self._loop.remove_reader(self._udp)
        self._udp.close()
        while self._flows:
            self._end(self._flows.popitem()[1])
        for ends in self._streams:
            _abort(ends)  # and their tasks come to an end
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    # Fate -----------------------------------------------------------------------------------------------------

    def _draw(self, query: bytes, client: Hashable) -> _Fate:
        faults, chance = self.faults, self._rng.random
        harm = "lost" if chance() < faults.lost else "spoilt" if chance() < faults.spoilt else ""
        if harm and not self._may_harm(query, client):
            harm = ""
        what = harm or ("twice" if chance() < faults.twice else "")
        to_query = chance() < 0.5
        fate = _Fate(
            faults=faults,
            query=what if to_query else "",
            answer="" if to_query else what,
            late=chance() < faults.late,
            cut=chance() < faults.cut,
            stray=chance() < faults.stray,
        )
        done = {what: what, "late": fate.late, "cut": fate.cut, "stray": fate.stray}
        self.did.update(fault for fault, is_done in done.items() if is_done)
        return fate

    def _may_harm(self, query: bytes, client: Hashable) -> bool:
        try:
            message = dns.message.from_wire(query)
        except dns.exception.DNSException:
            return False
        asked = [(rrset.name, rrset.rdtype) for rrset in message.question]
        flags = (message.flags & dns.flags.CD, message.ednsflags & dns.flags.DO)
        key = (*asked, *flags, client if self._clients_apart else None)
        left = self._spared.pop(key, 0)
        if left == 0 and len(self._spared) >= QUESTIONS_MAX:
            self._spared.popitem(last=False)
        self._spared[key] = left - 1 if left else SPARED
        return left == 0

    def _after(self, fate: _Fate, send: Callable[[], None], *, answer: bool = False) -> None:
        delay_s = self._rng.random() * fate.faults.jitter_s
        if answer and fate.late:
            delay_s += fate.faults.late_s
        self._loop.call_later(delay_s, send)

    def _spoilt(self, message: bytes, spoil: Spoil) -> bytes:
        end = _question_end(message) if spoil is Spoil.FRAME else len(message)
        spoilt = bytearray(message)
        for _ in range(self._rng.randint(1, 3)):
            spoilt[self._rng.randrange(end)] ^= self._rng.randint(1, 255)
        return bytes(spoilt)

    def _cut(self, answer: bytes) -> bytes:
        """Return `answer` with TC set and without its records, or as old servers do it, ended in the middle of one."""
        flagged = answer[:2] + bytes([answer[2] | _TC]) + answer[3:]
        if self._rng.random() < 0.5:
            return flagged[:-1]
        return flagged[:6] + bytes(6) + flagged[HEADER_OCTETS : _question_end(answer)]

    # By UDP ---------------------------------------------------------------------------------------------------

    def _from_client(self) -> None:
        query, client = self._udp.recvfrom(MESSAGE_MAX)
        flow = self._flow(client)
        fate = flow.fates[query[:2]] = self._draw(query, client)
        if fate.stray:
            self._stray(self._spoilt(query, Spoil.ANY))
        if fate.query == "lost":
            return
        if fate.query == "spoilt":
            query = self._spoilt(query, fate.faults.spoil)
        for _ in range(2 if fate.query == "twice" else 1):
            self._after(fate, lambda: _send(flow.socket, query))

    def _from_server(self, flow: _Flow) -> None:
        with suppress(OSError):
            answer = flow.socket.recv(MESSAGE_MAX)
            fate = flow.fates.get(answer[:2], _Fate())
            if fate.answer == "lost":
                return
            if fate.answer == "spoilt":
                answer = self._spoilt(answer, fate.faults.spoil)
            if fate.cut:
                answer = self._cut(answer)
            for _ in range(2 if fate.answer == "twice" else 1):
                self._after(fate, lambda: _send(self._udp, answer, flow.client), answer=True)

    def _flow(self, client: tuple[str, int]) -> _Flow:
        flow = self._flows.pop(client, None)
        if flow is None:
            opened = socket.socket(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            opened.connect((self._server.host, self._server.port))
            flow = _Flow(client, opened)
            self._loop.add_reader(opened, self._from_server, flow)
            if len(self._flows) >= FLOWS_MAX:
                self._end(self._flows.popitem(last=False)[1])
        self._flows[client] = flow
        return flow

    def _end(self, flow: _Flow) -> None:
        self._loop.remove_reader(flow.socket)
        flow.socket.close()

    def _stray(self, message: bytes) -> None:
        with socket.socket(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as elsewhere:
            elsewhere.sendto(message, (self._server.host, self._server.port))

    # By TCP ---------------------------------------------------------------------------------------------------

    async def _carry_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        self._streams.append(ends)
        try:
            onward, back = await asyncio.open_connection(self._server.host, self._server.port)
            ends.append(back)
            fates: dict[bytes, _Fate] = {}
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry_queries(reader, ends, fates))
                both.create_task(self._carry_answers(onward, ends, fates))
        except OSError:
            pass  # the server is not there
        finally:
            self._streams.remove(ends)
            _abort(ends)

    def _lose(self, ends: list[asyncio.StreamWriter], others: dict[bytes, _Fate]) -> None:
        """Reset the connection, or let it hang: there is no harm meant to the others that are under way on it."""
        if not others and self._rng.random() < 0.5:
            _abort(ends)

    async def _carry_queries(
        self, reader: asyncio.StreamReader, ends: list[asyncio.StreamWriter], fates: dict[bytes, _Fate]
    ) -> None:
        client = ends[0].get_extra_info("peername")
        while query := await _message(reader, ends[1]):
            fate = fates[query[:2]] = self._draw(query, client)
            if fate.query == "lost":
                del fates[query[:2]]
                self._lose(ends, fates)
                continue
            if fate.query == "spoilt":
                query = self._spoilt(query, fate.faults.spoil)
            framed = len(query).to_bytes(2, "big") + query
            self._after(fate, lambda framed=framed: ends[1].write(framed))  # type: ignore[misc]

    async def _carry_answers(
        self, reader: asyncio.StreamReader, ends: list[asyncio.StreamWriter], fates: dict[bytes, _Fate]
    ) -> None:
        while answer := await _message(reader, ends[0]):
            fate = fates.get(answer[:2], _Fate())
            if fate.answer == "lost":
                del fates[answer[:2]]
                self._lose(ends, fates)
                continue
            ident = answer[:2]
            if fate.answer == "spoilt":
                answer = self._spoilt(answer, fate.faults.spoil)
            framed = len(answer).to_bytes(2, "big") + answer

            def send(ident: bytes = ident, framed: bytes = framed) -> None:
                fates.pop(ident, None)
                half = self._rng.randrange(1, len(framed))
                for part in (framed[:half], framed[half:]):  # in two segments, as it may come
                    ends[0].write(part)

            self._after(fate, send, answer=True)


def _question_end(message: bytes) -> int:
    return message.index(b"\0", HEADER_OCTETS) + 5


async def _message(reader: asyncio.StreamReader, other: asyncio.StreamWriter) -> bytes:
    """Return the next message, or nothing where there is none any more, which the `other` end is told."""
    try:
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    except (asyncio.IncompleteReadError, OSError):
        other.transport.abort()
        return b""


def _abort(ends: list[asyncio.StreamWriter]) -> None:
    for end in ends:
        end.transport.abort()


def _send(sock: socket.socket, message: bytes, *to: tuple[str, int]) -> None:
    with suppress(OSError):  # the other side is not there just now, or this one has ended
        sock.sendto(message, *to) if to else sock.send(message)
