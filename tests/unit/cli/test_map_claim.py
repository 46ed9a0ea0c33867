"""`standfast map claim` and `map loss --saved-by`: what they say, and how they end."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli.main import cli

SHOP = """nodes:
  shop: {needs: [table], unavailability: 0.0001, claim: 99.9}
  table: {kind: resource, unavailability: 0.0001, causes: ["region:aws/us-east-1"]}
causes:
  region:aws/us-east-1: {unavailability: 0.001}
"""


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, ["map", *map(str, args)], prog_name="standfast")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "map.yaml"
    path.write_text(SHOP)
    return path


def test_no_claim_is_judged_by_a_map_that_lacks_a_file(shop: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("nodes:\n  table: {needs: [nowhere]}\n")
    result = run("claim", "shop", "90", "--file", shop, "--file", broken)
    assert result.exit_code == 4
    assert f'{broken}:2: there is no node "nowhere"' in result.output
    assert "the map lacks what 1 file would say, so that nothing is judged by it" in result.output
    assert run("loss", "table", "--file", shop, "--file", broken).exit_code == 0


def test_a_claim_that_is_not_met_is_told_with_the_changes_that_help(shop: Path) -> None:
    result = run("claim", "shop", "--file", shop)
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[:4] == [
        "shop 99.90 % is NOT MET: as it is",
        "allowed 525.6 min of outage a year",
        "as it is 99.88 %, 630.6 min of outage a year",
        "single points shop, table, region:aws/us-east-1",
    ]
    assert lines[5:7] == [
        "CHANGE SINGLE POINTS REMOVED AVAILABILITY OUTAGE A YEAR THEN, AS ASSUMED",
        "shop works, degraded, without table 2 of 3 99.990 % 52.6 min met",
    ]


@pytest.mark.parametrize(("percent", "code", "verdict"), [("99.5", 0, "met"), ("99.99%", 1, "not met")])
def test_a_claim_ends_with_the_code_of_its_verdict(shop: Path, percent: str, code: int, verdict: str) -> None:
    result = run("claim", "shop", percent, "--file", shop, "--json")
    found = json.loads(result.output)
    assert (result.exit_code, found["verdict"]) == (code, verdict)
    assert found["availability_low"] == found["availability_high"] == pytest.approx(0.9988, abs=1e-5)
    assert found["single_points"] == ["shop", "table", "region:aws/us-east-1"]


def test_a_claim_that_assumptions_decide_is_undecided_and_names_them(shop: Path) -> None:
    shop.write_text("nodes: {shop: }")
    result = run("claim", "shop", "99.95", "--file", shop)
    assert result.exit_code == 5
    assert "UNDECIDED" in result.output
    assert "up to 5.0E-04" in result.output


def test_without_a_name_all_that_the_map_claims_is_judged(shop: Path) -> None:
    found = json.loads(run("claim", "--file", shop, "--json").output)
    assert [(each["node"], each["verdict"]) for each in found] == [("shop", "not met")]
    shop.write_text("nodes: {shop: }")
    assert run("claim", "--file", shop).exit_code == 2
    assert run("claim", "shop", "--file", shop).exit_code == 2
    assert run("claim", "shop", "a lot", "--file", shop).exit_code == 2
    assert run("claim", "shop", "101", "--file", shop).exit_code == 2


def test_a_loss_is_told_with_who_would_have_been_saved_by_what(shop: Path) -> None:
    result = run("loss", "us-east-1", "--file", shop, "--saved-by")
    assert "table also in a second region" in result.output
    found = json.loads(run("loss", "us-east-1", "--file", shop, "--saved-by", "--json").output)
    assert found["saved_by"][0] == {"change": "table also in a second region", "size": 1, "saved": ["table", "shop"]}
