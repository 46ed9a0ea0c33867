"""BIND, Knot, PowerDNS and ours on loopback with a zone that who has the key may update, and take whole."""

import base64
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from peers.servers import named_process, program, running
from running_guard import RunningGuard
from standfast.dns.model import Question, RRType
from standfast.dns.servers import Server

ORIGIN: Final = "example.org"
KEY_NAME: Final = "client.example"
SECRET_OCTETS: Final = b"s" * 32
SECRET: Final = base64.b64encode(SECRET_OCTETS).decode()
SQLITE_PACKAGE: Final = "pdns-backend-sqlite3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Updatable:
    """A server that runs; `kill` ends it with nothing but what is on the disk."""

    server: Server
    kill: Callable[[], None]


Starts = Callable[[Path, int, str], AbstractContextManager[Updatable]]
"""Starts a server with its files in a folder, on a port, with the zone ORIGIN in a text; on what it left, if it did."""


@contextmanager
def ours(folder: Path, port: int, text: str, more: str = "") -> Iterator[Updatable]:
    """Run our own; `more` is behind all else in its configuration."""
    _written(folder, text)
    config = folder / "standfast.toml"
    config.write_text(
        f'[authority]\nlisten = ["127.0.0.1:{port}"]\nzones = ["{ORIGIN}.zone"]\nstate_dir = "state"\n'
        f'allow_update = ["key:{KEY_NAME}"]\nallow_transfer = ["key:{KEY_NAME}"]\n'
        f'[[authority.keys]]\nname = "{KEY_NAME}"\nsecret = "{SECRET}"\n{more}'
    )
    with RunningGuard(config) as run:
        yield Updatable(server=run.address, kill=run.kill)


@contextmanager
def bind(folder: Path, port: int, text: str) -> Iterator[Updatable]:
    """Run BIND."""
    _written(folder, text)
    key = f'key "{KEY_NAME}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};'
    may = f'allow-update {{ key "{KEY_NAME}"; }}; allow-transfer {{ key "{KEY_NAME}"; }};'
    zone = f'{key}\nzone "{ORIGIN}" {{ type primary; file "{folder}/{ORIGIN}.zone"; {may} }};'
    with named_process(folder, port, "recursion no;", zone) as process:
        yield Updatable(server=Server("127.0.0.1", port), kill=process.kill)


@contextmanager
def knot(folder: Path, port: int, text: str) -> Iterator[Updatable]:
    """Run Knot; it keeps what is changed in its journal alone."""
    _written(folder, text)
    config = folder / "knot.conf"
    config.write_text(
        f'server:\n  rundir: "{folder}"\n  listen: 127.0.0.1@{port}\n'
        f'log:\n  - target: stderr\n    any: info\ndatabase:\n  storage: "{folder}"\n'
        f"key:\n  - id: {KEY_NAME}\n    algorithm: hmac-sha256\n    secret: {SECRET}\n"
        f"acl:\n  - id: client\n    key: {KEY_NAME}\n    action: [update, transfer]\n"
        f'zone:\n  - domain: {ORIGIN}\n    file: "{folder}/{ORIGIN}.zone"\n    acl: client\n'
        "    zonefile-sync: -1\n"
    )
    server = Server("127.0.0.1", port)
    with running([program("knotd"), "-c", str(config)], folder / "log", server, ready=[_SOA]) as process:
        yield Updatable(server=server, kill=process.kill)


@contextmanager
def pdns(folder: Path, port: int, text: str) -> Iterator[Updatable]:
    """Run PowerDNS on SQLite, as its backend for zone files takes no updates; caches as it has them by default."""
    binary, util = program("pdns_server"), program("pdnsutil")
    modules, schema = _pdns_parts(Path(binary))
    file, database = folder / f"{ORIGIN}.zone", folder / "pdns.sqlite3"
    settings: dict[str, object] = {
        "launch": "gsqlite3",
        "gsqlite3-database": database,
        "module-dir": modules,
        "local-address": f"127.0.0.1:{port}",
        "socket-dir": folder,
        "write-pid": "no",
        "dnsupdate": "yes",
        "allow-axfr-ips": "",
        "security-poll-suffix": "",
    }
    _written(folder, text)
    (folder / "pdns.conf").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    if not database.exists():
        with closing(sqlite3.connect(database)) as opened:
            opened.executescript(schema.read_text())
        for words in (
            ("load-zone", ORIGIN, str(file)),
            ("import-tsig-key", KEY_NAME, "hmac-sha256", SECRET),
            ("set-meta", ORIGIN, "TSIG-ALLOW-DNSUPDATE", KEY_NAME),
            ("set-meta", ORIGIN, "TSIG-ALLOW-AXFR", KEY_NAME),
        ):
            subprocess.run([util, f"--config-dir={folder}", *words], capture_output=True, check=True, timeout=60)
    server = Server("127.0.0.1", port)
    with running([binary, f"--config-dir={folder}"], folder / "log", server, ready=[_SOA]) as process:
        yield Updatable(server=server, kill=process.kill)


def _pdns_parts(binary: Path) -> tuple[Path, Path]:
    """Return the folder of its backends, and the tables that the one for SQLite wants; skip the test without it."""
    for root in (binary.parent.parent / "root", Path("/")):  # as scripts/peers unpacks them, or installed
        for library in (root / "usr/lib").glob("*/pdns/libgsqlite3backend.so"):
            return library.parent, root / f"usr/share/{SQLITE_PACKAGE}/schema/schema.sqlite3.sql"
    return pytest.skip(f"missing; to have it: sudo apt-get install --no-install-recommends {SQLITE_PACKAGE}")


def _written(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{ORIGIN}.zone").write_text(text)


_SOA: Final = Question(f"{ORIGIN}.", RRType.SOA)
UPDATABLE: dict[str, Starts] = {"ours": ours, "bind": bind, "knot": knot, "pdns": pdns}
