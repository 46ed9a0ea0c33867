"""Knot, NSD and BIND on loopback as secondaries: they take a zone from a primary, and are told when it changes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from peers.servers import named, program, running
from standfast.dns.model import Question, RRType
from standfast.dns.servers import Server

ZONE = "example.org."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A key that primary and secondary share; `secret` is base64."""

    name: str
    secret: str
    algorithm: str = "hmac-sha256"


class Secondary(Protocol):
    """Starts one that takes `ZONE` from `primary`; it is there when it has the zone."""

    def __call__(
        self, folder: Path, port: int, primary: Server, *, key: Shared | None = None
    ) -> AbstractContextManager[Server]: ...


@contextmanager
def knot_secondary(folder: Path, port: int, primary: Server, *, key: Shared | None = None) -> Iterator[Server]:
    """Run Knot as a secondary."""
    binary = program("knotd")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "knot.conf"
    config.write_text(
        f'server:\n  rundir: "{folder}"\n  listen: 127.0.0.1@{port}\n'
        "log:\n  - target: stderr\n    any: info\n"
        f'database:\n  storage: "{folder}"\n'
        + (f"key:\n  - id: {key.name}\n    algorithm: {key.algorithm}\n    secret: {key.secret}\n" if key else "")
        + f"remote:\n  - id: primary\n    address: {primary.host}@{primary.port}\n"
        + (f"    key: {key.name}\n" if key else "")
        + "acl:\n  - id: told\n    address: 127.0.0.1\n    action: notify\n"
        + (f"    key: {key.name}\n" if key else "")
        + f"zone:\n  - domain: {ZONE}\n    master: primary\n    acl: told\n"
    )
    server = Server("127.0.0.1", port)
    with running([binary, "-c", str(config)], folder / "log", server, ready=[Question(ZONE, RRType.SOA)]):
        yield server


@contextmanager
def nsd_secondary(folder: Path, port: int, primary: Server, *, key: Shared | None = None) -> Iterator[Server]:
    """Run NSD as a secondary."""
    binary = program("nsd")
    folder.mkdir(parents=True, exist_ok=True)
    quoted = {name: f'"{folder / name}"' for name in ("nsd.pid", "xfrd.state", "zone.list")}
    signed = key.name if key else "NOKEY"
    config = folder / "nsd.conf"
    config.write_text(
        f"server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  verbosity: 3\n"
        '  username: ""\n  chroot: ""\n  database: ""\n  zonesdir: ""\n'
        f'  pidfile: {quoted["nsd.pid"]}\n  xfrdfile: {quoted["xfrd.state"]}\n  xfrdir: "{folder}"\n'
        f"  zonelistfile: {quoted['zone.list']}\n"
        "  xfrd-reload-timeout: 0\n"  # takes a transferred zone at once, and not once a second
        "remote-control:\n  control-enable: no\n"
        + (f'key:\n  name: {key.name}\n  algorithm: {key.algorithm}\n  secret: "{key.secret}"\n' if key else "")
        + f"zone:\n  name: {ZONE}\n  request-xfr: {primary.host}@{primary.port} {signed}\n"
        f"  allow-notify: 127.0.0.1 {signed}\n"
    )
    server = Server("127.0.0.1", port)
    with running([binary, "-d", "-c", str(config)], folder / "log", server, ready=[Question(ZONE, RRType.SOA)]):
        yield server


@contextmanager
def bind_secondary(folder: Path, port: int, primary: Server, *, key: Shared | None = None) -> Iterator[Server]:
    """Run BIND as a secondary."""
    folder.mkdir(parents=True, exist_ok=True)
    declared = f'key {key.name} {{ algorithm {key.algorithm}; secret "{key.secret}"; }};\n' if key else ""
    signed = f" key {key.name}" if key else ""
    zone = (
        f'{declared}zone {ZONE} {{ type secondary; file "{folder}/zone";'
        f" primaries {{ {primary.host} port {primary.port}{signed}; }}; }};\n"
    )
    with named(folder, port, None, "min-refresh-time 1;", zone) as server:
        yield server


SECONDARIES: dict[str, Secondary] = {"knot": knot_secondary, "nsd": nsd_secondary, "bind": bind_secondary}
