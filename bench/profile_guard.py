"""Where the guard's time goes, of answers from the cache and of misses: by its parts, and by lines of source.

py-spy looks at the running guard a few hundred times a second and notes which line every thread is at. What waits is
left out. A look stops the guard for a moment, so the shares are worth something, and its speed meanwhile is not: the
microseconds are the shares of the processor time that a query takes while nobody looks.
"""

import asyncio
import linecache
import re
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import loadgen, machine, peers, report
from bench.loadgen import Load
from bench.machine import CpuTime
from bench.queries import Style, write_queries

from standfast.drills.live.process import Child

PROFILER: Final = Path(sys.executable).with_name("py-spy")
LOOKS_PER_S: Final = 300  # more slows the guard down so much that it does other things than it would
LOOK_S: Final = 6.0
GRACE_S: Final = 20.0  # for the profiler to start and to write
MISSES_QPS: Final = 400  # leaves time for what comes after an answer
LINES_TOLD: Final = 12

# The part of the innermost frame that is in one of these; what lies deeper is the library's on that part's behalf.
PARTS: Final = {
    "/standfast/dns/": "messages read and written",
    "/standfast/guard/": "decisions, cache and memory",
    "/standfast/evidence/": "decisions, cache and memory",
    "/standfast/io/clients/batch.py": "datagrams of clients, in batches",
    "/standfast/io/clients/datagrams.py": "datagrams of clients, one by one",
    "/standfast/io/upstream": "sockets of queries upstream",
    "/standfast/io/probes.py": "probes",
    "/standfast/io/store": "disk, in threads of their own",
    "/standfast/io/ledger": "disk, in threads of their own",
    "/standfast/": "the shell around them",
    "/asyncio/": "event loop",
    "/selectors.py": "event loop",
}
OTHER: Final = "everything else"
_WAITING: Final = re.compile(r"(?:.*\.)?(?:wait|select|_wait_for_tstate_lock) \(.*(?:threading|selectors)\.py")
_FRAME: Final = re.compile(r"^(?P<name>.+) \((?P<file>.*?)(:(?P<line>\d+))?\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of load: how many names, whether each is asked for only once, and how fast (0: as fast as it goes)."""

    title: str
    names: int
    once: bool
    window: int = loadgen.WINDOW
    rate_qps: int = 0


KINDS: Final = (
    Kind(title="a miss", names=round(MISSES_QPS * LOOK_S), once=True, window=1, rate_qps=MISSES_QPS),
    Kind(title="a hit", names=1_000, once=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What came of one kind: processor time of a query, and how often the guard was seen in each part and line."""

    title: str
    cpu_us: float
    parts: Counter[str]
    lines: Counter[str]

    @property
    def looks(self) -> int:
        """How often a thread was seen at work."""
        return self.parts.total()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A guard and its load."""

    tools: loadgen.Tools
    folder: Path
    cores: machine.Cores
    guard: peers.Server

    async def profile(self, kind: Kind) -> Profile:
        """Load the guard twice, to see what a query costs, and to see where.

        Raises:
            PartFailed: the profiler gave no profile.
        """
        first = await self._load(kind, 0)  # fills the cache, where there is to be one
        before = CpuTime.of(self.guard.pid)
        answered = await self._load(kind, first)
        cpu_us = CpuTime.of(self.guard.pid).since(before).ran_s / answered * 1e6
        raw = self.folder / f"{kind.title}.raw"
        argv: list[str | Path] = [PROFILER, "record", "--pid", str(self.guard.pid), "--format", "raw", "--nonblocking"]
        argv += ["--full-filenames", "--rate", str(LOOKS_PER_S), "--duration", str(round(LOOK_S)), "--output", raw]
        profiler = await Child.start("py-spy", argv, folder=self.folder)
        async with profiler, asyncio.timeout(LOOK_S + GRACE_S):
            await self._load(kind, first + answered)
            if await profiler.process.wait() or not raw.exists():
                raise profiler.failed("gave no profile; it may have to be root")
        parts, lines = read(raw.read_text(encoding="utf-8"))
        return Profile(title=kind.title, cpu_us=cpu_us, parts=parts, lines=lines)

    async def _load(self, kind: Kind, asked: int) -> int:
        """Load the guard, which was asked so many queries of this kind before; return how many it answered."""
        queries = self.folder / "queries"
        start = asked if kind.once else 0
        write_queries(queries, range(start, start + kind.names), Style())
        load = Load(
            queries=queries,
            core=self.cores.load,
            count=kind.names if kind.once else None,
            duration_s=LOOK_S,
            window=kind.window,
            rate_qps=kind.rate_qps,
        )
        return (await load.run(self.tools, [self.guard.endpoint], self.folder)).servers[0].answered


def read(raw: str) -> tuple[Counter[str], Counter[str]]:
    """Return how often each part and each line was seen at work, of stacks as py-spy writes them, one a line."""
    parts, lines = Counter[str](), Counter[str]()
    for stack in raw.splitlines():
        frames, _, times = stack.rpartition(" ")
        innermost_first = frames.split(";")[::-1]
        if not times.isdigit() or _WAITING.match(innermost_first[0]):
            continue
        for frame in innermost_first:
            found = _FRAME.match(frame)
            part = next((part for place, part in PARTS.items() if found and place in found["file"]), None)
            if found and part:
                parts[part] += int(times)
                lines[_told(found)] += int(times)
                break
        else:
            parts[OTHER] += int(times)
    return parts, lines


def _told(frame: re.Match[str]) -> str:
    """Return a frame for people: the file without what is the same for all, the function, and the line's text."""
    place = re.sub(r".*/(standfast|python3\.\d+)/", "", frame["file"])
    source = linecache.getline(frame["file"], int(frame["line"] or 0)).strip()
    return f"{place}  {source[:70] or frame['name']}"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def main(as_json: bool) -> None:
    """Tell where the guard's time goes; about a minute. May need root, to look into another process."""
    out = report.console(as_json=as_json)
    where = machine.describe()

    async def benchmark() -> None:
        profiles = await _profile(out)
        if as_json:
            report.print_json({"machine": where, "profiles": profiles})
            return
        _print(out, profiles)
        out.print(where)

    report.run(benchmark)


async def _profile(out: Console) -> list[Profile]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
        tools, cores = await loadgen.build(folder / "tools"), machine.choose_cores()
        started = await peers.start_responder(tools, folder=folder / "upstream", core=cores.upstream)
        upstream = await stack.enter_async_context(started)
        guard = await peers.start_guard(upstream.endpoint, folder=folder / "guard", cores={cores.server})
        bench = Bench(tools=tools, folder=folder, cores=cores, guard=await stack.enter_async_context(guard))
        profiles = []
        for kind in KINDS:
            with out.status(kind.title):
                profiles.append(await bench.profile(kind))
        return profiles


def _print(out: Console, profiles: list[Profile]) -> None:
    table = report.table(
        "Where the guard's processor time goes",
        "part",
        *(head for each in profiles for head in (f"{each.title}, us", "share")),
    )
    for part in sorted({*PARTS.values(), OTHER}, key=lambda part: -profiles[0].parts[part]):
        cells = ((each.cpu_us, each.parts[part] / max(1, each.looks)) for each in profiles)
        table.add_row(part, *(text for us, share in cells for text in (f"{us * share:.1f}", f"{share:.0%}")))
    table.add_row("all", *(text for each in profiles for text in (f"{each.cpu_us:.1f}", f"{each.looks} looks")))
    out.print(table)
    for each in profiles:
        told = report.table(f"The lines at which it was seen most: {each.title}", "line", "share")
        for line, times in each.lines.most_common(LINES_TOLD):
            told.add_row(line.replace("[", r"\["), f"{times / each.looks:.1%}")
        out.print(told)


if __name__ == "__main__":
    main()
