"""Lost names under watch: which there are, what the judge says of each, and the record of it. Sends nothing itself.

An outcome that takes something away from a known-good answer opens a watch; it is closed when the name comes back or
is given up.
"""

from collections import OrderedDict
from dataclasses import replace
from itertools import count
from math import inf

from standfast.dns.model import Question, Reply
from standfast.dns.servers import Server
from standfast.evidence.model import IDENTITY_WORTH_S, Evidence, contradicted
from standfast.guard.answers import held_reply, opinion_reply
from standfast.guard.asking import Asking
from standfast.guard.cache import Entry, Key
from standfast.guard.case import is_usable
from standfast.guard.events import Action, Alarm, Record
from standfast.guard.gathering import Gathering
from standfast.guard.judge import judge
from standfast.guard.known import KnownGood, was_ever_doubtful
from standfast.guard.memory import KnownGoodMemory
from standfast.guard.outcome import Bogus, Failure, Negative, Outcome, Positive
from standfast.guard.policy import BogusMode, Mode, Policy
from standfast.guard.timers import Timers
from standfast.guard.verdict import Action as Deed
from standfast.guard.verdict import Cause, Serve, Verdict
from standfast.guard.watch import JITTER, Watch
from standfast.guard.words import verdict_record
from standfast.ports import Random

WATCHES_MAX = 20_000  # lost questions looked after at once; the longest unused is let go, its memory stays
VERDICTS_MAX = 65_536  # last recorded verdicts, to tell a change from a repetition
LOOK_LATER_S = 1.0  # when a look finds that somebody is asking already
ENTRY_WORTH_S = 1.0  # how long a held answer is given again and again until this room hears that it is wanted
LOOK_UNUSED_S = 3600.0  # a lost name that nobody asked for so long is looked at again only when somebody asks


class Losses:
    """Every lost question and its verdict."""

    def __init__(
        self,
        upstreams: tuple[Server, ...],
        memory: KnownGoodMemory,
        asking: Asking,
        gathering: Gathering,
        timers: Timers,
        rng: Random,
    ) -> None:
        self._upstreams = upstreams
        self._memory = memory
        self._asking = asking
        self._gathering = gathering
        self._timers = timers
        self._rng = rng
        self._watches: OrderedDict[Question, Watch] = OrderedDict()
        self._numbers = count(1)
        self._recorded: OrderedDict[Question, tuple[str, str, str]] = OrderedDict()
        self.verdicts: dict[tuple[str, str], int] = {}

    # What the resolver asks ---------------------------------------------------------------------------------

    def questions(self) -> tuple[Question, ...]:
        """Return every question under watch."""
        return tuple(self._watches)

    def get(self, question: Question) -> Watch | None:
        """Return the watch of `question`."""
        return self._watches.get(question)

    def usable(self, now: float, question: Question, policy: Policy) -> bool:
        """Say whether a known-good answer could stand in for a slow upstream."""
        known = self._memory.get(question)
        return policy.mode is Mode.HOLD and is_usable(known, policy, lost_at_s=now)

    def entry(self, now: float, watch: Watch, policy: Policy, *, do: bool) -> tuple[Entry | None, list[Action]]:
        """Return the answer of a question whose standing verdict serves one, and a look at it where one is due."""
        if watch.verdict is None:
            return None, []
        watch.used_at_s = now
        self._watches.move_to_end(watch.question)
        entry = watch.entries.get(do)
        if entry is None or now >= entry.expires_at_s:
            reply = self.served(now, watch.question, watch.verdict, policy, do=do)
            if reply is None:  # then upstream is asked for the client, which is as good as a look
                return None, []
            entry = watch.entries[do] = Entry(reply, now, now + ENTRY_WORTH_S)
        if watch.due:
            return entry, self.look(now, watch.question, policy, asked_for=True)
        if isinstance(watch.outcome, Negative) and now - watch.heard_at_s >= policy.recheck_min_s:
            return entry, self._peek(now, watch)
        return entry, []

    def served(self, now: float, question: Question, verdict: Verdict, policy: Policy, *, do: bool) -> Reply | None:
        """Return what `verdict` serves instead of the outcome, or None where the outcome itself is served."""
        known = self._memory.get(question)
        if known is None:  # pushed out of the memory since
            return None
        strangers = frozenset() if was_ever_doubtful(known) else contradicted(verdict.evidence.known)
        match verdict.serve:
            case Serve.KNOWN_GOOD:
                words = (
                    f"{verdict.reason.partition(':')[0]}: waiting for evidence"
                    if verdict.provisional
                    else verdict.reason
                )
                reason = f"{verdict.cause}: {words}"
                return held_reply(known, reason, held_ttl_s=policy.held_ttl_s, do=do, strangers=strangers, now=now)
            case Serve.OPINION:
                return opinion_reply(verdict, known, held_ttl_s=policy.held_ttl_s, strangers=strangers)
            case Serve.OUTCOME | Serve.SERVFAIL:
                return None

    # Outcomes and verdicts ----------------------------------------------------------------------------------

    def take_outcome(
        self, now: float, question: Question, outcome: Outcome, policy: Policy, *, looked: bool
    ) -> list[Action]:
        """Take in what upstream said: open or renew a watch where that takes away what is known to be good."""
        if policy.mode is Mode.OFF or _is_no_loss(outcome, policy):
            return []
        watch = self._watches.get(question)
        known = self._memory.get(question)
        if known is None or (watch is None and not is_usable(known, policy, lost_at_s=known.lost_at_s or now)):
            return []
        actions: list[Action] = []
        if known.lost_at_s is None and is_somebodys_word(outcome):
            known = replace(known, lost_at_s=now)
            actions += self._memory.keep(known)
        is_news = watch is None or _kind(watch.outcome) != _kind(outcome)
        if watch is None:
            watch = self._open(now, known, outcome, policy)
        elif is_news:
            watch.opened_at_s, watch.pause_s = now, policy.recheck_min_s
        looked = looked or watch.due
        watch.outcome, watch.heard_at_s = outcome, now
        watch.due = False
        watch.lost_at_s = known.lost_at_s or watch.opened_at_s
        if is_news or looked:
            actions += self._gathering.gather(now, watch, known, policy)
            self._timers.set(("look", question), now + watch.next_pause_s(policy, self._rng))
        return actions

    def judge(self, now: float, question: Question, outcome: Outcome, policy: Policy) -> tuple[Verdict, list[Action]]:
        """Judge `outcome`, record the verdict where it is a change, and set when to judge again."""
        watch = self._watches.get(question)
        known = self._memory.get(question) if policy.mode is not Mode.OFF else None
        evidence = watch.evidence() if watch else Evidence(lost_at_s=now, opened_at_s=now)
        verdict = judge(outcome, known, evidence, policy, now)
        if watch is not None:
            watch.verdict = verdict
            watch.void_entries()
            worth_until_s = min((p.at_s + IDENTITY_WORTH_S for p in verdict.evidence.known), default=inf)
            self._timers.set(("judge", question), max(min(verdict.look_again_at_s, worth_until_s), now + 0.05))
            if verdict.serve is Serve.OPINION:  # ask again before the opinion is worth nothing any more
                self._timers.sooner(("look", question), (now + verdict.look_again_at_s) / 2)
        return verdict, self._record(now, question, outcome, known, verdict)

    def look(self, now: float, question: Question, policy: Policy, *, asked_for: bool) -> list[Action]:
        """Ask upstream again about a lost name, in the background.

        While the upstream fails, or nobody wants the name, that waits until a client asks: no refresh storms.
        """
        watch = self._watches.get(question)
        if watch is None:
            return []
        if watch.asking:
            self._timers.sooner(("look", question), now + LOOK_LATER_S)
            return []
        unused = now - watch.used_at_s > LOOK_UNUSED_S and not policy.pinned
        watch.due = not asked_for and (unused or isinstance(watch.outcome, Failure))
        if watch.due:
            return []
        if not self._asking.has_room:
            self._timers.set(("look", question), now + watch.next_pause_s(policy, self._rng))
            return []
        known = self._memory.get(question)
        if known is not None and now - watch.heard_at_s < policy.recheck_min_s * (1 - JITTER):  # a peek was there first
            self._timers.set(("look", question), now + watch.next_pause_s(policy, self._rng))
            return self._gathering.gather(now, watch, known, policy)
        return self._ask(now, watch, "look")

    def heard(self, question: Question) -> None:
        """Take in that a look or a peek is over."""
        if watch := self._watches.get(question):
            watch.asking = False

    def _peek(self, now: float, watch: Watch) -> list[Action]:
        """Ask upstream, for a client's sake, whether the name is back; only a look gathers evidence as well.

        Pauses between looks grow to minutes, and a name that is back at other addresses must not wait so long.
        """
        if watch.asking or not self._asking.has_room:
            return []
        return self._ask(now, watch, "peek")

    def _ask(self, now: float, watch: Watch, purpose: str) -> list[Action]:
        watch.asking = True
        known = self._memory.get(watch.question)
        key = Key(watch.question, do=known is not None and known.answer.signed, cd=False)
        return self._asking.start(now, watch.question, self._upstreams, purpose=(purpose, key), do=key.do)

    def close(self, question: Question) -> None:
        """End the watch of `question`; what is still under way for it is ignored when it comes in."""
        watch = self._watches.pop(question, None)
        if watch is not None:
            watch.void_entries()
            self._timers.clear(("judge", question))
            self._timers.clear(("look", question))
            self._gathering.stop(watch)

    def _open(self, now: float, known: KnownGood, outcome: Outcome, policy: Policy) -> Watch:
        if len(self._watches) >= WATCHES_MAX:
            self.close(next(iter(self._watches)))
        watch = Watch(
            number=next(self._numbers),
            question=known.question,
            outcome=outcome,
            opened_at_s=now,
            lost_at_s=now,
            proven_at_s=known.proven_at_s if known.lost_at_s is not None else None,
            used_at_s=now,
            pause_s=policy.recheck_min_s,
        )
        self._watches[known.question] = watch
        return watch

    def _record(
        self, now: float, question: Question, outcome: Outcome, known: KnownGood | None, verdict: Verdict
    ) -> list[Action]:
        """Record `verdict` unless it repeats the last one, or is the routine that nothing was ever wrong with."""
        self.verdicts[verdict.action, verdict.cause] = self.verdicts.get((verdict.action, verdict.cause), 0) + 1
        routine = verdict.action is Deed.FRESH and verdict.cause is Cause.NONE
        if routine and (question not in self._recorded or not isinstance(outcome, Positive)):
            return []
        mark = (verdict.action, verdict.cause, verdict.rule)
        before = self._recorded.pop(question, None)
        if not routine:
            self._recorded[question] = mark
            if len(self._recorded) > VERDICTS_MAX:
                self._recorded.popitem(last=False)
        if mark == before:
            return []
        body = verdict_record(question, outcome, known, verdict)
        actions: list[Action] = [Record(kind="verdict", at_s=now, body=body)]
        if verdict.alarm:
            actions.append(Alarm(event="guard.alarm", fields=body))
        return actions


def _is_no_loss(outcome: Outcome, policy: Policy) -> bool:
    if isinstance(outcome, Bogus) and policy.bogus is BogusMode.SERVFAIL:
        return True  # what is known to be good is not asked for its opinion
    return isinstance(outcome, Positive) and not (outcome.wholesale_change or outcome.short)


def is_somebodys_word(outcome: Outcome) -> bool:
    """Only what somebody said counts as a loss that grace and the longest hold run from; silence does not."""
    return isinstance(outcome, Bogus) or not isinstance(outcome, Failure)


def _kind(outcome: Outcome) -> tuple[str, frozenset[str]]:
    """Return what makes two outcomes the same to whoever looks into them; other new addresses are another matter."""
    match outcome:
        case Positive(answer=answer):
            return "positive", frozenset(answer.addresses)
        case Bogus():
            return "bogus", frozenset()
        case _ if isinstance(outcome, Negative):
            return "negative", frozenset()
        case _:
            return "failure", frozenset()
