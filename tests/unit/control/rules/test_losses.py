"""Rules on what goes: how fast endpoints leave, whether a measurement or a source can be believed, and whole names."""

from planning import NAME, NOW_S, ZONE, inputs, managed, pool, said, standing, zone
from standfast.control.facts import Left
from standfast.control.intent import PolicyKind
from standfast.control.members import target_of
from standfast.control.plan import Content
from standfast.control.rules.bounds import Bounds

OTHER = "ftp.example.com."
SIX = [f"192.0.2.{number}" for number in range(1, 7)]
POOLS = {"a": pool(" ".join(f"+{address}" for address in SIX)), "b": pool("+198.51.100.1")}
WHOLE = standing(NAME, *SIX)


def left(*addresses: str, ago_s: float, name: str = NAME) -> Left:
    targets = frozenset(map(target_of, addresses))
    return Left(at_s=NOW_S - ago_s, names=frozenset({name}), targets=targets, count=len(targets))


def many(count: int, addresses_of_each: int) -> Content:
    """Return so many names, each with addresses of its own."""
    found: Content = {}
    for number in range(count):
        first = 1 + number * addresses_of_each
        addresses = [f"192.0.2.{first + at}" for at in range(addresses_of_each)]
        found = {**found, **standing(f"n{number}.example.com.", *addresses)}
    return found


def test_leave_velocity_fires_where_more_than_half_of_a_name_leaves() -> None:
    then = standing(NAME, *SIX[:2])
    # Of the zone, too: there is no other name in it.
    assert said("leave-velocity", zone(managed()), inputs(POOLS), WHOLE, then) == [f"ask {ZONE}", f"ask {NAME}"]


def test_leave_velocity_fires_where_half_leaves_in_two_plans_within_a_minute() -> None:
    before, then = standing(NAME, *SIX[:4]), standing(NAME, *SIX[:2])
    earlier = inputs(POOLS, left=[left(*SIX[4:], ago_s=20)])
    assert said("leave-velocity", zone(managed()), earlier, before, then) == [f"ask {ZONE}", f"ask {NAME}"]


def test_leave_velocity_fires_for_two_of_the_three_endpoints_of_a_small_zone() -> None:
    names = [managed(f"n{number}.example.com.", kind=PolicyKind.ALL_HEALTHY) for number in range(2)]
    before = standing(names[0].name, "192.0.2.1", "192.0.2.2") | standing(names[1].name, "192.0.2.2", "192.0.2.3")
    then = standing(names[0].name, "192.0.2.2") | standing(names[1].name, "192.0.2.2")
    assert said("leave-velocity", zone(*names), inputs(POOLS), before, then) == [f"ask {ZONE}"]


def test_leave_velocity_fires_where_too_many_leave_a_large_zone_though_they_are_a_small_part() -> None:
    names = [managed(f"n{number}.example.com.") for number in range(40)]
    before = many(40, 3)
    then = {name: standing(name, f"192.0.2.{1 + 3 * number}")[name] for number, name in enumerate(before)}
    few = inputs(POOLS, bounds=Bounds(leave_per_minute_max=70, leave_ratio_max=1.0, name_leave_ratio_max=1.0))
    assert said("leave-velocity", zone(*names), few, before, then) == [f"ask {ZONE}"]


def test_leave_velocity_fires_where_too_many_leave_one_name_though_they_are_a_small_part() -> None:
    addresses = [f"192.0.2.{number}" for number in range(1, 101)]
    before, then = standing(NAME, *addresses), standing(NAME, *addresses[:79])
    assert said("leave-velocity", zone(managed()), inputs(POOLS), before, then) == [f"ask {NAME}"]


def test_leave_velocity_fires_where_a_pool_leaves_a_name_that_keeps_the_other() -> None:
    index = zone(managed(kind=PolicyKind.ALL_HEALTHY))
    before = standing(NAME, *SIX[:2], "198.51.100.1")
    assert f"ask {NAME}" in said("leave-velocity", index, inputs(POOLS), before, standing(NAME, "198.51.100.1"))


def test_leave_velocity_is_silent_where_half_of_a_name_leaves() -> None:
    assert said("leave-velocity", zone(managed()), inputs(POOLS), WHOLE, standing(NAME, *SIX[:3])) == []


def test_leave_velocity_is_silent_where_one_endpoint_leaves_thousands_of_names() -> None:
    names = [managed(f"n{number}.example.com.") for number in range(2_000)]
    before = {name: node for each in names for name, node in standing(each.name, *SIX).items()}
    then = {name: node for each in names for name, node in standing(each.name, *SIX[:5]).items()}
    assert said("leave-velocity", zone(*names), inputs(POOLS), before, then) == []


def test_leave_velocity_is_silent_where_as_many_come_as_go() -> None:
    before, then = standing(NAME, *SIX[:3]), standing(NAME, *SIX[3:])
    assert said("leave-velocity", zone(managed()), inputs(POOLS), before, then) == []


def test_leave_velocity_is_silent_where_a_name_moves_to_a_smaller_pool() -> None:
    assert said("leave-velocity", zone(managed()), inputs(POOLS), WHOLE, standing(NAME, "198.51.100.1")) == []


def test_leave_velocity_is_silent_where_what_left_is_long_gone() -> None:
    before, then = standing(NAME, *SIX[:4]), standing(NAME, *SIX[:2])
    earlier = inputs(POOLS, left=[left(*SIX[4:], ago_s=61)])
    assert said("leave-velocity", zone(managed()), earlier, before, then) == []


def test_leave_velocity_fires_though_the_clock_was_set_back_since() -> None:
    before, then = standing(NAME, *SIX[:4]), standing(NAME, *SIX[:2])
    earlier = inputs(POOLS, left=[left(*SIX[4:], ago_s=-3_600)])
    assert f"ask {NAME}" in said("leave-velocity", zone(managed()), earlier, before, then)


def test_mass_unhealthy_fires_where_endpoints_leave_a_pool_that_is_not_believed() -> None:
    broken = inputs({"a": pool("+192.0.2.1 -192.0.2.2", broken="5 of 6 turned ill at once")})
    before, then = standing(NAME, "192.0.2.1", "192.0.2.2"), standing(NAME, "192.0.2.1")
    assert said("mass-unhealthy", zone(managed(NAME, "a")), broken, before, then) == [f"refuse {NAME}", f"warn {ZONE}"]


def test_mass_unhealthy_warns_where_nobody_in_a_pool_is_well() -> None:
    ill = inputs({"a": pool("-192.0.2.1 -192.0.2.2")})
    assert said("mass-unhealthy", zone(managed(NAME, "a")), ill, WHOLE, WHOLE) == [f"warn {ZONE}"]


def test_mass_unhealthy_is_silent_where_a_drained_endpoint_leaves() -> None:
    broken = inputs({"a": pool("+192.0.2.1 +192.0.2.2/drained", broken="nobody measures")})
    before, then = standing(NAME, "192.0.2.1", "192.0.2.2"), standing(NAME, "192.0.2.1")
    assert said("mass-unhealthy", zone(managed(NAME, "a")), broken, before, then) == [f"warn {ZONE}"]


def test_mass_unhealthy_is_silent_where_one_of_two_is_ill() -> None:
    ill = inputs({"a": pool("+192.0.2.1 -192.0.2.2")})
    before, then = standing(NAME, "192.0.2.1", "192.0.2.2"), standing(NAME, "192.0.2.1")
    assert said("mass-unhealthy", zone(managed(NAME, "a")), ill, before, then) == []


def test_source_failed_fires_where_endpoints_leave_that_an_unread_source_may_have() -> None:
    blind = inputs({"a": pool(source_failed="connection refused"), "b": pool("+198.51.100.1")})
    then = standing(NAME, "198.51.100.1")
    assert said("source-failed", zone(managed()), blind, WHOLE, then) == [f"refuse {NAME}", f"warn {ZONE}"]


def test_source_failed_fires_where_a_pool_is_not_in_the_intent_any_more() -> None:
    assert said("source-failed", zone(managed(NAME, "a")), inputs({}), WHOLE, {}) == [f"refuse {NAME}"]


def test_source_failed_is_silent_where_the_source_was_read() -> None:
    assert said("source-failed", zone(managed()), inputs(POOLS), WHOLE, standing(NAME, *SIX[:3])) == []


def test_source_failed_only_warns_while_what_it_said_last_is_known() -> None:
    failed = inputs({"a": pool("+192.0.2.1 -192.0.2.2", source_failed="time-out")})
    before, then = standing(NAME, "192.0.2.1", "192.0.2.2"), standing(NAME, "192.0.2.1")
    assert said("source-failed", zone(managed(NAME, "a")), failed, before, then) == [f"warn {ZONE}"]


def test_name_removed_fires_for_every_name_that_goes() -> None:
    before = WHOLE | standing(OTHER, "192.0.2.1") | standing("a.example.com.", "192.0.2.1")
    assert said("name-removed", zone(managed()), inputs(POOLS), before, WHOLE) == [
        "ask a.example.com.",
        f"ask {OTHER}",
    ]


def test_name_removed_is_silent_where_a_name_comes_or_changes() -> None:
    index = zone(managed(), managed(OTHER))
    then = standing(NAME, *SIX[:4]) | standing(OTHER, "192.0.2.1")
    assert said("name-removed", index, inputs(POOLS), WHOLE, then) == []
