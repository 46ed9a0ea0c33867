"""Scores of a live drill: what every call of every contestant's clients says, against what was true. Counts only.

A call takes time, in which the truth may change. It is held against a contestant only if it is wrong by what was true
when it began *and* by what was true when it ended.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from standfast.dns.model import Name, Question, RRType
from standfast.drills.account import Lane, SpanRecorder, State, Suffered, state_of
from standfast.drills.live.calls import Call
from standfast.drills.live.scaled import ScaledClock
from standfast.sim.resolvers import RecursiveResolver
from standfast.sim.scoring import Kind, Marks, Score, Seen, Tally, Truth, mark
from standfast.sim.world import World

WORST_FIRST = (State.ATTACK, State.WRONG_HOLD, State.OUTAGE, State.WELL)
ERRORS_MAX = 50  # different texts kept a contestant and name; a client that counts in its errors must not fill memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one contestant does just now.

    Args:
        state: the worst that the newest calls of its names say; well also where they fail, and rightly so.
        errors: by name, what the newest call failed with; empty where none did.
        outage_s: of the service itself.
    """

    state: State
    calls: int
    failed: int
    outage_s: float
    errors: dict[Name, str]


@dataclass(slots=True)
class _Column:
    """One contestant and one name."""

    tally: Tally
    spans: SpanRecorder
    errors: Counter[str]
    good_in_a_row: int = 0
    last_error: str | None = None


class LiveScores:
    """All calls from second 0 up to `ends_at_s`; those of the warm-up and those after the end are not counted."""

    def __init__(
        self,
        world: World,
        upstream: RecursiveResolver,
        clock: ScaledClock,
        *,
        ends_at_s: float,
        contestants: Iterable[str],
        names: tuple[Name, ...],
    ) -> None:
        self.names = names
        self._world = world
        self._upstream = upstream
        self._clock = clock
        self._ends_at_s = ends_at_s
        self._columns = {
            contestant: {name: _Column(Tally(), SpanRecorder(), Counter()) for name in names}
            for contestant in contestants
        }
        self._changed_at_s: list[float] = []
        self._truths: list[dict[Name, Truth]] = []
        self._wrong: set[Name] = set()
        self._background = {title: SpanRecorder() for title in ("its servers", "the record", "the upstream's answer")}
        self._take_truth(float("-inf"))

    # What comes in ------------------------------------------------------------------------------------------

    def changing(self) -> None:
        """Note that the world begins to change: until `happened`, nothing is held against anybody."""
        self._changed_at_s.append(self._clock.now())
        self._truths.append(dict.fromkeys(self.names, Truth(intended=True, alive=frozenset())))

    def happened(self) -> None:
        """Note that the world is as it is from now on."""
        self._take_truth(self._clock.now())

    def called(self, contestant: str, call: Call) -> None:
        """Take in one call."""
        column = self._columns[contestant][f"{call.name}."]
        column.last_error = call.error
        column.good_in_a_row = column.good_in_a_row + 1 if call.ok else 0
        asked_at_s, answered_at_s = self._clock.at(call.at_s), self._clock.at(call.at_s + call.took_ms / 1000)
        if not 0 <= asked_at_s < self._ends_at_s:
            return
        marks = self._mark(f"{call.name}.", call, asked_at_s, answered_at_s)
        column.tally.answered(column.tally.asked(asked_at_s), marks, answered_at_s)
        column.spans.see(asked_at_s, state_of(marks))
        if marks.bad:
            text = call.error or f"reached {call.address}"
            column.errors[text if text in column.errors or len(column.errors) < ERRORS_MAX else "other errors"] += 1

    def look(self, at_s: float, told: tuple[str, ...]) -> None:
        """Note what is true of the first name at `at_s`, and that its upstream then answers with `told`."""
        question = _question(self.names[0])
        truth = self._world.truth(question)
        self._background["its servers"].see(at_s, State.WELL if truth.alive else State.OUTAGE)
        published = self._world.is_published_right(question)
        self._background["the record"].see(at_s, State.WELL if published else State.OUTAGE)
        answers = mark(truth, Seen(Kind.ADDRESSES, told) if told else Seen(Kind.NEGATIVE))
        self._background["the upstream's answer"].see(at_s, state_of(answers))

    def _take_truth(self, at_s: float) -> None:
        self._changed_at_s.append(at_s)
        self._truths.append({name: self._world.truth(_question(name)) for name in self.names})
        for name in self.names:
            needed = (name, *self._world.names[name].needs)
            right = self._upstream.is_well and all(self._world.is_published_right(_question(each)) for each in needed)
            for columns in self._columns.values():
                if not right:
                    columns[name].tally.broken()
                elif name in self._wrong and self._truths[-1][name].up:
                    columns[name].tally.fixed(at_s)
            (self._wrong.discard if right else self._wrong.add)(name)

    # What comes out -----------------------------------------------------------------------------------------

    def all_well(self, in_a_row: int) -> bool:
        """Say whether every contestant's last `in_a_row` calls of every name went well."""
        return all(
            column.good_in_a_row >= in_a_row for columns in self._columns.values() for column in columns.values()
        )

    def failing(self) -> dict[str, str]:
        """Return the contestants whose newest calls fail, and what with."""
        return {
            contestant: "; ".join(f"{name}: {error}" for name, error in self.standing(contestant, 0.0).errors.items())
            for contestant in self._columns
            if self.standing(contestant, 0.0).errors
        }

    def standing(self, contestant: str, at_s: float) -> Standing:
        """Return how `contestant` does at `at_s`."""
        columns = self._columns[contestant]
        scores = {name: column.tally.score(at_s) for name, column in columns.items()}
        states = {state_of(column.tally.last) for column in columns.values()}
        return Standing(
            state=next(state for state in WORST_FIRST if state in states),
            calls=sum(score.lookups for score in scores.values()),
            failed=sum(score.bad_lookups for score in scores.values()),
            outage_s=scores[self.names[0]].outage_s,
            errors={name: column.last_error for name, column in columns.items() if column.last_error is not None},
        )

    def score(self, contestant: str, at_s: float, name: Name | None = None) -> Score:
        """Return the score of `contestant` up to `at_s`, for one name or over all."""
        columns = self._columns[contestant]
        picked = columns.values() if name is None else [columns[name]]
        return sum((column.tally.score(at_s) for column in picked), start=Score())

    def suffered(self, contestant: str, ends_at_s: float, titles: dict[Name, str]) -> tuple[Suffered, ...]:
        """Return all that the clients of `contestant` suffered up to `ends_at_s`."""
        return tuple(
            Suffered(
                lane=Lane(title=titles[name], spans=column.spans.spans(ends_at_s)),
                score=column.tally.score(ends_at_s),
                errors=dict(column.errors),
            )
            for name, column in self._columns[contestant].items()
        )

    def background(self, ends_at_s: float) -> tuple[Lane, ...]:
        """Return what was true of the service up to `ends_at_s`."""
        return tuple(Lane(title=title, spans=spans.spans(ends_at_s)) for title, spans in self._background.items())

    def judge(self, name: Name, addresses: tuple[str, ...]) -> Marks:
        """Judge an answer of `addresses` for `name` by what is true now."""
        return mark(self._truths[-1][name], Seen(Kind.ADDRESSES, addresses) if addresses else Seen(Kind.NEGATIVE))

    def _mark(self, name: Name, call: Call, asked_at_s: float, answered_at_s: float) -> Marks:
        seen = Seen(Kind.ADDRESSES, (call.address,)) if call.address else Seen(Kind.NEGATIVE)
        truths = (self._truths_at(asked_at_s), self._truths_at(answered_at_s))
        needed = (name, *self._world.names[name].needs)
        up = all(truth[each].up for truth in truths for each in needed)
        before, after = (mark(truth[name], seen) for truth in truths)
        return replace(
            after,
            outage=up and not call.ok,
            wrong_hold=before.wrong_hold and after.wrong_hold,
            attack=before.attack and after.attack,
        )

    def _truths_at(self, at_s: float) -> dict[Name, Truth]:
        return self._truths[bisect_right(self._changed_at_s, at_s) - 1]


def _question(name: Name) -> Question:
    return Question(name, RRType.A)
