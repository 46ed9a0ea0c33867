"""Answers from the cache: how many a second, side by side, and whether all are right at half of that.

The server has one core, the load another. Rounds are interleaved (A B C, B C A, ...), so that what slows the
machine for a while slows all; ratios are taken within a round.
"""

import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import authorities, loadgen, machine, peers, report, saturation
from bench.loadgen import Answered, Load
from bench.queries import Style, write_queries
from bench.saturation import Contender

BASE: Final = peers.UNBOUND  # what ratios are to
TARGET_RATIO: Final = 1.0
HALVED: Final = (peers.GUARD, peers.UNBOUND, peers.DNSMASQ)  # who is also measured at half of its rate
NAMES_MAX: Final = 90_000  # fit the smallest cache of all resolvers
ASKED_MIN: Final = 0.95  # of half of the rate; that all was answered when less was asked proves little


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how much."""

    rounds: int
    round_s: float
    half_guard_s: float
    half_others_s: float


QUICK: Final = Plan(rounds=3, round_s=0.6, half_guard_s=2.0, half_others_s=0.8)  # about 15 s
FULL: Final = Plan(rounds=9, round_s=1.2, half_guard_s=60.0, half_others_s=4.0)  # about 2 min


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One server at half of its saturated rate."""

    rate_qps: int
    duration_s: float
    answered: Answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that came of it; `halves` by label."""

    contenders: list[Contender]
    halves: Mapping[str, Half]
    missing: list[peers.Missing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Starts the servers, and loads one with half of its rate."""

    tools: loadgen.Tools
    folder: Path
    cores: machine.Cores

    @property
    def queries(self) -> Path:
        """The file of queries, each name once."""
        return self.folder / "queries"

    async def start(
        self, stack: AsyncExitStack, names: range, *, everywhere: bool
    ) -> tuple[list[Contender], list[peers.Missing]]:
        """Start the upstream and all servers; the stack stops them."""
        folder, core = self.folder, self.cores.server
        responder = await peers.start_responder(self.tools, folder=folder / "upstream", core=self.cores.upstream)
        upstream = (await stack.enter_async_context(responder)).endpoint
        contenders: list[Contender] = []
        missing: list[peers.Missing] = []

        async def take(started: peers.Server | peers.Missing) -> None:
            if isinstance(started, peers.Missing):
                missing.append(started)
            else:
                contenders.append(Contender(server=await stack.enter_async_context(started)))

        await take(await peers.start_guard(upstream, folder=folder / "guard", cores={core}))
        if everywhere:
            await take(await peers.start_guard(upstream, folder=folder / "everywhere", cores={core}, everywhere=True))
        await take(await peers.start_unbound(upstream, folder=folder / "unbound", cores={core}))
        await take(await peers.start_dnsmasq(upstream, folder=folder / "dnsmasq", core=core))
        await take(await authorities.start_knot(names, folder=folder / "knot", core=core))
        await take(await authorities.start_authority(names, folder=folder / "authority", core=core))
        await take(await peers.start_responder(self.tools, folder=folder / "responder", core=core))
        return contenders, missing

    async def halve(self, contender: Contender, duration_s: float) -> Half:
        """Load `contender` with half of its median rate."""
        rate_qps = max(1, round(median(contender.rates_qps) / 2))
        load = Load(
            queries=self.queries,
            core=self.cores.load,
            duration_s=duration_s,
            window=loadgen.WINDOW_OPEN,
            sockets=loadgen.SOCKETS_OPEN,
            rate_qps=rate_qps,
            spin=True,
        )
        run = await load.run(self.tools, [contender.server.endpoint], self.folder)
        contender.server.check()
        return Half(rate_qps=rate_qps, duration_s=duration_s, answered=run.servers[0])


@click.command()
@click.option("--quick", is_flag=True, help="About 15 s rather than 2 min.")
@click.option("--names", default=1_000, show_default=True, type=click.IntRange(1, NAMES_MAX), help="In the cache.")
@click.option(
    "--window", default=loadgen.WINDOW, show_default=True, type=click.IntRange(1), help="Queries outstanding."
)
@click.option("--edns", is_flag=True, help="Queries with EDNS.")
@click.option("--do", "wants_dnssec", is_flag=True, help="Queries with EDNS that want DNSSEC records.")
@click.option("--mixed-case", is_flag=True, help="Queries in letters of random case.")
@click.option("--everywhere", is_flag=True, help="Also a guard that listens on all addresses (0.0.0.0).")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def main(
    quick: bool,
    names: int,
    window: int,
    edns: bool,
    wants_dnssec: bool,
    mixed_case: bool,
    everywhere: bool,
    as_json: bool,
) -> None:
    """Measure answers from the cache: guard, Unbound and dnsmasq; authorities, ours and Knot; a trivial responder."""
    style = Style(edns=edns or wants_dnssec, do=wants_dnssec, mixed_case=mixed_case)
    out = report.console(as_json=as_json)
    where = machine.describe()

    async def benchmark() -> None:
        plan = QUICK if quick else FULL
        measured = await _measure(plan, names, window, style, out, everywhere=everywhere)
        if as_json:
            report.print_json(_as_json(where, measured))
        else:
            _print(out, where, measured)

    report.run(benchmark)


async def _measure(plan: Plan, names: int, window: int, style: Style, out: Console, *, everywhere: bool) -> Measured:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
        tools = await loadgen.build(folder / "tools")
        bench = Bench(tools=tools, folder=folder, cores=machine.choose_cores())
        write_queries(bench.queries, range(names), style)
        contenders, missing = await bench.start(stack, range(names), everywhere=everywhere)
        for contender in contenders:
            await saturation.warm(contender, bench.queries, names, tools, bench.cores)
        for number in range(plan.rounds):
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                with out.status(f"round {number + 1} of {plan.rounds}: {contender.label}"):
                    done = await saturation.saturate(
                        contender, bench.queries, tools, bench.cores, duration_s=plan.round_s, window=window
                    )
                    contender.rounds.append(done)
        halves = {}
        for contender in contenders:
            if contender.label in HALVED:
                duration_s = plan.half_guard_s if contender.label == peers.GUARD else plan.half_others_s
                with out.status(f"half of its rate for {duration_s:g} s: {contender.label}"):
                    halves[contender.label] = await bench.halve(contender, duration_s)
        return Measured(contenders=contenders, halves=halves, missing=missing)


# What is said ---------------------------------------------------------------------------------------------------


def _print(out: Console, where: str, measured: Measured) -> None:
    out.print(saturation.table("Answers from the cache, saturated", measured.contenders, BASE))
    half = report.table(
        "At half of that rate", "server", "k q/s", "seconds", "lost", "wrong", "p50 us", "p99 us", "max us"
    )
    for label, each in measured.halves.items():
        answered = each.answered
        half.add_row(
            label,
            f"{answered.rate_qps / 1e3:.1f}",
            f"{each.duration_s:g}",
            report.trouble(answered.lost),
            report.trouble(answered.wrong),
            *(f"{value:.0f}" for value in (answered.p50_us, answered.p99_us, answered.max_us)),
        )
    out.print(half)
    for line in _remarks(measured):
        out.print(line)
    out.print(where)


def _remarks(measured: Measured) -> list[str]:
    lines = [str(one) for one in measured.missing]
    guard = measured.contenders[0]
    ratio = saturation.ratio(guard, saturation.labelled(measured.contenders, BASE))
    if ratio is not None:
        met = "met" if ratio.median >= TARGET_RATIO else "not met"
        lines.append(f"target: at least {TARGET_RATIO:.1f} x {BASE}; measured {ratio.median:.2f} x: {met}")
    half = measured.halves[guard.label]
    troubles = half.answered.lost + half.answered.wrong
    asked = half.answered.sent / half.duration_s / half.rate_qps
    if troubles:
        met = "not met"
    else:
        met = "met" if asked >= ASKED_MIN else f"not measured, as only {asked:.0%} of that rate was asked"
    lines.append(f"target: nothing lost or wrong at half of the rate; measured {troubles}: {met}")
    return lines + saturation.remarks(measured.contenders)


def _as_json(where: str, measured: Measured) -> dict[str, object]:
    servers = saturation.as_json(measured.contenders, BASE)
    for label, half in measured.halves.items():
        servers[label]["half"] = half
    return {"machine": where, "missing": measured.missing, "remarks": _remarks(measured), "servers": servers}


if __name__ == "__main__":
    main()
