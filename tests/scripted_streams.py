"""A DNS server over TCP or TLS on loopback that does what a test tells it, connection by connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from standfast.dns.codec import decode_query, encode_response
from standfast.dns.model import Query, Reply

WAIT_S = 20.0  # for what comes at once where the machine is not busy


class StreamConnection:
    """One client's connection, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def wire(self) -> bytes:
        """Return the next query as it came."""
        async with asyncio.timeout(WAIT_S):
            size = int.from_bytes(await self._reader.readexactly(2), "big")
            return await self._reader.readexactly(size)

    async def query(self) -> Query:
        """Return the next query."""
        query = decode_query(await self.wire())
        assert isinstance(query, Query)
        return query

    def answer(self, query: Query, reply: Reply) -> None:
        """Answer a query."""
        self.write(framed(encode_response(query, reply, tcp=True)))

    def write(self, octets: bytes) -> None:
        """Write anything."""
        self._writer.write(octets)

    @property
    def tls(self) -> ssl.SSLObject:
        """The TLS session."""
        found: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return found

    async def some(self) -> bytes:
        """Return what comes next, of whatever kind."""
        async with asyncio.timeout(WAIT_S):
            return await self._reader.read(4096)

    async def closed(self) -> None:
        """Wait until the client has closed it, or broken it off; nothing more may come before."""
        assert await self.rest() == b"", "something else came"

    async def rest(self) -> bytes:
        """Return all that comes until the end."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""

    def close(self) -> None:
        """Close it, with what was written."""
        self._writer.close()

    def abort(self) -> None:
        """Break it off."""
        self._writer.transport.abort()


class StreamServer:
    """A listening server; connections come in the order in which they were made."""

    def __init__(self, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> None:
        self.accepted = 0
        self.port = 0
        self._host = host
        self._tls = tls
        self._connections: asyncio.Queue[StreamConnection] = asyncio.Queue()
        self.open: list[StreamConnection] = []
        self._server: asyncio.Server | None = None

    async def connection(self) -> StreamConnection:
        """Return the next connection."""
        async with asyncio.timeout(WAIT_S):
            return await self._connections.get()

    def connections_waiting(self) -> int:
        """Return how many connections nobody has looked at."""
        return self._connections.qsize()

    async def start(self) -> None:
        """Listen, after a stop on the port of before."""
        self._server = await asyncio.start_server(self._accept, self._host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no more, and break off every connection, as a server does that is killed."""
        assert self._server is not None
        self._server.close()
        for connection in self.open:
            connection.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open.append(connection := StreamConnection(reader, writer))
        self._connections.put_nowait(connection)


@asynccontextmanager
async def listening(host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> AsyncIterator[StreamServer]:
    """Run a server as long as the context lasts."""
    server = StreamServer(host, tls=tls)
    await server.start()
    try:
        yield server
    finally:
        server.stop()


def framed(wire: bytes) -> bytes:
    """Return a message with its length before it."""
    return len(wire).to_bytes(2, "big") + wire
