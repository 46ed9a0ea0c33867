"""Knot, NSD, BIND and PowerDNS on loopback, serving the same files as the code under test; zones signed by ldns."""

import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from peers.servers import named, program, running
from standfast.dns.model import Question
from standfast.dns.servers import Server

SOA = 6
NSEC3_PARAMETERS = "1 0 2 abcd"  # of what is signed here: algorithm, flags, iterations, salt


@contextmanager
def knot_with_files(folder: Path, port: int, files: Mapping[str, Path]) -> Iterator[Server]:
    """Serve `files`, by the zones in them, with Knot as they are."""
    binary = program("knotd")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "knot.conf"
    config.write_text(
        f'server:\n  rundir: "{folder}"\n  listen: 127.0.0.1@{port}\n'
        f"log:\n  - target: stderr\n    any: warning\n"
        f'database:\n  storage: "{folder}"\n'
        "template:\n  - id: default\n    zonefile-sync: -1\n    journal-content: none\n"
        "zone:\n" + "".join(f'  - domain: {zone}\n    file: "{file}"\n' for zone, file in files.items())
    )
    server = Server("127.0.0.1", port)
    ready = [Question(zone, SOA) for zone in files]
    with running([binary, "-c", str(config)], folder / "knotd.log", server, ready=ready):
        yield server


@contextmanager
def nsd_with_files(folder: Path, port: int, files: Mapping[str, Path]) -> Iterator[Server]:
    """Serve `files`, by the zones in them, with NSD."""
    binary = program("nsd")
    folder.mkdir(parents=True, exist_ok=True)
    quoted = {name: f'"{folder / name}"' for name in ("nsd.pid", "xfrd.state", "zone.list")}
    config = folder / "nsd.conf"
    config.write_text(
        f"server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n"
        '  username: ""\n  chroot: ""\n  database: ""\n  zonesdir: ""\n'
        f'  pidfile: {quoted["nsd.pid"]}\n  xfrdfile: {quoted["xfrd.state"]}\n  xfrdir: "{folder}"\n'
        f"  zonelistfile: {quoted['zone.list']}\n"
        "  rrl-ratelimit: 0\n"  # its default leaves out answers to who asks as fast as a test
        "remote-control:\n  control-enable: no\n"
        + "".join(f'zone:\n  name: {zone}\n  zonefile: "{file}"\n' for zone, file in files.items())
    )
    server = Server("127.0.0.1", port)
    ready = [Question(zone, SOA) for zone in files]
    with running([binary, "-d", "-c", str(config)], folder / "nsd.log", server, ready=ready):
        yield server


@contextmanager
def bind_with_files(folder: Path, port: int, statistics_port: int, files: Mapping[str, Path]) -> Iterator[Server]:
    """Serve `files`, by the zones in them, with BIND; names as they are, since ours looks at no letters of them."""
    folder.mkdir(parents=True, exist_ok=True)
    options = "recursion no; minimal-responses yes; check-names primary ignore; allow-query { any; };"
    with named(folder, port, statistics_port, options, _bind_zones(files), ready=next(iter(files))) as server:
        yield server


@contextmanager
def pdns_with_files(
    folder: Path, port: int, files: Mapping[str, Path], *, signed: bool = False, nsec3: str = ""
) -> Iterator[Server]:
    """Serve `files`, by the zones in them, with PowerDNS, without any cache.

    It must be told where they are `signed`, and with which parameters of `nsec3`.
    """
    binary, util = program("pdns_server"), program("pdnsutil")
    folder.mkdir(parents=True, exist_ok=True)
    named_conf, metadata = folder / "named.conf", folder / "metadata.sqlite3"
    named_conf.write_text(_bind_zones(files))
    settings: dict[str, object] = {
        "launch": "bind",
        "bind-config": named_conf,
        "bind-dnssec-db": metadata,
        "local-address": f"127.0.0.1:{port}",
        "socket-dir": folder,
        "write-pid": "no",
        "cache-ttl": 0,
        "query-cache-ttl": 0,
        "negquery-cache-ttl": 0,
        "zone-cache-refresh-interval": 0,
        "distributor-threads": 1,  # so that answers come in the order of the queries
        "dname-processing": "yes",
        "security-poll-suffix": "",
    }
    modules = next((Path(binary).parent.parent / "root/usr/lib").glob("*/pdns"), None)  # as scripts/peers unpacks them
    if modules is not None:
        settings["module-dir"] = modules
    (folder / "pdns.conf").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    _run(util, f"--config-dir={folder}", "create-bind-db", str(metadata), cwd=folder)
    kinds = {"PRESIGNED": "1"} if signed else {}
    if nsec3:
        kinds["NSEC3PARAM"] = nsec3
    with closing(sqlite3.connect(metadata)) as database, database:
        database.executemany(
            "INSERT INTO domainmetadata (domain, kind, content) VALUES (?, ?, ?)",
            [(zone.rstrip("."), *each) for zone in files for each in kinds.items()],
        )
    server = Server("127.0.0.1", port)
    argv = [binary, f"--config-dir={folder}"]
    with running(argv, folder / "pdns.log", server, ready=[Question(zone, SOA) for zone in files]):
        yield server


def sign(folder: Path, files: Mapping[str, Path], *, nsec3: bool, opt_out: bool = True) -> dict[str, Path]:
    """Sign the zones in `files` with a key of each one's own; NSEC3 with NSEC3_PARAMETERS.

    Those that opt out are signed by BIND, since ldns gives a record to each delegation all the same.
    """
    keygen, signzone, bind_signzone = map(program, ("ldns-keygen", "ldns-signzone", "dnssec-signzone"))
    _, _, iterations, salt = NSEC3_PARAMETERS.split()
    signed = {}
    for zone, file in files.items():
        key = _run(keygen, "-a", "ECDSAP256SHA256", "-k", zone.rstrip("."), cwd=folder).strip()
        signed[zone] = folder / f"{zone}zone"
        if nsec3 and opt_out:
            keyed = folder / f"{zone}keyed"
            keyed.write_text(f"{file.read_text()}$ORIGIN .\n{(folder / f'{key}.key').read_text()}")
            options = ["-zPA", "-3", salt, "-H", iterations, "-o", zone, "-f", str(signed[zone])]
            _run(bind_signzone, *options, str(keyed), key, cwd=folder)
        else:
            denial = ["-n", "-s", salt, "-t", iterations] if nsec3 else []
            _run(signzone, *denial, "-f", str(signed[zone]), str(file), key, cwd=folder)
    return signed


def _bind_zones(files: Mapping[str, Path]) -> str:
    return "".join(f'zone "{zone}" {{ type master; file "{file}"; }};\n' for zone, file in files.items())


def _run(*argv: str, cwd: Path) -> str:
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=True, timeout=60).stdout
