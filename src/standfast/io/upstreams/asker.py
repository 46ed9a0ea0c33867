"""Queries of ours, by whichever way each goes.

Carries out `Ask` and `Abandon`, and reports what came. Decides nothing; how long to wait is for the core.
"""

from collections.abc import Callable
from typing import assert_never

from standfast.dns.exchange import Heeded
from standfast.dns.servers import Transport
from standfast.guard.events import Ask
from standfast.io.roots import Roots
from standfast.io.upstreams.datagrams import Datagrams
from standfast.io.upstreams.pool import Pool
from standfast.ports import Random


class Asker:
    """All queries of ours that are under way. Lives in the event loop that it is first used in."""

    def __init__(
        self,
        rng: Random,
        roots: Roots,
        *,
        on_heard: Callable[[int, Heeded], None],
        on_failed: Callable[[int, str], None],
    ) -> None:
        self._datagrams = Datagrams(rng, on_heard=on_heard, on_failed=on_failed)
        self._pool = Pool(roots, on_heard=on_heard, on_failed=on_failed)

    def __len__(self) -> int:
        return len(self._datagrams) + len(self._pool)

    @property
    def connections_opened(self) -> int:
        """How many connections to servers there have been, over TCP, TLS and HTTPS."""
        return self._pool.opened

    def send(self, ask: Ask) -> None:
        """Send a query; what comes of it is reported later, never from within this call."""
        match ask.transport:
            case Transport.UDP:
                self._datagrams.send(ask)
            case Transport.TCP | Transport.TLS | Transport.HTTPS:
                self._pool.send(ask)
            case _:
                assert_never(ask.transport)

    def abandon(self, ask: int) -> None:
        """Report nothing of `ask` any more, and close its socket by UDP. Asks that are over are ignored."""
        if not self._datagrams.abandon(ask):
            self._pool.abandon(ask)

    def close(self) -> None:
        """Abandon all that is under way, and close all connections."""
        self._datagrams.close()
        self._pool.close()
