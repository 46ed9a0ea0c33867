"""`standfast restore`: what it says where it cannot begin. What it does, real servers show in tests/peers."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli.main import cli
from standfast.control.plan import make_plan
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType
from standfast.io.control.plan_files import PlanFiles

DB = "db.example.org."
CONTROL = '[control]\nintent = ["lost.yaml"]\nstate_dir = "control"\n'
OWN = '[[control.publisher]]\nname = "own"\nkind = "authority"\n'
WIRE = '[[control.publisher]]\nname = "wire"\nkind = "rfc2136"\nserver = "127.0.0.1:1"\n'
OTHER = WIRE.replace('"wire"', '"other"')


def restore(folder: Path, text: str, *arguments: str) -> Result:
    config = folder / "standfast.toml"
    config.write_text(text)
    return CliRunner().invoke(cli, ["restore", *arguments, "--config", str(config)], prog_name="standfast")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a directory with a plan of example.org."""
    rrset = RRset(owner=DB, rtype=RRType.A, ttl_s=60, rdatas=(b"\xc0\x00\x02\x01",))
    change = Change(before=None, after=rrset)
    plan = make_plan(zone="example.org.", generation=1, base=None, changes=[change], made_at_s=0)
    PlanFiles(tmp_path / "control" / "plans").keep(plan, {DB: {RRType.A: rrset}})
    return tmp_path


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        ('[guard]\nstate_dir = "state"\n', (DB,), "the configuration has no [control]"),
        (CONTROL + WIRE, ("www..example.org",), "is not a domain name"),
        (CONTROL + WIRE + OTHER, (DB,), "name one publisher with --publisher: wire, other"),
        (CONTROL + WIRE, (DB, "--publisher", "wired"), 'no publisher "wired": there is wire'),
        (CONTROL + OWN, (DB,), '"own" is the [authority] of this file, which has none'),
        (CONTROL + WIRE + 'server = "192.0.2.1"\n', (DB,), "this is not TOML"),
    ],
)
def test_what_is_wrong_with_the_command_or_the_configuration_is_told(
    folder: Path, text: str, arguments: tuple[str, ...], says: str
) -> None:
    result = restore(folder, text, *arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_an_authority_that_lets_nobody_write_says_how_to_let_one(folder: Path) -> None:
    (folder / "example.org.zone").write_text("@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n")
    authority = '[authority]\nlisten = ["127.0.0.1:5353"]\nzones = ["example.org.zone"]\nstate_dir = "authority"\n'
    result = restore(folder, authority + CONTROL + OWN, DB)
    assert result.exit_code == 2
    assert 'allow_update = ["key:NAME"]' in result.output


def test_a_name_of_whose_zone_nothing_was_ever_planned_is_told(folder: Path) -> None:
    result = restore(folder, CONTROL + WIRE, "db.example.net")
    assert result.exit_code == 4
    assert "no plan of its zone is kept in" in result.output


def test_names_of_two_zones_are_restored_one_after_the_other(folder: Path) -> None:
    rrset = RRset(owner="www.example.com.", rtype=RRType.A, ttl_s=60, rdatas=(b"\xc0\x00\x02\x01",))
    change = Change(before=None, after=rrset)
    plan = make_plan(zone="example.com.", generation=1, base=None, changes=[change], made_at_s=0)
    PlanFiles(folder / "control" / "plans").keep(plan, {rrset.owner: {RRType.A: rrset}})
    result = restore(folder, CONTROL + WIRE, DB, "www.example.com")
    assert result.exit_code == 2
    assert "restore the names of one zone at a time" in result.output


def test_a_publisher_that_is_down_is_told(folder: Path) -> None:
    result = restore(folder, CONTROL + WIRE, DB)
    assert result.exit_code == 4
    assert "publisher wire cannot be read for example.org." in result.output
