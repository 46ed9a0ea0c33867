"""`standfast map concentration`: of a map, and of the files of a study."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli.main import cli

MAP = """\
nodes:
  shop: {needs: [checkout, cart], causes: ["provider:one"]}
  checkout: {causes: ["provider:one", "region:one/east"]}
  cart: {causes: ["provider:two"]}
"""


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, ["map", "concentration", *map(str, args)], prog_name="standfast")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "map.yaml"
    path.write_text(MAP)
    return path


def lines(result: Result) -> list[str]:
    return [" ".join(line.split()) for line in result.output.splitlines()]


def test_each_sort_of_provider_is_a_table_with_its_index(path: Path) -> None:
    assert lines(run("--file", path)) == [
        "3 users",
        "",
        "PROVIDER USERS DIRECT INDIRECT CRITICAL OF THESE DIRECT",
        "provider:one 2 2 0 2 2",
        "provider:two 2 1 1 2 1",
        "all 2, of 3 users, critical for 3",
        "HHI 0.5000 of users, 0.5000 of critical ones",
        "first 3 critical for 3 together",
        "",
        "REGION USERS DIRECT INDIRECT CRITICAL OF THESE DIRECT",
        "region:one/east 2 1 1 2 1",
        "all 1, of 2 users, critical for 2",
        "HHI 1.0000 of users, 1.0000 of critical ones",
        "first 3 critical for 2 together",
    ]


def test_only_those_who_are_named_are_users(path: Path) -> None:
    found = json.loads(run("cart", "--file", path, "--json").output)
    assert found["users"] == 1
    assert found["of"]["provider"]["shares"] == [
        {"name": "provider:two", "users": 1, "direct": 1, "indirect": 0, "critical": 1, "critical_direct": 1}
    ]
    assert found["of"]["region"]["hhi"] is None


def test_the_files_of_the_study_give_its_published_figures(shared_data: Path) -> None:
    folder = shared_data / "third-party-2020"
    result = run("--users", folder / "DNSconc3rd", "--critical", folder / "DNSdamage3rd", "--top", 3, "--json")
    found = json.loads(result.output)["of"]["provider"]
    assert [(each["name"], each["users"], each["critical"]) for each in found["shares"]] == [
        ("cloudflare", 23_525, 23_400),
        ("aws", 11_652, 11_442),
        ("godaddy", 4_235, 4_054),
    ]
    assert (found["top_critical"], found["providers"]) == (38_896, 2_075)
    assert (round(found["hhi"], 4), round(found["hhi_critical"], 4)) == (0.1298, 0.1403)


def test_a_list_of_users_that_is_none_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("dns-a,1-one.example\nwhatever\n")
    result = run("--users", path, "--critical", path)
    assert result.exit_code == 4
    assert f"{path}:2: " in result.output


@pytest.mark.parametrize("args", [["--users", "u"], ["--critical", "c"], ["shop", "--users", "u", "--critical", "c"]])
def test_a_study_has_two_files_and_no_map(args: list[str]) -> None:
    result = run(*args)
    assert (result.exit_code, "--users and --critical go together" in result.output) == (2, True)
