"""Clients that ask a guard all the time, keep what became of every question, and say in words what broke.

Each does what a common stub resolver does: 5 s to a try, 2 tries, the same ID on the same socket.
"""

import asyncio
import random
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Self, cast

import dns.flags

from chaos.judging import Judged, judge
from chaos.names import COLD, LEARNED, absent, kind_of
from standfast.dns.servers import Server

WAIT_MAX_S: Final = 100.0  # for anything that takes a second or two where the machine has nothing else to do
BROKEN_SHOWN_MAX: Final = 12
ID_STEP: Final = 40_503  # odd, so that all 65,536 IDs have their turn
_TYPE_A: Final = b"\0\x01\0\x01"
_OPT: Final = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
_OPT_DO: Final = b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """How long a client waits for each of its tries."""

    timeout_s: float = 5.0
    tries: int = 2


PATIENT: Final = Stub(timeout_s=0.5, tries=120)  # asks until it is answered, a guard that is being restarted for one


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Shares of questions, from 0 to 1; the rest is for learned names by UDP."""

    cold: float = 0.1
    absent: float = 0.1
    tcp: float = 0.1
    dnssec: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question and what became of it. Times are those of `time.monotonic`."""

    qname: str
    transport: str
    begun_at_s: float
    ended_at_s: float
    tries: int
    judged: Judged | None  # None: no answer

    @property
    def outcome(self) -> str:
        """In one word."""
        if self.judged is None:
            return "unanswered"
        return "held" if self.judged.held else "fresh" if self.judged.fresh else "failed"


@dataclass(slots=True)
class Book:
    """What all clients saw."""

    counts: Counter[str] = field(default_factory=Counter)  # by outcome, and by kind and outcome
    fresh_at_s: dict[str, float] = field(default_factory=dict)  # by name, when its last fresh answer was asked for
    broken: list[str] = field(default_factory=list)

    def enter(self, asked: Asked) -> None:
        """Take in what became of a question."""
        kind = kind_of(asked.qname)
        self.counts[asked.outcome] += 1
        self.counts[f"{kind} {asked.outcome}"] += 1
        if asked.outcome == "fresh":
            self.fresh_at_s[asked.qname] = max(asked.begun_at_s, self.fresh_at_s.get(asked.qname, 0.0))
        flaws = ("no answer",) if asked.judged is None else asked.judged.flaws
        took_s = asked.ended_at_s - asked.begun_at_s
        for flaw in flaws:
            self.broken.append(f"{asked.qname} by {asked.transport}, try {asked.tries}, after {took_s:.2f} s: {flaw}")

    @property
    def answered(self) -> int:
        """How many questions were answered."""
        return sum(self.counts[outcome] for outcome in ("fresh", "held", "failed"))


class Load:
    """Clients of the guard at `server`, from entering until leaving, which waits for the last of their answers.

    They live on an event loop in a thread of their own, so that a test does its mischief in plain steps meanwhile.
    """

    def __init__(
        self,
        server: Server,
        *,
        seed: int,
        clients: int = 60,
        mix: Mix = Mix(),
        stub: Stub = Stub(),
        pause_s: float = 0.25,
        once_each: bool = False,
    ) -> None:
        """Ask from `clients` clients with `pause_s` on average between questions, or `once_each`, all at once."""
        self.book = Book()
        self._server = server
        self._rng = random.Random(seed)
        self._clients = clients
        self._mix = mix
        self._stub = stub
        self._pause_s = pause_s
        self._once_each = once_each
        self._cold = iter(COLD)
        self._absent = 0
        self._may_fail_from_s: float | None = None
        self._outages: list[tuple[float, float]] = []
        self._stopping = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="clients")

    # What a test does -----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stopping = True
        self._thread.join(WAIT_MAX_S)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Fail, with what broke in words, unless every answer so far was right and none was missing."""
        assert not self._thread.is_alive() or not self._stopping, "the clients did not end"
        shown = "\n".join(self.book.broken[:BROKEN_SHOWN_MAX])
        assert not self.book.broken, f"{len(self.book.broken)} of {self.book.answered} answers are wrong:\n{shown}"

    def wait(self, what: str, come: Callable[[], bool]) -> None:
        """Wait until `come` says so; `what` is said where it never does, or where the clients are through."""
        deadline_s = time.monotonic() + WAIT_MAX_S
        while not come():
            alive = self._thread.is_alive()
            assert alive or come(), f"the clients have ended before {what}: {self.book.counts}"
            assert time.monotonic() < deadline_s, f"waited {WAIT_MAX_S:g} s for {what}: {dict(self.book.counts)}"
            time.sleep(0.01)

    def wait_for(self, number: int, outcome: str) -> None:
        """Wait until `number` more questions had `outcome`, like `held` or `cold fresh`."""
        goal = self.book.counts[outcome] + number
        self.wait(f"{number} x {outcome}", lambda: self.book.counts[outcome] >= goal)

    def wait_until_fresh(self, within_s: float = WAIT_MAX_S) -> float:
        """Wait until every learned name was asked for from now on and answered fresh; return the seconds it took."""
        begun_at_s = time.monotonic()

        def missing() -> list[str]:
            return [qname for qname in LEARNED if self.book.fresh_at_s.get(qname, 0.0) < begun_at_s]

        self.wait("all learned names to be fresh", lambda: not missing() or time.monotonic() > begun_at_s + within_s)
        assert not missing(), f"after {within_s:g} s these were not fresh again: {missing()}"
        return time.monotonic() - begun_at_s

    @contextmanager
    def outage(self) -> Iterator[None]:
        """No upstream answers: what the guard never heard of may fail."""
        self._may_fail_from_s = time.monotonic()
        yield
        self._outages.append((self._may_fail_from_s, time.monotonic()))
        self._may_fail_from_s = None

    # What the clients do --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._clients):
                group.create_task(self._live(random.Random(self._rng.random())))

    async def _live(self, rng: random.Random) -> None:
        loop = asyncio.get_running_loop()
        where = (self._server.host, self._server.port)
        transport, port = await loop.create_datagram_endpoint(
            lambda: _Port(self, rng.getrandbits(16)), remote_addr=where
        )
        try:
            while not self._stopping:
                await self._ask(port, rng)
                if self._once_each:
                    return
                await asyncio.sleep(rng.expovariate(1 / self._pause_s))
        finally:
            transport.close()

    async def _ask(self, port: "_Port", rng: random.Random) -> None:
        qname = self._pick(rng)
        query = _query(port.next_id(), qname, rng, dnssec=rng.random() < self._mix.dnssec)
        transport = "TCP" if rng.random() < self._mix.tcp else "UDP"
        begun_at_s = time.monotonic()
        for tries in range(1, self._stub.tries + 1):  # noqa: B007  used below
            answer = await (port.ask(query, qname) if transport == "UDP" else self._by_tcp(query))
            if answer is not None:
                break
        ended_at_s = time.monotonic()
        judged = None if answer is None else self.judge(query, answer, qname, begun_at_s)
        self.book.enter(
            Asked(
                qname=qname,
                transport=transport,
                begun_at_s=begun_at_s,
                ended_at_s=ended_at_s,
                tries=tries,
                judged=judged,
            )
        )

    def judge(self, query: bytes, answer: bytes, qname: str, begun_at_s: float) -> Judged:
        """Judge an answer by what could be had since `begun_at_s`."""
        during = self._may_fail_from_s is not None or any(begun_at_s <= end_s for _, end_s in self._outages)
        return judge(query, answer, qname, may_fail=during)

    @property
    def timeout_s(self) -> float:
        """How long a client waits for one try."""
        return self._stub.timeout_s

    def _pick(self, rng: random.Random) -> str:
        drawn = rng.random()
        if drawn < self._mix.cold and (cold := next(self._cold, None)):
            return cold
        if self._mix.cold <= drawn < self._mix.cold + self._mix.absent:
            self._absent += 1
            return absent(self._absent)
        return rng.choice(LEARNED)

    async def _by_tcp(self, query: bytes) -> bytes | None:
        deadline_s = time.monotonic() + self._stub.timeout_s
        try:
            async with asyncio.timeout(self._stub.timeout_s):
                return await by_tcp(self._server, query)
        except (OSError, asyncio.IncompleteReadError):  # time is up among them, where the next line is over at once
            await asyncio.sleep(max(0.0, deadline_s - time.monotonic()))
            return None


class _Port(asyncio.DatagramProtocol):
    """The socket of one client, which sees everything that comes in there."""

    def __init__(self, load: Load, first_id: int) -> None:
        self._load = load
        self._asked: dict[bytes, tuple[bytes, str, float]] = {}  # by ID, all that were ever asked here
        self._waiting: tuple[bytes, asyncio.Future[bytes]] | None = None
        self._id = first_id
        self._transport: asyncio.DatagramTransport

    def next_id(self) -> int:
        """Return an ID that was not used here before: a late answer must not look like another's."""
        self._id = self._id + ID_STEP & 0xFFFF
        return self._id

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # it is no subclass in 3.11

    def error_received(self, exc: Exception) -> None:
        pass  # nobody listens just now; the try runs out its time all the same

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._waiting is not None and data[:2] == self._waiting[0] and not self._waiting[1].done():
            self._waiting[1].set_result(data)
        elif (asked := self._asked.get(data[:2])) is not None:  # late, or twice; it must be right all the same
            query, qname, at_s = asked
            flaws = self._load.judge(query, data, qname, at_s).flaws
            self._load.book.broken += [f"{qname} by UDP, one more answer: {flaw}" for flaw in flaws]
        else:
            self._load.book.broken.append("by UDP: an answer with an ID that this client never used")

    async def ask(self, query: bytes, qname: str) -> bytes | None:
        """Send `query` once, and wait for its answer as long as one try does."""
        self._asked.setdefault(query[:2], (query, qname, time.monotonic()))
        come: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting = (query[:2], come)
        self._transport.sendto(query)
        await asyncio.wait({come}, timeout=self._load.timeout_s)
        self._waiting = None
        return come.result() if come.done() else None


async def by_tcp(server: Server, query: bytes) -> bytes:
    """Ask over a connection of its own. Raises `OSError` or `IncompleteReadError` where none comes to an answer."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.transport.abort()


def _query(ident: int, qname: str, rng: random.Random, *, dnssec: bool) -> bytes:
    """Return a query in random letter case, as some clients ask (draft-vixie-dnsext-dns0x20)."""
    cased = "".join(rng.choice((letter, letter.upper())) for letter in qname.rstrip("."))
    labels = b"".join(bytes([len(label)]) + label.encode() for label in cased.split("."))
    head = struct.pack(">HHHHHH", ident, dns.flags.RD | dns.flags.AD, 1, 0, 0, 1)
    return head + labels + b"\0" + _TYPE_A + (_OPT_DO if dnssec else _OPT)
