"""Upstreams that crash, freeze and dawdle, under clients that ask all the time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.load import Load
from chaos.path import CLEAN, Faults
from chaos.path import Path as BadPath
from chaos.stage import FRESH_AGAIN_S, Upstream, guard_before

pytestmark = pytest.mark.peers


def test_no_client_suffers_from_the_only_upstream_crashing_again_and_again(tmp_path: Path, upstream: Upstream) -> None:
    with guard_before(tmp_path, upstream.address) as guard, Load(guard.address, seed=1) as load:
        load.wait_until_fresh()
        for _ in range(3):
            with load.outage():
                upstream.kill()
                load.wait_for(40, "held")  # first its port refuses
                upstream.start()
            load.wait_until_fresh(FRESH_AGAIN_S)
            load.wait_for(3, "cold fresh")


def test_no_client_suffers_from_the_only_upstream_standing_still(tmp_path: Path, upstream: Upstream) -> None:
    with guard_before(tmp_path, upstream.address) as guard, Load(guard.address, seed=2) as load:
        load.wait_until_fresh()
        with load.outage():
            upstream.pause()
            load.wait_for(40, "held")
            upstream.resume()
        load.wait_until_fresh(FRESH_AGAIN_S)
        load.wait_for(3, "cold fresh")


def test_with_one_of_two_upstreams_standing_still_even_new_names_are_found(
    tmp_path: Path, new_upstream: Callable[[], Upstream]
) -> None:
    first, second = new_upstream(), new_upstream()
    with guard_before(tmp_path, first.address, second.address) as guard, Load(guard.address, seed=3) as load:
        load.wait_until_fresh()
        for upstream in (first, second):
            upstream.pause()
            load.wait_for(5, "cold fresh")
            load.wait_for(5, "absent fresh")
            load.wait_until_fresh(FRESH_AGAIN_S)
            upstream.resume()
        load.wait_until_fresh(FRESH_AGAIN_S)


def test_an_upstream_that_answers_after_the_clients_time_is_waited_for_in_the_background(
    tmp_path: Path, upstream: Upstream
) -> None:
    late = Faults(late=1.0, late_s=2.3)  # after the client response timer of 1.8 s, before a client gives up
    with (
        BadPath(upstream.address, seed=4) as path,
        guard_before(tmp_path, path.address) as guard,
        Load(guard.address, seed=4) as load,
    ):
        load.wait_until_fresh()
        path.faults = late
        load.wait_for(40, "held")
        load.wait_for(5, "cold fresh")
        load.wait_for(20, "learned fresh")  # for the second that late answers are good for
        path.faults = CLEAN
        load.wait_until_fresh(FRESH_AGAIN_S)
