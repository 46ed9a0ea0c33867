"""The rivals do what the documents that they are modelled after say."""

from random import Random

import pytest

from standfast.dns.model import Question, RRType
from standfast.sim.events import BreakResolver, DropName, EmptyRecord, Event, Fault, RestoreRecord
from standfast.sim.plots import NAME, SERVERS, ZONE
from standfast.sim.resolvers import RecursiveResolver, ResolverSpec
from standfast.sim.rivals import RIVALS, Obey, PreferPositive, Rival, ServeStale
from standfast.sim.scoring import Kind, Seen
from standfast.sim.world import NameSpec, World, ZoneSpec

A = Question(NAME, RRType.A)
GOOD = Seen(Kind.ADDRESSES, SERVERS)
NEGATIVE = Seen(Kind.NEGATIVE)
FAILURE = Seen(Kind.FAILURE)
T0 = 1000.0
HOUR_S, DAY_S = 3600.0, 86_400.0
every_rival = pytest.mark.parametrize("kind", RIVALS, ids=lambda kind: kind.name)


class Scene:
    """One rival, two upstreams, one name with a TTL of 60 s in a zone whose negative TTL is 300 s."""

    def __init__(self, kind: type[Rival]) -> None:
        self.world = World(
            (ZoneSpec(name=ZONE, negative_ttl_s=300),),
            (NameSpec(name=NAME, zone=ZONE, addresses=SERVERS, ttl_s=60),),
            start_s=T0,
        )
        hosts = [ResolverSpec(host="10.0.0.1"), ResolverSpec(host="10.0.0.2")]
        self.upstreams = [RecursiveResolver(spec, self.world, seed="1") for spec in hosts]
        self.rival = kind(self.upstreams, Random(1))
        assert self.seen(T0 + 1) == GOOD

    def seen(self, at_s: float) -> Seen:
        return self.rival.look_up(A, at_s)[0]

    def waited_s(self, at_s: float) -> float:
        return self.rival.look_up(A, at_s)[1] - at_s

    def happen(self, event: Event, at_s: float = T0 + 2) -> None:
        self.world.apply(event, at_s)

    def fail(self, fault: Fault, *upstreams: int) -> None:
        for number in upstreams:
            host = self.upstreams[number].spec.host
            self.upstreams[number].go_wrong(BreakResolver(host=host, fault=fault))

    def mend(self) -> None:
        for upstream in self.upstreams:
            upstream.mend()


@every_rival
def test_an_answer_is_served_from_memory_while_its_ttl_lasts(kind: type[Rival]) -> None:
    scene = Scene(kind)
    scene.fail(Fault.TIMEOUT, 0, 1)
    assert scene.waited_s(T0 + 1.5) == 0
    assert scene.seen(T0 + 1.5) == GOOD


@every_rival
def test_a_failing_upstream_is_passed_over_for_the_next(kind: type[Rival]) -> None:
    for fault in (Fault.SERVFAIL, Fault.REFUSED, Fault.TIMEOUT, Fault.MALFORMED):
        scene = Scene(kind)
        scene.fail(fault, 0)
        assert scene.seen(T0 + 100) == GOOD


@every_rival
def test_a_cut_answer_is_asked_for_again_over_tcp(kind: type[Rival]) -> None:
    scene = Scene(kind)
    cutting = RecursiveResolver(ResolverSpec(host="10.0.0.1", truncates=True), scene.world, seed="1")
    assert kind([cutting], Random(1)).look_up(A, T0 + 5)[0] == GOOD


@every_rival
def test_a_name_never_seen_well_fails_when_all_upstreams_do(kind: type[Rival]) -> None:
    scene = Scene(kind)
    scene.fail(Fault.SERVFAIL, 0, 1)
    scene.rival.restart()
    assert scene.seen(T0 + 100) == FAILURE


@pytest.mark.parametrize("kind", [Obey, ServeStale])
def test_a_negative_answer_is_obeyed_until_it_expires_here_too(kind: type[Rival]) -> None:
    scene = Scene(kind)
    scene.happen(EmptyRecord(name=NAME))
    assert scene.seen(T0 + 100) == NEGATIVE
    scene.happen(RestoreRecord(name=NAME), T0 + 110)
    assert scene.seen(T0 + 120) == NEGATIVE
    assert scene.seen(T0 + 100 + 301) == GOOD


def test_obey_has_nothing_to_say_while_all_upstreams_fail() -> None:
    for fault in (Fault.SERVFAIL, Fault.TIMEOUT):
        scene = Scene(Obey)
        scene.fail(fault, 0, 1)
        assert scene.seen(T0 + 100) == FAILURE


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED, Fault.TIMEOUT, Fault.MALFORMED])
def test_serve_stale_bridges_failures_for_three_days(fault: Fault) -> None:
    scene = Scene(ServeStale)
    scene.fail(fault, 0, 1)
    assert scene.seen(T0 + 2 * DAY_S) == GOOD
    assert scene.seen(T0 + 4 * DAY_S) == FAILURE


def test_serve_stale_keeps_no_client_waiting_beyond_its_timer() -> None:
    scene = Scene(ServeStale)
    scene.fail(Fault.TIMEOUT, 0, 1)
    assert scene.waited_s(T0 + 100) == pytest.approx(1.8)


def test_serve_stale_does_not_ask_again_within_thirty_seconds_of_a_failure() -> None:
    scene = Scene(ServeStale)
    scene.fail(Fault.TIMEOUT, 0, 1)
    scene.seen(T0 + 100)
    assert scene.waited_s(T0 + 110) == 0
    assert scene.waited_s(T0 + 140) > 0


def test_serve_stale_forgets_its_answer_when_told_that_the_name_is_gone() -> None:
    scene = Scene(ServeStale)
    scene.happen(DropName(name=NAME))
    assert scene.seen(T0 + 100) == NEGATIVE
    scene.fail(Fault.SERVFAIL, 0, 1)
    assert scene.seen(T0 + 1000) == FAILURE


def test_prefer_positive_disobeys_negatives_for_an_hour_after_the_last_answer_expired() -> None:
    scene = Scene(PreferPositive)
    scene.happen(EmptyRecord(name=NAME))
    assert scene.seen(T0 + 1000) == GOOD
    assert scene.seen(T0 + HOUR_S) == GOOD
    assert scene.seen(T0 + HOUR_S + 70) == NEGATIVE


def test_prefer_positive_disobeys_failures_for_an_hour_as_well() -> None:
    scene = Scene(PreferPositive)
    scene.fail(Fault.SERVFAIL, 0, 1)
    assert scene.seen(T0 + HOUR_S) == GOOD
    assert scene.seen(T0 + HOUR_S + 70) == FAILURE


def test_prefer_positive_takes_a_fresh_answer_as_soon_as_there_is_one() -> None:
    scene = Scene(PreferPositive)
    scene.happen(EmptyRecord(name=NAME))
    assert scene.seen(T0 + HOUR_S + 100) == NEGATIVE
    scene.happen(RestoreRecord(name=NAME), T0 + HOUR_S + 110)
    assert scene.seen(T0 + HOUR_S + 500) == GOOD


@every_rival
def test_a_restart_forgets_everything(kind: type[Rival]) -> None:
    scene = Scene(kind)
    scene.happen(EmptyRecord(name=NAME))
    scene.rival.restart()
    assert scene.seen(T0 + 100) == NEGATIVE


@every_rival
def test_an_answer_that_comes_late_is_taken_all_the_same(kind: type[Rival]) -> None:
    scene = Scene(kind)
    scene.rival.restart()
    scene.fail(Fault.SLOW, 0, 1)
    assert scene.seen(T0 + 100) == GOOD
    assert scene.waited_s(T0 + 100) >= 2.0
