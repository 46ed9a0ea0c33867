"""The product's own functions keep every promise in every small world, but for what is said to be beyond them."""

import pytest

from standfast.sim.control.configurations import CONFIGURATIONS, Configuration
from standfast.sim.control.explorer import explore
from standfast.sim.control.invariants import INVARIANTS, machine_of
from standfast.sim.control.world import World

SMALL = ("throttled", "two-publishers", "there-and-back", "name-turns", "source-fails", "unfenced")


@pytest.mark.parametrize(
    "configuration", [each for each in CONFIGURATIONS if each.name in SMALL], ids=lambda each: each.name
)
def test_a_small_world_keeps_every_promise_but_those_that_it_says_it_cannot(configuration: Configuration) -> None:
    explored = explore(machine_of(World(configuration.setting)))
    assert explored.exhaustive
    assert explored.broken.keys() == configuration.exceptions.keys()


def test_every_promise_is_watched_in_every_small_world() -> None:
    for configuration in CONFIGURATIONS:
        assert set(machine_of(World(configuration.setting)).promises) == INVARIANTS.keys()


def test_no_small_world_is_there_twice() -> None:
    names = [configuration.name for configuration in CONFIGURATIONS]
    assert len(names) == len(set(names))
