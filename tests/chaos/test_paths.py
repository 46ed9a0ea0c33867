"""Paths that lose, delay, reorder, repeat, cut and spoil messages: before the guard, and on each side behind it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.load import Load, Mix, Stub
from chaos.path import CLEAN, Faults, Spoil
from chaos.path import Path as BadPath
from chaos.stage import FRESH_AGAIN_S, Upstream, guard_before
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

LEARNED_ONLY = Mix(cold=0.0, absent=0.0)


def test_no_client_suffers_from_a_bad_path_to_the_upstream(tmp_path: Path, upstream: Upstream) -> None:
    bad = Faults(lost=0.3, jitter_s=0.1, late=0.1, late_s=1.2, cut=0.15, twice=0.2)
    with (
        BadPath(upstream.address, seed=11) as path,
        guard_before(tmp_path, path.address) as guard,
        Load(guard.address, seed=11) as load,
    ):
        load.wait_until_fresh()
        path.faults = bad
        load.wait("enough harm", lambda: min(path.did[fault] for fault in ("lost", "late", "cut", "twice")) >= 20)
        path.faults = CLEAN
        load.wait_until_fresh(FRESH_AGAIN_S)


def test_what_is_spoilt_on_the_way_from_the_upstream_takes_no_name_away(tmp_path: Path, upstream: Upstream) -> None:
    with (
        BadPath(upstream.address, seed=12) as path,
        guard_before(tmp_path, path.address) as guard,
        Load(guard.address, seed=12, mix=LEARNED_ONLY) as load,
    ):
        load.wait_until_fresh()
        path.faults = Faults(spoilt=0.5)
        load.wait("enough harm", lambda: path.did["spoilt"] >= 30)
        path.faults = CLEAN
        load.wait_until_fresh(FRESH_AGAIN_S)


def test_what_is_spoilt_on_the_way_from_the_authority_never_becomes_a_wrong_answer(
    tmp_path: Path, authority: Server, new_upstream: Callable[[Server], Upstream]
) -> None:
    with BadPath(authority, seed=13) as path:
        upstream = new_upstream(path.address)
        with guard_before(tmp_path, upstream.address) as guard, Load(guard.address, seed=13) as load:
            load.wait_until_fresh()
            with load.outage():  # a resolver that finds signatures broken gives SERVFAIL, and honestly so
                path.faults = Faults(spoilt=0.5, spoil=Spoil.ANY)
                load.wait("enough harm", lambda: path.did["spoilt"] >= 30)
                path.faults = CLEAN
                upstream.kill()  # it would remember the broken ones for a minute
                upstream.start()
            load.wait_until_fresh(FRESH_AGAIN_S)
            load.wait_for(3, "cold fresh")


def test_clients_on_a_bad_path_are_answered_and_strays_do_no_harm(tmp_path: Path, upstream: Upstream) -> None:
    bad = Faults(lost=0.3, jitter_s=0.05, twice=0.3, stray=0.5)
    with (
        guard_before(tmp_path, upstream.address) as guard,
        BadPath(guard.address, seed=14, clients_apart=True, faults=bad) as path,
        Load(path.address, seed=14, stub=Stub(timeout_s=1.0, tries=5)) as load,
    ):
        load.wait("enough harm", lambda: min(path.did[fault] for fault in ("lost", "twice", "stray")) >= 50)
        path.faults = CLEAN
        load.wait_until_fresh(FRESH_AGAIN_S)
