"""Connections to upstreams: over which one a query goes, when another is opened, what becomes of one that is lost.

A server has one connection as long as that has room (RFC 7766 section 6.2.2). Queries that a server leaves without an
answer when it closes a connection that it answered on before, as it may at any moment, go once again over a new one;
on a connection that never answered they have failed.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from standfast.dns.exchange import Heeded
from standfast.dns.servers import Server
from standfast.guard.events import Ask
from standfast.io.faults import in_words
from standfast.io.roots import Roots
from standfast.io.upstreams.connection import Asked, UpstreamConnection
from standfast.io.upstreams.lines import Line, line_to
from standfast.io.upstreams.messages import Answer, NotAnswered

CONNECTIONS_MAX: Final = 4  # to one server: more than one only while all before are full
QUEUE_MAX: Final = 4096  # queries to one server that wait for a connection or for room on one
CONNECT_S: Final = 4.0  # to connect and shake hands; after that nobody waits any more (`asking.EXCHANGE_MAX_S`)
PAUSE_S: Final = 0.25  # after a connection that could not be made; a handshake for every query would be an attack


class Pool:
    """All queries that go over connections. Lives in the event loop that it is first used in."""

    def __init__(
        self, roots: Roots, *, on_heard: Callable[[int, Heeded], None], on_failed: Callable[[int, str], None]
    ) -> None:
        self._roots = roots
        self._on_heard = on_heard
        self._on_failed = on_failed
        self._asked: dict[int, Asked] = {}
        self._upstreams: dict[Server, _Upstream] = {}

    def __len__(self) -> int:
        return len(self._asked)

    @property
    def opened(self) -> int:
        """How many connections there have been."""
        return sum(upstream.opened for upstream in self._upstreams.values())

    def send(self, ask: Ask) -> None:
        """Send a query; what comes of it is reported later, never from within this call."""
        self._asked[ask.ask] = asked = Asked(ask)
        upstream = self._upstreams.get(ask.server)
        if upstream is None:
            upstream = _Upstream(ask.server, line_to(ask.server, ask.transport, self._roots), self._take)
            self._upstreams[ask.server] = upstream
        upstream.put(asked)

    def abandon(self, ask: int) -> None:
        """Report nothing of `ask` any more; its connection stays."""
        asked = self._asked.pop(ask, None)
        if asked is None:
            return
        if asked.connection is not None:
            asked.connection.forget(asked)
        else:
            self._upstreams[asked.ask.server].withdraw(asked)

    def close(self) -> None:
        """Abandon all queries and close all connections."""
        for ask in list(self._asked):
            self.abandon(ask)
        for upstream in self._upstreams.values():
            upstream.close()
        self._upstreams.clear()

    def _take(self, asked: Asked, what: Heeded | str) -> None:
        if self._asked.pop(asked.ask.ask, None) is None:
            return
        if isinstance(what, str):
            self._on_failed(asked.ask.ask, what)
        else:
            self._on_heard(asked.ask.ask, what)


class _Upstream:
    """One server: its connections, and the queries that are on none."""

    def __init__(self, server: Server, line: Line, report: Callable[[Asked, Heeded | str], None]) -> None:
        self._server = server
        self._line = line
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._queue: dict[int, Asked] = {}  # by ask; first in, first out
        self._connections: list[UpstreamConnection] = []
        self._opening: asyncio.Task[None] | None = None
        self._pause_ends_s = 0.0
        self._failure = ""  # why the last connection could not be made
        self.opened = 0

    def put(self, asked: Asked) -> None:
        """Send `asked`, now or when there is a connection with room for it."""
        if len(self._queue) >= QUEUE_MAX:
            self._loop.call_soon(self._report, asked, f"{QUEUE_MAX} queries wait for it already")
            return
        self._queue[asked.ask.ask] = asked
        self._send_queued()

    def withdraw(self, asked: Asked) -> None:
        """Do not send `asked`, which is on no connection."""
        self._queue.pop(asked.ask.ask, None)

    def close(self) -> None:
        """Close all connections; nothing is reported of what was on them."""
        self._queue.clear()
        if self._opening is not None:
            self._opening.cancel()
        for connection in self._connections:
            connection.close("the guard stops")

    def _send_queued(self) -> None:
        for connection in self._connections:
            for asked in self._taken_while(connection):
                connection.put(asked)
            connection.flush()
        if not self._queue or self._opening is not None or len(self._connections) >= CONNECTIONS_MAX:
            return
        if self._loop.time() >= self._pause_ends_s:
            self._opening = self._loop.create_task(self._open())
        elif not self._connections:
            self._loop.call_soon(self._fail_queued)

    def _taken_while(self, connection: UpstreamConnection) -> Iterator[Asked]:
        while self._queue and connection.has_room:
            yield self._queue.pop(next(iter(self._queue)))

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._connect()
        except TimeoutError as error:
            self._failure = in_words(error) or f"no connection within {CONNECT_S:g} s"
        except OSError as error:
            self._failure = in_words(error) or "the connection was closed in the handshake"
        else:
            self._failure = connection.lost
        finally:
            self._opening = None
        if self._failure:
            self._pause_ends_s = self._loop.time() + PAUSE_S
            self._fail_queued()
        else:
            self._connections.append(connection)
            self.opened += 1
            self._send_queued()

    async def _connect(self) -> UpstreamConnection:
        """Connect and shake hands; asyncio's default, to verify chain and name, is that of the context."""
        line = self._line
        _, connection = await self._loop.create_connection(
            lambda: UpstreamConnection(
                line.pipeline(),
                idle_s=line.idle_s,
                on_answer=self._answered,
                on_room=self._send_queued,
                on_lost=self._lost,
            ),
            self._server.host,
            self._server.port,
            ssl=line.context,
            server_hostname=line.name,
        )
        if line.alpn and (connection.tls is None or connection.tls.selected_alpn_protocol() != line.alpn):
            connection.close("")
            raise ConnectionError(f"it does not speak {line.alpn} (ALPN)")
        return connection

    def _fail_queued(self) -> None:
        """Fail what waits for the connection that could not be made, unless there is another to wait for."""
        if self._connections:
            return
        failed, self._queue = self._queue, {}
        for asked in failed.values():
            self._report(asked, self._failure)

    def _answered(self, asked: Asked, answer: Answer) -> None:
        if not isinstance(answer, NotAnswered):
            self._report(asked, answer)
        elif answer.untouched and not asked.sent_again:
            self._send_again(asked)
        else:
            self._report(asked, answer.detail)

    def _lost(self, connection: UpstreamConnection, unanswered: list[Asked], why: str) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        if self._line.context is not None and self._line.name and connection.tls is not None:
            self._line.context.keep(self._line.name, connection.tls)
        for asked in unanswered:
            if connection.has_answered and not asked.sent_again:
                self._send_again(asked)
            else:
                self._report(asked, why)
        self._send_queued()

    def _send_again(self, asked: Asked) -> None:
        asked.connection, asked.sent_again = None, True
        self._queue[asked.ask.ask] = asked
