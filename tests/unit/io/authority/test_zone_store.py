"""Zones on a real disk: what was committed is there after a crash, and a file that cannot be used is told and kept."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from standfast.authority.diff import difference
from standfast.authority.journal import RECORDS_ALWAYS, Delta, delta_of
from standfast.authority.source import Source
from standfast.authority.zone import Zone
from standfast.io.authority.store import APPLICATION_ID, FILE_NAME, FORMAT_VERSION, Stored, ZoneStore
from standfast.io.authority.zones import records_of
from standfast.io.state.state_dir import StoreError
from zones import draft

ORIGIN: Final = "example.org."
SOURCE: Final = Source(digest=b"d" * 32, serial=1)


CLAIM: Final = """
import sys
from pathlib import Path
from standfast.io.state.state_dir import claim
with claim(Path(sys.argv[1])):
    pass
"""


def zone(serial: int, names: int = 1) -> Zone:
    lines = "\n".join(f"n{each} A 192.0.2.{serial % 256}" for each in range(names))
    return draft(f"$TTL 300\n@ SOA ns h {serial} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n{lines}\n").zone()


def step(before: Zone, after: Zone) -> Delta:
    return delta_of(before.serial, after.serial, tuple(difference(before, after)))


def commit(store: ZoneStore, before: Zone | None, after: Zone, *, changed: bool = True) -> None:
    made = None if before is None else step(before, after)
    store.commit(after, made, source=SOURCE, changed=changed, records=records_of(after))


def with_store(path: Path, scene: Callable[[ZoneStore], Awaitable[None] | None]) -> None:
    async def play() -> None:
        async with ZoneStore(path).opened() as store:
            if (waiting := scene(store)) is not None:
                await waiting

    asyncio.run(play())


def found_at(path: Path) -> Stored:
    found: list[Stored | None] = []
    with_store(path, lambda store: found.append(store.load(ORIGIN)))
    (stored,) = found
    assert stored is not None
    return stored


def copied(path: Path, to: Path) -> Path:
    """Return a copy of the files as they lie there now: what a `kill -9` would leave behind."""
    to.mkdir()
    for file in path.glob(FILE_NAME + "*"):
        shutil.copy(file, to)
    return to


def test_what_was_committed_is_there_after_a_crash_with_the_steps_that_led_to_it(tmp_path: Path) -> None:
    versions = [zone(serial) for serial in range(1, 6)]

    def scene(store: ZoneStore) -> None:
        for before, after in pairwise(versions):
            commit(store, before, after)
            copied(tmp_path / "state", tmp_path / f"{after.serial}")

    with_store(tmp_path / "state", scene)
    for number, version in enumerate(versions[1:], start=2):
        stored = found_at(tmp_path / f"{version.serial}")
        assert not difference(stored.zone, version)
        assert [each.after for each in stored.steps] == [each.serial for each in versions[1:number]]
        assert (stored.source, stored.changed) == (SOURCE, True)


def test_nothing_is_known_of_a_zone_that_was_never_kept(tmp_path: Path) -> None:
    def scene(store: ZoneStore) -> None:
        assert store.load(ORIGIN) is None
        assert store.heard_at_s(ORIGIN) is None

    with_store(tmp_path, scene)


def test_the_whole_is_written_again_before_its_steps_are_more_than_it(tmp_path: Path) -> None:
    names = RECORDS_ALWAYS // 4
    versions = [zone(serial, names) for serial in range(1, 9)]

    def scene(store: ZoneStore) -> None:
        for before, after in pairwise(versions):
            commit(store, before, after)
            (steps,) = store._one("SELECT count(*) FROM steps")
            assert steps <= 5

    with_store(tmp_path, scene)
    stored = found_at(tmp_path)
    assert not difference(stored.zone, versions[-1])
    assert stored.steps[-1].after == versions[-1].serial


def test_a_version_without_a_step_forgets_those_before(tmp_path: Path) -> None:
    def scene(store: ZoneStore) -> None:
        commit(store, zone(1), zone(2))
        commit(store, None, zone(2, 3))

    with_store(tmp_path, scene)
    stored = found_at(tmp_path)
    assert stored.steps == ()
    assert not difference(stored.zone, zone(2, 3))


def test_a_file_that_says_the_same_needs_nothing_of_what_is_kept(tmp_path: Path) -> None:
    other = Source(digest=b"o" * 32, serial=2)

    def scene(store: ZoneStore) -> None:
        commit(store, zone(1), zone(2))
        store.rebase(ORIGIN, other)

        assert store.load(ORIGIN) is None  # it is just what its file says
        commit(store, zone(2), zone(3))

    with_store(tmp_path, scene)
    assert found_at(tmp_path).zone.serial == 3


def test_when_a_primary_was_heard_is_kept(tmp_path: Path) -> None:
    def heard(store: ZoneStore) -> None:
        store.keep_heard(ORIGIN, 17.5)

    def asked(store: ZoneStore) -> None:
        assert store.heard_at_s(ORIGIN) == 17.5

    async def heard_in_the_loop(store: ZoneStore) -> None:
        heard(store)

    with_store(tmp_path, heard_in_the_loop)
    with_store(tmp_path, asked)


def test_a_disk_that_is_full_takes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    def scene(store: ZoneStore) -> None:
        commit(store, zone(1), zone(2))
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="full"):
            commit(store, zone(2), zone(3, 2000))
        assert store.load(ORIGIN) is not None
        store._connection.execute("PRAGMA max_page_count = 100000")
        commit(store, zone(2), zone(4))

    with_store(tmp_path, scene)
    assert found_at(tmp_path).zone.serial == 4


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID + 1}")


def half_written(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def overwritten(path: Path) -> None:
    path.write_bytes(b"these are no zones, " * 1000)


def damaged(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[octets.index(b"\x02ns")] ^= 1  # in a record, where the database itself has no checksum
    path.write_bytes(octets)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (newer, f"has format {FORMAT_VERSION + 1}"),
        (foreign, "belongs to another program"),
        (half_written, "is half-written"),
        (overwritten, "is damaged"),
        (damaged, "is damaged"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_of_and_left_as_it_is(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    with_store(tmp_path, lambda store: commit(store, zone(1), zone(2)))
    path = tmp_path / FILE_NAME
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        found_at(tmp_path)
    assert caught.value.reason.startswith(reason)
    assert "move it elsewhere" in str(caught.value)
    assert path.read_bytes() == before


def test_a_making_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    with_store(tmp_path, lambda store: commit(store, zone(1), zone(2)))
    assert found_at(tmp_path).zone.serial == 2


def test_no_two_processes_hold_one_directory(tmp_path: Path) -> None:
    def scene(store: ZoneStore) -> None:
        command = [
            sys.executable,
            "-c",
            CLAIM,
            str(tmp_path),
        ]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert "is in use by process" in found.stderr

    with_store(tmp_path, scene)
