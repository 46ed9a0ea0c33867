"""Queries of ours by UDP: each from a socket of its own, on a random port, that only the asked server can answer on.

The event loop watches one descriptor, an `epoll(7)` that watches all the sockets: to come and go there costs a socket,
which lives for one answer, a fraction of what it does in the event loop's own books.
"""

import asyncio
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from standfast.dns.codec import decode_incoming, encode_outbound
from standfast.dns.exchange import Heeded, NotOurs
from standfast.dns.servers import Server
from standfast.guard.events import Ask
from standfast.io.faults import in_words
from standfast.io.upstreams.messages import NOT_OURS_MAX
from standfast.ports import Random

PORT_FIRST: Final = 1024  # all but the well-known ports (RFC 5452 section 9.2, RFC 6056 section 3.2)
PORT_LAST: Final = 65_535
PORT_TRIES_MAX: Final = 10  # random ports tried before the kernel is left to choose one of its own range
READY_MAX: Final = 64  # sockets read before the event loop turns to others
_DATAGRAM_MAX: Final = 65_535


@dataclass(slots=True)
class _Datagram:
    """A query that went out, and how many answers to something else came back."""

    ask: Ask
    socket: socket.socket
    not_ours: int = 0


class Datagrams:
    """All queries that go by UDP. Lives in the event loop that it is first used in."""

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
        self._asked: dict[int, _Datagram] = {}
        self._by_descriptor: dict[int, _Datagram] = {}
        self._epoll: select.epoll | None = None
        self._received = bytearray(_DATAGRAM_MAX)

    def __len__(self) -> int:
        return len(self._asked)

    def send(self, ask: Ask) -> None:
        """Send a query; what comes of it is reported later, never from within this call."""
        try:
            opened = open_datagrams(ask.server, self._rng)
            try:
                opened.send(encode_outbound(ask.query))
            except BaseException:
                opened.close()
                raise
        except OSError as error:
            asyncio.get_running_loop().call_soon(self._on_failed, ask.ask, in_words(error))
            return
        self._asked[ask.ask] = self._by_descriptor[opened.fileno()] = _Datagram(ask, opened)
        self._watching().register(opened.fileno(), select.EPOLLIN)

    def abandon(self, ask: int) -> bool:
        """Close the socket of `ask`; nothing is reported of it any more. False where it has none."""
        datagram = self._asked.pop(ask, None)
        if datagram is None:
            return False
        del self._by_descriptor[datagram.socket.fileno()]
        datagram.socket.close()  # which takes it out of the `epoll` as well
        return True

    def close(self) -> None:
        """Abandon all queries."""
        for ask in list(self._asked):
            self.abandon(ask)
        if self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    # Sending --------------------------------------------------------------------------------------------------

    def _watching(self) -> select.epoll:
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._readable)
        return self._epoll

    # Receiving ------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        assert self._epoll is not None
        for descriptor, _ in self._epoll.poll(0, READY_MAX):
            datagram = self._by_descriptor.get(descriptor)
            if datagram is not None:  # it may have been abandoned for one that was read before it
                self._read(datagram)

    def _read(self, datagram: _Datagram) -> None:
        ask = datagram.ask.ask
        try:
            size = datagram.socket.recv_into(self._received)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:  # what ICMP brought, "connection refused" above all
            self.abandon(ask)
            self._on_failed(ask, in_words(error))
            return
        heard = decode_incoming(bytes(self._received[:size]), datagram.ask.query)
        if not isinstance(heard, NotOurs):
            self._on_heard(ask, heard)
            self.abandon(ask)  # if that has not been said yet: a client waits, a socket does not
            return
        datagram.not_ours += 1
        if datagram.not_ours >= NOT_OURS_MAX:
            self.abandon(ask)
            self._on_failed(ask, f"{NOT_OURS_MAX} answers to something that was not asked")


def open_datagrams(server: Server, rng: Random) -> socket.socket:
    """Return a socket on a random port, connected, so that the kernel drops what others than `server` send to it.

    Raises:
        OSError: there is no way to `server`.
    """
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        _bind(opened, rng)
        opened.connect((server.host, server.port))
    except BaseException:
        opened.close()
        raise
    return opened


def _bind(opened: socket.socket, rng: Random) -> None:
    for _ in range(PORT_TRIES_MAX):
        port = PORT_FIRST + int(rng.random() * (PORT_LAST - PORT_FIRST + 1))
        try:
            opened.bind(("", port))
        except OSError:  # somebody has it
            continue
        return
