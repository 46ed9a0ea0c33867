"""One HTTP/1.1 request over a connection of its own, and its answer (RFC 9112), bounded. No redirect is followed."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from standfast.values import value

HEAD_MAX: Final = 16_384  # octets of all header lines; servers send a few hundred
INTERIM_MAX: Final = 4  # answers with 1xx before the real one (RFC 9110 section 15.2)
_FIELDS: Final = "User-Agent: standfast\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
_PORTS: Final = {False: 80, True: 443}


@value
class Answer:
    """What a server said, its body as far as it was read."""

    status: int
    body: bytes


@value
class Response:
    """An answer whose body is read as it comes."""

    status: int
    parts: AsyncIterator[bytes]


class NotHttp(Exception):
    """What came is no answer. The text says why."""


async def exchange(
    address: str,
    port: int,
    context: ssl.SSLContext | None,
    *,
    host: str,
    head: str,
    body: bytes = b"",
    body_max: int,
    until: bytes | None = None,
) -> Answer:
    """Send one request over a connection of its own and return the answer.

    Args:
        address: where to.
        port: at which.
        context: with it by TLS, for `host`.
        host: in whose name; `Host` and SNI.
        head: the request line and header fields, but `Host`, `Connection`, and lengths.
        body: that goes with it.
        body_max: octets of the answer's body that are read at most.
        until: no more is read once this is in it.

    Raises:
        NotHttp: what came is no answer.
        OSError: it cannot be reached, or breaks off.
    """
    async with requested(address, port, context, host=host, head=head, body=body) as response:
        read = bytearray()
        if body_max:
            async for part in response.parts:
                read += part
                if len(read) >= body_max or (until is not None and until in read):
                    break
        return Answer(status=response.status, body=bytes(read[:body_max]))


@asynccontextmanager
async def requested(
    address: str, port: int, context: ssl.SSLContext | None, *, host: str, head: str, body: bytes = b""
) -> AsyncIterator["Response"]:
    """Send one request, as `exchange` does, and give the answer while its body still comes.

    Raises:
        NotHttp: what came is no answer.
        OSError: it cannot be reached, or breaks off.
    """
    name = f"[{host}]" if ":" in host else host
    told = name if port == _PORTS[context is not None] else f"{name}:{port}"
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    fields = f"Host: {told}\r\n{_FIELDS}{length}\r\n"
    reader, writer = await asyncio.open_connection(
        address, port, limit=HEAD_MAX, ssl=context, server_hostname=host if context else None
    )
    try:
        writer.write((head + fields).encode() + body)
        yield await _response(reader)
    except asyncio.LimitOverrunError:
        raise NotHttp(f"its header is longer than {HEAD_MAX} octets") from None
    except EOFError:
        raise NotHttp("it closed the connection within its answer") from None
    finally:
        writer.transport.abort()


async def _response(reader: asyncio.StreamReader) -> "Response":
    for _ in range(INTERIM_MAX + 1):
        status, fields = _read_head(await reader.readuntil(b"\r\n\r\n"))
        if status >= 200:
            return Response(status=status, parts=_parts(reader, fields))
    raise NotHttp(f"more than {INTERIM_MAX} interim answers")


def _read_head(octets: bytes) -> tuple[int, dict[str, str]]:
    """Return the status, and the header fields by their names in lower case."""
    first, *lines = octets.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdigit() and len(status) == 3):
        raise NotHttp("what it speaks is not HTTP/1")
    fields = (line.partition(":") for line in lines if line)
    return int(status), {name.strip().lower(): text.strip() for name, _, text in fields}


async def _parts(reader: asyncio.StreamReader, fields: dict[str, str]) -> AsyncIterator[bytes]:
    """Yield the body as it comes: in chunks, so many octets, or until the end (RFC 9112 section 6.3)."""
    try:
        if fields.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
                async for part in _octets(reader, size):
                    yield part
                await reader.readexactly(2)
            return
        length = fields.get("content-length")
        left = None if length is None else int(length)
    except ValueError:
        raise NotHttp("the length of its body is no number") from None
    async for part in _octets(reader, left):
        yield part


async def _octets(reader: asyncio.StreamReader, left: int | None) -> AsyncIterator[bytes]:
    while left is None or left > 0:
        part = await reader.read(HEAD_MAX if left is None else min(left, HEAD_MAX))
        if not part:
            if left is None:
                return
            raise EOFError
        left = None if left is None else left - len(part)
        yield part
