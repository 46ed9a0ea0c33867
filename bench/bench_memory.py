"""Known-good names: how much memory each takes, and how soon a guard that remembers many serves again.

Measured twice: the core's memory and the store alone, in a fresh process each, so that nothing else is in the way;
and a whole guard as users run it, with all names and with none.
"""

import gc
import multiprocessing
import sys
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, ParamSpec, TypeVar

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import loadgen, machine, peers, report

from standfast.dns.model import Question, RRset, RRType
from standfast.drills.live.loopback import Endpoint
from standfast.errors import StandfastError
from standfast.guard.events import Alarm, Remember
from standfast.guard.known import Answer, Baseline, KnownGood
from standfast.guard.memory import KnownGoodMemory
from standfast.guard.packed import key_of, question_of
from standfast.io.state.store import Store

NAMES: Final = 100_000
NAMES_FULL: Final = 1_000_000
KNOWN_MAX: Final = 2_000_000  # names and, below, octets: more than are ever there, so that nothing is given up
KNOWN_BYTES_MAX: Final = 1 << 36
TARGET_BYTES: Final = 600  # a name, at NAMES_FULL
TARGET_RESTART_S: Final = 5.0  # at NAMES_FULL
WRITE_CHUNK: Final = 50_000  # names handed to the store before it is waited for
WRITE_TIMEOUT_S: Final = 120.0  # of a chunk; one takes a second or two
WAL_LOOK_S: Final = 0.01  # between two looks at the size of the WAL; a transaction takes longer
GUARD_TIMEOUT_S: Final = 300.0  # of the start of a guard with everything to remember
NOW_S: Final = 1_790_000_000.0  # any time: the names were first seen a month before it

P = ParamSpec("P")
T = TypeVar("T")


class BadState(StandfastError):
    """The store did not give back what it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """How long something took: by the clock, and in processor time, in which other work does not show."""

    clock_s: float
    cpu_s: float

    @classmethod
    def now(cls) -> "Took":
        """Read both clocks."""
        return cls(clock_s=time.perf_counter(), cpu_s=time.process_time())

    @classmethod
    def since(cls, before: "Took") -> "Took":
        """Return what was taken since `before`, a `Took.now()`."""
        now = cls.now()
        return cls(clock_s=now.clock_s - before.clock_s, cpu_s=now.cpu_s - before.cpu_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The names in a state file."""

    took: Took
    file_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """What the names took in a fresh process: `traced_bytes` by Python's own account, None where it was not kept."""

    names: int
    load: Took
    rss_bytes: int
    traced_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What it took to confirm every name once: while that waited, in memory, and when it was written."""

    waiting_bytes: int
    took: Took
    written_bytes: int
    wal_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A guard from its start until it answered, and its memory then."""

    start: Took
    rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All that was measured with `names` names."""

    names: int
    written: Written
    restarted: Restarted
    traced: Restarted
    confirmed: Confirmed
    guard: Whole
    guard_empty: Whole

    @property
    def guard_bytes(self) -> float:
        """Resident memory of the guard for each name, in octets."""
        return (self.guard.rss_bytes - self.guard_empty.rss_bytes) / self.names


@click.command()
@click.option("--full", is_flag=True, help=f"{NAMES_FULL:,} names rather than {NAMES:,}; minutes rather than seconds.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def main(full: bool, as_json: bool) -> None:
    """Measure the memory of a known-good name and the time of a warm restart."""
    out = report.console(as_json=as_json)
    where = machine.describe()

    async def benchmark() -> None:
        result = await _measure(NAMES_FULL if full else NAMES, out)
        if as_json:
            report.print_json({"machine": where, "remarks": _remarks(result), "result": result})
        else:
            _print(out, result)
            out.print(where)

    report.run(benchmark)


async def _measure(names: int, out: Console) -> Result:
    cores = machine.choose_cores()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
        state_dir, empty = folder / "state", folder / "empty"
        for made in (state_dir, empty):
            made.mkdir(mode=0o700)
        with machine.pinned({cores.server}):
            with out.status(f"writing {names:,} names"):
                written = _in_fresh_process(write, state_dir, names)
            with out.status("reading them, for the time"):
                restarted = _in_fresh_process(restart, state_dir, False)
            with out.status("reading them, for Python's account of memory"):
                traced = _in_fresh_process(restart, state_dir, True)
            with out.status("confirming them"):
                confirmed = _in_fresh_process(confirm, state_dir)
        if restarted.names != names or traced.names != names:
            raise BadState(f"of {names} names that were written, {restarted.names} were read")

        tools = await loadgen.build(folder / "tools")
        upstream = await peers.start_responder(tools, folder=folder / "upstream", core=cores.upstream)
        await stack.enter_async_context(upstream)
        with out.status("starting a guard without them and one with them"):
            guard_empty = await _start_guard(folder / "guard-empty", empty, upstream.endpoint, cores.server)
            guard = await _start_guard(folder / "guard", state_dir, upstream.endpoint, cores.server)
        return Result(
            names=names,
            written=written,
            restarted=restarted,
            traced=traced,
            confirmed=confirmed,
            guard=guard,
            guard_empty=guard_empty,
        )


def write(state_dir: Path, names: int) -> Written:
    """Have the store write `names` names into `state_dir`."""
    alarms: list[Alarm] = []
    store = Store(state_dir, alarm=alarms.append)
    store.load()
    store.start()
    numbers = sorted(range(names), key=lambda number: key_of(_known(number).question))  # as a guard has loaded them
    before = Took.now()
    for first in range(0, names, WRITE_CHUNK):
        for number in numbers[first : first + WRITE_CHUNK]:
            store.remember(Remember.of(_known(number)))
        if not store.flush(WRITE_TIMEOUT_S):
            raise BadState(f"{WRITE_CHUNK} names were not written in {WRITE_TIMEOUT_S:g} s: {alarms}")
    took = Took.since(before)
    if not store.close() or alarms:
        raise BadState(f"the store did not close, or was in trouble: {alarms}")
    return Written(took=took, file_bytes=store.path.stat().st_size)


def restart(state_dir: Path, traced: bool) -> Restarted:
    """Read what `state_dir` remembers into the core's memory, as a guard does at its start."""
    alarms: list[Alarm] = []
    store = Store(state_dir, alarm=alarms.append)
    memory = KnownGoodMemory(entries_max=KNOWN_MAX, bytes_max=KNOWN_BYTES_MAX)
    gc.collect()
    before_bytes = machine.rss_bytes()
    if traced:
        tracemalloc.start()
    before = Took.now()
    memory.load(store.load().entries)
    load = Took.since(before)
    if alarms:
        raise BadState(f"the store was in trouble: {alarms}")
    gc.collect()
    return Restarted(
        names=len(memory),
        load=load,
        rss_bytes=machine.rss_bytes() - before_bytes,
        traced_bytes=tracemalloc.get_traced_memory()[0] if traced else None,
    )


def confirm(state_dir: Path) -> Confirmed:
    """Confirm all that `state_dir` remembers, at once, and have the store write it."""
    alarms: list[Alarm] = []
    store = Store(state_dir, alarm=alarms.append)
    memory = KnownGoodMemory(entries_max=KNOWN_MAX, bytes_max=KNOWN_BYTES_MAX)
    memory.load(store.load().entries)
    keys = list(memory.entries())  # without what is packed, which is renewed below
    gc.collect()
    before_bytes = machine.rss_bytes()
    for key in keys:
        known = memory.get(question_of(key))
        assert known is not None
        for action in memory.keep(replace(known, confirmed_at_s=NOW_S + 1, confirmations=known.confirmations + 1)):
            assert isinstance(action, Remember)
            store.remember(action)
    waiting_bytes = machine.rss_bytes() - before_bytes
    wal, largest = Path(f"{store.path}-wal"), 0
    before, written_before = Took.now(), _written_bytes()
    store.start()
    with ThreadPoolExecutor(max_workers=1) as pool:
        closed = pool.submit(store.close, WRITE_TIMEOUT_S)
        while not closed.done():
            with suppress(FileNotFoundError):
                largest = max(largest, wal.stat().st_size)
            time.sleep(WAL_LOOK_S)
    if not closed.result() or alarms:
        raise BadState(f"the store did not close in {WRITE_TIMEOUT_S:g} s, or was in trouble: {alarms}")
    return Confirmed(
        waiting_bytes=waiting_bytes,
        took=Took.since(before),
        written_bytes=_written_bytes() - written_before,
        wal_bytes=largest,
    )


def _written_bytes() -> int:
    """Return how many octets this process has written to files so far."""
    (line,) = (line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("wchar:"))
    return int(line.split()[1])


async def _start_guard(folder: Path, state_dir: Path, upstream: Endpoint, core: int) -> Whole:
    guard = await peers.start_guard(
        upstream, folder=folder, cores={core}, state_dir=state_dir, start_timeout_s=GUARD_TIMEOUT_S
    )
    async with guard:
        used = machine.CpuTime.of(guard.pid)
        return Whole(start=Took(clock_s=guard.start_s, cpu_s=used.ran_s), rss_bytes=machine.rss_bytes(guard.pid))


def _known(number: int) -> KnownGood:
    """Return a known-good answer as most are: two addresses, seen for a month, its identity proven, its zone known."""
    qname = f"service-{number:07d}.eu-west-1.example.org."
    addresses = [IPv4Address(0x0A000000 + 2 * number + i) for i in range(2)]
    rrset = RRset(owner=qname, rtype=RRType.A, ttl_s=60, rdatas=tuple(address.packed for address in addresses))
    return KnownGood(
        question=Question(qname, RRType.A),
        answer=Answer(rrsets=(rrset,)),
        first_seen_s=NOW_S - 30 * 86_400,
        confirmed_at_s=NOW_S - number * 1e-3,
        changed_at_s=NOW_S - 30 * 86_400,
        confirmations=1_000,
        seen=tuple(map(str, addresses)),
        baseline=Baseline(asked_at_s=NOW_S - 3_600, proven_at_s=NOW_S - 3_600),
        zone="example.org.",
    )


def _in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a new interpreter, whose memory nothing else has touched."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


# What is said ---------------------------------------------------------------------------------------------------


def _print(out: Console, result: Result) -> None:
    assert result.traced.traced_bytes is not None
    confirmed = result.confirmed
    table = report.table(
        f"{result.names:,} known-good names of {len(_known(0).question.qname)} octets, two addresses each",
        *("what", "octets a name"),
    )
    table.add_row("core's memory, resident", f"{result.restarted.rss_bytes / result.names:.0f}")
    table.add_row("core's memory, by Python's account", f"{result.traced.traced_bytes / result.names:.0f}")
    table.add_row("whole guard, resident, less one without names", f"{result.guard_bytes:.0f}")
    table.add_row("besides, while all are confirmed and not written", f"{confirmed.waiting_bytes / result.names:.0f}")
    table.add_row("state file", f"{result.written.file_bytes / result.names:.0f}")
    table.add_row("written to confirm all once", f"{confirmed.written_bytes / result.names:.0f}")
    out.print(table)
    table = report.table(f"Time for {result.names:,} names", "what", "s", "CPU s")
    for what, took in (
        ("store: making and writing all", result.written.took),
        ("store and core: loading all, the file being in the system's cache", result.restarted.load),
        ("store: writing all when they were confirmed", confirmed.took),
        ("whole guard, from its start to its first answer", result.guard.start),
        ("the same without names", result.guard_empty.start),
    ):
        table.add_row(what, f"{took.clock_s:.2f}", f"{took.cpu_s:.2f}")
    out.print(table)
    for line in _remarks(result):
        out.print(line)


def _remarks(result: Result) -> list[str]:
    start = result.guard.start
    restarted = f"(with {result.names:,}; --full measures with all)"
    if result.names == NAMES_FULL:
        restarted = "met" if start.clock_s <= TARGET_RESTART_S else "not met"
    memory = "met" if result.guard_bytes <= TARGET_BYTES else "not met"
    return [
        f"target: at most {TARGET_BYTES} octets a name; measured {result.guard_bytes:.0f}: {memory}",
        f"target: a restart with {NAMES_FULL:,} names in {TARGET_RESTART_S:g} s; measured {start.clock_s:.2f} s, "
        f"{start.cpu_s:.2f} s of processor time: {restarted}",
        f"the WAL took {result.confirmed.wal_bytes / 2**20:.1f} MiB at most while all were confirmed",
    ]


if __name__ == "__main__":
    main()
