"""`standfast drill`."""

import json
from html import escape
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli import drill as module
from standfast.cli.main import cli
from standfast.drills.runner import run_in_simulation
from standfast.drills.scenario import library
from standfast.guard.policy import Mode
from standfast.sim.fleet import BrokenWorld, Fleet
from standfast.sim.invariants import INVARIANTS, Broken
from standfast.sim.sabotage import told


def standfast(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["drill", *arguments])


def test_list_tells_every_drill_and_how_it_is_run() -> None:
    result = standfast("list")
    assert result.exit_code == 0
    for name, scenario in library().items():
        assert name in result.stdout
        assert scenario.title in result.stdout
    said = {each["name"]: each for each in json.loads(standfast("list", "--json").stdout)}
    assert said["us-east-1"]["modes"] == ["live", "sim"]
    assert said["hijack"]["modes"] == ["sim", "live"]
    assert said["no-tls"]["modes"] == ["sim"]
    assert said["us-east-1"]["sources"]


def test_a_drill_is_run_and_its_table_shown() -> None:
    result = standfast("run", "hijack")
    assert result.exit_code == 0
    assert "PASSED" in result.stdout
    for contestant in ("guard", "obey", "rfc8767"):
        assert contestant in result.stdout


def test_a_table_that_is_piped_has_a_line_for_each_row_and_cuts_nothing() -> None:
    lines = standfast("run", "us-east-1", "--mode", "sim").stdout.splitlines()
    assert not [line for line in lines if "…" in line]
    called = next(line for line in lines if line.strip().startswith("calls failed"))
    assert called.count(" of ") == 4  # the guard and its three rivals


def test_a_drill_told_as_json_is_one_document() -> None:
    said = json.loads(standfast("run", "us-east-1", "--mode", "sim", "--json").stdout)
    assert said["passed"]
    assert said["mode"] == "sim"
    assert said["contestants"][0]["total"]["outage_s"] == 0
    assert said["contestants"][1]["total"]["outage_s"] > 30_000


def test_a_report_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    assert standfast("run", "hijack", "--report", str(report)).exit_code == 0
    assert escape(library()["hijack"].title) in report.read_text()


def test_a_drill_in_a_file_is_run(tmp_path: Path) -> None:
    original = Path(module.__file__).parents[1] / "drills" / "library" / "migration.json"
    mine = tmp_path / "mine.json"
    mine.write_bytes(original.read_bytes())
    assert json.loads(standfast("run", str(mine), "--json").stdout)["drill"] == "mine"


def test_a_guard_that_fails_ends_in_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    obeying = told(mode=Mode.OFF)
    monkeypatch.setattr(
        module, "run_in_simulation", lambda scenario, seed: run_in_simulation(scenario, seed=seed, make=obeying)
    )
    result = standfast("run", "hijack")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "seconds of attack through the guard" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "hijak"), 'did you mean "hijack"'),
        (("run", "us-east-1", "--seed", "2"), "what is live has no seed"),
        (("run", "hijack", "--mode", "inject"), "--mode"),
        (("sim", "--worlds", "0"), "--worlds"),
    ],
)
def test_what_cannot_be_run_is_said(arguments: tuple[str, ...], said: str) -> None:
    result = standfast(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_drill_that_cannot_be_run_live_says_so() -> None:
    result = standfast("run", "no-tls", "--mode", "live")
    assert result.exit_code == 4
    assert "--mode sim" in result.stderr


def test_worlds_are_simulated_and_every_invariant_is_told() -> None:
    result = standfast("sim", "--worlds", "6", "--jobs", "1")
    assert result.exit_code == 0
    for invariant in INVARIANTS:
        assert invariant in result.stdout
    assert "6 worlds" in result.stdout


def test_one_seed_tells_one_story() -> None:
    first, second, other = (
        json.loads(standfast("sim", "--worlds", "6", "--seed", seed, "--jobs", "1", "--json").stdout)
        for seed in ("1", "1", "2")
    )
    assert first == second
    assert first["scores"] != other["scores"]
    assert first["worlds"] == 6


def test_a_broken_invariant_ends_in_exit_code_1_and_names_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(invariant="held.ad", at_s=1.0, detail="api.zone0.example. A")
    fleet = Fleet(worlds=1, broken_worlds=1, broken=[BrokenWorld(seed="1/7", title="a world", broken=(broken,))])
    monkeypatch.setattr(module, "run_fleet", lambda *_args, **_options: fleet)
    result = standfast("sim", "--worlds", "1")
    assert result.exit_code == 1
    assert "BROKEN  held.ad" in result.stdout
    assert "standfast drill sim --world 1/7" in result.stdout


def test_the_story_of_one_world_is_told() -> None:
    result = standfast("sim", "--world", "1/3")
    assert result.exit_code == 0
    assert result.stdout.startswith("world 1/3: ")
