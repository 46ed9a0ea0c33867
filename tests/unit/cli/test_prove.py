"""`standfast prove`: a million states, every deliberate bug caught, and an exit code that says whether it holds."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from standfast.cli import prove as module
from standfast.cli.main import cli
from standfast.sim.control import proof as proof_module
from standfast.sim.control.configurations import CONFIGURATIONS
from standfast.sim.control.fleet import Simulated
from standfast.sim.control.invariants import INVARIANTS
from standfast.sim.control.sabotage import SABOTAGES

SMALLEST = next(each for each in CONFIGURATIONS if each.name == "unfenced")


def prove(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["prove", *arguments])


def proven(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = prove("--json", *arguments)
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_module, "CONFIGURATIONS", (SMALLEST,))


def test_a_million_states_are_all_that_can_be_reached_and_keep_every_promise() -> None:
    exit_code, found = proven("--quick", "--simulations", "1")
    assert exit_code == 0
    assert found["states"] >= 1_000_000
    assert found["exhaustive"] is True
    assert found["seconds"] > 0
    assert found["invariants"] == dict.fromkeys(INVARIANTS, True)
    assert {each["name"]: each["caught"] for each in found["sabotage"]} == {each.name: True for each in SABOTAGES}
    assert all(each["trace"] for each in found["sabotage"])
    assert (found["simulations"], found["broken_simulations"]) == (1, [])


def test_the_table_says_what_was_explored_and_how_each_bug_was_caught(smallest: None) -> None:
    told = prove("--simulations", "0").stdout
    assert "all but generation-never-goes-back, nothing-in-use-collected" in told
    assert all(f"sabotage {sabotage.name} (" in told for sabotage in SABOTAGES)
    assert " 8  db.example.com points at plan 2, which is gone: it has no address" in told
    assert told.splitlines()[-1].endswith("it holds")


def test_a_bug_that_is_not_caught_ends_in_exit_code_1(smallest: None, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = type(SABOTAGES[0])(
        name="none", what="nothing is wrong", catches="no-promised-name-empty", setting=SMALLEST.setting
    )
    monkeypatch.setattr(proof_module, "SABOTAGES", (honest,))
    exit_code, found = proven("--simulations", "0")
    assert exit_code == 1
    assert (found["sabotage"][0]["caught"], found["sabotage"][0]["trace"]) == (False, [])
    assert "NOT CAUGHT" in prove("--simulations", "0").stdout


def test_a_promise_that_is_broken_though_it_should_hold_ends_in_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    claimed = type(SMALLEST)(name="claimed", what="nothing is said of it", setting=SMALLEST.setting)
    monkeypatch.setattr(proof_module, "CONFIGURATIONS", (claimed,))
    exit_code, found = proven("--simulations", "0")
    assert exit_code == 1
    assert found["invariants"]["generation-never-goes-back"] is False
    assert {each["invariant"] for each in found["configurations"][0]["broken"]} == SMALLEST.exceptions.keys()
    assert "claimed breaks generation-never-goes-back:" in prove("--simulations", "0").stdout


def test_an_exception_that_is_no_longer_one_ends_in_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    timid = type(SMALLEST)(
        name="timid",
        what="it keeps more than it says",
        setting=SMALLEST.setting,
        exceptions={**SMALLEST.exceptions, "cname-stands-alone": "it is thought that nothing helps"},
    )
    monkeypatch.setattr(proof_module, "CONFIGURATIONS", (timid,))
    result = prove("--simulations", "0")
    assert result.exit_code == 1
    assert "timid keeps cname-stands-alone, which it is said not to" in result.stdout


def test_a_simulation_that_broke_a_promise_is_named_and_ends_in_exit_code_1(
    smallest: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Simulated(seed="7/0", days=2.5, plans=3, writes=9, digest="0", broken=("fence-only-grows at 5.000 s: it",))
    monkeypatch.setattr(module, "simulate_all", lambda *_arguments, **_options: [world])
    exit_code, found = proven()
    assert exit_code == 1
    assert found["broken_simulations"] == [{"seed": "7/0", "broken": ["fence-only-grows at 5.000 s: it"]}]
    assert "standfast prove --world 7/0" in prove().stdout
