"""From a file of names to a real BIND by signed updates (RFC 2136): ours beside octoDNS, the whole zone and one record.

Each has a BIND of its own. octoDNS is run as its users run it: a command that reads its YAML, transfers the zone,
compares and updates. Ours is a service, from the start of its process until BIND answers; then a record changes, by its
file and by a report that an endpoint is ill. What each protects from is tried, not told.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
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
import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import machine, peers, report
from bench.queries import ZONE

from standfast.authority.access import Remote
from standfast.control.fence import Fence
from standfast.control.health import Reading, State, write_reading
from standfast.control.publishing import Batch, Late
from standfast.control.rules.bounds import Bounds
from standfast.control.vantage import pool_key
from standfast.dns.changes import Change
from standfast.dns.model import RRType
from standfast.dns.rdata import rrset_from_text
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.drills.live.loopback import free_endpoint
from standfast.io.control.intent_files import load_intent
from standfast.io.control.plane import ControlPlane, control_plane
from standfast.io.settings.control import ControlConfig, PublisherSettings
from standfast.io.settings.control_keys import PublisherKind, Role

ORIGIN: Final = ZONE if ZONE.endswith(".") else f"{ZONE}."
OURS: Final = "standfast"
OCTODNS: Final = "octodns"
SIZES: Final = {1_000: 3, 10_000: 3, 50_000: 1}  # records, and rounds
SIZES_QUICK: Final = {1_000: 1}
WAIT_S: Final = 600.0
LOOK_S: Final = 0.002
LOOK_WHOLE_S: Final = 0.05  # while a whole zone is published: who looks from the same process takes its time
SETTLE_S: Final = 0.5  # for what must not come
KEY: Final = TsigKey(name="updater.example.", algorithm="hmac-sha256", secret=b"s" * 32)
SECRET: Final = "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M="
VANTAGE: Final = "here"
PORT: Final = 443
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
@click.option("--serve", nargs=3, type=str, hidden=True, help="Be ours: how many records, BIND's port, a folder.")
def main(quick: bool, as_json: bool, serve: tuple[str, str, str] | None) -> None:
    """Measure ours and octoDNS from a file to BIND, and try what each protects from."""
    if serve is not None:
        records, port, folder = serve
        asyncio.run(_serve(int(records), Server("127.0.0.1", int(port)), Path(folder)))
        return
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


def _address(number: int, turn: int = 0) -> str:
    return f"10.{turn}.{number >> 8 & 255}.{number & 255}"


def _environment() -> dict[str, str]:
    """Return an environment in which modules are compiled once, as they are where users run them."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


# octoDNS -------------------------------------------------------------------------------------------------------------


async def _octodns(world: World, taken: Taken, *, tries: bool) -> dict[str, bool]:
    last = world.records - 1
    folder = world.folder / "octodns"
    folder.mkdir()
    addresses = {f"n{number}": _address(number) for number in range(world.records)}
    began_s = await _sync(world, folder, addresses)
    await world.until(f"n{last}", addresses[f"n{last}"])
    taken.whole_s.append(time.perf_counter() - began_s)
    addresses["n0"] = _address(0, 1)
    began_s = await _sync(world, folder, addresses)
    await world.until("n0", addresses["n0"])
    taken.edit_s.append(time.perf_counter() - began_s)
    if not tries:
        return {}
    late, newer = folder.with_name("late"), folder.with_name("newer")
    for each in (late, newer):
        each.mkdir()
    stalled = await _start_sync(world, late, {**addresses, "n0": _address(0, 2)}, stalls=True)
    await _until_stalled(late)
    await _sync(world, newer, {**addresses, "n0": _address(0, 3)})
    (late / "go").touch()
    await stalled.wait()
    late_is_safe = await world.has("n0") == _address(0, 3)
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
    _write_intent(world.folder, world.records)
    command = (sys.executable, __file__, "--serve", world.records, world.at.port, world.folder)
    began_s = time.perf_counter()
    child = await asyncio.create_subprocess_exec(
        *map(str, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
    )
    assert child.stdout is not None
    assert child.stdin is not None
    said = json.loads(await child.stdout.readline())
    taken.whole_s.append(time.perf_counter() - began_s - said["read_s"])
    taken.read_s.append(said["read_s"])
    _write_intent(world.folder, world.records, moved=True)
    for what, values in (("edit", taken.edit_s), ("lose", taken.lost_s)):
        child.stdin.write(f"{what}\n".encode())
        values.append(float(await child.stdout.readline()))
    found: dict[str, bool] = {}
    if tries:
        child.stdin.write(b"try\n")
        found = json.loads(await child.stdout.readline())
    child.stdin.close()
    await child.wait()
    return found


def _write_intent(
    folder: Path, count: int, *, moved: bool = False, but: Callable[[int], bool] = lambda _: False
) -> None:
    """Write an intent of so many names: the first from a pool, the last perhaps moved, some perhaps not there."""
    lines = []
    for number in range(1, count):
        if not but(number):
            turn = 9 if moved and number == count - 1 else 0
            lines.append(f"  - {{name: n{number}.{ORIGIN}, type: A, ttl_s: 60, data: [{_address(number, turn)}]}}")
    endpoints = ", ".join(f"{{address: {_address(0, turn)}}}" for turn in range(1, 5))
    (folder / "intent.yaml").write_text(
        f"zones:\n  {ORIGIN}: {{publishers: [bind]}}\n"
        f"pools:\n  watched: {{check: {{kind: tcp}}, endpoints: [{endpoints}]}}\n"
        f"names:\n  n0.{ORIGIN}: {{policy: weighted, answers_max: 1, ttl_s: 60, pools: [watched]}}\n"
        "records:\n" + "\n".join(lines) + "\n"
    )


async def _serve(records: int, at: Server, folder: Path) -> None:
    """Be the service that is measured: publish, say so, then do what standard input says."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    config = ControlConfig(
        intent=(folder / "intent.yaml",),
        state_dir=folder / "control",
        name="bench",
        rules=Bounds(networks=("10.0.0.0/8",)),
        publishers=(
            PublisherSettings(name="bind", kind=PublisherKind.RFC2136, server=Remote(server=at, key=KEY.name)),
        ),
        keys={KEY.name: KEY},
    )
    began_s = time.perf_counter()
    await asyncio.to_thread(load_intent, config)
    read_s = time.perf_counter() - began_s  # once more than the service itself reads it: taken off by who measures
    async with control_plane(config, roles={Role.PLANNER, Role.ENACTOR}) as plane:
        service = Service(plane=plane, at=at, last=records - 1, folder=folder)
        service.report()
        await service.until("n0", *service.watched, look_s=LOOK_WHOLE_S)
        await service.until(f"n{service.last}", _address(service.last), look_s=LOOK_WHOLE_S)
        print(json.dumps({"read_s": read_s}), flush=True)
        while command := (await asyncio.to_thread(sys.stdin.readline)).strip():
            print(json.dumps(await service.commands[command]()), flush=True)


@dataclass(kw_only=True)
class Service:
    """A control plane that runs, and the BIND that it publishes at."""

    plane: ControlPlane
    at: Server
    last: int
    folder: Path
    ill: set[str] = field(default_factory=set)
    reports: int = 0

    def __post_init__(self) -> None:
        self.watched = tuple(_address(0, turn) for turn in range(1, 5))
        self.commands = {"edit": self.edit, "lose": self.lose, "try": self.tries}

    async def edit(self) -> float:
        """Read the file again, in which a record was changed; return seconds until BIND has it."""
        began_s = time.perf_counter()
        await self.plane.adopt(await asyncio.to_thread(self.plane.reader.read))
        await self.until(f"n{self.last}", _address(self.last, 9))
        return time.perf_counter() - began_s

    async def lose(self) -> float:
        """Report an endpoint ill; return seconds until BIND has another for its name."""
        address = await _address_of(self.at, "n0")
        assert address is not None
        self.before = await self.plane.publishers["bind"].fence(ORIGIN)
        self.ill.add(address)
        began_s = time.perf_counter()
        self.report()
        await self.until("n0", *(each for each in self.watched if each != address))
        return time.perf_counter() - began_s

    async def tries(self) -> dict[str, bool]:
        """Try what must not come through; return of what it did not."""
        stands = await _address_of(self.at, "n0")
        publisher = self.plane.publishers["bind"]
        assert isinstance(self.before, Fence)
        after = rrset_from_text(f"n0.{ORIGIN}", RRType.A, 60, [next(iter(self.ill))])
        fence = Fence(generation=self.before.generation + 1, step=1, done=True, plan="0" * 16, writer="late.1.1")
        late = Batch(zone=ORIGIN, expect=self.before, fence=fence, changes=(Change(before=None, after=after),))
        outcome = await publisher.write(late)
        late_is_safe = isinstance(outcome, Late) and await _address_of(self.at, "n0") == stands
        return {
            "a late writer": late_is_safe,
            "a name among thousands goes": await self._without("n7", lambda number: number == 7),
            "an emptied source": await self._without(f"n{self.last}", lambda _: True),
        }

    async def _without(self, name: str, gone: Callable[[int], bool]) -> bool:
        """Want some names no more; return whether `name` is there when the planner has thought about it."""
        assert self.plane.planner is not None
        asked = self.plane.planner.verdicts.copy()
        _write_intent(self.folder, self.last + 1, but=gone)
        await self.plane.adopt(await asyncio.to_thread(self.plane.reader.read))
        async with asyncio.timeout(WAIT_S):
            while self.plane.planner.verdicts == asked:
                await asyncio.sleep(LOOK_S)
        await asyncio.sleep(SETTLE_S)
        return await _address_of(self.at, name) is not None

    async def until(self, name: str, *addresses: str, look_s: float = LOOK_S) -> None:
        """Wait until BIND gives one of these addresses for a name."""
        await _until(self.at, name, *addresses, look_s=look_s)

    def report(self) -> None:
        """Have the planner know how the watched endpoints are."""
        assert self.plane.planner is not None
        self.reports += 1
        now_s = time.time()
        said = {pool_key("watched"): f"{now_s:.3f}"}
        for address in self.watched:
            state = State.ILL if address in self.ill else State.WELL
            said[f"watched/{address}:{PORT}"] = write_reading(Reading(state=state, since_s=now_s, why="refused"))
        self.plane.planner.reported(VANTAGE, said, at_s=now_s + self.reports * 1e-3)


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
