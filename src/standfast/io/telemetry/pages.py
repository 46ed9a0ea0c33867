"""Serves a few pages to monitoring by HTTP/1.1 (RFC 9112): GET and HEAD, one exchange a connection. Knows no content.

It shares its event loop with the resolver, so that a page that comes proves that the loop turns. Whoever asks may
neither hold it up nor fill its memory: requests, connections and times are bounded.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import structlog

from standfast.dns.servers import Server
from standfast.io.clients.listener import ListenError
from standfast.io.faults import in_words

REQUEST_OCTETS_MAX: Final = 8 * 1024  # a scraper's request line and header lines take some 500
CONNECTIONS_MAX: Final = 16  # a few scrapers and probes; more is a loop gone wild
TIMEOUT_S: Final = 5.0  # for a request to come, and for its page to be taken

log = structlog.get_logger("standfast.pages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is answered with."""

    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"
    body: bytes
    allow: str | None = None  # which methods there are, where another was used (RFC 9110 section 15.5.6)


class PageServer:
    """Serves `pages` by path on one address; use it as an async context, or by `start` and `close`."""

    def __init__(
        self, server: Server, pages: Mapping[str, Callable[[], Page]], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Bind nothing yet. A page is made anew each time it is asked for; making it must not block."""
        self.bound = server
        self._pages = pages
        self._timeout_s = timeout_s
        self._server: asyncio.Server | None = None
        self._connections = 0

    async def start(self) -> None:
        """Begin to serve; `bound` then has the port, also when any was asked for (port 0).

        Raises:
            ListenError: the address is not this machine's, or the port is taken.
        """
        host, port = self.bound.host, self.bound.port
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=REQUEST_OCTETS_MAX)
        except OSError as error:
            raise ListenError(self.bound, f"{in_words(error)} - it is where metrics are to be read") from error
        self.bound = Server(host, self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._connections += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                writer.write(await self._exchange(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the other side is gone, or silent: its own affair
        finally:
            self._connections -= 1
            writer.transport.abort()  # where it is not closed by now

    async def _exchange(self, reader: asyncio.StreamReader) -> bytes:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _response(_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        words = request.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _response(_error(HTTPStatus.BAD_REQUEST))
        method, target, _ = words
        return _response(self._page(method, target.partition("?")[0]), with_body=method != "HEAD")

    def _page(self, method: str, path: str) -> Page:
        make = self._pages.get(path)
        if make is None:
            return _error(HTTPStatus.NOT_FOUND, f"there are {' and '.join(self._pages)}")
        if method not in ("GET", "HEAD"):
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "pages are read only", allow="GET, HEAD")
        try:
            return make()
        except Exception:  # a bug in what is only told must not go by unseen, nor end what is served
            log.exception("page.failed", path=path)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "the log has more")


def _error(status: HTTPStatus, words: str = "", *, allow: str | None = None) -> Page:
    text = f"{status.value} {status.phrase}{': ' if words else ''}{words}\n"
    return Page(status=status, body=text.encode(), allow=allow)


def _response(page: Page, *, with_body: bool = True) -> bytes:
    lines = [
        f"HTTP/1.1 {page.status.value} {page.status.phrase}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        *([f"Allow: {page.allow}"] if page.allow else []),
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (page.body if with_body else b"")
