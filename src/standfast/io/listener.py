"""Listens for clients: sockets for UDP and TCP on one address and port, and what a datagram's sender gets.

Hands queries on and takes replies back; what is no query is answered here or dropped. TCP is in `connections`.
"""

import asyncio
import errno
import socket
import struct
from typing import Any, Final

from standfast.dns.codec import PAYLOAD_OURS, Rejected, decode_query, encode_rejected, encode_response
from standfast.dns.model import Query, Reply
from standfast.errors import StandfastError
from standfast.guard.events import Server
from standfast.io.client import Client, OnQuery
from standfast.io.connections import Connections
from standfast.io.upstream import in_words

DATAGRAM_MAX: Final = 4096  # octets of a query that are read; a longer one is cut and gets FORMERR
BATCH_MAX: Final = 64  # datagrams read before the event loop turns to others
RECEIVE_BUFFER: Final = 1 << 20  # octets asked of the kernel, so that a burst waits rather than is lost
PORT_TRIES_MAX: Final = 20  # to find one that is free for UDP and TCP alike, when any will do

# Linux's own numbers, which Python 3.11 has not: ip(7), `struct in_pktinfo`
_IP_PKTINFO: Final = 8
_IN_PKTINFO = struct.Struct("=I4s4s")  # interface, the local address to send from, destination
_PKTINFO_SPACE = socket.CMSG_SPACE(20)  # of IPv6, the larger one

Address = tuple[Any, ...]  # as the socket module has it for the family
Ancillary = list[tuple[int, int, bytes]]


class ListenError(StandfastError):
    """An address cannot be listened on. Fields: `server`, `reason`."""

    def __init__(self, server: Server, reason: str) -> None:
        super().__init__(f"cannot listen on {server}: {reason}")
        self.server = server
        self.reason = reason


class Listener:
    """One address and port, by UDP and TCP."""

    def __init__(self, server: Server, on_query: OnQuery, *, size_max: int = PAYLOAD_OURS) -> None:
        """Make a listener; `size_max` is the largest datagram, in octets, that is sent."""
        self.bound = server
        self.dropped = 0  # datagrams that could not be sent
        self._on_query = on_query
        self._size_max = size_max
        self._udp: socket.socket | None = None
        self._connections: Connections | None = None
        self._tells_local = False

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
        self._tells_local = wanted.host in ("0.0.0.0", "::")  # noqa: S104  compared, not bound
        if self._tells_local:
            _ask_for_local(self._udp)
        self._connections = Connections(self._on_query)
        await self._connections.start(tcp)
        asyncio.get_running_loop().add_reader(self._udp, self._readable)

    def stop(self) -> None:
        """Close every socket; replies that come later are dropped."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
        if self._connections is not None:
            self._connections.stop()

    def send(self, wire: bytes, address: Address, ancillary: Ancillary | None) -> None:
        """Send a datagram to `address`; one that the system does not take is dropped and counted."""
        assert self._udp is not None
        try:
            if ancillary:
                self._udp.sendmsg([wire], ancillary, 0, address)
            else:
                self._udp.sendto(wire, address)
        except OSError:  # its buffer is full, the client's network is gone, port 0: it will ask again
            self.dropped += 1

    def respond(self, query: Query, reply: Reply, address: Address, ancillary: Ancillary | None) -> None:
        """Send a reply to `address`."""
        self.send(encode_response(query, reply, size_max=self._size_max), address, ancillary)

    def _readable(self) -> None:
        for _ in range(BATCH_MAX):
            try:
                wire, address, ancillary = self._receive()
            except OSError:  # nothing left, or an error that belongs to a datagram of before
                return
            query = decode_query(wire)
            if isinstance(query, Query):
                self._on_query(_DatagramClient(self, address, ancillary), query)
            elif isinstance(query, Rejected):
                self.send(encode_rejected(query), address, ancillary)

    def _receive(self) -> tuple[bytes, Address, Ancillary | None]:
        assert self._udp is not None
        if not self._tells_local:
            wire, address = self._udp.recvfrom(DATAGRAM_MAX)
            return wire, address, None
        wire, told, _, address = self._udp.recvmsg(DATAGRAM_MAX, _PKTINFO_SPACE)
        return wire, address, _local_of(told)


class _DatagramClient(Client):
    __slots__ = ("_address", "_ancillary", "_listener")

    def __init__(self, listener: Listener, address: Address, ancillary: Ancillary | None) -> None:
        self._listener = listener
        self._address = address
        self._ancillary = ancillary

    def respond(self, query: Query, reply: Reply) -> None:
        self._listener.respond(query, reply, self._address, self._ancillary)


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


def _ask_for_local(udp: socket.socket) -> None:
    if udp.family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def _local_of(told: Ancillary) -> Ancillary | None:
    """Return what to send along so that a reply leaves from the address that the query came to."""
    for level, kind, data in told:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(data) >= _IN_PKTINFO.size:
            _, local, _ = _IN_PKTINFO.unpack_from(data)
            return [(level, kind, _IN_PKTINFO.pack(0, local, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return [(level, kind, data)]
    return None
