"""Standard output that cannot be written: told in one line where a disk is full, and not told to who has left."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from running_guard import START_TIMEOUT_S, standfast, write_config
from standfast.io.commands import client
from standfast.io.commands.client import ControlError

FULL = Path("/dev/full")  # a device on which there is never room (full(4))
COMMAND = [sys.executable, "-m", "standfast.cli.main"]
TOLD = "standfast: cannot write to standard output: No space left on device\n"

needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")


@needs_full
@pytest.mark.parametrize("arguments", [["--help"], ["map", "--help"], ["completion", "bash"], ["drill", "list"]])
def test_a_full_disk_is_told_in_one_line(arguments: list[str]) -> None:
    with FULL.open("w") as full:
        command = [*COMMAND, *arguments]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (4, TOLD)


def test_who_has_read_enough_is_told_nothing() -> None:
    with subprocess.Popen([*COMMAND, "completion", "zsh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_what_is_printed_is_all_there() -> None:
    assert standfast("--help").stdout.startswith("Usage: standfast")
    assert standfast("completion", "bash").stdout.endswith("\n")


@needs_full
def test_a_guard_serves_though_nobody_can_read_that_it_does(tmp_path: Path) -> None:
    config = write_config(tmp_path, "127.0.0.1:9")
    with FULL.open("w") as full, (tmp_path / "events").open("w") as events:
        process = subprocess.Popen([*COMMAND, "up", "--config", str(config)], stdout=full, stderr=events)
        try:
            until_s = time.monotonic() + START_TIMEOUT_S
            while not _answers(tmp_path / "state"):
                assert process.poll() is None, (tmp_path / "events").read_text()
                assert time.monotonic() < until_s
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            assert process.wait(START_TIMEOUT_S) == 0
        finally:
            process.kill()
            process.wait()
    assert TOLD in (tmp_path / "events").read_text()


def _answers(state_dir: Path) -> bool:
    try:
        client.call(state_dir, "status", {})
    except ControlError:
        return False
    return True
