"""A wall clock that somebody sets, and a machine that was asleep, under clients that ask all the time."""

import time

import pytest

from chaos.load import Load
from chaos.stage import FRESH_AGAIN_S, Upstream
from peers.servers import guard
from standfast.io.clock import SteadyClock

pytestmark = pytest.mark.peers

HOUR_S, DAY_S, YEAR_S = 3600.0, 86_400.0, 31_536_000.0


def test_no_answer_changes_when_somebody_sets_the_wall_clock(upstream: Upstream) -> None:
    wrong_s = 0.0
    clock = SteadyClock(wall=lambda: time.time() + wrong_s)
    with guard(upstream.address, clock=clock) as server, Load(server, seed=51) as load:
        load.wait_until_fresh()
        for wrong_s in (-HOUR_S, DAY_S, -10 * YEAR_S):  # noqa: B007  the clock reads it
            load.wait_until_fresh(FRESH_AGAIN_S)
        with load.outage():
            upstream.kill()
            for wrong_s in (HOUR_S, -DAY_S, 10 * YEAR_S):  # noqa: B007
                load.wait_for(30, "held")
            upstream.start()
        load.wait_until_fresh(FRESH_AGAIN_S)


def test_what_was_known_before_the_machine_slept_is_held_after_it(upstream: Upstream) -> None:
    slept_s = 0.0
    clock = SteadyClock(boot=lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + slept_s)
    with guard(upstream.address, clock=clock) as server, Load(server, seed=52) as load:
        load.wait_until_fresh()
        slept_s += DAY_S
        load.wait_until_fresh(FRESH_AGAIN_S)
        with load.outage():
            upstream.kill()
            load.wait_for(30, "held")
            slept_s += DAY_S
            load.wait_for(30, "held")
            upstream.start()
        load.wait_until_fresh(FRESH_AGAIN_S)
