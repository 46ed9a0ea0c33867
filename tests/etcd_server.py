"""Real etcds on loopback for tests: one member, or three that are reached by TLS alone, ended by their process ids."""

import shutil
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from standfast.drills.live.authority import Certificate, ThrowawayAuthority

START_TIMEOUT_S = 60.0  # of what takes a second on an idle machine
TRIES_MAX = 3  # another process may have taken a port that was free
INSTALL = "sudo apt-get install --no-install-recommends etcd-server"
MEMBERS = ("m1", "m2", "m3")


class EtcdServer:
    """An etcd with its data in a folder, a context manager that ends it; it can be killed, and started again."""

    def __init__(self, folder: Path, free_port: Callable[[], int], *arguments: str) -> None:
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
            self._process = _started(
                self._folder,
                *("--name", "m1", "--initial-cluster", f"m1={self._peer}"),
                *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
                *("--listen-peer-urls", self._peer, "--initial-advertise-peer-urls", self._peer),
                *self._arguments,
            )
            if _serves(self._process, self.url):
                return self
            self.kill()
            if not fixed:
                shutil.rmtree(self._folder / "data", ignore_errors=True)
        raise AssertionError((self._folder / "etcd.log").read_text())

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            _end(self._process)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdMember:
    """One of several, which can be stalled, or ended as a crash would."""

    url: str
    process: subprocess.Popen[bytes]

    def stall(self) -> None:
        """Have it do nothing at all."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would, and for good."""
        _end(self.process)


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdCluster:
    """Three members that speak TLS, with each other and with clients, to nobody but who shows a certificate."""

    members: tuple[EtcdMember, ...]
    ca_file: Path
    client: Certificate
    named_client: Certificate  # with a common name

    def context(self, shown: Certificate | None) -> ssl.SSLContext:
        """Return what a client begins with that shows this certificate."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        if shown is not None:
            context.load_cert_chain(shown.cert_file, shown.key_file)
        return context


@contextmanager
def etcd_cluster(folder: Path, free_port: Callable[[], int]) -> Iterator[EtcdCluster]:
    """Run three members until the context ends."""
    authority = ThrowawayAuthority.create(folder / "ca")
    shown = authority.issue(["127.0.0.1"])
    for _ in range(TRIES_MAX):
        with ExitStack() as stack:
            members = []
            peers = {name: f"https://127.0.0.1:{free_port()}" for name in MEMBERS}
            health = {name: f"http://127.0.0.1:{free_port()}" for name in MEMBERS}
            attempt = folder / f"at-{free_port()}"
            for name in MEMBERS:
                url = f"https://127.0.0.1:{free_port()}"
                process = _started(
                    attempt / name,
                    *("--name", name, "--initial-cluster", ",".join(f"{each}={peers[each]}" for each in MEMBERS)),
                    *("--listen-client-urls", url, "--advertise-client-urls", url),
                    *("--listen-peer-urls", peers[name], "--initial-advertise-peer-urls", peers[name]),
                    *("--listen-metrics-urls", health[name]),
                    *("--client-cert-auth", "--peer-client-cert-auth"),
                    *("--cert-file", str(shown.cert_file), "--key-file", str(shown.key_file)),
                    *("--peer-cert-file", str(shown.cert_file), "--peer-key-file", str(shown.key_file)),
                    *("--trusted-ca-file", str(authority.ca_file), "--peer-trusted-ca-file", str(authority.ca_file)),
                )
                stack.callback(_end, process)
                members.append(EtcdMember(url=url, process=process))
            if all(_serves(each.process, health[name]) for name, each in zip(MEMBERS, members, strict=True)):
                client = authority.issue(["standfast.example"], has_subject=False)
                named = authority.issue(["standfast.example"])
                yield EtcdCluster(members=tuple(members), ca_file=authority.ca_file, client=client, named_client=named)
                return
    raise AssertionError("".join(log.read_text() for log in attempt.glob("*/etcd.log")))


def _started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    program = shutil.which("etcd")
    if program is None:
        pytest.skip(f"etcd is missing; to have it: {INSTALL}")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "etcd.log").open("ab") as log:
        return subprocess.Popen(
            [program, "--data-dir", str(folder / "data"), "--log-level", "error", *arguments], stdout=log, stderr=log
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _serves(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5.0) as answer:
            if b'"true"' in answer.read():
                return True
        time.sleep(0.05)
    return False
