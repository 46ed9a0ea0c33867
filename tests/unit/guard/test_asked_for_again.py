"""What clients bring forward, and what they need not wait for: a name that is back, a guard that is on again."""

from guard_world import World, a, codes, positive, shown
from standfast.dns.model import Ede, Question, RRType
from standfast.evidence.model import Identity
from standfast.guard import operators

DB = "db.example.org."
OURS = ("192.0.2.1", "192.0.2.2")
MOVED = "192.0.2.9"


def is_held(world: World) -> bool:
    return Ede.STALE_ANSWER in codes(world.look_up(DB))


def lost_world() -> World:
    world = World()
    world.serve(a(DB, *OURS, ttl_s=5))
    world.look_up(DB)
    world.run(10)
    world.look_up(DB)
    world.run(10)
    world.lose(DB)
    assert is_held(world)
    return world


def test_a_name_that_is_back_elsewhere_is_found_within_half_a_minute_however_long_it_was_held() -> None:
    world = lost_world()
    for _ in range(120):  # ten minutes: the pauses between looks have grown to five
        world.run(5)
        assert is_held(world)
    world.serve(a(DB, OURS[0], MOVED, ttl_s=5))
    for _ in range(7):
        world.run(5)
        world.look_up(DB)
    world.run(1)  # the last of them may have brought a look forward
    assert shown(world.look_up(DB)) == (OURS[0], MOVED)


def test_evidence_is_gathered_again_though_clients_ask_all_the_time() -> None:
    world = lost_world()
    for _ in range(400):
        world.run(5)
        assert is_held(world)
    last = max(at_s for at_s, _ in world.probes)
    assert world.now - last < 331


def test_turning_the_guard_on_again_holds_at_once_also_for_who_was_just_denied() -> None:
    world = lost_world()
    world.carry_out(operators.switch(world.core, world.now, enabled=False).actions)
    assert shown(world.look_up(DB)) == ()
    assert len(world.core.negative) == 1
    world.carry_out(operators.switch(world.core, world.now, enabled=True).actions)
    assert len(world.core.negative) == 0  # and with the entry goes what was prepared of it
    assert is_held(world)


def test_servers_that_were_only_starting_are_asked_again_soon() -> None:
    world = World()
    world.identity = dict.fromkeys(OURS, Identity.ABSENT)
    world.serve(a(DB, *OURS, ttl_s=5))
    world.look_up(DB)
    world.run(20)
    world.identity = dict.fromkeys(OURS, Identity.PROVEN)
    for _ in range(10):
        world.run(6)
        world.look_up(DB)
    known = world.core.memory.get(Question(DB, RRType.A))
    assert known is not None
    assert known.baseline is not None
    assert known.baseline.proven_at_s is not None


def test_who_joins_a_question_that_is_under_way_waits_no_longer_than_who_begins_one() -> None:
    world = World()
    said = positive(a(DB, *OURS, ttl_s=60))
    world.say(DB, RRType.A, lambda ask: said if ask.query.do else None)  # what asks without DO is lost
    lost = world.query(DB)
    assert shown(world.look_up(DB, do=True)) == OURS  # now the name is known to be good
    world.run(1)
    joined = world.query(DB)
    world.run(5)
    assert joined.waited_s <= 1.81
    assert shown(joined.reply) == shown(lost.reply) == OURS
