"""Circles are what reaches itself, and each node is in the one with all that it reaches and that reaches it."""

from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.circles import circles

_NODES = [f"n{number}" for number in range(8)]


@given(st.dictionaries(st.sampled_from(_NODES), st.lists(st.sampled_from(_NODES), max_size=3)))
def test_circles_are_the_sets_that_reach_each_other(needs: dict[str, list[str]]) -> None:
    reach = {node: reached(needs, node) for node in _NODES}
    expected = {
        frozenset(other for other in _NODES if other in reach[node] and node in reach[other]) for node in _NODES
    } - {frozenset()}
    found = [frozenset(circle) for circle in circles(needs)]
    assert sorted(map(sorted, found)) == sorted(sorted(circle) for circle in expected if len(circle) > 1)


def reached(needs: dict[str, list[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(needs.get(start, ()))
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += needs.get(node, ())
    return seen


def test_a_long_chain_takes_no_recursion() -> None:
    size = 50_000
    chain = {f"n{number}": [f"n{number + 1}"] for number in range(size)}
    assert list(circles(chain)) == []
    (circle,) = circles(chain | {f"n{size}": ["n0"]})
    assert len(circle) == size + 1
