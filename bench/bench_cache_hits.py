"""Answers from the cache: how many a second, side by side, and whether all are right at half of that.

The server has one core, the load another. Rounds are interleaved (A B C, B C A, ...), so that what slows the
machine for a while slows all; ratios are taken within a round.
"""

import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import loadgen, machine, peers, report
from bench.loadgen import Answered, Load, LoadFailed
from bench.machine import CpuTime
from bench.queries import Style, write_queries
from bench.summary import Spread, paired_ratio, spread

BASE: Final = peers.UNBOUND  # what ratios are to
TARGET_RATIO: Final = 1.0
HALVED: Final = (peers.GUARD, peers.UNBOUND, peers.DNSMASQ)  # who is also measured at half of its rate
NAMES_MAX: Final = 90_000  # fit the smallest cache of all resolvers
WARM_WINDOW: Final = 16  # outstanding while caches are filled: below what any resolver refuses to forward
WARM_PASSES_MAX: Final = 5  # until all is answered at once; the second pass is the rule
WARM_MAX_S: Final = 60.0  # of a pass
GENERATOR_IDLE_MIN: Final = 0.02  # less idle time than this, and the generator was the limit
ASKED_MIN: Final = 0.95  # of half of the rate; that all was answered when less was asked proves little
SERVER_BUSY_MIN: Final = 0.9  # of its core, had or wanted: then the server was the limit


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
class Round:
    """One server under full load: what it answered, and the processor time that it had and that it wanted."""

    answered: Answered
    elapsed_s: float
    used: CpuTime
    generator_idle: float  # share of the time, 0 to 1
    generator_waited: float  # likewise, for its core, which other work had

    @property
    def disturbed(self) -> float:
        """The larger share of the time (0 to 1) that other work had of either core."""
        return max(self.used.waited_share, self.generator_waited)

    @property
    def per_cpu_s(self) -> float:
        """Right answers for each second of processor time."""
        return self.answered.answered / self.used.ran_s if self.used.ran_s else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One server at half of its saturated rate."""

    rate_qps: int
    duration_s: float
    answered: Answered


@dataclass(slots=True, kw_only=True)
class Contender:
    """A server and what was measured of it."""

    server: peers.Server
    rounds: list[Round] = field(default_factory=list)
    half: Half | None = None

    @property
    def label(self) -> str:
        """Its name in the tables."""
        return self.server.label

    @property
    def rates_qps(self) -> list[float]:
        """Right answers a second, round by round."""
        return [one.answered.rate_qps for one in self.rounds]

    @property
    def per_cpu_s(self) -> list[float]:
        """Right answers for each second of processor time, round by round."""
        return [one.per_cpu_s for one in self.rounds]

    def limit(self) -> str:
        """Say what the limit was, by the medians of all rounds."""
        wanted = median((one.used.ran_s + one.used.waited_s) / one.elapsed_s for one in self.rounds)
        if wanted >= SERVER_BUSY_MIN:
            return "server"
        if median(one.generator_waited for one in self.rounds) > machine.WAITED_MAX:
            return "other work"
        idle = median(one.generator_idle for one in self.rounds)
        return "generator" if idle < GENERATOR_IDLE_MIN else "window"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Runs the load and notes what came of it."""

    tools: loadgen.Tools
    folder: Path
    cores: machine.Cores
    window: int

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
        await take(await peers.start_knot(names, folder=folder / "knot", core=core))
        await take(await peers.start_authority(names, folder=folder / "authority", core=core))
        await take(await peers.start_responder(self.tools, folder=folder / "responder", core=core))
        return contenders, missing

    async def warm(self, contender: Contender, names: int) -> None:
        """Ask for every name until all are answered rightly in a pass after the first.

        Raises:
            LoadFailed: they are not.
        """
        load = Load(
            queries=self.queries,
            core=self.cores.load,
            count=names,
            duration_s=WARM_MAX_S,
            window=WARM_WINDOW,
            sockets=1,
        )
        for number in range(WARM_PASSES_MAX):
            run = await load.run(self.tools, [contender.server.endpoint], self.folder)
            if number > 0 and run.servers[0].answered == names:
                return
        raise LoadFailed(
            f"{contender.label} answers only {run.servers[0].answered} of {names} names: {run.servers[0].wrong_by}"
        )

    async def saturate(self, contender: Contender, duration_s: float) -> None:
        """Load `contender` with all that it takes."""
        load = Load(
            queries=self.queries,
            core=self.cores.load,
            duration_s=duration_s,
            window=self.window,
            spin=True,
        )
        before = CpuTime.of(contender.server.pid)
        run = await load.run(self.tools, [contender.server.endpoint], self.folder)
        contender.server.check()
        used = CpuTime.of(contender.server.pid).since(before)
        contender.rounds.append(
            Round(
                answered=run.servers[0],
                elapsed_s=run.elapsed_s,
                used=used,
                generator_idle=run.idle,
                generator_waited=run.waited_s / run.elapsed_s,
            )
        )

    async def halve(self, contender: Contender, duration_s: float) -> None:
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
        contender.half = Half(rate_qps=rate_qps, duration_s=duration_s, answered=run.servers[0])


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
        contenders, missing = await _measure(plan, names, window, style, out, everywhere=everywhere)
        if as_json:
            report.print_json(_as_json(where, contenders, missing))
        else:
            _print(out, where, contenders, missing)

    report.run(benchmark)


async def _measure(
    plan: Plan, names: int, window: int, style: Style, out: Console, *, everywhere: bool
) -> tuple[list[Contender], list[peers.Missing]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
        tools = await loadgen.build(folder / "tools")
        bench = Bench(tools=tools, folder=folder, cores=machine.choose_cores(), window=window)
        write_queries(bench.queries, range(names), style)
        contenders, missing = await bench.start(stack, range(names), everywhere=everywhere)
        for contender in contenders:
            await bench.warm(contender, names)
        for number in range(plan.rounds):
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                with out.status(f"round {number + 1} of {plan.rounds}: {contender.label}"):
                    await bench.saturate(contender, plan.round_s)
        for contender in contenders:
            if contender.label in HALVED:
                duration_s = plan.half_guard_s if contender.label == peers.GUARD else plan.half_others_s
                with out.status(f"half of its rate for {duration_s:g} s: {contender.label}"):
                    await bench.halve(contender, duration_s)
        return contenders, missing


# What is said ---------------------------------------------------------------------------------------------------


def _ratio(contenders: list[Contender], of: Contender, *, per_cpu: bool = False) -> Spread | None:
    base = next((one for one in contenders if one.label == BASE), None)
    if base is None:
        return None
    if per_cpu:
        return paired_ratio(of.per_cpu_s, base.per_cpu_s)
    return paired_ratio(of.rates_qps, base.rates_qps)


def _print(out: Console, where: str, contenders: list[Contender], missing: list[peers.Missing]) -> None:
    rounds = len(contenders[0].rounds)
    full = report.table(
        f"Answers from the cache, saturated: medians of {rounds} rounds, ± half the distance of the quartiles",
        *("server", "k q/s", f"x {BASE}", "k q/CPU s", f"x {BASE}", "core", "limit", "lost", "wrong"),
    )
    for one in contenders:
        full.add_row(
            f"{one.label} {one.server.version}".strip(),
            report.with_spread(spread(one.rates_qps), ".1f", scale=1e-3),
            report.with_spread(_ratio(contenders, one), ".2f"),
            report.with_spread(spread(one.per_cpu_s), ".1f", scale=1e-3),
            report.with_spread(_ratio(contenders, one, per_cpu=True), ".2f"),
            f"{median(each.used.ran_s / each.elapsed_s for each in one.rounds):.0%}",
            one.limit(),
            report.trouble(sum(each.answered.lost for each in one.rounds)),
            report.trouble(sum(each.answered.wrong for each in one.rounds)),
        )
    out.print(full)
    half = report.table(
        "At half of that rate", "server", "k q/s", "seconds", "lost", "wrong", "p50 us", "p99 us", "max us"
    )
    for one in contenders:
        if one.half is not None:
            answered = one.half.answered
            half.add_row(
                one.label,
                f"{answered.rate_qps / 1e3:.1f}",
                f"{one.half.duration_s:g}",
                report.trouble(answered.lost),
                report.trouble(answered.wrong),
                *(f"{value:.0f}" for value in (answered.p50_us, answered.p99_us, answered.max_us)),
            )
    out.print(half)
    for line in _remarks(contenders, missing):
        out.print(line)
    out.print(where)


def _remarks(contenders: list[Contender], missing: list[peers.Missing]) -> list[str]:
    lines = [str(one) for one in missing]
    guard = contenders[0]
    ratio = _ratio(contenders, guard)
    if ratio is not None:
        met = "met" if ratio.median >= TARGET_RATIO else "not met"
        lines.append(f"target: at least {TARGET_RATIO:.1f} x {BASE}; measured {ratio.median:.2f} x: {met}")
    if guard.half is not None:
        answered = guard.half.answered
        troubles = answered.lost + answered.wrong
        asked = answered.sent / guard.half.duration_s / guard.half.rate_qps
        if troubles:
            met = "not met"
        else:
            met = "met" if asked >= ASKED_MIN else f"not measured, as only {asked:.0%} of that rate was asked"
        lines.append(f"target: nothing lost or wrong at half of the rate; measured {troubles}: {met}")
    disturbed = machine.disturbance(median(one.disturbed for each in contenders for one in each.rounds))
    lines += [disturbed] if disturbed else []
    wrong = {one.label: each.answered.wrong_by for one in contenders for each in one.rounds if each.answered.wrong}
    lines += [f"wrong answers of {label}: {by}" for label, by in wrong.items()]
    return lines


def _as_json(where: str, contenders: list[Contender], missing: list[peers.Missing]) -> dict[str, object]:
    return {
        "machine": where,
        "missing": missing,
        "remarks": _remarks(contenders, missing),
        "servers": {
            one.label: {
                "version": one.server.version,
                "limit": one.limit(),
                "rate_qps": spread(one.rates_qps),
                "ratio": _ratio(contenders, one),
                "per_cpu_s": spread(one.per_cpu_s),
                "ratio_per_cpu": _ratio(contenders, one, per_cpu=True),
                "rounds": one.rounds,
                "half": one.half,
            }
            for one in contenders
        },
    }


if __name__ == "__main__":
    main()
