"""Plans as files: whole or not at all, told where they are not what they were, and never too many."""

import threading
from pathlib import Path

import pytest

from standfast.control.history import Past
from standfast.control.plan import NOTHING_HASH, Content, Plan, PlanHead, applied, make_plan
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType
from standfast.io.control import plan_files
from standfast.io.control.plan_files import PlanFiles, PlanFilesError

ZONE, DB, WWW = "example.org.", "db.example.org.", "www.example.org."


def a(owner: str, *hosts: int) -> RRset:
    return RRset(owner=owner, rtype=RRType.A, ttl_s=60, rdatas=tuple(bytes((192, 0, 2, host)) for host in hosts))


class Planner:
    """Plans one change after the other, and keeps each plan."""

    def __init__(self, files: PlanFiles, content: Content | None = None) -> None:
        self.files = files
        self.content: Content = content or {}
        self.plans: list[Plan] = []

    def plan(self, *rrsets: RRset, first: int = 1) -> Plan:
        changes = [
            Change(before=self.content.get(each.owner, {}).get(each.rtype), after=each if each.rdatas else None)
            for each in rrsets
        ]
        base = self.plans[-1].head if self.plans else None
        generation = base.generation + 1 if base else first
        plan = make_plan(zone=ZONE, generation=generation, base=base, changes=changes, made_at_s=0.0)
        self.content = applied(self.content, changes)
        self.plans.append(plan)
        self.files.keep(plan, self.content)
        return plan


@pytest.fixture
def files(tmp_path: Path) -> PlanFiles:
    return PlanFiles(tmp_path / "plans")


def fail(damage: PlanFilesError) -> None:
    raise damage


def hosts(past: Past, owner: str = DB) -> list[int]:
    rrset = past.nodes[owner].get(RRType.A)
    return [data[3] for data in rrset.rdatas] if rrset else []


def paths(files: PlanFiles, suffix: str) -> list[Path]:
    return sorted(files.folder.glob(f"*/*{suffix}"))


def test_what_a_name_was_is_found_by_generation(files: PlanFiles) -> None:
    planner = Planner(files)
    for host in (1, 2, 3):
        planner.plan(a(DB, host))
    past = files.past(ZONE, [DB], on_damage=fail)
    assert [(each.head, hosts(each)) for each in past] == [
        (planner.plans[2].head, [3]),
        (planner.plans[1].head, [2]),
        (planner.plans[0].head, [1]),
    ]
    assert files.newest(ZONE) == planner.plans[2].head
    assert files.zones() == [ZONE]


def test_a_file_is_named_by_the_hash_of_its_octets(files: PlanFiles) -> None:
    plan = Planner(files).plan(a(DB, 1))
    (path,) = paths(files, ".plan")
    assert path.name == f"000000000000001-{plan.hash}.plan"
    assert path.read_bytes() == plan.octets
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_name_that_was_there_before_the_first_plan_is_known_too(files: PlanFiles) -> None:
    planner = Planner(files, {DB: {RRType.A: a(DB, 7)}})
    planner.plan(a(WWW, 1))
    planner.plan(a(WWW, 2))
    assert [hosts(each) for each in files.past(ZONE, [DB], on_damage=fail)] == [[7], [7]]


def test_a_plan_whose_base_was_kept_elsewhere_brings_all_that_is_planned(files: PlanFiles, tmp_path: Path) -> None:
    planner = Planner(PlanFiles(tmp_path / "elsewhere"))
    planner.plan(a(DB, 1))
    planner.files = files
    planner.plan(a(WWW, 1))
    assert [hosts(each) for each in files.past(ZONE, [DB], on_damage=fail)] == [[1]]


@pytest.mark.parametrize("spoil", [lambda octets: octets[:-1], lambda octets: octets[:-1] + b"x", lambda octets: b""])
def test_a_file_that_is_not_what_was_written_is_told_and_not_used(files: PlanFiles, spoil: object) -> None:
    assert callable(spoil)
    planner = Planner(files)
    for host in (1, 2, 3):
        planner.plan(a(DB, host))
    damaged = paths(files, ".plan")[2]
    damaged.write_bytes(spoil(damaged.read_bytes()))
    told: list[PlanFilesError] = []
    past = files.past(ZONE, [DB], on_damage=told.append)
    assert [hosts(each) for each in past] == [[2], [1]]
    assert [each.path for each in told] == [damaged]


def test_a_draft_that_a_crash_left_is_no_plan(files: PlanFiles) -> None:
    plan = Planner(files).plan(a(DB, 1))
    (path,) = paths(files, ".plan")
    path.rename(path.with_name(f".{path.name}.new"))
    assert files.newest(ZONE) is None
    files.keep(plan, {DB: {RRType.A: a(DB, 1)}})
    assert files.newest(ZONE) == plan.head


def test_old_plans_go_and_every_name_can_still_be_told(files: PlanFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_files, "PLANS_MAX", 10)
    planner = Planner(files)
    planner.plan(a(WWW, 9))  # and never again
    for host in range(1, 100):
        planner.plan(a(DB, host))
        assert len(paths(files, ".plan")) <= 2 * 10 + 2
        assert len(paths(files, ".whole")) <= 2
    past = files.past(ZONE, [DB, WWW], on_damage=fail)
    assert len(past) >= 10
    assert [hosts(each) for each in past] == [[99 - back] for back in range(len(past))]
    assert all(hosts(each, WWW) == [9] for each in past)


def test_plans_that_rewrite_a_whole_zone_do_not_fill_the_disk(
    files: PlanFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_files, "WEIGHT_MIN", 1)
    planner = Planner(files)
    names = [f"n{number}.example.org." for number in range(200)]
    for turn in range(1, 60):
        planner.plan(*(a(name, turn) for name in names))
    size = sum(path.stat().st_size for path in paths(files, ".*"))
    assert size <= (2 * plan_files.WEIGHT_MAX + 4) * len(planner.plans[-1].octets)


def test_a_plan_kept_twice_or_by_two_at_once_is_there_once(files: PlanFiles) -> None:
    plan = make_plan(zone=ZONE, generation=1, base=None, changes=[Change(before=None, after=a(DB, 1))], made_at_s=0)
    content = {DB: {RRType.A: a(DB, 1)}, WWW: {RRType.A: a(WWW, 1)}}
    threads = [threading.Thread(target=PlanFiles(files.folder).keep, args=(plan, content)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths(files, ".plan")) == len(paths(files, ".whole")) == 1
    assert [hosts(each) for each in files.past(ZONE, [DB], on_damage=fail)] == [[1]]


def test_a_folder_without_plans_says_what_to_do(files: PlanFiles) -> None:
    with pytest.raises(PlanFilesError, match="is not there; no plan was ever kept there"):
        files.past(ZONE, [DB], on_damage=fail)


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "plans").write_text("")
    with pytest.raises(PlanFilesError, match="cannot be written"):
        Planner(PlanFiles(tmp_path / "plans")).plan(a(DB, 1))


def test_the_root_has_a_folder_too(files: PlanFiles) -> None:
    rrset = a("example.", 1)
    plan = make_plan(zone=".", generation=1, base=None, changes=[Change(before=None, after=rrset)], made_at_s=0)
    files.keep(plan, {"example.": {RRType.A: rrset}})
    assert files.zones() == ["."]
    assert files.newest(".") == PlanHead(zone=".", generation=1, hash=plan.hash)
    assert plan.base is None
    assert plan.hash != NOTHING_HASH
