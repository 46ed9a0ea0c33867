"""One script in virtual time: the world, the guard, its rivals, the checkers and the scores. One seed, one trace.

Simulation(script).run()                    the whole script
simulation.advance(60); .happen(event)      step by step, as an experiment's actions come
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from standfast.dns.model import Question, Reply, RRType
from standfast.dns.servers import Server
from standfast.guard.known import Answer, Baseline, KnownGood
from standfast.guard.policy import PolicyTable
from standfast.guard.resolver import Resolver, Settings
from standfast.sim.conduct import Conduct
from standfast.sim.events import BreakResolver, Event, FlushResolver, MendResolver, Note, Restart
from standfast.sim.guard import Client, GuardFactory, SimulatedGuard, Witness
from standfast.sim.invariants import Broken, Findings
from standfast.sim.promises import Promises
from standfast.sim.resolvers import RecursiveResolver
from standfast.sim.rivals import RIVALS
from standfast.sim.said import SaidAddresses
from standfast.sim.scoring import PATIENCE_S, Kind, Lookup, Marks, Score, Seen, Tally, mark
from standfast.sim.script import Script
from standfast.sim.trace import Trace
from standfast.sim.world import World

GUARD = "guard"
CONTESTANTS = (GUARD, *(rival.name for rival in RIVALS))
ANSWER_STEP_S = 0.05  # in which time goes on for a look-up between two steps
CROWD = 7  # more clients that ask the guard the same at the same instant, right after something happened


@dataclass(frozen=True, slots=True)
class Observation:
    """One answered look-up, for whoever draws it. Times in seconds of the script.

    `for_want` says that its own answer was right, but that of a name which its service needs was not.
    """

    contestant: str
    question: Question
    asked_at_s: float
    answered_at_s: float
    seen: Seen
    marks: Marks
    for_want: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a script: scores by contestant and question, and what was broken."""

    scores: dict[str, dict[Question, Score]]
    broken: tuple[Broken, ...]

    def total(self, contestant: str) -> Score:
        """Return the sum over all questions."""
        return sum(self.scores[contestant].values(), start=Score())


class Simulation:
    """One script under way. Times in and out are seconds of the script."""

    def __init__(
        self,
        script: Script,
        *,
        make: GuardFactory = Resolver,
        watch: Callable[[Observation], None] | None = None,
        trace: Trace | None = None,
        witnesses: Sequence[Witness] = (),
    ) -> None:
        self.script = script
        self.world = World(script.zones, script.names, start_s=script.starts_at_s)
        self._watch = watch
        self._trace = trace
        self._start_s = self._now = script.starts_at_s
        specs = (*script.upstreams, *script.second_opinions)
        self._resolvers = {spec.host: RecursiveResolver(spec, self.world, seed=script.seed) for spec in specs}
        upstreams = [self._resolvers[spec.host] for spec in script.upstreams]
        self._upstreams = upstreams
        self._rivals = [rival(upstreams, _rng(script, rival.name)) for rival in RIVALS]
        self._questions = script.questions()
        self._tallies = {contestant: {question: Tally() for question in self._questions} for contestant in CONTESTANTS}
        self._wrong: set[Question] = set()
        self._pause_s = script.pace.first_s
        self._next_look_up_s = self._start_s
        self._crowded = True
        self._clients = 0
        self._findings = Findings()
        settings = _settings(script)
        policies = PolicyTable(script.policies)
        self._said = SaidAddresses(script.names)
        self._conduct = Conduct(self._findings, self._said, script, now=self._now)
        self._promises = Promises(
            self._findings,
            self._said,
            self.world,
            policies,
            client_timeout_s=settings.client_timeout_s,
            look_ups_apart_s=script.pace.longest_s,
        )
        known = list(_known_at_start(script, self.world))
        for each in known:
            self._promises.knows(each)
        self.guard = SimulatedGuard(
            self.world,
            list(self._resolvers.values()),
            settings,
            policies,
            _rng(script, GUARD),
            known=known,
            witnesses=[self._conduct, self._promises, *witnesses, *([trace] if trace else [])],
            make=make,
            on_the_wire=script.on_the_wire,
        )

    def run(self) -> Result:
        """Play the whole timeline and return the result."""
        for timed in self.script.timeline:
            self.advance(timed.at_s)
            self.happen(timed.event)
        self.advance(self.script.ends_at_s)
        return self.finish()

    @property
    def now(self) -> float:
        """Where the script is."""
        return self._now - self._start_s

    def advance(self, to_s: float) -> None:
        """Go on to `to_s`, with every look-up on the way. A time that has passed is now."""
        until_s = self._start_s + to_s
        while self._next_look_up_s < until_s:
            self._now = self._next_look_up_s
            self.guard.run_until(self._now)
            self._look_up_all()
            self._next_look_up_s = self._now + self._pause_s
            self._pause_s = self.script.pace.after(self._pause_s)
        self._now = max(self._now, until_s)
        self.guard.run_until(self._now)

    def happen(self, event: Event) -> None:
        """Let `event` happen now; names are looked up right after it."""
        if isinstance(event, Note):
            return
        if self._trace is not None:
            self._trace.happened(self._now, event)
        self.world.apply(event, self._now)
        self._said.take(event)
        match event:
            case BreakResolver(host=host):
                self._resolvers[host].go_wrong(event)
            case MendResolver(host=host):
                self._resolvers[host].mend()
            case FlushResolver(host=host):
                self._resolvers[host].flush(self._now)
            case Restart():
                self.guard.restart(self._now)
                for rival in self._rivals:
                    rival.restart()
            case _:
                pass
        self._promises.happened(self._now, event)
        self._note_fixes()
        self._next_look_up_s = self._now
        self._pause_s = self.script.pace.first_s
        self._crowded = True

    def finish(self) -> Result:
        """Wait for the last answers and return the result."""
        ends_s = self._now
        self.guard.run_until(ends_s + PATIENCE_S)
        for client in list(self.guard.waiting):
            self._findings.add("answer.late", ends_s, f"{client.question} is not answered at all")
            client.answered(Seen(Kind.SILENCE), _NO_REPLY, ends_s + PATIENCE_S)
        self._conduct.sweep(ends_s, self.guard.core)
        return Result(scores=self.scores(), broken=tuple(self._findings.all))

    def scores(self) -> dict[str, dict[Question, Score]]:
        """Return the scores so far."""
        now = self.now
        return {
            contestant: {question: tally.score(now) for question, tally in tallies.items()}
            for contestant, tallies in self._tallies.items()
        }

    def ask_guard(self, question: Question) -> tuple[Seen, Marks]:
        """Look `question` up through the guard now, outside the scores; time goes on until it is answered."""
        answers: list[Seen] = []
        self._ask_guard(question, lambda seen, _reply, _at_s: answers.append(seen))
        gives_up_s = self._now + PATIENCE_S
        while not answers and self._now < gives_up_s:
            self._now += ANSWER_STEP_S
            self.guard.run_until(self._now)
        seen = answers[0] if answers else Seen(Kind.SILENCE)
        return seen, mark(self.world.truth(question), seen)

    # Look-ups -----------------------------------------------------------------------------------------------

    def _look_up_all(self) -> None:
        for question in self._questions:
            self._look_up(question)
        if not self._crowded:
            return
        self._crowded = False
        self._conduct.sweep(self._now, self.guard.core)
        for question in self._questions:
            for number in range(CROWD):
                self._ask_guard(question, _ignored, dnssec=number == 0)
        for stray in self.script.strays:
            self._ask_guard(stray, partial(self._check_stray, stray))

    def _look_up(self, question: Question) -> None:
        asked_at_s = self.now
        for rival in self._rivals:
            lookup = self._tallies[rival.name][question].asked(asked_at_s)
            seen, at_s = rival.look_up(question, self._now)
            self._score(rival.name, question, lookup, seen, at_s - self._start_s)
        lookup = self._tallies[GUARD][question].asked(asked_at_s)
        self._ask_guard(question, partial(self._guard_answered, question, lookup))

    def _ask_guard(
        self, question: Question, answered: Callable[[Seen, Reply, float], None], *, dnssec: bool = False
    ) -> None:
        self._clients += 1
        client = Client(id=self._clients, question=question, asked_at_s=self._now, answered=answered)
        self.guard.look_up(client, self._now, dnssec=dnssec)

    def _guard_answered(self, question: Question, lookup: Lookup, seen: Seen, reply: Reply, at_s: float) -> None:
        del reply
        self._score(GUARD, question, lookup, seen, at_s - self._start_s)

    def _check_stray(self, question: Question, seen: Seen, reply: Reply, at_s: float) -> None:
        del reply
        if seen.addresses:
            self._findings.add("answer.invented", at_s, f"{question}: {seen.addresses}")

    def _score(self, contestant: str, question: Question, lookup: Lookup, seen: Seen, at_s: float) -> None:
        if at_s - lookup.asked_at_s > PATIENCE_S:
            seen, at_s = Seen(Kind.SILENCE), lookup.asked_at_s + PATIENCE_S
        truth = self.world.truth(question)
        marks = mark(truth, seen)
        spec = self.world.names[question.qname]
        for_want = bool(spec.needs) and not marks.outage and truth.up and self._lacks(contestant, spec.needs)
        if for_want:
            marks = replace(marks, outage=True)
        self._tallies[contestant][question].answered(lookup, marks, at_s)
        if self._trace is not None:
            self._trace.observed(self._start_s + at_s, f"{contestant} {question} {seen.kind} {seen.addresses} {marks}")
        if self._watch is not None:
            self._watch(Observation(contestant, question, lookup.asked_at_s, at_s, seen, marks, for_want))

    def _lacks(self, contestant: str, needs: tuple[str, ...]) -> bool:
        """Say whether a needed name failed `contestant`'s clients at the last look-up."""
        return any(
            tally.last.outage for question, tally in self._tallies[contestant].items() if question.qname in needs
        )

    def _note_fixes(self) -> None:
        """Tell the tallies when something published became wrong, or everything right again."""
        resolvers_well = all(resolver.is_well for resolver in self._upstreams)
        for question in self._questions:
            names = (question.qname, *self.world.names[question.qname].needs)
            right = resolvers_well and all(
                self.world.is_published_right(Question(name, question.qtype)) for name in names
            )
            for tallies in self._tallies.values():
                if not right:
                    tallies[question].broken()
                elif question in self._wrong and self.world.truth(question).up:
                    tallies[question].fixed(self.now)
            (self._wrong.discard if right else self._wrong.add)(question)


_NO_REPLY = Reply(rcode=0)


def _ignored(seen: Seen, reply: Reply, at_s: float) -> None:
    """Take no notice of an answer; the checkers do."""


def _rng(script: Script, contestant: str) -> Random:
    return Random(f"{script.seed}/{contestant}")  # noqa: S311  chance in a game, not a secret


def _settings(script: Script) -> Settings:
    return Settings(
        upstreams=tuple(Server(spec.host) for spec in script.upstreams),
        second_opinions=tuple(Server(spec.host) for spec in script.second_opinions),
        cache_max=script.cache_max,
        negative_cache_max=script.cache_max,
        known_max=script.known_max,
    )


def _known_at_start(script: Script, world: World) -> Iterator[KnownGood]:
    """Yield what a guard knows that has been running for a while before the script begins."""
    start_s = script.starts_at_s
    snapshot, _ = world.version_at(start_s)
    for spec in script.names:
        for qtype in spec.qtypes if spec.known_for_s else ():
            question = Question(spec.name, qtype)
            reply = snapshot.answer(question).reply
            answer = Answer(rrsets=reply.answer, ad=reply.ad)
            first_s = start_s - spec.known_for_s
            proven = all(world.proves_identity(spec.name, address) for address in answer.addresses)
            yield KnownGood(
                question=question,
                answer=answer,
                first_seen_s=first_s,
                confirmed_at_s=start_s - 1,
                changed_at_s=first_s,
                confirmations=1000,
                seen=answer.addresses,
                baseline=Baseline(asked_at_s=start_s - 60, proven_at_s=start_s - 60 if proven else None),
                zone=spec.zone if qtype in (RRType.A, RRType.AAAA) else None,
            )
