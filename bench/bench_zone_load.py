"""A large zone read from its file: how long until an authority answers, and what it takes of processor and memory.

Servers have one core, and are started one after the other, in rounds that are interleaved.
"""

import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import authorities, machine, peers, report
from bench.machine import CpuTime
from bench.summary import Spread, paired_ratio, spread

BASE: Final = authorities.KNOT  # what ratios are to
MEASURED: Final = (authorities.AUTHORITY, authorities.KNOT, authorities.NSD, authorities.BIND)
RECORDS: Final = 500_000
RECORDS_QUICK: Final = 50_000
ROUNDS: Final = 3
TIME_MAX: Final = 10.0  # ours over Knot's
MEMORY_MAX: Final = 6.0


@dataclass(slots=True, kw_only=True)
class Loads:
    """What one server took, round by round: seconds until it answered, of the processor too, and octets then."""

    label: str
    start_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rss_bytes: list[float] = field(default_factory=list)


@click.command()
@click.option("--quick", is_flag=True, help=f"{RECORDS_QUICK:,} records rather than {RECORDS:,}.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def main(quick: bool, as_json: bool) -> None:
    """Measure how long authorities take to read a large zone, and how much memory."""
    out = report.console(as_json=as_json)
    where = machine.describe()
    records = RECORDS_QUICK if quick else RECORDS

    async def benchmark() -> None:
        loads, missing = await _measure(records, out)
        if as_json:
            report.print_json({"machine": where, "records": records, "missing": missing, "loads": loads})
            return
        out.print(_table(records, loads))
        for line in [*map(str, missing), *_remarks(loads)]:
            out.print(line)
        out.print(where)

    report.run(benchmark)


async def _measure(records: int, out: Console) -> tuple[list[Loads], list[peers.Missing]]:
    loads = {label: Loads(label=label) for label in MEASURED}
    missing: dict[str, peers.Missing] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="standfast-bench-")))
        core = machine.choose_cores().server
        for number in range(ROUNDS):
            turn = number % len(MEASURED)
            for label in MEASURED[turn:] + MEASURED[:turn]:
                with out.status(f"round {number + 1} of {ROUNDS}: {label}"):
                    started = await authorities.ALL[label](range(records), folder=folder / label, core=core)
                    if isinstance(started, peers.Missing):
                        missing[label] = started
                        continue
                    async with started:
                        taken = loads[label]
                        taken.start_s.append(started.start_s)
                        taken.cpu_s.append(CpuTime.of(started.pid).ran_s)
                        taken.rss_bytes.append(machine.rss_bytes(started.pid))
    return [taken for taken in loads.values() if taken.start_s], list(missing.values())


def _ratio(loads: list[Loads], label: str, what: str) -> Spread | None:
    by_label = {taken.label: taken for taken in loads}
    if label not in by_label or BASE not in by_label:
        return None
    return paired_ratio(getattr(by_label[label], what), getattr(by_label[BASE], what))


def _table(records: int, loads: list[Loads]) -> Table:
    table = report.table(f"{records:,} records", "", "answers after, s", "x knot", "CPU s", "x knot", "MB", "x knot")
    for taken in loads:
        row = [taken.label]
        for what, form, scale in (("start_s", ".2f", 1.0), ("cpu_s", ".2f", 1.0), ("rss_bytes", ".0f", 1e-6)):
            row.append(report.with_spread(spread(getattr(taken, what)), form, scale=scale))
            row.append(report.with_spread(_ratio(loads, taken.label, what), ".1f"))
        table.add_row(*row)
    return table


def _remarks(loads: list[Loads]) -> list[str]:
    lines = []
    for what, wanted in (("cpu_s", TIME_MAX), ("rss_bytes", MEMORY_MAX)):
        ratio = _ratio(loads, authorities.AUTHORITY, what)
        if ratio is not None:
            met = "met" if ratio.median <= wanted else "not met"
            kind = "processor time" if what == "cpu_s" else "memory"
            lines.append(f"{kind}: target at most {wanted:.0f} x {BASE}; measured {ratio.median:.1f} x: {met}")
    return lines


if __name__ == "__main__":
    main()
