"""Knot, NSD and BIND on loopback as primaries: they give a zone away, whole and in pieces, and tell of its changes."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from peers.secondaries import ZONE, Shared
from peers.servers import named_process, program, running
from standfast.dns.model import Question, RRType
from standfast.dns.servers import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A primary that runs, and the file that its zone is in."""

    server: Server
    file: Path
    process: subprocess.Popen[bytes]

    def change(self, text: str) -> None:
        """Have it serve `text` from now on."""
        self.file.write_text(text)
        self.process.send_signal(signal.SIGHUP)


class Primary(Protocol):
    """Starts one that serves the zone `ZONE` in `text`, and tells who listens on the port `told` of its changes."""

    def __call__(
        self, folder: Path, port: int, text: str, *, told: int, key: Shared | None = None
    ) -> AbstractContextManager[Running]: ...


@contextmanager
def knot_primary(folder: Path, port: int, text: str, *, told: int, key: Shared | None = None) -> Iterator[Running]:
    """Run Knot as a primary; with a `key`, it gives to and tells who has it."""
    file = _written(folder, text)
    signed = f"    key: {key.name}\n" if key else ""
    config = folder / "knot.conf"
    config.write_text(
        f'server:\n  rundir: "{folder}"\n  listen: 127.0.0.1@{port}\n'
        "log:\n  - target: stderr\n    any: info\n"
        f'database:\n  storage: "{folder}"\n'
        + (f"key:\n  - id: {key.name}\n    algorithm: {key.algorithm}\n    secret: {key.secret}\n" if key else "")
        + f"remote:\n  - id: told\n    address: 127.0.0.1@{told}\n{signed}"
        + f"acl:\n  - id: gives\n    address: 127.0.0.1\n    action: transfer\n{signed}"
        + f'zone:\n  - domain: {ZONE}\n    file: "{file}"\n    notify: told\n    acl: gives\n'
        + "    zonefile-load: difference\n    journal-content: changes\n"
    )
    server = Server("127.0.0.1", port)
    argv = [program("knotd"), "-c", str(config)]
    with running(argv, folder / "log", server, ready=[Question(ZONE, RRType.SOA)]) as process:
        yield Running(server=server, file=file, process=process)


@contextmanager
def nsd_primary(folder: Path, port: int, text: str, *, told: int, key: Shared | None = None) -> Iterator[Running]:
    """Run NSD as a primary; with a `key`, it gives to and tells who has it."""
    file = _written(folder, text)
    quoted = {name: f'"{folder / name}"' for name in ("nsd.pid", "xfrd.state", "zone.list")}
    signed = key.name if key else "NOKEY"
    config = folder / "nsd.conf"
    config.write_text(
        f"server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  verbosity: 3\n"
        '  username: ""\n  chroot: ""\n  database: ""\n  zonesdir: ""\n'
        f'  pidfile: {quoted["nsd.pid"]}\n  xfrdfile: {quoted["xfrd.state"]}\n  xfrdir: "{folder}"\n'
        f"  zonelistfile: {quoted['zone.list']}\n  rrl-ratelimit: 0\n"
        "remote-control:\n  control-enable: no\n"
        + (f'key:\n  name: {key.name}\n  algorithm: {key.algorithm}\n  secret: "{key.secret}"\n' if key else "")
        + f'zone:\n  name: {ZONE}\n  zonefile: "{file}"\n  provide-xfr: 127.0.0.1 {signed}\n'
        + f"  notify: 127.0.0.1@{told} {signed}\n  store-ixfr: yes\n  create-ixfr: yes\n"
    )
    server = Server("127.0.0.1", port)
    argv = [program("nsd"), "-d", "-c", str(config)]
    with running(argv, folder / "log", server, ready=[Question(ZONE, RRType.SOA)]) as process:
        yield Running(server=server, file=file, process=process)


@contextmanager
def bind_primary(folder: Path, port: int, text: str, *, told: int, key: Shared | None = None) -> Iterator[Running]:
    """Run BIND as a primary; with a `key`, it gives to and tells who has it."""
    file = _written(folder, text)
    declared = f'key {key.name} {{ algorithm {key.algorithm}; secret "{key.secret}"; }};\n' if key else ""
    given = f"key {key.name}" if key else "any"
    signed = f" key {key.name}" if key else ""
    zone = (
        f'{declared}zone {ZONE} {{ type primary; file "{file}"; allow-transfer {{ {given}; }};'
        f" notify explicit; also-notify {{ 127.0.0.1 port {told}{signed}; }}; notify-delay 0;"
        " ixfr-from-differences yes; };\n"
    )
    with named_process(folder, port, "", zone) as process:
        yield Running(server=Server("127.0.0.1", port), file=file, process=process)


def _written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{ZONE}zone"
    file.write_text(text)
    return file


PRIMARIES: dict[str, Primary] = {"knot": knot_primary, "nsd": nsd_primary, "bind": bind_primary}
