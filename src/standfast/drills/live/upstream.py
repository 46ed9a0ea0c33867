"""The scripted upstream: a recursive resolver of the simulator behind real sockets, in scaled time.

What it answers is a function of the world and of the time alone, so that every contestant that asks it at one moment
hears the same, and none can warm or spoil its cache for another. Its latency is real, not scaled.
"""

import asyncio
import random
from typing import Self

from standfast.dns.exchange import Heard
from standfast.dns.model import Query
from standfast.dns.servers import Server
from standfast.drills.live.loopback import Endpoint
from standfast.drills.live.scaled import ScaledClock, scaled_reply
from standfast.io.clients.client import Client
from standfast.io.clients.listener import Listener
from standfast.sim.resolvers import RecursiveResolver

ADDRESS = "127.0.0.1"


class ScriptedUpstream:
    """Serves `resolver` by UDP and TCP on loopback, on any free port; an async context manager that stops it.

    Args:
        resolver: what it knows, and what is wrong with it.
        clock: where the script is; the world of `resolver` is `epoch_s` seconds ahead of it.
        epoch_s: the script's start, in seconds since the epoch.
    """

    def __init__(self, resolver: RecursiveResolver, clock: ScaledClock, *, epoch_s: float) -> None:
        self.queries = 0
        self._stopped = False
        self._resolver = resolver
        self._clock = clock
        self._epoch_s = epoch_s
        self._rng = random.Random(resolver.spec.host)  # noqa: S311  latency of a game, not a secret
        self._listener = Listener(Server(ADDRESS, 0), self._on_query)
        self._late: set[asyncio.TimerHandle] = set()

    @classmethod
    async def start(cls, resolver: RecursiveResolver, clock: ScaledClock, *, epoch_s: float) -> Self:
        """Start it.

        Raises:
            ListenError: no port is free.
        """
        upstream = cls(resolver, clock, epoch_s=epoch_s)
        await upstream._listener.start()
        return upstream

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint(address=self._listener.bound.host, port=self._listener.bound.port)

    async def stop(self) -> None:
        """Close its sockets; what it had not answered yet stays unanswered. Calling it twice is fine."""
        for timer in self._late:
            timer.cancel()
        self._late.clear()
        if not self._stopped:
            self._stopped = True
            self._listener.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _on_query(self, client: Client, query: Query) -> None:
        self.queries += 1
        now = self._epoch_s + self._clock.now()
        # `tcp=True` is for the simulator's lost packets and handshakes; loopback has real ones.
        arrival = self._resolver.ask(query.question, now, self._rng, cd=query.cd, tcp=True)
        if not isinstance(arrival.heard, Heard):
            return  # silence; octets that are no message look the same to a client that ignores them
        reply = scaled_reply(arrival.heard.reply, self._clock.scale)
        loop = asyncio.get_running_loop()

        def answer() -> None:
            self._late.discard(timer)
            client.respond(query, reply)

        timer = loop.call_later(arrival.delay_s, answer)
        self._late.add(timer)
