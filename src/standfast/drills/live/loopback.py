"""Where the parts of the live drill may listen and send: 127.0.0.0/8, and nowhere else."""

import random
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

PORTS = range(10_000, 32_000)  # below Linux's ephemeral ports, so that no client socket takes one unasked
PORT_TRIES = 16  # of 22,000 ports few are taken; 16 misses in a row are no accident


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address of 127.0.0.0/8 in text and a port; any other address is refused with `ValueError`."""

    address: str
    port: int

    def __post_init__(self) -> None:
        if not IPv4Address(self.address).is_loopback:
            raise ValueError(f"{self.address} is not in 127.0.0.0/8; the live drill stays on loopback")
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is not a port")

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read `127.0.0.1:5300`. Raises `ValueError` on any other form."""
        address, _, port = text.rpartition(":")
        return cls(address=address, port=int(port))


def free_endpoint(address: str = "127.0.0.1") -> Endpoint:
    """Return an endpoint on `address` whose port is free for UDP and for TCP just now.

    For servers that must be told their port. Raises `OSError` when no port can be had.
    """
    for port in random.sample(PORTS, PORT_TRIES):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            try:
                tcp.bind((address, port))
                udp.bind((address, port))
            except OSError:
                continue
            return Endpoint(address=address, port=port)
    raise OSError(f"no port is free for both UDP and TCP on {address}")


def refuse_beyond_loopback(on_connect: Callable[[str, int], None]) -> None:
    """Make this process unable to reach anything but loopback; tell `on_connect` where it connects to.

    The drill's clients carry the names of real services: should a name ever be resolved to a real address,
    the connection is refused here, in Python's own audit events (PEP 578), before a packet leaves. It cannot
    be undone, so only a process that was started for the drill may call it.
    """

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event not in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            return
        match args[1]:
            case (str(address), int(port), *_):
                if not _is_loopback(address):
                    raise PermissionError(f"{address} is beyond loopback; the drill does not send there")
                on_connect(address, port)
            case _:  # no address of its own: a connected socket, already judged, or a local one
                return

    sys.addaudithook(hook)


def _is_loopback(address: str) -> bool:
    try:
        return IPv4Address(address).is_loopback
    except ValueError:
        return False
