"""Rules on the zone: what is not ours in it, what holds it up, and what somebody else published there."""

from dataclasses import replace

import pytest

from planning import KNOWN, NAME, ZONE, inputs, managed, pool, said, standing, zone
from standfast.control.facts import Base
from standfast.control.fence import Fence, Unreadable, fence_name
from standfast.control.plan import Node
from standfast.control.planner import plan_zone
from standfast.dns.model import Name, RRset

POOLS = {"a": pool("+192.0.2.1 +192.0.2.2"), "b": pool("+198.51.100.1")}
SUB = "sub.example.com."
ONE = standing(NAME, "192.0.2.1")
TWO = standing(NAME, "192.0.2.1", "192.0.2.2")
KNOWN_FENCE = Fence(generation=1, step=1, done=True, plan="f" * 16, writer="eu-1.1.1")


def node(owner: Name, rtype: int) -> dict[Name, Node]:
    return {owner: {rtype: RRset(owner=owner, rtype=rtype, ttl_s=3_600, rdatas=(b"\x01a\x00",))}}


@pytest.mark.parametrize(("owner", "rtype"), [(ZONE, 2), (ZONE, 6), (ZONE, 48), ("sub.example.com.", 2), (NAME, 43)])
def test_apex_and_delegation_fires_where_what_holds_a_zone_up_changes(owner: Name, rtype: int) -> None:
    records = list(node(owner, rtype)[owner].values())
    assert said("apex-and-delegation", zone(records=records), inputs({}), {}, node(owner, rtype)) == [f"refuse {owner}"]
    assert said("apex-and-delegation", zone(), inputs({}), node(owner, rtype), {}) == [f"refuse {owner}"]


def test_apex_and_delegation_fires_at_the_apex_though_it_is_named_as_delegated() -> None:
    index = zone(delegated=[ZONE])
    assert said("apex-and-delegation", index, inputs({}), node(ZONE, 2), {}) == [f"refuse {ZONE}"]


def test_apex_and_delegation_is_silent_where_the_intent_lets_a_delegation_change() -> None:
    index = zone(delegated=["sub.example.com."])
    assert said("apex-and-delegation", index, inputs({}), {}, node("sub.example.com.", 2)) == []


def test_apex_and_delegation_is_silent_for_addresses_at_the_apex() -> None:
    assert said("apex-and-delegation", zone(managed(ZONE)), inputs(POOLS), {}, standing(ZONE, "192.0.2.1")) == []


def test_apex_and_delegation_fires_below_a_delegation_wherever_it_is_known_from() -> None:
    below, comes = "x.sub.example.com.", standing("x.sub.example.com.", "192.0.2.1")
    refused = [f"refuse {below}"]
    named, foreign = zone(managed(below), delegated=["sub.example.com."]), replace(KNOWN, delegations=frozenset({SUB}))
    assert said("apex-and-delegation", named, inputs(POOLS), {}, comes) == refused
    assert said("apex-and-delegation", zone(managed(below)), inputs(POOLS), {}, comes, foreign) == refused
    planned = node(SUB, 2)
    assert said("apex-and-delegation", zone(managed(below)), inputs(POOLS), planned, planned | comes) == refused
    assert said("apex-and-delegation", zone(managed(below)), inputs(POOLS), {}, comes) == []
    assert said("apex-and-delegation", zone(), inputs({}), comes, {}, foreign) == []  # going is no harm


def test_apex_and_delegation_lets_a_delegation_have_the_addresses_of_its_servers_and_nothing_else() -> None:
    server = RRset(owner=SUB, rtype=2, ttl_s=60, rdatas=(b"\x02ns\x03sub\x07example\x03com\x00",))
    index, planned = zone(records=[server], delegated=[SUB]), {SUB: {2: server}}
    glue = standing(f"ns.{SUB}", "192.0.2.1")
    assert said("apex-and-delegation", index, inputs({}), planned, planned | glue) == []
    assert said("apex-and-delegation", index, inputs({}), planned, planned | node(f"ns.{SUB}", 16)) == [
        f"refuse ns.{SUB}"
    ]
    text = {SUB: {**planned[SUB], **node(SUB, 16)[SUB]}}
    assert said("apex-and-delegation", index, inputs({}), planned, text) == [f"refuse {SUB}"]


def test_a_name_below_a_delegation_that_is_not_ours_holds_up_no_other() -> None:
    base = replace(KNOWN, delegations=frozenset({SUB}))
    planned = plan_zone(zone(managed(), managed(f"x.{SUB}")), inputs(POOLS), base)
    assert planned.held == {f"x.{SUB}"}
    assert list(planned.content) == [NAME]


@pytest.mark.parametrize("owner", ["www.example.net.", "com.", "wwwexample.com."])
def test_not_our_zone_fires_for_names_of_other_zones(owner: Name) -> None:
    index = zone(managed(owner))
    assert said("not-our-zone", index, inputs(POOLS), {}, standing(owner, "192.0.2.1")) == [f"refuse {owner}"]
    assert said("not-our-zone", zone(), inputs(POOLS), standing(owner, "192.0.2.1"), {}) == [f"refuse {owner}"]


def test_not_our_zone_fires_for_the_fence() -> None:
    fence = fence_name(ZONE)
    assert said("not-our-zone", zone(managed(fence)), inputs(POOLS), {}, standing(fence, "192.0.2.1")) == [
        f"refuse {fence}"
    ]


def test_not_our_zone_is_silent_for_the_apex_and_names_below_it() -> None:
    index = zone(managed(), managed(ZONE))
    assert said("not-our-zone", index, inputs(POOLS), {}, ONE | standing(ZONE, "192.0.2.1")) == []


@pytest.mark.parametrize(
    "fence",
    [
        Fence(generation=2, step=1, done=True, plan="f" * 16, writer="by-hand.1.1"),
        Fence(generation=1, step=1, done=True, plan="e" * 16, writer="another.1.1"),
    ],
)
def test_unknown_publication_fires_where_a_fence_is_not_of_a_plan_that_is_known(fence: Fence) -> None:
    base = Base(head=KNOWN.head, published={"own": KNOWN_FENCE, "bind": fence})
    assert said("unknown-publication", zone(managed()), inputs(POOLS), ONE, TWO, base) == [f"ask {ZONE}"]


def test_unknown_publication_fires_where_records_stand_that_were_never_planned() -> None:
    assert said("unknown-publication", zone(managed()), inputs(POOLS), ONE, TWO, Base()) == [f"ask {ZONE}"]


def test_unknown_publication_fires_where_nothing_is_known_and_nothing_can_be_read() -> None:
    base = Base(published={"own": Unreadable(why="time-out")})
    assert said("unknown-publication", zone(managed()), inputs(POOLS), {}, TWO, base) == [f"ask {ZONE}"]


def test_unknown_publication_only_warns_where_what_stands_is_what_is_wanted() -> None:
    fence = Fence(generation=2, step=1, done=True, plan="f" * 16, writer="by-hand.1.1")
    base = Base(head=KNOWN.head, published={"own": fence})
    assert said("unknown-publication", zone(managed()), inputs(POOLS), ONE, ONE, base) == [f"warn {ZONE}"]


def test_unknown_publication_is_silent_where_the_newest_plan_stands_or_one_before() -> None:
    older = Fence(generation=1, step=1, done=False, plan="f" * 16, writer="eu-1.1.1")
    base = Base(head=KNOWN.head, published={"own": KNOWN_FENCE, "bind": older, "new": None})
    assert said("unknown-publication", zone(managed()), inputs(POOLS), ONE, TWO, base) == []


def test_unknown_publication_is_silent_where_a_name_is_published_for_the_first_time() -> None:
    assert said("unknown-publication", zone(managed()), inputs(POOLS), {}, TWO, Base(published={"own": None})) == []
