"""The risk of fault trees: exact, between bounds, and how long Monte Carlo takes for an equal error.

Monte Carlo here is a good one for Python: a trial is one bit, and 65,536 of them go through a gate at once. How long it
would take for a given error follows from its rate and from the variance of a trial, p (1 - p).
"""

import os
import random
import sys
import time
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_, or_, xor
from pathlib import Path
from typing import Final

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import machine, report

from standfast.depmap.faults.budget import Limits
from standfast.depmap.faults.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Basic,
    Constant,
    Event,
    FaultTree,
    Formula,
    Gate,
    Not,
    Xor,
)
from standfast.depmap.faults.openpsa import read_open_psa
from standfast.depmap.faults.risk import Risk, assess

PUBLISHED: Final = ("chinese", "das9201", "das9207", "baobab3", "edf9201", "edfpa15r", "edfpa14p")
ROUNDS: Final = 3
TRIALS: Final = 65_536  # in one integer
DIGITS: Final = 32  # binary ones of a probability: off by less than 10^-9
MONTE_CARLO_S: Final = 1.0  # that its rate is measured for
ONE_PERCENT: Final = 1e-2
SIX_DIGITS: Final = 5e-7  # half of the last of six: what published probabilities are printed to
NODES_TIGHT: Final = 65_536  # too few for the largest trees, which are then enclosed
TIGHT_S: Final = 8.0
SIGMAS_MAX: Final = 6.0  # that Monte Carlo may be off: by chance once in 10^8
Z_95: Final = 1.96  # standard deviations to either side that hold 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One tree. Errors are relative, times in seconds; those of Monte Carlo are for 95 % confidence."""

    tree: str
    events: int
    cut_sets: int | None
    probability: float
    exact_s: float
    trials_per_s: float
    monte_carlo_one_percent_s: float
    monte_carlo_six_digits_s: float
    enclosed_s: float
    enclosed_width: float
    monte_carlo_as_narrow_s: float | None  # None where what is enclosed is as good as exact


@click.command()
@click.option("--quick", is_flag=True, help="Three trees, a few seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(quick: bool, as_json: bool) -> None:
    """Measure exact risk, bounds and Monte Carlo on fault trees: published ones, where at hand, and one of our own."""
    out = report.console(as_json=as_json)
    where = machine.describe()
    trees = _trees()
    found = [_measured(name, tree, out) for name, tree in (trees[:3] if quick else trees)]
    if as_json:
        report.print_json({"machine": where, "trees": found})
    else:
        _print(out, found)


def _trees() -> list[tuple[str, FaultTree]]:
    data = Path(os.environ.get("STANDFAST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    files = [path for name in PUBLISHED if (path := data / "fault-trees" / f"{name}.xml").exists()]
    return [
        ("layers", _layers()),
        *((path.stem, read_open_psa(path.read_bytes(), file=str(path)).tree) for path in files),
    ]


def _layers() -> FaultTree:
    """Return a tree as dependency graphs are: layers of services, each on some of the layer below."""
    rng = random.Random(7)
    below: list[Formula] = [Basic(f"host-{number}") for number in range(40)]
    events = {f"host-{number}": Event(unavailability=0.01) for number in range(40)}
    gates: dict[str, Formula] = {}
    for layer in range(4):
        here: list[Formula] = []
        for number in range(12):
            name = f"service-{layer}-{number}"
            events[f"{name}-itself"] = Event(unavailability=0.001)
            on = tuple(rng.sample(below, 3))
            gates[name] = AnyOf((Basic(f"{name}-itself"), rng.choice((AllOf(on), AtLeast(2, on), AllOf(on[:2])))))
            here.append(Gate(name))
        below = here
    gates["top"] = AnyOf(tuple(below[:6]))
    return FaultTree(top="top", gates=gates, events=events)


def _measured(name: str, tree: FaultTree, out: Console) -> Measured:
    out.print(f"{name} ...", style="dim")
    exact, exact_s = min((_timed(tree, Limits()) for _ in range(ROUNDS)), key=lambda each: each[1])
    probability = exact.probability_low
    enclosed, enclosed_s = _timed(tree, Limits(nodes_max=NODES_TIGHT), seconds_max=TIGHT_S)
    width = (enclosed.probability_high - enclosed.probability_low) / probability
    share, trials, trials_per_s = _monte_carlo(tree)
    if abs(share - probability) > SIGMAS_MAX * (probability * (1 - probability) / trials) ** 0.5:
        raise click.ClickException(f"{name}: Monte Carlo says {share}, and exact is {probability}")
    return Measured(
        tree=name,
        events=exact.events,
        cut_sets=exact.minimal_cut_sets,
        probability=probability,
        exact_s=exact_s,
        trials_per_s=trials_per_s,
        monte_carlo_one_percent_s=_trials_for(probability, ONE_PERCENT) / trials_per_s,
        monte_carlo_six_digits_s=_trials_for(probability, SIX_DIGITS) / trials_per_s,
        enclosed_s=enclosed_s,
        enclosed_width=width,
        monte_carlo_as_narrow_s=_trials_for(probability, width / 2) / trials_per_s if width > 1e-9 else None,
    )


def _timed(tree: FaultTree, limits: Limits, *, seconds_max: float = float("inf")) -> tuple[Risk, float]:
    begin = time.perf_counter()
    found = assess(
        tree,
        replace(limits, seconds_max=seconds_max, seconds_spent=lambda: time.perf_counter() - begin),
    )
    return found, time.perf_counter() - begin


def _trials_for(probability: float, error: float) -> float:
    """Return how many trials bring the 95 % confidence interval to `error`, relative, on either side."""
    return (1 - probability) / probability * (Z_95 / error) ** 2


def _monte_carlo(tree: FaultTree) -> tuple[float, int, float]:
    """Return the share of trials with the top event, how many there were, and how many in a second."""
    rng = random.Random(1)
    order = tree.in_order()
    begin = time.perf_counter()
    trials = happened = 0
    while time.perf_counter() - begin < MONTE_CARLO_S:
        trials += TRIALS
        happened += _batch(tree, order, rng).bit_count()
    return happened / trials, trials, trials / (time.perf_counter() - begin)


def _batch(tree: FaultTree, order: list[str], rng: random.Random) -> int:
    """Return a bit for each trial: whether the top event happened in it."""
    everywhere = (1 << TRIALS) - 1
    events = {name: _bits(event.unavailability, rng) for name, event in tree.events.items()}
    gates: dict[str, int] = {}

    def bits(formula: Formula) -> int:
        match formula:
            case Basic(name):
                return events[name]
            case Gate(name):
                return gates[name]
            case Constant(value):
                return everywhere if value else 0
            case Not(part):
                return everywhere ^ bits(part)
            case AllOf(parts):
                return reduce(and_, [bits(part) for part in parts])
            case AnyOf(parts):
                return reduce(or_, [bits(part) for part in parts])
            case Xor(parts):
                return reduce(xor, [bits(part) for part in parts])
            case AtLeast(number, parts):
                so_many = [everywhere] + [0] * number
                for drawn in [bits(part) for part in parts]:
                    for count in range(number, 0, -1):
                        so_many[count] |= so_many[count - 1] & drawn
                return so_many[number]

    for name in order:
        gates[name] = bits(tree.gates[name])
    return gates[tree.top]


def _bits(probability: float, rng: random.Random) -> int:
    """Return bits of which each is one with `probability`: its binary digits from the last to the first."""
    digits = round(probability * (1 << DIGITS))
    result = 0
    for place in range(DIGITS):
        drawn = rng.getrandbits(TRIALS)
        result = result | drawn if digits >> place & 1 else result & drawn
    return result


def _print(out: Console, found: list[Measured]) -> None:
    exact = report.table(
        "Exact, and Monte Carlo for 1 % and for six digits at 95 % confidence",
        *("tree", "events", "cut sets", "probability", "exact s", "M trials/s", "1 % s", "six digits s", "ratio"),
    )
    bounds = report.table(
        f"Between bounds, in {NODES_TIGHT} nodes and {TIGHT_S:.0f} s, and Monte Carlo for an interval as narrow",
        *("tree", "s", "width", "Monte Carlo s"),
    )
    for each in found:
        exact.add_row(
            each.tree,
            str(each.events),
            "-" if each.cut_sets is None else f"{each.cut_sets:,}",
            f"{each.probability:.5E}",
            f"{each.exact_s:.3f}",
            f"{each.trials_per_s / 1e6:.2f}",
            f"{each.monte_carlo_one_percent_s:.3g}",
            f"{each.monte_carlo_six_digits_s:.3g}",
            f"{each.monte_carlo_six_digits_s / each.exact_s:.1e}",
        )
        narrow = each.monte_carlo_as_narrow_s
        bounds.add_row(
            each.tree,
            f"{each.enclosed_s:.2f}",
            f"{each.enclosed_width:.1e}",
            "fits, or as good as exact" if narrow is None else f"{narrow:.3g}",
        )
    out.print(exact)
    out.print(bounds)


if __name__ == "__main__":
    main()
