"""Floods of random names through the whole guard: nothing useful is pushed out, and nothing grows with them."""

import random
from collections.abc import Iterator

import pytest

from guard_world import UPSTREAM, World, a, nxdomain, shown
from standfast.dns.model import Rcode, RRType
from standfast.guard import resolver

FLOOD = 20_000
KNOWN = {f"www{number}.example.org.": f"192.0.2.{number}" for number in range(50)}
CACHE_MAX, NEGATIVE_MAX, KNOWN_MAX = 500, 1000, 500


def world_of_known_names() -> World:
    world = World(cache_max=CACHE_MAX, negative_cache_max=NEGATIVE_MAX, known_max=KNOWN_MAX)
    for name, address in KNOWN.items():
        world.serve(a(name, address, ttl_s=300))
    for _ in range(2):  # used, so seen more than once
        for name in KNOWN:
            world.look_up(name)
        world.run(301)
    for name in KNOWN:
        world.look_up(name)
    return world


def random_names(count: int) -> Iterator[str]:
    rng = random.Random(1)
    return (f"{rng.getrandbits(64):x}.example.org." for _ in range(count))


def answers(world: World) -> dict[str, tuple[str, ...]]:
    return {name: shown(world.look_up(name)) for name in KNOWN}


def expected() -> dict[str, tuple[str, ...]]:
    return {name: (address,) for name, address in KNOWN.items()}


def sizes(world: World) -> tuple[int, ...]:
    core = world.core
    return (len(core.positive), len(core.negative), len(core.memory), len(core._resolutions), len(world._under_way))


def test_names_that_do_not_exist_push_no_known_name_out_of_cache_or_memory() -> None:
    world = world_of_known_names()
    for name in random_names(FLOOD):
        assert world.look_up(name).rcode == Rcode.NXDOMAIN
        world.now -= 0.01  # the flood takes no time, so that what is cached stays fresh
    asked = len(world.asks)
    assert answers(world) == expected()
    assert len(world.asks) == asked, "known names came from the cache"
    assert sizes(world) == (len(KNOWN), NEGATIVE_MAX, len(KNOWN), 0, 0)
    world.down[UPSTREAM] = None
    world.run(301)
    assert answers(world) == expected(), "known names came from memory"


def test_names_of_a_wildcard_push_no_name_out_of_memory_that_was_confirmed_more_often() -> None:
    world = world_of_known_names()
    for name in random_names(FLOOD // 10):
        world.serve(a(name, "192.0.2.200", ttl_s=300))
        assert shown(world.look_up(name)) == ("192.0.2.200",)
    assert (len(world.core.positive), len(world.core.memory)) == (CACHE_MAX, KNOWN_MAX)
    world.down[UPSTREAM] = None
    world.run(301)
    assert answers(world) == expected()


@pytest.mark.parametrize("dead", [False, True], ids=["silent-for-the-flood", "dead"])
def test_while_the_upstream_is_silent_what_is_under_way_is_bounded_and_known_names_are_answered(dead: bool) -> None:
    world = world_of_known_names()
    if dead:
        world.down[UPSTREAM] = None
    world.run(301)  # nothing is fresh any more
    flood = []
    for name in random_names(FLOOD):
        world.say(name, RRType.A, None)
        flood.append(world.query(name))
    assert len(world.core._resolutions) == resolver.RESOLUTIONS_MAX
    assert len(world._under_way) <= resolver.RESOLUTIONS_MAX
    refused = [client for client in flood if client.replies]
    assert len(refused) == FLOOD - resolver.RESOLUTIONS_MAX, "the rest is told at once"
    assert {client.reply.rcode for client in refused} == {Rcode.SERVFAIL}
    assert answers(world) == expected()
    world.run(30)
    assert all(len(client.replies) == 1 for client in flood)
    assert sizes(world)[3:] == (0, 0), "nothing stays under way"
    world.down.clear()
    world.say("late.example.org.", RRType.A, nxdomain("example.org."))
    assert world.look_up("late.example.org.").rcode == Rcode.NXDOMAIN
    world.serve(a("www1.example.org.", "192.0.2.1", "192.0.2.201"))
    for _ in range(12):  # a lost name is looked at again after a pause, when somebody asks
        world.look_up("www1.example.org.")
        world.run(10)
    assert "192.0.2.201" in shown(world.look_up("www1.example.org.")), "what is new is taken in again"
