"""`standfast ledger`: what it shows of a ledger file, and what it finds wrong in one."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from standfast.cli.main import cli
from standfast.io.settings.places import LEDGER_NAME
from standfast.io.state.ledger_file import LedgerFile

NOON_MS = 1_761_048_000_000  # 2025-10-21 12:00 UTC


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration whose ledger has five records, a minute apart up to noon."""
    (tmp_path / "state").mkdir()
    path = tmp_path / "standfast.toml"
    path.write_text('[guard]\nstate_dir = "state"\n')
    with LedgerFile.open(tmp_path / "state" / LEDGER_NAME) as ledger:
        ledger.append("start", {"version": "0.1.0"}, NOON_MS - 240_000)
        for minute, name in ((3, "www.example.org."), (2, "db.example.org."), (1, "www.example.org.")):
            body = {"qname": name, "qtype": "A", "action": "hold", "cause": "mistake", "reason": f"reason {minute}"}
            ledger.append("verdict", {**body, "provisional": minute == 3}, NOON_MS - minute * 60_000)
        ledger.append("command", {"command": "release", "qname": "db.example.org."}, NOON_MS)
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["ledger", *map(str, arguments)], prog_name="standfast")
    return result.exit_code, result.stdout, result.stderr


def shown(*arguments: object) -> list[int]:
    """Return the numbers of the records that `ledger show` prints."""
    code, out, _ = run("show", "--json", *arguments)
    assert code == 0
    return [record["seq"] for record in json.loads(out)]


def test_records_are_shown_one_a_line_with_what_was_decided(config: Path) -> None:
    code, out, _ = run("show", "--config", config)
    assert code == 0
    assert out.splitlines()[0].split() == ["RECORD", "TIME", "KIND", "NAME", "WHAT"]
    assert [line.split("  ")[-1].strip() for line in out.splitlines()[1:]] == [
        "version 0.1.0",
        "hold/mistake, provisional: reason 3",
        "hold/mistake: reason 2",
        "hold/mistake: reason 1",
        "release",
    ]
    assert "2025-10-21 11:57:00 UTC  verdict  www.example.org. A" in out


def test_records_are_found_by_name_kind_time_and_number(config: Path) -> None:
    assert shown("--config", config) == [1, 2, 3, 4, 5]
    assert shown("WWW.example.org", "--config", config) == [2, 4]
    assert shown("--kind", "command", "--config", config) == [5]
    assert shown("--since", "2025-10-21T11:59", "--config", config) == [4, 5]
    assert shown("--since", "2025-10-21T13:59+02:00", "--config", config) == [4, 5]
    assert shown("--since", "1h", "--config", config) == []
    assert shown("--since", f"{int(time.time() - NOON_MS / 1000) + 90}s", "--config", config) == [4, 5]
    assert shown("--last", 2, "--config", config) == [4, 5]
    assert shown("www.example.org", "--last", 1, "--config", config) == [4]
    assert run("show", "nothing.example", "--config", config)[:2] == (0, "no records\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "--since", "yesterday"], '"yesterday" is no time - write 90s, 30m, 2h, 7d, 2026-11-23'),
        (["show", "--last", "0"], "0 is not in the range"),
        (["show", "a..b"], '"a..b" is not a domain name'),
    ],
)
def test_wrong_usage_says_what_to_write(arguments: list[str], message: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err


def test_a_whole_ledger_is_verified_with_code_0(config: Path) -> None:
    path = config.parent / "state" / LEDGER_NAME
    code, out, _ = run("verify", "--config", config)
    assert code == 0
    assert out.startswith(f"{path}: whole, 5 records, the last is 5 (")
    code, out, _ = run("verify", path, "--json")
    assert json.loads(out)["findings"] == []


def test_a_changed_record_is_named_with_code_1(config: Path) -> None:
    path = config.parent / "state" / LEDGER_NAME
    path.write_text(path.read_text().replace("reason 2", "reason 9"))
    code, out, _ = run("verify", "--config", config)
    assert code == 1
    assert out.startswith("line 3, record 3: changed: ")
    assert ": DAMAGED, 4 records" in out
    code, out, _ = run("verify", "--config", config, "--json")
    assert code == 1
    assert [(finding["kind"], finding["seq"]) for finding in json.loads(out)["findings"]] == [("changed", 3)]


def test_dropped_records_are_named_from_first_to_last(config: Path) -> None:
    path = config.parent / "state" / LEDGER_NAME
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[3:]]))
    code, out, _ = run("verify", "--config", config)
    assert code == 1
    assert out.startswith("line 2, records 2 to 3: dropped: ")


def test_damage_does_not_hide_the_records_beside_it(config: Path) -> None:
    path = config.parent / "state" / LEDGER_NAME
    path.write_text(path.read_text().replace("reason 2", "reason 9"))
    code, out, err = run("show", "--json", "--config", config)
    assert code == 0
    assert [record["seq"] for record in json.loads(out)] == [1, 2, 4, 5]
    assert err == "passed over 1 damaged line; `standfast ledger verify` says which\n"


def test_a_ledger_that_is_not_there_is_told(tmp_path: Path) -> None:
    code, out, err = run("verify", tmp_path / "none.jsonl")
    assert (code, out) == (4, "")
    assert err == f"standfast: {tmp_path}/none.jsonl: cannot read the ledger: No such file or directory\n"
