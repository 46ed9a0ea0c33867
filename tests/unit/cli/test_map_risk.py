"""`standfast map risk NAME`: what it says of a node of a map."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli.main import cli

SHOP = """nodes:
  shop: {needs: [checkout, {any: [hints], soft: true}], unavailability: {value: 0.01, source: measured}}
  checkout: {unavailability: 0.02, causes: ["region:aws/us-east-1"]}
  hints: {unavailability: 0.5}
causes:
  region:aws/us-east-1: {unavailability: {value: 0.03, source: assumed}}
"""


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, ["map", *map(str, args)], prog_name="standfast")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "map.yaml"
    path.write_text(SHOP)
    return path


def test_the_risk_of_a_node_is_told_in_words_with_what_it_rests_on(shop: Path) -> None:
    lines = [" ".join(line.split()) for line in run("risk", "shop", "--file", shop).output.splitlines()]
    assert lines[1:6] == [
        "probability 5.89060E-02, exact",
        "minimal cut sets 3",
        "availability 94.11 %",
        "outage a year 516.0 h",
        "rests on what is 33% claimed, 16% measured, 50% assumed",
    ]
    assert lines[8:] == [
        "PROBABILITY CUT SET",
        "3.00000E-02 region:aws/us-east-1",
        "2.00000E-02 checkout",
        "1.00000E-02 shop",
    ]


def test_the_risk_of_a_node_is_told_as_json(shop: Path) -> None:
    found = json.loads(run("risk", "shop", "--file", shop, "--importance", "--json").output)
    assert found["node"] == found["top"] == "shop"
    assert found["probability"] == pytest.approx(1 - 0.99 * 0.98 * 0.97)
    assert sum(found["by_source"].values()) == pytest.approx(1)
    region = next(each for each in found["importance"] if each["event"] == "region:aws/us-east-1")
    assert region["source"] == "assumed"
    assert region["fussell_vesely"] == pytest.approx(1 - (1 - 0.99 * 0.98) / found["probability"])


def test_degraded_counts_what_it_would_rather_have(shop: Path) -> None:
    found = json.loads(run("risk", "shop", "--file", shop, "--degraded", "--json").output)
    assert found["probability"] == pytest.approx(1 - 0.99 * 0.98 * 0.97 * 0.5)


@pytest.mark.parametrize(
    "arguments",
    [(), ("shop", "--open-psa", "t.xml"), ("shop", "--gate", "g"), ("--open-psa", "t.xml", "--degraded")],
)
def test_a_node_and_a_fault_tree_are_not_mixed(arguments: tuple[str, ...]) -> None:
    assert run("risk", *arguments).exit_code == 2


def test_a_node_that_is_not_there_is_an_error_with_what_may_be_meant(shop: Path) -> None:
    result = run("risk", "chekout", "--file", shop)
    assert result.exit_code == 4
    assert 'did you mean "checkout"?' in result.stderr


def test_years_are_simulated_with_a_guard_and_without(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("nodes: {shop: {needs: [www.example.com]}, www.example.com: {unavailability: 0.01}}")
    arguments = ("risk", "shop", "--file", path, "--years", 100)
    found = json.loads(run(*arguments, "--json").output)
    without, with_guard = found["outage_without_guard"], found["outage_with_guard"]
    assert without["years"] == with_guard["years"] == 100
    assert without["low_min"] < without["mean_min"] < without["high_min"] < without["worst_min"]
    assert with_guard["mean_min"] < without["mean_min"] / 2
    lines = [" ".join(line.split()) for line in run(*arguments).output.splitlines()]
    assert "SIMULATED OUTAGE A YEAR 95 % SURE WORST YEAR" in lines
    assert run("risk", "--open-psa", path, "--years", 100).exit_code == 2
