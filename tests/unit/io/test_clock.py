"""The clock goes as time goes, whatever is done to the wall clock."""

import time

import pytest

from standfast.io.clock import SteadyClock


class Hands:
    """Two clocks that a test sets."""

    wall_s = 1_795_000_000.0
    boot_s = 500.0

    def steady(self) -> SteadyClock:
        return SteadyClock(wall=lambda: self.wall_s, boot=lambda: self.boot_s)


@pytest.mark.parametrize("jump_s", [-86_400.0, 3600.0])
def test_a_jump_of_the_wall_clock_is_not_followed_but_told(jump_s: float) -> None:
    hands = Hands()
    clock = hands.steady()
    hands.boot_s += 10
    hands.wall_s += 10 + jump_s
    assert clock.now() == 1_795_000_010.0
    assert clock.jumped() == jump_s


def test_it_starts_at_the_wall_clocks_time_and_has_not_jumped() -> None:
    clock = SteadyClock()
    assert clock.now() == pytest.approx(time.time(), abs=1.0)
    assert clock.jumped() == pytest.approx(0.0, abs=1.0)


def test_it_never_goes_back() -> None:
    clock = SteadyClock()
    times = [clock.now() for _ in range(1000)]
    assert times == sorted(times)
