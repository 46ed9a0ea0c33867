"""The SQLite file of plans on a real disk: shared, bounded, and told what is wrong with it."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from control_world import ZONE, Plans, a, content, shown
from standfast.control.plan import make_plan
from standfast.control.store import PlanStoreError
from standfast.dns.changes import Change
from standfast.io.control.stores.rows import FORGOTTEN_ALWAYS
from standfast.io.control.stores.sqlite import FILE_NAME, SqlitePlanStore

WWW: Final = "www.example.org."
PATIENCE_S: Final = 60.0

ADD: Final = """
import asyncio, sys
from pathlib import Path
from control_world import ZONE, a, content
from standfast.control.difference import repair
from standfast.control.plan import make_plan
from standfast.io.control.stores.sqlite import SqlitePlanStore

async def add(path, host, count):
    async with SqlitePlanStore(Path(path)).opened() as store:
        added = 0
        while added < count:
            head = await store.newest(ZONE)
            before = await store.content(head) if head else {}
            wanted = content(a("www.example.org.", host, 100 + added))
            plan = make_plan(zone=ZONE, generation=head.generation + 1 if head else 1, base=head,
                             changes=repair(wanted, before, before), made_at_s=0.0)
            added += await store.add(plan, wanted, after=head)
            print(added, flush=True)

asyncio.run(add(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


def play(path: Path, scene: Callable[[SqlitePlanStore], Awaitable[None]]) -> None:
    async def run() -> None:
        async with SqlitePlanStore(path).opened() as store:
            await scene(store)

    asyncio.run(run())


def adding(path: Path, host: int, count: int) -> subprocess.Popen[str]:
    tests = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, "-c", ADD, path, str(host), str(count)],
        env=os.environ | {"PYTHONPATH": str(tests)},
        stdout=subprocess.PIPE,
        text=True,
    )


async def chain_of(store: SqlitePlanStore) -> list[int]:
    """Return the generations, once it is seen that each plan follows from the one before."""
    generations = list(await store.generations(ZONE))
    before = None
    for generation in generations:
        plan = await store.plan(ZONE, generation)
        assert plan is not None
        assert plan.base == before
        before = plan.head
    return generations


def test_processes_that_begin_and_add_at_once_make_one_chain(tmp_path: Path) -> None:
    processes = [adding(tmp_path, host, 5) for host in range(3)]
    for process in processes:
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0

    async def scene(store: SqlitePlanStore) -> None:
        assert await chain_of(store) == list(range(1, 16))

    play(tmp_path, scene)


def test_a_process_that_is_killed_while_it_adds_leaves_all_that_it_said_it_kept(tmp_path: Path) -> None:
    process = adding(tmp_path, 1, 10_000)
    assert process.stdout is not None
    said = 0
    for line in process.stdout:
        said = int(line)
        if said == 20:
            os.kill(process.pid, signal.SIGKILL)
            break
    rest, _ = process.communicate(timeout=PATIENCE_S)
    said = max([said, *(int(line) for line in rest.split())])

    async def scene(store: SqlitePlanStore) -> None:
        assert len(await chain_of(store)) >= said

    play(tmp_path, scene)


def test_forgotten_plans_do_not_pile_up(tmp_path: Path) -> None:
    wide = content(*(a(f"n{number}.example.org.", 1) for number in range(1_500)))
    other = content(*(a(f"n{number}.example.org.", 2) for number in range(1_500)))

    plans = Plans()

    async def scene(store: SqlitePlanStore) -> None:
        before = None
        for turn in range(60):
            head = plans.plan((wide, other)[turn % 2])
            assert await store.add(plans.plans[head.generation], plans.contents[head.generation], after=before)
            before = head
            if turn >= 2:
                await store.collect(ZONE, [head.generation - 2])
        plan = plans.plans[60]
        assert 60 * len(plan.octets) > 4 * FORGOTTEN_ALWAYS
        with closing(sqlite3.connect(store.path)) as looked_at:
            (held,) = looked_at.execute("SELECT sum(length(octets) + coalesce(length(whole), 0)) FROM plans").fetchone()
        assert held < FORGOTTEN_ALWAYS + 5 * len(plan.octets)

    async def again(store: SqlitePlanStore) -> None:
        assert list(await store.generations(ZONE)) == [59, 60]
        for generation, wanted in ((59, wide), (60, other)):
            found = await store.content(plans.plans[generation].head)
            assert found is not None
            assert shown(found) == shown(wanted)

    play(tmp_path, scene)
    play(tmp_path, again)


def test_a_lease_of_a_clock_that_was_ahead_binds_nobody_for_longer_than_a_lease(tmp_path: Path) -> None:
    clock = [1_000_000.0]

    async def run() -> None:
        async with SqlitePlanStore(tmp_path, now=lambda: clock[0]).opened() as store:
            assert await store.lease("publish", "a", 60.0)
            clock[0] = 1_000.0  # it was wrong, and is set right
            assert await store.lease("publish", "b", 60.0)
            assert not await store.lease("publish", "a", 60.0)
            clock[0] += 60.0
            assert await store.lease("publish", "a", 60.0)

    asyncio.run(run())


async def _nothing(store: SqlitePlanStore) -> None:
    await store.newest(ZONE)


def _fill(path: Path) -> Path:
    async def scene(store: SqlitePlanStore) -> None:
        change = Change(before=None, after=a(WWW, 1))
        plan = make_plan(zone=ZONE, generation=1, base=None, changes=(change,), made_at_s=0.0)
        assert await store.add(plan, content(a(WWW, 1)), after=None)

    play(path, scene)
    return path / FILE_NAME


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("PRAGMA user_version = 2", "has format 2, this program reads format 1"),
        ("PRAGMA application_id = 7", "belongs to another program"),
    ],
)
def test_a_file_of_another_version_or_program_is_told_and_kept(tmp_path: Path, statement: str, said: str) -> None:
    path = _fill(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
    before = path.read_bytes()
    with pytest.raises(PlanStoreError, match=said):
        play(tmp_path, _nothing)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("octets", "said"), [(b"SQLite form", "half-written"), (b"no database at all" * 100, "is damaged")]
)
def test_a_file_that_is_none_is_told_and_kept(tmp_path: Path, octets: bytes, said: str) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(octets)
    with pytest.raises(PlanStoreError, match=said):
        play(tmp_path, _nothing)
    assert path.read_bytes() == octets


def test_a_plan_whose_octets_were_changed_is_told_and_not_given(tmp_path: Path) -> None:
    path = _fill(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        (octets,) = connection.execute("SELECT octets FROM plans").fetchone()
        connection.execute("UPDATE plans SET octets = ?", (octets.replace(b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x07"),))
        connection.commit()

    async def read(store: SqlitePlanStore) -> None:
        await store.plan(ZONE, 1)

    async def read_all(store: SqlitePlanStore) -> None:
        head = await store.newest(ZONE)
        assert head is not None
        await store.content(head)

    for scene in (read, read_all):
        with pytest.raises(PlanStoreError, match="is damaged"):
            play(tmp_path, scene)


def test_a_directory_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(PlanStoreError, match="open to everybody"):
        play(tmp_path, _nothing)


def test_on_a_full_disk_nothing_is_kept_and_what_was_is_still_given(tmp_path: Path) -> None:
    _fill(tmp_path)

    async def scene(store: SqlitePlanStore) -> None:
        store._connection.execute("PRAGMA max_page_count = 1")  # SQLite's own error of a full disk
        plans = Plans()
        plans.plan(content(a(WWW, 1)))
        head = plans.plan(content(*(a(f"n{number}.example.org.", 1) for number in range(2_000))))
        with pytest.raises(PlanStoreError, match="full"):
            await store.add(plans.plans[2], plans.contents[2], after=await store.newest(ZONE))
        assert list(await store.generations(ZONE)) == [1]
        store._connection.execute("PRAGMA max_page_count = 4294967294")
        assert await store.add(plans.plans[2], plans.contents[2], after=await store.newest(ZONE))
        assert await store.newest(ZONE) == head

    play(tmp_path, scene)


def test_a_store_that_was_taken_away_begins_anew(tmp_path: Path) -> None:
    _fill(tmp_path / "control")
    shutil.rmtree(tmp_path / "control")

    async def scene(store: SqlitePlanStore) -> None:
        assert await store.newest(ZONE) is None

    play(tmp_path / "control", scene)
