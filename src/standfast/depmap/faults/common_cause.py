"""Events that fail together: the four models of the Open-PSA format, by which a group becomes independent events.

Each combination of members that the model knows is an event of its own, and a member fails if any of those that it is
in happens. Open-PSA Model Exchange Format 2.0d, "common cause groups"; NUREG/CR-5485 (1998), section 5, for what the
factors mean; of alpha factors those for tests that are not staggered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, fsum, prod
from typing import Final

from standfast.depmap.faults.model import AnyOf, Basic, Event, Formula

MODELS: Final = ("beta-factor", "MGL", "alpha-factor", "phi-factor")
COMBINATIONS_MAX: Final = 10_000  # of one group; 13 members by all levels are 8,191
_SUM_ROOM: Final = 1e-4  # that phi factors may miss 1 by: such files have four digits


class NotAGroup(Exception):
    """What is said of a group makes none. Argument: the reason, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonCause:
    """A group written out: its events, and for each member when that fails."""

    events: dict[str, Event]
    members: dict[str, Formula]


def first_level(model: str, members: int) -> int:
    """Return of how many members at once the first factor of a model speaks."""
    return {"beta-factor": members, "MGL": 2}.get(model, 1)


def written_out(model: str, members: Sequence[str], probability: float, factors: Sequence[float]) -> CommonCause:
    """Return a group as independent events.

    Args:
        model: one of MODELS.
        members: their names, at least two.
        probability: that a member fails, alone or with others.
        factors: in the order of their levels, from `first_level` on; levels that are not there are zero.

    Raises:
        NotAGroup: the factors do not suit the model, or the combinations are too many.
    """
    number = len(members)
    if number < 2 or len(set(members)) < number:
        raise NotAGroup("it needs at least two members, each once")
    levels = _levels(model, number, factors)
    if sum(comb(number, size) for size in levels) > COMBINATIONS_MAX:
        raise NotAGroup(f"its members make more than {COMBINATIONS_MAX} combinations")
    events: dict[str, Event] = {}
    causes: dict[str, list[Formula]] = {member: [] for member in members}
    for size, share in levels.items():
        if not 0 <= share * probability <= 1:
            raise NotAGroup(
                f"{size} of its members at once would fail with {share * probability:g}, which is no probability"
            )
        for some in combinations(sorted(members), size):
            name = f"[{' '.join(some)}]"
            events[name] = Event(unavailability=share * probability)
            for member in some:
                causes[member].append(Basic(name))
    return CommonCause(events=events, members={member: AnyOf(tuple(parts)) for member, parts in causes.items()})


def _levels(model: str, number: int, factors: Sequence[float]) -> dict[int, float]:
    """Return for each number of members at once how probable one such combination is, as a share of a member's own."""
    if not factors or min(factors) < 0:
        raise NotAGroup("its factors are missing, or negative")
    most = first_level(model, number) + len(factors) - 1
    if most > number:
        raise NotAGroup(f"it has a factor for {most} members at once, and {number} members")
    among = [1 / comb(number - 1, size - 1) for size in range(1, most + 1)]  # combinations that a member is in
    match model:
        case "beta-factor":
            return {1: 1 - factors[0], number: factors[0]}
        case "MGL":
            going_on = [*factors, 0.0]  # that a cause that has so many takes one more
            return {
                size: among[size - 1] * prod(factors[: size - 1]) * (1 - going_on[size - 1])
                for size in range(1, most + 1)
            }
        case "alpha-factor":
            total = fsum(size * factor for size, factor in enumerate(factors, 1))
            if not total:
                raise NotAGroup("its factors are all zero")
            return {size: size * among[size - 1] * factor / total for size, factor in enumerate(factors, 1)}
        case "phi-factor":
            if abs(fsum(factors) - 1) > _SUM_ROOM:
                raise NotAGroup(f"its factors add up to {fsum(factors):g}, and not to 1")
            return dict(enumerate(factors, 1))
        case _:
            raise NotAGroup(f'"{model}" is none of these models: {", ".join(MODELS)}')
