"""Every small world watches every promise; that they are kept is what `standfast prove` shows (test_prove)."""

from standfast.sim.control.configurations import CONFIGURATIONS
from standfast.sim.control.invariants import INVARIANTS, machine_of
from standfast.sim.control.proof import prove_one
from standfast.sim.control.world import World


def test_every_promise_is_watched_in_every_small_world() -> None:
    for configuration in CONFIGURATIONS:
        assert set(machine_of(World(configuration.setting)).promises) == INVARIANTS.keys()


def test_no_small_world_is_there_twice() -> None:
    names = [configuration.name for configuration in CONFIGURATIONS]
    assert len(names) == len(set(names))


def test_a_small_world_gives_the_same_states_and_traces_each_time() -> None:
    unfenced = next(each for each in CONFIGURATIONS if each.name == "unfenced")
    one, other = prove_one(unfenced), prove_one(unfenced)
    assert one.explored == other.explored
    assert one.explored.broken.keys() == unfenced.exceptions.keys()
