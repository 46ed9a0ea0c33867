"""The near end of the control socket: asks a running guard, and says plainly why one cannot be asked."""

import json
import pwd
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from standfast.errors import StandfastError
from standfast.io.settings.places import SOCKET_NAME

if TYPE_CHECKING:  # a command that only asks loads nothing of the guard
    from standfast.guard.events import JsonValue

PROTOCOL = 1
TIMEOUT_S = 10.0  # a guard answers in milliseconds; one that does not is stuck
RESPONSE_BYTES_MAX = 64 * 1024 * 1024  # `names` of a large guard

UNREACHABLE_CODES = frozenset({"not_running", "permission", "timeout", "broken"})


class ControlError(StandfastError):
    """A running guard cannot be reached, or refused. Fields: `code` (a stable word) and `message`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def call(
    state_dir: Path, method: str, params: "Mapping[str, JsonValue]", *, timeout_s: float = TIMEOUT_S
) -> "JsonValue":
    """Ask the guard that runs on `state_dir`, and return its result.

    Raises:
        ControlError: it cannot be reached (`code` in `UNREACHABLE_CODES`), or it refused.
    """
    path = state_dir / SOCKET_NAME
    request = json.dumps({"standfast": PROTOCOL, "method": method, "params": dict(params)}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(request)
            with connection.makefile("rb") as stream:
                line = stream.readline(RESPONSE_BYTES_MAX)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        raise ControlError("not_running", f"no guard is running on {state_dir}. {_START}") from error
    except PermissionError as error:
        raise ControlError("permission", f"{path}: this user may not speak to the guard. {_as_owner(path)}") from error
    except TimeoutError as error:
        raise ControlError("timeout", f"{path}: the guard did not answer within {timeout_s:g} s.") from error
    except OSError as error:
        raise ControlError("broken", f"{path}: cannot speak to the guard: {error.strerror or error}.") from error
    return _result(line, path)


def is_alive(path: Path) -> bool:
    """Say whether somebody listens on the socket at `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def _result(line: bytes, path: Path) -> "JsonValue":
    try:
        response = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        response = None
    match response:
        case {"standfast": _, "error": {"code": str(code), "message": str(message)}}:
            raise ControlError(code, message)
        case {"standfast": _, "result": result}:
            return result  # type: ignore[no-any-return]  # JSON, by its own definition
        case _:
            raise ControlError("broken", f"{path}: the guard broke off, or answered in another language.")


def _as_owner(path: Path) -> str:
    for seen in (path, path.parent):  # the socket itself is hidden where the directory is private
        try:
            owner = pwd.getpwuid(seen.stat().st_uid).pw_name
        except (OSError, KeyError):
            continue
        return _be(owner)
    return "Be the user that it runs as, or root."


def _be(owner: str) -> str:
    return f"Be {owner}, or root: sudo -u {owner} standfast ..." if owner != "root" else "Be root: sudo standfast ..."


_START = "Start one with `standfast up`, or name the configuration of the running one with --config."
