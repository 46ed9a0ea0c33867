"""Servers that are asked or told something: where they are, and how one speaks with them. Data only."""

from dataclasses import dataclass
from enum import StrEnum


class Transport(StrEnum):
    """How a query goes to a server."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"  # RFC 7858
    HTTPS = "https"  # RFC 8484


PORTS = {Transport.UDP: 53, Transport.TCP: 53, Transport.TLS: 853, Transport.HTTPS: 443}


@dataclass(frozen=True, slots=True, order=True)
class Server:
    """An IP address as text, a port, and how it is asked.

    `over` UDP is plain DNS, by TCP where that is needed. An encrypted server is asked as `over` says or not at all, and
    its certificate must be for `name`; without one for its address (RFC 8310, strict privacy). `path` is of HTTPS.
    """

    host: str
    port: int = 53
    over: Transport = Transport.UDP
    name: str = ""
    path: str = ""

    def __str__(self) -> str:
        """Return it as it is written in the configuration."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.over is Transport.UDP:
            return f"{host}:{self.port}"
        port = "" if self.port == PORTS[self.over] else f":{self.port}"
        return f"{self.over}://{host}{port}{self.path}" + (f"#{self.name}" if self.name else "")
