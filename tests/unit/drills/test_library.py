"""The library: the guard is right on every drill, rivals are wrong where it says so, and Chaos Toolkit agrees."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment
from chaoslib.types import Strategy

from standfast.drills import chaos, stage
from standfast.drills.account import Account, State
from standfast.drills.runner import run_in_simulation
from standfast.drills.scenario import library
from standfast.guard.policy import Mode
from standfast.sim.sabotage import told

NAMES = tuple(library())
GOOD_FOR_EVERYBODY = {"drained-region", "migration"}


def experiment(name: str) -> dict[str, Any]:
    path = Path(str(resources.files("standfast.drills") / "library" / f"{name}.json"))
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def seconds(account: Account) -> dict[str, float]:
    return {
        each.name: each.total.outage_s + each.total.wrong_hold_s + each.total.attack_s for each in account.contestants
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_guard_does_all_that_is_expected_and_the_rivals_fare_as_the_drill_says(name: str) -> None:
    account = run_in_simulation(library()[name])
    assert account.failures == ()
    assert [note for note in account.notes if note.startswith("Unexpected")] == []


@pytest.mark.parametrize("seed", ["2", "3"])
@pytest.mark.parametrize("name", NAMES)
def test_the_guard_does_so_with_any_seed(name: str, seed: str) -> None:
    assert run_in_simulation(library()[name], seed=seed).failures == ()


@pytest.mark.parametrize("name", sorted(set(NAMES) - GOOD_FOR_EVERYBODY))
def test_the_drill_costs_some_rival_much_more_than_the_guard(name: str) -> None:
    cost = seconds(run_in_simulation(library()[name]))
    assert max(cost.values()) > cost["guard"] + 1500


@pytest.mark.parametrize("name", sorted(GOOD_FOR_EVERYBODY))
def test_what_owners_do_every_day_costs_nobody_anything(name: str) -> None:
    assert set(seconds(run_in_simulation(library()[name])).values()) == {0.0}


def test_the_incident_is_out_from_2348_to_0240_for_whoever_obeys_and_for_its_dependents() -> None:
    account = run_in_simulation(library()["us-east-1"])
    obey = next(each for each in account.contestants if each.name == "obey")
    assert len(obey.suffered) == 3
    for suffered in obey.suffered:
        outages = [span for span in suffered.lane.spans if span.state is State.OUTAGE]
        assert len(outages) == 1
        assert account.clock(outages[0].from_s, seconds=False) == "23:48"
        assert account.clock(outages[0].to_s, seconds=False) == "02:40"
    guard = account.contestants[0]
    assert {span.state for suffered in guard.suffered for span in suffered.lane.spans} == {State.WELL}


def test_the_account_tells_what_was_true_and_what_the_guard_decided() -> None:
    account = run_in_simulation(library()["true-removal"])
    assert [lane.title for lane in account.background] == [
        "published: api.shop.example. A",
        "servers of api.shop.example. A",
    ]
    assert [(each.action, each.cause) for each in account.decisions][-1] == ("release", "removal")
    assert account.decisions[-1].evidence
    json.dumps(account.to_json())


@pytest.mark.parametrize("name", NAMES)
def test_a_drill_is_a_valid_chaos_toolkit_experiment(name: str) -> None:
    ensure_experiment_is_valid(experiment(name))


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("CRITICAL", logger="chaostoolkit"):
        yield


@pytest.mark.parametrize("name", NAMES)
def test_chaos_toolkit_runs_a_drill_and_its_steady_state_is_met(name: str, quiet: None) -> None:
    journal = run_experiment(experiment(name), strategy=Strategy.DEFAULT)
    assert journal["status"] == "completed"
    assert not journal["deviated"]
    assert journal["steady_states"]["after"]["steady_state_met"]
    assert all(run["status"] == "succeeded" for run in journal["run"])
    assert all(run["output"] is True for run in journal["run"] if run["activity"]["type"] == "probe")
    assert chaos._stage is None


def test_chaos_toolkit_sees_a_guard_that_does_not_stand(quiet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "Resolver", told(mode=Mode.OFF))
    monkeypatch.setattr(chaos, "Stage", lambda scenario: stage.Stage(scenario, make=told(mode=Mode.OFF)))
    journal = run_experiment(experiment("us-east-1"), strategy=Strategy.DEFAULT)
    assert journal["deviated"]
    assert not journal["steady_states"]["after"]["steady_state_met"]


def test_an_experiment_without_its_control_is_told_so(quiet: None) -> None:
    content = experiment("hijack")
    del content["controls"]
    journal = run_experiment(content, strategy=Strategy.DEFAULT)
    assert journal["status"] == "failed"
    assert "needs the control" in str(journal["steady_states"]["before"]["probes"][0]["exception"])


def test_a_drill_in_which_the_guard_fails_says_how() -> None:
    account = run_in_simulation(library()["us-east-1"], make=told(mode=Mode.OFF))
    assert not account.passed
    text = "\n".join(account.failures)
    assert "seconds of outage through the guard" in text
    assert "23:49 the guard holds the name" in text
    assert "checks on the way that were missed" in text


def test_expectations_of_rivals_that_do_not_come_true_are_told_and_do_not_fail_the_guard() -> None:
    scenario = replace(library()["hijack"], rivals={"obey": {"attack_s": (0.0, 1.0)}})
    account = run_in_simulation(scenario)
    assert account.passed
    assert [note for note in account.notes if "attack_s of obey is 3600" in note]
