"""Cookies that we send: whom they reach, what is doubted without one, and that they never cost an answer."""

import pytest

from guard_world import OTHER_UPSTREAM, RTT_S, UPSTREAM, World, a, failure, positive, shown
from standfast.dns.exchange import Heard, Unreadable
from standfast.dns.model import Rcode, Reply, RRType
from standfast.dns.servers import Transport
from standfast.guard.upstreams import COOKIE_LIFE_S, DOWN_AFTER, HABIT_WORTH_S, RTO_FIRST_S

WWW = "www.example.org."
OURS, FORGED = ("192.0.2.1",), ("203.0.113.66",)
SERVER_PART = bytes(range(16))


def good(*addresses: str) -> Reply:
    return positive(a(WWW, *(addresses or OURS), ttl_s=1))


def giving() -> World:
    """Return a world whose upstream gives cookies."""
    world = World()
    world.cookies[UPSTREAM] = SERVER_PART
    world.say(WWW, RRType.A, good())
    return world


def proven() -> World:
    """Return a world whose upstream has given a cookie."""
    world = giving()
    world.look_up(WWW)
    world.run(2)
    world.asks.clear()
    return world


def sent(world: World) -> list[tuple[Transport, int]]:
    """Return how the server was asked, and with how many octets of cookie."""
    return [(ask.transport, len(ask.query.cookie)) for _, ask in world.asked(WWW)]


# What is sent


def test_every_server_gets_a_cookie_of_its_own() -> None:
    world = World(upstreams=(UPSTREAM, OTHER_UPSTREAM))
    world.say(WWW, RRType.A, failure(), by=UPSTREAM)
    world.look_up(WWW)
    (_, one), (_, two) = world.asked(WWW)
    assert (len(one.query.cookie), len(two.query.cookie)) == (8, 8)
    assert one.query.cookie != two.query.cookie


def test_our_part_stays_and_is_renewed_within_a_day() -> None:
    world = proven()
    world.look_up(WWW)
    world.run(COOKIE_LIFE_S)
    world.look_up(WWW)
    world.run(2)
    world.look_up(WWW)
    old, new, again = (ask.query.cookie for _, ask in world.asked(WWW))
    assert old[8:] == SERVER_PART
    assert len(new) == 8
    assert again == new + SERVER_PART
    assert new != old[:8]


def test_after_a_renewal_a_cookie_is_still_expected() -> None:
    world = proven()
    world.run(COOKIE_LIFE_S)
    world.say(WWW, RRType.A, lambda ask: good() if ask.transport is Transport.TCP else Heard(reply=good(*FORGED)))
    assert shown(world.look_up(WWW)) == OURS


def test_a_cookie_that_comes_after_its_renewal_is_not_kept() -> None:
    world = giving()
    world.delay_s[UPSTREAM] = 0.5
    client = world.query(WWW)
    state = world.core.upstreams.state(UPSTREAM)
    state.cookie_until_s = 0.0
    world.run(0.4)
    world.query("other.example.org.")  # sends the new part
    world.run(0.2)
    assert shown(client.reply) == OURS
    assert (len(state.cookie), state.gives_cookies) == (8, True)


# What is doubted


@pytest.mark.parametrize(
    "forged",
    [
        Heard(reply=good(*FORGED)),
        Heard(reply=failure(Rcode.FORMERR), edns=False),
        Heard(reply=failure(Rcode.REFUSED)),
        Unreadable(detail="the octets end within a record"),
    ],
    ids="answer no-edns refused unreadable".split(),
)
def test_without_its_cookie_a_server_is_not_believed_and_asked_by_tcp(forged: Heard | Unreadable) -> None:
    world = proven()
    world.say(WWW, RRType.A, lambda ask: good() if ask.transport is Transport.TCP else forged)
    assert shown(world.look_up(WWW)) == OURS
    assert sent(world) == [(Transport.UDP, 24), (Transport.TCP, 24)]
    state = world.core.upstreams.state(UPSTREAM)
    assert (state.gives_cookies, state.failures, state.no_edns_until_s) == (True, 0, 0.0)


def test_a_server_that_gives_none_by_tcp_either_has_none_any_more_and_is_spared_them_for_a_while() -> None:
    world = proven()
    world.cookies.clear()
    for _ in range(3):
        assert shown(world.look_up(WWW)) == OURS
        world.run(2)
    assert sent(world) == [(Transport.UDP, 24), (Transport.TCP, 24), (Transport.UDP, 0), (Transport.UDP, 0)]
    world.run(HABIT_WORTH_S)
    world.asks.clear()
    world.look_up(WWW)
    assert [transport for transport, octets in sent(world) if octets] == [Transport.UDP]


# What cookies must never cost


def test_a_server_that_knows_no_cookies_is_asked_once_for_each_question() -> None:
    world = World()
    world.say(WWW, RRType.A, good())
    for _ in range(3):
        assert shown(world.look_up(WWW)) == OURS
        world.run(2)
    assert sent(world) == [(Transport.UDP, 8)] * 3


def test_a_server_that_sends_back_what_it_does_not_understand_is_expected_nothing_of() -> None:
    world = World()
    world.say(WWW, RRType.A, lambda ask: Heard(reply=good(), cookie=ask.query.cookie[:8]))
    world.look_up(WWW)
    world.run(2)
    world.say(WWW, RRType.A, good())
    assert shown(world.look_up(WWW)) == OURS
    assert sent(world) == [(Transport.UDP, 8)] * 2


def test_a_server_that_answers_nothing_with_a_cookie_is_asked_without() -> None:
    world = World()
    world.say(WWW, RRType.A, lambda ask: None if ask.query.cookie else good())
    client = world.query(WWW)
    world.run(3)
    assert client.waited_s == pytest.approx(RTO_FIRST_S + RTT_S)
    world.asks.clear()
    client = world.query(WWW)
    world.run(1)
    assert client.waited_s == pytest.approx(RTT_S)
    assert sent(world) == [(Transport.UDP, 0)]


def test_formerr_to_a_cookie_is_asked_again_without_it() -> None:
    world = World()
    world.say(WWW, RRType.A, lambda ask: failure(Rcode.FORMERR) if ask.query.cookie else good())
    assert shown(world.look_up(WWW)) == OURS
    world.run(2)
    assert shown(world.look_up(WWW)) == OURS
    assert sent(world) == [(Transport.UDP, 8), (Transport.UDP, 0), (Transport.UDP, 0)]


def test_a_slow_server_gets_cookies_again_when_its_late_answer_has_one() -> None:
    world = giving()
    world.delay_s[UPSTREAM] = RTO_FIRST_S + 0.2
    client = world.query(WWW)
    world.run(3)
    assert shown(client.reply) == OURS
    assert world.core.upstreams.state(UPSTREAM).no_cookies_until_s == 0.0


def test_where_another_server_took_its_place_that_answers_nothing_with_a_cookie_tcp_tells() -> None:
    world = proven()
    world.cookies.clear()
    world.say(WWW, RRType.A, lambda ask: None if ask.query.cookie and ask.transport is Transport.UDP else good())
    for _ in range(DOWN_AFTER):
        world.query(WWW)
        world.run(10)
    world.asks.clear()
    assert shown(world.look_up(WWW)) == OURS
    world.run(2)
    assert shown(world.look_up(WWW)) == OURS
    assert sent(world)[-1] == (Transport.UDP, 0)


def test_after_an_outage_a_server_is_believed_again_by_its_cookie_at_the_cost_of_one_tcp() -> None:
    world = proven()
    world.down[UPSTREAM] = None
    for _ in range(DOWN_AFTER):
        world.query(WWW)
        world.run(10)
    del world.down[UPSTREAM]
    world.asks.clear()
    for _ in range(3):
        assert shown(world.look_up(WWW)) == OURS
        world.run(2)
    assert sent(world)[:3] == [(Transport.UDP, 0), (Transport.TCP, 24), (Transport.UDP, 24)]
