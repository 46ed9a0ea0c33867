"""A real etcd on loopback for tests, of one member, ended by its own process id."""

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

START_TIMEOUT_S = 60.0  # of what takes a second on an idle machine
TRIES_MAX = 3  # another process may have taken a port that was free
INSTALL = "sudo apt-get install --no-install-recommends etcd-server"


class EtcdServer:
    """An etcd with its data in a folder, a context manager that ends it; it can be killed, and started again."""

    def __init__(self, folder: Path, free_port: Callable[[], int], *arguments: str) -> None:
        program = shutil.which("etcd")
        if program is None:
            pytest.skip(f"etcd is missing; to have it: {INSTALL}")
        self._program = program
        self._folder = folder
        self._free_port = free_port
        self._arguments = arguments
        self.url = ""
        self._peer = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, at the same port as before if it ran before."""
        fixed = bool(self.url)
        for _ in range(TRIES_MAX):
            if not fixed:
                self.url = f"http://127.0.0.1:{self._free_port()}"
                self._peer = f"http://127.0.0.1:{self._free_port()}"
            with (self._folder / "etcd.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        self._program,
                        *("--name", "m1", "--data-dir", str(self._folder / "data"), "--log-level", "error"),
                        *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
                        *("--listen-peer-urls", self._peer, "--initial-advertise-peer-urls", self._peer),
                        *("--initial-cluster", f"m1={self._peer}"),
                        *self._arguments,
                    ],
                    stdout=log,
                    stderr=log,
                )
            if self._serves():
                return self
            self.kill()
            if not fixed:
                shutil.rmtree(self._folder / "data", ignore_errors=True)
        raise AssertionError((self._folder / "etcd.log").read_text())

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _serves(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5.0) as answer:
                if b'"true"' in answer.read():
                    return True
            time.sleep(0.05)
        return False
