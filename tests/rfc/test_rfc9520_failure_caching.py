"""RFC 9520, negative caching of resolution failures, by section."""

import itertools

import pytest

from guard_world import OTHER_UPSTREAM, UPSTREAM, Refusing, World, a, codes, failure, shown
from standfast.dns.model import Ede, ExtendedError, Rcode, RRType

WWW = "www.example.org."


def attempts(world: World) -> int:
    return len(world.asked(WWW))


@pytest.mark.parametrize("rcode", [Rcode.SERVFAIL, Rcode.REFUSED, Rcode.FORMERR])
def test_section_3_2_a_failure_is_cached_for_at_least_a_second(rcode: Rcode) -> None:
    world = World()
    world.say(WWW, RRType.A, failure(rcode))
    world.look_up(WWW)
    sent = attempts(world)
    for _ in range(9):
        assert world.look_up(WWW).rcode == Rcode.SERVFAIL
        world.run(0.1)
    assert attempts(world) == sent


def test_section_3_2_silence_is_a_failure_too() -> None:
    world = World()
    world.down[UPSTREAM] = None
    world.look_up(WWW)
    sent = attempts(world)
    assert codes(world.query(WWW).reply) == [Ede.NO_REACHABLE_AUTHORITY]
    assert attempts(world) == sent


def test_section_3_2_failures_in_a_row_are_cached_for_longer_up_to_a_bound() -> None:
    world = World()
    world.down[UPSTREAM] = Refusing()
    start_s = world.now
    while world.now < start_s + 600:
        world.look_up(WWW)
        world.run(0.25)
    times = sorted({round(at_s - start_s) for at_s, _ in world.asked(WWW)})
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert all(29 <= pause_s <= 31 for pause_s in pauses[5:])


def test_section_3_2_a_success_ends_the_row() -> None:
    world = World()
    world.down[UPSTREAM] = Refusing()
    for _ in range(5):
        world.look_up(WWW)
        world.run(31)
    del world.down[UPSTREAM]
    world.serve(a(WWW, "192.0.2.1", ttl_s=0))
    assert shown(world.look_up(WWW)) == ("192.0.2.1",)
    world.down[UPSTREAM] = Refusing()
    world.look_up(WWW)
    world.run(1.1)
    sent = attempts(world)
    world.look_up(WWW)
    assert attempts(world) > sent


def test_section_3_3_the_failure_of_one_question_says_nothing_of_another() -> None:
    world = World()
    world.say(WWW, RRType.A, failure())
    world.serve(a("other.example.org.", "192.0.2.1"))
    assert world.look_up(WWW).rcode == Rcode.SERVFAIL
    assert shown(world.look_up("other.example.org.")) == ("192.0.2.1",)


def test_section_3_1_all_servers_are_tried_before_it_is_a_failure() -> None:
    world = World(upstreams=(UPSTREAM, OTHER_UPSTREAM))
    world.say(WWW, RRType.A, failure(), by=UPSTREAM)
    world.serve(a(WWW, "192.0.2.1"), by=OTHER_UPSTREAM)
    assert shown(world.look_up(WWW)) == ("192.0.2.1",)


def test_section_3_1_the_tries_of_one_resolution_are_few() -> None:
    world = World(upstreams=(UPSTREAM, OTHER_UPSTREAM))
    world.down |= {UPSTREAM: None, OTHER_UPSTREAM: None}
    world.look_up(WWW)
    assert attempts(world) <= 4


def test_section_3_4_a_validation_failure_is_cached_with_its_extended_error() -> None:
    world = World()
    error = ExtendedError(code=Ede.SIGNATURE_EXPIRED, text="since yesterday")
    world.say(WWW, RRType.A, failure(Rcode.SERVFAIL, error))
    assert world.look_up(WWW).errors == (error,)
    assert world.query(WWW).reply.errors == (error,)
    assert attempts(world) == 1
