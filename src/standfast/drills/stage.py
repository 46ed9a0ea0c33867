"""A drill in the simulator, step by step: events happen on it, and the experiment's probes are answered from it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from standfast.dns.model import Question, type_name
from standfast.dns.name import parse_name
from standfast.drills.account import Contestant, Decision, Lane, SpanRecorder, State, Suffered, state_of
from standfast.drills.errors import DrillError
from standfast.drills.scenario import Check, Scenario
from standfast.guard.events import Action, Record
from standfast.guard.resolver import Resolver
from standfast.sim.events import Event
from standfast.sim.guard import Cause, GuardFactory, Witness
from standfast.sim.invariants import Broken
from standfast.sim.rivals import RIVALS
from standfast.sim.scoring import Kind, Score
from standfast.sim.simulation import CONTESTANTS, GUARD, Observation, Simulation

SECONDS_OF = ("outage_s", "wrong_hold_s", "attack_s", "recovery_s")
WHAT = {GUARD: "Standfast itself", **{rival.name: rival.what for rival in RIVALS}}


class Stage(Witness):
    """The simulation of one drill."""

    def __init__(self, scenario: Scenario, *, seed: str | None = None, make: GuardFactory = Resolver) -> None:
        script = scenario.script if seed is None else replace(scenario.script, seed=seed)
        self.scenario = scenario
        self.decisions: list[Decision] = []
        self.missed_checks: list[str] = []
        self._questions = script.questions()
        self._published = {question: SpanRecorder() for question in self._questions}
        self._served = {question: SpanRecorder() for question in self._questions}
        self._states: dict[tuple[str, Question], SpanRecorder] = {}
        self._errors: dict[tuple[str, Question], Counter[str]] = {}
        for contestant in CONTESTANTS:
            for question in self._questions:
                self._states[contestant, question] = SpanRecorder()
                self._errors[contestant, question] = Counter()
        self._start_s = script.starts_at_s
        self._simulation = Simulation(script, make=make, watch=self._observe, witnesses=(self,))
        self._note_truth()

    def happen(self, at_s: float, event: Event) -> None:
        """Go on to `at_s` and let `event` happen."""
        self._simulation.advance(at_s)
        self._simulation.happen(event)
        self._note_truth()

    def check(self, check: Check) -> object:
        """Go on to the time of `check` and return what it finds."""
        if check.at_s is not None:
            self._simulation.advance(check.at_s)
        output = self._ask(check.func, check.arguments)
        if check.at_s is not None and not check.is_met(output):
            self.missed_checks.append(check.title)
        return output

    def finish(self) -> tuple[Broken, ...]:
        """Let the last look-ups be answered, and return whatever invariant was broken."""
        return self._simulation.finish().broken

    def contestants(self) -> tuple[Contestant, ...]:
        """Return what every contestant's clients have suffered so far, name by name."""
        scores = self._simulation.scores()
        return tuple(
            Contestant(
                name=contestant,
                what=WHAT[contestant],
                suffered=tuple(
                    Suffered(
                        lane=self._lane(_words(question), self._states[contestant, question]),
                        score=scores[contestant][question],
                        errors=dict(self._errors[contestant, question]),
                    )
                    for question in self._questions
                ),
            )
            for contestant in CONTESTANTS
        )

    def background(self) -> tuple[Lane, ...]:
        """Return what was true, where it was not the same all the time: of each name's record and its servers."""
        lanes = [
            self._lane(f"{title} {_words(question)}", recorders[question])
            for question in self._questions
            for title, recorders in (("published:", self._published), ("servers of", self._served))
        ]
        return tuple(lane for lane in lanes if len(lane.spans) > 1)

    # Probes -------------------------------------------------------------------------------------------------

    def _ask(self, func: str, arguments: Mapping[str, Any]) -> object:
        probes: Mapping[str, Callable[..., object]] = {
            "guard_answers_as_meant": self._answers_as_meant,
            "guard_answers_with": self._answers_with,
            "verdict_is": self._verdict_is,
            "seconds": self._seconds,
            "missed": self._missed,
        }
        try:
            return probes[func](**arguments)
        except (KeyError, TypeError) as error:
            raise DrillError(self.scenario.name, f"probe {func}: {error}") from error

    def _answers_as_meant(self, name: str) -> bool:
        """Say whether the guard's answer is what the owner of `name` means: no outage, no wrong hold, no attack."""
        return not any(self._simulation.ask_guard(question)[1].bad for question in self._questions_of(name))

    def _answers_with(self, name: str, addresses: list[str]) -> bool:
        """Say whether the guard answers `name` with exactly `addresses`."""
        seen = [self._simulation.ask_guard(question)[0] for question in self._questions_of(name)]
        return {address for each in seen for address in each.addresses} == set(addresses)

    def _verdict_is(self, name: str, action: str, cause: str) -> bool:
        """Say whether the guard's newest recorded verdict on `name` is this."""
        words = {_words(question) for question in self._questions_of(name)}
        given = [decision for decision in self.decisions if decision.question in words]
        return bool(given) and (given[-1].action, given[-1].cause) == (action, cause)

    def _seconds(self, contestant: str, of: str, name: str | None = None) -> float:
        """Return one kind of seconds of a contestant's score so far, for one name or over all."""
        if of not in SECONDS_OF:
            raise KeyError(of)
        scores = self._simulation.scores()[contestant]
        picked = scores if name is None else self._questions_of(name)
        total = sum((scores[question] for question in picked), start=Score())
        return round(getattr(total, of) or 0.0, 3)

    def _missed(self) -> int:
        """Return how many checks on the way were not met."""
        return len(self.missed_checks)

    def _questions_of(self, name: str) -> list[Question]:
        qname = parse_name(name)
        found = [question for question in self._questions if question.qname == qname]
        if not found:
            raise KeyError(f"{name} is not asked for in this drill")
        return found

    # What is seen on the way --------------------------------------------------------------------------------

    def acted(self, now: float, action: Action, cause: Cause) -> None:
        """Keep the guard's recorded verdicts."""
        del cause
        match action:
            case Record(kind="verdict", body=body):
                self.decisions.append(to_decision(now - self._start_s, body))
            case _:
                pass

    def _observe(self, seen: Observation) -> None:
        key = (seen.contestant, seen.question)
        self._states[key].see(seen.asked_at_s, state_of(seen.marks))
        if seen.marks.bad:
            self._errors[key][_error(seen)] += 1

    def _note_truth(self) -> None:
        world, now = self._simulation.world, self._simulation.now
        for question in self._questions:
            right = world.is_published_right(question)
            self._published[question].see(now, State.WELL if right else State.OUTAGE)
            alive = bool(world.truth(question).alive)
            self._served[question].see(now, State.WELL if alive else State.OUTAGE)

    def _lane(self, title: str, recorder: SpanRecorder) -> Lane:
        return Lane(title=title, spans=recorder.spans(self.scenario.script.ends_at_s))


def to_decision(at_s: float, body: Mapping[str, Any]) -> Decision:
    """Return a ledger record of a verdict as the report shows it."""
    return Decision(
        at_s=at_s,
        question=f"{body['qname']} {body['qtype']}",
        outcome=str(body["outcome"]),
        action=str(body["action"]),
        cause=str(body["cause"]),
        rule=str(body["rule"]),
        reason=str(body["reason"]),
        served=str(body["served"]),
        provisional=bool(body["provisional"]),
        evidence=tuple(str(word) for word in body["evidence"]),
    )


def _error(seen: Observation) -> str:
    """Return what was wrong with an answer, in words."""
    if seen.marks.attack:
        return "an attacker's address"
    if seen.marks.wrong_hold:
        return "an address that was given up"
    match seen.seen.kind:
        case Kind.NEGATIVE:
            return "no such name or address"
        case Kind.FAILURE:
            return "SERVFAIL"
        case Kind.SILENCE:
            return "no answer"
        case Kind.ADDRESSES if seen.for_want:
            return "a name that it needs is out"
        case Kind.ADDRESSES:
            return "a dead address"


def _words(question: Question) -> str:
    return f"{question.qname} {type_name(question.qtype)}"
