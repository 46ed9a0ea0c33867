"""Sockets on loopback that a test binds before its server or client is there."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from standfast.dns.servers import Server

PAIR_TRIES_MAX: Final = 100  # another process may have the TCP port of the number that UDP was given


def bound_udp(host: str = "127.0.0.1") -> socket.socket:
    """Return a UDP socket with a port of its own."""
    udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((host, 0))
    return udp


def bound_pair(host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
    """Return a UDP socket and a listening TCP socket with one port number, as a name server has them.

    Raises:
        OSError: no number was free for both, so often that none will be.
    """
    tries = 0
    while True:
        udp = bound_udp(host)
        try:
            return udp, socket.create_server(udp.getsockname()[:2], family=udp.family)
        except OSError:
            udp.close()
            tries += 1
            if tries == PAIR_TRIES_MAX:
                raise


@contextmanager
def nobody_listening() -> Iterator[Server]:
    """Have an address where TCP is refused, and where nobody else can come to listen meanwhile."""
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        yield Server(*tcp.getsockname())
