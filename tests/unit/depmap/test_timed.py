"""Outages over simulated years: as long as what is exact says where nothing bridges them, and shorter by what does."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dependency_maps import map_of
from standfast.depmap.faults.budget import Budget
from standfast.depmap.faults.model import Event
from standfast.depmap.graph import Kind, Need, all_of, any_of
from standfast.depmap.merging import DependencyMap
from standfast.depmap.node_risk import risk_of
from standfast.depmap.statements import Fails, Is, Needs, Statement
from standfast.depmap.timed import Outage, Waits, at_least, outage_of
from standfast.depmap.trees import tree_of

YEARS = 600
YEAR_MIN = 365 * 24 * 60
NAME = "www.example.com"
SHOP: list[Statement] = [
    Needs("shop", all_of(NAME)),
    Needs("shop", Need(parts=("a", "b", "c"), number=2)),
    Needs("shop", any_of("d", "e")),
    *(Fails(name, Event(unavailability=0.02)) for name in "abcde"),
    Fails(NAME, Event(unavailability=0.004)),
    Fails("shop", Event(unavailability=0.001)),
]


def simulated(found: DependencyMap, *waits: Waits, seed: int = 1) -> list[Outage]:
    return outage_of(tree_of(found, "shop"), waits, YEARS, lambda block: random.Random(f"{seed}/{block}"), Budget())


def test_without_anything_that_bridges_it_the_outage_is_what_is_exact() -> None:
    found = map_of(*SHOP)
    (outage,) = simulated(found, Waits(ttl_s=0, negative_ttl_s=0))
    exact = risk_of(found, "shop").probability_low * YEAR_MIN
    half = outage.high_min - outage.mean_min
    assert abs(outage.mean_min - exact) < 3 * half  # six standard deviations
    assert half < exact / 20
    assert outage.worst_min > outage.mean_min


def test_a_guard_takes_away_what_names_alone_make_and_nothing_else() -> None:
    without, with_guard = simulated(map_of(*SHOP), Waits(), Waits(hold_s=86_400 * 365))
    rest = map_of(*SHOP[1:], Is(NAME, Kind.NAME))
    exact_rest = risk_of(rest, "shop").probability_low * YEAR_MIN
    assert abs(with_guard.mean_min - exact_rest) < 3 * (with_guard.high_min - with_guard.mean_min)
    assert without.mean_min > with_guard.mean_min + 0.003 * YEAR_MIN


def test_a_hold_that_is_shorter_than_the_failure_bridges_its_beginning() -> None:
    found = map_of(
        Needs("shop", all_of(NAME)), Fails("shop", Event(unavailability=0)), Fails(NAME, Event(unavailability=0.01))
    )
    longer = [each.mean_min for each in simulated(found, *(Waits(hold_s=hours * 3600) for hours in (0, 1, 3, 12)))]
    assert longer == sorted(longer, reverse=True)
    # What is left of an exponential time of 3 hours after 3 hours is 1/e of it.
    assert longer[2] / longer[0] == pytest.approx(0.368, abs=0.05)


def test_the_same_seed_gives_the_same_years_and_less_time_fewer_of_them() -> None:
    found = map_of(*SHOP)
    first = simulated(found, Waits())
    assert first == simulated(found, Waits())
    assert first != simulated(found, Waits(), seed=2)
    spent = Budget(spent=lambda: True)
    assert outage_of(tree_of(found, "shop"), [Waits()], YEARS, lambda _: random.Random(1), spent) == []
    looks = itertools.count()
    soon = Budget(spent=lambda: next(looks) > 100)
    (outage,) = outage_of(tree_of(found, "shop"), [Waits()], YEARS, lambda _: random.Random(1), soon)
    assert 0 < outage.years < YEARS


spans = st.lists(st.integers(0, 30), max_size=8, unique=True).map(
    lambda ends: [(float(a), float(b)) for a, b in zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False)]
)


@given(st.lists(spans, max_size=5), st.integers(1, 5))
def test_at_least_so_many_spans_are_those_instants_at_which_so_many_are(
    parts: list[list[tuple[float, float]]], number: int
) -> None:
    found = at_least(number, parts)
    assert all(begin < end for begin, end in found)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(found))
    for at in range(30):
        inside = [any(begin <= at + 0.5 < end for begin, end in part) for part in [*parts, found]]
        assert inside[-1] == (sum(inside[:-1]) >= number)
