"""Real servers and clients on loopback for tests: Knot with signed zones, Unbound validating them, dig, and a guard.

Servers are ended by their own process id. Unbound can send nowhere but to loopback.
"""

import asyncio
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bound_sockets import bound_pair
from standfast.dns.model import Question, RRType
from standfast.dns.servers import Server
from standfast.drills.live.authority import Certificate
from standfast.evidence.model import ProbeSpec
from standfast.guard.events import JsonValue, Remember
from standfast.guard.policy import PolicyTable
from standfast.guard.resolver import Resolver, Settings
from standfast.io.clients.limits import Limits
from standfast.io.clock import SteadyClock
from standfast.io.guard_service import GuardService
from standfast.io.roots import Roots
from standfast.io.settings.addresses import ListenAddress

PACKAGES = {
    "chromium": "chromium",
    "delv": "bind9-dnsutils",
    "dig": "bind9-dnsutils",
    "dnssec-signzone": "bind9-utils",
    "dnssec-verify": "bind9-utils",
    "gcc": "gcc",
    "gvpr": "graphviz",
    "kdig": "knot-dnsutils",
    "knotd": "knot",
    "kzonecheck": "knot-dnssecutils",
    "ldns-keygen": "ldnsutils",
    "ldns-signzone": "ldnsutils",
    "ldns-verify-zone": "ldnsutils",
    "named": "bind9",
    "named-checkzone": "bind9-utils",
    "knsupdate": "knot-dnsutils",
    "node": "nodejs",
    "nsd": "nsd",
    "nsupdate": "bind9-dnsutils",
    "pdns_server": "pdns-server pdns-backend-bind",
    "pdnsutil": "pdns-server pdns-backend-bind",
    "spin": "spin",
    "unbound": "unbound",
}
SBIN = ("/usr/sbin", "/sbin")  # where servers lie, and where the PATH of a plain user may not look
START_TIMEOUT_S = 60.0  # of what takes a second on an idle machine
STOP_TIMEOUT_S = 30.0

SOA = "@ 60 SOA ns hostmaster 1 3600 600 86400 30\n@ 60 NS ns\nns 60 A 127.0.0.1\n"


def program(name: str) -> str:
    """Return the path of a peer's program, or skip the test with the line that installs it."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(SBIN))
    if found is None:
        pytest.skip(f"{name} is missing; to have it: sudo apt-get install --no-install-recommends {PACKAGES[name]}")
    return found


# Servers


@contextmanager
def knot(folder: Path, port: int, zones: Mapping[str, str], *, cookies: bool = False) -> Iterator[Server]:
    """Serve `zones`, name to contents without SOA and NS, signed by Knot as it loads them.

    With `cookies`, whoever sends one by UDP gets an answer to Knot's own alone, and BADCOOKIE to any other.
    """
    knotd = program("knotd")
    folder.mkdir(parents=True, exist_ok=True)
    declared = ""
    for zone, records in zones.items():
        (folder / f"{zone}zone").write_text(f"$ORIGIN {zone}\n{SOA}{records}")
        declared += f'  - domain: {zone}\n    file: "{folder}/{zone}zone"\n'
    config = folder / "knot.conf"
    config.write_text(
        f'server:\n  rundir: "{folder}"\n  listen: 127.0.0.1@{port}\n'
        f"log:\n  - target: stderr\n    any: warning\n"
        f'database:\n  storage: "{folder}"\n'
        "policy:\n  - id: one-key\n    single-type-signing: on\n"
        "mod-cookies:\n  - id: default\n    badcookie-slip: 1\n"
        "template:\n  - id: default\n    dnssec-signing: on\n    dnssec-policy: one-key\n"
        f"{'    global-module: mod-cookies/default' if cookies else ''}\n"
        f"zone:\n{declared}"
    )
    server = Server("127.0.0.1", port)
    ready = [Question(zone, 48) for zone in zones]
    with running([knotd, "-c", str(config)], folder / "knotd.log", server, ready=ready):
        yield server


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted:
    """The ports of DNS over TLS and over HTTPS, and the certificate that is shown there."""

    tls_port: int
    https_port: int
    certificate: Certificate


@contextmanager
def unbound(
    folder: Path, port: int, authority: Server, anchors: Mapping[str, str], *, encrypted: Encrypted | None = None
) -> Iterator[Server]:
    """Resolve recursively with all zones at `authority`; `anchors` are zones and the DNSKEYs that sign them."""
    with unbound_process(folder, port, authority, anchors, encrypted=encrypted):
        yield Server("127.0.0.1", port)


@contextmanager
def unbound_process(
    folder: Path, port: int, authority: Server, anchors: Mapping[str, str], *, encrypted: Encrypted | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Do what `unbound` does, and give its process into the hands of the test."""
    binary = program("unbound")
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*_unbound_server(port, modules="validator iterator"), "ede: yes"]
    lines += ["qname-minimisation: no"]  # what the one authority has no zone for, it refuses
    lines += [f'trust-anchor: "{zone} DNSKEY {key}"' for zone, key in anchors.items()]
    if encrypted is not None:
        binary = _unconfined(binary, folder)
        for kind, encrypted_port in (("tls", encrypted.tls_port), ("https", encrypted.https_port)):
            lines += [f"interface: 127.0.0.1@{encrypted_port}", f"{kind}-port: {encrypted_port}"]
        lines += [f'tls-service-pem: "{encrypted.certificate.cert_file}"']
        lines += [f'tls-service-key: "{encrypted.certificate.key_file}"']
    lines += ["remote-control:", "control-enable: no"]
    lines += ["stub-zone:", 'name: "."', f"stub-addr: {authority.host}@{authority.port}"]
    for zone in anchors:
        lines += ["stub-zone:", f'name: "{zone}"', f"stub-addr: {authority.host}@{authority.port}"]
    server = Server("127.0.0.1", port)
    # By stdin, as Debian's AppArmor profile lets it read no file of ours.
    argv = [binary, "-d", "-c", "/dev/stdin"]
    ready = [Question(next(iter(anchors)), 6)]
    with running(argv, folder / "unbound.log", server, ready=ready, config="\n".join(lines) + "\n") as process:
        yield process


@contextmanager
def forwarder(folder: Path, port: int, upstream: str, ca_file: Path) -> Iterator[Server]:
    """Run Unbound that asks `upstream`, as `ADDRESS@PORT#NAME`, for everything, by TLS that `ca_file` vouches for."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*_unbound_server(port, modules="iterator"), f'tls-cert-bundle: "{ca_file}"']
    lines += ["remote-control:", "control-enable: no"]
    lines += ["forward-zone:", 'name: "."', "forward-tls-upstream: yes", f"forward-addr: {upstream}"]
    server = Server("127.0.0.1", port)
    argv = [_unconfined(program("unbound"), folder), "-d", "-c", "/dev/stdin"]
    ready = [Question("www.example.org.", RRType.A)]
    with running(argv, folder / "unbound.log", server, ready=ready, config="\n".join(lines) + "\n"):
        yield server


def _unbound_server(port: int, *, modules: str) -> list[str]:
    options = {
        "interface": "127.0.0.1",
        "port": str(port),
        "outgoing-interface": "127.0.0.1",
        "outgoing-port-avoid": "0-32767",  # it would ask from any over 1024, another server's too
        "do-not-query-localhost": "no",
        "do-ip6": "no",
        "module-config": f'"{modules}"',
        "num-threads": "1",
        "use-syslog": "no",
        **dict.fromkeys(("chroot", "username", "directory", "pidfile", "logfile"), '""'),
    }
    return ["server:", *(f"{key}: {value}" for key, value in options.items())]


@contextmanager
def named(
    folder: Path,
    port: int,
    statistics_port: int | None,
    options: str,
    zones: str = "",
    *,
    ready: str = "example.org.",
) -> Iterator[Server]:
    """Run BIND with `options` and `zones` in its own words; it is there when it has the SOA of `ready`."""
    statistics = ""
    if statistics_port is not None:
        statistics = f"statistics-channels {{ inet 127.0.0.1 port {statistics_port} allow {{ 127.0.0.1; }}; }};"
    with named_process(folder, port, options, statistics + zones, ready=ready):
        yield Server("127.0.0.1", port)


@contextmanager
def named_process(
    folder: Path, port: int, options: str, rest: str, *, ready: str = "example.org."
) -> Iterator[subprocess.Popen[bytes]]:
    """Do what `named` does, and give its process into the hands of the test; `rest` stands behind the options."""
    config = folder / "named.conf"
    config.write_text(f"""
        options {{
            directory "{folder}"; pid-file none; session-keyfile none;
            listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
            query-source address 127.0.0.1; transfer-source 127.0.0.1; notify no; dnssec-validation no;
            {options}
        }};
        controls {{ }};
        {rest}
    """)
    server = Server("127.0.0.1", port)
    argv = [_unconfined(program("named"), folder), "-g", "-n", "1", "-c", str(config)]
    with running(argv, folder / "named.log", server, ready=[Question(ready, RRType.SOA)]) as process:
        yield process


def _unconfined(binary: str, folder: Path) -> str:
    """Return a copy of `binary`: AppArmor's profile, by which it may read no file of ours, is for its path."""
    if not binary.startswith(("/usr/", "/sbin/")):
        return binary  # a starter of what was unpacked, for which there is no profile
    return str(shutil.copy(binary, folder / Path(binary).name))


@contextmanager
def running(
    argv: Sequence[str], log_file: Path, server: Server, *, ready: Sequence[Question], config: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the context ends; it is there when it answers all of `ready` with records."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log)
    try:
        assert process.stdin is not None
        process.stdin.write(config.encode())
        process.stdin.close()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        waiting = list(ready)
        while waiting:
            if dig(server, waiting[-1].qname, f"TYPE{waiting[-1].qtype}", "+tries=1", "+time=1").answer:
                waiting.pop()
                continue
            if process.poll() is not None or time.monotonic() > deadline_s:
                pytest.fail(f"{argv[0]} did not start; it said:\n{log_file.read_text(errors='replace')}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# dig


@dataclass(frozen=True, slots=True, kw_only=True)
class Dug:
    """What dig says came back. Records are their texts with single blanks, TTL left out."""

    text: str
    status: str
    flags: frozenset[str]
    question: str
    answer: tuple[str, ...]
    authority: tuple[str, ...]
    errors: tuple[str, ...]


def dig(server: Server, *words: str) -> Dug:
    """Ask `server` with the real dig, which retries over TCP by itself."""
    argv = [program("dig"), f"@{server.host}", "-p", str(server.port), "+nocookie", *words]
    text = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30).stdout
    status = re.search(r"status: (\w+)", text)
    flags = re.search(r"^;; flags: ([a-z ]*);", text, re.MULTILINE)
    return Dug(
        text=text,
        status=status[1] if status else "no answer",
        flags=frozenset(flags[1].split() if flags else ()),
        question="".join(_section(text, "QUESTION")).removeprefix(";"),
        answer=tuple(_without_ttl(line) for line in _section(text, "ANSWER")),
        authority=tuple(_without_ttl(line) for line in _section(text, "AUTHORITY")),
        errors=tuple(re.findall(r"^; EDE: (.*)$", text, re.MULTILINE)),
    )


def _section(text: str, name: str) -> list[str]:
    found = re.search(rf"^;; {name} SECTION:\n((?:.+\n)*)", text, re.MULTILINE)
    return found[1].splitlines() if found else []


def _without_ttl(line: str) -> str:
    owner, _, *rest = line.split()
    return " ".join([owner, *rest])


# The guard


class NothingKept:
    """A store and a ledger that forget."""

    def remember(self, action: Remember) -> None:
        """Keep nothing."""

    def forget(self, question: Question) -> None:
        """Keep nothing."""

    def switch(self, enabled: bool) -> None:
        """Keep nothing."""

    def append(self, kind: str, body: Mapping[str, JsonValue], at_ms: int) -> None:
        """Keep nothing."""


DEFAULT_LIMITS = Limits()


@contextmanager
def guard(
    *upstreams: Server, host: str = "127.0.0.1", limits: Limits = DEFAULT_LIMITS, clock: SteadyClock | None = None
) -> Iterator[Server]:
    """Run a guard in front of `upstreams` in a thread, without probes, and say where it listens."""
    clock = clock or SteadyClock()
    policies = PolicyTable([(".", {"probe": ProbeSpec(kind="none"), "recheck_min_s": 0.2, "recheck_max_s": 1.0})])
    resolver = Resolver(Settings(upstreams=upstreams), policies, random.SystemRandom(), now=clock.now())
    service = GuardService(
        resolver,
        clock=clock,
        store=NothingKept(),
        ledger=NothingKept(),
        listen=[ListenAddress(Server(host, 0))],
        roots=Roots(),
        limits=limits,
    )
    faults: list[dict[str, object]] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, context: faults.append(context))
    thread = threading.Thread(target=loop.run_forever, name="guard")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(service.start(), loop).result(START_TIMEOUT_S)
        yield service.bound[0].server
    finally:
        asyncio.run_coroutine_threadsafe(service.stop(), loop).result(STOP_TIMEOUT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_TIMEOUT_S)
        loop.close()
    assert not faults, faults


# Upstreams that do what no honest one does


@contextmanager
def hostile(answers: Callable[[bytes, bool], Sequence[bytes]], *, other_port: bool = False) -> Iterator[Server]:
    """Serve UDP and TCP with whatever `answers(query, over_tcp)` returns.

    With `other_port`, every answer by UDP but the last comes from another port than the one that was asked.
    """
    udp, tcp = bound_pair()
    with udp, tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:

        def serve_udp() -> None:
            while True:
                wire, sender = udp.recvfrom(4096)
                if not wire:
                    return
                replies = answers(wire, False)
                for i, reply in enumerate(replies):
                    (other if other_port and i < len(replies) - 1 else udp).sendto(reply, sender)

        def serve_tcp() -> None:
            while True:
                try:
                    connection, _ = tcp.accept()
                except OSError:
                    return
                with connection:
                    size = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
                    wire = connection.recv(size, socket.MSG_WAITALL)
                    for reply in answers(wire, True):
                        connection.sendall(len(reply).to_bytes(2, "big") + reply)

        threads = [threading.Thread(target=serve) for serve in (serve_udp, serve_tcp)]
        for thread in threads:
            thread.start()
        try:
            yield Server(*udp.getsockname())
        finally:
            other.sendto(b"", udp.getsockname())
            tcp.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(STOP_TIMEOUT_S)
