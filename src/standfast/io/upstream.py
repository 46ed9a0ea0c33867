"""Queries of ours: by UDP each from a socket of its own, on a random port, that only the asked server can answer on.

Carries out `Ask` and `Abandon`, and reports what came. Decides nothing; how long to wait is for the core. What goes
over connections is for `upstream_pool`.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from standfast.dns.codec import decode_incoming, encode_outbound
from standfast.dns.exchange import Heeded, NotOurs
from standfast.guard.events import Ask, Server, Transport
from standfast.io.faults import in_words
from standfast.io.upstream_messages import NOT_OURS_MAX
from standfast.io.upstream_pool import Pool
from standfast.ports import Random

PORT_FIRST: Final = 1024  # all but the well-known ports (RFC 5452 section 9.2, RFC 6056 section 3.2)
PORT_LAST: Final = 65_535
PORT_TRIES_MAX: Final = 10  # random ports tried before the kernel is left to choose one of its own range
_DATAGRAM_MAX: Final = 65_535


@dataclass(slots=True)
class _Datagram:
    """A query that went out by UDP, and how many answers to something else came back."""

    ask: Ask
    socket: socket.socket
    not_ours: int = 0


class Asker:
    """All queries of ours that are under way. Lives in the event loop that it is first used in."""

    def __init__(
        self,
        rng: Random,
        *,
        on_heard: Callable[[int, Heeded], None],
        on_failed: Callable[[int, str], None],
    ) -> None:
        self._rng = rng
        self._on_heard = on_heard
        self._on_failed = on_failed
        self._datagrams: dict[int, _Datagram] = {}
        self._pool = Pool(on_heard=on_heard, on_failed=on_failed)

    def __len__(self) -> int:
        return len(self._datagrams) + len(self._pool)

    def send(self, ask: Ask) -> None:
        """Send a query; what comes of it is reported later, never from within this call."""
        match ask.transport:
            case Transport.UDP:
                self._send_datagram(ask)
            case Transport.TCP:
                self._pool.send(ask)
            case _:
                assert_never(ask.transport)

    def abandon(self, ask: int) -> None:
        """Report nothing of `ask` any more, and close its socket by UDP. Asks that are over are ignored."""
        datagram = self._datagrams.pop(ask, None)
        if datagram is not None:
            asyncio.get_running_loop().remove_reader(datagram.socket)
            datagram.socket.close()
        else:
            self._pool.abandon(ask)

    def close(self) -> None:
        """Abandon all that is under way, and close all connections."""
        for ask in list(self._datagrams):
            self.abandon(ask)
        self._pool.close()

    # By UDP ---------------------------------------------------------------------------------------------------

    def _send_datagram(self, ask: Ask) -> None:
        loop = asyncio.get_running_loop()
        try:
            opened = self._open(ask.server)
            try:
                opened.send(encode_outbound(ask.query))
            except BaseException:
                opened.close()
                raise
        except OSError as error:
            loop.call_soon(self._on_failed, ask.ask, in_words(error))
            return
        datagram = _Datagram(ask, opened)
        self._datagrams[ask.ask] = datagram
        loop.add_reader(opened, self._readable, datagram)

    def _open(self, server: Server) -> socket.socket:
        """Return a socket on a random port, connected, so that the kernel drops what others send to it."""
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._bind(opened)
            opened.connect((server.host, server.port))
        except BaseException:
            opened.close()
            raise
        return opened

    def _bind(self, opened: socket.socket) -> None:
        for _ in range(PORT_TRIES_MAX):
            port = PORT_FIRST + int(self._rng.random() * (PORT_LAST - PORT_FIRST + 1))
            try:
                opened.bind(("", port))
            except OSError:  # somebody has it
                continue
            return

    def _readable(self, datagram: _Datagram) -> None:
        ask = datagram.ask.ask
        try:
            wire = datagram.socket.recv(_DATAGRAM_MAX)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:  # what ICMP brought, "connection refused" above all
            self.abandon(ask)
            self._on_failed(ask, in_words(error))
            return
        heard = decode_incoming(wire, datagram.ask.query)
        if not isinstance(heard, NotOurs):
            self.abandon(ask)
            self._on_heard(ask, heard)
            return
        datagram.not_ours += 1
        if datagram.not_ours >= NOT_OURS_MAX:
            self.abandon(ask)
            self._on_failed(ask, f"{NOT_OURS_MAX} answers to something that was not asked")
