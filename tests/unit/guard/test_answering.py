"""From a client's query to its answer: who shares an upstream query, what is cached, and what happens in a flood."""

from typing import Any

import pytest

from guard_world import OTHER_UPSTREAM, RTT_S, UPSTREAM, World, a, cname, codes, failure, nxdomain, positive, shown
from standfast.dns.exchange import Heard
from standfast.dns.model import Ede, ExtendedError, Question, Rcode, RRType
from standfast.guard import resolver
from standfast.guard.asking import EXCHANGE_MAX_S
from standfast.guard.policy import BogusMode, Mode

WWW = "www.example.org."
OURS = ("192.0.2.1", "192.0.2.2")


# One upstream query per question in flight


def test_clients_that_ask_the_same_share_one_upstream_query() -> None:
    world = World()
    world.serve(a(WWW, *OURS))
    clients = [world.query(WWW) for _ in range(50)]
    world.run(1)
    assert [shown(client.reply) for client in clients] == [OURS] * 50
    assert len(world.asked(WWW)) == 1


def test_dnssec_ok_and_checking_disabled_make_other_questions() -> None:
    world = World()
    world.serve(a(WWW, *OURS))
    all_flags: list[dict[str, Any]] = [{}, {"do": True}, {"cd": True}, {"do": True, "cd": True}]
    for flags in all_flags:
        assert shown(world.look_up(WWW, **flags)) == OURS
        assert shown(world.look_up(WWW, **flags)) == OURS
    assert [(ask.query.do, ask.query.cd) for _, ask in world.asked(WWW)] == [
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    ]


def test_a_client_that_asks_again_while_it_waits_is_answered_twice_and_asked_for_once() -> None:
    world = World()
    world.serve(a(WWW, *OURS))
    first, second = world.query(WWW), world.query(WWW)
    world.run(1)
    assert shown(first.reply) == shown(second.reply) == OURS
    assert len(world.asked(WWW)) == 1


def test_so_many_wait_for_one_question_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "WAITERS_MAX", 3)
    world = World()
    world.serve(a(WWW, *OURS))
    clients = [world.query(WWW) for _ in range(5)]
    assert [len(client.replies) for client in clients] == [0, 0, 0, 1, 1]
    assert clients[4].reply.rcode == Rcode.SERVFAIL
    world.run(1)
    assert shown(clients[2].reply) == OURS


def test_so_many_questions_are_under_way_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "RESOLUTIONS_MAX", 3)
    world = World()
    world.down[UPSTREAM] = None
    clients = [world.query(f"n{n}.example.org.") for n in range(5)]
    assert [len(client.replies) for client in clients] == [0, 0, 0, 1, 1]
    world.run(EXCHANGE_MAX_S)
    assert all(client.reply.rcode == Rcode.SERVFAIL for client in clients)
    del world.down[UPSTREAM]
    assert world.look_up("n9.example.org.").rcode == Rcode.NXDOMAIN


def test_a_flood_of_other_questions_does_not_take_a_known_name_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "RESOLUTIONS_MAX", 3)
    world = World()
    world.serve(a(WWW, *OURS, ttl_s=5))
    world.look_up(WWW)
    world.run(60)
    world.down[UPSTREAM] = None
    for n in range(5):
        world.query(f"n{n}.example.org.")
    client = world.query(WWW)
    assert shown(client.reply) == OURS
    assert codes(client.reply) == [Ede.STALE_ANSWER]


def test_a_query_that_does_not_want_recursion_is_refused() -> None:
    world = World()
    world.serve(a(WWW, *OURS))
    world.look_up(WWW)
    refused = world.look_up(WWW, rd=False)
    assert (refused.rcode, refused.answer, codes(refused)) == (Rcode.REFUSED, (), [Ede.NOT_AUTHORITATIVE])


# What is cached, and for how long


def test_ttls_grow_old_and_the_answer_ends_with_the_smallest() -> None:
    world = World()
    world.say(WWW, RRType.A, positive(cname(WWW, "edge.example.org.", 100), a("edge.example.org.", *OURS, ttl_s=10)))
    world.look_up(WWW)
    world.run(4)
    assert [rrset.ttl_s for rrset in world.look_up(WWW).answer] == [96, 6]
    world.run(5.9)
    assert len(world.asked(WWW)) == 1
    assert [rrset.ttl_s for rrset in world.look_up(WWW).answer] == [91, 1]
    world.run(0.2)
    world.look_up(WWW)
    assert len(world.asked(WWW)) == 2


def test_an_answer_with_a_ttl_of_zero_is_for_those_who_wait_and_nobody_else() -> None:
    world = World()
    world.serve(a(WWW, *OURS, ttl_s=0))
    clients = [world.query(WWW), world.query(WWW)]
    world.run(1)
    assert [shown(client.reply) for client in clients] == [OURS, OURS]
    world.look_up(WWW)
    assert len(world.asked(WWW)) == 2


def test_a_very_long_ttl_is_cut_to_a_day_also_for_clients() -> None:
    world = World()
    world.serve(a(WWW, *OURS, ttl_s=10_000_000))
    assert [rrset.ttl_s for rrset in world.look_up(WWW).answer] == [86_400]
    world.run(86_399)
    assert [rrset.ttl_s for rrset in world.look_up(WWW).answer] == [1]
    world.run(2)
    world.look_up(WWW)
    assert len(world.asked(WWW)) == 2


def test_the_cache_is_bounded_and_forgets_what_was_not_used_for_longest() -> None:
    world = World(cache_max=2, policy={".": {"mode": Mode.OFF}})
    for name in ("a.", "b.", "a.", "c.", "a."):
        world.serve(a(name, *OURS))
        world.look_up(name)
    assert len(world.core.positive) == 2
    assert len(world.asked("a.")) == 1
    world.look_up("b.")
    assert len(world.asked("b.")) == 2


def test_ad_comes_from_the_upstream_with_a_fresh_answer() -> None:
    world = World()
    world.serve(a(WWW, *OURS), ad=True)
    assert world.look_up(WWW, ad=True).ad
    assert world.look_up(WWW, ad=True).ad  # and from the cache


def test_what_the_upstream_adds_beside_the_answer_is_neither_served_nor_cached() -> None:
    world = World()
    world.say(WWW, RRType.A, positive(a(WWW, *OURS), a("bank.example.", "203.0.113.66")))
    assert [rrset.owner for rrset in world.look_up(WWW).answer] == [WWW]
    assert shown(world.look_up("bank.example.")) == ()


# Checking disabled: nobody has validated it


def test_an_unvalidated_answer_is_neither_remembered_nor_judged() -> None:
    world = World(policy={".": {"pinned": True}})
    world.serve(a(WWW, *OURS, ttl_s=5))
    world.look_up(WWW)
    world.run(60)
    before = world.disk[Question(WWW, RRType.A)]
    world.serve(a(WWW, "203.0.113.66", ttl_s=5))
    assert shown(world.look_up(WWW, cd=True)) == ("203.0.113.66",)
    assert world.disk[Question(WWW, RRType.A)] == before
    assert world.records == []
    world.serve(a(WWW, *OURS, ttl_s=5))
    assert shown(world.look_up(WWW)) == OURS


def test_a_denial_with_checking_disabled_is_judged_like_any_other() -> None:
    world = World()
    world.serve(a(WWW, *OURS, ttl_s=5))
    world.look_up(WWW)
    world.run(60)
    world.say(WWW, RRType.A, nxdomain("example.org."))
    assert shown(world.look_up(WWW, cd=True)) == OURS


def test_bogus_data_can_be_had_with_checking_disabled_where_the_policy_does_not_hold() -> None:
    world = World(policy={".": {"bogus": BogusMode.SERVFAIL}})
    world.serve(a(WWW, *OURS, ttl_s=5))
    world.look_up(WWW)
    world.run(60)
    bogus = Heard(reply=positive(a(WWW, "203.0.113.66")))
    failed = ExtendedError(code=Ede.DNSSEC_BOGUS)
    world.say(WWW, RRType.A, lambda ask: bogus if ask.query.cd else _servfail(failed))
    assert world.look_up(WWW).rcode == Rcode.SERVFAIL
    assert shown(world.look_up(WWW, cd=True)) == ("203.0.113.66",)


# Who waits how long


def test_a_name_that_is_not_known_waits_for_its_upstream_to_the_end() -> None:
    world = World()
    world.serve(a(WWW, *OURS))
    world.delay_s[UPSTREAM] = 3.0
    client = world.query(WWW)
    world.run(5)
    assert shown(client.reply) == OURS
    assert client.waited_s == pytest.approx(3.0)


def test_a_slow_upstreams_answer_is_taken_in_after_the_client_has_its_own() -> None:
    world = World()
    world.serve(a(WWW, *OURS, ttl_s=5))
    world.look_up(WWW)
    world.run(60)
    world.serve(a(WWW, *OURS, "192.0.2.3", ttl_s=5))
    world.delay_s[UPSTREAM] = 3.0
    client = world.query(WWW)
    world.run(2.5)
    assert shown(client.reply) == OURS
    late = world.query(WWW)
    assert shown(late.reply) == OURS
    world.run(1)
    assert shown(world.query(WWW).reply) == (*OURS, "192.0.2.3")
    assert len(world.asked(WWW)) <= 3


def test_the_client_timer_can_be_set() -> None:
    world = World(client_timeout_s=0.3, upstreams=(UPSTREAM, OTHER_UPSTREAM))
    world.serve(a(WWW, *OURS, ttl_s=5))
    world.look_up(WWW)
    world.run(60)
    world.down |= {UPSTREAM: None, OTHER_UPSTREAM: None}
    client = world.query(WWW)
    world.run(5)
    assert client.waited_s == pytest.approx(0.3)


def test_a_cached_answer_takes_no_time_at_all() -> None:
    world = World()
    world.serve(a(WWW, *OURS))
    assert world.query(WWW).replies == []
    world.run(RTT_S)
    client = world.query(WWW)
    assert shown(client.reply) == OURS
    assert client.waited_s == 0


def test_a_client_has_its_answer_before_anything_is_remembered_of_it() -> None:
    world = World()
    clients = [world.query(WWW), world.query(WWW)]
    (ask,) = (ask for _, ask in world.asked(WWW))
    actions = iter(world.core.on_heard(world.now, ask.ask, Heard(reply=positive(a(WWW, *OURS)))))
    world.carry_out([next(actions) for _ in clients])
    assert [shown(client.reply) for client in clients] == [OURS] * 2
    assert world.core.memory.get(Question(WWW, RRType.A)) is None
    world.carry_out(actions)
    assert world.core.memory.get(Question(WWW, RRType.A)) is not None
    assert Question(WWW, RRType.A) in world.disk


def _servfail(error: ExtendedError) -> Heard:
    return Heard(reply=failure(Rcode.SERVFAIL, error))
