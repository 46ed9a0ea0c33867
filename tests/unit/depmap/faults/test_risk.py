"""The risk of a tree is what trying every state says, or bounds around that; published trees are as published."""

import csv
import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.depmap.errors import ModelError
from standfast.depmap.faults.budget import Limits
from standfast.depmap.faults.model import AllOf, AnyOf, AtLeast, Basic, Event, FaultTree, Gate, LoopError, Not, Xor
from standfast.depmap.faults.openpsa import read_open_psa
from standfast.depmap.faults.risk import assess
from truth_tables import Truth, trees

EVERYTHING = 1 << 20


@pytest.fixture
def deep() -> Iterator[None]:
    """Let Python recurse as deep as the command lets it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


def tree(top: AllOf | AnyOf | AtLeast | Not | Xor, **events: float) -> FaultTree:
    return FaultTree(
        top="top", gates={"top": top}, events={name: Event(unavailability=share) for name, share in events.items()}
    )


# Exactly.


@given(trees())
@settings(max_examples=150)
def test_probability_and_cut_sets_are_what_trying_every_state_says(tree: FaultTree) -> None:
    truth, risk = Truth(tree), assess(tree, cut_sets_max=EVERYTHING)
    assert risk.is_exact
    assert risk.probability_low == pytest.approx(truth.probability(), rel=1e-9, abs=1e-15)
    assert {frozenset(each.events) for each in risk.cut_sets} == truth.minimal_sets()
    assert risk.minimal_cut_sets == len(risk.cut_sets) == len(truth.minimal_sets())


@given(trees())
def test_cut_sets_are_listed_from_the_most_probable_on_and_the_first_few_are_the_first(tree: FaultTree) -> None:
    listed = [each.probability for each in assess(tree, cut_sets_max=EVERYTHING).cut_sets]
    assert listed == sorted(listed, reverse=True)
    assert [each.probability for each in assess(tree, cut_sets_max=3).cut_sets] == listed[:3]


@given(trees(events_max=8))
def test_importance_is_what_comes_of_making_the_event_sure_or_impossible(tree: FaultTree) -> None:
    risk = assess(tree)
    top = risk.probability_low
    for each in risk.importances:
        sure, never = (
            Truth(replace(tree, events={**tree.events, each.event: Event(unavailability=share)})).probability()
            for share in (1.0, 0.0)
        )
        assert each.birnbaum == pytest.approx(sure - never, abs=1e-9)
        if top > 1e-6:
            assert each.raw == pytest.approx(sure / top, rel=1e-6, abs=1e-6)
        if never > 1e-6:
            assert each.rrw == pytest.approx(top / never, rel=1e-6)


def test_a_k_of_n_gate_counts_a_part_that_stands_there_twice_twice() -> None:
    twice = tree(AtLeast(2, (Basic("a"), Basic("a"), Basic("b"))), a=0.1, b=0.5)
    assert assess(twice).probability_low == pytest.approx(0.1)
    assert [each.events for each in assess(twice, cut_sets_max=9).cut_sets] == [("a",)]


def test_sets_by_the_billion_are_counted_and_the_first_few_listed() -> None:
    pairs = tuple(AnyOf((Basic(f"a{number}"), Basic(f"b{number}"))) for number in range(40))
    events = {f"{side}{number}": 0.5 if side == "a" else 0.25 for number in range(40) for side in "ab"}
    risk = assess(tree(AllOf(pairs), **events), cut_sets_max=1)
    assert risk.minimal_cut_sets == 2**40
    assert risk.cut_sets[0].events == tuple(sorted(f"a{number}" for number in range(40)))


def test_what_always_or_never_happens_is_said_to() -> None:
    always = assess(tree(AnyOf((Basic("a"), Not(Basic("a")))), a=0.5), cut_sets_max=5)
    assert (always.probability_low, always.minimal_cut_sets, always.cut_sets[0].events) == (1.0, 1, ())
    never = assess(tree(AllOf((Basic("a"), Not(Basic("a")))), a=0.5), cut_sets_max=5)
    assert (never.probability_high, never.minimal_cut_sets, never.cut_sets) == (0.0, 0, ())


def test_in_a_non_coherent_tree_what_is_not_in_a_cut_set_does_not_happen() -> None:
    risk = assess(tree(Xor((Basic("a"), Basic("b"))), a=0.1, b=0.2), cut_sets_max=9)
    assert risk.probability_low == pytest.approx(0.1 * 0.8 + 0.9 * 0.2)
    assert {each.events for each in risk.cut_sets} == {("a",), ("b",)}


@pytest.mark.usefixtures("deep")
def test_a_tree_of_three_thousand_gates_in_a_row_is_no_trouble() -> None:
    gates = {f"g{n}": AnyOf((Basic(f"e{n}"), AllOf((Basic(f"f{n}"), Gate(f"g{n + 1}"))))) for n in range(3_000)}
    gates["g3000"] = AnyOf((Basic("e0"),))
    events = {f"{side}{n}": Event(unavailability=0.01) for n in range(3_000) for side in "ef"}
    risk = assess(FaultTree(top="g0", gates=gates, events=events))
    assert risk.is_exact
    assert risk.minimal_cut_sets == 3_000


def test_a_loop_and_a_gate_that_is_not_there_are_errors_with_their_names() -> None:
    loop = FaultTree(top="a", gates={"a": AnyOf((Gate("b"),)), "b": AllOf((Gate("a"),))}, events={})
    with pytest.raises(LoopError, match=r"a gate hangs on itself: (a -> b -> a|b -> a -> b)"):
        assess(loop)
    with pytest.raises(ModelError, match='there is no gate "b"'):
        assess(FaultTree(top="a", gates={"a": AnyOf((Gate("b"),))}, events={}))


# Between bounds.


@given(trees(), st.integers(2, 200))
@settings(max_examples=150)
def test_what_does_not_fit_lies_between_the_bounds(tree: FaultTree, nodes_max: int) -> None:
    risk = assess(tree, Limits(nodes_max=nodes_max))
    exact = Truth(tree).probability()
    assert risk.probability_low - 1e-12 <= exact <= risk.probability_high + 1e-12
    if risk.is_exact:
        assert risk.probability_low == risk.probability_high


@given(trees(), st.integers(2, 60))
@settings(max_examples=150)
def test_cut_sets_listed_of_what_does_not_fit_are_cut_sets(tree: FaultTree, nodes_max: int) -> None:
    risk = assess(tree, Limits(nodes_max=nodes_max), cut_sets_max=20)
    truth = Truth(tree)
    for each in risk.cut_sets:
        state = sum(1 << truth.names.index(event) for event in each.events)
        assert truth.table >> state & 1


@given(trees(coherent=True), st.integers(2, 60))
@settings(max_examples=150)
def test_cut_sets_listed_of_what_does_not_fit_are_minimal_in_coherent_trees(tree: FaultTree, nodes_max: int) -> None:
    risk = assess(tree, Limits(nodes_max=nodes_max), cut_sets_max=20)
    assert {frozenset(each.events) for each in risk.cut_sets} <= Truth(tree).minimal_sets()
    assert risk.cut_sets_may_lack == (risk.minimal_cut_sets is None)


def test_without_any_time_there_is_still_an_answer() -> None:
    ticks = itertools.count()
    hard = AtLeast(6, tuple(AnyOf((Basic(f"a{n}"), Basic(f"a{(n * 7 + 1) % 20}"))) for n in range(20)))
    risk = assess(
        tree(hard, **{f"a{n}": 0.1 for n in range(20)}), Limits(seconds_max=0.0, seconds_spent=lambda: next(ticks))
    )
    assert not risk.is_exact
    assert risk.minimal_cut_sets is None
    assert 0 <= risk.probability_low <= risk.probability_high <= 1


# As published.


def test_published_trees_have_the_published_number_of_cut_sets_and_probability(shared_data: Path) -> None:
    folder = shared_data / "fault-trees"
    with (folder / "expected.tsv").open() as file:
        expected = list(csv.DictReader(file, delimiter="\t"))
    assert len(expected) == 18
    for row in expected:
        path = folder / f"{row['tree']}.xml"
        risk = assess(read_open_psa(path.read_bytes(), file=path.name).tree)
        assert f"{risk.probability_low:.5E}" == f"{risk.probability_high:.5E}" == row["top_event_probability"]
        assert risk.minimal_cut_sets == int(row["minimal_cut_sets"])


def test_published_trees_lie_between_their_bounds_where_there_is_little_room(shared_data: Path) -> None:
    folder = shared_data / "fault-trees"
    with (folder / "expected.tsv").open() as file:
        expected = {row["tree"]: row["top_event_probability"] for row in csv.DictReader(file, delimiter="\t")}
    for name in ("baobab1", "das9208", "edf9205"):
        path = folder / f"{name}.xml"
        risk = assess(read_open_psa(path.read_bytes(), file=path.name).tree, Limits(nodes_max=600))
        assert not risk.is_exact
        half_a_digit = float(f"0.000005E{expected[name].partition('E')[2]}")
        published = float(expected[name])
        assert risk.probability_low - half_a_digit <= published <= risk.probability_high + half_a_digit
