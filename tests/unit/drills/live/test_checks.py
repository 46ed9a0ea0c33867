"""When a check of a live drill is met: with patience where seconds are allowed, and without where none is."""

import pytest

from standfast.drills.experiment import Range
from standfast.drills.live.checks import is_met
from standfast.drills.scenario import Check


def check(tolerance: bool | Range) -> Check:
    return Check(title="-", func="seconds", arguments={}, tolerance=tolerance)


@pytest.mark.parametrize(
    ("tolerance", "got", "met"),
    [
        ((0.0, 0.0), 0.0, True),
        ((0.0, 0.0), 0.1, False),  # no outage is none, live or not
        ((0.0, 180.0), 180.0, True),
        ((0.0, 180.0), 930.0, True),
        ((0.0, 180.0), 930.1, False),
        ((60.0, 180.0), 59.9, False),
        ((60.0, 180.0), None, False),
        (True, True, True),
        (True, False, False),
    ],
)
def test_bounds_that_allow_seconds_allow_patience_and_no_others_do(
    tolerance: bool | Range, got: object, met: bool
) -> None:
    assert is_met(check(tolerance), got, patience_s=750.0) is met
