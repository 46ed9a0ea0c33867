"""Answers of authorities, one in ten a denial: how many a second, side by side; names that are denied known, or new.

The server has one core, the load another. Rounds are interleaved, and ratios are taken within a round.
"""

import itertools
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import authorities, loadgen, machine, peers, report, saturation
from bench.queries import Style, write_mixture
from bench.saturation import Contender

BASE: Final = authorities.KNOT  # what ratios are to
TARGETS: Final = {authorities.KNOT: 0.9, authorities.BIND: 1.0, authorities.PDNS: 1.0}  # ours over each, at least
NAMES: Final = 10_000
NAMES_MAX: Final = 1_000_000
DENIED: Final = 0.1  # of all queries
DENIED_NAMES: Final = 1_000  # that are asked for again and again, in the first part
ASKED_MAX_QPS: Final = 400_000  # more than anything here answers: so many queries are at hand for each second
PER_NAME: Final = 3  # queries in the file that is asked again and again


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how often."""

    rounds: int
    round_s: float


QUICK: Final = Plan(rounds=3, round_s=0.6)  # about 45 s
FULL: Final = Plan(rounds=9, round_s=1.2)  # about 4 min

KNOWN: Final = "denied names come again"
FRESH: Final = "denied names never come twice"


@click.command()
@click.option("--quick", is_flag=True, help="About 45 s rather than 4 min.")
@click.option("--names", default=NAMES, show_default=True, type=click.IntRange(1, NAMES_MAX), help="In the zone.")
@click.option("--denied", default=DENIED, show_default=True, type=click.FloatRange(0, 1), help="Share of NXDOMAIN.")
@click.option(
    "--window", default=loadgen.WINDOW, show_default=True, type=click.IntRange(1), help="Queries outstanding."
)
@click.option("--edns", is_flag=True, help="Queries with EDNS.")
@click.option("--mixed-case", is_flag=True, help="Queries in letters of random case.")
@click.option("--ours-and-knot", is_flag=True, help="Leave the others out.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def main(
    quick: bool,
    names: int,
    denied: float,
    window: int,
    edns: bool,
    mixed_case: bool,
    ours_and_knot: bool,
    as_json: bool,
) -> None:
    """Measure answers of authorities: ours, Knot, NSD, BIND, PowerDNS and gdnsd, each with one thread."""
    out = report.console(as_json=as_json)
    where = machine.describe()
    bench = Bench(
        plan=QUICK if quick else FULL,
        names=names,
        denied=denied,
        window=window,
        style=Style(edns=edns, mixed_case=mixed_case),
        few=ours_and_knot,
    )

    async def benchmark() -> None:
        parts, missing = await bench.measure(out)
        if as_json:
            servers = {title: saturation.as_json(contenders, BASE) for title, contenders in parts.items()}
            report.print_json({"machine": where, "missing": missing, "remarks": _remarks(parts), "servers": servers})
            return
        for title, contenders in parts.items():
            out.print(saturation.table(title, contenders, BASE))
        for line in [*map(str, missing), *_remarks(parts)]:
            out.print(line)
        out.print(where)

    report.run(benchmark)


Parts = dict[str, list[Contender]]  # by title


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is asked, and how long."""

    plan: Plan
    names: int
    denied: float
    window: int
    style: Style
    few: bool

    async def measure(self, out: Console) -> tuple[Parts, list[peers.Missing]]:
        """Start all servers and load them, the one part after the other."""
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
            tools, cores = await loadgen.build(folder / "tools"), machine.choose_cores()
            servers, missing = await self._start(stack, folder, cores.server)
            numbers = itertools.count(DENIED_NAMES)
            parts: Parts = {}
            for title in (KNOWN, FRESH):
                contenders = parts[title] = [Contender(server=server) for server in servers]
                queries = folder / "queries"
                count = (self.names + DENIED_NAMES) * PER_NAME
                self._write(queries, itertools.cycle(range(DENIED_NAMES)), count)
                for contender in contenders:
                    with out.status(f"{title}: {contender.label} gets to know what will be asked"):
                        await saturation.warm(contender, queries, count, tools, cores)
                for number in range(self.plan.rounds):
                    if title == FRESH:
                        self._write(queries, numbers, round(self.plan.round_s * ASKED_MAX_QPS))
                    turn = number % len(contenders)
                    for contender in contenders[turn:] + contenders[:turn]:
                        with out.status(f"{title}: round {number + 1} of {self.plan.rounds}: {contender.label}"):
                            done = await saturation.saturate(
                                contender, queries, tools, cores, duration_s=self.plan.round_s, window=self.window
                            )
                            contender.rounds.append(done)
            return parts, missing

    async def _start(
        self, stack: AsyncExitStack, folder: Path, core: int
    ) -> tuple[list[peers.Server], list[peers.Missing]]:
        """Start all servers; the stack stops them."""
        servers: list[peers.Server] = []
        missing: list[peers.Missing] = []
        for label, start in authorities.ALL.items():
            if self.few and label not in (authorities.AUTHORITY, authorities.KNOT):
                continue
            started = await start(range(self.names), folder=folder / label, core=core)
            if isinstance(started, peers.Missing):
                missing.append(started)
            else:
                servers.append(await stack.enter_async_context(started))
        return servers, missing

    def _write(self, queries: Path, numbers: Iterator[int], count: int) -> None:
        write_mixture(queries, self.names, numbers, share=self.denied, count=count, style=self.style)


def _remarks(parts: Parts) -> list[str]:
    lines = []
    for title, contenders in parts.items():
        ours = saturation.labelled(contenders, authorities.AUTHORITY)
        assert ours is not None
        for label, wanted in TARGETS.items():
            ratio = saturation.ratio(ours, saturation.labelled(contenders, label))
            if ratio is not None:
                met = "met" if ratio.median >= wanted else "not met"
                lines.append(f"{title}: target at least {wanted:.1f} x {label}; measured {ratio.median:.2f} x: {met}")
        lines += saturation.remarks(contenders)
    return lines


if __name__ == "__main__":
    main()
