"""A guard that is killed again and again, at any moment, with clients that ask all the time."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.load import PATIENT, Load
from chaos.names import LEARNED
from chaos.stage import FRESH_AGAIN_S, Upstream, all_held, guard_before
from running_guard import RunningGuard
from standfast.io.state.store import FLUSH_PERIOD_S

pytestmark = pytest.mark.peers

KILLS = 10
LIFE_MAX_S = 0.5  # between two kills


def test_kill_9_in_a_loop_loses_no_name_that_was_on_the_disk(
    tmp_path: Path, free_port: Callable[[], int], upstream: Upstream
) -> None:
    rng = random.Random(21)
    with (
        guard_before(tmp_path, upstream.address, port=free_port()) as guard,
        Load(guard.address, seed=21, stub=PATIENT) as load,
    ):
        load.wait_until_fresh()
        saved = names_on_disk(guard)
        assert saved >= set(LEARNED)
        for _ in range(KILLS // 2):
            saved |= kill_and_start(guard, rng)
        assert len(saved) > len(LEARNED), "new names were learned between the kills"

        with load.outage():
            upstream.pause()
            for _ in range(KILLS // 2):
                saved |= kill_and_start(guard, rng)
            assert all_held(guard, saved)
            upstream.resume()
        load.wait_until_fresh(FRESH_AGAIN_S)
    verified = guard.run("ledger", "verify")
    assert verified.returncode == 0, verified.stdout
    starts = guard.json("ledger", "show", "--kind", "start")
    assert len(starts) == KILLS + 1


def kill_and_start(guard: RunningGuard, rng: random.Random) -> set[str]:
    """Kill the guard after a while, and start it; return the names that it said were on the disk before."""
    time.sleep(rng.uniform(0, LIFE_MAX_S))
    saved = names_on_disk(guard) if rng.random() < 0.5 else set()
    time.sleep(rng.uniform(0, FLUSH_PERIOD_S))  # so that it is hit while it writes, too
    guard.kill()
    guard.start()
    return saved


def names_on_disk(guard: RunningGuard) -> set[str]:
    """Return the names that are known to be good, once the guard has said that they are on the disk."""
    names = {known["qname"] for known in guard.call("names")["names"]}
    assert guard.call("switch", enabled=True)["saved"] is True  # a command is on the disk, and all before it
    return names
