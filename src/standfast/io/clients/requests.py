"""Requests that take their time: how many are under way at once, and at what pace their answers go out. Reads none.

A transfer may be larger than any memory, and an update waits for the disk: so each is a task of its own, and what it
sends waits until the client has read what came before.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

DATAGRAMS_MAX: Final = 64  # requests by UDP under way; further ones are dropped, and their clients ask again

log = structlog.get_logger("standfast.clients")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who sent a request, and how. `address` is an IP address as text."""

    address: str
    port: int
    tcp: bool
    encrypted: bool = False


Send = Callable[[bytes], Awaitable[None]]  # waits for the client to read; raises ConnectionError when it is gone
OnRequest = Callable[[bytes, Peer, Send], Awaitable[None]]


class Requests:
    """The requests under way, of all listeners that share it.

    By UDP there are so many at most; of a connection one at a time, and there are only so many connections.
    """

    def __init__(self, on_request: OnRequest, *, datagrams_max: int = DATAGRAMS_MAX) -> None:
        """Have `on_request` answer each."""
        self.dropped = 0  # by UDP, as too many were under way
        self._on_request = on_request
        self._datagrams_max = datagrams_max
        self._datagrams = 0
        self._running: set[asyncio.Task[None]] = set()

    def take_datagram(self, wire: bytes, peer: Peer, send: Send) -> None:
        """Have a request that came by UDP answered, unless too many are."""
        if self._datagrams >= self._datagrams_max:
            self.dropped += 1
            return
        self._datagrams += 1

        def end() -> None:
            self._datagrams -= 1

        self.start(wire, peer, send, end)

    def start(self, wire: bytes, peer: Peer, send: Send, on_end: Callable[[], None]) -> None:
        """Have a request answered; `on_end` is called once that is over, however it went."""
        task = asyncio.get_running_loop().create_task(self._answer(wire, peer, send))
        self._running.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            on_end()

        task.add_done_callback(ended)

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _answer(self, wire: bytes, peer: Peer, send: Send) -> None:
        try:
            await self._on_request(wire, peer, send)
        except ConnectionError:  # the client is gone, and so is the need
            return
        except Exception:  # one request must not end the service
            log.exception("request.failed")
