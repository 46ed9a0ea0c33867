"""How each kind of server is connected to: what is spoken there, and whom it must prove to be. Connects to nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, assert_never

from standfast.dns.servers import PORTS, Server, Transport
from standfast.io.roots import ALPN_HTTPS, ResumingContext, Roots
from standfast.io.upstreams.http2 import HttpsPipeline
from standfast.io.upstreams.messages import MessagePipeline, Pipeline

IDLE_S: Final = 10.0  # plain TCP is for the few answers that are too large for UDP, and servers have few connections
ENCRYPTED_IDLE_S: Final = 30.0  # longer, as every query goes over it and a handshake costs more


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a server is connected to; with a `context` its certificate must be for `name`."""

    pipeline: Callable[[], Pipeline]
    idle_s: float
    context: ResumingContext | None = None
    name: str | None = None
    alpn: str = ""  # that the server must choose


def line_to(server: Server, transport: Transport, roots: Roots) -> Line:
    """Return how `server` is connected to for `transport`."""
    name = server.name or server.host.partition("%")[0]  # an interface is no part of what a certificate says
    match transport:
        case Transport.TCP:
            return Line(pipeline=MessagePipeline, idle_s=IDLE_S)
        case Transport.TLS:
            messages = partial(MessagePipeline, padded=True)
            return Line(pipeline=messages, idle_s=ENCRYPTED_IDLE_S, context=roots.tls, name=name)
        case Transport.HTTPS:
            requests = partial(HttpsPipeline, _authority(server), server.path)
            return Line(pipeline=requests, idle_s=ENCRYPTED_IDLE_S, context=roots.https, name=name, alpn=ALPN_HTTPS)
        case Transport.UDP:
            raise AssertionError("no connections by UDP")
        case _:
            assert_never(transport)


def _authority(server: Server) -> str:
    """Return whom a request is for: the verified name, or else the address (RFC 3986 section 3.2)."""
    host = server.name or (f"[{server.host.partition('%')[0]}]" if ":" in server.host else server.host)
    return host if server.port == PORTS[Transport.HTTPS] else f"{host}:{server.port}"
