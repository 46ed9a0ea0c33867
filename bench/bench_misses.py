"""Answers that are in no cache: what each resolver adds to asking the same upstream directly.

One generator asks all ways in turn, in an order that is shuffled every time, and always for a name that nobody asked
for before. The upstream (`load/responder.c`) knows every name and is as far away as it is told.
"""

import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import loadgen, machine, peers, report
from bench.loadgen import Answered, Load
from bench.machine import CpuTime
from bench.queries import Style, write_queries
from bench.summary import Spread, merged, paired_ratio, percentile

DIRECT: Final = "direct"
TARGET_P50_RATIO: Final = 1.15
TARGET_P99_RATIO: Final = 1.5
SOCKETS: Final = 4  # source ports that each way is asked from


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far away the upstream is, and how many queries each way gets in a block: fewer where each takes longer.

    `counts` says whether the targets hold there (docs/decisions/0014-what-a-miss-may-cost.md).
    """

    delay_us: int
    meaning: str
    counts: bool = True
    quick_queries: int
    full_queries: int


DISTANCES: Final = (
    Distance(
        delay_us=0,
        meaning="on this machine: what the hop itself costs",
        counts=False,
        quick_queries=200,
        full_queries=500,
    ),
    Distance(delay_us=1_000, meaning="in the same data centre", quick_queries=150, full_queries=500),
    Distance(delay_us=5_000, meaning="a nearby provider's", quick_queries=60, full_queries=250),
)
QUICK_BLOCKS: Final = 3  # and one before them that is not counted: it finds code and tables cold
FULL_BLOCKS: Final = 10
BLOCK_MAX_S: Final = 60.0
RATE_QPS: Final = 1_200  # at most, over all ways; leaves time for what a resolver does after it has answered


@dataclass(slots=True, kw_only=True)
class Way:
    """One way to ask, what came of it block by block, and what the resolver on the way took in all blocks."""

    label: str
    resolver: peers.Server | None = None  # the direct way has none
    used: CpuTime | None = None
    blocks: list[Answered] = field(default_factory=list)

    def percentile_us(self, share: float) -> float:
        """Return a percentile over all blocks, in microseconds."""
        return percentile(merged(block.histogram_ns for block in self.blocks), share) / 1e3

    def time(self) -> CpuTime | None:
        """Return the processor time of its resolver so far.

        Raises:
            PartFailed: it has ended.
        """
        if self.resolver is None:
            return None
        self.resolver.check()
        return CpuTime.of(self.resolver.pid)

    @property
    def asked(self) -> int:
        """Queries in all blocks."""
        return sum(block.sent for block in self.blocks)

    @property
    def p50s_us(self) -> list[float]:
        """The median of each block."""
        return [block.p50_us for block in self.blocks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All ways at one distance; the first is the direct one."""

    distance: Distance
    ways: tuple[Way, ...]

    def ratio_p50(self, way: Way) -> Spread | None:
        """Return the medians of `way` over those of the direct way, block by block."""
        return paired_ratio(way.p50s_us, self.ways[0].p50s_us)

    def ratio_p99(self, way: Way) -> float:
        """Return the 99th percentile of `way` over that of the direct way, over all blocks."""
        return way.percentile_us(0.99) / self.ways[0].percentile_us(0.99)

    def target(self, way: Way) -> str:
        """Say whether `way` is within the targets, where they count and it is not the direct one."""
        p50 = self.ratio_p50(way)
        if not self.distance.counts or p50 is None or way is self.ways[0]:
            return "-"
        return "met" if p50.median <= TARGET_P50_RATIO and self.ratio_p99(way) <= TARGET_P99_RATIO else "not met"


@click.command()
@click.option("--quick", is_flag=True, help="About 20 s rather than 2 min.")
@click.option("--edns", is_flag=True, help="Queries with EDNS.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def main(quick: bool, edns: bool, as_json: bool) -> None:
    """Measure the latency of answers that are in no cache: direct, through the guard, Unbound and dnsmasq."""
    out = report.console(as_json=as_json)
    where = machine.describe()

    async def benchmark() -> None:
        results = []
        missing: dict[str, peers.Missing] = {}
        for distance in DISTANCES:
            result, absent = await _measure(distance, quick, Style(edns=edns), out)
            missing |= {one.label: one for one in absent}
            results.append(result)
            if not as_json:
                _print(out, result)
        remarks = [*map(str, missing.values()), *_remarks(results)]
        if as_json:
            report.print_json({"machine": where, "remarks": remarks, "distances": [_as_json(one) for one in results]})
        else:
            for line in (*remarks, where):
                out.print(line)

    report.run(benchmark)


async def _measure(distance: Distance, quick: bool, style: Style, out: Console) -> tuple[Result, list[peers.Missing]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
        tools = await loadgen.build(folder / "tools")
        cores = machine.choose_cores()
        started = await peers.start_responder(
            tools, folder=folder / "upstream", core=cores.upstream, delay_us=distance.delay_us
        )
        upstream = (await stack.enter_async_context(started)).endpoint
        ways, endpoints = [Way(label=DIRECT)], [upstream]
        missing: list[peers.Missing] = []
        for resolver in (
            await peers.start_guard(upstream, folder=folder / "guard", cores={cores.server}),
            await peers.start_unbound(upstream, folder=folder / "unbound", cores={cores.server}),
            await peers.start_dnsmasq(upstream, folder=folder / "dnsmasq", core=cores.server),
        ):
            if isinstance(resolver, peers.Missing):
                missing.append(resolver)
                continue
            await stack.enter_async_context(resolver)
            ways.append(Way(label=resolver.label, resolver=resolver))
            endpoints.append(resolver.endpoint)

        queries = folder / "queries"
        count = (distance.quick_queries if quick else distance.full_queries) * len(ways)
        blocks = QUICK_BLOCKS if quick else FULL_BLOCKS
        before: list[CpuTime | None] = []
        for block in range(blocks + 1):
            write_queries(queries, range(block * count, (block + 1) * count), style)
            load = Load(
                queries=queries,
                core=cores.load,
                count=count,
                duration_s=BLOCK_MAX_S,
                window=1,
                sockets=SOCKETS,
                rate_qps=RATE_QPS,
                seed=block + 1,
            )
            with out.status(f"upstream {distance.meaning}: block {block} of {blocks}"):
                run = await load.run(tools, endpoints, folder)
            if block == 0:
                before = [way.time() for way in ways]
            else:
                for way, answered in zip(ways, run.servers, strict=True):
                    way.blocks.append(answered)
        for way, then in zip(ways, before, strict=True):
            now = way.time()
            way.used = now.since(then) if now and then else None
        return Result(distance=distance, ways=tuple(ways)), missing


# What is said ---------------------------------------------------------------------------------------------------


def _print(out: Console, result: Result) -> None:
    direct = result.ways[0]
    table = report.table(
        f"Misses, upstream {result.distance.delay_us / 1e3:g} ms away ({result.distance.meaning})",
        *("way", "p50 us", "x direct", "p99 us", "x direct", "target", "p50 added us", "CPU us", "asked"),
        *("lost", "wrong"),
    )
    for way in result.ways:
        table.add_row(
            way.label,
            f"{way.percentile_us(0.5):.0f}",
            report.with_spread(result.ratio_p50(way), ".2f"),
            f"{way.percentile_us(0.99):.0f}",
            f"{result.ratio_p99(way):.2f}",
            result.target(way),
            f"{way.percentile_us(0.5) - direct.percentile_us(0.5):.0f}",
            f"{way.used.ran_s / way.asked * 1e6:.0f}" if way.used else "-",
            str(way.asked),
            report.trouble(sum(block.lost for block in way.blocks)),
            report.trouble(sum(block.wrong for block in way.blocks)),
        )
    out.print(table)


def _remarks(results: list[Result]) -> list[str]:
    lines = []
    for result in results:
        guard = next(way for way in result.ways if way.label == peers.GUARD)
        p50, p99 = result.ratio_p50(guard), result.ratio_p99(guard)
        if p50 is not None and result.distance.counts:
            lines.append(
                f"target at {result.distance.delay_us / 1e3:g} ms: p50 at most {TARGET_P50_RATIO} x, p99 at most "
                f"{TARGET_P99_RATIO} x direct; measured {p50.median:.2f} x and {p99:.2f} x: {result.target(guard)}"
            )
    used = [way.used for result in results for way in result.ways if way.used]
    disturbed = machine.disturbance(max((one.waited_share for one in used), default=0.0))
    lines += [disturbed] if disturbed else []
    return lines


def _as_json(result: Result) -> dict[str, object]:
    return {
        "delay_us": result.distance.delay_us,
        "ways": {
            way.label: {
                "p50_us": way.percentile_us(0.5),
                "p90_us": way.percentile_us(0.9),
                "p99_us": way.percentile_us(0.99),
                "ratio_p50": result.ratio_p50(way),
                "ratio_p99": result.ratio_p99(way),
                "target": result.target(way),
                "used": way.used,
                "blocks": way.blocks,
            }
            for way in result.ways
        },
    }


if __name__ == "__main__":
    main()
