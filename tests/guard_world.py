"""A small scripted world around a real `Resolver`: servers that say what a test tells them, probes that find what it
tells them, and time that passes only when told to.

    world = World()
    world.serve(a("www.example.org.", "192.0.2.1"))
    world.look_up("www.example.org.")
    world.lose("www.example.org.")
    assert shown(world.look_up("www.example.org.")) == ("192.0.2.1",)

Deterministic: the same script gives the same trace.
"""

import random
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from standfast.dns.exchange import Heard, Heeded
from standfast.dns.model import ExtendedError, Query, Question, Rcode, Reply, RRset, RRType, addresses_of
from standfast.dns.name import parent
from standfast.dns.rdata import rrset_from_text
from standfast.dns.servers import Server, Transport
from standfast.evidence.model import Identity, ProbeResult
from standfast.guard.events import Abandon, Action, Alarm, Ask, Forget, Probe, Record, Remember, Respond, Switch
from standfast.guard.known import KnownGood
from standfast.guard.policy import PolicyTable
from standfast.guard.resolver import Resolver, Settings

START_S = 1_790_000_000.0
UPSTREAM, OTHER_UPSTREAM, SECOND_OPINION = (Server("127.0.0.1", port) for port in (5301, 5302, 5303))
RTT_S = 0.01
STEPS_MAX = 2000  # at one instant; more is a guard that spins

Said = Heeded | Reply | None  # None is silence


@dataclass(frozen=True, slots=True)
class Refusing:
    """A server that cannot be asked: the shell hears of it at once."""

    detail: str = "connection refused"


@dataclass(slots=True)
class Client:
    """One query of a client, and what came back for it."""

    query: Query
    asked_at_s: float
    replies: list[tuple[float, Reply]] = field(default_factory=list)

    @property
    def reply(self) -> Reply:
        """The one reply."""
        assert len(self.replies) == 1, f"{len(self.replies)} replies to {self.query.question}"
        return self.replies[0][1]

    @property
    def waited_s(self) -> float:
        """How long the reply took."""
        assert len(self.replies) == 1
        return self.replies[0][0] - self.asked_at_s


class World:
    """A guard, its servers, and everything that is on its way."""

    def __init__(
        self,
        *,
        upstreams: tuple[Server, ...] = (UPSTREAM,),
        second_opinions: tuple[Server, ...] = (),
        policy: Mapping[str, Mapping[str, Any]] | None = None,
        now: float = START_S,
        known: Iterable[KnownGood] = (),
        enabled: bool = True,
        seed: int = 1,
        **settings: Any,
    ) -> None:
        self.now = now
        self.settings = Settings(upstreams=upstreams, second_opinions=second_opinions, **settings)
        self.policies = PolicyTable((policy or {}).items())
        self.seed = seed
        self.said: dict[tuple[Server | None, Question], Said | Callable[[Ask], Said]] = {}
        self.down: dict[Server, Refusing | None] = {}
        self.delay_s: dict[Server, float] = {}
        self.cookies: dict[Server, bytes] = {}  # of servers that give some (RFC 7873), their part, beside every `Reply`
        self.identity: dict[str, Identity | None] = {}  # None: the probe is never reported
        self.disk: dict[Question, KnownGood] = {each.question: each for each in known}
        self.asks: list[tuple[float, Ask]] = []
        self.probes: list[tuple[float, Probe]] = []
        self.records: list[Record] = []
        self.alarms: list[Alarm] = []
        self._heap: list[tuple[float, int, Callable[[], Iterable[Action]]]] = []
        self._order = count()
        self._under_way: set[int] = set()
        self.core = self._start(enabled=enabled)

    # What the servers and the network are like ---------------------------------------------------------------

    def serve(self, *rrsets: RRset, by: Server | None = None, **reply: Any) -> None:
        """Have a server (or all) answer the question of the first RRset, and of its owner's last type, with them."""
        self.say(rrsets[0].owner, RRType(rrsets[-1].rtype), positive(*rrsets, **reply), by=by)

    def lose(self, qname: str, qtype: RRType = RRType.A, *, by: Server | None = None, zone: str | None = None) -> None:
        """Have a server (or all) say NODATA."""
        self.say(qname, qtype, nodata(zone or parent(qname)), by=by)

    def say(self, qname: str, qtype: RRType, said: Said | Callable[[Ask], Said], *, by: Server | None = None) -> None:
        """Script what a server (or all) says to one question."""
        self.said[by, Question(qname, qtype)] = said

    # What happens -------------------------------------------------------------------------------------------

    def query(self, qname: str, qtype: RRType = RRType.A, **flags: Any) -> Client:
        """Let a client ask, and do not wait."""
        query = Query(id=1, question=Question(qname, qtype), cased_qname=qname, edns=True, **flags)
        client = Client(query, self.now)
        self.carry_out(self.core.on_query(self.now, _ById(client), query))
        return client

    def look_up(self, qname: str, qtype: RRType = RRType.A, *, within_s: float = 5.0, **flags: Any) -> Reply:
        """Let a client ask, and time pass until it is answered."""
        client = self.query(qname, qtype, **flags)
        self.run(within_s, until=lambda: bool(client.replies))
        return client.reply

    def run(self, for_s: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, at most `for_s` seconds."""
        end, steps, instant = self.now + for_s, 0, self.now
        while not until():
            timer_s = self.core.next_time()
            due = [at_s for at_s in (timer_s, self._heap[0][0] if self._heap else None) if at_s is not None]
            at_s = max(min(due, default=end + 1), self.now)
            if at_s > end:
                self.now = end
                return
            steps, instant = (steps + 1 if at_s == instant else 0), at_s
            assert steps < STEPS_MAX, f"the guard spins at {instant}"
            self.now = at_s
            if self._heap and self._heap[0][0] <= at_s:
                self.carry_out(heappop(self._heap)[2]())
            else:
                self.carry_out(self.core.on_time(at_s))

    def restart(self, *, after_s: float = 0.0) -> None:
        """Kill the guard, and start it again from its disk."""
        self._heap.clear()
        self._under_way.clear()
        self.now += after_s
        self.core = self._start(enabled=self.core.enabled)

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Do what the guard asks for."""
        for action in actions:
            match action:
                case Respond(client=_ById(client=client), reply=reply):
                    client.replies.append((self.now, reply))
                case Ask():
                    self._ask(action)
                case Abandon(ask=ask):
                    self._under_way.discard(ask)
                case Probe():
                    self._probe(action)
                case Record():
                    self.records.append(action)
                case Alarm():
                    self.alarms.append(action)
                case Remember(known=known):
                    self.disk[known.question] = known
                case Forget(question=question):
                    self.disk.pop(question, None)
                case Switch():
                    pass
                case Respond():
                    raise AssertionError(f"a response for {action.client!r}, who never asked")

    def rules(self, qname: str) -> list[str]:
        """Return the rules by which verdicts on `qname` were recorded, in order."""
        return [str(r.body["rule"]) for r in self.records if r.kind == "verdict" and r.body["qname"] == qname]

    def asked(self, qname: str, qtype: int = RRType.A) -> list[tuple[float, Ask]]:
        """Return when and how servers were asked one question."""
        return [(at_s, ask) for at_s, ask in self.asks if ask.query.question == Question(qname, qtype)]

    def _start(self, *, enabled: bool) -> Resolver:
        rng = random.Random(self.seed)
        return Resolver(
            self.settings, self.policies, rng, now=self.now, known=list(self.disk.values()), enabled=enabled
        )

    def _ask(self, ask: Ask) -> None:
        self.asks.append((self.now, ask))
        if ask.server in self.down:
            if refusing := self.down[ask.server]:
                detail = refusing.detail
                self._later(0.0, lambda: self.core.on_ask_failed(self.now, ask.ask, detail))
            return
        self._under_way.add(ask.ask)
        heard = self._answer(ask)
        if heard is not None:
            self._later(self.delay_s.get(ask.server, RTT_S), lambda: self._heard(ask.ask, heard))

    def _heard(self, ask: int, heard: Heeded) -> Iterable[Action]:
        return self.core.on_heard(self.now, ask, heard) if ask in self._under_way else []

    def _answer(self, ask: Ask) -> Heeded | None:
        question = ask.query.question
        said = self.said.get((ask.server, question), self.said.get((None, question), self._denied(question)))
        said = said(ask) if callable(said) else said
        if not isinstance(said, Reply):
            return said
        part = self.cookies.get(ask.server, b"") if ask.query.cookie else b""
        return Heard(reply=said, cookie=ask.query.cookie[:8] + part if part else b"")

    def _denied(self, question: Question) -> Reply:
        exists = any(asked.qname == question.qname for _, asked in self.said)
        return (nodata if exists else nxdomain)(parent(question.qname))

    def _probe(self, probe: Probe) -> None:
        self.probes.append((self.now, probe))
        identity = self.identity.get(probe.address, Identity.PROVEN)
        if identity is None:
            return
        delay_s = probe.timeout_s if identity is Identity.ABSENT else RTT_S

        def land() -> list[Action]:
            reachable = identity is not Identity.ABSENT
            result = ProbeResult(address=probe.address, identity=identity, at_s=self.now, reachable=reachable)
            return self.core.on_probed(self.now, probe.probe, result)

        self._later(delay_s, land)

    def _later(self, delay_s: float, event: Callable[[], Iterable[Action]]) -> None:
        heappush(self._heap, (self.now + delay_s, next(self._order), event))


# What servers say -----------------------------------------------------------------------------------------------


def a(owner: str, *addresses: str, ttl_s: int = 60) -> RRset:
    """Return an A or AAAA RRset."""
    rtype = RRType.AAAA if ":" in addresses[0] else RRType.A
    return rrset_from_text(owner, rtype, ttl_s, addresses)


def cname(owner: str, target: str, ttl_s: int = 60) -> RRset:
    """Return a CNAME RRset."""
    return rrset_from_text(owner, RRType.CNAME, ttl_s, (target,))


def soa(zone: str, *, ttl_s: int = 900, minimum_s: int = 900) -> RRset:
    """Return an SOA RRset."""
    return RRset(
        owner=zone, rtype=RRType.SOA, ttl_s=ttl_s, rdatas=(b"\0\0" + struct.pack("!5I", 1, 2, 3, 4, minimum_s),)
    )


def positive(*rrsets: RRset, ad: bool = False) -> Reply:
    """Return a positive answer."""
    return Reply(rcode=Rcode.NOERROR, answer=rrsets, ad=ad)


def nodata(zone: str, **soa_times: int) -> Reply:
    """Return NODATA with the SOA of `zone`."""
    return Reply(rcode=Rcode.NOERROR, authority=(soa(zone, **soa_times),))


def nxdomain(zone: str, **soa_times: int) -> Reply:
    """Return NXDOMAIN with the SOA of `zone`."""
    return Reply(rcode=Rcode.NXDOMAIN, authority=(soa(zone, **soa_times),))


def failure(rcode: Rcode = Rcode.SERVFAIL, *errors: ExtendedError) -> Reply:
    """Return a failure."""
    return Reply(rcode=rcode, errors=errors)


def over_tcp(said: Said, *, udp: Said) -> Callable[[Ask], Said]:
    """Say `said` over TCP and `udp` over UDP."""
    return lambda ask: said if ask.transport is Transport.TCP else udp


# What clients see -----------------------------------------------------------------------------------------------


def shown(reply: Reply) -> tuple[str, ...]:
    """Return the addresses of a positive answer; none where it is anything else."""
    return addresses_of(reply.answer) if reply.rcode == Rcode.NOERROR else ()


def codes(reply: Reply) -> list[int]:
    """Return the extended error codes of a reply."""
    return [error.code for error in reply.errors]


@dataclass(frozen=True, slots=True)
class _ById:
    """A client as the guard may hold it: hashable, each one its own."""

    client: Client

    def __hash__(self) -> int:
        return id(self.client)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.client is self.client
