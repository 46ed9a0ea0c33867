"""One map of what many say: whoever speaks first, however often, and what is taken where they differ is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.errors import ModelError
from standfast.depmap.faults.model import Event, Source
from standfast.depmap.graph import Kind, Need, all_of, any_of
from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.statements import (
    Claims,
    Fails,
    Is,
    IsGone,
    Loss,
    Needs,
    Reading,
    Remark,
    Shares,
    Statement,
    Told,
    Witness,
)
from statements_told import HAND, REMARKS, STATE, TELLINGS, TRACE


@given(TELLINGS, REMARKS, st.data())
def test_neither_the_order_nor_the_grouping_of_what_is_told_changes_the_map(
    told: list[Told], remarks: list[Remark], data: st.DataObject
) -> None:
    whole = merge([Reading(told=tuple(told), remarks=tuple(remarks))])
    mixed = data.draw(st.permutations(told))
    apart = [Reading(told=(each,)) for each in mixed] + [Reading(remarks=(each,)) for each in reversed(remarks)]
    assert described(merge(apart)) == described(whole)


@given(TELLINGS, REMARKS)
def test_a_map_that_is_merged_again_is_the_same(told: list[Told], remarks: list[Remark]) -> None:
    once = merge([Reading(told=tuple(told), remarks=tuple(remarks))])
    again = Reading(told=once.told, remarks=once.remarks)
    assert described(merge([again])) == described(merge([again, again])) == described(once)


@given(TELLINGS)
def test_every_edge_has_its_witnesses_and_everything_of_which_was_told_is_there(told: list[Told]) -> None:
    found = merge([Reading(told=tuple(told))])
    edges = {
        (node.name, end)
        for node in found.graph.nodes.values()
        for end in (*node.causes, *(part for need in node.needs for part in need.parts))
    }
    assert set(found.witnesses) == edges
    assert all(found.witnesses.values())
    spoken_of = {each.statement.node for each in told if not isinstance(each.statement, Fails)}
    assert spoken_of <= set(found.graph.nodes)


@given(TELLINGS)
def test_one_reader_that_says_nothing_twice_contradicts_nobody(told: list[Told]) -> None:
    found = merge([Reading(told=tuple(told[:1]))])
    assert not [each for each in found.contradictions if len({by for _, by in each.said}) > 1]


def described(found: DependencyMap) -> tuple[object, ...]:
    """Return all of a map, with its order."""
    nodes = list(found.graph.nodes.items())
    rest = (found.events, found.claims, found.gone, found.witnesses)
    return (nodes, *(list(each.items()) for each in rest), found.contradictions, found.remarks, found.told)


def merged(*told: tuple[Statement, Witness]) -> DependencyMap:
    return merge([Reading(told=tuple(Told(statement, by) for statement, by in told))])


def differing(found: DependencyMap) -> list[tuple[str, set[str], str]]:
    """Return the contradictions without their witnesses."""
    return [(each.name, {text for text, _ in each.said}, each.taken) for each in found.contradictions]


def test_the_same_edge_from_two_is_one_edge_with_both_witnesses() -> None:
    found = merged((Needs("a", all_of("b", "c")), STATE), (Needs("a", all_of("b")), TRACE))
    assert found.graph.nodes["a"].needs == (all_of("b"), all_of("c"))
    assert found.witnesses == {("a", "b"): (TRACE, STATE), ("a", "c"): (STATE,)}
    assert not found.contradictions


@pytest.mark.parametrize(
    ("one", "other", "taken", "name"),
    [
        (all_of("b"), all_of("b", soft=True), "b", "a -> b"),
        (any_of("b", "c", "d"), Need(parts=("d", "c", "b"), number=2), "2 of b, c, d", "a -> b, c, d"),
        (any_of("b", role="address"), any_of("c", role="address"), "one of b, c", "a -> b, c"),
        (all_of("b", role="alias"), all_of("c", role="alias"), "b, c", "a -> b, c"),
        (any_of("b", "c", role="address"), any_of("c", "b"), "one of b, c", None),
        (any_of("b", "c", role="address"), any_of("c", "b", soft=True), "one of b, c", "a -> b, c"),
    ],
)
def test_of_needs_that_differ_the_worse_is_taken_and_parts_of_one_role_are_united(
    one: Need, other: Need, taken: str, name: str | None
) -> None:
    found = merged((Needs("a", one), TRACE), (Needs("a", other), STATE))
    said = [str(need) for need in found.graph.nodes["a"].needs]
    assert said == [taken]
    assert [each.name for each in found.contradictions] == ([name] if name else [])


def test_a_need_of_several_is_the_better_word_than_an_edge_and_gets_its_witness() -> None:
    found = merged((Needs("a", any_of("b", "c")), STATE), (Needs("a", all_of("b")), TRACE))
    assert found.graph.nodes["a"].needs == (any_of("b", "c"),)
    assert found.witnesses["a", "b"] == (TRACE, STATE)
    harder = merged((Needs("a", any_of("b", "c", soft=True)), STATE), (Needs("a", all_of("b")), TRACE))
    assert set(harder.graph.nodes["a"].needs) == {any_of("b", "c", soft=True), all_of("b")}


def test_what_a_hand_wrote_counts_more_and_the_rest_is_shown() -> None:
    found = merged(
        (Needs("a", all_of("b", soft=True)), HAND),
        (Needs("a", all_of("b")), STATE),
        (Is("a", Kind.RESOURCE), STATE),
        (Is("a", Kind.ZONE), HAND),
        (Fails("a", Event(unavailability=0.1, source=Source.ASSUMED)), HAND),
        (Fails("a", Event(unavailability=0.2, source=Source.MEASURED)), STATE),
        (Shares("a", "region:aws/us-east-1"), STATE),
        (Shares("a", "region:aws/us-west-2"), HAND),
        (Claims("a", 0.99), HAND),
        (Claims("a", 0.999), STATE),
    )
    node = found.graph.nodes["a"]
    assert (node.needs, node.kind, node.causes) == (
        (all_of("b", soft=True),),
        Kind.ZONE,
        ("region:aws/us-west-2",),
    )
    assert found.claims == {"a": 0.99}
    assert differing(found) == [
        ("a", {"zone", "resource"}, "zone"),
        ("a -> b", {"b (degraded without)", "b"}, "b (degraded without)"),
        ("a", {"region:aws/us-west-2", "region:aws/us-east-1"}, "region:aws/us-west-2"),
        ("a", {"99 % available", "99.9 % available"}, "99 % available"),
    ]
    alone = merged((Needs("a", all_of("b")), HAND), (Needs("a", any_of("b", "c")), STATE))
    assert set(alone.graph.nodes["a"].needs) == {all_of("b"), any_of("b", "c")}
    over = merged((Needs("a", any_of("b", "c")), HAND), (Needs("a", all_of("b")), STATE))
    assert over.graph.nodes["a"].needs == (any_of("b", "c"),)
    assert differing(over) == [("a -> b", {"one of b, c", "b"}, "one of b, c")]


def test_of_figures_the_measured_one_is_believed_and_of_the_same_kind_the_larger() -> None:
    found = merged(
        (Fails("a", Event(unavailability=0.1)), TRACE),
        (Fails("a", Event(unavailability=0.001, source=Source.MEASURED)), STATE),
        (Fails("a", Event(unavailability=0.002, source=Source.MEASURED)), TRACE),
        (Fails("a", Event(unavailability=0.5, source=Source.ASSUMED)), STATE),
        (Fails("b", Event(unavailability=0.5, source=Source.ASSUMED)), STATE),
        (Fails("b", Event(unavailability=0.1)), TRACE),
    )
    assert {name: event.unavailability for name, event in found.events.items()} == {"a": 0.002, "b": 0.1}
    assert differing(found) == [("a", {"0.1 claimed", "0.001 measured", "0.002 measured"}, "0.002 measured")]


def test_two_regions_of_one_provider_are_both_shared_and_shown_unless_one_file_says_both() -> None:
    east, west = Shares("a", "region:aws/us-east-1"), Shares("a", "region:aws/us-west-2")
    other = Shares("a", "region:gcp/us-east-1")
    found = merged((east, STATE), (west, TRACE), (other, TRACE))
    assert set(found.graph.nodes["a"].causes) == {east.cause, west.cause, other.cause}
    assert [each.name for each in found.contradictions] == ["a"]
    assert not merged((east, STATE), (west, STATE)).contradictions


def test_what_one_calls_a_cause_and_another_a_node_is_a_node_that_is_needed() -> None:
    found = merged((Shares("a", "power"), STATE), (Is("power", Kind.RESOURCE), TRACE))
    assert found.graph.nodes["a"].needs == (all_of("power"),)
    assert not found.graph.causes
    assert found.witnesses == {("a", "power"): (STATE,)}
    assert differing(found) == [("power", {"a shared cause of a"}, "a node that those need")]


def test_a_name_that_one_saw_emptied_and_another_removed_is_removed() -> None:
    found = merged((IsGone("a", Loss.EMPTIED), STATE), (IsGone("a", Loss.REMOVED), TRACE))
    assert found.gone == {"a": Loss.REMOVED}
    assert differing(found) == [("a", {"emptied", "removed"}, "removed")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("checkout", Kind.SERVICE),
        ("shop/v1.2", Kind.SERVICE),
        ("cache-1", Kind.SERVICE),
        ("www.example.com", Kind.NAME),
        ("192.0.2.1", Kind.ADDRESS),
        ("2001:db8::1", Kind.ADDRESS),
        ("zone:.", Kind.ZONE),
        ("aws:dynamodb/us-east-1", Kind.RESOURCE),
    ],
)
def test_what_nobody_describes_is_of_the_kind_that_its_name_looks_like(name: str, kind: Kind) -> None:
    assert merged((Needs("a", all_of(name)), STATE)).graph.nodes[name].kind is kind


def test_a_better_word_than_service_or_the_looks_of_a_name_is_no_contradiction() -> None:
    found = merged((Is("db.internal", Kind.SERVICE), STATE), (Is("db.internal", Kind.RESOURCE), TRACE))
    assert (found.graph.nodes["db.internal"].kind, found.contradictions) == (Kind.RESOURCE, ())


def test_a_need_that_nothing_can_meet_is_an_error() -> None:
    with pytest.raises(ModelError, match='"a" needs 1 of 0'):
        merged((Needs("a", any_of()), STATE))
