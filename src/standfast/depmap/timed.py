"""Outage minutes a year with and without a guard, by simulation: only that knows how long a cache or a hold bridges.

Everything fails and is repaired at random, each time for an exponential time, so that over the years it is failed for
its unavailability. A client still has the answer to a name that can no longer be resolved for what is left of its time
to live, and a guard for as long as it may hold it (RFC 8767, section 5, and the policy's `hold_max`). Both see the same
years, so that their difference is not chance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

from standfast.depmap.faults.budget import Budget, OverBudget
from standfast.depmap.faults.model import AllOf, AnyOf, AtLeast, Basic, Constant, FaultTree, Formula, Gate
from standfast.depmap.trees import NodeTree
from standfast.ports import Random

Spans = Sequence[tuple[float, float]]  # from, until, in hours; in their order, and apart

YEAR_H: Final = 365 * 24.0
AT_ONCE_YEARS: Final = 10  # simulated together: bounds memory, and what is cut off at their end hardly counts
_Z_95: Final = 1.96  # standard deviations to either side that hold 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long things last that bridge an outage, or draw it out, in seconds.

    `ttl_s` is the time to live of the names, `negative_ttl_s` for how long caches believe that there is no answer once
    they asked, and `hold_s` for how long a guard holds the last good one; 0: there is no guard.
    """

    ttl_s: float = 60.0
    negative_ttl_s: float = 60.0
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Minutes a year: the mean with its 95 % confidence interval, and the worst of the years that were simulated."""

    years: int
    mean_min: float
    low_min: float
    high_min: float
    worst_min: float


def outage_of(
    tree: NodeTree, waits: Sequence[Waits], years: int, random_of: Callable[[int], Random], budget: Budget
) -> list[Outage]:
    """Return for each of `waits` how long the node is out, over the same simulated years; nothing if time allows none.

    Args:
        tree: of the node; where circles are too large, that which fails too often.
        waits: what bridges outages.
        years: how many to simulate, in blocks of AT_ONCE_YEARS; fewer where the time is over.
        random_of: a source of randomness for each number of a block of years.
        budget: of which only the time counts.
    """
    outages: list[list[float]] = [[] for _ in waits]
    for block in range(-(-years // AT_ONCE_YEARS)):
        try:
            failed = _drawn(tree.upper, tree.repairs_h, random_of(block), budget)
            found = [_by_year(_out(tree, failed, each, random_of(block), budget)) for each in waits]
        except OverBudget:
            break
        for minutes, more in zip(outages, found, strict=True):
            minutes.extend(more)
    return [_outage(minutes) for minutes in outages if minutes]


def at_least(number: int, parts: Sequence[Spans]) -> Spans:
    """Return when at least `number` of `parts` are."""
    if number == 1 and len(some := [part for part in parts if part]) == 1:
        return some[0]
    changes = sorted(
        change for part in parts for begin, end in part if begin < end for change in ((begin, 1), (end, -1))
    )
    found: list[tuple[float, float]] = []
    so_many, begin = 0, 0.0
    for at, change in changes:
        before, so_many = so_many, so_many + change
        if before < number <= so_many:
            begin = at
        elif so_many < number <= before and at > begin:
            if found and found[-1][1] == begin:  # it ended and began again at once
                begin = found.pop()[0]
            found.append((begin, at))
    return found


def _drawn(tree: FaultTree, repairs_h: Mapping[str, float], random: Random, budget: Budget) -> dict[str, Spans]:
    """Return when each event happens in a block of years."""
    horizon = AT_ONCE_YEARS * YEAR_H
    found: dict[str, Spans] = {}
    for name, event in tree.events.items():
        budget.check(0)
        share = event.unavailability
        if share in (0.0, 1.0):
            found[name] = [(0.0, horizon)] if share else []
            continue
        repair = repairs_h[name]
        works = repair * (1 - share) / share
        spans: list[tuple[float, float]] = []
        at = 0.0 if random.random() < share else _exponential(works, random)
        while at < horizon:
            until = at + _exponential(repair, random)
            spans.append((at, min(until, horizon)))
            at = until + _exponential(works, random)
        found[name] = spans
    return found


def _out(tree: NodeTree, failed: Mapping[str, Spans], waits: Waits, random: Random, budget: Budget) -> Spans:
    """Return when the node is out as a client sees it."""
    gates: dict[str, Spans] = {}

    def spans(formula: Formula) -> Spans:
        match formula:
            case Basic(name):
                return failed[name]
            case Gate(name):
                return gates[name]
            case Constant(value):
                return [(0.0, AT_ONCE_YEARS * YEAR_H)] if value else []
            case AnyOf(parts):
                return at_least(1, [spans(part) for part in parts])
            case AllOf(parts):
                return at_least(len(parts), [spans(part) for part in parts])
            case AtLeast(number, parts):
                return at_least(number, [spans(part) for part in parts])
            case _:
                raise ValueError("what a node hangs on is never negated")

    for name in tree.upper.in_order():
        budget.check(0)
        gates[name] = spans(tree.upper.gates[name])
        if name in tree.resolutions:
            gates[name] = _bridged(gates[name], waits, random)
    return gates[tree.upper.top]


def _bridged(failed: Spans, waits: Waits, random: Random) -> Spans:
    """Return when a client cannot resolve a name that cannot be resolved in the spans `failed`."""
    found = []
    for begin, end in failed:
        seen = begin + max(random.random() * waits.ttl_s, waits.hold_s) / 3600
        if seen < end:
            found.append((seen, end + random.random() * waits.negative_ttl_s / 3600))
    return at_least(1, [[span] for span in found])


def _by_year(out: Spans) -> list[float]:
    """Return the minutes of each year of a block."""
    years = [0.0] * AT_ONCE_YEARS
    for begin, end in out:
        at = begin
        while at < min(end, AT_ONCE_YEARS * YEAR_H):
            year = int(at // YEAR_H)
            until = min(end, (year + 1) * YEAR_H)
            years[year] += (until - at) * 60
            at = until
    return years


def _outage(minutes: Sequence[float]) -> Outage:
    mean = sum(minutes) / len(minutes)
    spread = sqrt(sum((each - mean) ** 2 for each in minutes) / (len(minutes) - 1) / len(minutes))
    return Outage(
        years=len(minutes),
        mean_min=mean,
        low_min=max(0.0, mean - _Z_95 * spread),
        high_min=mean + _Z_95 * spread,
        worst_min=max(minutes),
    )


def _exponential(mean: float, random: Random) -> float:
    return -mean * log(1 - random.random())
