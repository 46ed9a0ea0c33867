"""TLS in front of the drill's services: several addresses, one port, a certificate per name, and faults.

It does what a region's load balancers do, and what becomes of them: an address can drain, die, come back, or
be given to a stranger.
"""

import asyncio
import contextlib
import errno
import random
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from standfast.drills.live.authority import Certificate
from standfast.drills.live.loopback import PORT_TRIES, PORTS, Endpoint

HANDSHAKE_TIMEOUT_S = 5.0  # a handshake on loopback takes milliseconds; a client that is silent is given up
CONNECTION_LIFETIME_S = 60.0  # a drill's call takes milliseconds; nothing may hang on for a whole drill
CONNECTIONS_MAX = 512  # per address; a drill has tens at once
CHUNK_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What answers for one name: its certificate, and who serves it in plain text behind.

    `backend` None: the connection is closed after the handshake, as by a stranger who offers something else.
    """

    certificate: Certificate
    backend: Endpoint | None


class Front:
    """TLS listeners on `addresses`, all on `port`, that pick the site by SNI; an async context manager.

    A client without SNI, or with a name that has no site, is shown the first site's certificate.
    """

    def __init__(self, *, addresses: Sequence[str], port: int, sites: Mapping[str, Site]) -> None:
        self.addresses = tuple(addresses)
        self.port = port
        self._sites = {name: _Shown.of(site) for name, site in sites.items()}
        self._places = {address: _Place() for address in addresses}

    @classmethod
    async def start(cls, *, addresses: Sequence[str], sites: Mapping[str, Site]) -> Self:
        """Listen on every one of `addresses` (127.0.0.0/8), on one port that is free on all of them.

        Args:
            addresses: at least one.
            sites: by name in lower case, without a final dot; at least one.

        Raises:
            OSError: an address cannot be listened on.
            ValueError: an address is not in 127.0.0.0/8.
        """
        listeners = _listen(addresses)
        front = cls(addresses=addresses, port=listeners[0].getsockname()[1], sites=sites)
        for address, listener in zip(addresses, listeners, strict=True):
            front._places[address].sites = front._sites
            await front._open(address, listener)
        return front

    def endpoint(self, address: str) -> Endpoint:
        """Return `address` with this front's port."""
        return Endpoint(address=address, port=self.port)

    async def serve(self, address: str) -> None:
        """Serve on `address` as at the start, whatever became of it in the meantime."""
        self._places[address].sites = self._sites
        await self._open(address)

    def drain(self, address: str) -> None:
        """Refuse new connections to `address`; open ones go on to their end."""
        place = self._places[address]
        if place.server is not None:
            place.server.close()
            place.server = None

    def die(self, address: str) -> None:
        """Refuse new connections to `address`, and break the open ones."""
        self.drain(address)
        place = self._places[address]
        place.sites = {}
        for writer in place.open.values():
            writer.transport.abort()

    async def reassign(self, address: str, stranger: Site) -> None:
        """Give `address` to a stranger, who shows one certificate for every name, and nothing of ours."""
        self.die(address)
        self._places[address].sites = {"": _Shown.of(stranger)}
        await self._open(address)

    async def stop(self) -> None:
        """End all of it; calling it twice is fine."""
        for address in self.addresses:
            self.die(address)
        await asyncio.gather(*(task for place in self._places.values() for task in place.open))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _open(self, address: str, listener: socket.socket | None = None) -> None:
        place = self._places[address]
        if place.server is None:
            place.server = await asyncio.start_server(
                place.handle,
                sock=listener or _bind(self.endpoint(address)),
                ssl=place.entry,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                ssl_shutdown_timeout=HANDSHAKE_TIMEOUT_S,
            )


class _Place:
    """One address of a front, and what is there now: nobody, who we are, or a stranger."""

    def __init__(self) -> None:
        self.sites: Mapping[str, _Shown] = {}
        self.server: asyncio.Server | None = None  # None: nothing listens
        self.open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        # Holds no certificate of its own: `_pick` is asked in every handshake, with SNI or without.
        self.entry = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.entry.sni_callback = self._pick

    def _pick(self, tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        shown = self.sites.get(name or "") or next(iter(self.sites.values()), None)
        if shown is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        tls.context = shown.context
        return None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        picked = writer.get_extra_info("ssl_object").context
        shown = next((shown for shown in self.sites.values() if shown.context is picked), None)
        if shown is None or len(self.open) >= CONNECTIONS_MAX:  # the address changed hands in the handshake
            writer.transport.abort()
            return
        self.open[task] = writer
        try:
            async with asyncio.timeout(CONNECTION_LIFETIME_S):
                if shown.backend is not None:
                    await _relay(reader, writer, shown.backend)
            writer.close()
        except OSError:  # also the end of the lifetime
            writer.transport.abort()
        finally:
            del self.open[task]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A site, ready to be shown."""

    context: ssl.SSLContext
    backend: Endpoint | None

    @classmethod
    def of(cls, site: Site) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(site.certificate.cert_file, site.certificate.key_file)
        return cls(context=context, backend=site.backend)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, backend: Endpoint) -> None:
    """Copy both ways until the backend closes, which it is made to do when the client does."""
    behind_reader, behind_writer = await asyncio.open_connection(backend.address, backend.port)
    asking = asyncio.create_task(_copy(reader, behind_writer))
    try:
        await _copy(behind_reader, writer)
    finally:
        asking.cancel()
        behind_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # one side is gone, and the other is told by the close below
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def _listen(addresses: Sequence[str]) -> list[socket.socket]:
    """Return a bound socket for each of `addresses`, all with the same port."""
    for port in random.sample(PORTS, PORT_TRIES):
        endpoints = [Endpoint(address=address, port=port) for address in addresses]
        listeners: list[socket.socket] = []
        try:
            for endpoint in endpoints:
                listeners.append(_bind(endpoint))  # noqa: PERF401  those bound must be closed
        except OSError as error:
            for listener in listeners:
                listener.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return listeners
    raise OSError(errno.EADDRINUSE, f"no port is free on all of {', '.join(addresses)}")


def _bind(endpoint: Endpoint) -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only where it is; else each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # An address that comes back must not wait for the last connections of its former life.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((endpoint.address, endpoint.port))
    except OSError:
        listener.close()
        raise
    return listener
