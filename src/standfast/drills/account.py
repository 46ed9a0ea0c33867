"""What came of a drill, however it was run, as its report and its JSON show it. Data only.

Times are seconds of the story, from its start on, unless a name says otherwise.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Any

from standfast.sim.scoring import Marks, Score
from standfast.sim.simulation import GUARD


class State(StrEnum):
    """How something was for a while."""

    WELL = "well"
    OUTAGE = "outage"
    WRONG_HOLD = "wrong-hold"
    ATTACK = "attack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A state and how long it lasted."""

    from_s: float
    to_s: float
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One thing over the whole time."""

    title: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffered:
    """What one contestant's clients suffered with one name. `errors`: what they saw, and how often."""

    lane: Lane
    score: Score
    errors: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way of resolving, and what it cost those who used it. `what` says what it is, and in which version."""

    name: str
    what: str
    suffered: tuple[Suffered, ...]

    @property
    def total(self) -> Score:
        """The sum over all names."""
        return sum((each.score for each in self.suffered), start=Score())


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A contestant that did not take part, and the command that would let it."""

    name: str
    install: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened in the story."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What a drill has to show that is no score, as a table: its first row is the heads."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One verdict of the guard, as its ledger has it."""

    at_s: float
    question: str
    outcome: str
    action: str
    cause: str
    rule: str
    reason: str
    served: str
    provisional: bool
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One drill that was run.

    Args:
        mode: `live` or `sim`.
        starts_at: when the story begins, in the zone that its times are told in.
        background: what was true: who was up, what was published, what the upstream said.
        ledger: what the verification of the guard's ledger said; None where there was none.
        versions: of everything that took part, by name.
        notes: how it was run, as sentences.
        took_s: real seconds.
        failures: what was not as it must be; none when the drill was passed.
        grids: what this drill has to show beside the scores.
    """

    drill: str
    title: str
    description: str
    lesson: str
    sources: tuple[str, ...]
    mode: str
    scale: float
    starts_at: datetime
    zone: str
    ends_at_s: float
    moments: tuple[Moment, ...]
    background: tuple[Lane, ...]
    contestants: tuple[Contestant, ...]
    absent: tuple[Absent, ...]
    decisions: tuple[Decision, ...]
    ledger: str | None
    versions: Mapping[str, str]
    notes: tuple[str, ...]
    took_s: float
    failures: tuple[str, ...]
    grids: tuple[Grid, ...] = ()

    @property
    def passed(self) -> bool:
        """Everything was as it must be."""
        return not self.failures

    @property
    def unscathed(self) -> bool:
        """Nobody behind the guard suffered anything."""
        totals = [contestant.total for contestant in self.contestants if contestant.name == GUARD]
        return bool(totals) and not any(total.outage_s or total.wrong_hold_s or total.attack_s for total in totals)

    def clock(self, at_s: float, *, seconds: bool = True) -> str:
        """Return the time of day at `at_s`, as the story tells it."""
        return clock(self.starts_at, at_s, seconds=seconds)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it; scores also summed over all names of a contestant."""
        said = asdict(self)
        said["starts_at"] = self.starts_at.isoformat()
        said["passed"] = self.passed
        for contestant, shown in zip(self.contestants, said["contestants"], strict=True):
            shown["total"] = asdict(contestant.total)
        return said


class SpanRecorder:
    """Collects the spans of one lane from what is seen one after the other."""

    def __init__(self) -> None:
        self._since: list[tuple[float, State]] = []

    def see(self, at_s: float, state: State) -> None:
        """Note that from `at_s` on, which is not before the last time, it is in `state`."""
        if not self._since or self._since[-1][1] is not state:
            self._since.append((at_s, state))

    def spans(self, ends_at_s: float) -> tuple[Span, ...]:
        """Return all spans up to `ends_at_s`; the first begins at 0."""
        starts = [0.0, *(min(at_s, ends_at_s) for at_s, _ in self._since[1:])]
        ends = [*starts[1:], ends_at_s]
        return tuple(
            Span(from_s=from_s, to_s=to_s, state=state)
            for from_s, to_s, (_, state) in zip(starts, ends, self._since, strict=False)
            if to_s > from_s
        )


def state_of(marks: Marks) -> State:
    """Return the worst of what `marks` say."""
    if marks.attack:
        return State.ATTACK
    if marks.wrong_hold:
        return State.WRONG_HOLD
    return State.OUTAGE if marks.outage else State.WELL


def clock(starts_at: datetime, at_s: float, *, seconds: bool = True) -> str:
    """Return the time of day `at_s` seconds after `starts_at`."""
    return (starts_at + timedelta(seconds=at_s)).strftime("%H:%M:%S" if seconds else "%H:%M")


def without_clock(title: str) -> str:
    """Return the title of an event without the time of day that it may begin with."""
    return re.sub(r"^\d\d:\d\d(:\d\d)? ", "", title)


def duration(seconds: float) -> str:
    """Return `seconds` as people say it: `2 h 37 min`, `14 min 5 s`; `0 s` is none at all."""
    whole = ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    parts: Sequence[str]
    if hours:
        parts = [f"{hours} h", *([f"{minutes} min"] if minutes else [])]
    elif minutes:
        parts = [f"{minutes} min", *([f"{rest} s"] if rest else [])]
    else:
        parts = [f"{rest} s"]
    return " ".join(parts)
