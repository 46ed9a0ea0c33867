"""`standfast map`: what it says of models, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli.main import cli

PUMPS = """<opsa-mef>
<define-fault-tree name="pumps">
<define-gate name="no-water"><or><basic-event name="valve"/><gate name="no-pump"/></or></define-gate>
<define-gate name="no-pump"><and><basic-event name="pump-1"/><basic-event name="pump-2"/></and></define-gate>
</define-fault-tree>
<define-basic-event name="valve"><float value="0.001"/></define-basic-event>
<define-basic-event name="pump-1"><float value="0.1"/></define-basic-event>
<define-basic-event name="pump-2"><float value="0.2"/></define-basic-event>
</opsa-mef>"""


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, ["map", *map(str, args)], prog_name="standfast")


@pytest.fixture
def pumps(tmp_path: Path) -> Path:
    path = tmp_path / "pumps.xml"
    path.write_text(PUMPS)
    return path


def test_the_risk_of_a_fault_tree_is_told_in_words(pumps: Path) -> None:
    result = run("risk", "--open-psa", pumps, "--importance")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[:3] == [
        "top no-water, 2 gates over 3 events, in 2 modules",
        "probability 2.09800E-02, exact",
        "minimal cut sets 2",
    ]
    assert lines[5:8] == ["PROBABILITY CUT SET", "2.00000E-02 pump-1 pump-2", "1.00000E-03 valve"]
    assert lines[10] == "valve 1.00000E-03 9.80000E-01 47.664 1.049 0.046711 claimed"


def test_the_risk_of_a_fault_tree_is_told_as_json(pumps: Path) -> None:
    found = json.loads(run("risk", "--open-psa", pumps, "--top", 1, "--importance", "--json").output)
    assert found["probability"] == found["probability_low"] == found["probability_high"] == pytest.approx(0.02098)
    assert (found["minimal_cut_sets"], found["modules_open"]) == (2, 0)
    assert found["seconds"] >= 0
    assert found["cut_sets"] == [{"events": ["pump-1", "pump-2"], "probability": pytest.approx(0.02)}]
    assert [each["event"] for each in found["importance"]] == ["valve", "pump-1", "pump-2"]


def test_another_top_can_be_named_and_others_are_told_of(pumps: Path) -> None:
    assert json.loads(run("risk", "--open-psa", pumps, "--gate", "no-pump", "--json").output)["probability"] == (
        pytest.approx(0.02)
    )
    pumps.write_text(PUMPS.replace('<gate name="no-pump"/>', ""))
    result = run("risk", "--open-psa", pumps)
    assert 'of several tops, "no-water" is taken; others, for --gate: no-pump' in result.stderr


def test_what_does_not_fit_is_an_interval_with_its_width(shared_data: Path) -> None:
    path = shared_data / "fault-trees" / "das9208.xml"
    found = json.loads(run("risk", "--open-psa", path, "--nodes-max", 2000, "--json").stdout)
    assert (found["probability"], found["minimal_cut_sets"]) == (None, None)
    assert 0.01 < found["probability_low"] < 1.30179e-02 < found["probability_high"] < 0.05
    assert found["cut_sets_may_lack"]
    whole = json.loads(run("risk", "--open-psa", path, "--top", 10_000, "--json").stdout)
    assert len(found["cut_sets"]) == 10
    assert all(each in whole["cut_sets"] for each in found["cut_sets"])
    text = run("risk", "--open-psa", path, "--nodes-max", 2000).stdout
    assert " wide" in text
    assert "others that are as probable may be missing" in text


def test_a_file_that_cannot_be_read_or_means_nothing_is_told_with_its_line(pumps: Path, tmp_path: Path) -> None:
    missing = run("risk", "--open-psa", tmp_path / "none.xml")
    assert missing.exit_code == 4
    assert missing.stderr == f"standfast: {tmp_path}/none.xml: cannot be read: no such file or directory\n"
    pumps.write_text(PUMPS.replace('"0.2"', '"2"'))
    wrong = run("risk", "--open-psa", pumps)
    assert wrong.exit_code == 4
    assert wrong.stderr == f'standfast: {pumps}:8: 2, of basic event "pump-2", is no probability\n'


def test_no_file_is_wrong_usage() -> None:
    assert run("risk").exit_code == 2


# Maps written by hand.

SHOP = """nodes:
  shop: {needs: [table, {any: [hints], soft: true}]}
  hints: {causes: [us-west-2]}
  table: {causes: [us-east-1]}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "map.yaml"
    path.write_text(SHOP)
    return path


def test_what_a_loss_takes_with_it_is_told_with_the_way_there(shop: Path) -> None:
    result = run("loss", "us-east-1", "--file", shop)
    assert [line.split(maxsplit=1) for line in result.output.splitlines()] == [
        ["DOWN", "BECAUSE OF"],
        ["table", "us-east-1"],
        ["shop", "table, us-east-1"],
    ]
    assert "degraded: shop" in run("loss", "us-west-2", "--file", shop).output
    found = json.loads(run("loss", "us-east-1", "--file", shop, "--json").output)
    assert found["down"] == {"table": ["table", "us-east-1"], "shop": ["shop", "table", "us-east-1"]}
    assert run("loss", "eu-north-9", "--file", shop).exit_code == 4


def test_what_a_node_hangs_on_is_a_tree_and_what_takes_it_down_is_told(shop: Path) -> None:
    lines = run("show", "shop", "--file", shop).output.splitlines()
    assert [line.rstrip() for line in lines[:6]] == [
        "shop",
        f"├── hints (degraded without)  - handwritten {shop}:2",
        f"│   └── shares us-west-2  - handwritten {shop}:3",
        f"└── table  - handwritten {shop}:2",
        f"    └── shares us-east-1  - handwritten {shop}:4",
        "",
    ]
    assert [" ".join(line.split()) for line in lines[6:]] == [
        "kind service",
        "needs hints (degraded without); table",
        "needed by nothing",
        "single points shop, table, us-east-1",
        "pairs of causes none",
    ]
    assert "table  ..." in run("show", "shop", "--file", shop, "--depth", 1).output
    found = json.loads(run("show", "table", "--file", shop, "--json").output)
    assert (found["node"], found["needed_by"], found["single_points"], found["pairs"]) == (
        "table",
        ["shop"],
        ["table", "us-east-1"],
        [],
    )
    assert run("show", "none", "--file", shop).exit_code == 4


# One map of many files.


def test_many_files_become_one_map_which_the_other_verbs_read(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.yaml").write_text("nodes: {table: {causes: [power]}}")
    dry = run("import", ".", "--dry-run")
    assert "standfast-map.json would be a map of 2 files, 3 nodes, 5 edges, 3 shared causes" in dry.output
    assert not (tmp_path / "standfast-map.json").exists()
    assert run("import", ".").exit_code == 0
    down = json.loads(run("loss", "power", "--json").output)["down"]
    assert down == {"table": ["table", "power"], "shop": ["shop", "table", "power"]}
    shop.write_text(SHOP.replace("us-east-1", "us-east-2"))
    found = json.loads(run("import", tmp_path, "--json").output)
    assert (found["written"], found["files"], found["statements_new"], found["statements_gone"]) == (True, 2, 1, 1)
    assert run("loss", "us-east-1").exit_code == 4


def test_a_file_that_is_broken_is_named_and_the_rest_is_a_map(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("nodes: [")
    out = tmp_path / "out.json"
    result = run("import", shop, tmp_path / "broken.yaml", "--out", out)
    assert result.exit_code == 1
    assert f"standfast: {tmp_path}/broken.yaml:1: no YAML" in result.stderr
    assert json.loads(run("show", "shop", "--file", out, "--json").output)["single_points"]
    partly = run("show", "shop", "--file", shop, "--file", tmp_path / "broken.yaml")
    assert partly.exit_code == 0
    assert "the map lacks what 1 file would say" in partly.stderr


def test_without_a_map_there_is_a_word_on_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("show", "shop")
    assert result.exit_code == 4
    assert "there is no standfast-map.json here: make it with `standfast map import`" in result.stderr


def test_a_map_is_shown_whole_with_what_is_gone_or_contradictory(shop: Path, tmp_path: Path) -> None:
    other = tmp_path / "standfast-map.json"
    by = '"by": [["zone file", "db.example", 7]]}'
    rows = f'{{"node": "table", "shares": "dns:one", {by}, {{"node": "hints", "gone": "emptied", {by}'
    differs = f'{{"node": "shop", "needs": ["hints"], "at_least": 1, {by}'
    other.write_text(
        f'{{"standfast_map": 1, "statements": [{rows}, {differs}], "remarks": [{{"text": "[bold]odd", {by}]}}'
    )
    result = run("show", "--file", shop, "--file", other)
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[1] == "shop service hints (degraded without); table - 0 -"
    assert "table service - us-east-1, dns:one 1 -" in lines
    assert "hints service - us-west-2 1 emptied" in lines
    said = f"hints (degraded without) (handwritten {shop}:2); hints (zone file db.example:7)"
    assert f"shop -> hints {said} hints (degraded without)" in lines
    assert "[bold]odd zone file db.example:7" in lines
    found = json.loads(run("show", "--file", shop, "--file", other, "--json").output)
    assert [each["taken"] for each in found["contradictions"]] == ["hints (degraded without)"]
    assert [each["text"] for each in found["remarks"]] == ["[bold]odd"]
    assert {each["node"]: each["gone"] for each in found["nodes"]} == {"shop": None, "hints": "emptied", "table": None}
    assert (
        "in all 3 nodes, 1 contradiction and 1 remark"
        in run("show", "--file", shop, "--file", other, "--limit", 1).stderr
    )
