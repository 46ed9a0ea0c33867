"""Large worlds by chance: one seed gives one trace, and what is unsafe in them is seen."""

from functools import partial

import pytest

from standfast.sim.control import fleet
from standfast.sim.control.fleet import retell, simulate_all
from standfast.sim.control.large import LINES_KEPT, LargeWorld
from standfast.sim.control.sabotage import collects_all_older, whatever_stands
from standfast.sim.control.world import Decisions

small = partial(LargeWorld, names=100, raging_s=12 * 3_600.0)


def lived(seed: str, decisions: Decisions | None = None) -> LargeWorld:
    world = small(seed, decisions=decisions)
    world.run()
    return world


def test_one_seed_gives_one_trace_and_another_seed_another() -> None:
    one, again, other = lived("a"), lived("a"), lived("b")
    assert one.digest == again.digest != other.digest
    assert one.broken == again.broken == other.broken == []
    assert one.plans > 10


def test_a_publisher_that_compares_no_fence_is_caught() -> None:
    broken = lived("a", Decisions(accepts=whatever_stands)).broken
    assert broken[0].startswith("fence-only-grows at ")


def test_a_clean_up_that_looks_at_no_fence_is_caught() -> None:
    assert lived("a", Decisions(collectable=collects_all_older)).broken[0].startswith("nothing-in-use-collected at ")


def test_what_was_broken_is_told_with_its_seed_which_tells_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "LargeWorld", partial(small, decisions=Decisions(accepts=whatever_stands)))
    told: list[str] = []
    (simulated,) = simulate_all(1, "a", jobs=1, on_progress=told.append)
    assert simulated.broken
    assert simulated.seed in told[0]
    assert simulated.broken[0] in told[0]
    first, *lines = retell(simulated.seed)
    assert simulated.digest[:16] in first
    assert len(lines) <= LINES_KEPT
    assert "BROKEN" in lines[-1]
