"""The real guard in virtual time: the shell around `guard.resolver.Resolver` that `io` is in real life.

Carries its actions out against the world, brings back what comes of them, and shows every action to the checkers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Protocol, assert_never

from standfast.dns.codec import decode_incoming, decode_query, encode_outbound, encode_response
from standfast.dns.exchange import Heard, Heeded, Outbound
from standfast.dns.model import Query, Question, Rcode, Reply
from standfast.dns.servers import Server, Transport
from standfast.evidence.model import ProbeResult
from standfast.guard.events import Abandon, Action, Alarm, Ask, Forget, Probe, Record, Remember, Respond, Switch
from standfast.guard.known import KnownGood
from standfast.guard.policy import PolicyTable
from standfast.guard.resolver import Resolver, Settings
from standfast.ports import Random
from standfast.sim.resolvers import RecursiveResolver
from standfast.sim.said import addresses_in
from standfast.sim.scoring import Kind, Seen
from standfast.sim.store import Store
from standfast.sim.world import World

PROBE_S = (0.01, 0.08)  # a TLS handshake over a few networks, or a connection refused
SILENT_SHARE = 0.5  # of dead hosts that say nothing at all, so that the probe times out
STEPS_MAX = 1_000  # at one instant; more is a guard that spins


class GuardFactory(Protocol):
    """Makes a guard: `Resolver` itself, or a sabotaged one."""

    def __call__(
        self,
        settings: Settings,
        policies: PolicyTable,
        rng: Random,
        *,
        now: float,
        known: Iterable[KnownGood],
        enabled: bool,
    ) -> Resolver:
        """Make one."""
        ...


class Cause(StrEnum):
    """What made the guard act."""

    QUERY = "query"
    HEARD = "heard"
    PROBED = "probed"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One waiting client: what it asked, when, and what it is told by."""

    id: int
    question: Question
    asked_at_s: float
    answered: Callable[[Seen, Reply, float], None]


class Witness:
    """Sees everything that the guard does; this one takes no notice. The checkers and the trace are such."""

    def acted(self, now: float, action: Action, cause: Cause) -> None:
        """See one action, before it is carried out."""

    def answered(self, now: float, client: Client, query: Query, reply: Reply) -> None:
        """See what a client gets."""

    def arrived(self, now: float, ask: int) -> None:
        """See that a response came back for `ask`."""

    def probed(self, now: float, probe: int, result: ProbeResult) -> None:
        """See that a probe came back."""

    def restarted(self, now: float) -> None:
        """See that the guard was killed; nothing of what was under way comes back."""

    def crashed(self, now: float, error: Exception) -> None:
        """See that an exception left the guard; it is then restarted."""

    def spun(self, now: float) -> None:
        """See that the guard wants to be called for ever at one instant."""


class SimulatedGuard:
    """The guard and everything that is on its way to it."""

    def __init__(
        self,
        world: World,
        resolvers: Sequence[RecursiveResolver],
        settings: Settings,
        policies: PolicyTable,
        rng: Random,
        *,
        known: Iterable[KnownGood],
        witnesses: Sequence[Witness],
        make: GuardFactory = Resolver,
        on_the_wire: bool = False,
    ) -> None:
        self._world = world
        self._resolvers = {Server(each.spec.host): each for each in resolvers}
        self._settings = settings
        self._policies = policies
        self._rng = rng
        self._witnesses = witnesses
        self._make = make
        self._on_the_wire = on_the_wire
        self.store = Store()
        for each in known:
            self.store.write(Remember.of(each), float("-inf"))
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._asks: set[int] = set()  # under way, or lost
        self._clients: dict[int, Client] = {}
        self.core = self._started(world.start_s)

    def look_up(self, client: Client, now: float, *, dnssec: bool = False) -> None:
        """Let a client ask."""
        self._clients[client.id] = client
        query = self._query(client.question, do=dnssec)
        self._call(now, lambda: self.core.on_query(now, client.id, query), Cause.QUERY)

    def restart(self, now: float) -> None:
        """Kill the guard and start it again from what is on the disk; clients that waited ask again."""
        self.store.crash(now)
        self._heap.clear()
        self._asks.clear()
        for witness in self._witnesses:
            witness.restarted(now)
        self.core = self._started(now)
        waiting, self._clients = self._clients, {}
        for client in waiting.values():
            self.look_up(client, now)

    def run_until(self, to_s: float) -> None:
        """Let everything happen that is due up to `to_s`."""
        steps, instant = 0, float("-inf")
        while True:
            timer_s = self.core.next_time()
            event_s = self._heap[0][0] if self._heap else None
            due_s = min((at_s for at_s in (timer_s, event_s) if at_s is not None), default=to_s + 1)
            if due_s > to_s:
                return
            steps = steps + 1 if due_s <= instant else 0
            instant = max(instant, due_s)
            if steps > STEPS_MAX:
                for witness in self._witnesses:
                    witness.spun(instant)
                return
            if event_s is not None and event_s <= due_s:
                at_s, _, event = heappop(self._heap)
                event(at_s)
            else:
                self._call(instant, partial(self.core.on_time, instant), Cause.TIME)

    @property
    def waiting(self) -> Iterable[Client]:
        """Clients that have no answer yet."""
        return self._clients.values()

    def _started(self, now: float) -> Resolver:
        return self._make(
            self._settings,
            self._policies,
            self._rng,
            now=now,
            known=list(self.store.known(now)),
            enabled=self.store.enabled,
        )

    def _call(self, now: float, event: Callable[[], Iterable[Action]], cause: Cause) -> None:
        """Tell the guard of an event and do what it says; an exception is seen, and ends it as a crash would."""
        try:
            actions = list(event())
        except Exception as error:
            for witness in self._witnesses:
                witness.crashed(now, error)
            self.restart(now)
            return
        self._carry_out(now, actions, cause)

    def _carry_out(self, now: float, actions: list[Action], cause: Cause) -> None:
        for action in actions:
            for witness in self._witnesses:
                witness.acted(now, action, cause)
            match action:
                case Respond(client=int(client), query=query, reply=reply):
                    self._respond(now, client, query, reply)
                case Ask():
                    self._ask(now, action)
                case Abandon(ask=ask):
                    self._asks.discard(ask)
                case Probe():
                    self._probe(now, action)
                case Remember() | Forget() | Switch():
                    self.store.write(action, now)
                case Record() | Alarm():
                    pass
                case Respond():
                    raise AssertionError(f"a response for {action.client!r}, who never asked")
                case _:
                    assert_never(action)

    def _respond(self, now: float, client_id: int, query: Query, reply: Reply) -> None:
        client = self._clients.pop(client_id)
        if self._on_the_wire:
            outbound = Outbound(
                id=query.id, question=query.question, cased_qname=query.cased_qname, do=query.do, cd=query.cd
            )
            wire = encode_response(query, reply, tcp=True)
            heard = decode_incoming(wire, outbound)
            assert isinstance(heard, Heard), f"our own response is {heard}"
            reply = heard.reply
        for witness in self._witnesses:
            witness.answered(now, client, query, reply)
        client.answered(as_seen(reply), reply, now)

    def _ask(self, now: float, ask: Ask) -> None:
        self._asks.add(ask.ask)
        resolver = self._resolvers[ask.server]
        query = ask.query
        tcp = ask.transport is Transport.TCP
        arrival = resolver.ask(query.question, now, self._rng, cd=query.cd, tcp=tcp)
        if arrival.heard is None:
            return
        heard = self._over_the_wire(arrival.heard, query) if self._on_the_wire else arrival.heard
        number = ask.ask

        def come(at_s: float) -> None:
            if number not in self._asks:
                return
            self._asks.discard(number)
            for witness in self._witnesses:
                witness.arrived(at_s, number)
            self._call(at_s, lambda: self.core.on_heard(at_s, number, heard), Cause.HEARD)

        self._later(now + arrival.delay_s, come)

    def _probe(self, now: float, probe: Probe) -> None:
        delay_s = self._rng.uniform(*PROBE_S)
        host = self._world.hosts.get(probe.address)
        if (host is None or not host.up) and self._rng.random() < SILENT_SHARE:
            delay_s = probe.timeout_s

        def come(at_s: float) -> None:
            result = self._world.look_at(probe.address, probe.qname, probe.spec, at_s)
            for witness in self._witnesses:
                witness.probed(at_s, probe.probe, result)
            self._call(at_s, lambda: self.core.on_probed(at_s, probe.probe, result), Cause.PROBED)

        self._later(now + delay_s, come)

    def _later(self, at_s: float, event: Callable[[float], None]) -> None:
        heappush(self._heap, (at_s, next(self._order), event))

    def _query(self, question: Question, *, do: bool) -> Query:
        if not self._on_the_wire:
            return Query(id=1, question=question, cased_qname=question.qname, edns=True, do=do, payload_max=1232)
        id_ = self._rng.getrandbits(16)
        wire = encode_outbound(Outbound(id=id_, question=question, cased_qname=question.qname, do=do))
        query = decode_query(wire)
        assert isinstance(query, Query), f"our own query is {query}"
        return query

    def _over_the_wire(self, heard: Heeded, outbound: Outbound) -> Heeded:
        """Take a response through the wire format both ways, as the server would send it and the guard read it."""
        if not isinstance(heard, Heard):
            return heard
        query = decode_query(encode_outbound(outbound))
        assert isinstance(query, Query), f"our own query is {query}"
        read = decode_incoming(encode_response(query, heard.reply, tcp=True), outbound)
        assert isinstance(read, Heard), f"a resolver's response is {read}"
        return Heard(reply=read.reply, truncated=heard.truncated, edns=read.edns)


def as_seen(reply: Reply) -> Seen:
    """Return what a client makes of `reply`."""
    addresses = addresses_in(reply)
    if reply.rcode == Rcode.NOERROR and addresses:
        return Seen(Kind.ADDRESSES, addresses)
    return Seen(Kind.NEGATIVE if reply.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN) else Kind.FAILURE)
