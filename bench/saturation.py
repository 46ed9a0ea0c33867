"""A server on a core of its own under all the load that it takes, from another core: and what came of it."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from bench import loadgen, machine, peers, report
from bench.loadgen import Answered, Load
from bench.machine import CpuTime
from bench.summary import Spread, paired_ratio, spread
from rich.table import Table

GENERATOR_IDLE_MIN: Final = 0.02  # less idle time than this, and the generator was the limit
SERVER_BUSY_MIN: Final = 0.9  # of its core, had or wanted: then the server was the limit
WARM_WINDOW: Final = 16  # outstanding while caches are filled: below what any resolver refuses to forward
WARM_PASSES_MAX: Final = 5  # until all is answered at once; the second pass is the rule
WARM_MAX_S: Final = 60.0  # of a pass


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


@dataclass(slots=True, kw_only=True)
class Contender:
    """A server and what was measured of it."""

    server: peers.Server
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

    def limit(self) -> str:
        """Say what the limit was, by the medians of all rounds."""
        wanted = median((one.used.ran_s + one.used.waited_s) / one.elapsed_s for one in self.rounds)
        if wanted >= SERVER_BUSY_MIN:
            return "server"
        if median(one.generator_waited for one in self.rounds) > machine.WAITED_MAX:
            return "other work"
        idle = median(one.generator_idle for one in self.rounds)
        return "generator" if idle < GENERATOR_IDLE_MIN else "window"


async def saturate(
    contender: Contender, queries: Path, tools: loadgen.Tools, cores: machine.Cores, *, duration_s: float, window: int
) -> Round:
    """Load a server with all that it takes.

    Raises:
        PartFailed: it has ended meanwhile.
    """
    load = Load(queries=queries, core=cores.load, duration_s=duration_s, window=window, spin=True)
    before = CpuTime.of(contender.server.pid)
    run = await load.run(tools, [contender.server.endpoint], queries.parent)
    contender.server.check()
    return Round(
        answered=run.servers[0],
        elapsed_s=run.elapsed_s,
        used=CpuTime.of(contender.server.pid).since(before),
        generator_idle=run.idle,
        generator_waited=run.waited_s / run.elapsed_s,
    )


async def warm(contender: Contender, queries: Path, count: int, tools: loadgen.Tools, cores: machine.Cores) -> None:
    """Ask all of the `count` queries until all are answered rightly in a pass after the first.

    Raises:
        LoadFailed: they are not.
    """
    load = Load(queries=queries, core=cores.load, count=count, duration_s=WARM_MAX_S, window=WARM_WINDOW, sockets=1)
    for number in range(WARM_PASSES_MAX):
        run = await load.run(tools, [contender.server.endpoint], queries.parent)
        if number > 0 and run.servers[0].answered == count:
            return
    raise loadgen.LoadFailed(
        f"{contender.label} answers only {run.servers[0].answered} of {count} queries: {run.servers[0].wrong_by}"
    )


def ratio(of: Contender, base: Contender | None, *, per_cpu: bool = False) -> Spread | None:
    """Return the rate of one over another's, or their answers a second of processor time; None without a base."""
    if base is None:
        return None
    return paired_ratio(of.per_cpu_s, base.per_cpu_s) if per_cpu else paired_ratio(of.rates_qps, base.rates_qps)


def table(title: str, contenders: list[Contender], base: str) -> Table:
    """Return the table of all rounds, with ratios to the server whose label is `base`."""
    made = report.table(
        f"{title}: medians of {len(contenders[0].rounds)} rounds, ± half the distance of the quartiles",
        *("server", "k q/s", f"x {base}", "k q/CPU s", f"x {base}", "core", "limit", "lost", "wrong"),
    )
    other = labelled(contenders, base)
    for one in contenders:
        made.add_row(
            f"{one.label} {one.server.version}".strip(),
            report.with_spread(spread(one.rates_qps), ".1f", scale=1e-3),
            report.with_spread(ratio(one, other), ".2f"),
            report.with_spread(spread(one.per_cpu_s), ".1f", scale=1e-3),
            report.with_spread(ratio(one, other, per_cpu=True), ".2f"),
            f"{median(each.used.ran_s / each.elapsed_s for each in one.rounds):.0%}",
            one.limit(),
            report.trouble(sum(each.answered.lost for each in one.rounds)),
            report.trouble(sum(each.answered.wrong for each in one.rounds)),
        )
    return made


def labelled(contenders: list[Contender], label: str) -> Contender | None:
    """Return the contender with that label, None where it is missing."""
    return next((one for one in contenders if one.label == label), None)


def remarks(contenders: list[Contender]) -> list[str]:
    """Say what else there is to know: other work on the machine, wrong answers."""
    disturbed = machine.disturbance(median(one.disturbed for each in contenders for one in each.rounds))
    lines = [disturbed] if disturbed else []
    wrong = {one.label: each.answered.wrong_by for one in contenders for each in one.rounds if each.answered.wrong}
    return lines + [f"wrong answers of {label}: {by}" for label, by in wrong.items()]


def as_json(contenders: list[Contender], base: str) -> dict[str, dict[str, object]]:
    """Return all that was measured, by label, with ratios to the server whose label is `base`."""
    other = labelled(contenders, base)
    return {
        one.label: {
            "version": one.server.version,
            "limit": one.limit(),
            "rate_qps": spread(one.rates_qps),
            "ratio": ratio(one, other),
            "per_cpu_s": spread(one.per_cpu_s),
            "ratio_per_cpu": ratio(one, other, per_cpu=True),
            "rounds": one.rounds,
        }
        for one in contenders
    }
