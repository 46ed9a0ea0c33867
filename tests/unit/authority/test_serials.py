"""Serials around the wrap, by the numbers of RFC 1982 and by its laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.authority.serials import SERIALS, following, later

serials = st.integers(min_value=0, max_value=SERIALS - 1)


@pytest.mark.parametrize(
    ("one", "other", "is_later"),
    [
        (1, 0, True),
        (0, 1, False),
        (0, 0, False),
        (0, SERIALS - 1, True),
        (44, 44 - (1 << 31) + 1 + SERIALS, True),
        (100, 4_000_000_000, True),
        (1 << 31, 0, False),
        (0, 1 << 31, False),
        ((1 << 31) - 1, 0, True),
    ],
)
def test_the_later_of_two_serials_is_less_than_half_of_all_ahead(one: int, other: int, is_later: bool) -> None:
    assert later(one % SERIALS, other % SERIALS) is is_later


@given(serials)
def test_the_following_serial_is_later_and_none_is_zero(serial: int) -> None:
    assert later(following(serial), serial)
    assert 0 < following(serial) < SERIALS


@given(serials, serials)
def test_of_two_serials_one_at_most_is_later(one: int, other: int) -> None:
    assert not (later(one, other) and later(other, one))
