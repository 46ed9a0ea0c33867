"""One record changed in a large zone: how long until a secondary has it, ours as its primary and Knot, side by side.

At ours a change is a dynamic update (RFC 2136). At Knot it is the commit of a transaction that was filled before, as
Knot waits a second after an update before it tells anybody. The secondary is a Knot for each primary: it is notified,
takes the difference by IXFR, and is asked until it answers with the new address. Primaries have one core, secondaries
and whoever asks the other. Rounds are interleaved, and ratios are taken within a round. Beside that, the time that the
whole zone takes by AXFR, to `kdig`.
"""

import asyncio
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import machine, peers, report
from bench.authorities import AUTHORITY, KNOT
from bench.machine import CpuTime
from bench.peers import PROBE_NAME, Missing, Server
from bench.queries import ZONE, name, zone_text
from bench.summary import Spread, paired_ratio, spread

from standfast.dns.model import Rcode, RRType
from standfast.dns.requests import CLASS_ANY, CLASS_IN, Opcode, Raw, message, question_octets, read_message
from standfast.drills.live.loopback import Endpoint, free_endpoint
from standfast.drills.live.process import Child
from standfast.errors import StandfastError

TARGET_RATIO: Final = 1.5  # ours over Knot's, at most
RECORDS: Final = 500_000
TTL_S: Final = 3600
START_MAX_S: Final = 300.0  # of half a million records read, and taken in by a secondary
VISIBLE_MAX_S: Final = 30.0  # of one change; then something is broken
POLL_S: Final = 0.0005  # between two looks at a secondary
ANSWER_S: Final = 10.0  # that a server may take for one answer
AXFR_MAX_S: Final = 120.0
SETTLE_S: Final = 0.2  # between two rounds: what a server still does after an answer is not the next one's


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often."""

    rounds: int
    transfers: int


QUICK: Final = Plan(rounds=5, transfers=1)
FULL: Final = Plan(rounds=25, transfers=3)


class NeverVisible(StandfastError):
    """A change that did not reach a secondary. Fields: `label` of the primary, `waited_s`."""

    def __init__(self, label: str, waited_s: float) -> None:
        super().__init__(f"a change at {label} was not at its secondary after {waited_s:g} s")
        self.label = label
        self.waited_s = waited_s


class Refused(StandfastError):
    """A change that was not made. Fields: `label` of the primary, `said`."""

    def __init__(self, label: str, said: str) -> None:
        super().__init__(f"{label} refused a change: {said}")
        self.label = label
        self.said = said


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One change, in seconds from when it was asked for: until it was acknowledged, and until the secondary had it.

    And the processor time that primary and secondary took for it, and wanted.
    """

    acknowledged_s: float
    visible_s: float
    used: CpuTime
    secondary_used: CpuTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The whole zone by AXFR: how long it took until `kdig` had printed it, and the primary's processor time."""

    took_s: float
    used: CpuTime


@dataclass(slots=True, kw_only=True)
class Pair:
    """A primary, its secondary, and what was measured. `first` is the first change ever, of which more is written."""

    primary: Server
    secondary: Server
    first: Round | None = None
    rounds: list[Round] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The primary's name in the tables."""
        return self.primary.label

    @property
    def visible_s(self) -> list[float]:
        """Round by round."""
        return [one.visible_s for one in self.rounds]


@click.command()
@click.option("--quick", is_flag=True, help="5 rounds rather than 25.")
@click.option("--records", default=RECORDS, show_default=True, type=click.IntRange(1), help="In the zone.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def main(quick: bool, records: int, as_json: bool) -> None:
    """Measure how soon a Knot secondary has a change: of ours, and of Knot."""
    out = report.console(as_json=as_json)
    where = machine.describe()

    async def benchmark() -> None:
        pairs, missing = await _measure(QUICK if quick else FULL, records, out)
        if as_json:
            report.print_json(
                {"machine": where, "missing": missing, "remarks": _remarks(pairs), "pairs": _plain(pairs)}
            )
        else:
            _print(out, where, records, pairs, missing)

    report.run(benchmark)


async def _measure(plan: Plan, records: int, out: Console) -> tuple[list[Pair], list[Missing]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
        cores = machine.choose_cores()
        stack.enter_context(machine.pinned({cores.load}))
        zone = folder / "bench.zone"
        zone.write_text(zone_text(range(records)) + f"{PROBE_NAME} A 127.0.0.1\n")
        pairs: list[Pair] = []
        missing: list[Missing] = []
        for label, start in ((AUTHORITY, _start_ours), (KNOT, _start_knot)):
            with out.status(f"{label} and its secondary take in {records} records"):
                at = free_endpoint()
                secondary_at = free_endpoint()
                primary = await start(zone, at, secondary_at, folder / label, cores.server)
                if isinstance(primary, Missing):
                    missing.append(primary)
                    continue
                await stack.enter_async_context(primary)
                secondary = await _start_secondary(at, secondary_at, folder / f"{label}-secondary", cores.load)
                if isinstance(secondary, Missing):
                    missing.append(secondary)
                    break
                await stack.enter_async_context(secondary)
                pairs.append(Pair(primary=primary, secondary=secondary))
        for pair in pairs:
            with out.status(f"the first change: {pair.label}"):
                pair.first = await _change(pair, 0, records)
        for number in range(1, plan.rounds + 1):
            turn = number % max(1, len(pairs))
            for pair in pairs[turn:] + pairs[:turn]:
                with out.status(f"change {number} of {plan.rounds}: {pair.label}"):
                    pair.rounds.append(await _change(pair, number, records))
                    await asyncio.sleep(SETTLE_S)
        for number in range(plan.transfers):
            for pair in pairs:
                with out.status(f"transfer {number + 1} of {plan.transfers}: {pair.label}"):
                    pair.transfers += await _transfer(pair.primary, folder, records)
        return pairs, missing


# A change ------------------------------------------------------------------------------------------------------


async def _change(pair: Pair, number: int, records: int) -> Round:
    pair.primary.check()
    pair.secondary.check()
    before = [CpuTime.of(server.pid) for server in (pair.primary, pair.secondary)]
    qname = name(number * 7919 % records)  # here and there in the zone
    address = IPv4Address("198.18.0.0") + number + 1  # RFC 2544: none that the zone has
    acknowledged_s, visible_s = await asyncio.to_thread(_watch, pair, qname, address.packed)
    after = [CpuTime.of(server.pid) for server in (pair.primary, pair.secondary)]
    return Round(
        acknowledged_s=acknowledged_s,
        visible_s=visible_s,
        used=after[0].since(before[0]),
        secondary_used=after[1].since(before[1]),
    )


def _watch(pair: Pair, qname: str, rdata: bytes) -> tuple[float, float]:
    """Have the record changed, and ask the secondary until it has it."""
    with _connected(pair.secondary.endpoint) as asker, ThreadPoolExecutor(1) as beside:
        change = (_commit if pair.label == KNOT else _update)(pair.primary, qname, rdata)
        begun_s = time.perf_counter()
        acknowledged = beside.submit(change)
        while not _has(asker, qname, rdata):
            if time.perf_counter() - begun_s > VISIBLE_MAX_S:
                raise NeverVisible(pair.label, VISIBLE_MAX_S)
            time.sleep(POLL_S)
        visible_s = time.perf_counter() - begun_s
        return acknowledged.result() - begun_s, visible_s


def _update(primary: Server, qname: str, rdata: bytes) -> Callable[[], float]:
    """Return what sends an update, and returns when it is acknowledged."""
    wire = message(
        id_=random.getrandbits(16),
        flags=Opcode.UPDATE << 11,
        question=question_octets(ZONE, RRType.SOA),
        authority=(
            Raw(qname, RRType.A, CLASS_ANY, 0, b""),
            Raw(qname, RRType.A, CLASS_IN, TTL_S, rdata),
        ),
    )

    def send() -> float:
        with _connected(primary.endpoint) as udp:
            udp.send(wire)
            rcode = read_message(udp.recv(512)).rcode
        if rcode != Rcode.NOERROR:
            raise Refused(primary.label, f"response code {rcode}")
        return time.perf_counter()

    return send


def _commit(primary: Server, qname: str, rdata: bytes) -> Callable[[], float]:
    """Have Knot make all ready, and return what commits it, and returns when that is acknowledged."""
    knotc = peers.find("knotc")
    folder = primary.child.log_file.parent

    def say(*words: str) -> None:
        said = subprocess.run(
            [str(knotc), "-s", str(folder / "knot.sock"), *words], capture_output=True, text=True, check=False
        )
        if said.returncode != 0:
            raise Refused(primary.label, said.stderr)

    say("zone-begin", ZONE)
    say("zone-unset", ZONE, qname, "A")
    say("zone-set", ZONE, qname, str(TTL_S), "A", str(IPv4Address(rdata)))

    def commit() -> float:
        say("zone-commit", ZONE)
        return time.perf_counter()

    return commit


def _connected(endpoint: Endpoint) -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(ANSWER_S)
    udp.connect((endpoint.address, endpoint.port))
    return udp


def _has(udp: socket.socket, qname: str, rdata: bytes) -> bool:
    id_ = random.getrandbits(16)
    udp.send(message(id_=id_, flags=0, question=question_octets(qname, RRType.A)))
    while (found := read_message(udp.recv(512))).id != id_:
        pass
    return any(record.rdata == rdata for record in found.answer)


async def _transfer(primary: Server, folder: Path, records: int) -> list[Transfer]:
    """Have `kdig` take the whole zone, which it writes to a file; none where it is not there."""
    kdig = peers.find("kdig")
    if kdig is None:
        return []
    before = CpuTime.of(primary.pid)
    at = primary.endpoint
    argv = [str(kdig), f"@{at.address}", "-p", str(at.port), ZONE, "AXFR", "+tcp", "+noall", "+answer"]
    begun_s = time.perf_counter()
    child = await Child.start("kdig", argv, folder=folder / "kdig")
    async with asyncio.timeout(AXFR_MAX_S):
        await child.process.wait()
    took_s = time.perf_counter() - begun_s
    with child.log_file.open("rb") as file:
        lines = sum(1 for line in file if b"\tIN\t" in line or b" IN " in line)
    child.log_file.unlink()
    if lines < records:
        raise child.failed(f"got {lines} records of {records}")
    return [Transfer(took_s=took_s, used=CpuTime.of(primary.pid).since(before))]


# Servers -------------------------------------------------------------------------------------------------------


async def _start_ours(zone: Path, at: Endpoint, secondary: Endpoint, folder: Path, core: int) -> Server:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "standfast.toml"
    config.write_text(
        f'[authority]\nlisten = ["{at}"]\nzones = ["{zone}"]\nstate_dir = "state"\n'
        'allow_transfer = ["127.0.0.0/8"]\nallow_update = ["127.0.0.0/8"]\n'
        f'notify = ["{secondary}"]\n'
    )
    argv: list[str | Path] = [Path(sys.executable).with_name("standfast"), "up", "--config", config]
    return await peers.start(
        AUTHORITY, version("standfast"), argv, at, folder=folder, cores={core}, start_timeout_s=START_MAX_S
    )


async def _start_knot(zone: Path, at: Endpoint, secondary: Endpoint, folder: Path, core: int) -> Server | Missing:
    more = (
        f"remote:\n  - id: secondary\n    address: {secondary.address}@{secondary.port}\n"
        "acl:\n  - id: all\n    address: 127.0.0.0/8\n    action: transfer\n"
        f"zone:\n  - domain: {ZONE}\n    file: {zone}\n    notify: secondary\n    acl: all\n    zonefile-sync: -1\n"
    )
    return await _knot(KNOT, at, more, folder, core)


async def _start_secondary(primary: Endpoint, at: Endpoint, folder: Path, core: int) -> Server | Missing:
    more = (
        f"remote:\n  - id: primary\n    address: {primary.address}@{primary.port}\n"
        "acl:\n  - id: told\n    address: 127.0.0.0/8\n    action: notify\n"
        f"zone:\n  - domain: {ZONE}\n    master: primary\n    acl: told\n    zonefile-sync: -1\n"
    )
    return await _knot("secondary", at, more, folder, core)


async def _knot(label: str, at: Endpoint, more: str, folder: Path, core: int) -> Server | Missing:
    program = peers.find("knotd")
    if program is None:
        return Missing(label=KNOT, install="sudo apt-get install knot")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "knot.conf"
    config.write_text(
        f"server:\n  listen: {at.address}@{at.port}\n  rundir: {folder}\n"
        "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
        f"log:\n  - target: stderr\n    any: warning\ndatabase:\n  storage: {folder}\n{more}"
    )
    said = peers.version_of(program, "--version")
    argv: list[str | Path] = [program, "-c", config]
    return await peers.start(label, said, argv, at, folder=folder, cores={core}, start_timeout_s=START_MAX_S)


# What is said --------------------------------------------------------------------------------------------------


def _ratio(pairs: list[Pair], of: Pair) -> Spread | None:
    base = next((pair for pair in pairs if pair.label == KNOT), None)
    return None if base is None else paired_ratio(of.visible_s, base.visible_s)


def _print(out: Console, where: str, records: int, pairs: list[Pair], missing: list[Missing]) -> None:
    rounds = len(pairs[0].rounds) if pairs else 0
    table = report.table(
        f"One record of {records} changed: medians of {rounds} rounds, ± half the distance of the quartiles",
        *("primary", "acknowledged ms", "at the secondary ms", f"x {KNOT}", "CPU ms", "first ms", "AXFR s", "CPU s"),
    )
    for pair in pairs:
        table.add_row(
            f"{pair.label} {pair.primary.version}",
            report.with_spread(spread([one.acknowledged_s for one in pair.rounds]), ".1f", scale=1e3),
            report.with_spread(spread(pair.visible_s), ".1f", scale=1e3),
            report.with_spread(_ratio(pairs, pair), ".2f"),
            f"{median(one.used.ran_s for one in pair.rounds) * 1e3:.1f}",
            f"{pair.first.visible_s * 1e3:.0f}" if pair.first else "-",
            f"{median(one.took_s for one in pair.transfers):.2f}" if pair.transfers else "-",
            f"{median(one.used.ran_s for one in pair.transfers):.2f}" if pair.transfers else "-",
        )
    out.print(table)
    for line in [*map(str, missing), *_remarks(pairs)]:
        out.print(line)
    out.print(where)


def _remarks(pairs: list[Pair]) -> list[str]:
    lines = []
    ours = next((pair for pair in pairs if pair.label == AUTHORITY), None)
    ratio = _ratio(pairs, ours) if ours else None
    if ratio is not None:
        met = "met" if ratio.median <= TARGET_RATIO else "not met"
        lines.append(f"target: at most {TARGET_RATIO:.1f} x {KNOT}; measured {ratio.median:.2f} x: {met}")
    waited = [each.waited_share for pair in pairs for one in pair.rounds for each in (one.used, one.secondary_used)]
    disturbed = machine.disturbance(median(waited)) if waited else None
    return [*lines, disturbed] if disturbed else lines


def _plain(pairs: list[Pair]) -> dict[str, object]:
    return {
        pair.label: {
            "version": pair.primary.version,
            "visible_s": spread(pair.visible_s),
            "ratio": _ratio(pairs, pair),
            "first": pair.first,
            "rounds": pair.rounds,
            "transfers": pair.transfers,
        }
        for pair in pairs
    }


if __name__ == "__main__":
    main()
