"""The scripted upstream, asked over real sockets by a stub resolver that shares no code with it."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from standfast.drills.live.scaled import ScaledClock
from standfast.drills.live.stub import TYPE_A, StubResolver
from standfast.drills.live.upstream import ScriptedUpstream
from standfast.sim.events import BreakResolver, EmptyRecord, Event, Fault, RestoreRecord
from standfast.sim.resolvers import RecursiveResolver, ResolverSpec
from standfast.sim.world import NameSpec, World, ZoneSpec

NAME = "db.example.org."
EPOCH_S = 1_760_942_160.0
FOUND = ("127.1.0.11", "127.1.0.12")
TIMEOUT_S = 20.0


class Machine:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Upstream:
    """The upstream under test, its world and its clock, a hundred times as fast as it tells."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.clock = ScaledClock(100.0, at_s=0.0, monotonic=self.machine)
        self.world = World(
            [ZoneSpec(name="example.org.", negative_ttl_s=900)],
            [NameSpec(name=NAME, zone="example.org.", addresses=FOUND, ttl_s=300)],
            start_s=EPOCH_S - 86_400,
        )
        self.resolver = RecursiveResolver(ResolverSpec(host="10.0.0.1", latency_s=0.001), self.world, seed="1")
        self.served: ScriptedUpstream

    def happen(self, at_s: float, event: Event) -> None:
        self.go_to(at_s)
        self.world.apply(event, EPOCH_S + at_s)

    def go_to(self, at_s: float) -> None:
        self.machine.now = at_s / 100.0

    async def look_up(self) -> tuple[str, ...] | int:
        """Return the addresses that a stub resolver gets, or its EAI_* number."""
        stub = StubResolver(server=self.served.endpoint, timeout_s=0.5, attempts=1)
        try:
            return await asyncio.to_thread(stub.addresses, NAME, (TYPE_A,))
        except socket.gaierror as error:
            return error.errno or 0

    async def ask(self, name: str, rdtype: str, *, tcp: bool = False) -> dns.message.Message:
        query = dns.message.make_query(name, rdtype)
        send = dns.query.tcp if tcp else dns.query.udp
        at = self.served.endpoint
        return await asyncio.to_thread(send, query, at.address, timeout=TIMEOUT_S, port=at.port)


def run(test: Callable[[Upstream], Coroutine[Any, Any, None]]) -> None:
    async def served() -> None:
        upstream = Upstream()
        started = await ScriptedUpstream.start(upstream.resolver, upstream.clock, epoch_s=EPOCH_S)
        async with started as upstream.served, asyncio.timeout(TIMEOUT_S):
            await test(upstream)

    asyncio.run(served())


def test_it_answers_what_is_published_by_udp_and_by_tcp_with_ttls_of_its_own_time() -> None:
    async def test(upstream: Upstream) -> None:
        for tcp in (False, True):
            reply = await upstream.ask(NAME, "A", tcp=tcp)
            (rrset,) = reply.answer
            assert sorted(str(rdata) for rdata in rrset) == sorted(FOUND)
            assert 1 <= rrset.ttl <= 3

    run(test)


def test_an_emptied_record_is_lost_when_caches_expire_and_its_denial_lingers_after_the_fix() -> None:
    async def test(upstream: Upstream) -> None:
        upstream.happen(1000.0, EmptyRecord(name=NAME))
        upstream.go_to(1301.0)  # the TTL of 300 s is over in every cache
        assert await upstream.look_up() == socket.EAI_NODATA
        denial = await upstream.ask(NAME, "A")
        (soa,) = denial.authority
        assert (denial.rcode(), soa.rdtype) == (dns.rcode.NOERROR, dns.rdatatype.SOA)
        assert soa[0].minimum == 9  # 900 s of the story
        upstream.happen(1302.0, RestoreRecord(name=NAME))
        assert await upstream.look_up() == socket.EAI_NODATA
        upstream.go_to(1302.0 + 900.0)
        assert await upstream.look_up() == FOUND

    run(test)


@pytest.mark.parametrize(
    ("fault", "got"),
    [
        (Fault.SERVFAIL, socket.EAI_AGAIN),
        (Fault.TIMEOUT, socket.EAI_AGAIN),
        (Fault.DENY, socket.EAI_NONAME),
        (Fault.FORGE, ("127.2.0.66",)),
    ],
)
def test_a_fault_is_heard_as_long_as_it_lasts(fault: Fault, got: tuple[str, ...] | int) -> None:
    async def test(upstream: Upstream) -> None:
        upstream.resolver.go_wrong(BreakResolver(host="10.0.0.1", fault=fault, addresses=("127.2.0.66",)))
        assert await upstream.look_up() == got
        upstream.resolver.mend()
        assert await upstream.look_up() == FOUND

    run(test)


def test_it_knows_the_zone_of_a_name() -> None:
    async def test(upstream: Upstream) -> None:
        soa = await upstream.ask(NAME, "SOA")
        assert str(soa.authority[0].name) == "example.org."
        assert (await upstream.ask("example.org.", "NS")).answer

    run(test)


def test_it_stops_with_answers_on_their_way() -> None:
    async def test(upstream: Upstream) -> None:
        asking = asyncio.create_task(upstream.look_up())
        while not upstream.served.queries:
            await asyncio.sleep(0)
        await upstream.served.stop()
        assert await asking == socket.EAI_AGAIN

    run(test)
