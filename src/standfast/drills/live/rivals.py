"""What people run today, started as they would: real Unbound with serve-expired, and real dnsmasq.

Both forward to one upstream on loopback, and can send nowhere else: their queries leave from 127.0.0.1.
"""

import asyncio
import os
import random
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from standfast.drills.live.loopback import Endpoint, free_endpoint
from standfast.drills.live.process import Child
from standfast.drills.live.stub import build_query, read_records

START_TIMEOUT_S = 10.0  # both take well under a second
QUERY_TIMEOUT_S = 0.25  # of one look whether it is there
SBIN = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/sbin",
)  # where servers lie, and where the PATH of a plain user may not look


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A running resolver; an async context manager that stops it.

    Attributes:
        version: name and version, as it says itself when asked for `version.bind`.
    """

    version: str
    endpoint: Endpoint
    child: Child

    async def stop(self) -> None:
        """End it; calling it twice is fine."""
        await self.child.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotInstalled:
    """The program is not on this machine; `install` is the command that would put it there."""

    program: str
    install: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeExpired:
    """How long and how Unbound serves stale data; by default as RFC 8767 section 5 suggests."""

    ttl_s: int = 86_400  # one day; the RFC suggests one to three
    reply_ttl_s: int = 30
    client_timeout_ms: int = 1_800


async def start_unbound(
    upstream: Endpoint, *, folder: Path, expired: ServeExpired | None = ServeExpired()
) -> Rival | NotInstalled:
    """Start Unbound as a forwarder to `upstream`; `expired` None switches serve-expired off.

    Raises:
        PartFailed: it is installed and did not start.
    """
    program = _find("unbound")
    if program is None:
        return NotInstalled(program="unbound", install="sudo apt-get install unbound")
    endpoint = free_endpoint()
    # Through a pipe, not a file: Debian's AppArmor profile lets Unbound read no file outside its own folders.
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "w", encoding="ascii") as config:
            config.write(_unbound_config(endpoint, upstream, expired))  # under 1 kB; a pipe holds 64
        return await _start("unbound", [program, "-d", "-c", "/dev/stdin"], endpoint, folder, stdin=reading)
    finally:
        os.close(reading)


async def start_dnsmasq(upstream: Endpoint, *, folder: Path, use_stale_cache: bool = False) -> Rival | NotInstalled:
    """Start dnsmasq as a forwarder to `upstream`, with its own defaults for the cache.

    Args:
        upstream: where it forwards everything.
        folder: for its log.
        use_stale_cache: `--use-stale-cache` (2.87 and later): answer from expired entries while asking again.

    Raises:
        PartFailed: it is installed and did not start.
    """
    program = _find("dnsmasq")
    if program is None:
        return NotInstalled(program="dnsmasq", install="sudo apt-get install dnsmasq-base")
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
        f"--listen-address={endpoint.address}",
        f"--port={endpoint.port}",
        f"--server={upstream.address}#{upstream.port}@127.0.0.1",
        *(["--use-stale-cache"] if use_stale_cache else []),
    ]
    return await _start("dnsmasq", argv, endpoint, folder)


def _unbound_config(endpoint: Endpoint, upstream: Endpoint, expired: ServeExpired | None) -> str:
    lines = [
        "server:",
        f"interface: {endpoint.address}",
        f"port: {endpoint.port}",
        "outgoing-interface: 127.0.0.1",
        "do-not-query-localhost: no",
        "do-ip6: no",
        "access-control: 127.0.0.0/8 allow",
        'module-config: "iterator"',  # the drill's zones are not signed
        "num-threads: 1",
        'chroot: ""',
        'username: ""',
        'directory: ""',
        'pidfile: ""',
        'logfile: ""',
        "use-syslog: no",
    ]
    if expired is not None:
        lines += [
            "serve-expired: yes",
            f"serve-expired-ttl: {expired.ttl_s}",
            f"serve-expired-reply-ttl: {expired.reply_ttl_s}",
            f"serve-expired-client-timeout: {expired.client_timeout_ms}",
        ]
    lines += [
        "remote-control:",
        "control-enable: no",
        "forward-zone:",
        'name: "."',
        f"forward-addr: {upstream.address}@{upstream.port}",
    ]
    return "\n".join(lines) + "\n"


async def _start(
    name: str,
    argv: Sequence[str | Path],
    endpoint: Endpoint,
    folder: Path,
    *,
    stdin: int = asyncio.subprocess.DEVNULL,
) -> Rival:
    child = await Child.start(name, argv, folder=folder, stdin=stdin)
    version: str | None = None

    async def says_its_version() -> bool:
        nonlocal version
        version = await asyncio.to_thread(_version_of, endpoint)
        return version is not None

    try:
        await child.until(says_its_version, timeout_s=START_TIMEOUT_S)
    except BaseException:
        await child.stop()
        raise
    assert version is not None
    return Rival(version=version, endpoint=endpoint, child=child)


def _version_of(server: Endpoint) -> str | None:
    """Ask `server` for the text of version.bind in class CHAOS, which it answers by itself (RFC 4892)."""
    query = build_query(random.getrandbits(16), b"\x07version\x04bind\x00", _TYPE_TXT, _CLASS_CHAOS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(QUERY_TIMEOUT_S)
        try:
            sock.connect((server.address, server.port))
            sock.send(query)
            message = sock.recv(512)
        except OSError:
            return None
    if message[:2] != query[:2]:
        return None
    record = next(read_records(message, len(query), 1))
    return message[record.data][1:].decode("ascii", "replace")


def _find(program: str) -> Path | None:
    found = shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN)))
    return Path(found) if found else None


_TYPE_TXT, _CLASS_CHAOS = 16, 3
