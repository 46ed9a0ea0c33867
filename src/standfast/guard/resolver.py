"""The resolver as a state machine: events and the time in, actions out. Sends nothing itself.

The order of a question's way through the house stands in `on_query`, that of an outcome in `_settle`:

    question -> under watch? -> cached? -> special? -> ask upstream -> outcome -> judge -> verdict
             -> answer, memory, ledger

A client never waits for evidence: the judge gives a provisional verdict at once, and a better one when it is in.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from standfast.dns.exchange import Heeded
from standfast.dns.model import Ede, ExtendedError, Query, Question, Rcode, Reply, RRType
from standfast.dns.servers import Server
from standfast.evidence.model import ProbeResult
from standfast.evidence.prober import Landed
from standfast.guard.answers import denial_of_type, failure_reply
from standfast.guard.asking import Asking, Done
from standfast.guard.cache import POSITIVE_TTL_MAX_S, Cache, Key, capped
from standfast.guard.case import trusted_opinion
from standfast.guard.classify import against_known, negative_ttl_s
from standfast.guard.events import Action, Respond, Switch
from standfast.guard.gathering import Gathering
from standfast.guard.known import Answer, KnownGood
from standfast.guard.losses import Losses, is_somebodys_word
from standfast.guard.memory import KnownGoodMemory
from standfast.guard.outcome import Negative, NoData, NxDomain, Outcome, Positive, Timeout
from standfast.guard.policy import Mode, Policy, PolicyTable
from standfast.guard.remembering import Remembering
from standfast.guard.special import own_answer
from standfast.guard.survey import Survey
from standfast.guard.timers import Timers
from standfast.guard.upstreams import Upstreams
from standfast.guard.verdict import Action as Deed
from standfast.guard.verdict import Cause, Verdict
from standfast.guard.watch import Side, Watch
from standfast.ports import Random

RESOLUTIONS_MAX = 4096  # questions under way at once; more are told to come again
WAITERS_MAX = 1000  # clients waiting for one question; more are told to come again

# What a name may still stand with when another of its types is denied; others are rare, and never held alone.
STANDING_TYPES = (RRType.A, RRType.AAAA, RRType.CNAME, RRType.HTTPS, RRType.MX, RRType.SRV, RRType.SVCB, RRType.TXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the resolver is told once. Times in seconds, sizes in entries or octets."""

    upstreams: tuple[Server, ...]
    second_opinions: tuple[Server, ...] = ()
    client_timeout_s: float = 1.8  # client response timer, RFC 8767 section 5
    cache_max: int = 100_000
    negative_cache_max: int = 50_000
    known_max: int = 1_000_000
    known_bytes_max: int = 1 << 30
    survey_pause_s: float | None = None  # between two questions for name servers; None: none are asked


@dataclass(slots=True)
class Resolution:
    """One question under way and who waits for it."""

    key: Key
    waiters: list[tuple[Hashable, Query]] = field(default_factory=list)


class Resolver:
    """The whole guard but for its sockets, clock and disk."""

    def __init__(
        self,
        settings: Settings,
        policies: PolicyTable,
        rng: Random,
        *,
        now: float,
        known: Iterable[KnownGood] = (),
        enabled: bool = True,
    ) -> None:
        self.settings = settings
        self.policies = policies
        self._observing = policies.observing()
        self.enabled = enabled
        self.started_at_s = now
        self.queries = 0
        self.hits = 0
        self.positive = Cache(settings.cache_max)
        self.negative = Cache(settings.negative_cache_max)
        self.memory = KnownGoodMemory(
            entries_max=settings.known_max,
            bytes_max=settings.known_bytes_max,
            is_pinned=lambda question: policies.lookup(question.qname).pinned,
        )
        for each in known:
            self.memory.put(each)
        self.upstreams = Upstreams((*settings.upstreams, *settings.second_opinions))
        self._timers = Timers()
        self.asking = Asking(self.upstreams, rng, self._timers)
        self.gathering = Gathering(
            settings.upstreams, settings.second_opinions, self.memory, self.asking, self._timers, now=now
        )
        self.losses = Losses(settings.upstreams, self.memory, self.asking, self.gathering, self._timers, rng)
        self.survey = Survey(settings.upstreams, self.asking, self._timers, now=now, pause_s=settings.survey_pause_s)
        self._remembering = Remembering(
            settings.upstreams, self.memory, self.asking, self.gathering.prober, self.survey, self._timers, rng
        )
        self._resolutions: dict[Key, Resolution] = {}

    # Events -------------------------------------------------------------------------------------------------

    def on_query(self, now: float, client: Hashable, query: Query) -> list[Action]:
        """Take in a client's query."""
        self.queries += 1
        if not query.rd:  # there is nothing of our own to answer with, and what others asked is nobody's business
            return [_refuse(client, query, Rcode.REFUSED, Ede.NOT_AUTHORITATIVE, "recursion was not desired")]
        key = Key(query.question, query.do, query.cd)
        entry, actions = None, list[Action]()
        if (watch := self.losses.get(query.question)) and not self._is_fresh_still(now, key, watch):
            entry, actions = self.losses.entry(now, watch, self.policy(query.question), do=query.do)
        if entry := entry or self.positive.get(key, now) or self.negative.get(key, now):
            self.hits += 1
            hit = Respond(client=client, query=query, reply=entry.reply_at(now), entry=entry)
            return self._out(now, [hit, *actions])
        if special := own_answer(query.question):
            return [Respond(client=client, query=query, reply=self._cache(now, key, special))]
        return self._out(now, actions + self._resolve(now, client, query, key))

    def _is_fresh_still(self, now: float, key: Key, watch: Watch) -> bool:
        """Say whether an answer is in the cache from which a mere failure takes nothing (RFC 8767 section 4)."""
        return not is_somebodys_word(watch.outcome) and self.positive.get(key, now) is not None

    def count_hits(self, number: int) -> None:
        """Count queries that the shell answered by what it had prepared of a cache's entry."""
        self.queries += number
        self.hits += number

    def on_heard(self, now: float, ask: int, heard: Heeded) -> Iterator[Action]:
        """Take in what came back for an `Ask`.

        Actions are made one by one, the answer to who waits first: what is to be remembered of it is worked out while
        it is on its way. All of them must be taken before anything else is told or asked.
        """
        yield from self._asked(now, *self.asking.on_heard(now, ask, heard))
        yield from self.gathering.shots(now)

    def on_ask_failed(self, now: float, ask: int, detail: str) -> Iterator[Action]:
        """Take in that an `Ask` could not be sent, or its connection broke. Actions are made as by `on_heard`."""
        yield from self._asked(now, *self.asking.on_failed(now, ask, detail))
        yield from self.gathering.shots(now)

    def on_probed(self, now: float, probe: int, result: ProbeResult) -> list[Action]:
        """Take in the result of a `Probe`."""
        return self._out(now, self._probed(now, self.gathering.landed(now, probe, result)))

    def on_time(self, now: float) -> list[Action]:
        """Do what is due; to be called at `next_time`, or a little later."""
        actions: list[Action] = []
        for key in self._timers.due(now):
            match key:
                case ("try", int(ask)):
                    actions += self._asked(now, *self.asking.on_try_late(now, ask))
                case ("exchange", int(exchange)):
                    actions += self._asked(now, *self.asking.on_exchange_over(exchange))
                case ("client", Key() as waiting):
                    actions += self._client_timer(now, waiting)
                case ("judge", Question() as question):
                    actions += self._time_over(now, question)
                case ("look", Question() as question):
                    actions += self.losses.look(now, question, self.policy(question), asked_for=False)
                case ("retry", Question() as question, Side() as side) if watch := self.losses.get(question):
                    self.gathering.retry_silent(watch, side, self.policy(question))
                    actions += self._judge_again(now, question)
                case ("zone", Question() as question):
                    actions += self._remembering.ask_zone(now, question)
                case ("survey",):
                    actions += self.survey.ask(now)
                case ("probe", int(probe)):
                    actions += self._probed(now, self.gathering.landed(now, probe, None))
                case _:
                    pass  # a watch that is closed by now, or waiting probes, which `_out` lets go
        return self._out(now, actions)

    def next_time(self) -> float | None:
        """Return when `on_time` wants to be called next."""
        return self._timers.next()

    # Operators (their words are in `guard.operators`) -------------------------------------------------------

    def switch(self, now: float, *, enabled: bool) -> list[Action]:
        """Turn the guard on or off, at once. Off, it judges and records, and obeys what upstream says."""
        self.enabled = enabled
        actions: list[Action] = [Switch(enabled=enabled)]
        for question in self.losses.questions():
            self.negative.drop(question)  # what was answered before the switch is not given again
            actions += self._judge_again(now, question)
        return self._out(now, actions)

    def release(self, now: float, question: Question) -> list[Action]:
        """Give up the known-good answer of `question`."""
        self.negative.drop(question)
        return self._give_up(now, question)

    def hold(self, now: float, question: Question, *, until_s: float) -> list[Action]:
        """Hold the known-good answer of `question` against negatives until `until_s`, also one that was given up."""
        known = self.memory.get(question)
        if known is None:
            return []
        self.negative.drop(question)
        known = replace(known, released_at_s=None, operator_hold_until_s=until_s)
        kept = self.memory.keep(known)
        return self._out(now, kept + self._judge_again(now, question))

    def policy(self, question: Question) -> Policy:
        """Return the policy that is in force for `question`."""
        return (self.policies if self.enabled else self._observing).lookup(question.qname)

    # From a question to its outcome -------------------------------------------------------------------------

    def _resolve(self, now: float, client: Hashable, query: Query, key: Key) -> list[Action]:
        resolution = self._resolutions.get(key)
        full = len(resolution.waiters) >= WAITERS_MAX if resolution else len(self._resolutions) >= RESOLUTIONS_MAX
        if full:
            return self._crowded_out(now, client, query, key)
        if self.losses.usable(now, key.question, self.policy(key.question)):  # it may be since the first one asked
            self._timers.sooner(("client", key), now + self.settings.client_timeout_s)
        if resolution is not None:
            resolution.waiters.append((client, query))
            return []
        self._resolutions[key] = Resolution(key, [(client, query)])
        return self.asking.start(
            now,
            key.question,
            self.settings.upstreams,
            purpose=("client", key),
            do=key.do,
            cd=key.cd,
            background=False,
        )

    def _crowded_out(self, now: float, client: Hashable, query: Query, key: Key) -> list[Action]:
        """Answer without asking: a flood of other questions must not take a name away that is known to be good."""
        text = "too much under way; try again"
        if not self.losses.usable(now, key.question, self.policy(key.question)):
            return [_refuse(client, query, Rcode.SERVFAIL, Ede.OTHER, text)]
        return list(self._settle(now, key, Timeout(detail=text), [(client, query)], looked=False))

    def _client_timer(self, now: float, key: Key) -> list[Action]:
        """The client must not wait longer: answer from the known-good, and go on asking (RFC 8767 section 5)."""
        resolution = self._resolutions[key]
        waited = f"no upstream answered within {self.settings.client_timeout_s:g} s"
        waiters, resolution.waiters = resolution.waiters, []
        return list(self._settle(now, key, Timeout(detail=waited), waiters, looked=False))

    def _asked(self, now: float, actions: list[Action], done: Done | None) -> Iterator[Action]:
        if done is not None:
            yield from self._done(now, done)
        yield from actions

    def _done(self, now: float, done: Done) -> Iterable[Action]:
        match done.purpose:
            case ("client", Key() as key):
                self._timers.clear(("client", key))
                waiters = self._resolutions.pop(key).waiters
                return self._settle(now, key, done.outcome, waiters, looked=False)
            case ("look" | "peek" as kind, Key() as key):
                self.losses.heard(key.question)
                return self._settle(now, key, done.outcome, (), looked=kind == "look")
            case ("zone", Question() as question):
                return self._remembering.take_zone(now, question, done.outcome)
            case ("survey", Question() as question):
                return self.survey.take(now, question, done.outcome)
            case (str(kind), Question() as question, Server() as server, int(number)):
                watch = self.losses.get(question)
                if watch is None or watch.number != number:
                    return []  # for a watch that is closed by now
                if kind == "opinion":
                    self.gathering.take_opinion(now, watch, server, done, self.policy(question))
                else:
                    self.gathering.take_delegation(now, watch, server, done)
                return self._judge_again(now, question)
            case _:
                raise AssertionError(f"an exchange for nobody: {done.purpose}")

    def _probed(self, now: float, landed: Landed | None) -> list[Action]:
        match landed.purpose if landed else None:
            case ("baseline", Question() as question) if landed:
                return self._remembering.take_baseline(now, question, landed, self.policy(question))
            case ("probe", Question() as question, Side() as side, int(number)) if landed:
                watch = self.losses.get(question)
                if watch is None or side not in watch.rounds or watch.rounds[side].number != number:
                    return []  # of a round that was called off
                actions = self.gathering.take_probe(now, watch, side, landed)
                return actions + self._judge_again(now, question)
            case _:
                return []

    # From an outcome to its answer --------------------------------------------------------------------------

    def _settle(
        self, now: float, key: Key, outcome: Outcome, waiters: Sequence[tuple[Hashable, Query]], *, looked: bool
    ) -> Iterator[Action]:
        """Judge a new outcome, answer who waits, and then do what the verdict says."""
        if key.cd and isinstance(outcome, Positive):
            yield from _respond(waiters, self._cache(now, key, outcome))
            return  # nobody validated it: neither remembered nor judged
        policy = self.policy(key.question)
        outcome = against_known(outcome, self.memory.get(key.question), policy, now)
        taken = self.losses.take_outcome(now, key.question, outcome, policy, looked=looked)
        verdict, recorded = self.losses.judge(now, key.question, outcome, policy)
        reply = self.losses.served(now, key.question, verdict, policy, do=key.do)
        if reply is None:
            reply = self._cache(now, key, outcome)
        elif is_somebodys_word(outcome):
            self.positive.drop(key.question)  # what others of its flags have cached, or prepared, is held as well
        yield from _respond(waiters, reply)
        yield from taken
        yield from recorded
        yield from self._carry_out(now, key.question, outcome, verdict)

    def _time_over(self, now: float, question: Question) -> list[Action]:
        """The time of a verdict is over: judge again, unless nobody wants the name.

        Then nothing new was asked, so nothing may be concluded from what has grown old. The name is left as it is, and
        whoever asks for it next begins a new watch, as after a restart.
        """
        watch = self.losses.get(question)
        if watch is not None and watch.due:
            self.losses.close(question)
        return self._judge_again(now, question)

    def _judge_again(self, now: float, question: Question) -> list[Action]:
        """Judge the standing outcome of a lost question again: new evidence came, or its verdict's time is over."""
        watch = self.losses.get(question)
        if watch is None:
            return []
        outcome = watch.outcome
        verdict, recorded = self.losses.judge(now, question, outcome, self.policy(question))
        return recorded + self._carry_out(now, question, outcome, verdict)

    def _carry_out(self, now: float, question: Question, outcome: Outcome, verdict: Verdict) -> list[Action]:
        """Do what a verdict means for the memory: keep it, give it up, or take in what is fresh."""
        policy = self.policy(question)
        match verdict.action:
            case Deed.HOLD:
                return []
            case Deed.RELEASE:
                return self._give_up(now, question)
            case Deed.FRESH if isinstance(outcome, Positive):
                self.losses.close(question)
                return self._remembering.remember(now, question, outcome.answer, policy)
            case Deed.FRESH if isinstance(outcome, Negative) and verdict.cause is Cause.FAILURE:
                # Lost at the upstream alone: it stays under watch, and what is known to be good moves on.
                opinion = trusted_opinion(verdict.evidence, self.memory.get(question))
                answer = Answer(rrsets=opinion.rrsets if opinion else ())
                return self._remembering.remember_opinion(now, question, answer, policy)
            case Deed.FRESH:
                self.losses.close(question)
                return []

    def _cache(self, now: float, key: Key, outcome: Outcome) -> Reply:
        """Cache what upstream said, and return it as it is served."""
        match outcome:
            case Positive(reply=reply, answer=answer):
                self.negative.drop(key.question)
                reply = capped(reply, POSITIVE_TTL_MAX_S)
                self.positive.put(key, reply, min(answer.ttl_s, POSITIVE_TTL_MAX_S), now)
                return reply
            case NoData(reply=reply, soa=soa) | NxDomain(reply=reply, soa=soa):
                ttl_s = negative_ttl_s(soa)
                policy = self.policy(key.question)
                stands = isinstance(outcome, NxDomain) and self._stands_by_another_type(now, key.question, policy)
                if stands or (policy.mode is not Mode.OFF and self.memory.get(key.question) is not None):
                    ttl_s = min(ttl_s, policy.negative_ttl_max_s)  # so that recovery is felt within seconds
                reply = capped(denial_of_type(reply) if stands else reply, ttl_s)
                self.positive.drop(key.question)
                self.negative.put(key, reply, ttl_s, now)
                return reply
            case _:
                return self.negative.fail(key, failure_reply(outcome), now)

    def _stands_by_another_type(self, now: float, question: Question, policy: Policy) -> bool:
        types = (qtype for qtype in STANDING_TYPES if qtype != question.qtype)
        return any(self.losses.usable(now, Question(question.qname, qtype), policy) for qtype in types)

    def _give_up(self, now: float, question: Question) -> list[Action]:
        self.positive.drop(question)
        self.losses.close(question)
        known = self.memory.get(question)
        if known is None:
            return []
        known = replace(known, released_at_s=now, operator_hold_until_s=None)
        return self.memory.keep(known)

    def _out(self, now: float, actions: list[Action]) -> list[Action]:
        """Let waiting probes go, as the budget allows, with every batch of actions."""
        return actions + self.gathering.shots(now)


def _respond(waiters: Iterable[tuple[Hashable, Query]], reply: Reply) -> Iterator[Action]:
    return (Respond(client=client, query=query, reply=reply) for client, query in waiters)


def _refuse(client: Hashable, query: Query, rcode: Rcode, code: Ede, text: str) -> Action:
    error = ExtendedError(code=code, text=text)
    return Respond(client=client, query=query, reply=Reply(rcode=rcode, errors=(error,)))
