"""The control plane's ledger: what is in it, that several processes have theirs, and that nothing waits for a disk."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from standfast.cli.main import cli
from standfast.control.fence import Fence
from standfast.control.finding import Finding, Severity
from standfast.control.plan import Plan, applied, make_plan
from standfast.control.store import Override
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType
from standfast.io.control.journal import LISTED_MAX, ControlJournal, control_ledgers
from standfast.io.state.ledger_file import read_records, verify_file
from standfast.ledger.record import Record

ZONE, DB = "example.org.", "db.example.org."
FINDING = Finding(rule="leave-velocity", severity=Severity.ASK, name=DB, text="2 of 3 leave", advice="wait")


def a(owner: str, *hosts: int) -> RRset:
    return RRset(owner=owner, rtype=RRType.A, ttl_s=60, rdatas=tuple(bytes((192, 0, 2, host)) for host in hosts))


def plan_of(*changes: Change) -> Plan:
    return make_plan(zone=ZONE, generation=7, base=None, changes=changes, made_at_s=0)


PLAN = plan_of(Change(before=a(DB, 1), after=a(DB, 1, 2)))
FENCE = Fence(generation=7, step=1, done=True, plan=PLAN.hash[:16], writer="eu-1.3.5")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "standfast.toml"
    path.write_text('[guard]\nstate_dir = "state"\n')
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "control"


def records(path: Path) -> list[Record]:
    return list(read_records(path))


async def write_all(journal: ControlJournal) -> None:
    """Write one record of every kind."""
    journal.started(version="0.1.0", roles=["planner"])
    await journal.planned(PLAN, applied({}, PLAN.changes), [FINDING])
    journal.proposed(PLAN, [FINDING])
    journal.refused(ZONE, [FINDING])
    journal.approved(PLAN.head, person="ann", reason="a move")
    override = Override(rule="ttl-bounds", scope=ZONE, person="ann", reason="a move", until_s=1_761_048_000.0)
    journal.overridden(override)
    journal.published(PLAN.head, "bind", FENCE, changes=1)
    journal.visible(PLAN.head, "bind", "127.0.0.1:5353", after_s=0.0125)
    journal.drift(ZONE, "bind", FENCE, PLAN.changes, why="db.example.org. is empty")
    journal.restored(PLAN, "bind", FENCE, to={DB: PLAN.head}, reason="by hand")
    journal.health_turned("us-east-1 192.0.2.1", "well", "ill", why="3 looks in a row")
    journal.alarm("mass-unhealthy", ZONE, "all of a pool at once")
    journal.stopped()


def test_every_kind_is_a_whole_record_and_is_told_in_words(config: Path, folder: Path) -> None:
    with ControlJournal.open(folder) as journal:
        asyncio.run(write_all(journal))
    (path,) = control_ledgers(folder)
    kinds = [record.kind for record in records(path)]
    assert kinds == [
        *("start", "planned", "proposed", "refused", "approved", "overridden", "published", "visible", "drift"),
        *("restored", "health", "alarm", "stop"),
    ]
    assert not verify_file(path).findings
    shown = CliRunner().invoke(cli, ["ledger", "show", "--control", "--config", str(config)]).stdout.splitlines()
    told = dict(zip(kinds, (line.split("  ")[-1].strip() for line in shown[1:]), strict=True))
    assert told["planned"] == (
        f"generation 7 ({PLAN.hash[:16]}): db.example.org. A 192.0.2.1 -> 192.0.2.1 192.0.2.2;"
        " leave-velocity (ask) 2 of 3 leave"
    )
    assert told["published"] == f"generation 7 ({PLAN.hash[:16]}) at bind: write 1, 1 change"
    assert told["overridden"] == "ttl-bounds for example.org. until 2025-10-21 12:00:00 UTC by ann: a move"
    assert told["visible"] == f"generation 7 ({PLAN.hash[:16]}) at 127.0.0.1:5353 of bind after 12 ms"
    assert told["alarm"] == "mass-unhealthy: all of a pool at once"


def test_a_plan_is_found_by_a_name_that_it_changes(config: Path, folder: Path) -> None:
    with ControlJournal.open(folder) as journal:
        asyncio.run(write_all(journal))
    arguments = ["ledger", "show", "db.example.org", "--control", "--json", "--config", str(config)]
    shown = json.loads(CliRunner().invoke(cli, arguments).stdout)
    assert [record["kind"] for record in shown] == ["planned", "proposed", "drift", "restored"]


def test_what_is_planned_lies_beside_the_ledger_before_the_ledger_says_so(folder: Path) -> None:
    with ControlJournal.open(folder) as journal:
        asyncio.run(journal.planned(PLAN, applied({}, PLAN.changes)))
        assert journal.files.newest(ZONE) == PLAN.head
    assert records(control_ledgers(folder)[0])[0].body["kept"] is True


def test_a_disk_that_takes_no_plan_is_an_alarm_and_keeps_nobody_from_publishing(folder: Path) -> None:
    with ControlJournal.open(folder) as journal:
        (folder / "plans").write_text("")
        asyncio.run(journal.planned(PLAN, applied({}, PLAN.changes)))
    alarm, planned = records(control_ledgers(folder)[0])
    assert (alarm.kind, alarm.body["event"]) == ("alarm", "plan-file")
    assert (planned.kind, planned.body["kept"]) == ("planned", False)


def test_a_large_plan_is_a_small_record(folder: Path) -> None:
    plan = plan_of(*(Change(before=None, after=a(f"n{number}.{ZONE}", 1)) for number in range(1000)))
    with ControlJournal.open(folder) as journal:
        asyncio.run(journal.planned(plan, applied({}, plan.changes)))
    (record,) = records(control_ledgers(folder)[0])
    listed = record.body["listed"]
    assert isinstance(listed, list)
    assert (record.body["changes"], len(listed)) == (1000, LISTED_MAX)


def test_processes_in_one_directory_have_a_ledger_each(config: Path, folder: Path) -> None:
    with ControlJournal.open(folder) as one, ControlJournal.open(folder) as other:
        one.started(version="1", roles=["planner"])
        other.started(version="1", roles=["enactor"])
    assert [path.name for path in control_ledgers(folder)] == ["ledger.jsonl", "ledger-2.jsonl"]
    with ControlJournal.open(folder) as again:
        again.started(version="1", roles=["planner"])
    assert [len(records(path)) for path in control_ledgers(folder)] == [2, 1]
    verified = CliRunner().invoke(cli, ["ledger", "verify", "--control", "--json", "--config", str(config)])
    assert verified.exit_code == 0
    assert [each["records"] for each in json.loads(verified.stdout)["ledgers"]] == [2, 1]
    assert len(json.loads(shown(config))) == 3


def test_a_record_that_somebody_changed_is_found(config: Path, folder: Path) -> None:
    with ControlJournal.open(folder) as journal:
        journal.approved(PLAN.head, person="ann", reason="a move")
    path = folder / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b"ann", b"bob"))
    verified = CliRunner().invoke(cli, ["ledger", "verify", "--control", "--config", str(config)])
    assert verified.exit_code == 1
    assert "DAMAGED" in verified.stdout


def shown(config: Path) -> str:
    return CliRunner().invoke(cli, ["ledger", "show", "--control", "--json", "--config", str(config)]).stdout
