"""From a file of names to a real BIND by signed updates (RFC 2136): ours beside octoDNS, the whole zone and one record.

Each has a BIND of its own. octoDNS is run as its users run it: a command that reads its YAML, transfers the zone,
compares and updates. Ours is a service, from the start of its process until BIND answers; then a record changes, by its
file and by a report that an endpoint is ill. What each protects from is tried, not told. Whoever looks is this process.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from shutil import copy
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
import dns.asyncquery
import dns.message

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import machine, peers, plane_at_bind, report
from bench.plane_at_bind import KEY, MOVED, ORIGIN, WATCHED, address, write_intent

from standfast.cli.main import COLLECT_AFTER
from standfast.dns.servers import Server
from standfast.drills.live.loopback import free_endpoint

OURS: Final = "standfast"
OCTODNS: Final = "octodns"
SIZES: Final = {1_000: 3, 10_000: 3, 50_000: 3}  # records, and rounds
SIZES_QUICK: Final = {1_000: 1}
WAIT_S: Final = 600.0
LOOK_S: Final = 0.002
LOOK_WHOLE_S: Final = 0.02  # while a whole zone is published: whoever looks takes time from both
SETTLE_S: Final = 0.5  # for what must not come
SECRET: Final = base64.b64encode(KEY.secret).decode()
WHOLE_MIN: Final = 10.0  # targets: times as fast
CHANGE_MIN: Final = 100.0


@dataclass(slots=True, kw_only=True)
class Taken:
    """Seconds, round by round."""

    whole_s: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)  # of it, reading the file; ours alone says it
    edit_s: list[float] = field(default_factory=list)  # a record changed in the file
    lost_s: list[float] = field(default_factory=list)  # a record changed by health, which octoDNS does not measure


@click.command()
@click.option("--quick", is_flag=True, help="1,000 records, once.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def main(quick: bool, as_json: bool) -> None:
    """Measure ours and octoDNS from a file to BIND, and try what each protects from."""
    out, where = report.console(as_json=as_json), machine.describe()

    async def benchmark() -> None:
        program = peers.find("named")
        if program is None:
            print(peers.Missing(label="bind", install="sudo apt-get install bind9"), file=sys.stderr)
            return
        measured: dict[int, dict[str, Taken]] = {}
        protects: dict[str, dict[str, bool]] = {}
        sizes = SIZES_QUICK if quick else SIZES
        for records, rounds in sizes.items():
            taken = measured[records] = {OURS: Taken(), OCTODNS: Taken()}
            for number in range(rounds):
                for label in (OURS, OCTODNS) if number % 2 else (OCTODNS, OURS):
                    with out.status(f"{records:,} records, round {number + 1} of {rounds}: {label}"):
                        async with _world(program, records) as world:
                            last = number == rounds - 1 and records == min(sizes)
                            tries = await (_ours if label == OURS else _octodns)(world, taken[label], tries=last)
                            if last:
                                protects[label] = tries
        if as_json:
            report.print_json({"machine": where, "measured": measured, "protects": protects})
            return
        _show(out, measured, protects)
        out.print(f"octoDNS {version('octodns')}, octodns-bind {version('octodns-bind')}; {where}")

    report.run(benchmark)


def _show(out: Any, measured: Mapping[int, Mapping[str, Taken]], protects: Mapping[str, Mapping[str, bool]]) -> None:
    columns = ("whole", "of it reading", "record edited", "endpoint lost")
    table = report.table("from a file until BIND answers, seconds", "records", "", *columns)
    for records, taken in measured.items():
        for label, each in taken.items():
            cells = [f"{median(values):.3f}" if values else "-" for values in _columns(each)]
            table.add_row(f"{records:,}", label, *cells)
    out.print(table)
    table = report.table("refused, or never done", "", *protects[OURS])
    for label, tries in protects.items():
        table.add_row(label, *("yes" if safe else "no" for safe in tries.values()))
    out.print(table)
    for records, taken in measured.items():
        theirs, ours = taken[OCTODNS], taken[OURS]
        whole, change = median(theirs.whole_s) / median(ours.whole_s), median(theirs.edit_s) / median(ours.lost_s)
        edit = median(theirs.edit_s) / median(ours.edit_s)
        out.print(
            f"{records:,} records: whole {whole:.1f} x as fast, a record edited {edit:.1f} x, a record changed in the "
            f"running service {change:.0f} x (targets {WHOLE_MIN:.0f} x whole, {CHANGE_MIN:.0f} x changed at 50,000)"
        )


def _columns(taken: Taken) -> Sequence[list[float]]:
    return taken.whole_s, taken.read_s, taken.edit_s, taken.lost_s


# A BIND of its own ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A BIND with an empty zone, and a folder."""

    server: peers.Server
    folder: Path
    records: int

    @property
    def at(self) -> Server:
        """Where it answers."""
        return Server(self.server.endpoint.address, self.server.endpoint.port)

    async def has(self, name: str) -> str | None:
        """Return the address that BIND gives for a name; None for none."""
        return await _address_of(self.at, name)

    async def until(self, name: str, address: str) -> None:
        """Wait until BIND gives this address for a name."""
        await _until(self.at, name, address)


@asynccontextmanager
async def _world(program: Path, records: int) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
        zone = folder / "bench.zone"
        zone.write_text(
            f"$TTL 60\n$ORIGIN {ORIGIN}\n@ SOA ns.example.net. h.example.net. 1 3600 600 86400 60\n"
            f"@ NS ns.example.net.\n{peers.PROBE_NAME} A 127.0.0.1\n"
        )
        endpoint = free_endpoint()
        config = folder / "named.conf"
        config.write_text(_BIND.format(listen=endpoint, folder=folder, zone=ORIGIN, key=KEY.name, secret=SECRET))
        if not program.is_relative_to(peers.UNPACKED):  # AppArmor's profile is for its path
            program = Path(copy(program, folder))
        argv: list[str | Path] = [program, "-f", "-n", "1", "-c", config]
        cores = machine.choose_cores()
        said = peers.version_of(program, "-V")
        started = await peers.start("bind", said, argv, endpoint, folder=folder, cores={cores.server})
        yield World(server=await stack.enter_async_context(started), folder=folder, records=records)


async def _address_of(at: Server, name: str) -> str | None:
    query = dns.message.make_query(f"{name}.{ORIGIN}", "A")
    reply = await dns.asyncquery.udp(query, at.host, port=at.port, timeout=WAIT_S)
    return str(reply.answer[0][0]) if reply.answer else None


async def _until(at: Server, name: str, *addresses: str, look_s: float = LOOK_S) -> None:
    async with asyncio.timeout(WAIT_S):
        while await _address_of(at, name) not in addresses:
            await asyncio.sleep(look_s)


def _environment() -> dict[str, str]:
    """Return an environment in which modules are compiled once, as they are where users run them."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


# octoDNS -------------------------------------------------------------------------------------------------------------


async def _octodns(world: World, taken: Taken, *, tries: bool) -> dict[str, bool]:
    last = world.records - 1
    folder = world.folder / "octodns"
    folder.mkdir()
    addresses = {f"n{number}": address(number) for number in range(world.records)}
    began_s = await _sync(world, folder, addresses)
    await world.until(f"n{last}", addresses[f"n{last}"])
    taken.whole_s.append(time.perf_counter() - began_s)
    addresses["n0"] = address(0, 1)
    began_s = await _sync(world, folder, addresses)
    await world.until("n0", addresses["n0"])
    taken.edit_s.append(time.perf_counter() - began_s)
    if not tries:
        return {}
    late, newer = folder.with_name("late"), folder.with_name("newer")
    for each in (late, newer):
        each.mkdir()
    stalled = await _start_sync(world, late, {**addresses, "n0": address(0, 2)}, stalls=True)
    await _until_stalled(late)
    await _sync(world, newer, {**addresses, "n0": address(0, 3)})
    (late / "go").touch()
    await stalled.wait()
    late_is_safe = await world.has("n0") == address(0, 3)
    fewer = {name: address for name, address in addresses.items() if name != "n7"}
    await _sync(world, folder, fewer, may_fail=True)
    name_is_safe = await world.has("n7") is not None
    await _sync(world, folder, {}, may_fail=True)
    return {
        "a late writer": late_is_safe,
        "a name among thousands goes": name_is_safe,
        "an emptied source": await world.has(f"n{last}") is not None,
    }


async def _until_stalled(folder: Path) -> None:
    async with asyncio.timeout(WAIT_S):
        while not (folder / "stalled").exists():
            await asyncio.sleep(0.01)


async def _sync(world: World, folder: Path, addresses: Mapping[str, str], *, may_fail: bool = False) -> float:
    """Run octoDNS; return when it began, the file being written."""
    _write_octodns(world, folder, addresses, stalls=False)
    began_s = time.perf_counter()
    process = await _run_sync(folder)
    status = await process.wait()
    if status and not may_fail:
        raise RuntimeError((folder / "log").read_text()[-2000:])
    return began_s


async def _start_sync(
    world: World, folder: Path, addresses: Mapping[str, str], *, stalls: bool
) -> asyncio.subprocess.Process:
    _write_octodns(world, folder, addresses, stalls=stalls)
    return await _run_sync(folder)


async def _run_sync(folder: Path) -> asyncio.subprocess.Process:
    command = (Path(sys.executable).with_name("octodns-sync"), "--config-file", folder / "config.yaml", "--doit")
    with (folder / "log").open("w") as log:
        return await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=log, stderr=log, env={**_environment(), "PYTHONPATH": str(folder)}
        )


def _write_octodns(world: World, folder: Path, addresses: Mapping[str, str], *, stalls: bool) -> None:
    (folder / "stalling.py").write_text(_STALLING)
    provider = "stalling.Stalling" if stalls else "octodns_bind.Rfc2136Provider"
    (folder / "config.yaml").write_text(
        "providers:\n"
        f"  config: {{class: octodns.provider.yaml.YamlProvider, directory: {folder}, enforce_order: false}}\n"
        f"  bind: {{class: {provider}, host: {world.at.host}, port: {world.at.port}, timeout: {WAIT_S:.0f},\n"
        f"    key_name: {KEY.name}, key_secret: {SECRET}, key_algorithm: hmac-sha256}}\n"
        f"zones:\n  {ORIGIN}: {{sources: [config], targets: [bind]}}\n"
    )
    lines = [f"n{name[1:]}: {{type: A, ttl: 60, value: {address}}}" for name, address in addresses.items()]
    lines.append(f"{peers.PROBE_NAME}: {{type: A, ttl: 60, value: 127.0.0.1}}")
    lines.append("'': {type: NS, ttl: 60, value: ns.example.net.}")
    (folder / f"{ORIGIN}yaml").write_text("---\n" + "\n".join(lines) + "\n")


_STALLING: Final = '''\
"""octoDNS's provider, which stops between its plan and its update until it is told to go on."""

import time
from pathlib import Path

from octodns_bind import Rfc2136Provider


class Stalling(Rfc2136Provider):
    def _apply(self, plan):
        Path("stalled").touch()
        while not Path("go").exists():
            time.sleep(0.01)
        return super()._apply(plan)
'''


# Ours ----------------------------------------------------------------------------------------------------------------


async def _ours(world: World, taken: Taken, *, tries: bool) -> dict[str, bool]:
    last = f"n{world.records - 1}"
    write_intent(world.folder, world.records)
    began_s = time.perf_counter()
    async with _service(world) as service:
        for name, addresses in (("n0", WATCHED), (last, (address(world.records - 1),))):
            await _until(world.at, name, *addresses, look_s=LOOK_WHOLE_S)
        taken.whole_s.append(time.perf_counter() - began_s)
        taken.read_s.append(float(await service.has_done("read")))
        lost = await world.has("n0")
        write_intent(world.folder, world.records, moved=True)
        changes: Sequence[tuple[str, str, Collection[str], list[float]]] = (
            ("edit", last, (address(world.records - 1, MOVED),), taken.edit_s),
            (f"lose {lost}", "n0", set(WATCHED) - {lost}, taken.lost_s),
        )
        for what, name, new, values in changes:
            began_s = time.perf_counter()
            done = asyncio.create_task(service.has_done(what))
            await _until(world.at, name, *new)
            values.append(time.perf_counter() - began_s)
            await done
        return await _tried(world, service, str(lost)) if tries else {}


async def _tried(world: World, service: "_Service", lost: str) -> dict[str, bool]:
    """Try what must not come through; return of what it did not."""
    stands = await world.has("n0")
    late_is_safe = await service.has_done(f"late {lost}") and await world.has("n0") == stands
    found = {"a late writer": late_is_safe}
    for what, name, gone in (
        ("a name among thousands goes", "n7", lambda number: number == 7),
        ("an emptied source", f"n{world.records - 1}", lambda _: True),
    ):
        write_intent(world.folder, world.records, but=gone)
        await service.has_done("plan")
        await asyncio.sleep(SETTLE_S)
        found[what] = await world.has(name) is not None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """The process of `plane_at_bind`."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def has_done(self, command: str) -> Any:
        """Have it do this; return what it says."""
        self.writer.write(f"{command}\n".encode())
        return json.loads(await self.reader.readline())


@asynccontextmanager
async def _service(world: World) -> AsyncIterator[_Service]:
    command = (sys.executable, "-c", _START, plane_at_bind.__file__, world.at.port, world.folder)
    child = await asyncio.create_subprocess_exec(
        *map(str, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
    )
    assert child.stdout is not None
    assert child.stdin is not None
    yield _Service(reader=child.stdout, writer=child.stdin)
    child.stdin.close()
    await child.wait()


# As `standfast` does it: it collects garbage seldom, in a service too where that answers no clients.
_START: Final = f"""\
import gc, runpy, sys
gc.set_threshold({COLLECT_AFTER})
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
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
}};
controls {{ }};
logging {{ category default {{ null; }}; }};
key "{key}" {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "{zone}" {{ type primary; file "{folder}/bench.zone";
  allow-update {{ key "{key}"; }}; allow-transfer {{ key "{key}"; }}; max-records 0; }};
"""


if __name__ == "__main__":
    main()
