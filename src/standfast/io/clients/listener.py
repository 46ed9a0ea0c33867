"""Listens for clients: sockets for UDP and TCP on one address and port.

What comes by UDP is in `datagrams`, TCP in `connections`.
"""

import errno
import socket
from typing import Final

from standfast.dns.codec import PAYLOAD_OURS
from standfast.dns.servers import Server
from standfast.errors import StandfastError
from standfast.io.clients.batch import ask_for_local, packed_address
from standfast.io.clients.client import OnQuery
from standfast.io.clients.connections import Connections
from standfast.io.clients.cookies import NO_COOKIES, Cookies
from standfast.io.clients.datagrams import NO_FAST_PATH, Datagrams, FastPath
from standfast.io.clients.limits import Gate, is_loopback
from standfast.io.clients.requests import Requests
from standfast.io.faults import in_words

RECEIVE_BUFFER: Final = 1 << 20  # octets asked of the kernel, so that a burst waits rather than is lost
PORT_TRIES_MAX: Final = 20  # to find one that is free for UDP and TCP alike, when any will do


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
        fast_streams: FastPath = NO_FAST_PATH,
        gate: Gate | None = None,
        cookies: Cookies = NO_COOKIES,
        recursion: bool = True,
        sockets: int = 1,
        requests: Requests | None = None,
    ) -> None:
        """Make a listener; `size_max` is the largest datagram, in octets, that is sent.

        `fast` is what is prepared for datagrams, `fast_streams` for connections.
        `gate` says who is served. It is not asked at a loopback address: none but this machine's programs get there.
        `cookies` makes and knows those of clients; by default they are not looked at. `recursion` is what clients are
        told that we offer.
        `sockets` is how many there are for UDP, among which the kernel divides clients (SO_REUSEPORT, socket(7)).
        `requests` answers what is no plain query; None: that gets its error.
        """
        self.bound = server
        self.datagrams: tuple[Datagrams, ...] = ()  # of each socket
        self._on_query = on_query
        self._size_max = size_max
        self._fast = fast
        self._gate = None if is_loopback(packed_address(server.host)) else gate
        self._cookies = cookies
        self._recursion = recursion
        self._sockets = sockets
        self._requests = requests
        self.connections = Connections(
            on_query, gate=self._gate, cookies=cookies, recursion=recursion, fast=fast_streams, requests=requests
        )

    @property
    def dropped(self) -> int:
        """Datagrams that could not be sent."""
        return sum(each.dropped for each in self.datagrams)

    async def start(self) -> None:
        """Bind and listen; `bound` then has the port, also when any was asked for (port 0).

        Raises:
            ListenError: the address is not this machine's, the port is taken, or not for us.
        """
        wanted = self.bound
        try:
            udps, tcp = _bind_all(wanted, self._sockets)
        except OSError as error:
            raise ListenError(wanted, advice(error, wanted)) from error
        self.bound = Server(wanted.host, tcp.getsockname()[1])
        # Bound to all addresses, a reply must leave from the one that was asked, or the client will not take it.
        tells_local = wanted.host in ("0.0.0.0", "::")  # noqa: S104  compared, not bound
        for udp in udps if tells_local else ():
            ask_for_local(udp)
        self.datagrams = tuple(
            Datagrams(
                udp,
                self._on_query,
                size_max=self._size_max,
                fast=self._fast,
                tells_local=tells_local,
                gate=self._gate,
                cookies=self._cookies,
                recursion=self._recursion,
                requests=self._requests,
            )
            for udp in udps
        )
        await self.connections.start(tcp)
        for each in self.datagrams:
            each.read()

    def stop(self) -> None:
        """Close every socket; replies that come later are dropped."""
        for each in self.datagrams:
            each.close()
        self.connections.stop()


def _bind_all(server: Server, sockets: int) -> tuple[list[socket.socket], socket.socket]:
    """Return so many sockets for UDP and one for TCP, all with one port.

    That for TCP is first, and shares its port with nobody: so no second guard can take part of the clients unseen.
    """
    for _ in range(PORT_TRIES_MAX):
        opened = [bind(server, socket.SOCK_STREAM)]
        try:
            bound = Server(server.host, opened[0].getsockname()[1])
            for _ in range(sockets):
                opened.append(bind(bound, socket.SOCK_DGRAM, shared=sockets > 1))  # noqa: PERF401  closed on failure
        except OSError as error:
            for each in opened:
                each.close()
            if server.port or error.errno != errno.EADDRINUSE:
                raise
        else:
            return opened[1:], opened[0]
    raise OSError(errno.EADDRINUSE, f"no port is free for UDP and TCP in {PORT_TRIES_MAX} tries")


def bind(server: Server, kind: socket.SocketKind, *, shared: bool = False) -> socket.socket:
    """Return a socket of `kind` at the address `server`, which other sockets may have as well where it is `shared`.

    Raises:
        OSError: it cannot be had; `advice` says what to do.
    """
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    opened = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # 0.0.0.0 is a listener of its own
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before linger
        else:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((server.host, server.port))
    except BaseException:
        opened.close()
        raise
    return opened


def advice(error: OSError, server: Server) -> str:
    """Say why there is no listening on `server`, and what to do."""
    match error.errno:
        case errno.EADDRINUSE:
            return "another program listens there - stop it, or choose another port"
        case errno.EACCES | errno.EPERM:
            return f"port {server.port} is not for everybody - choose one from 1024 up, or give CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return f"{server.host} is not an address of this machine"
        case _:
            return in_words(error)
