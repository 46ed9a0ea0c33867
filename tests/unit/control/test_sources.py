"""What others list as endpoints: never a deletion by failure, and no sudden loss that is not said again and again."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.control.intent import Endpoint
from standfast.control.sources import (
    CONFIRMATIONS,
    NEVER,
    NOT_YET,
    Listed,
    Reading,
    SourceState,
    Unlisted,
    heard,
    packed,
    unpacked,
)

FIVE: Final = tuple(Endpoint(address=f"192.0.2.{number}", weight=number) for number in range(1, 6))
OTHERS: Final = tuple(Endpoint(address=f"198.51.100.{number}") for number in range(1, 4))
READINGS: Final = st.lists(
    st.builds(Unlisted, why=st.sampled_from(["silent", "empty"]))
    | st.lists(st.sampled_from(FIVE + OTHERS), min_size=1, unique=True).map(lambda some: Listed(endpoints=tuple(some))),
    max_size=20,
)


def after(*readings: Reading, state: SourceState | None = None) -> SourceState:
    found = state or SourceState()
    for at, reading in enumerate(readings):
        found = heard(found, reading, float(at))
    return found


def test_a_source_that_was_never_read_lists_nobody_and_says_so() -> None:
    assert (SourceState().endpoints, SourceState().failed) == ((), NEVER)
    assert after(Unlisted(why="silent")).failed == "silent"


def test_a_failure_leaves_what_was_listed_and_when_that_was() -> None:
    assert after(Listed(endpoints=FIVE), Unlisted(why="it is silent")) == SourceState(
        endpoints=FIVE, read_at_s=0.0, failed="it is silent"
    )


def test_a_good_reading_ends_a_failure() -> None:
    found = after(Listed(endpoints=FIVE), Unlisted(why="it is silent"), Listed(endpoints=FIVE[1:]))
    assert found == SourceState(endpoints=FIVE[1:], read_at_s=2.0, failed="")


@pytest.mark.parametrize("fewer", [FIVE[:2], FIVE[:1], OTHERS, FIVE[3:] + OTHERS])
def test_a_list_that_lacks_most_of_what_was_there_is_believed_when_it_says_so_again_and_again(
    fewer: tuple[Endpoint, ...],
) -> None:
    readings: list[Reading] = [Listed(endpoints=FIVE), *[Listed(endpoints=fewer)] * (CONFIRMATIONS - 1)]
    doubted = after(*readings)
    assert doubted.endpoints == FIVE
    gone = len(set(FIVE) - set(fewer))
    assert (
        doubted.failed
        == f"it lacks {gone} of the 5 endpoints that it listed before, 2 of the 3 times in a row that are needed"
    )
    assert after(*readings, Listed(endpoints=fewer)) == SourceState(endpoints=fewer, read_at_s=3.0, failed="")


def test_what_comes_in_between_begins_the_count_anew() -> None:
    few: Reading = Listed(endpoints=FIVE[:1])
    for between in (Unlisted(why="silent"), Listed(endpoints=FIVE[:2]), Listed(endpoints=FIVE)):
        assert after(Listed(endpoints=FIVE), few, few, between, few, few).endpoints == FIVE


def test_half_may_go_at_once_and_any_number_may_come() -> None:
    four: Reading = Listed(endpoints=FIVE[:4])
    assert after(four, Listed(endpoints=FIVE[:2])).endpoints == FIVE[:2]
    assert after(four, Listed(endpoints=FIVE + OTHERS)).endpoints == FIVE + OTHERS


def test_another_weight_is_nobody_gone() -> None:
    heavier = tuple(Endpoint(address=each.address, weight=9) for each in FIVE)
    assert after(Listed(endpoints=FIVE), Listed(endpoints=heavier)).endpoints == heavier


def test_one_restart_forgets_nothing_and_believes_nothing_more() -> None:
    found = unpacked(packed(after(Listed(endpoints=FIVE), Unlisted(why="silent"))))
    assert found == SourceState(endpoints=FIVE, read_at_s=0.0, failed=NOT_YET)
    assert after(Listed(endpoints=FIVE[:1]), state=found).endpoints == FIVE


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"endpoints": [{}]}', '{"endpoints": 1}', packed(SourceState())]
)
def test_what_was_kept_and_means_nothing_is_as_if_never_read(text: str) -> None:
    assert unpacked(text) == SourceState()


@given(READINGS)
def test_once_there_are_endpoints_there_are_always_some(readings: list[Reading]) -> None:
    state, known = SourceState(), False
    for reading in readings:
        state = heard(state, reading, 1.0)
        known = known or isinstance(reading, Listed)
        assert bool(state.endpoints) == known
        assert (state.failed == "") == (isinstance(reading, Listed) and state.endpoints == reading.endpoints)
