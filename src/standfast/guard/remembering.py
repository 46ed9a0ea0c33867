"""What is learned while a name is well: its answer, its history, its zone, and what probes normally say.

Without that, nothing could be told when the name is lost. Sends nothing itself.
"""

from dataclasses import replace

from standfast.dns.model import Name, Question, RRType
from standfast.dns.name import is_below, parent
from standfast.dns.servers import Server
from standfast.evidence.model import Identity
from standfast.evidence.prober import Landed, Prober
from standfast.guard.asking import Asking
from standfast.guard.events import Action, Forget
from standfast.guard.known import (
    NEVER_REMEMBERED,
    SEEN_ADDRESSES_MAX,
    Answer,
    Baseline,
    KnownGood,
    vouches_for,
)
from standfast.guard.memory import KnownGoodMemory
from standfast.guard.outcome import Outcome, Positive, soa_owner
from standfast.guard.policy import Mode, Policy
from standfast.guard.survey import Survey
from standfast.guard.timers import Timers
from standfast.ports import Random

BASELINE_RETRY_S = 30.0  # after the first probe that proved nothing; doubled with each
BASELINE_WORTH_S = 21_600.0  # how often a name that is well is probed, at most
BASELINE_ADDRESSES_MAX = 2  # enough to learn whether the port speaks TLS for the name
ZONE_DELAY_S = (0.5, 5.0)  # after a name was first seen; nobody waits for it
ZONE_RETRY_S = 600.0  # after an answer that told no zone, or while too much is under way
ZONES_WAITING_MAX = 4096  # names whose zone is still to be asked for; the others' when they are next confirmed


class Remembering:
    """Keeps the known-good memory up to date."""

    def __init__(
        self,
        upstreams: tuple[Server, ...],
        memory: KnownGoodMemory,
        asking: Asking,
        prober: Prober,
        survey: Survey,
        timers: Timers,
        rng: Random,
    ) -> None:
        self._upstreams = upstreams
        self._memory = memory
        self._asking = asking
        self._prober = prober
        self._survey = survey
        self._timers = timers
        self._rng = rng
        self._learning: set[Question] = set()
        self._zoning: set[Question] = set()

    def remember(self, now: float, question: Question, answer: Answer, policy: Policy) -> list[Action]:
        """Take in a positive answer that is believed."""
        before = self._memory.get(question)
        if policy.mode is Mode.OFF or question.qtype in NEVER_REMEMBERED:
            return []
        if answer.ttl_s < policy.ttl_min_s:
            # Caches show a TTL of 0 in the last second of every record, so of a name that is known it says nothing;
            # with new addresses the answer was made for one moment only, and there is nothing to keep.
            if before is None or not vouches_for(before, answer.addresses):
                return self.forget(question)
            ttl_s = before.answer.ttl_s
            answer = replace(answer, rrsets=tuple(replace(rrset, ttl_s=ttl_s) for rrset in answer.rrsets))
        known = _confirmed(now, before, answer) if before else None
        if known is None:
            known = KnownGood(
                question=question,
                answer=answer,
                first_seen_s=now,
                confirmed_at_s=now,
                changed_at_s=now,
                seen=answer.addresses[-SEEN_ADDRESSES_MAX:],
                zone=before.zone if before else None,
            )
        self._learn(now, known, policy)
        self._survey.note(now, known)
        return self._memory.keep(known)

    def remember_opinion(self, now: float, question: Question, answer: Answer, policy: Policy) -> list[Action]:
        """Take in a second opinion's answer for a name that the upstream lost: newer addresses, the name still lost."""
        known = self._memory.get(question)
        if known is None or answer.ttl_s < policy.ttl_min_s or _records(known.answer) == _records(answer):
            return []
        known = replace(
            known,
            answer=answer,
            confirmed_at_s=now,
            seen=_seen(known, answer),
            confirmations=known.confirmations + 1,
        )
        return self._memory.keep(known)

    def forget(self, question: Question) -> list[Action]:
        """Drop what is known of `question`."""
        if self._memory.get(question) is None:
            return []
        self._memory.forget(question)
        return [Forget(question=question)]

    # What probes say while the name is well -----------------------------------------------------------------

    def take_baseline(self, now: float, question: Question, landed: Landed, policy: Policy) -> list[Action]:
        """Take in a probe of a name that is well; where only TCP is asked, a connection is all one can hope for."""
        if landed.round_over:
            self._learning.discard(question)
        known = self._memory.get(question)
        if known is None or known.lost_at_s is not None:  # what is seen during a loss is no baseline
            return []
        reached = policy.probe.kind == "tcp" and landed.result.reachable
        proven = reached or landed.result.identity is Identity.PROVEN
        if not proven and not landed.round_over:
            return []
        before = known.baseline.proven_at_s if known.baseline else None
        known = replace(known, baseline=Baseline(asked_at_s=now, proven_at_s=now if proven else before))
        return self._memory.keep(known)

    def _learn(self, now: float, known: KnownGood, policy: Policy) -> None:
        if known.zone is None and known.question not in self._zoning and len(self._zoning) < ZONES_WAITING_MAX:
            self._zoning.add(known.question)
            self._timers.set(("zone", known.question), now + self._rng.uniform(*ZONE_DELAY_S))
        if known.baseline is not None and now - known.baseline.asked_at_s < _baseline_worth_s(known, known.baseline):
            return
        if known.question in self._learning:
            return
        wanted = self._prober.want(
            purpose=("baseline", known.question),
            qname=known.question.qname,
            spec=policy.probe,
            addresses=known.answer.addresses[:BASELINE_ADDRESSES_MAX],
            urgent=False,
        )
        if wanted:
            self._learning.add(known.question)

    # The zone -----------------------------------------------------------------------------------------------

    def ask_zone(self, now: float, question: Question) -> list[Action]:
        """Ask for the SOA of the name: its owner, or that of the denial, is the zone (RFC 2308 section 2)."""
        known = self._memory.get(question)
        if known is None or known.zone is not None or now - known.confirmed_at_s > ZONE_RETRY_S:
            self._zoning.discard(question)
            return []
        if not self._asking.has_room:
            self._timers.set(("zone", question), now + ZONE_RETRY_S)
            return []
        # An alias would lead to the zone of its target; it is never a zone's own name, so its parent is in its zone.
        aliased = any(r.owner == question.qname and r.rtype == RRType.CNAME for r in known.answer.rrsets)
        soa = Question(parent(question.qname) if aliased else question.qname, RRType.SOA)
        return self._asking.start(now, soa, self._upstreams, purpose=("zone", question))

    def take_zone(self, now: float, question: Question, outcome: Outcome) -> list[Action]:
        """Take in what was learned of the zone of `question`; where that is nothing, ask again later."""
        known = self._memory.get(question)
        zone = _zone_of(question, outcome)
        if known is not None and zone is None:
            self._timers.set(("zone", question), now + ZONE_RETRY_S)
            return []
        self._zoning.discard(question)
        if known is None or known.lost_at_s is not None:
            return []
        known = replace(known, zone=zone)
        self._survey.note(now, known)
        return self._memory.keep(known)


def _zone_of(question: Question, outcome: Outcome) -> Name | None:
    zone = soa_owner(outcome)
    if isinstance(outcome, Positive):
        zone = next((rrset.owner for rrset in outcome.answer.rrsets if rrset.rtype == RRType.SOA), None)
    return zone if zone is not None and is_below(question.qname, zone) else None


def _baseline_worth_s(known: KnownGood, baseline: Baseline) -> float:
    """Return how long a baseline need not be asked for again.

    Servers that did not prove themselves may only have been starting: they are asked again soon, then ever less often.
    """
    if baseline.proven_at_s is not None:
        return BASELINE_WORTH_S
    return min(max(baseline.asked_at_s - known.first_seen_s, BASELINE_RETRY_S), BASELINE_WORTH_S)


def _confirmed(now: float, before: KnownGood, answer: Answer) -> KnownGood | None:
    """Return `before` confirmed by `answer`, or None where it was given up and the history begins anew."""
    if before.released_at_s is not None:
        return None
    addresses = answer.addresses
    return replace(
        before,
        answer=before.answer if _same_but_unsigned(before.answer, answer) else answer,
        confirmed_at_s=now,
        changed_at_s=now if set(addresses) - set(before.seen) else before.changed_at_s,
        confirmations=before.confirmations + 1,
        seen=_seen(before, answer),
        lost_at_s=None,
        proven_at_s=None,
    )


def _seen(before: KnownGood, answer: Answer) -> tuple[str, ...]:
    older = tuple(address for address in before.seen if address not in answer.addresses)
    return (*older, *answer.addresses)[-SEEN_ADDRESSES_MAX:]


def _same_but_unsigned(before: Answer, answer: Answer) -> bool:
    """Say whether `answer` lacks nothing of `before` but signatures: who asked now did not want them."""
    return before.signed and not answer.signed and _records(before) == _records(answer)


def _records(answer: Answer) -> list[tuple[Name, int, frozenset[bytes]]]:
    return [(r.owner, r.rtype, frozenset(r.rdatas)) for r in answer.rrsets if r.rtype != RRType.RRSIG]
