"""What leaves the process besides answers: a word to systemd, and events that must never stop it."""

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
        "from standfast.io.logs import configure\n"
        "configure()\n"
        "for n in range(3): structlog.get_logger().warning('store.set_aside', n=n)\n"
        "print('alive')\n"
    )
    command = [sys.executable, "-c", script]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert done.stdout == "alive\n"
