"""The fault tree of a node says what trying every state of the map says, circles included."""

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dependency_maps import map_of, maps
from standfast.depmap.errors import ModelError
from standfast.depmap.faults.budget import Limits
from standfast.depmap.faults.model import Event, Source
from standfast.depmap.faults.risk import assess
from standfast.depmap.graph import Kind, Need, Node, all_of, any_of
from standfast.depmap.loss import single_points
from standfast.depmap.merging import DependencyMap
from standfast.depmap.node_risk import risk_of
from standfast.depmap.statements import Fails, Is, IsGone, Loss, Needs, Shares
from standfast.depmap.trees import tree_of
from standfast.depmap.unavailability import BY_KIND, own_events
from truth_tables import MapTruth, Truth

EVERYTHING = 1 << 20


@given(maps())
@settings(max_examples=200)
def test_risk_and_cut_sets_are_what_trying_every_state_says(found: DependencyMap) -> None:
    tree = tree_of(found, "n0")
    assert tree.lower is tree.upper
    # What the tree leaves out must not matter: the truth is of all events that there are.
    events = {name: found.events[name] for name in (*found.graph.nodes, *found.graph.causes)}
    truth = MapTruth(found.graph, "n0", {name: [name] for name in found.graph.nodes}, events)
    risk = assess(tree.upper, cut_sets_max=EVERYTHING)
    assert risk.probability_low == pytest.approx(truth.probability(), rel=1e-9, abs=1e-15)
    assert {frozenset(each.events) for each in risk.cut_sets} == truth.minimal_sets()


@given(maps(events_max=12), st.integers(1, 30))
def test_circles_that_are_too_large_are_enclosed_by_two_trees(found: DependencyMap, unfolded_max: int) -> None:
    exact = Truth(tree_of(found, "n0").upper).table
    tree = tree_of(found, "n0", unfolded_max=unfolded_max)
    lower, upper = Truth(tree.lower).table, Truth(tree.upper).table
    assert lower & ~exact == 0
    assert exact & ~upper == 0


@given(maps(events_max=12))
def test_what_is_one_point_of_failure_is_a_cut_set_of_one(found: DependencyMap) -> None:
    risk = assess(tree_of(found, "n0").upper, cut_sets_max=EVERYTHING)
    alone = {each.events[0] for each in risk.cut_sets if len(each.events) == 1}
    assert alone == set(single_points(found.graph, "n0"))


def test_a_circle_works_only_if_something_outside_starts_it() -> None:
    circle = map_of(Needs("a", all_of("b")), Needs("b", any_of("a", "c")), Is("c", Kind.SERVICE))
    risk = assess(tree_of(circle, "a").upper, cut_sets_max=9)
    assert {each.events for each in risk.cut_sets} == {("a",), ("b",), ("c",)}
    alone = map_of(Needs("a", all_of("b")), Needs("b", all_of("a")))
    assert assess(tree_of(alone, "a").upper).probability_low == 1.0


def test_a_large_circle_is_unfolded_and_assessed() -> None:
    ring = [Needs(f"n{each}", any_of(f"n{(each + 1) % 500}", "base")) for each in range(500)]
    tree = tree_of(map_of(*ring, Needs("n0", all_of("n250"))), "n0")
    assert tree.lower is tree.upper
    assert assess(tree.upper).is_exact


def test_what_nobody_spoke_of_is_assumed_by_its_kind_and_what_somebody_said_counts() -> None:
    said = Event(unavailability=0.25, source=Source.MEASURED)
    found = map_of(Needs("shop", all_of("db.example.com")), Shares("shop", "region:aws/us-east-1"), Fails("shop", said))
    events = tree_of(found, "shop").upper.events
    assert events["shop"] == said
    assert events["region:aws/us-east-1"].source is Source.ASSUMED
    modes = [events[f"db.example.com {mode}"] for mode in Loss]
    assert {each.source for each in modes} == {Source.ASSUMED}
    both = 1 - (1 - modes[0].unavailability) * (1 - modes[1].unavailability)
    assert both == pytest.approx(BY_KIND[Kind.NAME])


def test_a_name_that_is_gone_is_lost_for_certain_in_the_way_that_it_was_found() -> None:
    found = map_of(Needs("shop", all_of("db.example.com")), IsGone("db.example.com", Loss.EMPTIED))
    risk = assess(tree_of(found, "shop").upper, cut_sets_max=1)
    assert risk.probability_low == 1.0
    assert [(each.events, each.probability) for each in risk.cut_sets] == [(("db.example.com emptied",), 1.0)]


def test_degraded_is_also_what_lacks_something_it_would_rather_have() -> None:
    found = map_of(Needs("shop", all_of("hints", soft=True)), Needs("hints", all_of("model", soft=True)))
    assert set(tree_of(found, "shop").upper.events) == {"shop"}
    risk = assess(tree_of(found, "shop", degraded=True).upper, cut_sets_max=9)
    assert {each.events for each in risk.cut_sets} == {("shop",), ("hints",)}


def test_every_event_of_a_node_is_one_of_its_own() -> None:
    found = map_of(Is("zone:example.com", Kind.ZONE), Is("www.example.com", Kind.NAME))
    nodes = found.graph.nodes
    assert list(own_events(found, nodes["zone:example.com"])) == ["zone:example.com"]
    assert list(own_events(found, nodes["www.example.com"])) == ["www.example.com emptied", "www.example.com removed"]


def test_a_node_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ModelError, match='there is no "none"'):
        tree_of(map_of(Is("a", Kind.SERVICE)), "none")


def test_needs_of_some_of_many_are_met_as_the_graph_says() -> None:
    nodes = [Node(name=f"s{each}") for each in range(5)]
    found = map_of(
        Needs("n", Need(parts=tuple(node.name for node in nodes), number=3)),
        *(Fails(node.name, Event(unavailability=0.5)) for node in nodes),
        Fails("n", Event(unavailability=0.0)),
    )
    assert assess(tree_of(found, "n").upper).probability_low == pytest.approx(0.5)  # three of five fair coins


@given(maps(events_max=12), st.integers(2, 40))
def test_what_does_not_fit_is_at_least_as_likely_as_its_single_points_of_failure(
    found: DependencyMap, nodes_max: int
) -> None:
    exact = Truth(tree_of(found, "n0").upper).probability()
    risk = risk_of(found, "n0", Limits(nodes_max=nodes_max))
    assert risk.probability_low - 1e-12 <= exact <= risk.probability_high + 1e-12
    fails = 1 - prod(1 - found.events[name].unavailability for name in single_points(found.graph, "n0"))
    assert risk.probability_low >= fails - 1e-12
