"""Answers from the cache by several workers: how far they scale, beside Unbound with as many threads.

Nothing is pinned: all servers, each in its turn, and the load generator share the cores of the machine, and the tables
say how much each had. Rounds are interleaved, and ratios are taken within a round.
"""

import os
import resource
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
from bench.loadgen import Answered, Load
from bench.machine import CpuTime
from bench.queries import Style, write_queries
from bench.summary import Spread, paired_ratio, spread

NAMES: Final = 1_000
SOCKETS: Final = 64  # of the load: the kernel divides clients by their ports, so that a few would be divided unevenly
WINDOW: Final = 512  # outstanding in all: full batches for several workers
WARM_S: Final = 1.0  # of load that is not counted, so that every worker has every name
BUSY_MIN: Final = 0.95  # of all cores, had by server and load together: then there is no more to be had here


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how often."""

    rounds: int
    round_s: float


QUICK: Final = Plan(rounds=3, round_s=0.6)  # about 15 s
FULL: Final = Plan(rounds=9, round_s=1.2)  # about 1 min


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One server under full load. Processor time is in cores: seconds for each second of the round."""

    answered: Answered
    cores: float
    load_cores: float
    waited_share: float

    @property
    def per_cpu_s(self) -> float:
        """Right answers for each second of the server's processor time."""
        return self.answered.rate_qps / self.cores if self.cores else 0.0


@dataclass(slots=True, kw_only=True)
class Contender:
    """A server, the one that it is compared with, and what was measured of it."""

    server: peers.Server
    base: "Contender | None" = None
    rounds: list[Round] = field(default_factory=list)

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

    @property
    def ratio(self) -> Spread | None:
        """Its rate over that of its base."""
        return paired_ratio(self.rates_qps, self.base.rates_qps) if self.base else None

    @property
    def ratio_per_cpu(self) -> Spread | None:
        """The same for answers a second of processor time."""
        return paired_ratio(self.per_cpu_s, self.base.per_cpu_s) if self.base else None


@click.command()
@click.option("--quick", is_flag=True, help="About 15 s rather than 1 min.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(2), help="Beside one: workers, threads.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def main(quick: bool, workers: int, as_json: bool) -> None:
    """Measure answers from the cache by the guard with one worker and several, and Unbound with as many threads."""
    out = report.console(as_json=as_json)
    where = machine.describe()

    async def benchmark() -> None:
        contenders, missing = await _measure(QUICK if quick else FULL, workers, out)
        if as_json:
            report.print_json(_as_json(where, contenders, missing))
        else:
            _print(out, where, contenders, missing)

    report.run(benchmark)


async def _measure(plan: Plan, workers: int, out: Console) -> tuple[list[Contender], list[peers.Missing]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
        tools = await loadgen.build(folder / "tools")
        write_queries(folder / "queries", range(NAMES), Style())
        contenders, missing = await _start(stack, tools, folder, workers)

        async def load(contender: Contender, duration_s: float) -> Round:
            return await _saturate(contender.server, tools, folder, duration_s)

        for contender in contenders:
            await load(contender, WARM_S)
        for number in range(plan.rounds):
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                with out.status(f"round {number + 1} of {plan.rounds}: {contender.label}"):
                    contender.rounds.append(await load(contender, plan.round_s))
        return contenders, missing


async def _start(
    stack: AsyncExitStack, tools: loadgen.Tools, folder: Path, workers: int
) -> tuple[list[Contender], list[peers.Missing]]:
    """Start the upstream and all servers; the stack stops them."""
    cores = os.sched_getaffinity(0)
    responder = await peers.start_responder(tools, folder=folder / "upstream", core=min(cores))
    upstream = (await stack.enter_async_context(responder)).endpoint
    contenders: list[Contender] = []
    missing: list[peers.Missing] = []

    async def guard(number: int) -> peers.Server | peers.Missing:
        return await peers.start_guard(upstream, folder=folder / f"guard-{number}", cores=cores, workers=number)

    async def unbound(number: int) -> peers.Server | peers.Missing:
        return await peers.start_unbound(upstream, folder=folder / f"unbound-{number}", cores=cores, threads=number)

    for start in (guard, unbound):
        base = None
        for number in (1, workers):
            started = await start(number)
            if isinstance(started, peers.Missing):
                missing.append(started)
                break
            contender = Contender(server=await stack.enter_async_context(started), base=base)
            contenders.append(contender)
            base = base or contender
    return contenders, missing


async def _saturate(server: peers.Server, tools: loadgen.Tools, folder: Path, duration_s: float) -> Round:
    """Load `server` with all that it takes."""
    load = Load(queries=folder / "queries", core=None, duration_s=duration_s, window=WINDOW, sockets=SOCKETS)
    before, load_before_s = CpuTime.of(server.pid), _children_cpu_s()
    run = await load.run(tools, [server.endpoint], folder)
    server.check()
    used = CpuTime.of(server.pid).since(before)
    return Round(
        answered=run.servers[0],
        cores=used.ran_s / run.elapsed_s,
        load_cores=(_children_cpu_s() - load_before_s) / run.elapsed_s,
        waited_share=used.waited_share,
    )


def _children_cpu_s() -> float:
    """Return the processor time of all child processes that have ended: between two calls, the load generator."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# What is said ---------------------------------------------------------------------------------------------------


def _print(out: Console, where: str, contenders: list[Contender], missing: list[peers.Missing]) -> None:
    rounds = len(contenders[0].rounds)
    table = report.table(
        f"Answers from the cache, saturated: medians of {rounds} rounds, ± half the distance of the quartiles",
        *("server", "k q/s", "x one", "k q/CPU s", "x one", "cores", "load", "lost", "wrong"),
    )
    for one in contenders:
        table.add_row(
            f"{one.label} {one.server.version}".strip(),
            report.with_spread(spread(one.rates_qps), ".1f", scale=1e-3),
            report.with_spread(one.ratio, ".2f"),
            report.with_spread(spread(one.per_cpu_s), ".1f", scale=1e-3),
            report.with_spread(one.ratio_per_cpu, ".2f"),
            f"{median(each.cores for each in one.rounds):.2f}",
            f"{median(each.load_cores for each in one.rounds):.2f}",
            report.trouble(sum(each.answered.lost for each in one.rounds)),
            report.trouble(sum(each.answered.wrong for each in one.rounds)),
        )
    out.print(table)
    for line in _remarks(contenders, missing):
        out.print(line)
    out.print(where)


def _remarks(contenders: list[Contender], missing: list[peers.Missing]) -> list[str]:
    lines = [str(one) for one in missing]
    cores = len(os.sched_getaffinity(0))
    for one in contenders:
        used = median(each.cores + each.load_cores for each in one.rounds)
        if one.base and used >= BUSY_MIN * cores:
            load = median(each.load_cores for each in one.rounds)
            lines.append(f"{one.label}: all {cores} cores were busy, {load:.2f} of them with the load")
    disturbed = machine.disturbance(median(each.waited_share for one in contenders for each in one.rounds))
    return lines + ([disturbed] if disturbed else [])


def _as_json(where: str, contenders: list[Contender], missing: list[peers.Missing]) -> dict[str, object]:
    return {
        "machine": where,
        "missing": missing,
        "remarks": _remarks(contenders, missing),
        "servers": {
            one.label: {
                "version": one.server.version,
                "rate_qps": spread(one.rates_qps),
                "ratio": one.ratio,
                "per_cpu_s": spread(one.per_cpu_s),
                "ratio_per_cpu": one.ratio_per_cpu,
                "rounds": one.rounds,
            }
            for one in contenders
        },
    }


if __name__ == "__main__":
    main()
