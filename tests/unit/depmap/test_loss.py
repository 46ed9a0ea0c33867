"""What a loss takes with it is what walking through it by hand says, and the path explains it."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import DependencyGraph, Need, Node, all_of, any_of, graph_of_nodes
from standfast.depmap.loss import blast_radius, fatal_pairs, reach, single_points

SHOP = graph_of_nodes(
    [
        Node(name="shop", needs=(all_of("checkout", "catalogue"), all_of("recommendations", soft=True))),
        Node(name="checkout", needs=(all_of("table"),)),
        Node(name="catalogue", needs=(any_of("cache-1", "cache-2"),)),
        Node(name="recommendations", needs=(all_of("table"),)),
        Node(name="table", needs=(any_of("ns-1", "ns-2"),), causes=("us-east-1",)),
        Node(name="ns-1", causes=("one-dns",)),
        Node(name="ns-2", causes=("one-dns",)),
        Node(name="cache-1", causes=("us-east-1",)),
        Node(name="cache-2", causes=("us-west-2",)),
    ]
)


@st.composite
def graphs(draw: st.DrawFn) -> DependencyGraph:
    """Return a random graph, with circles."""
    names = [f"n{number}" for number in range(draw(st.integers(1, 9)))]
    nodes = []
    for name in names:
        needs = []
        for _ in range(draw(st.integers(0, 3))):
            parts = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True)))
            needs.append(Need(parts=parts, number=draw(st.integers(1, len(parts))), soft=draw(st.booleans())))
        causes = tuple(draw(st.lists(st.sampled_from(("c1", "c2", "c3")), max_size=2, unique=True)))
        nodes.append(Node(name=name, needs=tuple(needs), causes=causes))
    return graph_of_nodes(nodes)


def up(graph: DependencyGraph, *lost: str) -> set[str]:
    """Return what works, by beginning with nothing and adding what can."""
    working: set[str] = set()
    while True:
        more = {
            node.name
            for node in graph.nodes.values()
            if not {node.name, *node.causes} & set(lost)
            and all(need.soft or len(working & set(need.parts)) >= need.number for need in node.needs)
        }
        if more == working:
            return working
        working = more


@given(graphs())
def test_single_points_and_pairs_and_reach_are_what_losing_each_by_itself_says(graph: DependencyGraph) -> None:
    losses = [*graph.nodes, *graph.causes]
    started = up(graph)
    assert reach(graph) == {loss: len(started - up(graph, loss)) for loss in losses}
    for target in graph.nodes:
        singles = [loss for loss in losses if target in started and target not in up(graph, loss)]
        assert single_points(graph, target) == singles
        others = [loss for loss in losses if loss not in singles]
        assert fatal_pairs(graph, target, losses) == [
            pair for pair in combinations(others, 2) if target in started and target not in up(graph, *pair)
        ]


@given(graphs(), st.data())
def test_a_blast_is_what_goes_down_and_each_path_leads_from_need_to_need_to_what_was_lost(
    graph: DependencyGraph, data: st.DataObject
) -> None:
    lost = data.draw(st.lists(st.sampled_from([*graph.nodes, *graph.causes]), min_size=1, max_size=2, unique=True))
    blast, started, working = blast_radius(graph, lost), up(graph), up(graph, *lost)
    assert set(blast.down) == started - working
    assert set(blast.never_up) == set(graph.nodes) - started
    assert set(blast.degraded) == {
        name
        for name in working
        if any(need.soft and len(working & set(need.parts)) < need.number for need in graph.nodes[name].needs)
    }
    for name, path in blast.down.items():
        assert path[0] == name
        assert path[-1] in lost
        for upper, lower in pairwise(path):
            node = graph.nodes[upper]
            assert lower in node.causes or lower in {part for need in node.needs for part in need.parts}


def test_who_falls_is_told_with_the_way_there() -> None:
    blast = blast_radius(SHOP, ["us-east-1"])
    assert blast.down["shop"] == ("shop", "checkout", "table", "us-east-1")
    assert "catalogue" not in blast.down
    assert blast_radius(SHOP, ["cache-1"]).down == {"cache-1": ("cache-1",)}


def test_a_soft_need_degrades_and_does_not_take_down() -> None:
    blast = blast_radius(SHOP, ["recommendations"])
    assert (set(blast.down), blast.degraded) == ({"recommendations"}, ("shop",))


def test_two_servers_of_one_operator_are_one_point_of_failure_and_a_second_operator_removes_it() -> None:
    assert "one-dns" in single_points(SHOP, "shop")
    assert "ns-1" not in single_points(SHOP, "shop")
    nodes = dict(SHOP.nodes) | {"ns-2": Node(name="ns-2", causes=("other-dns",))}
    mended = graph_of_nodes(nodes.values())
    assert "one-dns" not in single_points(mended, "shop")
    assert ("one-dns", "other-dns") in fatal_pairs(mended, "shop", list(mended.causes))


def test_what_could_only_hold_itself_up_does_not_work() -> None:
    circle = graph_of_nodes(
        [
            Node(name="a", needs=(any_of("b", "power"),)),
            Node(name="b", needs=(all_of("a"),)),
            Node(name="power"),
            Node(name="x", needs=(all_of("y"),)),
            Node(name="y", needs=(all_of("x"),)),
        ]
    )
    blast = blast_radius(circle, ["power"])
    assert set(blast.down) == {"a", "b", "power"}
    assert set(blast.never_up) == {"x", "y"}


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((Node(name="a"), Node(name="a")), '"a" is there twice'),
        ((Node(name="a", needs=(all_of("b"),)),), '"a" needs "b", which is not there'),
        ((Node(name="a", needs=(Need(parts=("a",), number=2),)),), '"a" needs 2 of 1'),
        ((Node(name="a", causes=("b",)), Node(name="b")), '"b" is a shared cause of "a", and a node as well'),
    ],
)
def test_a_graph_that_means_nothing_is_refused(nodes: tuple[Node, ...], said: str) -> None:
    with pytest.raises(ModelError) as raised:
        graph_of_nodes(nodes)
    assert said in str(raised.value)


def test_the_loss_of_what_is_not_there_is_an_error() -> None:
    with pytest.raises(ModelError, match='there is no "eu-north-9"'):
        blast_radius(SHOP, ["eu-north-9"])
