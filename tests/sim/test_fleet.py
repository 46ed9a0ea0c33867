"""Many worlds at once."""

import pytest

from standfast.sim import fleet as fleet_module
from standfast.sim.fleet import BATCH, retell, run_fleet, run_world
from standfast.sim.sabotage import told
from standfast.sim.simulation import CONTESTANTS, GUARD, Simulation

WORLDS = BATCH + 5


def test_the_result_does_not_depend_on_the_number_of_processes() -> None:
    done: list[int] = []
    one = run_fleet(WORLDS, "jobs", jobs=1, on_progress=done.append)
    two = run_fleet(WORLDS, "jobs", jobs=2, on_progress=done.append)
    assert one == two
    assert sum(done) == 2 * WORLDS


def test_worlds_add_up() -> None:
    whole = run_fleet(3, "sum", jobs=1)
    parts = [run_world(f"sum/{number}") for number in range(3)]
    assert whole.worlds == 3
    assert whole.hours == sum(part.hours for part in parts)
    for name in CONTESTANTS:
        assert whole.scores[name].lookups == sum(part.scores[name].lookups for part in parts)


@pytest.fixture
def sabotaged(monkeypatch: pytest.MonkeyPatch) -> None:
    def obeying(script: object, **options: object) -> Simulation:
        return Simulation(script, make=told(mode="off"), **options)  # type: ignore[arg-type]

    monkeypatch.setattr(fleet_module, "Simulation", obeying)


def test_a_broken_world_is_named_and_its_seed_tells_its_story_again(sabotaged: None) -> None:
    fleet = run_fleet(15, "broken", jobs=1)
    assert fleet.broken_worlds == len(fleet.broken) > 0
    world = fleet.broken[0]
    told_again = list(retell(world.seed))
    assert world.seed in told_again[0]
    assert told_again[-1].startswith("BROKEN ")
    assert world.broken[0].detail in "\n".join(told_again)
    assert len(told_again) < 150


def test_the_story_of_a_world_without_a_fault_ends_with_the_scores() -> None:
    assert list(retell("1/1"))[-1].strip().startswith(CONTESTANTS[-1])
    assert GUARD in "\n".join(retell("1/1"))
