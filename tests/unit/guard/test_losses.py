"""A lost name from its loss to its end: watches, evidence, restarts, wholesale changes."""

from dataclasses import replace

import pytest

from guard_world import (
    OTHER_UPSTREAM,
    RTT_S,
    SECOND_OPINION,
    UPSTREAM,
    World,
    a,
    codes,
    failure,
    nodata,
    nxdomain,
    positive,
    shown,
)
from standfast.dns.model import Ede, ExtendedError, Question, Rcode, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.evidence.model import Identity, ProbeSpec
from standfast.evidence.prober import ROUND_ADDRESSES_MAX
from standfast.guard import asking, losses
from standfast.guard.gathering import ABSENT_RETRY_S, UNREPORTED_S
from standfast.guard.policy import BogusMode, Mode

DB = "db.example.org."
KEY = Question(DB, RRType.A)
OURS = ("192.0.2.1", "192.0.2.2")
NEW = ("203.0.113.1", "203.0.113.2")
PINNED = {".": {"pinned": True, "addresses_min": 2}}
BOGUS = failure(Rcode.SERVFAIL, ExtendedError(code=Ede.DNSSEC_BOGUS))


def well(world: World, qname: str = DB, *addresses: str) -> None:
    world.serve(a(qname, *(addresses or OURS), ttl_s=5))
    for _ in range(2):
        world.look_up(qname)
        world.run(60)


def lost(world: World, qname: str = DB) -> None:
    world.lose(qname)
    assert is_held(world, qname)


def is_held(world: World, qname: str = DB) -> bool:
    reply = world.look_up(qname)
    return Ede.STALE_ANSWER in codes(reply) and bool(shown(reply))


def probed(world: World, since_s: float) -> list[str]:
    return [probe.address for at_s, probe in world.probes if at_s >= since_s]


# From the loss to its end


@pytest.mark.parametrize("denial", [nodata("example.org."), nxdomain("example.org.")])
def test_a_name_that_vanishes_is_held_from_the_first_answer_on(denial: object) -> None:
    world = World()
    well(world)
    world.say(DB, RRType.A, denial)  # type: ignore[arg-type]
    for _ in range(100):
        assert is_held(world)
        world.run(10)


def test_a_name_that_comes_back_is_fresh_at_the_next_look() -> None:
    world = World()
    well(world)
    lost(world)
    world.run(20)
    world.serve(a(DB, *OURS, ttl_s=5))
    world.run(20)
    reply = world.look_up(DB)
    assert (shown(reply), codes(reply)) == (OURS, [])
    assert world.rules(DB)[-1] == "positive"
    assert world.disk[KEY].lost_at_s is None


def test_what_is_held_is_only_the_lost_name() -> None:
    world = World()
    well(world)
    lost(world)
    assert world.look_up("sub.db.example.org.").rcode == Rcode.NXDOMAIN
    assert world.look_up("example.org.").answer == ()


def test_an_nxdomain_of_the_parent_says_nothing_of_a_child() -> None:
    world = World()
    well(world)
    assert world.look_up("example.org.").rcode == Rcode.NXDOMAIN
    assert shown(world.look_up(DB)) == OURS
    assert world.records == []


def test_a_release_is_final_until_the_name_is_well_again() -> None:
    world = World()
    well(world)
    world.identity |= dict.fromkeys(OURS, Identity.CONTRADICTED)
    lost(world)
    world.run(10)
    assert shown(world.look_up(DB)) == ()
    world.identity |= dict.fromkeys(OURS, Identity.PROVEN)
    world.run(6)
    assert shown(world.look_up(DB)) == ()
    world.run(6)
    well(world)
    lost(world)


def test_a_drained_region_is_obeyed() -> None:
    world = World()
    well(world)
    world.serve(a(DB, OURS[0], ttl_s=5))
    assert shown(world.look_up(DB)) == OURS[:1]
    assert world.records == []


def test_each_verdict_is_recorded_once() -> None:
    world = World()
    well(world)
    lost(world)
    world.run(3000)
    assert world.rules(DB) == ["negative.pending", "negative.proven"]


def test_held_ttls_are_short_and_never_longer_than_they_were() -> None:
    world = World()
    world.serve(a(DB, *OURS, ttl_s=300))
    world.look_up(DB)
    world.run(301)
    lost(world)
    assert [rrset.ttl_s for rrset in world.look_up(DB).answer] == [30]
    well(world, "short.example.org.")
    lost(world, "short.example.org.")
    assert [rrset.ttl_s for rrset in world.look_up("short.example.org.").answer] == [5]


def test_a_failing_upstream_is_asked_again_only_when_somebody_asks() -> None:
    world = World()
    well(world)
    world.say(DB, RRType.A, failure())
    assert is_held(world)
    before = len(world.asked(DB))
    world.run(3000)
    assert len(world.asked(DB)) == before
    assert is_held(world)
    world.run(10)
    assert len(world.asked(DB)) == before + 1


def test_a_held_name_that_nobody_wants_is_left_as_it_is_and_held_again_for_whoever_comes() -> None:
    """It was once released after an hour without a client, when its proofs had grown old and nobody renewed them."""
    world = World()
    well(world)
    lost(world)
    world.run(6 * 3600)
    assert world.core.losses.questions() == ()
    assert world.disk[KEY].released_at_s is None
    first = world.query(DB)
    world.run(5)
    assert shown(first.reply) == OURS
    world.run(10)
    assert world.rules(DB)[-1] == "negative.proven"


def test_a_pinned_name_is_looked_after_whether_or_not_anybody_asks() -> None:
    world = World(policy=PINNED)
    well(world)
    lost(world)
    world.run(6 * 3600)
    world.serve(a(DB, *OURS, ttl_s=5))
    world.run(400)
    assert world.rules(DB)[-1] == "positive"


def test_the_grace_period_is_counted_from_the_loss_not_from_each_denial() -> None:
    world = World(policy={".": {"probe": ProbeSpec(kind="none"), "grace_s": 100}})
    well(world)
    lost(world)
    lost_s = world.now
    world.run(50)
    world.say(DB, RRType.A, nxdomain("example.org."))
    world.run(lost_s + 99.9 - world.now)
    assert is_held(world)
    world.run(0.2)
    assert shown(world.look_up(DB)) == ()


def test_silence_does_not_start_the_grace_period() -> None:
    world = World(policy={".": {"probe": ProbeSpec(kind="none"), "grace_s": 100}})
    well(world)
    world.down[UPSTREAM] = None
    for _ in range(20):
        assert is_held(world)
        world.run(60)
    del world.down[UPSTREAM]
    world.lose(DB)
    while world.rules(DB) == ["failure.stale"]:
        assert is_held(world)
        world.run(1)
    world.run(98)
    assert is_held(world)
    world.run(3)
    assert shown(world.look_up(DB)) == ()


def test_stale_answers_end_to_the_second() -> None:
    world = World(policy={".": {"stale_max_s": 600}})
    world.serve(a(DB, *OURS, ttl_s=5))
    world.look_up(DB)
    confirmed_s = world.now
    world.run(60)
    world.say(DB, RRType.A, failure())
    while world.now < confirmed_s + 598:
        assert is_held(world)
        world.run(1)
    world.run(confirmed_s + 599.9 - world.now)
    assert is_held(world)
    world.run(0.2)
    assert world.look_up(DB).rcode == Rcode.SERVFAIL


# Bounds


def test_so_many_names_are_looked_after_and_the_others_are_held_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "WATCHES_MAX", 3)
    world = World()
    names = [f"n{n}.example.org." for n in range(8)]
    for name in names:
        well(world, name)
    for _ in range(3):
        for name in names:
            world.lose(name)
            assert is_held(world, name)
            world.run(7)
    assert len(world.core.losses.questions()) == 3


def test_when_too_much_is_under_way_looks_and_opinions_wait_and_the_name_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    monkeypatch.setattr(asking, "BACKGROUND_MAX", 0)
    lost(world)
    before = len(world.asks)
    world.run(600)
    assert len(world.asks) == before
    monkeypatch.undo()
    world.run(600)
    assert len(world.asks) > before
    assert is_held(world)


def test_an_answer_that_was_pushed_out_of_the_memory_ends_its_watch() -> None:
    world = World(known_max=2)
    well(world)
    lost(world)
    world.core.memory.forget(KEY)
    assert shown(world.look_up(DB)) == ()
    world.run(60)
    assert world.core.losses.questions() == ()


# Probes


def test_a_probe_that_is_never_reported_does_not_block_its_name() -> None:
    world = World()
    well(world)
    world.identity[OURS[0]] = None
    lost(world)
    lost_s = world.now
    world.run(UNREPORTED_S + 1)
    assert probed(world, lost_s) == list(OURS)
    assert world.rules(DB)[-1] == "negative.proven"


def test_absence_counts_only_after_two_strikes() -> None:
    world = World()
    well(world)
    world.identity |= dict.fromkeys(OURS, Identity.ABSENT)
    lost(world)
    world.run(ABSENT_RETRY_S + 3)
    assert is_held(world)
    world.identity |= dict.fromkeys(OURS, Identity.PROVEN)
    world.run(10)
    assert world.rules(DB)[-1] == "negative.proven"


def test_one_stranger_that_answers_first_does_not_release_the_name() -> None:
    """The first probe of a round once spoke for all of them."""
    world = World()
    well(world)
    world.identity[OURS[0]] = Identity.CONTRADICTED
    lost(world)
    world.run(10)
    assert world.rules(DB) == ["negative.pending", "negative.proven"]
    assert shown(world.look_up(DB)) == OURS[1:]


def test_strangers_addresses_are_served_where_the_name_never_proved_its_identity() -> None:
    world = World()
    world.identity |= dict.fromkeys(OURS, Identity.CONTRADICTED)
    well(world)
    lost(world)
    world.run(10)
    assert shown(world.look_up(DB)) == OURS


def test_the_addresses_of_a_long_list_take_turns() -> None:
    many = tuple(f"192.0.2.{n}" for n in range(1, 25))
    world = World()
    well(world, DB, *many)
    lost(world)
    lost_s = world.now
    world.run(20)
    assert len(set(probed(world, lost_s))) == ROUND_ADDRESSES_MAX
    while world.now < lost_s + 900:
        assert is_held(world)
        world.run(30)
    assert set(probed(world, lost_s)) == set(many)


def test_evidence_that_comes_in_after_the_name_is_well_again_is_ignored() -> None:
    world = World()
    well(world)
    world.identity |= dict.fromkeys(OURS, Identity.ABSENT)
    lost(world)
    world.serve(a(DB, *OURS, ttl_s=5))
    (probe,) = [probe for at_s, probe in world.probes if at_s > world.now - 1]
    world.carry_out(world.core.switch(world.now, enabled=False))
    world.look_up(DB)  # well again, with a probe in flight
    assert world.core.losses.questions() == ()
    sent = len(world.probes)
    world.run(60)
    assert len(world.probes) == sent
    assert probe.address == OURS[0]


def test_a_watch_is_not_given_the_opinions_that_an_earlier_one_asked_for() -> None:
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    world.delay_s[SECOND_OPINION] = 3.0
    world.lose(DB, by=UPSTREAM)
    world.look_up(DB)
    world.core.losses.close(KEY)
    world.lose(DB)
    world.look_up(DB)
    world.run(2.999 - RTT_S)
    assert "negative.second-opinion" not in world.rules(DB)
    world.run(1)
    assert "negative.second-opinion" not in world.rules(DB)
    watch = world.core.losses.get(KEY)
    assert watch is not None
    assert watch.awaited == set()


# Second opinions and delegation


def test_a_positive_second_opinion_is_served_and_asked_for_again_before_it_is_worth_nothing() -> None:
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    world.lose(DB, by=UPSTREAM)
    assert is_held(world)
    world.run(1)
    for _ in range(100):
        reply = world.look_up(DB)
        assert shown(reply) == OURS
        assert codes(reply) == [Ede.OTHER]
        world.run(10)
    assert world.rules(DB) == ["negative.pending", "negative.second-opinion"]


def test_newer_addresses_of_a_second_opinion_are_learned_while_the_upstream_has_lost_the_name() -> None:
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    world.lose(DB, by=UPSTREAM)
    world.serve(a(DB, OURS[1], "192.0.2.3", ttl_s=60), by=SECOND_OPINION)
    world.look_up(DB)
    world.run(1)
    assert shown(world.look_up(DB)) == (OURS[1], "192.0.2.3")
    world.lose(DB, by=SECOND_OPINION)
    world.run(400)
    assert shown(world.look_up(DB)) == (OURS[1], "192.0.2.3")
    assert world.disk[KEY].lost_at_s is not None


def test_a_second_opinions_cached_ttl_does_not_wear_down_what_is_remembered() -> None:
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    before = world.disk[KEY]
    world.lose(DB, by=UPSTREAM)
    world.serve(a(DB, *OURS, ttl_s=1), by=SECOND_OPINION)
    world.look_up(DB)
    world.run(1)
    assert world.disk[KEY].answer == before.answer


def test_a_resolver_that_answers_for_whatever_does_not_exist_is_not_believed() -> None:
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    world.lose(DB)
    world.serve(a(DB, "203.0.113.80", ttl_s=60), by=SECOND_OPINION)
    world.identity["203.0.113.80"] = Identity.CONTRADICTED
    world.look_up(DB)
    world.run(60)
    assert shown(world.look_up(DB)) == OURS
    assert world.rules(DB)[-1] == "negative.proven"


def test_a_second_opinion_with_all_new_addresses_is_believed_when_they_prove_identity() -> None:
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    world.lose(DB, by=UPSTREAM)
    world.serve(a(DB, *NEW, ttl_s=60), by=SECOND_OPINION)
    world.identity |= dict.fromkeys(OURS, Identity.ABSENT)
    world.look_up(DB)
    world.run(6)
    assert shown(world.look_up(DB)) == NEW
    world.run(60)
    assert shown(world.look_up(DB)) == NEW


def test_silent_second_opinions_say_nothing() -> None:
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    world.down[SECOND_OPINION] = None
    lost(world)
    world.run(60)
    assert world.rules(DB)[-1] == "negative.proven"


def test_of_two_upstreams_the_one_that_has_lost_the_name_is_overruled() -> None:
    world = World(upstreams=(UPSTREAM, OTHER_UPSTREAM))
    well(world)
    world.lose(DB, by=UPSTREAM)
    world.look_up(DB)
    world.run(1)
    assert world.rules(DB)[-1] == "negative.second-opinion"
    assert shown(world.look_up(DB)) == OURS


def test_a_zone_that_one_resolver_still_sees_is_not_gone() -> None:
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    world.run(20)
    world.delay_s[SECOND_OPINION] = 0.5
    world.say(DB, RRType.A, nxdomain("org."))
    world.say("example.org.", RRType.NS, nxdomain("org."), by=UPSTREAM)
    ns = rrset_from_text("example.org.", RRType.NS, 60, ("ns.example.org.",))
    world.say("example.org.", RRType.NS, positive(ns), by=SECOND_OPINION)
    lost(world)
    world.run(0.4)
    assert is_held(world)
    world.run(60)
    assert world.rules(DB)[-1] == "negative.proven"


# Restarts


@pytest.mark.parametrize("down_s", [0.0, 600.0, 3600.0, 20 * 3600.0])
def test_a_restart_in_the_middle_of_an_outage_forgets_nothing(down_s: float) -> None:
    world = World()
    well(world)
    lost(world)
    world.run(1800)
    lost_at_s = world.disk[KEY].lost_at_s
    world.restart(after_s=down_s)
    client = world.query(DB)
    world.run(5)
    assert shown(client.reply) == OURS
    assert client.waited_s == pytest.approx(RTT_S)
    assert world.records[-1].body["provisional"] or world.rules(DB)[-1] == "negative.proven"
    world.run(60)
    assert is_held(world)
    assert world.rules(DB)[-1] == "negative.proven"
    assert world.disk[KEY].lost_at_s == lost_at_s


def test_slow_evidence_after_a_restart_is_waited_for_beyond_the_grace_period() -> None:
    """Six of eight addresses time out before the others prove that the name is alive."""
    many = tuple(f"192.0.2.{n}" for n in range(1, 9))
    world = World()
    well(world, DB, *many)
    lost(world)
    world.run(3000)
    world.identity |= dict.fromkeys(many[:4], Identity.ABSENT)
    world.restart(after_s=3600)
    for _ in range(60):
        assert is_held(world)
        world.run(1)
    assert world.rules(DB)[-1] == "negative.proven"


def test_the_longest_hold_is_counted_over_restarts() -> None:
    world = World(policy={".": {"hold_max_s": 7200}})
    well(world)
    lost(world)
    world.run(3600)
    world.restart(after_s=3700)
    assert shown(world.look_up(DB)) == ()
    assert world.rules(DB)[-1] == "negative.hold-max"


def test_many_names_lost_for_long_survive_a_restart_together() -> None:
    world = World()
    names = [f"n{n}.example.org." for n in range(150)]
    for n, name in enumerate(names):
        world.serve(a(name, f"198.51.100.{n % 40 + 1}", ttl_s=1))
        world.look_up(name)
    world.run(60)
    for name in names:
        world.lose(name)
        world.look_up(name)
    world.run(1800)
    world.restart(after_s=3600)
    assert all(is_held(world, name) for name in names)
    world.run(120)
    assert all(is_held(world, name) for name in names)


def test_a_name_that_was_given_up_stays_so_after_a_restart() -> None:
    world = World()
    well(world)
    world.identity |= dict.fromkeys(OURS, Identity.CONTRADICTED)
    lost(world)
    world.run(10)
    world.restart()
    assert shown(world.look_up(DB)) == ()


# Wholesale changes


def changed(world: World, new: Identity, old: Identity, *, known: Identity = Identity.PROVEN) -> None:
    world.identity |= dict.fromkeys(OURS, known)
    well(world)
    world.identity |= dict.fromkeys(OURS, old) | dict.fromkeys(NEW, new)
    world.serve(a(DB, *NEW, ttl_s=5))


def test_a_planned_migration_is_believed_as_soon_as_the_new_servers_prove_themselves() -> None:
    world = World(policy=PINNED)
    changed(world, Identity.PROVEN, Identity.ABSENT)
    assert shown(world.look_up(DB)) == OURS
    world.run(0.1)
    assert shown(world.look_up(DB)) == NEW
    assert world.rules(DB) == ["change.pending", "change.proven"]
    assert world.alarms == []


def test_a_hijack_is_held_off_and_raises_one_alarm() -> None:
    world = World(policy=PINNED)
    changed(world, Identity.CONTRADICTED, Identity.PROVEN)
    for _ in range(100):
        assert shown(world.look_up(DB)) == OURS
        world.run(30)
    assert world.rules(DB) == ["change.pending", "change.attack"]
    assert len(world.alarms) == 1


def test_a_hijack_to_silent_servers_is_held_off_as_well() -> None:
    world = World(policy=PINNED)
    changed(world, Identity.ABSENT, Identity.PROVEN)
    for _ in range(100):
        assert shown(world.look_up(DB)) == OURS
        world.run(5)
    assert world.rules(DB)[-1] == "change.attack"


def test_one_real_server_among_the_attackers_own_is_not_enough() -> None:
    """It answers first, and once spoke for all."""
    three = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
    world = World(policy=PINNED)
    well(world)
    world.identity |= dict.fromkeys(three[1:], Identity.CONTRADICTED)
    world.serve(a(DB, *three, ttl_s=5))
    for _ in range(20):
        assert shown(world.look_up(DB)) == OURS
        world.run(30)


def test_where_neither_side_can_be_told_right_the_change_is_believed_with_an_alarm_for_a_pinned_name() -> None:
    world = World(policy=PINNED)
    changed(world, Identity.UNKNOWN, Identity.UNKNOWN, known=Identity.UNKNOWN)
    assert shown(world.look_up(DB)) == OURS
    world.run(1)
    assert shown(world.look_up(DB)) == NEW
    assert [alarm.fields["rule"] for alarm in world.alarms] == ["change.undecided"]


def test_when_only_observing_the_change_is_served_and_the_alarm_raised() -> None:
    world = World(policy={".": {"pinned": True, "mode": Mode.OBSERVE}})
    changed(world, Identity.CONTRADICTED, Identity.PROVEN)
    assert shown(world.look_up(DB)) == NEW
    world.run(1)
    assert [alarm.fields["rule"] for alarm in world.alarms] == ["change.attack"]
    assert world.disk[KEY].answer.addresses == OURS


def test_a_name_that_is_neither_pinned_nor_steady_may_change_at_will() -> None:
    world = World()
    changed(world, Identity.CONTRADICTED, Identity.PROVEN)
    assert shown(world.look_up(DB)) == NEW
    assert world.records == []


def test_a_name_that_stood_for_a_week_is_watched_without_being_pinned() -> None:
    world = World()
    well(world)
    world.run(8 * 86_400)
    well(world)
    changed(world, Identity.CONTRADICTED, Identity.PROVEN)
    assert shown(world.look_up(DB)) == OURS


def test_after_a_hijack_the_owners_own_answer_is_believed_at_once() -> None:
    world = World(policy=PINNED)
    changed(world, Identity.CONTRADICTED, Identity.PROVEN)
    world.look_up(DB)
    world.serve(a(DB, *OURS, ttl_s=5))
    world.run(60)
    reply = world.look_up(DB)
    assert (shown(reply), codes(reply)) == (OURS, [])


def test_a_change_right_after_a_long_silence_is_looked_into_like_any_other() -> None:
    """The watch that the silence had opened was once old enough to believe anything."""
    world = World(policy=PINNED)
    well(world)
    world.down[UPSTREAM] = None
    world.look_up(DB)
    world.run(900)
    del world.down[UPSTREAM]
    changed(world, Identity.CONTRADICTED, Identity.PROVEN)
    for _ in range(20):
        assert shown(world.look_up(DB)) == OURS
        world.run(10)


# The promised minimum of a pinned name


def test_fewer_addresses_than_promised_are_held_while_the_known_ones_prove_identity() -> None:
    world = World(policy=PINNED)
    well(world)
    world.serve(a(DB, OURS[0], ttl_s=5))
    assert shown(world.look_up(DB)) == OURS
    world.run(1)
    assert shown(world.look_up(DB)) == OURS
    assert world.rules(DB)[-1] == "short.proven"
    assert len(world.alarms) == 1


def test_fewer_addresses_than_promised_are_obeyed_with_an_alarm_when_the_others_are_dead() -> None:
    world = World(policy=PINNED)
    world.serve(a(DB, *OURS, "192.0.2.3", ttl_s=5))
    world.look_up(DB)
    world.run(60)
    world.identity |= dict.fromkeys((*OURS, "192.0.2.3"), Identity.ABSENT)
    world.serve(a(DB, OURS[0], ttl_s=5))
    world.look_up(DB)
    world.run(60)
    assert shown(world.look_up(DB)) == OURS[:1]
    assert [alarm.fields["rule"] for alarm in world.alarms] == ["short.undecided"]


# Validation failures


def test_broken_signing_is_held_while_the_servers_prove_identity() -> None:
    world = World()
    well(world)
    world.say(DB, RRType.A, BOGUS)
    for _ in range(50):
        assert is_held(world)
        world.run(60)
    assert world.rules(DB)[-1] == "bogus.proven"


def test_validation_failure_without_identity_is_held_for_the_grace_with_an_alarm_then_refused() -> None:
    world = World()
    well(world)
    world.identity |= dict.fromkeys(OURS, Identity.UNKNOWN)
    world.say(DB, RRType.A, BOGUS)
    lost_s = world.now
    while world.now < lost_s + 890:
        assert is_held(world)
        world.run(10)
    world.run(30)
    reply = world.look_up(DB)
    assert (reply.rcode, codes(reply)) == (Rcode.SERVFAIL, [Ede.DNSSEC_BOGUS])
    assert "bogus.suspected" in [alarm.fields["rule"] for alarm in world.alarms]


def test_a_restart_during_a_long_validation_failure_waits_for_its_evidence() -> None:
    world = World()
    well(world)
    world.say(DB, RRType.A, BOGUS)
    assert is_held(world)
    world.run(1800)
    world.restart(after_s=3600)
    assert is_held(world)
    world.run(10)
    assert world.rules(DB)[-1] == "bogus.proven"


def test_a_validation_failure_that_the_policy_refuses_does_not_give_the_name_up() -> None:
    world = World(policy={".": {"bogus": BogusMode.SERVFAIL}})
    well(world)
    world.say(DB, RRType.A, BOGUS)
    probes = len(world.probes)
    assert world.look_up(DB).rcode == Rcode.SERVFAIL
    world.run(60)
    assert len(world.probes) == probes  # what is known to be good is not asked for its opinion
    lost(world)


def test_known_strangers_end_a_stale_answer() -> None:
    world = World()
    well(world)
    world.identity |= dict.fromkeys(OURS, Identity.CONTRADICTED)
    world.say(DB, RRType.A, failure())
    assert is_held(world)
    world.run(10)
    assert world.look_up(DB).rcode == Rcode.SERVFAIL
    assert world.rules(DB) == ["failure.stale", "failure.contradicted"]


def test_a_known_good_answer_is_what_it_was_after_everything() -> None:
    """Losses change what is noted beside an answer, never the answer, its history or its baseline."""
    world = World()
    well(world)
    before = world.disk[KEY]
    lost(world)
    world.run(600)
    world.restart()
    assert is_held(world)
    world.run(60)
    after = world.disk[KEY]
    assert replace(after, lost_at_s=None, proven_at_s=None) == before


def test_where_what_is_lost_is_only_observed_a_clients_own_question_is_the_look() -> None:
    world = World(policy={".": {"mode": Mode.OBSERVE}})
    well(world)
    world.say(DB, RRType.A, failure())
    for _ in range(3):
        world.look_up(DB)
        world.run(400)
    world.asks.clear()
    world.probes.clear()
    world.query(DB)
    assert len(world.asked(DB)) == 1
    world.run(10)
    assert {probe.address for _, probe in world.probes} == set(OURS)  # and what it needs of evidence is gathered
