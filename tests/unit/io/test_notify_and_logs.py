"""What leaves the process besides answers: a word to systemd, and events that must never stop it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from standfast.io import notify


def test_systemd_may_listen_in_the_abstract_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"standfast-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name}")
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify.tell("READY=1")
        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify"])
def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify.tell("READY=1")


def test_an_event_that_nobody_takes_does_not_stop_the_process() -> None:
    script = (
        "import structlog\n"
        "from standfast.io.telemetry.logs import configure\n"
        "configure()\n"
        "for n in range(3): structlog.get_logger().warning('store.set_aside', n=n)\n"
        "print('alive')\n"
    )
    command = [sys.executable, "-c", script]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert done.stdout == "alive\n"


def test_what_libraries_threads_and_python_say_is_an_event_a_line_as_well() -> None:
    script = (
        "import asyncio, logging, threading, warnings\n"
        "from standfast.io.telemetry.logs import configure\n"
        "configure()\n"
        "logging.getLogger('some.library').warning('two\\nlines of %s', 'it')\n"
        "logging.getLogger('some.library').info('nobody asked')\n"
        "warnings.warn('old')\n"
        "thread = threading.Thread(target=lambda: 1 / 0, name='mine')\n"
        "thread.start(); thread.join()\n"
        "async def fail(): asyncio.get_running_loop().call_soon(lambda: 1 / 0); await asyncio.sleep(0.01)\n"
        "asyncio.run(fail())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, check=True)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(event.keys() >= {"event", "level", "timestamp"} for event in events)
    assert [(event["event"], event["level"], event.get("library", event.get("thread"))) for event in events] == [
        ("library.message", "warning", "some.library"),
        ("library.message", "warning", "py.warnings"),
        ("thread.failed", "error", "mine"),
        ("library.message", "error", "asyncio"),
    ]
    assert events[0]["detail"] == "two\nlines of it"
    assert all("ZeroDivisionError" in event["exception"] for event in events[2:])
