"""A drill's file: what can be wrong with it is said, and what is right becomes a script."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from standfast.dns.model import Question, RRType
from standfast.drills import chaos
from standfast.drills.errors import DrillError
from standfast.drills.scenario import EVENTS, Check, find, from_experiment, library, load, to_event
from standfast.evidence.model import ProbeSpec
from standfast.sim.events import BreakResolver, EmptyRecord, Event, Fault, GiveAway, Party, Timed
from standfast.sim.rivals import RIVALS
from standfast.sim.world import World

NAME = "api.shop.example"


def provider(func: str, **arguments: object) -> dict[str, Any]:
    return {"type": "python", "module": chaos.__name__, "func": func, "arguments": arguments}


def experiment(**changes: Any) -> dict[str, Any]:
    world = {
        "name": "standfast",
        "lesson": "the guard holds it",
        "sources": ["constructed"],
        "starts_at": "2025-11-03T09:00:00+01:00",
        "zones": [{"name": "shop.example"}],
        "names": [{"name": NAME, "zone": "shop.example", "addresses": ["192.0.2.1"]}],
        "upstreams": [{"host": "10.0.0.1"}],
        **changes.pop("world", {}),
    }
    return {
        "title": "A drill",
        "description": "Something happens.",
        "steady-state-hypothesis": {
            "title": "all is well",
            "probes": [
                {
                    "type": "probe",
                    "name": "no outage",
                    "tolerance": [0, 0],
                    "provider": provider("seconds", contestant="guard", of="outage_s"),
                }
            ],
        },
        "method": [
            {"type": "action", "name": "it goes", "provider": provider("empty_record", at_s=60, name=NAME)},
            {
                "type": "probe",
                "name": "it is held",
                "provider": provider("verdict_is", at_s=90, name=NAME, action="hold", cause="mistake"),
            },
            {"type": "action", "name": "the end", "provider": provider("note", at_s=120, text="the end")},
        ],
        "extensions": [world],
        **changes,
    }


def test_a_file_becomes_a_script_with_absolute_names() -> None:
    scenario = from_experiment("mine", experiment())
    assert scenario.script.questions() == (Question("api.shop.example.", RRType.A),)
    assert [timed.event for timed in scenario.script.timeline][:1] == [EmptyRecord(name="api.shop.example.")]
    assert scenario.script.ends_at_s == 120
    assert scenario.script.starts_at_s == scenario.starts_at.timestamp()
    assert scenario.zone_name == "UTC+0100"


def test_the_method_is_events_and_checks_in_their_order() -> None:
    steps = from_experiment("mine", experiment()).steps
    assert [type(step) for step in steps] == [Timed, Check, Timed]
    assert [step.at_s for step in steps] == [60, 90, 120]


def test_policies_have_the_keys_of_the_configuration() -> None:
    policy = {"suffix": "shop.example", "grace_s": 60, "mode": "observe", "probe": {"kind": "tcp", "port": 22}}
    scenario = from_experiment("mine", experiment(world={"policies": [policy]}))
    assert scenario.script.policies == (
        ("shop.example.", {"grace_s": 60, "mode": "observe", "probe": ProbeSpec(kind="tcp", port=22)}),
    )


@pytest.mark.parametrize(
    ("tolerance", "output", "met"),
    [
        (True, True, True),
        (True, False, False),
        (True, 1, False),
        ((0, 5), 0, True),
        ((0, 5), 5.0, True),
        ((0, 5), 5.1, False),
        ((0, 5), "3", False),
    ],
)
def test_a_tolerance_is_a_truth_value_or_a_range(tolerance: Any, output: object, met: bool) -> None:
    assert Check(title="", func="seconds", arguments={}, tolerance=tolerance).is_met(output) is met


def broken(path: str, value: object) -> dict[str, Any]:
    """Return a file in which `path` (keys and indices between dots) is `value`."""
    content = copy.deepcopy(experiment())
    *parents, last = path.split(".")
    at: Any = content
    for key in parents:
        at = at[int(key) if isinstance(at, list) else key]
    at[int(last) if isinstance(at, list) else last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("title", None, "title"),
        ("extensions", [], 'one extension called "standfast"'),
        ("extensions.0.lessons", "x", "lessons"),
        ("extensions.0.names.0.name", "a..b", "is not a domain name"),
        ("extensions.0.names.0.addresses.0", "192.0.2.300", "addresses"),
        ("extensions.0.starts_at", "2025-11-03T09:00:00", "timezone"),
        ("extensions.0.upstreams", [], "upstreams"),
        ("method", [], "at least one step"),
        ("method.0.provider.func", "emty_record", 'did you mean "empty_record"'),
        ("method.0.provider.module", "os", "module"),
        ("method.0.provider.arguments", {"name": NAME}, "needs at_s"),
        ("method.0.provider.arguments", {"at_s": 60, "name": NAME, "fast": True}, "unknown arguments fast"),
        ("method.0.provider.arguments", {"at_s": 600, "name": NAME}, "in order of at_s"),
        ("method.1.provider.func", "verdict_was", 'did you mean "verdict_is"'),
        ("steady-state-hypothesis.probes.0.tolerance", None, "needs a tolerance"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(path: str, value: object, said: str) -> None:
    with pytest.raises(DrillError, match="drill mine: ") as caught:
        from_experiment("mine", broken(path, value))
    assert said in str(caught.value)


def test_a_file_that_is_no_json_or_not_there_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    with pytest.raises(DrillError, match="cannot be read"):
        load(path)
    path.write_text("{")
    with pytest.raises(DrillError, match="cannot be read"):
        load(path)


def test_a_drill_is_found_by_its_name_or_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(experiment()))
    assert find(str(path)).name == "mine"
    assert find("hijack").name == "hijack"
    with pytest.raises(DrillError, match='did you mean "hijack"'):
        find("hijak")


def test_an_action_stands_for_an_event() -> None:
    assert to_event("break_resolver", {"host": "10.0.0.1", "fault": "servfail"}) == BreakResolver(
        host="10.0.0.1", fault=Fault.SERVFAIL
    )
    assert to_event("give_away", {"addresses": ["192.0.2.1"], "certificate": None}) == GiveAway(
        addresses=("192.0.2.1",), party=Party.STRANGER, certificate=None
    )


def test_every_event_can_be_an_action() -> None:
    assert {kind.__name__ for kind in EVENTS.values()} == {kind.__name__ for kind in Event.__args__}


@pytest.mark.parametrize("name", library())
def test_a_drill_of_the_library_says_what_it_is_and_speaks_of_what_is_there(name: str) -> None:
    scenario = library()[name]
    assert scenario.title
    assert scenario.lesson
    assert scenario.sources
    assert scenario.tags
    assert set(scenario.rivals) == {rival.name for rival in RIVALS}
    assert any(isinstance(step, Check) for step in scenario.steps)
    world = World(scenario.script.zones, scenario.script.names, start_s=0.0)
    for timed in scenario.script.timeline:
        world.apply(timed.event, timed.at_s)  # raises where it speaks of what is not there


def test_the_library_holds_the_incident_with_its_own_times() -> None:
    scenario = library()["us-east-1"]
    at_s = {timed.title.split()[0]: timed.at_s for timed in scenario.script.timeline}
    begins_s = scenario.starts_at.hour * 3600 + scenario.starts_at.minute * 60
    for clock in ("23:48", "00:38", "01:15", "02:25", "02:32", "02:40"):
        hours, minutes = (int(part) for part in clock.split(":"))
        assert at_s[clock] == (hours * 3600 + minutes * 60 - begins_s) % 86_400, clock
    assert at_s["02:25"] - at_s["23:48"] == (2 * 60 + 37) * 60
    record = next(spec for spec in scenario.script.names if spec.name.startswith("dynamodb"))
    assert record.ttl_s == 5
    assert next(zone.negative_ttl_s for zone in scenario.script.zones if zone.name == record.zone) == 900
