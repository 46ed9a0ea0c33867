"""Rules on what was promised of a name: never empty, endpoints enough, capacity enough."""

from planning import NAME, inputs, managed, pool, said, standing, zone
from standfast.dns.model import RRset

POOLS = {"a": pool("+192.0.2.1 +192.0.2.2 +192.0.2.3", capacity=2), "b": pool("+198.51.100.1")}
TWO = standing(NAME, "192.0.2.1", "192.0.2.2")
ONE = standing(NAME, "192.0.2.1")
TEXT = {16: RRset(owner=NAME, rtype=16, ttl_s=60, rdatas=(b"\x02hi",))}


def test_never_empty_fires_where_the_last_endpoint_goes() -> None:
    assert said("never-empty", zone(managed()), inputs(POOLS), ONE, {}) == [f"refuse {NAME}"]


def test_never_empty_fires_where_other_records_of_the_name_stay() -> None:
    assert said("never-empty", zone(managed()), inputs(POOLS), {NAME: ONE[NAME] | TEXT}, {NAME: TEXT}) == [
        f"refuse {NAME}"
    ]


def test_never_empty_fires_for_one_name_of_many() -> None:
    names = [managed(f"n{number}.example.com.") for number in range(1_000)]
    before = {name: node for each in names for name, node in standing(each.name, "192.0.2.1").items()}
    then = {name: node for name, node in before.items() if name != "n500.example.com."}
    assert said("never-empty", zone(*names), inputs(POOLS), before, then) == ["refuse n500.example.com."]


def test_never_empty_is_silent_where_one_endpoint_stays() -> None:
    assert said("never-empty", zone(managed()), inputs(POOLS), TWO, ONE) == []


def test_never_empty_is_silent_where_the_owner_took_the_name_out() -> None:
    assert said("never-empty", zone(), inputs(POOLS), ONE, {}) == []


def test_endpoints_min_fires_where_fewer_stay_than_were_promised() -> None:
    assert said("endpoints-min", zone(managed(least=2)), inputs(POOLS), TWO, ONE) == [f"refuse {NAME}"]


def test_endpoints_min_fires_where_a_name_begins_with_fewer() -> None:
    assert said("endpoints-min", zone(managed(least=2)), inputs(POOLS), {}, ONE) == [f"refuse {NAME}"]


def test_endpoints_min_fires_where_one_is_replaced_by_one_and_two_were_promised() -> None:
    other = standing(NAME, "192.0.2.2")
    assert said("endpoints-min", zone(managed(least=2)), inputs(POOLS), ONE, other) == [f"refuse {NAME}"]


def test_endpoints_min_only_warns_where_a_name_that_has_too_few_gets_more() -> None:
    assert said("endpoints-min", zone(managed(least=3)), inputs(POOLS), ONE, TWO) == [f"warn {NAME}"]


def test_endpoints_min_is_silent_where_enough_stay() -> None:
    before = standing(NAME, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert said("endpoints-min", zone(managed(least=2)), inputs(POOLS), before, TWO) == []


def test_endpoints_min_counts_addresses_of_both_families() -> None:
    both = standing(NAME, "192.0.2.1", "2001:db8::1")
    assert said("endpoints-min", zone(managed(least=2)), inputs(POOLS), {}, both) == []


def test_capacity_min_fires_where_what_stays_carries_too_little() -> None:
    assert said("capacity-min", zone(managed(capacity=4)), inputs(POOLS), TWO, ONE) == [f"refuse {NAME}"]


def test_capacity_min_fires_where_a_smaller_pool_takes_over() -> None:
    other = standing(NAME, "198.51.100.1")
    assert said("capacity-min", zone(managed(capacity=4)), inputs(POOLS), TWO, other) == [f"refuse {NAME}"]


def test_capacity_min_is_silent_where_few_but_large_endpoints_carry_it() -> None:
    assert said("capacity-min", zone(managed(capacity=2)), inputs(POOLS), TWO, ONE) == []
