"""Clients over TCP (RFC 7766): many queries on one connection, replies as they are ready, and bounds on all of it.

A connection is closed when nothing has happened on it for `IDLE_S`, when its client does not read what it is
sent, and when it sends what is no message. When there are too many, in all or of one client, the one idle longest
among them makes room.
"""

import asyncio
import socket
from collections.abc import Collection
from typing import Final

from standfast.dns.codec import Rejected, decode_query, encode_rejected, encode_response
from standfast.dns.model import Query, Reply
from standfast.guard.cache import Entry
from standfast.io.batch import packed_address
from standfast.io.client import Client, OnQuery
from standfast.io.limits import Gate, client_of, is_loopback

CONNECTIONS_MAX: Final = 256
CLIENT_CONNECTIONS_MAX: Final = 32  # of one client, so that none can take them all; a busy forwarder holds a few
BACKLOG: Final = 128  # connections that the kernel holds until they are accepted
PIPELINE_MAX: Final = 64  # queries of one connection that wait for their replies; further ones are not read yet
IDLE_S: Final = 10.0  # "of the order of a few seconds" (RFC 7766 section 6.2.3); any query takes less than that
WRITE_OCTETS_MAX: Final = 1 << 18  # replies that one client may leave unread here; the kernel holds as much again
SLOW_S: Final = 5.0  # how long a client may leave the kernel's buffer full
_LENGTH_OCTETS: Final = 2


class Connections:
    """The connections of one listener."""

    def __init__(
        self,
        on_query: OnQuery,
        *,
        connections_max: int = CONNECTIONS_MAX,
        client_connections_max: int = CLIENT_CONNECTIONS_MAX,
        idle_s: float = IDLE_S,
        gate: Gate | None = None,
    ) -> None:
        """Make room for `connections_max`; `gate` says who may connect, None is everyone.

        `client_connections_max` does not hold for this machine's own programs, which look like one client.
        """
        self.on_query = on_query
        self.idle_s = idle_s
        self._gate = gate
        self._client_connections_max = client_connections_max
        self._connections_max = connections_max
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, bound: socket.socket) -> None:
        """Accept connections on the socket `bound`."""
        loop = asyncio.get_running_loop()
        # Accepted sockets inherit it. Left to itself, Linux lets one grow to megabytes for a client that does not read.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WRITE_OCTETS_MAX // 2)  # the kernel doubles it
        self._server = await loop.create_server(lambda: _Connection(self), sock=bound, backlog=BACKLOG)

    def stop(self) -> None:
        """Accept no more, and close what is open."""
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.abort()

    def admit(self, connection: "_Connection") -> bool:
        """Take in a new connection, if need be in place of one that is idle."""
        if self._gate is not None and not self._gate.admit_connection(connection.address):
            return False
        if not is_loopback(connection.address):
            mine = [other for other in self._open if client_of(other.address) == client_of(connection.address)]
            if not self._has_room(mine, self._client_connections_max):
                return False
        if not self._has_room(self._open, self._connections_max):
            return False
        self._open.add(connection)
        return True

    def _has_room(self, among: Collection["_Connection"], connections_max: int) -> bool:
        """Say whether there is room for one more, which one that is idle may have to make."""
        if len(among) < connections_max:
            return True
        idle = [other for other in among if other.is_idle]
        if not idle:
            return False
        longest = min(idle, key=lambda other: other.active_at_s)
        self._open.discard(longest)
        longest.abort()
        return True

    def leave(self, connection: "_Connection") -> None:
        """Take out a connection that is closed."""
        self._open.discard(connection)


class _Connection(asyncio.Protocol):
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._waiting = 0  # queries that have no reply yet
        self._no_more = False  # the client has closed its side
        self._timer: asyncio.TimerHandle | None = None
        self._slow_timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self.address = b""  # of the client, in octets
        self.active_at_s = self._loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no reply is owed."""
        return self._waiting == 0

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

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._take_messages()

    def eof_received(self) -> bool:
        self._no_more = True
        return self._waiting > 0  # replies that are owed can still go out

    def pause_writing(self) -> None:
        self._transport.pause_reading()
        self._slow_timer = self._loop.call_later(SLOW_S, self.abort)

    def resume_writing(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
        self._take_messages()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        for timer in (self._timer, self._slow_timer):
            if timer is not None:
                timer.cancel()
        self._connections.leave(self)

    # What we do -----------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def reply(self, query: Query, reply: Reply) -> None:
        """Send a reply, in whatever order replies come (RFC 7766 section 6.2.1.1)."""
        self._waiting -= 1
        if self._transport.is_closing():
            return
        self._write(encode_response(query, reply, tcp=True))
        if self._waiting == PIPELINE_MAX - 1 or (self._no_more and self.is_idle):
            self._loop.call_soon(self._take_messages)

    def _take_messages(self) -> None:
        received, at = self._received, 0
        while self._waiting < PIPELINE_MAX and not self._transport.is_closing() and self._slow_timer is None:
            start = at + _LENGTH_OCTETS
            end = start + int.from_bytes(received[at:start], "big")
            if len(received) < max(start, end):
                break
            self._take_message(bytes(received[start:end]))
            at = end
        del received[:at]
        if self._no_more and self.is_idle:
            self._transport.close()
        elif self._waiting >= PIPELINE_MAX or self._slow_timer is not None:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _take_message(self, wire: bytes) -> None:
        self.active_at_s = self._loop.time()
        query = decode_query(wire)
        if isinstance(query, Query):
            self._waiting += 1
            self._connections.on_query(_StreamClient(self), query)
        elif isinstance(query, Rejected):
            self._write(encode_rejected(query))
        else:
            self.abort()  # no query at all: there is no telling where the next one would start

    def _write(self, wire: bytes) -> None:
        self.active_at_s = self._loop.time()
        self._transport.write(len(wire).to_bytes(_LENGTH_OCTETS, "big") + wire)
        if self._transport.get_write_buffer_size() > WRITE_OCTETS_MAX:
            self.abort()

    def _end_idleness(self) -> None:
        left_s = self.active_at_s + self._connections.idle_s - self._loop.time()
        if left_s <= 0:
            self.abort()
        else:
            self._timer = self._loop.call_later(left_s, self._end_idleness)


class _StreamClient(Client):
    __slots__ = ("_connection",)

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def respond(self, query: Query, reply: Reply, entry: Entry | None = None) -> None:
        del entry  # what goes over TCP is not prepared: a connection costs more than a reply
        self._connection.reply(query, reply)
