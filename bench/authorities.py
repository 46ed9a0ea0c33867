"""The authorities that are measured: each has the zone of all names, one thread for UDP, and limits no rate."""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench import peers
from bench.peers import PROBE_NAME, Missing, Server
from bench.queries import ZONE, zone_text

from standfast.drills.live.loopback import free_endpoint

AUTHORITY: Final = "authority"
KNOT: Final = "knot"
NSD: Final = "nsd"
BIND: Final = "bind"
PDNS: Final = "powerdns"
GDNSD: Final = "gdnsd"


async def start_authority(names: range, *, folder: Path, core: int) -> Server:
    """Start `standfast up` as the authority for the names."""
    endpoint = free_endpoint()
    _write_zone(folder, names)
    config = folder / "standfast.toml"
    config.write_text(f'[authority]\nlisten = ["{endpoint}"]\nzones = ["bench.zone"]\n')
    argv: list[str | Path] = [Path(sys.executable).with_name("standfast"), "up", "--config", config]
    return await peers.start(AUTHORITY, version("standfast"), argv, endpoint, folder=folder, cores={core})


async def start_knot(names: range, *, folder: Path, core: int) -> Server | Missing:
    """Start Knot with one worker for UDP."""
    program = peers.find("knotd")
    if program is None:
        return Missing(label=KNOT, install="sudo apt-get install knot")
    endpoint = free_endpoint()
    config = _write_zone(folder, names).with_name("knot.conf")
    config.write_text(_KNOT.format(listen=f"{endpoint.address}@{endpoint.port}", folder=folder, zone=ZONE))
    said = peers.version_of(program, "--version")
    return await peers.start(KNOT, said, [program, "-c", config], endpoint, folder=folder, cores={core})


async def start_nsd(names: range, *, folder: Path, core: int) -> Server | Missing:
    """Start NSD with one server process."""
    program = peers.find("nsd")
    if program is None:
        return Missing(label=NSD, install="sudo apt-get install nsd")
    endpoint = free_endpoint()
    config = _write_zone(folder, names).with_name("nsd.conf")
    config.write_text(_NSD.format(listen=f"{endpoint.address}@{endpoint.port}", folder=folder, zone=ZONE))
    said = peers.version_of(program, "-v")
    return await peers.start(NSD, said, [program, "-d", "-c", config], endpoint, folder=folder, cores={core})


async def start_bind(names: range, *, folder: Path, core: int) -> Server | Missing:
    """Start BIND with one thread."""
    program = peers.find("named")
    if program is None:
        return Missing(label=BIND, install="sudo apt-get install bind9")
    endpoint = free_endpoint()
    config = _write_zone(folder, names).with_name("named.conf")
    config.write_text(_BIND.format(listen=endpoint, folder=folder, zone=ZONE))
    said = peers.version_of(program, "-V")
    if not program.is_relative_to(peers.UNPACKED):  # AppArmor's profile, by which it may read no file of ours,
        program = Path(shutil.copy(program, folder))  # is for its path
    argv: list[str | Path] = [program, "-f", "-n", "1", "-c", config]
    return await peers.start(BIND, said, argv, endpoint, folder=folder, cores={core})


async def start_pdns(names: range, *, folder: Path, core: int) -> Server | Missing:
    """Start PowerDNS with one thread, its backend for BIND's files and its packet cache, which it has by default."""
    program = peers.find("pdns_server")
    if program is None:
        return Missing(label=PDNS, install="sudo apt-get install pdns-server pdns-backend-bind")
    endpoint = free_endpoint()
    config = _write_zone(folder, names).with_name("zones.conf")
    config.write_text(f'zone "{ZONE}" {{ type master; file "{folder}/bench.zone"; }};\n')
    settings: dict[str, object] = {
        "launch": "bind",
        "bind-config": config,
        "local-address": endpoint.address,
        "local-port": endpoint.port,
        "socket-dir": folder,
        "daemon": "no",
        "guardian": "no",
        "write-pid": "no",
        "receiver-threads": 1,
        "distributor-threads": 1,
        "loglevel": 3,
        "security-poll-suffix": "",  # or it would ask its maker whether it is too old
    }
    if program.is_relative_to(peers.UNPACKED):
        settings["module-dir"] = next(peers.UNPACKED.glob("root/usr/lib/*/pdns"))
    argv: list[str | Path] = [program, "--no-config", *(f"--{key}={value}" for key, value in settings.items())]
    said = peers.version_of(program, "--version")
    return await peers.start(PDNS, said, argv, endpoint, folder=folder, cores={core})


async def start_gdnsd(names: range, *, folder: Path, core: int) -> Server | Missing:
    """Start gdnsd with one thread for UDP."""
    program = peers.find("gdnsd")
    if program is None:
        return Missing(label=GDNSD, install="sudo apt-get install gdnsd")
    endpoint = free_endpoint()
    zones = folder / "zones"
    zones.mkdir(parents=True, exist_ok=True)
    _write_zone(folder, names).rename(zones / ZONE.rstrip("."))
    (folder / "config").write_text(_GDNSD.format(listen=endpoint, folder=folder))
    said = peers.version_of(program, "--version")
    argv: list[str | Path] = [program, "-c", folder, "start"]
    return await peers.start(GDNSD, said, argv, endpoint, folder=folder, cores={core})


ALL: Final = {
    AUTHORITY: start_authority,
    KNOT: start_knot,
    NSD: start_nsd,
    BIND: start_bind,
    PDNS: start_pdns,
    GDNSD: start_gdnsd,
}


def _write_zone(folder: Path, names: range) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.zone"
    if path.exists():  # a server that is started again
        return path
    path.write_text(zone_text(names) + f"{PROBE_NAME} A 127.0.0.1\n")
    return path


_KNOT: Final = """\
server:
  listen: {listen}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  rundir: {folder}
log:
  - target: stderr
    any: error
database:
  storage: {folder}
zone:
  - domain: {zone}
    file: {folder}/bench.zone
    zonefile-sync: -1
    journal-content: none
"""

_NSD: Final = """\
server:
  ip-address: {listen}
  server-count: 1
  username: ""
  chroot: ""
  database: ""
  zonesdir: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  rrl-ratelimit: 0
  minimal-responses: yes
remote-control:
  control-enable: no
zone:
  name: {zone}
  zonefile: "{folder}/bench.zone"
"""

_BIND: Final = """\
options {{
  directory "{folder}";
  pid-file none;
  session-keyfile none;
  listen-on port {listen.port} {{ {listen.address}; }};
  listen-on-v6 {{ none; }};
  query-source address 127.0.0.1;
  notify no;
  recursion no;
  dnssec-validation no;
  minimal-responses yes;
}};
controls {{ }};
logging {{ category default {{ null; }}; }};
zone "{zone}" {{ type master; file "{folder}/bench.zone"; }};
"""

_GDNSD: Final = """\
options => {{
  listen => {{ {listen} => {{ udp_threads = 1, tcp_threads = 1 }} }}
  run_dir = {folder}/run
  state_dir = {folder}/state
}}
"""
