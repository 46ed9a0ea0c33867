"""Whether a claimed availability can be true: met, not met, or undecided, and what decides it.

What is only assumed decides nothing: a claim is not met if it is not even where nothing that is assumed ever fails, and
met if it is even where all that is assumed is failed ten times as long. In between it is undecided, as it is where the
bounds of what could not be worked out exactly lie to either side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from standfast.depmap.faults.budget import Limits
from standfast.depmap.faults.enclosure import Interval
from standfast.depmap.faults.model import Source
from standfast.depmap.faults.risk import Risk
from standfast.depmap.gains import Gains, gains_for
from standfast.depmap.merging import DependencyMap
from standfast.depmap.node_risk import risk_of

OFF_BY: Final = 10.0  # times that what is assumed may be worse than it is
DIGITS: Final = 12  # of an availability: more have no meaning, and 1 - 0.9999 is not 0.0001 in binary
_JUDGED_SHARE: Final = 0.25  # of the time for each of three risks; the rest is for changes


class Verdict(StrEnum):
    """What can be said of a claim."""

    MET = "met"
    NOT_MET = "not met"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """An event whose unavailability is assumed. `unavailability_max`: up to which the claim holds, all else as it is.

    It is None where the claim would not hold even if the event never happened.
    """

    event: str
    unavailability: float
    share: float  # of the whole unavailability, by Fussell-Vesely
    unavailability_max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What can be said of the claim that `node` fails for `allowed` of the time at the most.

    Each interval is of the share of time in which it fails: `as_it_is` with all that is assumed, `best` where nothing
    assumed ever fails, `worst` where all that is assumed is failed OFF_BY times as long.
    """

    node: str
    allowed: float
    verdict: Verdict
    reason: str
    as_it_is: Interval
    best: Interval
    worst: Interval
    assumptions: tuple[Assumption, ...]
    changes: Gains


def judge_claim(
    found: DependencyMap,
    node: str,
    availability: float,
    limits: Limits,
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> Claim:
    """Return what can be said of the claim that `node` is available for the share `availability` of the time, 0 to 1.

    Raises:
        ModelError: there is no such node.
    """
    allowed = round(1 - availability, DIGITS)
    risk = risk_of(found, node, limits.part(_JUDGED_SHARE), tell=tell)
    as_it_is = best = worst = _interval(risk)
    if not risk.is_exact or any(each.source is Source.ASSUMED for each in risk.importances):
        best = _interval(risk_of(found, node, limits.part(_JUDGED_SHARE), assumed_times=0, tell=tell))
        worst = _interval(risk_of(found, node, limits.part(_JUDGED_SHARE), assumed_times=OFF_BY, tell=tell))
    verdict, reason = _verdict(allowed, as_it_is, best, worst)
    return Claim(
        node=node,
        allowed=allowed,
        verdict=verdict,
        reason=reason,
        as_it_is=as_it_is,
        best=best,
        worst=worst,
        assumptions=_assumptions(risk, allowed),
        changes=gains_for(found, node, as_it_is.high, limits.part(1), tell=tell),
    )


def _verdict(allowed: float, as_it_is: Interval, best: Interval, worst: Interval) -> tuple[Verdict, str]:
    if worst.high <= allowed:
        return (
            Verdict.MET,
            f"even if all that is assumed fails {OFF_BY:g} times as long" if worst != best else "as it is",
        )
    if best.low > allowed:
        return Verdict.NOT_MET, "even if nothing that is assumed ever fails" if worst != best else "as it is"
    if as_it_is.high <= allowed:
        return Verdict.UNDECIDED, f"met as assumed, but not if that is {OFF_BY:g} times as long"
    if as_it_is.low > allowed:
        return Verdict.UNDECIDED, "not met as assumed, but it may be if that is less"
    return Verdict.UNDECIDED, "it lies between the bounds of what could be worked out in time"


def _assumptions(risk: Risk, allowed: float) -> tuple[Assumption, ...]:
    """Return the assumed events, the weightiest first: the probability is linear in that of each event."""
    found = []
    for each in sorted(risk.importances, key=lambda each: -each.fussell_vesely):
        if each.source is Source.ASSUMED and each.birnbaum > 0:
            without = risk.probability_low - each.birnbaum * each.unavailability
            most = (allowed - without) / each.birnbaum
            found.append(
                Assumption(
                    event=each.event,
                    unavailability=each.unavailability,
                    share=each.fussell_vesely,
                    unavailability_max=min(1.0, most) if most >= 0 else None,
                )
            )
    return tuple(found)


def _interval(risk: Risk) -> Interval:
    return Interval(risk.probability_low, risk.probability_high)
