"""The name servers of the zones that names hang on, asked for in the background within a budget: for the map alone.

What is found is no evidence and is never served: it has a memory of its own. A zone is looked at while names in it, or
aliases that lead there, are resolved, and once a day at the most. An alias's target is asked for name servers as if it
were a zone; the denial says which zone it is in (RFC 2308 section 2). So are the zones above, up to the root, and those
of servers with names elsewhere.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from standfast.dns.model import Name, Question, RRType
from standfast.dns.name import ROOT, is_below, name_from_wire, parent
from standfast.dns.servers import Server
from standfast.guard.asking import Asking
from standfast.guard.events import Action, Forget, Remember
from standfast.guard.known import Answer, KnownGood
from standfast.guard.memory import KnownGoodMemory
from standfast.guard.outcome import Negative, Outcome, Positive, soa_owner
from standfast.guard.timers import Timers

SURVEYED_MAX = 50_000  # answers: some 5,000 zones, with the addresses of their servers
SURVEYED_BYTES_MAX = 32 << 20  # 500 octets for each of them, and more for a few
ASKED_MAX = 65_536  # questions that are not asked again for a day; of more, the oldest are
WAITING_MAX = 4_096  # questions that wait; the others come again with the next answer that leads to them
WORTH_S = 86_400.0  # name servers stay for years, and for days in caches
SETTLE_S = 60.0  # after the start: those who wait for names go first
SERVERS_MAX = 16  # of a zone; the root has 13, and a hostile one as many as fit a message


class Survey:
    """What is known of zones' name servers, and what is still to be asked. Asks nothing where `pause_s` is None."""

    def __init__(
        self, upstreams: tuple[Server, ...], asking: Asking, timers: Timers, *, now: float, pause_s: float | None
    ) -> None:
        """`pause_s`: the time between two questions, in seconds."""
        self.memory = KnownGoodMemory(entries_max=SURVEYED_MAX, bytes_max=SURVEYED_BYTES_MAX)
        self._upstreams = upstreams
        self._asking = asking
        self._timers = timers
        self._pause_s = pause_s
        self._next_at_s = now + SETTLE_S
        self._waiting: dict[Question, None] = {}
        self._asked: OrderedDict[Question, float] = OrderedDict()

    def note(self, now: float, known: KnownGood) -> None:
        """Take in a name that was resolved: its zone is to be looked at, and those that its aliases lead to."""
        if self._pause_s is None:
            return
        if known.zone is not None:
            self._want(now, Question(known.zone, RRType.NS))
        for rrset in known.answer.rrsets:
            if rrset.rtype == RRType.CNAME:
                self._want(now, Question(name_from_wire(rrset.rdatas[0]), RRType.NS))

    def ask(self, now: float) -> list[Action]:
        """Ask what waits longest, as the budget allows."""
        if not self._waiting or self._pause_s is None:
            return []
        if now < self._next_at_s or not self._asking.has_room:
            self._timers.set(("survey",), max(self._next_at_s, now + self._pause_s))
            return []
        question = next(iter(self._waiting))
        del self._waiting[question]
        self._asked[question] = now
        self._asked.move_to_end(question)
        if len(self._asked) > ASKED_MAX:
            self._asked.popitem(last=False)
        self._next_at_s = now + self._pause_s
        self._timers.set(("survey",), self._next_at_s)
        return self._asking.start(now, question, self._upstreams, purpose=("survey", question))

    def take(self, now: float, question: Question, outcome: Outcome) -> list[Action]:
        """Take in what was heard. What says nothing leaves standing what is known."""
        match outcome:
            case Positive(answer=answer):
                own = tuple(r for r in answer.rrsets if r.owner == question.qname and r.rtype == question.qtype)
                if not own:  # an alias: where it leads is looked at by itself
                    self._want(now, Question(parent(question.qname), RRType.NS))
                    return []
                if question.qtype == RRType.NS:
                    self._look_on(now, question.qname, own[0].rdatas[:SERVERS_MAX])
                return self._keep(now, question, Answer(rrsets=own))
            case _ if isinstance(outcome, Negative) and question.qtype == RRType.NS:
                zone = soa_owner(outcome)
                if zone is not None and zone != question.qname and is_below(question.qname, zone):
                    self._want(now, Question(zone, RRType.NS))
        return []

    def _look_on(self, now: float, zone: Name, servers: tuple[bytes, ...]) -> None:
        if zone != ROOT:
            self._want(now, Question(parent(zone), RRType.NS))
        for server in map(name_from_wire, servers):
            self._want(now, Question(server, RRType.A))
            self._want(now, Question(server, RRType.AAAA))
            if not is_below(server, zone):
                self._want(now, Question(parent(server), RRType.NS))

    def _want(self, now: float, question: Question) -> None:
        if question in self._waiting or len(self._waiting) >= WAITING_MAX:
            return
        asked_at_s = self._asked.get(question)
        if asked_at_s is not None and now - asked_at_s < WORTH_S:
            return
        if not self._waiting:
            self._timers.set(("survey",), max(self._next_at_s, now))
        self._waiting[question] = None

    def _keep(self, now: float, question: Question, answer: Answer) -> list[Action]:
        before = self.memory.get(question)
        known = KnownGood(
            question=question,
            answer=answer,
            first_seen_s=now,
            confirmed_at_s=now,
            changed_at_s=now,
            seen=answer.addresses,
        )
        if before is not None:
            known = replace(known, first_seen_s=before.first_seen_s, confirmations=before.confirmations + 1)
        return list(_for_the_map(self.memory.keep(known)))


def _for_the_map(actions: list[Action]) -> Iterator[Action]:
    for action in actions:
        match action:
            case Remember() | Forget():
                yield replace(action, for_map=True)
            case _:
                yield action
