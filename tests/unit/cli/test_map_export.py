"""`standfast map export`: which form, of what, to where."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli.main import cli

MAP = 'nodes: {shop: {needs: [table]}, table: {causes: ["region:aws/us-east-1"]}, other: {}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "map.yaml").write_text(MAP)
    return tmp_path


def export(folder: Path, *args: object) -> Result:
    command = ["map", "export", "--file", folder / "map.yaml", *args]
    return CliRunner().invoke(cli, list(map(str, command)), prog_name="standfast")


def test_the_form_is_that_of_the_file_s_name(folder: Path) -> None:
    assert export(folder, "--out", folder / "map.html").exit_code == 0
    assert (folder / "map.html").read_text().startswith("<!doctype html>")
    assert export(folder, "--out", folder / "map.svg", "--title", "Mine").exit_code == 0
    assert ">Mine</text>" in (folder / "map.svg").read_text()


def test_without_a_file_it_goes_to_standard_output(folder: Path) -> None:
    document = json.loads(export(folder, "--format", "json", "--lost", "us-east-1").output)
    assert document["lost"] == ["region:aws/us-east-1"]
    assert {node["name"]: node["fate"] for node in document["nodes"]} == {
        "shop": "down",
        "table": "down",
        "other": "works",
    }


def test_of_named_nodes_only_what_they_hang_on_is_written(folder: Path) -> None:
    document = json.loads(export(folder, "table", "--format", "json").output)
    assert [node["name"] for node in document["nodes"]] == ["table"]


def test_a_form_that_cannot_be_told_is_asked_for(folder: Path) -> None:
    result = export(folder, "--out", folder / "map.png")
    assert result.exit_code == 2
    assert "html, svg, dot, graphml, json" in result.output


def test_a_file_that_cannot_be_written_is_named(folder: Path) -> None:
    result = export(folder, "--out", folder / "nowhere" / "map.svg")
    assert result.exit_code == 4
    assert "nowhere/map.svg: cannot be written: no such file or directory" in result.output
