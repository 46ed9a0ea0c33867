"""The control socket, near and far end, over a real socket."""

import asyncio
import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from standfast.guard.events import JsonValue
from standfast.io.commands import client as control_client
from standfast.io.commands import server as control
from standfast.io.commands.client import ControlError, call
from standfast.io.commands.server import ControlServer
from standfast.io.settings.places import SOCKET_NAME


async def echo(params: Mapping[str, JsonValue]) -> JsonValue:
    return {"echo": dict(params)}


async def refuse(params: Mapping[str, JsonValue]) -> JsonValue:
    raise ControlError("bad_name", "that is no name")


async def stumble(params: Mapping[str, JsonValue]) -> JsonValue:
    raise ZeroDivisionError


METHODS = {"echo": echo, "refuse": refuse, "stumble": stumble}


def serving(state_dir: Path, work: Callable[[], Awaitable[Any]]) -> Any:
    """Do `work` while a server serves `METHODS` on `state_dir`."""

    async def run() -> Any:
        server = ControlServer(state_dir, METHODS)
        await server.start()
        try:
            return await work()
        finally:
            await server.close()

    return asyncio.run(run())


def asked(state_dir: Path, method: str, **params: JsonValue) -> JsonValue:
    """Call `method` of a server on `state_dir`."""
    return serving(state_dir, lambda: asyncio.to_thread(call, state_dir, method, params))  # type: ignore[no-any-return]


def refused(state_dir: Path, method: str) -> ControlError:
    with pytest.raises(ControlError) as caught:
        asked(state_dir, method)
    return caught.value


def said(state_dir: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Send `lines` as they are over one connection, and return the responses up to the end of it."""

    async def talk() -> list[dict[str, Any]]:
        reader, writer = await asyncio.open_unix_connection(state_dir / SOCKET_NAME)
        writer.writelines(lines)
        writer.write_eof()
        responses = [json.loads(line) async for line in reader]
        writer.close()
        return responses

    return serving(state_dir, talk)  # type: ignore[no-any-return]


def test_a_call_returns_the_result_of_its_method(tmp_path: Path) -> None:
    assert asked(tmp_path, "echo", name="www.example.org", held=True) == {
        "echo": {"name": "www.example.org", "held": True}
    }


def test_the_socket_is_for_its_owner_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / SOCKET_NAME

    async def mode() -> int:
        return path.stat().st_mode & 0o777

    umask = os.umask(0)
    try:
        assert serving(tmp_path, mode) == 0o600
    finally:
        os.umask(umask)
    assert not path.exists()


def test_a_refusal_comes_back_with_its_code_and_message(tmp_path: Path) -> None:
    error = refused(tmp_path, "refuse")
    assert (error.code, error.message) == ("bad_name", "that is no name")


def test_a_command_that_fails_inside_ends_neither_the_guard_nor_the_connection(tmp_path: Path) -> None:
    lines = [json.dumps({"standfast": 1, "method": name}).encode() + b"\n" for name in ("stumble", "echo")]
    first, second = said(tmp_path, *lines)
    assert first["error"]["code"] == "internal"
    assert "ZeroDivisionError" in first["error"]["message"]
    assert second["result"] == {"echo": {}}


def test_an_unknown_method_names_those_that_there_are(tmp_path: Path) -> None:
    assert refused(tmp_path, "explode").message == 'no method "explode"; there are echo, refuse, stumble'


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\n", "bad_request"),
        (b"not json\n", "bad_request"),
        (b"[]\n", "bad_request"),
        (b'{"standfast": 1}\n', "bad_request"),
        (b'{"standfast": 1, "method": 3}\n', "bad_request"),
        (b'{"standfast": 1, "method": "echo", "params": []}\n', "bad_request"),
        (b'{"standfast": 2, "method": "echo"}\n', "version"),
        (b'{"method": "echo"}\n', "bad_request"),
        (b"\xff\xfe\n", "bad_request"),
        (b"[" * 60_000 + b"\n", "bad_request"),
    ],
)
def test_a_bad_request_is_told_and_the_next_one_served(tmp_path: Path, line: bytes, code: str) -> None:
    first, second = said(tmp_path, line, b'{"standfast": 1, "method": "echo", "params": {}}\n')
    assert first["error"]["code"] == code
    assert second["result"] == {"echo": {}}


def test_a_line_without_end_is_told_once_and_cut_off(tmp_path: Path) -> None:
    (only,) = said(tmp_path, b"x" * (control.REQUEST_BYTES_MAX + 1), b"\n")
    assert only["error"]["code"] == "too_long"


def test_half_a_request_is_no_request(tmp_path: Path) -> None:
    assert said(tmp_path, b'{"standfast": 1, "method": "echo"}') == []


def test_clients_are_served_side_by_side_up_to_the_bound(tmp_path: Path) -> None:
    path = tmp_path / SOCKET_NAME

    async def crowd() -> list[JsonValue]:
        idle = [await asyncio.open_unix_connection(path) for _ in range(control.CONNECTIONS_MAX - 1)]
        served = await asyncio.to_thread(call, tmp_path, "echo", {})
        idle.append(await asyncio.open_unix_connection(path))
        with pytest.raises(ControlError) as caught:
            await asyncio.to_thread(call, tmp_path, "echo", {})
        for _, writer in idle:
            writer.close()
        return [served, caught.value.code]

    assert serving(tmp_path, crowd) == [{"echo": {}}, "busy"]


# Who cannot be reached


def test_no_guard_at_all_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ControlError) as caught:
        call(tmp_path, "echo", {})
    assert caught.value.code == "not_running"
    assert str(caught.value) == (
        f"no guard is running on {tmp_path}. Start one with `standfast up`, or name the configuration of the running "
        "one with --config."
    )


def leave_a_dead_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))


def test_the_socket_of_a_dead_guard_is_like_no_guard(tmp_path: Path) -> None:
    leave_a_dead_socket(tmp_path / SOCKET_NAME)
    with pytest.raises(ControlError, match="no guard is running"):
        call(tmp_path, "echo", {})


def test_the_socket_of_a_dead_guard_is_replaced(tmp_path: Path) -> None:
    leave_a_dead_socket(tmp_path / SOCKET_NAME)
    assert asked(tmp_path, "echo") == {"echo": {}}


def test_the_socket_of_a_live_guard_is_left_alone(tmp_path: Path) -> None:
    async def second() -> JsonValue:
        with pytest.raises(ControlError, match="another guard serves here"):
            await ControlServer(tmp_path, METHODS).start()
        return await asyncio.to_thread(call, tmp_path, "echo", {})

    assert serving(tmp_path, second) == {"echo": {}}


def test_a_file_in_the_place_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / SOCKET_NAME).write_text("mine")
    with pytest.raises(ControlError, match="is in the way and no socket"):
        asked(tmp_path, "echo")
    assert (tmp_path / SOCKET_NAME).read_text() == "mine"


def test_a_path_too_long_for_a_socket_is_told_in_words(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with pytest.raises(ControlError, match="too long for a Unix socket"):
        asked(deep, "echo")


def test_a_guard_that_breaks_off_is_not_taken_for_an_answer(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"standfast": 1, "result"')
        writer.close()

    async def run() -> None:
        server = await asyncio.start_unix_server(hang_up, tmp_path / SOCKET_NAME)
        async with server:
            with pytest.raises(ControlError, match="broke off"):
                await asyncio.to_thread(call, tmp_path, "echo", {})

    asyncio.run(run())


def test_a_guard_that_is_stuck_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stuck:
        stuck.bind(str(tmp_path / SOCKET_NAME))
        stuck.listen()
        with pytest.raises(ControlError) as caught:
            call(tmp_path, "echo", {}, timeout_s=0.05)
    assert caught.value.code == "timeout"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: sudo make test")
def test_another_user_is_told_whose_guard_it_is() -> None:
    with tempfile.TemporaryDirectory() as made:  # the directories of pytest are not open to others
        state_dir = Path(made)
        for mode in (0o755, 0o700):  # the socket can be seen, or not even that
            state_dir.chmod(mode)
            told = serving(state_dir, lambda: asyncio.to_thread(call_as_nobody, state_dir))
            assert told.startswith("permission ")
            assert told.rstrip().endswith("Be root: sudo standfast ...")


def call_as_nobody(state_dir: Path) -> str:
    script = f"""
import os
from pathlib import Path
from standfast.io.commands.client import ControlError, call
os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    call(Path({str(state_dir)!r}), "echo", {{}})
except ControlError as error:
    print(error.code, error)
"""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_the_owner_of_a_foreign_socket_is_named(tmp_path: Path) -> None:
    path = tmp_path / SOCKET_NAME
    path.touch()
    if os.geteuid() == 0:
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        assert control_client._as_owner(path) == "Be nobody, or root: sudo -u nobody standfast ..."
    assert control_client._as_owner(tmp_path / "none" / "none") == "Be the user that it runs as, or root."
