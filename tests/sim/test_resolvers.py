"""The recursive resolvers of the simulator: warm caches, faults, and nobody who influences anybody."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.exchange import Heard, Unreadable
from standfast.dns.model import Question, Rcode, Reply, RRType, addresses_of
from standfast.sim.events import (
    BreakResolver,
    DropDelegation,
    EmptyRecord,
    Fault,
    RestoreDelegation,
    RestoreRecord,
)
from standfast.sim.plots import NAME, SERVERS, ZONE
from standfast.sim.resolvers import SLOW_MIN_S, RecursiveResolver, ResolverSpec
from standfast.sim.world import NameSpec, World, ZoneSpec

A = Question(NAME, RRType.A)
TTL_S, NEGATIVE_TTL_S = 30, 900
SPEC = ResolverSpec(host="10.0.0.1")


def make_world() -> World:
    return World(
        (ZoneSpec(name=ZONE, negative_ttl_s=NEGATIVE_TTL_S),),
        (NameSpec(name=NAME, zone=ZONE, addresses=SERVERS, ttl_s=TTL_S),),
        start_s=1000.0,
    )


def make_resolver(world: World, spec: ResolverSpec = SPEC) -> RecursiveResolver:
    return RecursiveResolver(spec, world, seed="1")


def test_the_ttl_runs_down_and_the_entry_is_fetched_again_when_it_ends() -> None:
    resolver = make_resolver(make_world())
    ttls = [resolver.say(A, 1000.0 + second).answer[0].ttl_s for second in range(2 * TTL_S)]
    steps = {before - now for before, now in pairwise(ttls)}
    assert steps <= {1, 1 - TTL_S, 0}
    assert max(ttls) == TTL_S
    assert ttls[:TTL_S] == ttls[TTL_S:]


def test_a_negative_answer_lingers_up_to_its_ttl_after_the_record_is_back() -> None:
    world = make_world()
    resolver = make_resolver(world)
    world.apply(EmptyRecord(name=NAME), 2000.0)
    first = next(at_s for at_s in range(2000, 2100) if not resolver.say(A, float(at_s)).answer)
    assert first - 2000 <= TTL_S
    world.apply(RestoreRecord(name=NAME), 2200.0)
    back = next(at_s for at_s in range(2200, 4000) if resolver.say(A, float(at_s)).answer)
    assert back - first == pytest.approx(NEGATIVE_TTL_S, abs=1)


def test_a_flushed_resolver_learns_what_is_published_just_then() -> None:
    world = make_world()
    resolver = make_resolver(world)
    world.apply(EmptyRecord(name=NAME), 2000.0)
    assert not resolver.say(A, 2100.0).answer
    world.apply(RestoreRecord(name=NAME), 2200.0)
    resolver.flush(2210.0)
    assert addresses_of(resolver.say(A, 2210.0).answer) == SERVERS


def test_what_is_said_of_a_zone_is_never_older_than_what_is_said_of_its_names() -> None:
    world = make_world()
    resolver = make_resolver(world)
    assert resolver.say(Question(ZONE, RRType.NS), 1500.0).answer
    world.apply(DropDelegation(zone=ZONE), 1600.0)
    assert resolver.say(Question(ZONE, RRType.NS), 1600.0).rcode == Rcode.NXDOMAIN
    world.apply(RestoreDelegation(zone=ZONE), 1700.0)
    assert resolver.say(Question(ZONE, RRType.NS), 1700.0).answer


@given(
    changes=st.lists(st.floats(1001, 5000), max_size=6, unique=True).map(sorted),
    others=st.lists(st.floats(1000, 6000), max_size=20).map(sorted),
    at_s=st.floats(1000, 6000),
)
def test_an_answer_depends_on_the_time_alone_whoever_asked_before(
    changes: list[float], others: list[float], at_s: float
) -> None:
    world = make_world()
    for number, change_s in enumerate(changes):
        world.apply(EmptyRecord(name=NAME) if number % 2 == 0 else RestoreRecord(name=NAME), change_s)
    busy, idle = make_resolver(world), make_resolver(world)
    for other_s in others:
        if other_s <= at_s:
            busy.say(A, other_s)
    assert busy.say(A, at_s) == idle.say(A, at_s)


def heard_under(fault: Fault, *, addresses: tuple[str, ...] = (), tcp: bool = False) -> tuple[float, object]:
    resolver = make_resolver(make_world())
    resolver.go_wrong(BreakResolver(host=SPEC.host, fault=fault, addresses=addresses))
    arrival = resolver.ask(A, 1500.0, Random(1), tcp=tcp)
    return arrival.delay_s, arrival.heard


@pytest.mark.parametrize(
    ("fault", "rcode"),
    [
        (Fault.SERVFAIL, Rcode.SERVFAIL),
        (Fault.REFUSED, Rcode.REFUSED),
        (Fault.DENY, Rcode.NXDOMAIN),
        (Fault.EMPTY, Rcode.NOERROR),
    ],
)
def test_a_resolver_that_is_wrong_says_so_without_an_address(fault: Fault, rcode: int) -> None:
    _, heard = heard_under(fault)
    assert isinstance(heard, Heard)
    assert (heard.reply.rcode, heard.reply.answer) == (rcode, ())


def test_a_resolver_that_times_out_says_nothing_and_a_slow_one_says_it_late() -> None:
    assert heard_under(Fault.TIMEOUT)[1] is None
    delay_s, heard = heard_under(Fault.SLOW)
    assert delay_s >= SLOW_MIN_S
    assert isinstance(heard, Heard)
    assert addresses_of(heard.reply.answer) == SERVERS


def test_a_resolver_that_forges_says_what_it_was_told_to() -> None:
    _, heard = heard_under(Fault.FORGE, addresses=("203.0.113.66",))
    assert isinstance(heard, Heard)
    assert addresses_of(heard.reply.answer) == ("203.0.113.66",)


def test_octets_that_are_no_message_are_unreadable() -> None:
    assert isinstance(heard_under(Fault.MALFORMED)[1], Unreadable)


def test_a_wrong_resolver_is_right_about_everything_that_is_not_the_worlds() -> None:
    resolver = make_resolver(make_world())
    resolver.go_wrong(BreakResolver(host=SPEC.host, fault=Fault.EMPTY))
    heard = resolver.ask(Question(ZONE, RRType.SOA), 1500.0, Random(1)).heard
    assert isinstance(heard, Heard)
    assert heard.reply.answer


def test_a_mended_resolver_is_right_again() -> None:
    resolver = make_resolver(make_world())
    resolver.go_wrong(BreakResolver(host=SPEC.host, fault=Fault.SERVFAIL))
    resolver.mend()
    heard = resolver.ask(A, 1500.0, Random(1)).heard
    assert heard == Heard(reply=resolver.say(A, 1500.0))


def test_a_resolver_that_cuts_its_answers_gives_them_whole_over_tcp() -> None:
    resolver = make_resolver(make_world(), ResolverSpec(host="10.0.0.1", truncates=True))
    assert resolver.ask(A, 1500.0, Random(1)).heard == Heard(reply=Reply(rcode=Rcode.NOERROR), truncated=True)
    whole = resolver.ask(A, 1500.0, Random(1), tcp=True).heard
    assert isinstance(whole, Heard)
    assert not whole.truncated


def test_lost_packets_are_lost_over_udp_only() -> None:
    resolver = make_resolver(make_world(), ResolverSpec(host="10.0.0.1", loss=0.999999))
    assert resolver.ask(A, 1500.0, Random(1)).heard is None
    assert resolver.ask(A, 1500.0, Random(1), tcp=True).heard is not None
