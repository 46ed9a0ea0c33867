"""The control socket: how the command line speaks to a running guard. Carries questions and answers, decides nothing.

One JSON object a line, over a Unix socket that only the guard's own user may open:

    {"standfast": 1, "method": "explain", "params": {"name": "www.example.org"}}
    {"standfast": 1, "result": {...}}        or        {"standfast": 1, "error": {"code": "...", "message": "..."}}

A connection may carry any number of requests, one after the other.
"""

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from standfast.guard.events import JsonValue
from standfast.io.commands.client import PROTOCOL, ControlError, is_alive
from standfast.io.settings.places import SOCKET_NAME, SOCKET_PATH_MAX

REQUEST_BYTES_MAX = 64 * 1024  # a request is a name and a few words
CONNECTIONS_MAX = 32  # people and their scripts; more is a loop gone wild
IDLE_TIMEOUT_S = 60.0
SOCKET_MODE = 0o600

Method = Callable[[Mapping[str, JsonValue]], Awaitable[JsonValue]]

log = structlog.get_logger()


class ControlServer:
    """Serves `methods` by name on the socket in `state_dir`; use it as an async context, or by `start` and `close`.

    A method raises `ControlError` to refuse.
    """

    def __init__(self, state_dir: Path, methods: Mapping[str, Method]) -> None:
        self.path = state_dir / SOCKET_NAME
        self._methods = methods
        self._server: asyncio.Server | None = None
        self._connections = 0

    async def start(self) -> None:
        """Begin to serve, in place of a socket that a dead process left.

        Raises:
            ControlError: a live process serves there, or the socket cannot be made.
        """
        if len(os.fsencode(self.path)) > SOCKET_PATH_MAX:
            raise ControlError("path", f"{self.path}: too long for a Unix socket. Set a shorter state_dir.")
        try:
            _clear(self.path)
            self._server = await asyncio.start_unix_server(self._serve, sock=_bound(self.path), limit=REQUEST_BYTES_MAX)
        except OSError as error:
            raise ControlError("socket", f"{self.path}: cannot listen here: {error.strerror}") from error

    async def close(self) -> None:
        """Stop serving and remove the socket."""
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections > CONNECTIONS_MAX:
                await _send(writer, _error("busy", f"{CONNECTIONS_MAX} connections are open already"))
                return
            while await self._exchange(reader, writer):
                pass
        except (OSError, TimeoutError):
            pass  # the other side is gone, or silent: its own affair
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; say whether another may follow."""
        try:
            async with asyncio.timeout(IDLE_TIMEOUT_S):
                line = await reader.readline()
        except ValueError:  # the line is longer than the limit, and the rest of it still to come
            await _send(writer, _error("too_long", f"a request has at most {REQUEST_BYTES_MAX} octets"))
            return False
        if not line.endswith(b"\n"):
            return False
        await _send(writer, await self._answer(line))
        return True

    async def _answer(self, line: bytes) -> dict[str, JsonValue]:
        try:
            name, params = _request(line)
            method = self._methods.get(name)
            if method is None:
                raise ControlError("unknown_method", f'no method "{name}"; there are {", ".join(self._methods)}')
            return {"standfast": PROTOCOL, "result": await method(params)}
        except ControlError as error:
            return _error(error.code, error.message)
        except Exception as error:  # a bug in one command must not end the resolver that everybody hangs on
            log.exception("control.failed", request=line[:200].decode(errors="replace"))
            return _error("internal", f"the command failed inside the guard: {error!r}; its log has more")


def _request(line: bytes) -> tuple[str, dict[str, JsonValue]]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError("bad_request", f"a request is one JSON object a line: {error}") from error
    match request:
        case {"standfast": version} if version != PROTOCOL:
            raise ControlError(
                "version", f"this guard speaks version {PROTOCOL} of the control protocol, not {version}"
            )
        case {"standfast": _, "method": str(name), "params": dict(params)}:
            return name, params
        case {"standfast": _, "method": str(name), **others} if not others:
            return name, {}
        case _:
            raise ControlError("bad_request", 'a request needs "standfast", "method" and, as it wants, "params"')


def _error(code: str, message: str) -> dict[str, JsonValue]:
    return {"standfast": PROTOCOL, "error": {"code": code, "message": message}}


async def _send(writer: asyncio.StreamWriter, response: dict[str, JsonValue]) -> None:
    writer.write(json.dumps(response).encode() + b"\n")
    async with asyncio.timeout(IDLE_TIMEOUT_S):
        await writer.drain()


def _clear(path: Path) -> None:
    """Remove the socket that a dead process left at `path`."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError("socket", f"{path}: is in the way and no socket. Move it elsewhere.")
    if is_alive(path):
        raise ControlError("socket", f"{path}: another guard serves here. Stop it first.")
    path.unlink()


def _bound(path: Path) -> socket.socket:
    """Return a socket bound to `path` that was never open to others, not even between `bind` and `chmod`."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), SOCKET_MODE)  # on Linux, `bind` gives the file the mode of the socket
        listener.bind(str(path))
        path.chmod(SOCKET_MODE)  # where it does not
    except BaseException:
        listener.close()
        raise
    return listener
