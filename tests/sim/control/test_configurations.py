"""Every small world watches every promise; that they are kept is what `standfast prove` shows (test_prove)."""

import os
import subprocess
import sys

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


TELL = """
import hashlib
from standfast.sim.control.configurations import CONFIGURATIONS
from standfast.sim.control.large import LargeWorld
from standfast.sim.control.proof import catch, prove_one
from standfast.sim.control.sabotage import SABOTAGES

unfenced = next(each for each in CONFIGURATIONS if each.name == "unfenced")
large = LargeWorld("a", names=50, raging_s=7_200.0)
large.run()
told = repr((prove_one(unfenced).explored, [catch(each).trace for each in SABOTAGES], large.digest))
print(hashlib.sha256(told.encode()).hexdigest())
"""


def test_states_traces_and_simulations_are_the_same_in_any_process() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", TELL],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_a_small_world_gives_the_same_states_and_traces_each_time() -> None:
    unfenced = next(each for each in CONFIGURATIONS if each.name == "unfenced")
    one, other = prove_one(unfenced), prove_one(unfenced)
    assert one.explored == other.explored
    assert one.explored.broken.keys() == unfenced.exceptions.keys()
