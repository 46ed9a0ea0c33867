"""The day as an example: its map says what its README and the documents say of it, and their picture is current."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from standfast.cli.main import cli

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = Path("examples/us-east-1")
PICTURE = Path("docs/us-east-1.svg")
ENDPOINT = "dynamodb.us-east-1.amazonaws.com"

NAMED = {
    *("online-shop", "door-bells", "voice-assistant", "messenger", "chat-assistant", "payment-app"),
    "government-sites",
}


@pytest.fixture(autouse=True)
def in_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run as a reader does, with no list of addresses that this machine may have fetched."""
    monkeypatch.chdir(CHECKOUT)
    monkeypatch.setenv("STANDFAST_RANGES", str(tmp_path))


def said(*args: str) -> str:
    result = CliRunner().invoke(cli, ["map", *args], prog_name="standfast")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_lost_name_takes_down_whom_the_news_named() -> None:
    blast = json.loads(said("loss", ENDPOINT, "--file", str(EXAMPLE), "--json"))
    assert set(blast["down"]) >= NAMED
    assert "video-service" not in blast["down"]
    assert blast["degraded"] == ["news-site"]
    assert blast["never_up"] == []


def test_the_database_is_well_while_its_name_is_lost_and_not_as_its_region_is() -> None:
    api = "aws:dynamodb/us-east-1"
    assert api not in json.loads(said("loss", ENDPOINT, "--file", str(EXAMPLE), "--json"))["down"]
    blast = json.loads(said("loss", "region:aws/us-east-1", "--file", str(EXAMPLE), "--json"))
    assert set(blast["down"]) >= NAMED | {api, "aws:iam/control"}
    assert "aws:iam/data" not in blast["down"]


def test_it_is_told_which_single_change_would_have_saved_whom() -> None:
    saved = json.loads(said("loss", ENDPOINT, "--file", str(EXAMPLE), "--saved-by", "--json"))["saved_by"]
    whom = {each["change"]: set(each["saved"]) for each in saved}
    assert whom[f"sessions works, degraded, without {ENDPOINT}"] >= {"sign-in", "chat-assistant", "government-sites"}
    assert "payment-app" not in whom[f"sessions works, degraded, without {ENDPOINT}"]  # its payments fell as well


def test_the_zone_file_and_the_state_say_what_the_hand_says_and_more() -> None:
    document = json.loads(said("export", "--file", str(EXAMPLE), "--format", "json"))
    by = {
        (node["name"], part["name"]): {witness["reader"] for witness in part["by"]}
        for node in document["nodes"]
        for need in node["needs"]
        for part in need["parts"]
    }
    assert by["chat.messenger.example", "192.0.2.30"] == {"handwritten", "zone file"}
    assert by["aws_dynamodb_table.carts", ENDPOINT] == {"handwritten", "terraform"}
    assert by["status.messenger.example", "status-page.messenger.example"] == {"zone file"}
    assert document["contradictions"] == []


def test_the_picture_in_the_documents_is_what_its_command_draws(tmp_path: Path) -> None:
    text = (CHECKOUT / "docs" / "dependency-map.md").read_text()
    (command,) = re.findall(rf"^standfast map (export .* --out {PICTURE})$", text, re.MULTILINE)
    drawn = tmp_path / PICTURE.name
    said(*shlex.split(command)[:-1], str(drawn))
    assert drawn.read_text() == PICTURE.read_text(), f"make it anew: standfast map {command}"


def test_what_the_readme_of_the_example_runs_works(tmp_path: Path) -> None:
    commands = re.findall(r"^standfast map ([^#\n]*)", (EXAMPLE / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        said(*(str(tmp_path / each) if each == "map.html" else each for each in shlex.split(command)))
