"""The resolver under any sequence of events: it never raises, answers each client once, and keeps its bounds."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from guard_world import OTHER_UPSTREAM, SECOND_OPINION, START_S, UPSTREAM, a, cname, failure, nodata, nxdomain, positive
from standfast.dns.exchange import CaseChanged, Heard, Heeded, Unreadable
from standfast.dns.model import Ede, ExtendedError, Query, Question, Rcode, RRType, addresses_of
from standfast.dns.servers import Server
from standfast.evidence.model import Identity, ProbeResult, ProbeSpec
from standfast.evidence.prober import PROBES_IN_FLIGHT_MAX
from standfast.guard import asking, losses, operators, resolver
from standfast.guard.asking import EXCHANGE_MAX_S
from standfast.guard.events import Abandon, Action, Alarm, Ask, Forget, Probe, Record, Remember, Respond, Switch
from standfast.guard.gathering import UNREPORTED_S
from standfast.guard.known import KnownGood
from standfast.guard.policy import BogusMode, Mode, PolicyTable
from standfast.guard.resolver import Resolver, Settings

BOUNDS = (
    (resolver, "RESOLUTIONS_MAX", 4),
    (resolver, "WAITERS_MAX", 3),
    (losses, "WATCHES_MAX", 4),
    (losses, "VERDICTS_MAX", 5),
    (asking, "BACKGROUND_MAX", 6),
)
POLICIES: dict[str, dict[str, Any]] = {
    "pinned.": {"pinned": True, "addresses_min": 2},
    "observe.": {"mode": Mode.OBSERVE},
    "refuse.": {"bogus": BogusMode.SERVFAIL},
    "tcp.": {"probe": ProbeSpec(kind="tcp", port=25)},
    "none.": {"probe": ProbeSpec(kind="none")},
    "short.": {"grace_s": 20, "hold_max_s": 60, "stale_max_s": 90, "recheck_min_s": 1, "recheck_max_s": 5},
}
NAMES = st.sampled_from(
    ["www.example.", "www.pinned.", "a.observe.", "a.refuse.", "mail.tcp.", "a.none.", "a.short.", "x.local."]
)
FLAGS = st.sampled_from([{}, {}, {"do": True}, {"cd": True}, {"rd": False}])
POOLS = (("192.0.2.1", "192.0.2.2", "192.0.2.3"), ("203.0.113.1", "203.0.113.2"), ("169.254.169.254",))
TYPES = (RRType.A, RRType.A, RRType.AAAA, RRType.TXT)


def positives(question: Question) -> st.SearchStrategy[Heeded]:
    """Return any positive answer to `question`."""
    owner = question.qname
    addresses = st.sampled_from(POOLS).flatmap(lambda pool: st.lists(st.sampled_from(pool), min_size=1, unique=True))
    ttls = st.sampled_from([1, 1, 1, 30, 0, 100_000])
    replies = st.one_of(
        st.builds(lambda each, ttl_s: positive(a(owner, *each, ttl_s=ttl_s), ad=True), addresses, ttls),
        st.builds(lambda each: positive(cname(owner, "t.example.", 1), a("t.example.", *each)), addresses),
    )
    return st.builds(Heard, reply=replies)


def losses_of(question: Question) -> st.SearchStrategy[Heeded]:
    """Return anything else that means something for `question`."""
    bogus = failure(Rcode.SERVFAIL, ExtendedError(code=Ede.DNSSEC_BOGUS))
    denials = [nodata("example."), nodata("."), nxdomain("."), nxdomain(question.qname)]
    failures = [failure(Rcode.SERVFAIL), failure(Rcode.REFUSED), bogus, positive(cname(question.qname, question.qname))]
    return st.sampled_from([*denials, *denials, *failures, bogus]).map(lambda reply: Heard(reply=reply))


def oddities(_question: Question) -> st.SearchStrategy[Heeded]:
    """Return what calls for another try."""
    rcodes = st.sampled_from([Rcode.FORMERR, Rcode.NOTIMP, Rcode.NOERROR])
    heard = st.builds(Heard, reply=rcodes.map(failure), truncated=st.booleans(), edns=st.booleans())
    return st.one_of(heard, st.just(CaseChanged()), st.just(Unreadable(detail="no DNS")))


def anything(question: Question) -> st.SearchStrategy[Heeded]:
    """Return anything that can come back for `question`."""
    return st.one_of(positives(question), losses_of(question), oddities(question))


class AnyEvents(RuleBasedStateMachine):
    """One resolver, and everything that can happen to it, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for module, name, value in BOUNDS:
            self.patch.setattr(module, name, value)
        self.now = START_S
        self.disk: dict[Question, KnownGood] = {}
        self.enabled = True
        self.start()

    def teardown(self) -> None:
        self.patch.undo()

    def start(self) -> None:
        self.asks: dict[int, Ask] = {}
        self.probes: dict[int, tuple[float, Probe]] = {}
        self.waiting: dict[int, float] = {}
        self.clients = 0
        self.core = Resolver(
            Settings(
                upstreams=(UPSTREAM, OTHER_UPSTREAM),
                second_opinions=(SECOND_OPINION,),
                cache_max=4,
                negative_cache_max=4,
                known_max=5,
            ),
            PolicyTable(POLICIES.items()),
            random.Random(7),
            now=self.now,
            known=list(self.disk.values()),
            enabled=self.enabled,
        )

    def do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Respond(client=client, query=query, reply=reply):
                    assert isinstance(client, int)
                    assert client in self.waiting, f"client {client} was answered twice"
                    del self.waiting[client]
                    held = any(error.code == Ede.STALE_ANSWER for error in reply.errors) and reply.answer
                    if held:
                        known = self.disk[query.question]
                        assert not reply.ad
                        assert set(addresses_of(reply.answer)) <= set(known.answer.addresses)
                        assert all(r.ttl_s <= max(30, known.answer.ttl_s) for r in reply.answer)
                        assert self.enabled
                        assert ".observe." not in query.question.qname
                case Ask():
                    assert action.ask not in self.asks
                    self.asks[action.ask] = action
                case Abandon(ask=ask):
                    self.asks.pop(ask, None)
                case Probe():
                    self.probes = {n: sent for n, sent in self.probes.items() if self.now < sent[0] + UNREPORTED_S}
                    assert action.probe not in self.probes
                    assert action.qname not in {probe.qname for _, probe in self.probes.values()}
                    assert action.address != "169.254.169.254"
                    self.probes[action.probe] = self.now, action
                case Remember(known=known):
                    self.disk[known.question] = known
                case Forget(question=question):
                    self.disk.pop(question, None)
                case Switch(enabled=enabled):
                    self.enabled = enabled
                case Record(kind=kind, body=body):
                    assert kind == "command" or (body["rule"] and body["reason"])
                case Alarm(fields=fields):
                    assert fields["reason"]

    def ask(self, qname: str, qtype: RRType, *, do: bool = False, cd: bool = False, rd: bool = True) -> None:
        self.clients += 1
        self.waiting[self.clients] = self.now
        query = Query(id=1, question=Question(qname, qtype), cased_qname=qname, do=do, cd=cd, rd=rd, edns=True)
        self.do(self.core.on_query(self.now, self.clients, query))

    def hear_all(self, data: st.DataObject, kind: Callable[[Question], st.SearchStrategy[Heeded]]) -> None:
        """Have everything that is asked answered, by each server in one way, and what that brings about as well."""
        said: dict[tuple[Server, Question], Heeded] = {}
        for _ in range(4):
            for ask in sorted(self.asks):
                if asked := self.asks.pop(ask, None):
                    key = asked.server, asked.query.question
                    if key not in said:
                        said[key] = data.draw(kind(asked.query.question))
                    self.do(self.core.on_heard(self.now, ask, said[key]))

    @rule(qname=NAMES, data=st.data())
    def name_is_well(self, qname: str, data: st.DataObject) -> None:
        self.pass_time(2.0)
        self.ask(qname, RRType.A)
        self.hear_all(data, positives)
        self.land_probes(Identity.PROVEN)

    @rule(qname=NAMES, data=st.data())
    def name_is_lost(self, qname: str, data: st.DataObject) -> None:
        self.pass_time(40.0)
        self.ask(qname, RRType.A)
        self.hear_all(data, data.draw(st.sampled_from([losses_of, losses_of, anything])))

    @rule(qname=NAMES, qtype=st.sampled_from(TYPES), flags=FLAGS, again=st.booleans())
    def query(self, qname: str, qtype: RRType, flags: dict[str, bool], again: bool) -> None:
        for _ in range(1 + again):
            self.ask(qname, qtype, **flags)

    @precondition(lambda self: self.asks)
    @rule(data=st.data())
    def hear_anything(self, data: st.DataObject) -> None:
        ask = data.draw(st.sampled_from(sorted(self.asks)))
        self.do(self.core.on_heard(self.now, ask, data.draw(anything(self.asks.pop(ask).query.question))))

    @rule(data=st.data(), kind=st.sampled_from([positives, losses_of, anything]))
    def hear_everything(self, data: st.DataObject, kind: Callable[[Question], st.SearchStrategy[Heeded]]) -> None:
        self.hear_all(data, kind)

    @precondition(lambda self: self.asks)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        ask = data.draw(st.sampled_from(sorted(self.asks)))
        del self.asks[ask]
        self.do(self.core.on_ask_failed(self.now, ask, "connection refused"))

    @rule(number=st.integers(-1, 10_000))
    def hear_what_was_not_asked(self, number: int) -> None:
        if number not in self.asks:
            self.do(self.core.on_heard(self.now, number, CaseChanged()))
            self.do(self.core.on_ask_failed(self.now, number, "?"))
        if number not in self.probes:
            result = ProbeResult(address="192.0.2.1", identity=Identity.PROVEN, at_s=0.0)
            self.do(self.core.on_probed(self.now, number, result))

    def land_probes(self, identity: Identity, *, number_max: int = 100) -> None:
        for _ in range(number_max):
            if not self.probes:
                return
            number = min(self.probes)
            _, probe = self.probes.pop(number)
            reachable = identity is not Identity.ABSENT
            result = ProbeResult(address=probe.address, identity=identity, at_s=1.0, reachable=reachable, detail="?")
            self.do(self.core.on_probed(self.now, number, result))

    @precondition(lambda self: self.probes)
    @rule(identity=st.sampled_from(Identity), number_max=st.sampled_from([1, 100]))
    def probes_land(self, identity: Identity, number_max: int) -> None:
        self.land_probes(identity, number_max=number_max)

    @rule()
    def time_comes(self) -> None:
        next_s = self.core.next_time()
        if next_s is not None:
            self.now = max(self.now, next_s)
            self.do(self.core.on_time(self.now))

    @rule(by_s=st.sampled_from([0.01, 3.0, 30.0, 300.0, 4000.0]))
    def time_passes(self, by_s: float) -> None:
        self.pass_time(by_s)

    def pass_time(self, by_s: float) -> None:
        """Let time pass with a shell that calls when it is asked to."""
        end = self.now + by_s
        at_one_instant = Counter[float]()
        while (next_s := self.core.next_time()) is not None and next_s <= end:
            self.now = max(self.now, next_s)
            at_one_instant[self.now] += 1
            assert at_one_instant[self.now] < 50, "it spins"
            self.do(self.core.on_time(self.now))
        self.now = end

    @rule(by_s=st.sampled_from([3.0, 5000.0]))
    def the_machine_sleeps(self, by_s: float) -> None:
        self.now += by_s
        self.do(self.core.on_time(self.now))

    @rule(qname=NAMES, qtype=st.sampled_from([None, *TYPES]), command=st.sampled_from(["hold", "release", "off", "on"]))
    def operate(self, qname: str, qtype: RRType | None, command: str) -> None:
        match command:
            case "hold":
                self.do(operators.hold(self.core, self.now, qname, qtype).actions)
            case "release":
                self.do(operators.release(self.core, self.now, qname, qtype).actions)
            case _:
                self.do(operators.switch(self.core, self.now, enabled=command == "on").actions)
        told = operators.explain(self.core, self.now, Question(qname, qtype or RRType.A))
        assert told["answer_now"]
        assert told["answer_why"]
        operators.status(self.core, self.now)
        operators.names(self.core, held=False)

    @rule(after_s=st.sampled_from([0.0, 5.0, 4000.0]))
    def restart(self, after_s: float) -> None:
        self.now += after_s
        self.start()

    @invariant()
    def bounds_hold(self) -> None:
        core = self.core
        assert len(core.memory) <= 5
        assert len(core.positive) <= 4
        assert len(core.negative) <= 4
        assert len(core.losses.questions()) <= 4
        assert len(core.asking) <= 4 + 6
        assert core.gathering.prober.in_flight <= PROBES_IN_FLIGHT_MAX

    @invariant()
    def the_disk_is_what_is_remembered(self) -> None:
        assert self.disk == {known.question: known for known in self.core.memory}

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        next_s = self.core.next_time()
        if self.waiting:
            assert next_s is not None
            assert next_s <= min(self.waiting.values()) + EXCHANGE_MAX_S + 1e-6


AnyEvents.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestAnyEvents = AnyEvents.TestCase
