"""`standfast zone`: what it says of files, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli.main import cli

GOOD = "$TTL 300\n@ SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n"


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, ["zone", *map(str, args)], prog_name="standfast")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "example.org.zone"
    path.write_text(GOOD)
    return path


def test_a_good_file_is_fine_and_its_name_is_the_origin(good: Path) -> None:
    result = run("check", good)
    assert result.output == f"{good}: fine, example.org. serial 7, 4 records\n"
    assert result.exit_code == 0


def test_all_faults_of_all_files_are_told_with_file_and_line(good: Path, tmp_path: Path) -> None:
    included = tmp_path / "part"
    included.write_text("a A 192.0.2.300\n")
    bad = tmp_path / "example.net.zone"
    bad.write_text(GOOD + "www CNAME ns\n$INCLUDE part\n$INCLUDE gone\nw CNAME gone\n")
    result = run("check", good, bad)
    assert result.exit_code == 1
    assert [line.removeprefix(f"{tmp_path}/") for line in result.output.splitlines()] == [
        "example.org.zone: fine, example.org. serial 7, 4 records",
        "example.net.zone:6: www.example.net. has a CNAME, and A beside it",
        f"example.net.zone:8: {tmp_path}/gone cannot be read: no such file or directory",
        "part:1: \"192.0.2.300\" is no data of type A: Octet 300 (> 255) not permitted in '192.0.2.300'",
        f"warning: {tmp_path}/example.net.zone:9: w.example.net. CNAME leads to gone.example.net., which is not there",
        "example.net.zone: not to be served, 3 faults, 1 warning",
    ]


def test_what_is_no_file_or_no_text_is_told_as_any_fault(tmp_path: Path) -> None:
    binary = tmp_path / "binary.zone"
    binary.write_bytes(b"\xff\xfe\0")
    result = run("check", tmp_path / "none.zone", binary)
    assert result.exit_code == 1
    assert "none.zone cannot be read: no such file or directory" in result.output
    assert "binary.zone is no text: octet 0 is not UTF-8" in result.output


def test_an_origin_can_be_named(good: Path) -> None:
    (found,) = json.loads(run("check", "--origin", "example.com", "--json", good).output)
    assert (found["origin"], found["serial"], found["records"]) == ("example.com.", 7, 4)
    assert "is not a domain name" in run("check", "--origin", "a..b", good).output


def test_the_zone_begins_where_its_soa_stands(tmp_path: Path) -> None:
    path = tmp_path / "zone.txt"
    path.write_text("$ORIGIN example.com.\n" + GOOD)
    assert "fine, example.com. serial 7" in run("check", path).output


def test_a_difference_is_told_record_by_record(good: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text("$ORIGIN example.org.\n" + GOOD.replace("192.0.2.2", "192.0.2.3").replace(" 7 ", " 8 "))
    result = run("diff", good, new)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "- example.org. 300 SOA ns.example.org. hostmaster.example.org. 7 3600 600 86400 60",
        "+ example.org. 300 SOA ns.example.org. hostmaster.example.org. 8 3600 600 86400 60",
        "- www.example.org. 300 A 192.0.2.2",
        "+ www.example.org. 300 A 192.0.2.3",
        "example.org. 7 -> 8: 2 changed RRsets",
    ]
    assert run("diff", good, good).exit_code == 0
    told = json.loads(run("diff", "--json", good, new).output)
    assert told[1] == {
        "owner": "www.example.org.",
        "type": "A",
        "removed": ["www.example.org. 300 A 192.0.2.2"],
        "added": ["www.example.org. 300 A 192.0.2.3"],
    }


def test_a_file_that_must_not_be_served_is_not_compared(good: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.zone"
    bad.write_text("@ 5 A 192.0.2.1\n")
    result = run("diff", good, bad)
    assert result.exit_code == 4
    assert "bad. has no SOA" in result.stderr


def test_what_a_name_gets_is_told_without_asking_anybody(good: Path, tmp_path: Path) -> None:
    result = run("show", "www.example.org", "--file", good)
    assert result.output.splitlines() == [
        "www.example.org. ANY: NOERROR, authoritative",
        "answer:",
        "  www.example.org. 300 A 192.0.2.2",
    ]
    missing = run("show", "nope.example.org", "A", "--file", good, "--json")
    assert missing.exit_code == 1
    assert json.loads(missing.output) == {
        "name": "nope.example.org.",
        "type": "A",
        "rcode": "NXDOMAIN",
        "authoritative": True,
        "answer": [],
        "authority": ["example.org. 60 SOA ns.example.org. hostmaster.example.org. 7 3600 600 86400 60"],
        "additional": [],
    }
    config = tmp_path / "standfast.toml"
    config.write_text('[authority]\nzones = ["example.org.zone"]\n')
    assert "192.0.2.1" in run("show", "ns.example.org", "A", "--config", config).output
    config.write_text("[guard]\n")
    assert "the configuration has no [authority]" in run("show", "ns.example.org", "--config", config).output
    assert '"FOO" is no record type' in run("show", "ns.example.org", "FOO", "--file", good).output
