"""The store on a real disk: what comes back after a crash, and what a broken file or a full disk does."""

import json
import queue
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from standfast.dns.model import Question, RRset, RRType
from standfast.guard.events import Alarm, Remember
from standfast.guard.known import Answer, Baseline, KnownGood
from standfast.guard.memory import KnownGoodMemory
from standfast.guard.packed import key_of, question_of, unpack
from standfast.io.state import store_file
from standfast.io.state.state_dir import StoreError
from standfast.io.state.store import Loaded, Store

FLUSH_TIMEOUT_S = 10.0
NOW = 1_760_000_000.0


def known(qname: str = "www.example.org.", address: bytes = b"\xc0\x00\x02\x01", at_s: float = NOW) -> KnownGood:
    rrset = RRset(owner=qname, rtype=RRType.A, ttl_s=60, rdatas=(address,))
    return KnownGood(
        question=Question(qname, RRType.A),
        answer=Answer(rrsets=(rrset,)),
        first_seen_s=NOW,
        confirmed_at_s=at_s,
        changed_at_s=NOW,
        seen=("192.0.2.1",),
    )


class Alarms:
    """Collects alarms, from whichever thread they come."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Alarm] = queue.Queue()

    def __call__(self, alarm: Alarm) -> None:
        self._queue.put(alarm)

    def next(self) -> Alarm:
        return self._queue.get(timeout=FLUSH_TIMEOUT_S)

    def none_left(self) -> bool:
        return self._queue.empty()


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@pytest.fixture
def begin(tmp_path: Path, alarms: Alarms) -> Iterator[Callable[..., Store]]:
    """Start a store in `tmp_path`; it is closed at the end."""
    begun: list[Store] = []

    def start(**options: float) -> Store:
        store = Store(tmp_path, alarm=alarms, **options)  # type: ignore[arg-type]
        store.load()
        store.start()
        begun.append(store)
        return store

    yield start
    for store in begun:
        store.close()


def after_a_crash(store: Store, at: Path) -> Store:
    """Return a store on a copy of the files as they lie there now: what a `kill -9` would leave behind."""
    at.mkdir()
    for file in store.path.parent.glob(store.path.name + "*"):
        shutil.copy(file, at)
    return Store(at, alarm=lambda alarm: None)


def reopened(path: Path) -> list[KnownGood]:
    return known_in(Store(path, alarm=lambda alarm: None).load())


def notices(store: Store) -> list[str]:
    told = store.status()["notices"]
    assert isinstance(told, list)
    return list(map(str, told))


def known_in(loaded: Loaded) -> list[KnownGood]:
    return [unpack(question_of(key), packed) for key, packed in loaded.entries]


# What comes back


ANSWERS = st.builds(
    lambda chained, addresses, ad: Answer(
        rrsets=(
            *(
                [
                    RRset(
                        owner="a.example.org.",
                        rtype=RRType.CNAME,
                        ttl_s=9,
                        rdatas=(b"\x01b\x07example\x03org\x00",),
                    )
                ]
                if chained
                else []
            ),
            RRset(
                owner="b.example.org." if chained else "a.example.org.",
                rtype=RRType.A,
                ttl_s=5,
                rdatas=tuple(addresses),
            ),
        ),
        ad=ad,
    ),
    st.booleans(),
    st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=8, unique=True),
    st.booleans(),
)
TIMES = st.floats(min_value=0, max_value=4e9)
KNOWN = st.builds(
    KnownGood,
    question=st.builds(Question, st.just("a.example.org."), st.integers(1, 65535)),
    answer=ANSWERS,
    first_seen_s=TIMES,
    confirmed_at_s=TIMES,
    changed_at_s=TIMES,
    confirmations=st.integers(0, 2**53),
    seen=st.lists(st.ip_addresses().map(str), max_size=64).map(tuple),
    baseline=st.none() | st.builds(Baseline, asked_at_s=TIMES, proven_at_s=st.none() | TIMES),
    zone=st.none() | st.just("example.org."),
    released_at_s=st.none() | TIMES,
    lost_at_s=st.none() | TIMES,
    proven_at_s=st.none() | TIMES,
    operator_hold_until_s=st.none() | TIMES,
)


@given(st.lists(KNOWN, min_size=20, max_size=40, unique_by=lambda k: k.question))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=10)
def test_every_field_of_a_known_good_answer_survives_a_restart(
    tmp_path_factory: pytest.TempPathFactory, answers: list[KnownGood]
) -> None:
    path = tmp_path_factory.mktemp("state")
    store = Store(path, alarm=lambda alarm: None)
    store.load()
    store.start()
    for answer in answers:
        store.remember(Remember.of(answer))
    assert store.close()
    assert {k.question: k for k in reopened(path)} == {k.question: k for k in answers}


def test_a_field_that_known_good_gains_is_noticed_here() -> None:
    """The strategy above must name every field, or a new one would be lost at each restart without a word."""
    named = {"question", "answer", "first_seen_s", "confirmed_at_s", "changed_at_s", "confirmations", "seen"}
    named |= {
        "baseline",
        "zone",
        "released_at_s",
        "lost_at_s",
        "proven_at_s",
        "operator_hold_until_s",
    }
    assert {field.name for field in fields(KnownGood)} == named


def test_what_was_flushed_survives_a_crash(begin: Callable[..., Store], tmp_path: Path) -> None:
    store = begin()
    store.remember(Remember.of(replace(known(), lost_at_s=NOW + 1)))
    store.switch(False)
    assert store.flush(FLUSH_TIMEOUT_S)
    loaded = after_a_crash(store, tmp_path / "crashed").load()
    assert [k.lost_at_s for k in known_in(loaded)] == [NOW + 1]
    assert loaded.enabled is False


def test_a_changed_state_is_written_without_anybody_asking_for_it(begin: Callable[..., Store], tmp_path: Path) -> None:
    store = begin()
    store.remember(Remember.of(known()))
    deadline = time.monotonic() + FLUSH_TIMEOUT_S
    while store.status()["waiting"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert known_in(after_a_crash(store, tmp_path / "crashed").load()) == [known()]


def test_the_newest_state_of_a_question_wins(begin: Callable[..., Store], tmp_path: Path) -> None:
    store = begin()
    for octet in range(100):
        store.remember(Remember.of(known(address=bytes([192, 0, 2, octet]))))
    store.close()
    assert reopened(tmp_path) == [known(address=bytes([192, 0, 2, 99]))]


def test_a_forgotten_answer_does_not_come_back(begin: Callable[..., Store], tmp_path: Path) -> None:
    store = begin()
    store.remember(Remember.of(known()))
    assert store.flush(FLUSH_TIMEOUT_S)
    store.forget(known().question)
    store.close()
    assert reopened(tmp_path) == []


def test_a_guard_that_was_never_switched_is_on(tmp_path: Path) -> None:
    assert Store(tmp_path, alarm=lambda alarm: None).load().enabled is True


def test_what_waits_beyond_the_bound_is_counted_and_not_kept(tmp_path: Path, alarms: Alarms) -> None:
    store = Store(tmp_path, alarm=alarms, pending_max=2)
    store.load()
    for name in ("a.example.org.", "b.example.org.", "c.example.org."):
        store.remember(Remember.of(known(name)))
    assert store.status()["refused"] == 1
    store.start()
    store.close()
    assert {k.question.qname for k in reopened(tmp_path)} == {"a.example.org.", "b.example.org."}


# Which changes may wait


def confirmed(answer: KnownGood) -> Remember:
    return replace(Remember.of(answer), may_wait=True)


def test_confirmations_are_written_within_the_period_without_anybody_asking_for_it(
    begin: Callable[..., Store], tmp_path: Path
) -> None:
    store = begin(confirmation_period_s=0.5)
    answers = [known(f"host{n}.example.org.", at_s=NOW + 30) for n in range(100)]
    for answer in answers:
        store.remember(confirmed(answer))
    deadline = time.monotonic() + FLUSH_TIMEOUT_S
    for n in count():
        found = known_in(after_a_crash(store, tmp_path / f"crashed-{n}").load())
        if len(found) == len(answers) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert {answer.question: answer for answer in found} == {answer.question: answer for answer in answers}


def test_a_change_overtakes_a_confirmation_that_waits(begin: Callable[..., Store], tmp_path: Path) -> None:
    """Else the older state would be written after the newer one."""
    store = begin(confirmation_period_s=3600.0)
    store.remember(confirmed(known(at_s=NOW + 1)))
    lost = replace(known(), lost_at_s=NOW + 2)
    store.remember(Remember.of(lost))
    store.close()
    assert reopened(tmp_path) == [lost]


def test_a_confirmation_goes_with_a_change_that_waits(tmp_path: Path, alarms: Alarms) -> None:
    store = Store(tmp_path, alarm=alarms, confirmation_period_s=3600.0)
    store.load()
    store.remember(Remember.of(known()))
    store.remember(confirmed(known(at_s=NOW + 1)))
    store.start()
    assert store.flush(FLUSH_TIMEOUT_S)
    assert known_in(after_a_crash(store, tmp_path / "crashed").load()) == [known(at_s=NOW + 1)]
    store.close()


def test_what_was_forgotten_is_not_written_again_by_a_confirmation_that_waited(
    begin: Callable[..., Store], tmp_path: Path
) -> None:
    store = begin(confirmation_period_s=3600.0)
    store.remember(confirmed(known()))
    store.forget(known().question)
    store.close()
    assert reopened(tmp_path) == []


def test_confirmations_that_wait_are_written_at_the_close(begin: Callable[..., Store], tmp_path: Path) -> None:
    store = begin(confirmation_period_s=3600.0)
    store.remember(Remember.of(known()))
    assert store.flush(FLUSH_TIMEOUT_S)
    store.remember(confirmed(known(at_s=NOW + 30)))
    assert store.flush(FLUSH_TIMEOUT_S)
    assert known_in(after_a_crash(store, tmp_path / "crashed").load()) == [known()]
    store.close()
    assert reopened(tmp_path) == [known(at_s=NOW + 30)]


# Files that cannot be used


def filled(path: Path, rows: int = 50) -> list[KnownGood]:
    """Write `rows` answers and return them in the order of the file."""
    answers = [known(f"host{n:03}.example.org.") for n in range(rows)]
    answers.sort(key=lambda answer: key_of(answer.question))
    store = Store(path, alarm=lambda alarm: None)
    store.load()
    store.start()
    for answer in answers:
        store.remember(Remember.of(answer))
    assert store.close()
    return answers


def edit(path: Path, *statements: str) -> None:
    with sqlite3.connect(path / store_file.FILE_NAME, isolation_level=None) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def foreign_sqlite(path: Path) -> None:
    edit(path, "CREATE TABLE recipe (title TEXT)", "PRAGMA application_id = 7")


def newer_version(path: Path) -> None:
    filled(path)
    edit(path, "PRAGMA user_version = 99")


def missing_column(path: Path) -> None:
    filled(path)
    edit(path, "ALTER TABLE known_good DROP COLUMN packed")


def text_file(path: Path) -> None:
    (path / store_file.FILE_NAME).write_text("my shopping list: bread, butter, a resolver\n" * 40)


def cut_short(path: Path) -> None:
    (path / store_file.FILE_NAME).write_bytes(b"SQLite")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (foreign_sqlite, "belongs to another program"),
        (newer_version, "has format 99, this program reads format 2"),
        (missing_column, "packed"),
        (text_file, "no SQLite file"),
        (cut_short, "half-written"),
    ],
)
def test_a_file_that_cannot_be_used_is_set_aside_whole_and_a_new_one_begun(
    spoil: Callable[[Path], None], reason: str, tmp_path: Path, alarms: Alarms
) -> None:
    spoil(tmp_path)
    before = (tmp_path / store_file.FILE_NAME).read_bytes()
    store = Store(tmp_path, alarm=alarms)
    loaded = store.load()
    assert known_in(loaded) == []
    (notice,) = notices(store)
    assert reason in notice
    assert "known-good.sqlite.set-aside-1" in notice
    assert alarms.next().event == "store.set_aside"
    assert (tmp_path / "known-good.sqlite.set-aside-1").read_bytes() == before
    store.start()
    store.remember(Remember.of(known()))
    assert store.close()
    assert reopened(tmp_path) == [known()]


def test_a_second_broken_file_does_not_replace_the_first_that_was_set_aside(tmp_path: Path) -> None:
    for text in ("first" * 300, "second" * 300):
        (tmp_path / store_file.FILE_NAME).write_text(text)
        reopened(tmp_path)
    assert (tmp_path / "known-good.sqlite.set-aside-1").read_text() == "first" * 300
    assert (tmp_path / "known-good.sqlite.set-aside-2").read_text() == "second" * 300


def test_a_half_written_file_gives_whole_answers_or_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    answers = filled(tmp_path / "whole")
    whole = (tmp_path / "whole" / store_file.FILE_NAME).read_bytes()
    set_aside = 0
    for size in [*range(1, 600, 37), *range(600, len(whole), 1021)]:
        cut = tmp_path / f"cut-{size}"
        cut.mkdir()
        (cut / store_file.FILE_NAME).write_bytes(whole[:size])
        store = Store(cut, alarm=lambda alarm: None)
        found = known_in(store.load())
        assert all(answer in answers for answer in found)
        assert len(found) < len(answers)
        assert notices(store), f"cut at {size} octets: nobody was told"
        set_aside += (cut / "known-good.sqlite.set-aside-1").exists()
    assert set_aside


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
def test_a_file_with_flipped_bits_never_gives_an_answer_that_was_not_written(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flipped")
    answers = {answer.question: answer.answer for answer in filled(path)}
    octets = bytearray((path / store_file.FILE_NAME).read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (path / store_file.FILE_NAME).write_bytes(octets)
    for found in reopened(path):
        assert found.answer.rrsets == answers[found.question].rrsets


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE known_good SET packed = x'00' WHERE key = {key}",
        "UPDATE known_good SET packed = x'' WHERE key = {key}",
        "UPDATE known_good SET key = x'00' WHERE key = {key}",
        "UPDATE known_good SET key = CAST(replace(key, 'host007', 'host099') AS BLOB) WHERE key = {key}",
        "UPDATE known_good SET packed = (SELECT packed FROM known_good LIMIT 1) WHERE key = {key}",
    ],
)
def test_one_bad_row_is_reported_and_the_others_are_served(tmp_path: Path, alarms: Alarms, damage: str) -> None:
    answers = filled(tmp_path)
    bad = known("host007.example.org.")
    edit(tmp_path, damage.format(key=f"x'{key_of(bad.question).hex()}'"))
    store = Store(tmp_path, alarm=alarms)
    assert known_in(store.load()) == [answer for answer in answers if answer != bad]
    (notice,) = notices(store)
    assert "1 unreadable row" in notice
    assert alarms.next().event == "store.rows_skipped"


def test_a_file_without_permission_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / store_file.FILE_NAME).mkdir()
    with pytest.raises(StoreError, match=r"known-good\.sqlite: cannot be used: .*See that this user may"):
        Store(tmp_path, alarm=lambda alarm: None).load()


# Trouble while it runs


def test_a_file_that_breaks_while_in_use_is_set_aside_and_all_that_is_remembered_written_anew(
    tmp_path: Path, alarms: Alarms
) -> None:
    filled(tmp_path, rows=24_000)  # more than SQLite keeps in memory; the first rows are dropped from it
    memory = KnownGoodMemory(entries_max=100_000, bytes_max=1 << 30)
    store = Store(tmp_path, alarm=alarms)
    memory.load(store.load().entries)
    with (tmp_path / store_file.FILE_NAME).open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    store.start(memory.entries)
    changed = known("host000.example.org.", b"\xc0\x00\x02\x63")
    for action in memory.keep(changed):
        assert isinstance(action, Remember)
        store.remember(action)
    events = [alarms.next().event, alarms.next().event, alarms.next().event]
    assert events == ["store.write_failed", "store.set_aside", "store.write_recovered"]
    assert store.close()
    found = {answer.question: answer for answer in reopened(tmp_path)}
    assert found == {answer.question: answer for answer in memory}
    assert found[changed.question] == changed


FULL_DISK = """
import json, queue, resource, sys
from pathlib import Path
from standfast.guard.events import Remember
from standfast.io.state.store import Store
sys.path.insert(0, sys.argv[2])
from test_store import known

alarms = queue.Queue()
store = Store(Path(sys.argv[1]), alarm=alarms.put)
store.load()
store.start()
store.remember(Remember.of(known("before.example.org.")))
assert store.flush(10)
# No file may grow any more: the disk is full for us. Python ignores SIGXFSZ, so writes fail with EFBIG.
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
for n in range(300):
    store.remember(Remember.of(known(f"during{n}.example.org.")))
told = alarms.get(timeout=10)
in_time = store.flush(0.2)
failing = store.status()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
recovered = alarms.get(timeout=10)
json.dump({
    "told": [told.event, dict(told.fields)], "in_time": in_time, "failing": failing,
    "recovered": recovered.event, "flushed": store.flush(10), "after": store.status(),
}, sys.stdout)
sys.stdout.flush()
import os
os._exit(0)  # as by kill -9: nothing is closed
"""


def test_a_full_disk_is_told_once_and_nothing_is_lost_when_there_is_room_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    event, told = report["told"]
    assert event == "store.write_failed"
    assert told["file"] == str(tmp_path / store_file.FILE_NAME)
    assert "Free space" in told["next"]
    assert report["in_time"] is False
    assert report["failing"]["waiting"] == 300
    assert report["failing"]["failure"] == told["detail"]
    assert report["recovered"] == "store.write_recovered"
    assert report["flushed"] is True
    assert report["after"]["failure"] is None
    assert {k.question.qname for k in reopened(tmp_path)} == {
        "before.example.org.",
        *(f"during{n}.example.org." for n in range(300)),
    }
