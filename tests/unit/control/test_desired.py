"""What a name should hold: fail-over that stays put, shares by weight, and nobody moved by what is not known."""

import pytest

from planning import NAME, held_at, managed, pool, standing, zone
from standfast.control.desired import desired, shares
from standfast.control.intent import ManagedName, PolicyKind
from standfast.control.members import Pools, grouped, targets_of
from standfast.control.pool_view import PoolView
from standfast.dns.model import RRset

A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
B1, B2 = "198.51.100.1", "198.51.100.2"
ALL = PolicyKind.ALL_HEALTHY
WEIGHTED = PolicyKind.WEIGHTED


def held(name: ManagedName, pools: dict[str, PoolView], *now: str) -> list[str]:
    """Return what the name should hold, where it holds `now`."""
    wanted = desired(zone(name).shapes[NAME], targets_of(standing(NAME, *now)[NAME]), Pools(pools))
    return held_at({NAME: {rtype: RRset(owner=NAME, rtype=rtype, ttl_s=0, rdatas=datas) for rtype, datas in wanted}})


@pytest.mark.parametrize(
    ("a", "b", "now", "then"),
    [
        (f"+{A1} +{A2}", f"+{B1} +{B2}", (), (A1, A2)),  # the first in order
        (f"-{A1} -{A2}", f"+{B1} +{B2}", (A1, A2), (B1, B2)),  # the next, where that is ill
        (f"+{A1} -{A2}", f"+{B1} +{B2}", (A1, A2), (B1, B2)),  # or cannot keep the promise
        (f"+{A1} ?{A2}", f"+{B1} +{B2}", (A1, A2), (A1, A2)),  # not for what is not known
        (f"+{A1} +{A2} ?{A3}", f"+{B1} +{B2}", (A1, A2), (A1, A2)),  # which does not join either
        (f"+{A1} ?{A2}", f"+{B1} +{B2}", (B1, B2), (B1, B2)),  # nor is it gone back for
        (f"+{A1} +{A2}", f"+{B1} +{B2}", (B1, B2), (A1, A2)),  # but for what is well again
        (f"-{A1} -{A2}", f"-{B1} +{B2}", (A1, A2), (A1, A2)),  # nobody is fit: what stands stays
        (f"-{A1} +{A2} +{A3}", f"+{B1} +{B2}", (A1, A2, A3), (A2, A3)),  # who is ill leaves, while enough are well
        (f"-{A1} -{A2} +{A3}", f"-{B1} -{B2}", (A1, A2), (A1, A2, A3)),  # nobody leaves, but who is well joins
        (f"?{A1} ?{A2}", f"?{B1} ?{B2}", (), ()),  # nothing is known yet
        (f"+{A1}/drained +{A2} +{A3}", f"+{B1} +{B2}", (A1, A2, A3), (A2, A3)),  # who is drained leaves
        (f"+{A1}/drained +{A2}", "", (A1, A2), (A1, A2)),  # but not below what was promised
        (f"+{A1} +{A2}", "", ("192.0.2.66", A1), (A1, A2)),  # who is no endpoint any more leaves
        (f"?{A1} ?{A2}", "", ("192.0.2.66", "192.0.2.67"), ("192.0.2.66", "192.0.2.67")),  # once others can take over
    ],
)
def test_fail_over(a: str, b: str, now: tuple[str, ...], then: tuple[str, ...]) -> None:
    assert held(managed(least=2), {"a": pool(a), "b": pool(b)}, *now) == sorted(then)


@pytest.mark.parametrize("kind", list(PolicyKind))
def test_one_of_two_that_is_ill_leaves_where_one_is_enough(kind: PolicyKind) -> None:
    assert held(managed(NAME, "a", kind=kind), {"a": pool(f"+{A1} -{A2}")}, A1, A2) == [A1]


@pytest.mark.parametrize("kind", list(PolicyKind))
def test_one_of_two_that_is_ill_stays_where_two_were_promised(kind: PolicyKind) -> None:
    assert held(managed(NAME, "a", kind=kind, least=2), {"a": pool(f"+{A1} -{A2}")}, A1, A2) == [A1, A2]


def test_a_name_does_not_go_back_to_a_pool_of_which_too_few_are_well() -> None:
    pools = {"a": pool(f"+{A1} -{A2} -{A3}"), "b": pool(f"+{B1}")}
    assert held(managed(), pools, B1) == [B1]
    assert held(managed(), pools | {"a": pool(f"+{A1} +{A2} -{A3}")}, B1) == [A1, A2]


def test_a_name_that_has_to_leave_takes_a_pool_that_is_not_whole() -> None:
    pools = {"a": pool(f"+{A1} -{A2} -{A3}"), "b": pool(f"-{B1}")}
    assert held(managed(), pools, B1) == [A1]


@pytest.mark.parametrize("kind", list(PolicyKind))
def test_a_measurement_that_is_broken_moves_nobody(kind: PolicyKind) -> None:
    pools = {"a": pool(f"-{A1} -{A2} +{A3}", broken="all but one at once"), "b": pool(f"+{B1}")}
    assert set(held(managed(kind=kind), pools, A1, A2)) >= {A1, A2}
    assert A3 not in held(managed(kind=kind), pools, A1, A2)


@pytest.mark.parametrize("kind", list(PolicyKind))
def test_a_pool_whose_source_never_answered_keeps_what_stands(kind: PolicyKind) -> None:
    pools = {"a": pool(source_failed="connection refused"), "b": pool(f"+{B1}")}
    assert set(held(managed(kind=kind), pools, A1, A2)) >= {A1, A2}


@pytest.mark.parametrize("kind", list(PolicyKind))
def test_a_pool_that_is_gone_from_the_intent_keeps_what_stands(kind: PolicyKind) -> None:
    assert set(held(managed(kind=kind), {"b": pool(f"+{B1}")}, A1, A2)) >= {A1, A2}


@pytest.mark.parametrize("kind", list(PolicyKind))
def test_where_all_turn_unknown_or_ill_nothing_changes(kind: PolicyKind) -> None:
    for sign in "?-":
        pools = {"a": pool(f"{sign}{A1} {sign}{A2}"), "b": pool(f"{sign}{B1}")}
        assert held(managed(kind=kind), pools, A1, A2) == [A1, A2]


def test_all_who_are_well_are_held_whatever_their_pool() -> None:
    pools = {"a": pool(f"+{A1} -{A2}"), "b": pool(f"+{B1} ?{B2}")}
    assert held(managed(kind=ALL), pools, A2) == [A1, B1]


def test_one_address_of_two_endpoints_is_as_ill_as_the_worse_of_them() -> None:
    pools = {"a": pool(f"+{A1} +{A2}"), "b": pool(f"-{A1} +{B1}")}
    assert held(managed(kind=ALL), pools, A1, A2) == [A2, B1]


def test_places_are_shared_by_weight_and_those_that_stand_keep_theirs() -> None:
    pools = {"a": pool(f"+{A1} +{A2} +{A3}"), "b": pool(f"+{B1} +{B2}")}
    name = managed(kind=WEIGHTED, weights={"a": 2, "b": 1}, answers_max=3)
    assert held(name, pools) == [A1, A2, B1]
    assert held(name, pools, A2, A3, B2) == [A2, A3, B2]


def test_a_pool_without_weight_serves_nobody() -> None:
    pools = {"a": pool(f"+{A1}"), "b": pool(f"+{B1}")}
    assert held(managed(kind=WEIGHTED, weights={"a": 1, "b": 0}), pools) == [A1]


@pytest.mark.parametrize(
    ("weights", "available", "room", "expected"),
    [
        ([1, 1], [5, 5], 4, [2, 2]),
        ([2, 1], [5, 5], 4, [3, 1]),
        ([1, 1, 1], [5, 5, 5], 4, [2, 1, 1]),
        ([9, 1], [1, 5], 4, [1, 3]),
        ([1, 0], [5, 5], 4, [4, 0]),
        ([0, 0], [5, 5], 4, [0, 0]),
        ([3, 2], [5, 5], 0, [0, 0]),
        ([3, 2], [1, 1], 8, [1, 1]),
        ([], [], 8, []),
    ],
)
def test_shares(weights: list[int], available: list[int], room: int, expected: list[int]) -> None:
    assert shares(weights, available, room) == expected


def test_addresses_of_both_families_and_aliases_are_records_of_their_type() -> None:
    assert held(managed(), {"a": pool("+2001:db8::1 +192.0.2.1"), "b": pool()}) == ["192.0.2.1", "2001:db8::1"]
    assert held(managed(), {"a": pool("+lb.example.net. +cdn.example.net."), "b": pool()}) == ["lb.example.net."]


def test_an_alias_never_stands_beside_addresses() -> None:
    assert held(managed(kind=ALL), {"a": pool("+lb.example.net."), "b": pool(f"+{B1}")}) == [B1]
    assert held(
        managed(kind=ALL, least=2), {"a": pool("-lb.example.net."), "b": pool(f"+{B1}")}, "lb.example.net."
    ) == ["lb.example.net."]


def test_equal_wants_are_equal_whatever_the_order_that_endpoints_come_in() -> None:
    assert grouped([(1, b"b"), (28, b"c"), (1, b"a")]) == grouped([(28, b"c"), (1, b"a"), (1, b"b")])
