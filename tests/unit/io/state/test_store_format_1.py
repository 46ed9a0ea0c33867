"""State files as the first version wrote them are carried over once, and nothing of them is lost."""

import json
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from standfast.dns.model import Question, RRset, RRType
from standfast.dns.wire import name_from_text
from standfast.errors import StandfastError
from standfast.guard.events import Remember
from standfast.guard.known import Answer, Baseline, KnownGood
from standfast.guard.packed import question_of, unpack
from standfast.io.state import store_file
from standfast.io.state.store import Store
from standfast.io.state.store_format_1 import known_in
from state_format_1 import INSERT, SCHEMA, body_of, row, sealed

NOW: Final = 1_760_000_000.0


def known(number: int) -> KnownGood:
    """Return answers of many kinds: chains, odd types, every time there or not."""
    qname = f"host{number}.example.org."
    address = RRset(owner=qname, rtype=RRType.A, ttl_s=number % 300, rdatas=(bytes([192, 0, 2, number % 256]),))
    chain = (
        RRset(owner=qname, rtype=RRType.CNAME, ttl_s=60, rdatas=(name_from_text("b.example.net."),)),
        RRset(owner="b.example.net.", rtype=RRType.A, ttl_s=2**31 - 1, rdatas=(b"\xc0\0\2\1", b"\xc0\0\2\2")),
    )
    odd = (RRset(owner=qname, rtype=65_280, ttl_s=0, rdatas=(b"", bytes(3_000))),)
    at_s = NOW + number / 7
    return KnownGood(
        question=Question(qname, RRType.A),
        answer=Answer(rrsets=((address,), chain, odd)[number % 3], ad=number % 2 == 0),
        first_seen_s=NOW,
        confirmed_at_s=at_s,
        changed_at_s=NOW,
        confirmations=number + 1,
        seen=("192.0.2.1", "2001:db8::1")[: number % 3],
        baseline=(None, Baseline(asked_at_s=at_s), Baseline(asked_at_s=at_s, proven_at_s=NOW))[number % 3],
        zone=(None, "example.org.")[number % 2],
        released_at_s=(None, at_s)[number % 2],
        lost_at_s=(at_s, None)[number % 2],
        proven_at_s=(None, NOW)[number % 2],
        operator_hold_until_s=(None, None, at_s)[number % 3],
    )


@pytest.fixture
def written(tmp_path: Path) -> dict[Question, KnownGood]:
    """Write a file of format 1, and return what is in it."""
    answers = [known(number) for number in range(500)]
    with closing(sqlite3.connect(tmp_path / store_file.FILE_NAME, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute("INSERT INTO switch VALUES (1, 0)")
        connection.executemany(INSERT, map(row, answers))
    return {each.question: each for each in answers}


def loaded(store: Store) -> tuple[dict[Question, KnownGood], bool]:
    found = store.load()
    each = [unpack(question_of(key), packed) for key, packed in found.entries]
    return {known.question: known for known in each}, found.enabled


def version(path: Path) -> int:
    with closing(sqlite3.connect(path / store_file.FILE_NAME)) as connection:
        (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def test_all_of_it_is_there_before_and_after_it_is_carried_over(
    written: dict[Question, KnownGood], tmp_path: Path
) -> None:
    store = Store(tmp_path, alarm=lambda alarm: None)
    assert loaded(store) == (written, False)
    store.start()
    lost = replace(known(7), lost_at_s=NOW + 99)
    store.remember(Remember.of(lost))
    store.forget(known(8).question)
    assert store.close()

    assert version(tmp_path) == store_file.FORMAT_VERSION
    store = Store(tmp_path, alarm=lambda alarm: None)
    rest = written | {lost.question: lost}
    del rest[known(8).question]
    assert loaded(store) == (rest, False)
    assert store.status()["notices"] == []


def test_what_was_carried_over_can_give_its_room_back(written: dict[Question, KnownGood], tmp_path: Path) -> None:
    connection, aside = store_file.open_file(tmp_path / store_file.FILE_NAME)
    with closing(connection):
        assert aside is None
        store_file.prepare(connection)
        before = connection.execute("PRAGMA freelist_count").fetchone()
        assert not store_file.compact(connection)
        after, mode = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "auto_vacuum"))
    assert before > after == (0,)
    assert mode == (2,)
    assert loaded(Store(tmp_path, alarm=lambda alarm: None)) == (written, False)


def test_a_row_that_is_not_whole_is_told_and_the_others_are_carried_over(
    written: dict[Question, KnownGood], tmp_path: Path
) -> None:
    bad = known(7)
    with closing(sqlite3.connect(tmp_path / store_file.FILE_NAME, isolation_level=None)) as connection:
        connection.execute("UPDATE known_good SET answer = x'01' WHERE qname = ?", (bad.question.qname,))
    del written[bad.question]
    store = Store(tmp_path, alarm=lambda alarm: None)
    assert loaded(store)[0] == written
    assert "1 unreadable row" in str(store.status()["notices"])
    assert "host7.example.org." in str(store.status()["notices"])
    store.start()
    store.switch(True)
    assert store.close()
    assert loaded(Store(tmp_path, alarm=lambda alarm: None)) == (written, True)


WITHOUT_ROOM = """
import json, queue, resource, sys
from pathlib import Path
from standfast.io.state.store import Store

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
alarms = queue.Queue()
store = Store(Path(sys.argv[1]), alarm=alarms.put)
names = len(list(store.load().entries))
store.start()
store.switch(True)
told = alarms.get(timeout=20)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
flushed = store.flush(float(sys.argv[3]))
json.dump({"names": names, "told": told.event, "flushed": flushed}, sys.stdout)
sys.stdout.flush()
import os
os._exit(0)  # as by kill -9: nothing is closed
"""


@pytest.mark.parametrize("room", [resource.RLIM_INFINITY, 200_000], ids=["room again", "room for the half of it"])
def test_a_disk_without_room_for_it_costs_nothing(
    written: dict[Question, KnownGood], tmp_path: Path, room: int
) -> None:
    enough = room == resource.RLIM_INFINITY
    command = [sys.executable, "-c", WITHOUT_ROOM, str(tmp_path), str(room), "20" if enough else "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"names": len(written), "told": "store.write_failed", "flushed": enough}
    assert version(tmp_path) == (store_file.FORMAT_VERSION if enough else 1)
    assert loaded(Store(tmp_path, alarm=lambda alarm: None)) == (written, enough)


@pytest.mark.parametrize(
    "body",
    [
        b"\x02" + body_of(known(0).answer.rrsets)[1:],
        b"\x01",
        b"\x01\x01A\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x04\xc0\x00\x02\x01",
        b"\x01\x01a\x00\x00\x01\x80\x00\x00\x00\x00\x01\x00\x04\xc0\x00\x02\x01",
        b"\x01\x01a\x00\x00\x01\x00\x00\x00\x00\x00\x00",
        b"\x01\x01a\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x03\xc0\x00\x02",
        b"\x01\x01a\x00\x00\x05\x00\x00\x00\x00\x00\x01\x00\x02\xc0\x01",
        b"\x01\x01a\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x04\xc0\x00\x02",
    ],
    ids="version empty upper-case ttl no-records address compressed cut".split(),
)
def test_well_sealed_nonsense_is_refused(body: bytes) -> None:
    rest = [each.encode() if isinstance(each, str) else each for each in row(known(0))[3:]]
    with pytest.raises((ValueError, StandfastError)):
        known_in((b"a.", 1, sealed(body), *rest))
