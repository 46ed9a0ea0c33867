"""RFC 8767, serving stale data, by section."""

import itertools

import pytest

from guard_world import UPSTREAM, Refusing, World, a, codes, failure, shown
from standfast.dns.model import Ede, Rcode, RRType
from standfast.guard.policy import Mode

WWW = "www.example.org."
OURS = ("192.0.2.1",)


def expired(**settings: object) -> World:
    """Return a world in which the cached answer has expired an hour ago."""
    world = World(**settings)  # type: ignore[arg-type]
    world.serve(a(WWW, *OURS, ttl_s=300))
    world.look_up(WWW)
    world.run(3600)
    return world


def test_section_4_no_stale_answer_where_a_fresh_one_can_be_had() -> None:
    world = expired()
    world.serve(a(WWW, "192.0.2.9", ttl_s=300))
    reply = world.look_up(WWW)
    assert (shown(reply), codes(reply)) == (("192.0.2.9",), [])


@pytest.mark.parametrize("rcode", [Rcode.SERVFAIL, Rcode.REFUSED, Rcode.FORMERR])
def test_section_4_a_failing_upstream_has_the_stale_answer_served(rcode: Rcode) -> None:
    world = expired()
    world.say(WWW, RRType.A, failure(rcode))
    reply = world.look_up(WWW)
    assert (reply.rcode, shown(reply), codes(reply)) == (Rcode.NOERROR, OURS, [Ede.STALE_ANSWER])


def test_section_4_the_ttl_of_stale_answers_is_30_seconds() -> None:
    world = expired()
    world.down[UPSTREAM] = Refusing()
    assert [rrset.ttl_s for rrset in world.look_up(WWW).answer] == [30]


def test_section_5_client_response_timer() -> None:
    world = expired()
    world.down[UPSTREAM] = None
    client = world.query(WWW)
    world.run(5)
    assert shown(client.reply) == OURS
    assert client.waited_s == pytest.approx(1.8)


def test_section_5_query_resolution_timer() -> None:
    world = World()
    world.down[UPSTREAM] = None
    client = world.query(WWW)
    world.run(30)
    assert client.reply.rcode == Rcode.SERVFAIL
    assert client.waited_s < 5


def test_section_5_failure_recheck_timer() -> None:
    """No more than one attempt each 30 seconds, however many ask; each attempt is a few packets."""
    world = expired()
    world.down[UPSTREAM] = None
    for _ in range(100):
        world.look_up(WWW)
        world.run(1)
    attempts = [at_s for at_s, _ in world.asked(WWW)][1:]
    starts = [later for earlier, later in zip([0.0, *attempts], attempts, strict=False) if later - earlier > 5]
    assert all(later - earlier >= 27 for earlier, later in itertools.pairwise(starts))
    assert len(starts) <= 4


def test_section_5_maximum_stale_timer() -> None:
    world = World(policy={".": {"stale_max_s": 7200}})
    world.serve(a(WWW, *OURS, ttl_s=300))
    world.look_up(WWW)
    world.run(7100)
    world.down[UPSTREAM] = Refusing()
    assert shown(world.look_up(WWW)) == OURS
    world.run(101)
    assert world.look_up(WWW).rcode == Rcode.SERVFAIL


def test_section_5_what_is_older_than_the_maximum_is_not_begun_to_be_served() -> None:
    world = World(policy={".": {"stale_max_s": 7200}})
    world.serve(a(WWW, *OURS, ttl_s=300))
    world.look_up(WWW)
    world.run(7300)
    world.down[UPSTREAM] = Refusing()
    assert world.look_up(WWW).rcode == Rcode.SERVFAIL


def test_it_can_be_turned_off() -> None:
    for mode in (Mode.OFF, Mode.OBSERVE):
        world = expired(policy={".": {"mode": mode}})
        world.down[UPSTREAM] = Refusing()
        assert world.look_up(WWW).rcode == Rcode.SERVFAIL
