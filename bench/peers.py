"""The servers that are measured: started on loopback on a core of their own, and stopped by their process id.

Every resolver forwards to one upstream, has room in its cache for every name of the benchmark, and limits no rate.
"""

import asyncio
import functools
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self

from bench.loadgen import Tools
from bench.machine import pinned
from bench.queries import ZONE

from standfast.drills.live.loopback import Endpoint, free_endpoint
from standfast.drills.live.process import Child
from standfast.drills.live.rivals import SBIN

GUARD: Final = "guard"
UNBOUND: Final = "unbound"
DNSMASQ: Final = "dnsmasq"
RESPONDER: Final = "responder"

START_TIMEOUT_S: Final = 60.0  # all take well under a second, but a guard or an authority with much to read
READY_TIMEOUT_S: Final = 0.25  # of one look whether a server answers
PROBE_NAME: Final = "ready"  # in ZONE; asked until it is answered, and never measured
VERSION_TIMEOUT_S: Final = 5.0
UNPACKED: Final = Path(__file__).resolve().parents[1] / ".peers"  # what `make peers` fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server; an async context manager that stops it.

    Attributes:
        label: its name in tables.
        version: as its program says.
        start_s: seconds from its start until it answered.
    """

    label: str
    version: str
    endpoint: Endpoint
    child: Child
    start_s: float

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.child.process.pid

    def check(self) -> None:
        """See that it still runs.

        Raises:
            PartFailed: it has ended.
        """
        if self.child.process.returncode is not None:
            raise self.child.failed(f"ended with status {self.child.process.returncode} while it was measured")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.child.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A program that is not on this machine, and how to get it."""

    label: str
    install: str

    def __str__(self) -> str:
        return f"{self.label} is not on this machine ({self.install}, or make peers)"


async def start_responder(tools: Tools, *, folder: Path, core: int, delay_us: int = 0) -> Server:
    """Start the responder of `load/`, whose answers each leave `delay_us` microseconds after their query came."""
    endpoint = free_endpoint()
    argv: list[str | Path] = [tools.responder, "--delay-us", str(delay_us), str(endpoint)]
    return await start(RESPONDER, "", argv, endpoint, folder=folder, cores={core})


async def start_guard(
    upstream: Endpoint,
    *,
    folder: Path,
    cores: set[int],
    workers: int = 1,
    state_dir: Path | None = None,
    start_timeout_s: float = START_TIMEOUT_S,
    everywhere: bool = False,
) -> Server:
    """Start `standfast up` with its own defaults; with several `workers` it is told of them.

    `state_dir` is what it remembers from before, None: nothing. With `everywhere` it listens on all addresses, where it
    looks at who asks, and limits no client's rate.
    """
    endpoint = free_endpoint()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "standfast.toml"
    listen = f"0.0.0.0:{endpoint.port}" if everywhere else str(endpoint)
    config.write_text(
        "[guard]\n"
        f'listen = ["{listen}"]\n'
        f'upstreams = ["{upstream}"]\n'
        f'state_dir = "{state_dir or folder / "state"}"\n'
        + (f"workers = {workers}\n" if workers > 1 else "")
        + ("rate_limit_qps = 0\n" if everywhere else "")
    )
    argv: list[str | Path] = [Path(sys.executable).with_name("standfast"), "up", "--config", config]
    label = GUARD if workers == 1 else f"{GUARD}, {workers} workers"
    label += ", on all addresses" if everywhere else ""
    return await start(
        label, version("standfast"), argv, endpoint, folder=folder, cores=cores, start_timeout_s=start_timeout_s
    )


async def start_unbound(upstream: Endpoint, *, folder: Path, cores: set[int], threads: int = 1) -> Server | Missing:
    """Start Unbound with so many threads; no DNSSEC validation, as the other forwarders do none either."""
    program = find("unbound")
    if program is None:
        return Missing(label=UNBOUND, install="sudo apt-get install unbound")
    endpoint = free_endpoint()
    config = _UNBOUND.format(
        listen=endpoint, upstream=upstream, threads=threads, reuseport="yes" if threads > 1 else "no"
    )
    # Through a pipe, not a file: Debian's AppArmor profile lets Unbound read no file outside its own folders.
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "w", encoding="ascii") as pipe:
            pipe.write(config)
        argv: list[str | Path] = [program, "-d", "-c", "/dev/stdin"]
        said = version_of(program, "-V")
        label = UNBOUND if threads == 1 else f"{UNBOUND}, {threads} threads"
        return await start(label, said, argv, endpoint, folder=folder, cores=cores, stdin=reading)
    finally:
        os.close(reading)


async def start_dnsmasq(upstream: Endpoint, *, folder: Path, core: int) -> Server | Missing:
    """Start dnsmasq with room for every name in its cache."""
    program = find("dnsmasq")
    if program is None:
        return Missing(label=DNSMASQ, install="sudo apt-get install dnsmasq-base")
    endpoint = free_endpoint()
    argv: list[str | Path] = [
        program,
        "--keep-in-foreground",
        "--conf-file=/dev/null",  # not the machine's own
        "--pid-file=",
        "--user=",  # stay who we are, also when that is root
        "--group=",
        "--log-facility=-",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--cache-size=100000",
        f"--listen-address={endpoint.address}",
        f"--port={endpoint.port}",
        f"--server={upstream.address}#{upstream.port}@127.0.0.1",
    ]
    return await start(DNSMASQ, version_of(program, "--version"), argv, endpoint, folder=folder, cores={core})


_UNBOUND = """\
server:
  interface: {listen.address}
  port: {listen.port}
  outgoing-interface: 127.0.0.1
  do-not-query-localhost: no
  do-ip6: no
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  num-threads: {threads}
  so-reuseport: {reuseport}
  minimal-responses: yes
  ratelimit: 0
  ip-ratelimit: 0
  msg-cache-size: 64m
  rrset-cache-size: 128m
  so-rcvbuf: 1m
  chroot: ""
  username: ""
  directory: ""
  pidfile: ""
  logfile: ""
  use-syslog: no
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {upstream.address}@{upstream.port}
"""


async def start(
    label: str,
    said: str,
    argv: Sequence[str | Path],
    endpoint: Endpoint,
    *,
    folder: Path,
    cores: set[int],
    stdin: int = asyncio.subprocess.DEVNULL,
    start_timeout_s: float = START_TIMEOUT_S,
) -> Server:
    """Run a server on `cores` until it answers at `endpoint`; `said` is its version.

    Raises:
        PartFailed: it does not.
    """
    begun_s = time.monotonic()
    with pinned(cores):
        child = await Child.start(label, argv, folder=folder, stdin=stdin)

    async def answers() -> bool:
        return await asyncio.to_thread(_answers, endpoint)

    try:
        await child.until(answers, timeout_s=start_timeout_s)
    except BaseException:
        await child.stop()
        raise
    start_s = time.monotonic() - begun_s
    return Server(label=label, version=said, endpoint=endpoint, child=child, start_s=start_s)


def _answers(server: Endpoint) -> bool:
    """Say whether `server` gives an address for a name: a resolver's way to its upstream then works too."""
    query_id = random.getrandbits(16)
    name = b"".join(bytes([len(label)]) + label.encode() for label in f"{PROBE_NAME}.{ZONE}".split("."))
    query = struct.pack("!6H", query_id, 0x0100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(READY_TIMEOUT_S)
        try:
            sock.connect((server.address, server.port))
            sock.send(query)
            answer = sock.recv(512)
        except OSError:
            return False
    answered, _, _, answer_count = struct.unpack_from("!4H", answer)
    return bool(answered == query_id and answer_count > 0)


def find(program: str) -> Path | None:
    """Return where `program` is; None where it is not."""
    found = shutil.which(
        program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN, str(UNPACKED / "bin")))
    )
    return Path(found) if found else None


@functools.cache
def version_of(program: Path, option: str) -> str:
    """Return the version that `program` prints when given `option`."""
    ran = subprocess.run(
        [program, option],
        capture_output=True,
        text=True,
        timeout=VERSION_TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    found = re.search(r"(?:version|BIND|server) (\d[\w.+-]*)", ran.stdout + ran.stderr, re.IGNORECASE)
    return found[1] if found else "unknown"
