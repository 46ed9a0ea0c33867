"""Clean-up never takes what a publication refers to, or may have to."""

from hypothesis import given
from hypothesis import strategies as st

from standfast.control.cleanup import collectable
from standfast.control.fence import Fence, Seen, Unreadable


def fence(generation: int, *, done: bool = True) -> Fence:
    return Fence(generation=generation, step=1, done=done, plan="0" * 16, writer="a.1.1")


def test_only_what_is_older_than_every_fence_and_not_among_the_newest_is_collected() -> None:
    assert collectable([1, 2, 3, 8, 9], {"a": fence(3), "b": fence(9)}, keep=1) == (1, 2)
    assert collectable([1, 2, 3, 8, 9], {"a": fence(9)}, keep=3) == (1, 2)
    assert collectable([1, 2], {"a": fence(9)}, keep=0) == (1,)


def test_nothing_is_collected_while_a_fence_is_absent_or_unreadable_or_open() -> None:
    for seen in (None, Unreadable(why="silent"), fence(9, done=False)):
        assert collectable([1, 2, 3, 9], {"a": fence(9), "b": seen}, keep=1) == ()


_SEEN = st.one_of(
    st.none(), st.just(Unreadable(why="silent")), st.builds(fence, st.integers(1, 20), done=st.booleans())
)


@given(st.sets(st.integers(1, 20)), st.dictionaries(st.sampled_from("abc"), _SEEN), st.integers(0, 5), st.data())
def test_what_a_reading_of_before_lets_go_a_reading_of_now_lets_go_too(
    generations: set[int], fences: dict[str, Seen], keep: int, data: st.DataObject
) -> None:
    before = collectable(sorted(generations), fences, keep)
    grown = {
        name: fence(data.draw(st.integers(seen.generation, 21))) if isinstance(seen, Fence) else seen
        for name, seen in fences.items()
    }
    assert set(before) <= set(collectable(sorted(generations), grown, keep))
    assert not any(isinstance(seen, Fence) and seen.generation in before for seen in grown.values())
