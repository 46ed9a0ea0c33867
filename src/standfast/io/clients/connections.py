"""Connections of clients: who may have one, and bounds on all that one can cost; and DNS by TCP (RFC 7766) and TLS.

A connection is closed when nothing has happened on it for `IDLE_S`, when its client does not read what it is
sent, and when it sends what is no message. When there are too many, in all or of one client, the one idle longest
among them makes room.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from standfast.dns.codec import Rejected, decode_query, encode_rejected, encode_response
from standfast.dns.model import Query, Reply
from standfast.dns.prepared import Preparable
from standfast.dns.requests import is_request
from standfast.io.clients.batch import packed_address
from standfast.io.clients.client import Client, OnQuery
from standfast.io.clients.cookies import NO_COOKIES, Cookies
from standfast.io.clients.datagrams import NO_FAST_PATH, FastPath
from standfast.io.clients.limits import Gate, Seats
from standfast.io.clients.requests import Peer, Requests
from standfast.io.clients.tls_streams import Handshakes, OwnContext, TlsStream

CONNECTIONS_MAX: Final = 256
CLIENT_CONNECTIONS_MAX: Final = 32  # of one client, so that none can take them all; a busy forwarder holds a few
BACKLOG: Final = 128  # connections that the kernel holds until they are accepted
ACCEPTED_MAX: Final = 16  # at once, before others have a turn: each may be a handshake, of a millisecond
PIPELINE_MAX: Final = 64  # queries of one connection that wait for their replies; further ones are not read yet
IDLE_S: Final = 10.0  # "of the order of a few seconds" (RFC 7766 section 6.2.3); any query takes less than that
WRITE_OCTETS_MAX: Final = 1 << 18  # replies that one client may leave unread here; the kernel holds as much again
SLOW_S: Final = 5.0  # how long a client may leave the kernel's buffer full
REQUEST_SLOW_S: Final = 30.0  # and one that takes in a transfer, which it may have to write to a busy disk
PREPARED_MAX: Final = 8192  # answers that are prepared for connections, which few clients use
PREPARED_OCTETS_MAX: Final = 4096  # of one; larger ones are rare, and 65,535 octets of each would be half a gigabyte
_LENGTH_OCTETS: Final = 2


class Connections:
    """The connections of one listener."""

    def __init__(
        self,
        on_query: OnQuery,
        *,
        make: "Callable[[Connections], Connection] | None" = None,
        own_context: OwnContext | None = None,
        connections_max: int = CONNECTIONS_MAX,
        client_connections_max: int = CLIENT_CONNECTIONS_MAX,
        idle_s: float = IDLE_S,
        gate: Gate | None = None,
        cookies: Cookies = NO_COOKIES,
        recursion: bool = True,
        fast: FastPath = NO_FAST_PATH,
        requests: Requests | None = None,
    ) -> None:
        """Make room for `connections_max`.

        Args:
            on_query: is given every query.
            make: makes what speaks with a client; None: messages with their length before them.
            own_context: gives our side of TLS; None: clear text.
            connections_max: how many there may be.
            client_connections_max: of one client; does not hold for this machine's own programs, which look like one.
            idle_s: how long nothing may happen on one.
            gate: says who may connect, None is everyone.
            cookies: makes those of clients. They prove nothing here, and are learnt here for queries by UDP.
            recursion: whether we offer it.
            fast: answers by connections that were prepared before; not those by UDP, which are shorter.
            requests: answers what is no plain query; None: that gets its error.
        """
        self.on_query = on_query
        self.idle_s = idle_s
        self.encrypted = own_context is not None
        self.cookies = cookies
        self.recursion = recursion
        self.fast = fast
        self.requests = requests
        self.queries = 0
        self._make = make or FramedConnection
        self._gate = gate
        self._seats = Seats[Connection](connections_max, client_connections_max)
        self._handshakes = None if own_context is None else Handshakes(own_context, lambda: self._make(self), gate=gate)
        self._server: asyncio.Server | None = None

    @property
    def handshakes_failed(self) -> int:
        """TLS handshakes that were begun and not done."""
        return 0 if self._handshakes is None else self._handshakes.failed

    async def start(self, bound: socket.socket) -> None:
        """Accept connections on the socket `bound`."""
        loop = asyncio.get_running_loop()
        # Accepted sockets inherit it. Left to itself, Linux lets one grow to megabytes for a client that does not read.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WRITE_OCTETS_MAX // 2)  # the kernel doubles it
        self._server = await loop.create_server(self._accepted, sock=bound, backlog=ACCEPTED_MAX)
        bound.listen(BACKLOG)  # asyncio takes one number for both

    def stop(self) -> None:
        """Accept no more, and close what is open."""
        if self._server is not None:
            self._server.close()
        if self._handshakes is not None:
            self._handshakes.stop()
        self._seats.clear()

    def admit(self, connection: "Connection") -> bool:
        """Take in a new connection, if need be in place of one that is idle."""
        if self._gate is not None and not self._gate.admit_connection(connection.address):
            return False
        return self._seats.take(connection)

    def leave(self, connection: "Connection") -> None:
        """Take out a connection that is closed."""
        self._seats.leave(connection)

    def _accepted(self) -> asyncio.BaseProtocol:
        return self._make(self) if self._handshakes is None else TlsStream(self._handshakes)


class Connection(asyncio.Protocol):
    """One client's; a subclass speaks with it. `_waiting` counts the queries that have no reply yet."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._slow_timer: asyncio.TimerHandle | None = None
        self._slow_s = SLOW_S
        self._in_hand = False  # a request, which takes the time that it takes, and which further messages wait for
        self._transport: asyncio.Transport
        self.address = b""  # of the client, in octets
        self.active_at_s = self._loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no reply is owed."""
        return self._waiting == 0

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _retire(self) -> None:
        """Close, as nothing has happened for long."""
        self.abort()

    def _go_on(self) -> None:
        """Read on: the client has read what it was sent."""
        self._transport.resume_reading()

    # What the event loop calls --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_OCTETS_MAX // 4)
        peer = transport.get_extra_info("peername")  # None where it is gone already
        if peer is None:
            transport.abort()
            return
        self.address = packed_address(peer[0])
        if self._connections.admit(self):
            self._timer = self._loop.call_later(self._connections.idle_s, self._end_idleness)
        else:
            transport.abort()

    def pause_writing(self) -> None:
        self._transport.pause_reading()
        self._slow_timer = self._loop.call_later(self._slow_s, self.abort)

    def resume_writing(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        for timer in (self._timer, self._slow_timer):
            if timer is not None:
                timer.cancel()
        self._connections.leave(self)

    # What a subclass does with it -----------------------------------------------------------------------------

    def _ask(self, client: Client, query: Query) -> None:
        self._waiting += 1
        self._connections.queries += 1
        self._connections.on_query(client, query)

    def _write(self, octets: bytes) -> None:
        self._transport.write(octets)
        if self._transport.get_write_buffer_size() > WRITE_OCTETS_MAX:
            self.abort()

    def _end_idleness(self) -> None:
        idle_s = self._connections.idle_s
        left_s = idle_s if self._in_hand else self.active_at_s + idle_s - self._loop.time()
        if left_s <= 0:
            self._retire()
        else:
            self._timer = self._loop.call_later(left_s, self._end_idleness)


class FramedConnection(Connection):
    """Messages with their length before them: TCP (RFC 1035 section 4.2.2), and TLS (RFC 7858 section 3.3)."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self._received = bytearray()
        self._no_more = False  # the client has closed its side
        self._writable = asyncio.Event()  # the client reads what it is sent, or is gone
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._go_on()

    def eof_received(self) -> bool:
        self._no_more = True
        return self._waiting > 0  # replies that are owed can still go out

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writable.clear()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._writable.set()

    def reply(self, query: Query, reply: Reply, asked: bytes, entry: Preparable | None) -> None:
        """Send the reply to the message `asked`, in whatever order replies come (RFC 7766 section 6.2.1.1)."""
        self._waiting -= 1
        if self._transport.is_closing():
            return
        cookie = self._connections.cookies.answer(query.cookie, self.address)
        wire = encode_response(
            query,
            reply,
            tcp=True,
            encrypted=self._connections.encrypted,
            cookie=cookie,
            recursion=self._connections.recursion,
        )
        self._send(wire)
        if entry is not None and len(wire) <= PREPARED_OCTETS_MAX:
            entry.prepare(self._connections.fast.answers, asked, wire, self._connections.fast.now())
        if self._waiting == PIPELINE_MAX - 1 or (self._no_more and self.is_idle):
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        received, at = self._received, 0
        while self._is_ready() and not self._transport.is_closing():
            start = at + _LENGTH_OCTETS
            end = start + int.from_bytes(received[at:start], "big")
            if len(received) < max(start, end):
                break
            self._take_message(bytes(received[start:end]))
            at = end
        del received[:at]
        if self._no_more and self.is_idle:
            self._transport.close()
        elif self._is_ready():
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _is_ready(self) -> bool:
        """Say whether the next message may be looked at."""
        return self._waiting < PIPELINE_MAX and self._slow_timer is None and not self._in_hand

    def _take_message(self, wire: bytes) -> None:
        self.active_at_s = self._loop.time()
        fast = self._connections.fast
        prepared = fast.answers.get(wire, fast.now())
        if prepared is not None:
            self._connections.queries += 1
            fast.on_hits(1)
            self._send(prepared)
            return
        if self._connections.requests is not None and is_request(wire):
            self._take_request(wire, self._connections.requests)
            return
        query = decode_query(wire)
        if isinstance(query, Query):
            self._ask(_FramedClient(self, wire), query)
        elif isinstance(query, Rejected):
            rejected, cookie = self._connections.cookies.settle(query, self.address)
            encrypted, recursion = self._connections.encrypted, self._connections.recursion
            self._send(encode_rejected(rejected, encrypted=encrypted, cookie=cookie, recursion=recursion))
        else:
            self.abort()  # no query at all: there is no telling where the next one would start

    def _take_request(self, wire: bytes, requests: Requests) -> None:
        host, port = self._transport.get_extra_info("peername")[:2]
        self._waiting += 1
        self._connections.queries += 1
        self._in_hand, self._slow_s = True, REQUEST_SLOW_S
        peer = Peer(address=host, port=port, tcp=True, encrypted=self._connections.encrypted)
        requests.start(wire, peer, self._send_when_read, self._end_request)

    async def _send_when_read(self, wire: bytes) -> None:
        if not self._transport.is_closing():
            self._send(wire)
            await asyncio.sleep(0)  # a client that reads fast must not keep the event loop from all others
            await self._writable.wait()
        if self._transport.is_closing():
            raise ConnectionResetError

    def _end_request(self) -> None:
        self._waiting -= 1
        self._in_hand, self._slow_s = False, SLOW_S
        self.active_at_s = self._loop.time()
        if not self._transport.is_closing():
            self._go_on()

    def _send(self, wire: bytes) -> None:
        self.active_at_s = self._loop.time()
        self._write(len(wire).to_bytes(_LENGTH_OCTETS, "big") + wire)


class _FramedClient(Client):
    __slots__ = ("_asked", "_connection")

    def __init__(self, connection: FramedConnection, asked: bytes) -> None:
        self._connection = connection
        self._asked = asked

    def respond(self, query: Query, reply: Reply, entry: Preparable | None = None) -> None:
        self._connection.reply(query, reply, self._asked, entry)
