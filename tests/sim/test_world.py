"""The world: what its zones say, who answers at its addresses, and what is true."""

import pytest

from standfast.dns.model import Ede, Question, Rcode, RRType, addresses_of
from standfast.evidence.model import Identity, ProbeSpec
from standfast.sim.events import (
    BreakSigning,
    DropDelegation,
    DropName,
    EmptyRecord,
    Event,
    GiveAway,
    MendSigning,
    Party,
    RestoreDelegation,
    RestoreRecord,
    Retire,
    ReviveServers,
    SetAddresses,
    StartServers,
    StopServers,
)
from standfast.sim.plots import NAME, SERVERS, ZONE
from standfast.sim.world import NameSpec, Said, World, ZoneSpec

ALIAS = "www.alias.test."
A = Question(NAME, RRType.A)
NEW = ("198.51.100.1", "198.51.100.2")


def make_world(*, signed: bool = False) -> World:
    return World(
        (ZoneSpec(name=ZONE, negative_ttl_s=300, signed=signed), ZoneSpec(name="alias.test.", negative_ttl_s=60)),
        (
            NameSpec(name=NAME, zone=ZONE, addresses=(*SERVERS, "2001:db8::1"), ttl_s=30),
            NameSpec(name=ALIAS, zone="alias.test.", alias_of=NAME, ttl_s=600),
        ),
        start_s=0.0,
    )


def said(world: World, question: Question) -> Said:
    return world.version_at(1e9)[0].answer(question)


def after(*events: Event) -> World:
    world = make_world()
    for at_s, event in enumerate(events, start=1):
        world.apply(event, float(at_s))
    return world


def test_a_name_answers_with_its_addresses_of_the_family_that_is_asked_for() -> None:
    answer = said(make_world(), A)
    assert addresses_of(answer.reply.answer) == SERVERS
    assert answer.ttl_s == 30
    assert addresses_of(said(make_world(), Question(NAME, RRType.AAAA)).reply.answer) == ("2001:db8::1",)


def test_an_alias_answers_with_its_chain_and_the_smallest_ttl() -> None:
    answer = said(make_world(), Question(ALIAS, RRType.A))
    assert [rrset.rtype for rrset in answer.reply.answer] == [RRType.CNAME, RRType.A]
    assert answer.ttl_s == 30


@pytest.mark.parametrize(
    ("event", "rcode"), [(EmptyRecord(name=NAME), Rcode.NOERROR), (DropName(name=NAME), Rcode.NXDOMAIN)]
)
def test_a_lost_record_is_denied_by_its_zone_with_its_negative_ttl(event: Event, rcode: int) -> None:
    answer = said(after(event), A)
    assert (answer.reply.rcode, answer.reply.answer, answer.ttl_s) == (rcode, (), 300)
    assert [rrset.owner for rrset in answer.reply.authority] == [ZONE]


def test_an_alias_of_a_lost_name_keeps_its_first_link() -> None:
    answer = said(after(DropName(name=NAME)), Question(ALIAS, RRType.A))
    assert [rrset.rtype for rrset in answer.reply.answer] == [RRType.CNAME]
    assert answer.reply.rcode == Rcode.NXDOMAIN


def test_a_zone_without_its_delegation_is_denied_by_its_parent_apex_and_all() -> None:
    world = after(DropDelegation(zone=ZONE))
    for question in (A, Question(ZONE, RRType.NS), Question(ZONE, RRType.SOA)):
        answer = said(world, question)
        assert (answer.reply.rcode, answer.reply.authority[0].owner) == (Rcode.NXDOMAIN, "example.")
    world.apply(RestoreDelegation(zone=ZONE), 9.0)
    assert said(world, A).reply.rcode == Rcode.NOERROR


def test_a_zone_says_who_serves_it() -> None:
    assert said(make_world(), Question(ZONE, RRType.NS)).reply.answer[0].rtype == RRType.NS
    assert said(make_world(), Question(ZONE, RRType.SOA)).reply.answer[0].rtype == RRType.SOA
    assert said(make_world(), Question(NAME, RRType.SOA)).reply.authority[0].owner == ZONE


def test_broken_signatures_are_bogus_to_those_who_validate_only() -> None:
    world = after(BreakSigning(zone=ZONE))
    assert said(world, A).reply.errors[0].code == Ede.DNSSEC_BOGUS
    unvalidated = world.version_at(9.0)[0].answer(A, validate=False)
    assert addresses_of(unvalidated.reply.answer) == SERVERS
    world.apply(MendSigning(zone=ZONE), 9.0)
    assert said(world, A).reply.rcode == Rcode.NOERROR


def test_a_signed_zones_answers_are_authentic() -> None:
    assert said(make_world(signed=True), A).reply.ad
    assert not said(make_world(), A).reply.ad


def test_what_was_published_before_can_still_be_looked_up() -> None:
    world = after(EmptyRecord(name=NAME))
    before, until_s = world.version_at(0.5)
    assert addresses_of(before.answer(A).reply.answer) == SERVERS
    assert until_s == 1.0


def test_a_record_is_restored_as_it_last_was_with_addresses_of_the_owner() -> None:
    world = after(
        StartServers(name=NAME, addresses=NEW),
        SetAddresses(name=NAME, addresses=NEW),
        GiveAway(addresses=("203.0.113.66",), party=Party.ATTACKER),
        SetAddresses(name=NAME, addresses=("203.0.113.66",)),
        RestoreRecord(name=NAME),
    )
    assert addresses_of(said(world, A).reply.answer) == NEW


def test_the_owners_servers_are_alive_until_they_are_stopped() -> None:
    world = after(StopServers(addresses=SERVERS[:1]))
    assert world.truth(A).alive == frozenset(SERVERS[1:])
    world.apply(ReviveServers(addresses=SERVERS[:1]), 9.0)
    assert world.truth(A).alive == frozenset(SERVERS)


def test_an_address_that_was_given_away_is_alive_for_nobody_and_a_strangers() -> None:
    truth = after(GiveAway(addresses=SERVERS[:1], certificate="www.stranger.example.")).truth(A)
    assert truth.alive == frozenset(SERVERS[1:])
    assert truth.strangers == frozenset(SERVERS[:1])


def test_a_retired_name_is_not_intended_and_its_alias_still_is() -> None:
    world = after(Retire(name=NAME))
    assert not world.truth(A).intended
    assert world.truth(Question(ALIAS, RRType.A)).intended


@pytest.mark.parametrize(
    ("event", "right"),
    [
        (Retire(name="else.zone.example."), True),
        (EmptyRecord(name=NAME), False),
        (StopServers(addresses=SERVERS), False),
        (StopServers(addresses=SERVERS[:2]), True),
        (GiveAway(addresses=SERVERS[:1], certificate="www.stranger.example."), False),
        (Retire(name=NAME), False),
    ],
)
def test_what_is_published_is_right_when_it_is_what_the_owner_means(event: Event, right: bool) -> None:
    assert after(event).is_published_right(A) is right


@pytest.mark.parametrize(
    ("events", "spec", "identity"),
    [
        ((), ProbeSpec(), Identity.PROVEN),
        ((), ProbeSpec(kind="tcp", port=22), Identity.UNKNOWN),
        ((StopServers(addresses=SERVERS),), ProbeSpec(), Identity.ABSENT),
        ((GiveAway(addresses=SERVERS, certificate="www.stranger.example."),), ProbeSpec(), Identity.CONTRADICTED),
        ((GiveAway(addresses=SERVERS),), ProbeSpec(), Identity.ABSENT),
    ],
)
def test_a_probe_finds_who_is_there(events: tuple[Event, ...], spec: ProbeSpec, identity: Identity) -> None:
    found = after(*events).look_at(SERVERS[0], NAME, spec, 5.0)
    assert (found.identity, found.at_s) == (identity, 5.0)


def test_nobody_is_found_where_nobody_ever_was() -> None:
    assert make_world().look_at("192.0.2.200", NAME, ProbeSpec(), 5.0).identity is Identity.ABSENT
