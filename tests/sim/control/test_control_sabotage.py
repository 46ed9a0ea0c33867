"""Every deliberate bug is caught by the promise that it breaks, and the honest functions keep it in the same world."""

import pytest

from standfast.sim.control.explorer import explore
from standfast.sim.control.invariants import INVARIANTS, machine_of
from standfast.sim.control.sabotage import SABOTAGES, Sabotage
from standfast.sim.control.world import World

every_sabotage = pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)


@every_sabotage
def test_sabotage_is_caught_with_a_trace(sabotage: Sabotage) -> None:
    trace = explore(sabotage.machine, until=sabotage.catches).broken[sabotage.catches]
    assert len(trace) > 1
    assert all(trace)


@pytest.mark.parametrize("sabotage", [each for each in SABOTAGES if each.setting], ids=lambda sabotage: sabotage.name)
def test_the_honest_functions_keep_the_promise_in_the_same_world(sabotage: Sabotage) -> None:
    assert sabotage.setting is not None
    explored = explore(machine_of(World(sabotage.setting)))
    assert explored.exhaustive
    assert sabotage.catches not in explored.broken


def test_every_promise_is_shown_to_catch_something() -> None:
    assert {sabotage.catches for sabotage in SABOTAGES} == INVARIANTS.keys()
