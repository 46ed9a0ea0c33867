"""Where boxes and edges go: nothing on top of another, needs to the right, what leads to one thing in one lane."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.exports.layout import GAP_X, GAP_Y, Box, lay_out

NAMES = [f"n{at}" for at in range(12)]
EDGES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=30)
SIZE = (100.0, 30.0)


def overlap(one: Box, other: Box) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height


@given(EDGES)
def test_no_two_boxes_overlap_and_all_are_within_the_picture(edges: list[tuple[str, str]]) -> None:
    layout = lay_out(dict.fromkeys(NAMES, SIZE), edges)
    assert not [pair for pair in combinations(layout.boxes.values(), 2) if overlap(*pair)]
    for box in layout.boxes.values():
        assert 0 <= box.x <= box.x + box.width <= layout.size[0]
        assert 0 <= box.y <= box.y + box.height <= layout.size[1] + 0.2  # rounded to a tenth


@given(EDGES)
def test_an_edge_touches_its_boxes_and_none_between(edges: list[tuple[str, str]]) -> None:
    layout = lay_out(dict.fromkeys(NAMES, SIZE), edges)
    for (start, end), route in zip(edges, layout.routes, strict=True):
        if start == end:
            assert route == ()
            continue
        for name, (x, y) in ((start, route[0]), (end, route[-1])):
            box = layout.boxes[name]
            assert x in (box.x, box.x + box.width)
            assert abs(y - box.middle) <= 0.2
        for x, y in route[1:-1]:
            assert not [
                box for box in layout.boxes.values() if box.x < x < box.x + box.width and box.y < y < box.y + box.height
            ]


@given(EDGES)
def test_without_circles_every_edge_leads_to_the_right(edges: list[tuple[str, str]]) -> None:
    onward = [(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]]
    layout = lay_out(dict.fromkeys(NAMES, SIZE), onward)
    assert all(layout.boxes[start].x < layout.boxes[end].x for start, end in onward)


def test_long_edges_to_one_box_share_a_lane() -> None:
    chain = [("a", "b"), ("b", "c"), ("c", "d")]
    layout = lay_out(dict.fromkeys("abcdxy", SIZE), [*chain, ("x", "d"), ("y", "d")])
    assert layout.routes[3][1:] == layout.routes[4][1:]
    assert len(layout.routes[3]) == 6


def test_what_can_be_drawn_without_crossings_is() -> None:
    layout = lay_out(dict.fromkeys("abcpqr", SIZE), [("a", "r"), ("b", "q"), ("c", "p")])
    above = sorted("abc", key=lambda name: layout.boxes[name].y)
    assert sorted("pqr", key=lambda name: layout.boxes[name].y) == [
        {"a": "r", "b": "q", "c": "p"}[name] for name in above
    ]


def test_a_box_stands_at_the_height_of_what_it_leads_to() -> None:
    layout = lay_out(dict.fromkeys("abc", SIZE), [("a", "b"), ("a", "c")])
    boxes = layout.boxes
    assert boxes["a"].middle == (boxes["b"].middle + boxes["c"].middle) / 2
    assert abs(boxes["b"].y - boxes["c"].y) == SIZE[1] + GAP_Y
    assert boxes["b"].x == SIZE[0] + GAP_X
