"""The guard running: binds the core to its sockets, clock, probes, disk and log. Carries out; decides nothing.

One event loop, one thread. Everything that happens goes the same way: an event and the time into the core,
its actions carried out, its one timer set anew.
"""

import asyncio
import random
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import inf
from types import TracebackType
from typing import Final, Protocol, Self, assert_never

import structlog

from standfast.dns.codec import PAYLOAD_OURS
from standfast.dns.cookies import ServerCookies
from standfast.dns.exchange import Heeded
from standfast.dns.model import Query, Question
from standfast.dns.prepared import PreparedAnswers
from standfast.evidence.model import ProbeResult
from standfast.guard.events import (
    Abandon,
    Action,
    Alarm,
    Ask,
    Forget,
    JsonValue,
    Probe,
    Record,
    Remember,
    Respond,
    Switch,
)
from standfast.guard.operators import JsonObject, Operated
from standfast.io.clients.certificates import OwnCertificate
from standfast.io.clients.client import Client
from standfast.io.clients.connections import PREPARED_MAX
from standfast.io.clients.cookies import Cookies
from standfast.io.clients.datagrams import FastPath
from standfast.io.clients.encrypted import EncryptedListener
from standfast.io.clients.limits import Gate, Limits
from standfast.io.clients.listener import Listener
from standfast.io.clock import SteadyClock
from standfast.io.probes import probe
from standfast.io.roots import Roots
from standfast.io.settings.addresses import ListenAddress, Scheme
from standfast.io.upstreams.asker import Asker
from standfast.io.workers.team import Workers
from standfast.ports import Random

TICK_MIN_S: Final = 0.001  # between two calls of the core's timer, so that one that is always due cannot spin
LOOK_S: Final = 60.0  # between two looks at the wall clock and the certificate
CLOCK_JUMP_S: Final = 5.0  # how far it may move before the operator is told


class Core(Protocol):
    """The resolver core, as the shell sees it; `guard.resolver.Resolver`."""

    def on_query(self, now: float, client: Hashable, query: Query) -> list[Action]: ...
    def count_hits(self, number: int) -> None: ...
    def on_heard(self, now: float, ask: int, heard: Heeded) -> Iterable[Action]: ...
    def on_ask_failed(self, now: float, ask: int, detail: str) -> Iterable[Action]: ...
    def on_probed(self, now: float, probe: int, result: ProbeResult) -> list[Action]: ...
    def on_time(self, now: float) -> list[Action]: ...
    def next_time(self) -> float | None: ...


class Store(Protocol):
    """What remembers across restarts. None of it may block."""

    def remember(self, action: Remember) -> None: ...
    def forget(self, question: Question) -> None: ...
    def switch(self, enabled: bool) -> None: ...


class Ledger(Protocol):
    """What records every verdict. May not block."""

    def append(self, kind: str, body: Mapping[str, JsonValue], at_ms: int) -> object: ...


class GuardService:
    """A guard on its sockets. Use it as an async context, or by `start` and `stop`, within one event loop."""

    def __init__(
        self,
        core: Core,
        *,
        clock: SteadyClock,
        store: Store,
        ledger: Ledger,
        surveyed: Store | None = None,
        listen: Sequence[ListenAddress],
        roots: Roots,
        certificate: OwnCertificate | None = None,
        rng: Random | None = None,
        size_max: int = PAYLOAD_OURS,
        limits: Limits = Limits(),  # noqa: B008  frozen
        workers: int = 1,
    ) -> None:
        """Bind nothing yet. `core` must have been started at the time of `clock`.

        Args:
            core: the resolver core.
            clock: the time that the core is given.
            store: is told what to remember; opened and closed by the caller.
            surveyed: is told what to remember for the map, where the core makes a survey; else it is not needed.
            ledger: is given every record; opened and closed by the caller.
            listen: addresses to listen on; port 0 takes any free one.
            roots: whom probes and encrypted upstreams must prove themselves by.
            certificate: what clients that come encrypted are shown; needed where `listen` has such an address.
            rng: picks the ports of queries and the secrets of cookies; the system's randomness where none is given.
            size_max: the largest datagram that is sent to a client, in octets.
            limits: who is served, and how often.
            workers: processes that answer by UDP, this one included.
        """
        self._core = core
        self._clock = clock
        self._store = store
        self._surveyed = surveyed or store
        self._ledger = ledger
        self._roots = roots
        fast = FastPath(PreparedAnswers(), now=clock.now, on_hits=core.count_hits)
        self._fast_streams = FastPath(PreparedAnswers(PREPARED_MAX), now=clock.now, on_hits=core.count_hits)
        self._gate = Gate(limits)
        rng = rng or random.SystemRandom()
        cookies = Cookies(ServerCookies(rng, clock.now()), clock.now)
        self._certificate = certificate
        self._listeners = [
            self._encrypted(address)
            if address.scheme is not Scheme.DO53
            else Listener(
                address.server,
                self._on_query,
                size_max=size_max,
                fast=fast,
                fast_streams=self._fast_streams,
                gate=self._gate,
                cookies=cookies,
                sockets=workers,
            )
            for address in listen
        ]
        self.workers = Workers(clock=clock, limits=limits, on_hits=core.count_hits)
        self._asker = Asker(rng, roots, on_heard=self._on_heard, on_failed=self._on_ask_failed)
        self._probes: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = inf
        self._look_timer: asyncio.TimerHandle | None = None
        self._jumped_s = 0.0
        self._running = False
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("standfast.guard")

    @property
    def bound(self) -> tuple[ListenAddress, ...]:
        """The addresses that are listened on, with their real ports, in the order of `listen`."""
        return tuple(
            each.bound if isinstance(each, EncryptedListener) else ListenAddress(each.bound) for each in self._listeners
        )

    @property
    def dropped(self) -> int:
        """Answers by UDP that the system would not send, and queries that workers could not hand on."""
        return sum(listener.dropped for listener in self._plain()) + self.workers.tally.dropped

    @property
    def upstream_connections(self) -> int:
        """How many connections to servers there have been, over TCP, TLS and HTTPS."""
        return self._asker.connections_opened

    @property
    def connection_queries(self) -> dict[str, int]:
        """Queries taken in by connections, by transport: `tcp`, `tls` and `https`."""
        counts = dict.fromkeys(("tcp", "tls", "https"), 0)
        for each, listener in zip(self.bound, self._listeners, strict=True):
            counts[each.scheme.value or "tcp"] += listener.connections.queries
        return counts

    @property
    def handshakes_failed(self) -> int:
        """TLS handshakes that clients began, and that came to nothing."""
        return sum(listener.connections.handshakes_failed for listener in self._listeners)

    @property
    def certificate_expires_s(self) -> float | None:
        """When the certificate that clients are shown expires, in seconds since the epoch; None where there is none."""
        return None if self._certificate is None else self._certificate.not_after_s

    @property
    def outside(self) -> int:
        """Datagrams and connections from outside of what is served."""
        return self._gate.outside + self.workers.tally.outside

    @property
    def limited(self) -> int:
        """Datagrams over the rate of their client."""
        return self._gate.limited + self.workers.tally.limited

    async def start(self) -> None:
        """Listen and serve from now on.

        Raises:
            ListenError: an address cannot be listened on; then none is.
            WorkerError: a worker does not start.
        """
        self._running = True
        try:
            for listener in self._listeners:
                await listener.start()
            # The first socket of each address stays with this process, the others have a worker each.
            others = [listener.datagrams[1:] for listener in self._plain()]
            await self.workers.start(list(zip(*others, strict=True)))
        except BaseException:
            await self.stop()
            raise
        self._look_around()
        self._set_timer()

    async def stop(self) -> None:
        """Close all sockets, end all probes. Queries that wait get no reply; a client asks again."""
        self._running = False
        await self.workers.stop()
        for listener in self._listeners:
            listener.stop()
        self._asker.close()
        for timer in (self._timer, self._look_timer):
            if timer is not None:
                timer.cancel()
        for task in self._probes:
            task.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        await asyncio.sleep(0)  # lets the event loop close what was told to

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def operate(self, command: Callable[[float], Operated]) -> JsonObject:
        """Give an operator's command the time, carry out what it wants done, and return its answer."""
        operated = command(self._clock.now())
        self._carry_out(operated.actions)
        return operated.answer

    def look_at_certificate(self) -> None:
        """Take up a new certificate now, rather than within a minute."""
        if self._certificate is not None:
            self._certificate.look(time.time())

    # What happens ---------------------------------------------------------------------------------------------

    def _on_query(self, client: Client, query: Query) -> None:
        self._carry_out(self._core.on_query(self._clock.now(), client, query))

    def _on_heard(self, ask: int, heard: Heeded) -> None:
        self._carry_out(self._core.on_heard(self._clock.now(), ask, heard))

    def _on_ask_failed(self, ask: int, detail: str) -> None:
        self._carry_out(self._core.on_ask_failed(self._clock.now(), ask, detail))

    def _on_time(self) -> None:
        self._timer, self._timer_at_s = None, inf
        try:
            actions = self._core.on_time(self._clock.now())
        except BaseException:
            self._set_timer()
            raise
        self._carry_out(actions)

    async def _look(self, action: Probe) -> None:
        result = await probe(action.qname, action.address, action.spec, action.timeout_s, self._roots)
        self._carry_out(self._core.on_probed(self._clock.now(), action.probe, result))

    def _look_around(self) -> None:
        self.look_at_certificate()
        jumped_s = self._clock.jumped()
        if abs(jumped_s - self._jumped_s) > CLOCK_JUMP_S:
            self._jumped_s = jumped_s
            self._log.warning("clock.jumped", ahead_s=round(jumped_s, 1))
        self._look_timer = asyncio.get_running_loop().call_later(LOOK_S, self._look_around)

    def _plain(self) -> list[Listener]:
        return [listener for listener in self._listeners if isinstance(listener, Listener)]

    def _encrypted(self, address: ListenAddress) -> EncryptedListener:
        assert self._certificate is not None
        return EncryptedListener(address, self._on_query, self._certificate, gate=self._gate, fast=self._fast_streams)

    # What is to be done ---------------------------------------------------------------------------------------

    def _carry_out(self, actions: Iterable[Action]) -> None:
        if not self._running:
            return
        try:
            for action in actions:
                self._do(action)
        finally:
            self._set_timer()  # a fault in one thing must not stop the clock for all others

    def _do(self, action: Action) -> None:
        match action:
            case Respond(client=client, query=query, reply=reply, entry=entry):
                assert isinstance(client, Client)
                client.respond(query, reply, entry)
            case Ask():
                self._asker.send(action)
            case Abandon(ask=ask):
                self._asker.abandon(ask)
            case Probe():
                task = asyncio.get_running_loop().create_task(self._look(action))
                self._probes.add(task)
                task.add_done_callback(self._probes.discard)
            case Record(kind=kind, at_s=at_s, body=body):
                self._ledger.append(kind, body, round(at_s * 1000))
            case Remember(for_map=for_map):
                (self._surveyed if for_map else self._store).remember(action)
            case Forget(question=question, for_map=for_map):
                (self._surveyed if for_map else self._store).forget(question)
            case Switch(enabled=enabled):
                self._store.switch(enabled)
            case Alarm(event=event, fields=fields):
                self._log.warning(event, **fields)
            case _:
                assert_never(action)

    def _set_timer(self) -> None:
        """See that the core's time is not missed; a timer set for an earlier one stays, and finds nothing due."""
        at_s = self._core.next_time()
        if at_s is None or at_s >= self._timer_at_s or not self._running:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = at_s
        wait_s = max(at_s - self._clock.now(), TICK_MIN_S)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_time)
