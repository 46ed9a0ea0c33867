"""A drill moved to one machine: every address on loopback, one upstream, and what cannot be moved is refused."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from standfast.drills.errors import DrillError
from standfast.drills.live.setting import Setting, set_on_loopback
from standfast.drills.scenario import Scenario, from_experiment, library
from standfast.sim.events import BreakResolver, SetAddresses, StartServers

SHOP, BELL = "shop.example.org", "bell.example.org"


def experiment(*method: Mapping[str, Any], names: list[dict[str, Any]] | None = None, upstreams: int = 1) -> Scenario:
    """Return a drill of `method`, whose name is SHOP at two addresses unless told otherwise."""
    module = {"type": "python", "module": "standfast.drills.chaos"}
    world = {
        "name": "standfast",
        "lesson": "-",
        "sources": ["-"],
        "starts_at": "2025-11-03T09:00:00+00:00",
        "zones": [{"name": "example.org"}],
        "names": names or [{"name": SHOP, "zone": "example.org", "addresses": ["192.0.2.1", "192.0.2.2"]}],
        "upstreams": [{"host": f"10.0.0.{number + 1}"} for number in range(upstreams)],
    }
    steps = [
        {"type": "action", "name": step["func"], "provider": {**module, **step}}
        for step in (*method, {"func": "note", "arguments": {"at_s": 900, "text": "end"}})
    ]
    return from_experiment(
        "a-drill",
        {
            "title": "A drill",
            "description": "-",
            "steady-state-hypothesis": {"title": "-", "probes": []},
            "method": steps,
            "extensions": [world],
        },
    )


def action(func: str, at_s: float = 600, **arguments: Any) -> dict[str, Any]:
    return {"func": func, "arguments": {"at_s": at_s, **arguments}}


def test_every_drill_of_the_library_is_set_on_loopback_or_refused_with_a_reason() -> None:
    fit: dict[str, Setting] = {}
    refusals = []
    for scenario in library().values():
        try:
            fit[scenario.name] = set_on_loopback(scenario)
        except DrillError as error:
            refusals.append(str(error))
    assert {"us-east-1", "us-east-1-nxdomain", "hijack", "true-removal"} <= set(fit)
    for setting in fit.values():
        assert all(ip_address(place).is_loopback for name in setting.names for place in setting.places(name))
        assert len(setting.script.upstreams) == 1
    assert refusals
    assert all("cannot be run live: " in refusal and "--mode sim" in refusal for refusal in refusals)


def test_the_incident_has_one_service_and_two_dependents() -> None:
    setting = set_on_loopback(library()["us-east-1"])
    assert setting.service == "dynamodb.us-east-1.amazonaws.com."
    assert setting.names == (setting.service, *setting.dependents)
    assert len(setting.dependents) == 2
    assert setting.places(setting.service) == ("127.1.0.11", "127.1.0.12", "127.1.0.13", "127.1.0.14")


def test_an_address_is_moved_to_one_place_wherever_it_is_spoken_of() -> None:
    setting = set_on_loopback(
        experiment(
            action("start_servers", name=SHOP, addresses=["198.51.100.1"]),
            action("set_addresses", name=SHOP, addresses=["198.51.100.1", "192.0.2.2"]),
        )
    )
    started, published, _ = (timed.event for timed in setting.script.timeline)
    assert isinstance(started, StartServers)
    assert isinstance(published, SetAddresses)
    assert setting.script.names[0].addresses == ("127.1.0.1", "127.1.0.2")
    assert started.addresses == ("127.2.0.1",)
    assert published.addresses == ("127.2.0.1", "127.1.0.2")
    assert setting.places(setting.service) == ("127.1.0.1", "127.1.0.2", "127.2.0.1")


def test_addresses_that_a_check_expects_are_moved_as_well() -> None:
    (check,) = (check for check in set_on_loopback(library()["hijack"]).checks if "addresses" in check.arguments)
    assert check.arguments["addresses"] == ["127.1.0.1", "127.1.0.2", "127.1.0.3"]


def test_faults_of_upstreams_that_do_not_take_part_are_left_out() -> None:
    broken = [action("break_resolver", host=f"10.0.0.{number}", fault="servfail") for number in (1, 2)]
    setting = set_on_loopback(experiment(*broken, action("mend_resolver", host="10.0.0.2"), upstreams=2))
    faults = [timed.event for timed in setting.script.timeline if isinstance(timed.event, BreakResolver)]
    assert [fault.host for fault in faults] == ["10.0.0.1"]
    assert len(setting.script.timeline) == 2


@pytest.mark.parametrize(
    ("method", "names", "reason"),
    [
        ([action("restart")], None, "restarts machines"),
        ([action("break_resolver", host="10.0.0.1", fault="malformed")], None, "octets that are no message"),
        ([action("start_servers", name=SHOP, addresses=["192.0.2.3"], tls=False)], None, "without TLS"),
        ([], [{"name": SHOP, "zone": "example.org", "addresses": ["192.0.2.1"], "tls": False}], "has no TLS"),
        ([], [{"name": SHOP, "zone": "example.org", "addresses": ["2001:db8::1"], "qtypes": ["AAAA"]}], "IPv4"),
        ([], [{"name": SHOP, "zone": "example.org", "addresses": ["192.0.2.1", "2001:db8::1"]}], "IPv6"),
        (
            [],
            [{"name": name, "zone": "example.org", "addresses": ["192.0.2.1"]} for name in (SHOP, BELL)],
            "call one service",
        ),
    ],
)
def test_a_drill_that_needs_what_only_the_simulator_has_is_refused(
    method: list[dict[str, Any]], names: list[dict[str, Any]] | None, reason: str
) -> None:
    with pytest.raises(DrillError, match=f"drill a-drill: cannot be run live: .*{reason}.*--mode sim"):
        set_on_loopback(experiment(*method, names=names))


def test_a_drill_in_which_one_of_two_upstreams_goes_wrong_is_refused() -> None:
    one_wrong = experiment(action("break_resolver", host="10.0.0.1", fault="deny"), upstreams=2)
    with pytest.raises(DrillError, match="some of its upstreams go wrong"):
        set_on_loopback(one_wrong)
