"""The configuration that a live drill writes for its guard, read by the guard's own reader."""

from pathlib import Path
from typing import Any

import pytest

from standfast.drills.live.authority import ThrowawayAuthority
from standfast.drills.live.guard import GuardedName, GuardSettings, config_text
from standfast.drills.live.loopback import Endpoint
from standfast.evidence.model import ProbeSpec
from standfast.guard.policy import Mode, Policy, PolicyTable
from standfast.io.settings.config import Config, load

NAME = "db.example.org."
DAY_S = 86_400.0


def loaded(folder: Path, *, known_for_s: float = 0.0, **policy: Any) -> tuple[Config, Policy]:
    """Return what a guard reads of its configuration at scale 150, and the policy that it then has for NAME."""
    settings = GuardSettings(
        listen=Endpoint.parse("127.0.0.1:5300"),
        upstreams=(Endpoint.parse("127.0.0.1:5301"),),
        second_opinions=(Endpoint.parse("127.0.0.1:5302"),),
        ca_file=ThrowawayAuthority.create(folder).ca_file,
        policies=PolicyTable([(NAME, policy)]),
        scale=150.0,
        names=(GuardedName(name=NAME, port=8443, known_for_s=known_for_s),),
    )
    file = folder / "standfast.toml"
    file.write_text(config_text(settings, folder / "state"))
    config = load(file)
    return config, config.policy_table.lookup(NAME)


def test_the_guard_is_told_whom_to_ask_and_where_to_listen(tmp_path: Path) -> None:
    config, policy = loaded(tmp_path)
    assert [str(server) for server in config.listen] == ["127.0.0.1:5300"]
    assert [str(server) for server in config.upstreams] == ["127.0.0.1:5301"]
    assert [str(server) for server in config.second_opinions] == ["127.0.0.1:5302"]
    assert config.state_dir == tmp_path / "state"
    assert config.ca_file == tmp_path / "ca.pem"
    assert policy.probe == ProbeSpec(kind="tls", port=8443)


def test_the_guards_times_are_those_of_the_story(tmp_path: Path) -> None:
    _, policy = loaded(tmp_path, hold_max_s=4500.0)
    assert (policy.grace_s, policy.hold_max_s, policy.held_ttl_s) == (6.0, 30.0, 1)


@pytest.mark.parametrize(("known_for_s", "steady_s"), [(0.0, 7 * DAY_S / 150), (30 * DAY_S, 0.0)])
def test_a_name_that_has_long_been_steady_in_the_story_is_so_for_the_guard(
    tmp_path: Path, known_for_s: float, steady_s: float
) -> None:
    _, policy = loaded(tmp_path, known_for_s=known_for_s)
    assert policy.steady_s == pytest.approx(steady_s)


@pytest.mark.parametrize(
    "policy",
    [
        {"mode": Mode.OBSERVE},
        {"mode": Mode.OFF},
        {"pinned": True, "addresses_min": 2},
        {"probe": ProbeSpec(kind="tcp", port=8443)},
    ],
)
def test_what_a_drill_says_of_a_policy_is_kept(tmp_path: Path, policy: dict[str, Any]) -> None:
    _, found = loaded(tmp_path, **policy)
    assert {key: getattr(found, key) for key in policy} == policy
