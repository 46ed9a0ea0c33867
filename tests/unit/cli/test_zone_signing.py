"""`standfast zone sign|keys|roll` beside files on the disk; the commands of the documents are run as they stand."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from signed import NOW, signed
from standfast.authority.keyroll import decide, served
from standfast.authority.keys import ED25519
from standfast.cli.main import cli
from standfast.dns.master_writer import master_lines
from standfast.io.authority.key_files import KeyFiles
from standfast.io.authority.zone_files import read_zone
from zones import HEAD, zone

DOCS = Path(__file__).parents[3] / "docs"
SOURCE = f"$ORIGIN example.org.\n$TTL 3600\n{HEAD}www A 192.0.2.1\n"
ORIGIN = "example.org."


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STANDFAST_CONFIG", raising=False)
    (tmp_path / "example.org.zone").write_text(SOURCE)
    (tmp_path / "standfast.toml").write_text(
        '[authority]\nzones = ["example.org.zone"]\nstate_dir = "state"\n'
        '[[authority.zone]]\norigin = "example.org"\nsign = true\nalgorithm = "ed25519"\n'
    )
    return tmp_path


def run(*argv: str) -> Result:
    return CliRunner().invoke(cli, ["zone", *argv])


def test_a_signed_file_has_all_that_the_source_has_and_prints_its_ds(folder: Path) -> None:
    made = run("sign", "example.org.zone", "--generate", "--algorithm", "ed25519")
    assert made.exit_code == 0, made.output
    assert re.search(r"^example\.org\. 3600 IN DS \d+ 15 2 [0-9a-f]{64}$", made.stdout, re.MULTILINE)
    source, after = read_zone(folder / "example.org.zone").zone, read_zone(folder / "example.org.zone.signed").zone
    assert set(source.rrsets()) <= set(after.rrsets())
    assert after.denial is not None


def test_nothing_is_overwritten_and_no_key_made_without_being_asked_to(folder: Path) -> None:
    lacking = run("sign", "example.org.zone")
    assert lacking.exit_code == 2
    assert "make some with --generate, or name some with --key" in lacking.output
    (folder / "example.org.zone.signed").write_text("mine")
    kept = run("sign", "example.org.zone", "--generate", "--json")
    assert kept.exit_code == 1
    assert json.loads(kept.stdout)["written"] is False
    assert (folder / "example.org.zone.signed").read_text() == "mine"
    assert not (folder / "keys").exists()
    assert "--overwrite takes its place" in run("sign", "example.org.zone", "--generate").stdout
    assert run("sign", "example.org.zone", "--generate", "--overwrite").exit_code == 0
    first = (folder / "example.org.zone.signed").read_text()
    assert "RRSIG" in first
    again = json.loads(run("sign", "example.org.zone", "--overwrite", "--json").stdout)
    assert len(again["keys"]) == 1
    assert len(list((folder / "keys").glob("*.pem"))) == 1  # the same key


def test_keys_can_be_given_by_their_files(folder: Path) -> None:
    files = KeyFiles(folder / "elsewhere")
    ksk, zsk = (files.make(ORIGIN, role, ED25519) for role in ("ksk", "zsk"))
    names = [str(files.key_path(ORIGIN, key.tag)) for key in (ksk, zsk)]
    made = run("sign", "example.org.zone", "--key", names[0], "--key", names[1], "--json")
    assert [(key["id"], key["role"]) for key in json.loads(made.stdout)["keys"]] == [(ksk.tag, "ksk"), (zsk.tag, "zsk")]
    three = run("sign", "example.org.zone", *["--key", names[0]] * 3, "--overwrite")
    assert "one key for all, or two" in three.output
    lost = run("sign", "example.org.zone", "--key", "none.pem", "--overwrite")
    assert (lost.exit_code, "none.pem is not there" in lost.stderr) == (4, True)


def test_a_file_that_is_signed_already_is_not_signed(folder: Path) -> None:
    text = "\n".join(master_lines(signed(zone("www A 192.0.2.1\n")).rrsets()))
    (folder / "signed.zone").write_text(f"$ORIGIN example.org.\n{text}\n")
    said = run("sign", "signed.zone", "--generate")
    assert said.exit_code == 4
    assert "which is made by who signs the zone" in said.stderr


def test_what_is_written_is_read_back_the_same(folder: Path) -> None:
    hard = read_zone(Path(__file__).parents[2] / "peers" / "zones" / "hard.example.zone").zone
    (folder / "again.zone").write_text("\n".join(master_lines(signed(hard).rrsets())) + "\n")
    again = read_zone(folder / "again.zone").zone
    assert set(again.rrsets()) == set(signed(hard).rrsets())


def test_the_keys_of_a_zone_are_shown_with_what_they_wait_for(folder: Path) -> None:
    assert "has no keys yet" in run("keys", "example.org").stderr
    keep_ring(folder)
    shown = run("keys", "example.org").stdout
    assert re.search(r"^\d+\s+csk\s+ed25519\s+waiting for the DS\s+-$", shown, re.MULTILINE)
    assert re.search(r"^example\.org\. 3600 IN DS \d+ 15 2 ", shown, re.MULTILINE)


def test_a_roll_is_ordered_once_and_the_ds_can_be_told(folder: Path) -> None:
    files = keep_ring(folder)
    dry = run("roll", "example.org", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "would be: a new csk of example.org. takes the place of the old one\n")
    assert len(list(files.folder.glob("*.pem"))) == 1
    said = run("roll", "example.org", "--ds-seen")
    assert said.exit_code == 0, said.output
    ring = files.ring(ORIGIN)
    assert ring is not None
    assert ring.keys[0].ds_seen_s is not None
    rolled = json.loads(run("roll", "example.org", "--json").stdout)
    assert [key["phase"] for key in rolled["keys"]] == ["in use", "new"]
    again = run("roll", "example.org")
    assert again.exit_code == 4
    assert "its csk is being replaced already" in again.stderr
    assert len(list(files.folder.glob("*.pem"))) == 2


def test_the_parent_is_asked_to_take_the_ds_away_and_to_keep_it(folder: Path) -> None:
    keep_ring(folder)
    assert json.loads(run("roll", "example.org", "--withdraw", "--json").stdout)["withdrawn"] is True
    assert json.loads(run("roll", "example.org", "--restore", "--json").stdout)["withdrawn"] is False
    assert "at a time" in run("roll", "example.org", "--restore", "--withdraw").stderr


def test_a_zone_that_is_not_signed_has_no_keys_to_see_to(folder: Path) -> None:
    for command in ("keys", "roll"):
        said = run(command, "example.net")
        assert said.exit_code == 2
        assert "set sign = true in its [[authority.zone]]" in said.stderr


def test_of_two_keys_one_says_which(folder: Path) -> None:
    files = KeyFiles(folder / "state" / "keys")
    keep_ring(folder, ("ksk", "zsk"))
    assert "say which with --role" in run("roll", "example.org").stderr
    assert run("roll", "example.org", "--role", "csk").exit_code == 4
    assert run("roll", "example.org", "--role", "ksk").exit_code == 0
    ring = files.ring(ORIGIN)
    assert ring is not None
    assert [key.role for key in ring.keys] == ["ksk", "zsk", "ksk"]


def test_the_commands_of_the_document_run_as_they_stand(folder: Path) -> None:
    keep_ring(folder)
    text = (DOCS / "authority.md").read_text().partition("## Signing")[2].partition("## What a question gets")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.split(" #")[0].split() for block in blocks for line in block.splitlines()]
    assert len(lines) >= 5
    for words in lines:
        assert words[0] == "standfast"
        done = CliRunner().invoke(cli, words[1:])
        assert done.exit_code == 0, (words, done.output)


def keep_ring(folder: Path, roles: tuple[str, ...] = ("csk",)) -> KeyFiles:
    """Keep a ring as a server does that has signed the zone for some days."""
    from standfast.authority.keyroll import TIMING_DEFAULT, first

    files = KeyFiles(folder / "state" / "keys")
    keys = [files.make(ORIGIN, role, ED25519) for role in roles]  # type: ignore[arg-type]
    ids = {key.tag for key in keys}
    ring = served(first({key.tag: key.role for key in keys}), ids, ids, NOW)
    files.save(ORIGIN, decide(ring, TIMING_DEFAULT, NOW + 500_000))
    return files
