"""RFC 2308, negative caching, by section: what the guard does with denials of names that are not held."""

from dataclasses import replace

import pytest

from guard_world import UPSTREAM, World, a, cname, codes, nodata, nxdomain, shown
from standfast.dns.model import Ede, Rcode, Reply, RRType
from standfast.guard.policy import Mode

WWW = "www.example.org."


@pytest.mark.parametrize("said", [nxdomain("example.org."), nodata("example.org.")])
def test_section_2_both_denials_are_told_apart_and_passed_on(said: Reply) -> None:
    world = World()
    world.say(WWW, RRType.A, said)
    assert world.look_up(WWW) == said
    assert world.look_up(WWW) == said
    assert len(world.asked(WWW)) == 1


def test_section_2_1_the_chain_of_an_aliases_denial_goes_with_it() -> None:
    world = World()
    said = replace(nxdomain("example.net."), answer=(cname(WWW, "gone.example.net."),))
    world.say(WWW, RRType.A, said)
    reply = world.look_up(WWW)
    assert (reply.rcode, reply.answer) == (Rcode.NXDOMAIN, (cname(WWW, "gone.example.net."),))


def test_section_3_the_soa_goes_with_the_denial() -> None:
    world = World()
    assert [rrset.owner for rrset in world.look_up(WWW).authority] == ["example.org."]


@pytest.mark.parametrize(("ttl_s", "minimum_s", "lives_s"), [(900, 60, 60), (60, 900, 60), (90_000, 90_000, 10_800)])
def test_section_5_the_ttl_is_the_lesser_of_two_and_capped(ttl_s: int, minimum_s: int, lives_s: int) -> None:
    world = World()
    world.say(WWW, RRType.A, nxdomain("example.org.", ttl_s=ttl_s, minimum_s=minimum_s))
    assert [rrset.ttl_s for rrset in world.look_up(WWW).authority] == [lives_s]
    world.run(lives_s - 1)
    assert [rrset.ttl_s for rrset in world.look_up(WWW).authority] == [1]
    assert len(world.asked(WWW)) == 1
    world.run(1)
    world.look_up(WWW)
    assert len(world.asked(WWW)) == 2


def test_section_5_a_denial_without_an_soa_is_not_cached() -> None:
    world = World()
    world.say(WWW, RRType.A, Reply(rcode=Rcode.NXDOMAIN))
    for n in range(3):
        assert world.look_up(WWW).rcode == Rcode.NXDOMAIN
        assert len(world.asked(WWW)) == n + 1


def test_section_5_a_denial_of_one_type_says_nothing_of_another() -> None:
    world = World()
    world.serve(a(WWW, "192.0.2.1"))
    assert world.look_up(WWW, RRType.AAAA).answer == ()
    assert shown(world.look_up(WWW)) == ("192.0.2.1",)


def test_section_5_nxdomain_is_cached_for_the_type_that_was_asked_since_upstreams_err() -> None:
    """RFC 8020 is not assumed either: a name below one that does not exist is asked for all the same."""
    world = World()
    world.serve(a("child.www.example.org.", "192.0.2.1"))
    assert world.look_up(WWW).rcode == Rcode.NXDOMAIN
    assert shown(world.look_up("child.www.example.org.")) == ("192.0.2.1",)


def test_section_5_a_denial_gives_way_to_the_answer_that_follows_it() -> None:
    world = World()
    assert world.look_up(WWW).rcode == Rcode.NXDOMAIN
    world.serve(a(WWW, "192.0.2.1"))
    world.run(900)
    assert shown(world.look_up(WWW)) == ("192.0.2.1",)
    assert shown(world.look_up(WWW)) == ("192.0.2.1",)


def test_a_denial_does_not_stay_beyond_the_good_answer_in_the_way_of_another_flag() -> None:
    """A positive answer drops the denials of all four combinations of DO and CD."""
    world = World()
    assert world.look_up(WWW, do=True).rcode == Rcode.NXDOMAIN
    world.serve(a(WWW, "192.0.2.1"))
    assert shown(world.look_up(WWW)) == ("192.0.2.1",)
    assert shown(world.look_up(WWW, do=True)) == ("192.0.2.1",)


def test_the_denial_of_a_name_with_a_known_good_answer_lives_for_seconds() -> None:
    world = World(policy={".": {"mode": Mode.OBSERVE, "negative_ttl_max_s": 7}})
    world.serve(a(WWW, "192.0.2.1", ttl_s=5))
    world.look_up(WWW)
    world.run(60)
    world.lose(WWW)
    assert [rrset.ttl_s for rrset in world.look_up(WWW).authority] == [7]
    world.run(8)
    world.look_up(WWW)
    assert len(world.asked(WWW)) >= 3


def test_an_expired_denial_stands_in_for_a_silent_upstream_for_a_while_and_says_so() -> None:
    """RFC 8767 section 4 for the wording, RFC 8914 section 4.20 for the code."""
    world = World()
    assert world.look_up(WWW).rcode == Rcode.NXDOMAIN
    world.run(901)
    world.down[UPSTREAM] = None
    stale = world.look_up(WWW)
    assert (stale.rcode, codes(stale)) == (Rcode.NXDOMAIN, [Ede.STALE_NXDOMAIN_ANSWER])
    assert all(rrset.ttl_s <= 30 for rrset in stale.authority)
    assert not stale.ad
    world.run(3700)
    assert world.look_up(WWW).rcode == Rcode.SERVFAIL
