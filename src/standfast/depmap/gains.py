"""What each change of a map would win: single points of failure removed, availability, and who would be saved by it.

Each is worked out as the map itself is: by losing every one thing, and by the fault tree. Nothing is estimated.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from standfast.depmap.changes import ITSELF, Change, changes_against, changes_for
from standfast.depmap.faults.budget import Limits
from standfast.depmap.loss import blast_radius, single_points
from standfast.depmap.merging import DependencyMap
from standfast.depmap.node_risk import risk_of
from standfast.depmap.trees import hard_part

TRIED_MAX: Final = 500  # changes of which the single points, or the saved, are looked for
WEIGHED_MAX: Final = 24  # changes of which the availability is worked out: those that remove the most
_WORTH_TELLING: Final = 1e-3  # of the unavailability; less is none that anybody would make a change for
_TRYING_SHARE: Final = 0.5  # of the time; the rest is for weighing


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What a change would win: which single points it removes, and the unavailability with it."""

    what: str
    size: int
    removed: tuple[str, ...]
    unavailability_low: float
    unavailability_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """What could be changed for a node, the best first, and its single points of failure, itself among them."""

    single_points: tuple[str, ...]
    gains: tuple[Gain, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Who would still work in a loss, had this change been made."""

    what: str
    size: int
    saved: tuple[str, ...]


def gains_for(
    found: DependencyMap,
    target: str,
    unavailability_high: float,
    limits: Limits,
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> Gains:
    """Return what could be changed for `target`, which is now failed for `unavailability_high` of the time at the most.

    Raises:
        ModelError: there is no such node.
    """
    before = _points(found, target)
    tried = []
    for change in _in_time(changes_for(found, target), limits, tell):
        after = _points(change.found, target)
        tried.append((change, tuple(point for point in before if point not in after)))
    tried.sort(key=lambda each: (-len(each[1]), each[0].size))
    gains = []
    for left, (change, removed) in zip(range(min(WEIGHED_MAX, len(tried)), 0, -1), tried, strict=False):
        if limits.seconds_spent() > limits.seconds_max:  # even to make a large tree takes seconds
            tell("not all changes were weighed: the time is over")
            break
        tell(f"weighing: {change.what}")
        risk = risk_of(change.found, target, limits.part(1 / left))
        if removed or risk.probability_high < (1 - _WORTH_TELLING) * unavailability_high:
            gains.append(
                Gain(
                    what=change.what,
                    size=change.size,
                    removed=removed,
                    unavailability_low=risk.probability_low,
                    unavailability_high=risk.probability_high,
                )
            )
    gains.sort(key=lambda gain: (gain.unavailability_high, -len(gain.removed), gain.size))
    return Gains(single_points=before, gains=tuple(gains))


def savings_in(
    found: DependencyMap, lost: Collection[str], limits: Limits, *, tell: Callable[[str], None] = lambda _: None
) -> list[Saving]:
    """Return what single changes would save whom, if all of `lost` is lost; those that save the most first.

    Raises:
        ModelError: there is nothing of that name.
    """
    before = blast_radius(found.graph, lost).down
    savings = []
    for change in _in_time(changes_against(found, lost), limits, tell):
        after = blast_radius(change.found.graph, [change.first.get(name, name) for name in lost]).down
        if saved := tuple(name for name in before if name not in after):
            savings.append(Saving(what=change.what, size=change.size, saved=saved))
    return sorted(savings, key=lambda saving: (-len(saving.saved), saving.size))


def _in_time(changes: Iterator[Change], limits: Limits, tell: Callable[[str], None]) -> Iterator[Change]:
    budget = limits.budget(room=1, share=_TRYING_SHARE)
    for change in islice(changes, TRIED_MAX):
        if budget.spent():
            tell("not all changes were tried: the time is over")
            return
        tell(f"trying: {change.what}")
        yield change


def _points(found: DependencyMap, target: str) -> tuple[str, ...]:
    """Return the single points of failure of `target`; what never fails by itself is none."""
    points = single_points(hard_part(found.graph, target), target)
    fails = [name for name in points if name not in found.events or found.events[name].unavailability > 0]
    return tuple(dict.fromkeys(name.removesuffix(ITSELF) for name in fails))
