"""Listens for clients: sockets for UDP and TCP on one address and port, and what a datagram's sender gets.

Hands queries on and takes replies back; what is no query is answered here or dropped. TCP is in `connections`.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from standfast.dns.codec import PAYLOAD_OURS, Rejected, decode_query, encode_rejected, encode_response, encode_truncated
from standfast.dns.model import Ede, ExtendedError, Query, Rcode, Reply, RRType
from standfast.dns.prepared import PreparedAnswers
from standfast.errors import StandfastError
from standfast.guard.cache import Entry
from standfast.guard.events import Server
from standfast.io.batch import SLOTS, Batch, Datagram, ask_for_local, batch_on, packed_address, send
from standfast.io.client import Client, OnQuery
from standfast.io.connections import Connections
from standfast.io.faults import in_words
from standfast.io.limits import Admission, Gate, is_loopback

BATCHES_MAX: Final = 8  # full ones served before the event loop turns to others
RECEIVE_BUFFER: Final = 1 << 20  # octets asked of the kernel, so that a burst waits rather than is lost
PORT_TRIES_MAX: Final = 20  # to find one that is free for UDP and TCP alike, when any will do


@dataclass(frozen=True, slots=True)
class FastPath:
    """What lets a listener answer without asking: answers prepared before, the time, and whom to tell how many."""

    answers: PreparedAnswers
    now: Callable[[], float]
    on_hits: Callable[[int], None]


# Without a text: the answer to a stranger must not be larger than what he sent by more than it has to.
PROHIBITED: Final = Reply(rcode=Rcode.REFUSED, errors=(ExtendedError(code=Ede.PROHIBITED),))

NO_FAST_PATH: Final = FastPath(PreparedAnswers(0), now=lambda: 0.0, on_hits=lambda _hits: None)


class ListenError(StandfastError):
    """An address cannot be listened on. Fields: `server`, `reason`."""

    def __init__(self, server: Server, reason: str) -> None:
        super().__init__(f"cannot listen on {server}: {reason}")
        self.server = server
        self.reason = reason


class Listener:
    """One address and port, by UDP and TCP."""

    def __init__(
        self,
        server: Server,
        on_query: OnQuery,
        *,
        size_max: int = PAYLOAD_OURS,
        fast: FastPath = NO_FAST_PATH,
        gate: Gate | None = None,
    ) -> None:
        """Make a listener; `size_max` is the largest datagram, in octets, that is sent.

        `gate` says who is served. It is not asked at a loopback address: none but this machine's programs get there.
        """
        self.bound = server
        self.dropped = 0  # datagrams that could not be sent
        self._on_query = on_query
        self._size_max = size_max
        self._fast = fast
        self._gate = None if is_loopback(packed_address(server.host)) else gate
        self._udp: socket.socket | None = None
        self._batch: Batch | None = None
        self._connections: Connections | None = None

    async def start(self) -> None:
        """Bind and listen; `bound` then has the port, also when any was asked for (port 0).

        Raises:
            ListenError: the address is not this machine's, the port is taken, or not for us.
        """
        wanted = self.bound
        try:
            self._udp, tcp = _bind_both(wanted)
        except OSError as error:
            raise ListenError(wanted, _advice(error, wanted)) from error
        self.bound = Server(wanted.host, self._udp.getsockname()[1])
        # Bound to all addresses, a reply must leave from the one that was asked, or the client will not take it.
        tells_local = wanted.host in ("0.0.0.0", "::")  # noqa: S104  compared, not bound
        if tells_local:
            ask_for_local(self._udp)
        self._batch = batch_on(self._udp, tells_local=tells_local, gate=self._gate)
        self._connections = Connections(self._on_query, gate=self._gate)
        await self._connections.start(tcp)
        asyncio.get_running_loop().add_reader(self._udp, self._readable)

    def stop(self) -> None:
        """Close every socket; replies that come later are dropped."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
        if self._connections is not None:
            self._connections.stop()

    def send(self, wire: bytes, datagram: Datagram) -> None:
        """Send `wire` to the sender of `datagram`; what the system does not take is dropped and counted."""
        assert self._udp is not None
        if not send(self._udp, wire, datagram):
            self.dropped += 1

    def respond(self, query: Query, reply: Reply, entry: Entry | None, datagram: Datagram) -> None:
        """Send a reply to the sender of `datagram`, and keep it prepared where it may be given again."""
        wire = encode_response(query, reply, size_max=self._size_max)
        self.send(wire, datagram)
        if entry is not None:
            entry.prepare(self._fast.answers, datagram.wire, wire, self._fast.now())

    def _readable(self) -> None:
        assert self._batch is not None
        for _ in range(BATCHES_MAX):
            served = self._batch.serve(self._fast.answers, self._fast.now())
            self._fast.on_hits(served.hits + served.lost)
            self.dropped += served.lost
            for datagram in served.missed:
                self._take(datagram)
            for datagram, admission in served.notices:
                self._notify(datagram, admission)
            if served.count < SLOTS:
                return

    def _take(self, datagram: Datagram) -> None:
        query = decode_query(datagram.wire)
        if isinstance(query, Query):
            if query.question.qtype == RRType.ANY:  # large, and seldom of use to who asks by UDP (RFC 8482 section 4.4)
                self.send(encode_truncated(query), datagram)
            else:
                self._on_query(_DatagramClient(self, datagram), query)
        elif isinstance(query, Rejected):
            self.send(encode_rejected(query), datagram)

    def _notify(self, datagram: Datagram, admission: Admission) -> None:
        query = decode_query(datagram.wire)
        if isinstance(query, Query):  # what is malformed gets silence
            told = encode_truncated(query) if admission is Admission.TRUNCATE else encode_response(query, PROHIBITED)
            self.send(told, datagram)


class _DatagramClient(Client):
    __slots__ = ("_datagram", "_listener")

    def __init__(self, listener: Listener, datagram: Datagram) -> None:
        self._listener = listener
        self._datagram = datagram

    def respond(self, query: Query, reply: Reply, entry: Entry | None = None) -> None:
        self._listener.respond(query, reply, entry, self._datagram)


def _bind_both(server: Server) -> tuple[socket.socket, socket.socket]:
    for _ in range(PORT_TRIES_MAX):
        udp = _bind(server, socket.SOCK_DGRAM)
        try:
            return udp, _bind(Server(server.host, udp.getsockname()[1]), socket.SOCK_STREAM)
        except OSError as error:
            udp.close()
            if server.port or error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"no port is free for UDP and TCP in {PORT_TRIES_MAX} tries")


def _bind(server: Server, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    opened = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # 0.0.0.0 is a listener of its own
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before linger
        else:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        opened.bind((server.host, server.port))
    except BaseException:
        opened.close()
        raise
    return opened


def _advice(error: OSError, server: Server) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program listens there - stop it, or choose another port"
        case errno.EACCES | errno.EPERM:
            return f"port {server.port} is not for everybody - choose one from 1024 up, or give CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return f"{server.host} is not an address of this machine"
        case _:
            return in_words(error)
