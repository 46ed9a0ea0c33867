"""Knot, NSD and BIND on loopback as secondaries, configured as docs/authority.md says."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from peers.servers import named, program, running
from standfast.dns.model import Name, Question, RRType
from standfast.dns.servers import Server

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "authority.md").read_text()
ZONE: Name = "example.org."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A key that primary and secondary share; `secret` is base64."""

    name: str
    secret: str
    algorithm: str = "hmac-sha256"


class Secondary(Protocol):
    """Starts one that takes `zone` from `primary`; it is there when it has the zone.

    Everybody who has the key can take it on from there; without one everybody can.
    """

    def __call__(
        self, folder: Path, port: int, primary: Server, *, zone: Name = ZONE, key: Shared | None = None
    ) -> AbstractContextManager[Server]: ...


def documented(program_name: str) -> str:
    """Return the configuration that docs/authority.md has for it."""
    found = re.search(rf"^```\w*\n(?:#|//) {program_name}: .*\n((?:.+\n)*?)^```$", DOCUMENTED, re.MULTILINE)
    assert found is not None, program_name
    return found[1]


def fitted(text: str, primary: Server, zone: Name, key: Shared | None) -> str:
    """Return a documented configuration with what is this test's own."""
    text = text.replace("192.0.2.1@53", f"{primary.host}@{primary.port}")
    text = text.replace("192.0.2.1 port 53", f"{primary.host} port {primary.port}")
    text = text.replace("192.0.2.1", primary.host).replace("example.org", zone)
    if key is not None:
        text = re.sub(r'(secret:? )"[^"]*"', rf'\1"{key.secret}"', text)
        return text.replace("hmac-sha256", key.algorithm).replace("secondary.example", key.name)
    text = re.sub(r"\Akey:\n( .*\n)*|\Akey .*\n( .*\n)*};\n|    key: .*\n|.*allow-notify \{ key.*\n", "", text)
    return re.sub(r"(key )?secondary\.example", "NOKEY", text).replace(" NOKEY;", ";")


@contextmanager
def knot_secondary(
    folder: Path, port: int, primary: Server, *, zone: Name = ZONE, key: Shared | None = None
) -> Iterator[Server]:
    """Run Knot as a secondary."""
    binary = program("knotd")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "knot.conf"
    config.write_text(
        f'server:\n  rundir: "{folder}"\n  listen: 127.0.0.1@{port}\n'
        "log:\n  - target: stderr\n    any: info\n"
        f'database:\n  storage: "{folder}"\n'
        f'template:\n  - id: default\n    storage: "{folder}"\n'
        + fitted(documented("Knot"), primary, zone, key).replace("action: notify", "action: [notify, transfer]")
    )
    server = Server("127.0.0.1", port)
    with running([binary, "-c", str(config)], folder / "log", server, ready=[Question(zone, RRType.SOA)]):
        yield server


@contextmanager
def nsd_secondary(
    folder: Path, port: int, primary: Server, *, zone: Name = ZONE, key: Shared | None = None
) -> Iterator[Server]:
    """Run NSD as a secondary."""
    binary = program("nsd")
    folder.mkdir(parents=True, exist_ok=True)
    quoted = {name: f'"{folder / name}"' for name in ("nsd.pid", "xfrd.state", "zone.list")}
    config = folder / "nsd.conf"
    config.write_text(
        f"server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  verbosity: 3\n"
        '  username: ""\n  chroot: ""\n  database: ""\n  zonesdir: ""\n'
        f'  pidfile: {quoted["nsd.pid"]}\n  xfrdfile: {quoted["xfrd.state"]}\n  xfrdir: "{folder}"\n'
        f"  zonelistfile: {quoted['zone.list']}\n"
        "  xfrd-reload-timeout: 0\n"  # takes a transferred zone at once, and not once a second
        "remote-control:\n  control-enable: no\n"
        + fitted(documented("NSD"), primary, zone, key)
        + f"  provide-xfr: 127.0.0.1 {key.name if key else 'NOKEY'}\n"
    )
    server = Server("127.0.0.1", port)
    with running([binary, "-d", "-c", str(config)], folder / "log", server, ready=[Question(zone, RRType.SOA)]):
        yield server


@contextmanager
def bind_secondary(
    folder: Path, port: int, primary: Server, *, zone: Name = ZONE, key: Shared | None = None
) -> Iterator[Server]:
    """Run BIND as a secondary."""
    folder.mkdir(parents=True, exist_ok=True)
    served = fitted(documented("BIND"), primary, zone, key)
    with named(folder, port, None, "min-refresh-time 1;", served, ready=zone) as server:
        yield server


SECONDARIES: dict[str, Secondary] = {"knot": knot_secondary, "nsd": nsd_secondary, "bind": bind_secondary}
