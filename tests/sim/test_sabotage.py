"""Every deliberate bug is caught by what is there to catch it, and the honest guard is not."""

import pytest

from standfast.sim.invariants import INVARIANTS
from standfast.sim.sabotage import SABOTAGES, Sabotage, caught_by
from standfast.sim.simulation import Simulation

every_sabotage = pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)


@every_sabotage
def test_sabotage_is_caught(sabotage: Sabotage) -> None:
    assert sabotage.catches in caught_by(sabotage)


@every_sabotage
def test_the_honest_guard_breaks_nothing_in_the_same_script(sabotage: Sabotage) -> None:
    assert Simulation(sabotage.script()).run().broken == ()


def test_every_invariant_is_shown_to_catch_something() -> None:
    assert {sabotage.catches for sabotage in SABOTAGES} >= set(INVARIANTS)
