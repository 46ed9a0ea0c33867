"""The ledger on disk: it outlives crashes, full disks and strangers, and hides nothing of what they did."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from standfast.io.state import ledger_file
from standfast.io.state.ledger_disk import read_head
from standfast.io.state.ledger_file import Alarm, LedgerFile, read_records, read_tail, verify_file
from standfast.ledger.record import LINE_BYTES_MAX, Head, JsonValue, LedgerError, MalformedRecord, Record, decode_line
from standfast.ledger.resume import TAIL_BYTES
from unit.ledger.chains import ledger

TIMEOUT_S = 30.0  # of what takes milliseconds on an idle machine


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture(autouse=True)
def retry_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_file, "RETRY_S", 0.01)


class Alarms:
    """An alarm that remembers, and that a test can wait for."""

    def __init__(self) -> None:
        self.told: list[Alarm] = []
        self._changed = threading.Condition()

    def __call__(self, alarm: Alarm) -> None:
        with self._changed:
            self.told.append(alarm)
            self._changed.notify_all()

    def events(self) -> list[str]:
        return [alarm.event for alarm in self.told]

    def wait_for(self, event: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: event in self.events(), TIMEOUT_S), self.told


def write(path: Path, count: int, *, kind: str = "verdict", at_ms: int = 1_000) -> None:
    with LedgerFile.open(path, clock_ms=lambda: 99) as ledger:
        for number in range(count):
            assert ledger.append(kind, {"qname": f"n{number}.example.org."}, at_ms + number)
        assert ledger.flush(TIMEOUT_S)


def records_of(path: Path) -> list[Record]:
    return list(read_records(path))


def findings_of(path: Path) -> list[tuple[str, int, int | None, int | None]]:
    return [(found.kind, found.line, found.seq, found.seq_last) for found in verify_file(path).findings]


# Writing.


def test_records_are_on_the_disk_as_they_were_chained(path: Path) -> None:
    with LedgerFile.open(path) as ledger:
        chained = [ledger.append("verdict", {"qname": "example.org.", "n": n}, n) for n in range(100)]
        assert ledger.flush(TIMEOUT_S)
        assert ledger.durable.seq == 100
        assert records_of(path) == chained
    report = verify_file(path)
    assert (report.records, report.findings) == (100, ())
    assert read_head(path) == report.head == Head(seq=100, hash=records_of(path)[-1].hash)


def test_no_one_but_the_owner_may_read_it(path: Path) -> None:
    write(path, 1)
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == {
        "ledger": "0o600",
        "ledger.head": "0o600",
    }


def test_the_chain_goes_on_over_a_restart_without_a_note(path: Path) -> None:
    write(path, 3)
    write(path, 2)
    assert [record.kind for record in records_of(path)] == ["verdict"] * 5
    assert findings_of(path) == []


def test_opening_reads_the_tail_and_not_the_whole_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LedgerFile.open(path) as ledger:
        while (record := ledger.append("verdict", {"reason": "x" * 100_000}, 0)) and record.seq < 40:
            pass
    sizes: list[int] = []
    pread = os.pread

    def note(fd: int, size: int, at: int) -> bytes:
        sizes.append(size)
        return pread(fd, size, at)

    monkeypatch.setattr(os, "pread", note)
    write(path, 1)
    assert sum(sizes) <= TAIL_BYTES < path.stat().st_size
    assert findings_of(path) == []


def test_whoever_appends_does_not_wait_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_the_disk, go_on = threading.Event(), threading.Event()

    def hang(_: int) -> None:
        at_the_disk.set()
        assert go_on.wait(TIMEOUT_S)

    with LedgerFile.open(path) as ledger:
        monkeypatch.setattr(os, "fsync", hang)
        assert ledger.append("verdict", {}, 1)
        assert at_the_disk.wait(TIMEOUT_S)
        assert ledger.append("verdict", {}, 2)
        assert not ledger.flush(0)
        assert ledger.durable.seq == 0
        go_on.set()
        assert ledger.flush(TIMEOUT_S)


def test_records_from_many_threads_make_one_chain(path: Path) -> None:
    with LedgerFile.open(path) as ledger:

        def append() -> None:
            for _ in range(100):
                ledger.append("verdict", {"thread": threading.get_ident()}, 1)

        threads = [threading.Thread(target=append) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    report = verify_file(path)
    assert (report.records, report.findings) == (800, ())


def test_a_body_without_a_canonical_form_does_not_fall_on_whoever_decides(path: Path) -> None:
    alarms = Alarms()
    hostile: dict[str, JsonValue] = {"certificate": "\udc80", "reason": "x"}
    with LedgerFile.open(path, alarm=alarms) as ledger:
        assert ledger.append("verdict", hostile, 1)
        assert ledger.append("verdict", {"reason": "x" * LINE_BYTES_MAX}, 2)
    assert [record.kind for record in records_of(path)] == ["unfit", "unfit"]
    assert alarms.events() == ["unfit", "unfit"]
    assert findings_of(path) == []


def test_a_broken_alarm_does_not_stop_the_ledger(path: Path) -> None:
    def broken(alarm: Alarm) -> None:
        raise RuntimeError(alarm.text)

    with LedgerFile.open(path, alarm=broken) as ledger:
        ledger.append("verdict", {"reason": "\udc80"}, 1)
        assert ledger.flush(TIMEOUT_S)


def test_a_closed_ledger_takes_no_records(path: Path) -> None:
    ledger = LedgerFile.open(path)
    assert ledger.close() == 0
    with pytest.raises(LedgerError, match="closed"):
        ledger.append("verdict", {}, 1)


def test_two_processes_cannot_write_one_ledger(path: Path) -> None:
    with LedgerFile.open(path), pytest.raises(LedgerError, match="another process writes this ledger"):
        LedgerFile.open(path)
    write(path, 1)


def test_a_ledger_that_cannot_be_opened_says_what_and_where(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, reason in (("missing/ledger", "No such file"), (".", "Is a directory"), ("fifo", "not a regular file")):
        with pytest.raises(LedgerError, match=reason) as caught:
            LedgerFile.open(tmp_path / name)
        assert str(tmp_path) in str(caught.value)


# What crashes leave.


def test_a_half_written_line_is_set_aside_and_the_chain_says_so(path: Path) -> None:
    write(path, 3)
    torn = path.read_bytes()[:70]
    for number in (1, 2):
        with path.open("ab") as file:
            file.write(torn)
        assert findings_of(path) == [("torn_tail", 3 * number + 1, 3 * number + 1, None)]
        write(path, 2)
        assert findings_of(path) == []
        assert path.with_name("ledger.torn").read_bytes() == (torn + b"\n") * number
    noted = records_of(path)[3]
    assert (noted.seq, noted.kind, noted.at_ms) == (4, "recovered", 99)
    assert noted.body == {"reason": "the last line was half-written (70 bytes)", "set_aside": ["ledger.torn"]}


def test_a_half_written_line_longer_than_what_follows_leaves_nothing_behind(path: Path) -> None:
    write(path, 3)
    with path.open("ab") as file:
        file.write(bytes(LINE_BYTES_MAX))
    write(path, 1)
    assert findings_of(path) == []
    assert path.with_name("ledger.torn").read_bytes() == bytes(LINE_BYTES_MAX) + b"\n"


def test_a_ledger_cut_anywhere_goes_on_and_shows_what_was_cut(tmp_path: Path) -> None:
    text = b"".join(ledger(3))
    head = json.dumps({"hash": decode_line(ledger(3)[-1]).hash, "seq": 3}, separators=(",", ":")) + "\n"
    for size in range(0, len(text), 29):
        path = tmp_path / f"ledger-{size}"
        path.write_bytes(text[:size])
        path.with_name(path.name + ".head").write_text(head)
        whole = text[:size].count(b"\n")
        write(path, 1)
        assert findings_of(path) == [("dropped", whole + 1, whole + 1, 3 if whole < 2 else None)]
        assert [record.seq for record in records_of(path)] == [*range(1, whole + 1), 4, 5]


def test_records_cut_off_while_nobody_wrote_stay_missing_for_ever(path: Path) -> None:
    write(path, 10)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]))
    assert findings_of(path) == [("head_ahead", 7, 7, 10)]
    for _ in range(2):
        write(path, 1)
        assert findings_of(path) == [("dropped", 7, 7, 10)]
    assert records_of(path)[6].body["reason"] == "the head file names record 10, the last whole one is 6"


def test_a_deleted_ledger_cannot_come_back_as_a_clean_one(path: Path) -> None:
    write(path, 5)
    path.unlink()
    write(path, 1)
    assert findings_of(path) == [("dropped", 1, 1, 5)]


@pytest.mark.parametrize("foreign", [b"\x7fELF" + bytes(5_000), b"hello\n", bytes(2 * TAIL_BYTES)])
def test_a_file_that_is_no_ledger_is_set_aside_whole(path: Path, foreign: bytes) -> None:
    for number in (1, 2):
        path.write_bytes(foreign)
        path.with_name("ledger.head").unlink(missing_ok=True)
        write(path, 1)
        assert path.with_name(f"ledger.foreign-{number}").read_bytes() == foreign
        assert [record.kind for record in records_of(path)] == ["recovered", "verdict"]
        assert records_of(path)[0].body["set_aside"] == [f"ledger.foreign-{number}"]
        assert findings_of(path) == []
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_ledger_that_went_bad_and_its_successor_verify_as_one(path: Path, tmp_path: Path) -> None:
    write(path, 5)
    with path.open("ab") as file:
        file.write((b"garbage" * 1_000 + b"\n") * 300)
    write(path, 1)
    whole = tmp_path / "whole"
    whole.write_bytes(b"".join(path.with_name("ledger.foreign-1").read_bytes().splitlines(keepends=True)[:5]))
    with whole.open("ab") as file:
        file.write(path.read_bytes())
    assert findings_of(whole) == []


def test_a_head_file_that_is_none_is_found_and_set_aside(path: Path) -> None:
    write(path, 2)
    path.with_name("ledger.head").write_bytes(b"\x00" * 90)
    assert findings_of(path) == [("malformed", 0, None, None)]
    write(path, 1)
    assert path.with_name("ledger.head.foreign-1").read_bytes() == b"\x00" * 90
    assert records_of(path)[2].body["reason"] == "the head file does not name a record"
    assert findings_of(path) == []


def test_a_head_file_that_is_gone_is_noted(path: Path) -> None:
    write(path, 2)
    path.with_name("ledger.head").unlink()
    write(path, 1)
    assert records_of(path)[2].body == {"reason": "there was no head file", "set_aside": []}


APPEND_UNTIL_KILLED = """
import sys
from pathlib import Path
from standfast.io.state.ledger_file import LedgerFile
ledger = LedgerFile.open(Path(sys.argv[1]))
number = 0
while True:
    for number in range(number, number + 10):
        ledger.append("verdict", {"qname": "example.org.", "reason": "x" * (number % 7 * 30_000)}, number)
    if number % 50 == 49:
        assert ledger.flush(60)
    print(ledger.durable.seq, flush=True)
"""


def test_kill_9_loses_nothing_that_was_durable(path: Path) -> None:
    for lines_before in (1, 2, 5, 8, 13):
        with subprocess.Popen(
            [sys.executable, "-c", APPEND_UNTIL_KILLED, path], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            durable = [int(child.stdout.readline()) for _ in range(lines_before)][-1]
            child.send_signal(signal.SIGKILL)
            child.wait()
            durable = max([durable, *map(int, child.stdout.read().split())])
        head = read_head(path)
        found = findings_of(path)
        assert [kind for kind, *_ in found] in ([], ["torn_tail"])
        assert durable <= (head.seq if head else 0) <= verify_file(path).head.seq, "the head may lag, and never leads"

        notes = sum(record.kind == "recovered" for record in records_of(path))
        write(path, 1)
        assert findings_of(path) == []
        after = sum(record.kind == "recovered" for record in records_of(path))
        assert after == notes + len(found)
    assert records_of(path)[-1].seq > 100


# What the disk does.


FULL_DISK = """
import json, resource, sys, threading
from pathlib import Path
from standfast.io.state import ledger_file
ledger_file.RETRY_S = 0.01
heard = []
changed = threading.Condition()
def alarm(told):
    with changed:
        heard.append(told.event)
        changed.notify_all()
def wait_for(event):
    with changed:
        assert changed.wait_for(lambda: event in heard, 30), heard
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
limit(int(sys.argv[2]))
with ledger_file.LedgerFile.open(Path(sys.argv[1]), alarm=alarm) as ledger:
    kept = 0
    for number in range(100):
        kept += ledger.append("verdict", {"reason": "x" * 200_000}, number) is not None
        wait_for("refused")
    refusal = ledger.refusal
    limit(resource.RLIM_INFINITY)
    wait_for("accepts")
    assert ledger.flush(30)
    assert ledger.append("verdict", {}, 100)
    assert ledger.flush(30)
    print(json.dumps({"kept": kept, "refusal": refusal, "after": ledger.refusal, "heard": heard}))
"""


def fill_the_disk(path: Path, size_max: int) -> dict[str, object]:
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path, str(size_max)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    told = json.loads(child.stdout)
    assert isinstance(told, dict)
    return told


def test_a_full_disk_costs_counted_records_and_nothing_else(path: Path) -> None:
    told = fill_the_disk(path, 150_000)
    assert told["heard"] == ["refused", "lost", "accepts"]
    assert told["refusal"] == "file too large"
    assert told["after"] is None
    kept = told["kept"]
    assert isinstance(kept, int)
    assert 30 < kept < 60
    records = records_of(path)
    assert [record.kind for record in records] == ["verdict"] * kept + ["lost", "verdict"]
    assert records[kept].body["records"] == 100 - kept
    assert (records[kept].body["from_ms"], records[kept].body["to_ms"]) == (kept, 99)
    assert findings_of(path) == []


def test_a_disk_that_is_full_from_the_start_keeps_no_one_from_starting(path: Path) -> None:
    write(path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:70])
    told = fill_the_disk(path, 10)
    assert path.with_name("ledger.torn").read_bytes().endswith(whole[:70] + b"\n")
    kinds = [record.kind for record in records_of(path)]
    assert kinds == ["verdict"] * 2 + ["recovered"] + ["verdict"] * int(str(told["kept"])) + ["lost", "verdict"]
    assert findings_of(path) == []


def test_a_failed_sync_is_tried_again_from_the_last_durable_byte(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alarms = Alarms()
    writes: list[tuple[bytes, int]] = []
    pwrite, fsync = os.pwrite, os.fsync
    broken = threading.Event()

    def note(fd: int, text: bytes, at: int) -> int:
        writes.append((bytes(text), at))
        return pwrite(fd, text, at)

    def fail(fd: int) -> None:
        if broken.is_set():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(fd)

    monkeypatch.setattr(os, "pwrite", note)
    monkeypatch.setattr(os, "fsync", fail)
    with LedgerFile.open(path, alarm=alarms) as ledger:
        broken.set()
        ledger.append("verdict", {}, 1)
        alarms.wait_for("refused")
        assert ledger.refusal == "input/output error"
        assert ledger.durable.seq == 0
        broken.clear()
        assert ledger.flush(TIMEOUT_S)
    assert len(writes) >= 2
    assert len(set(writes)) == 1, "the same bytes at the same place"
    assert alarms.events() == ["refused", "accepts"]
    assert findings_of(path) == []


def test_a_head_file_that_lags_is_brought_up_without_a_further_record(path: Path) -> None:
    alarms = Alarms()
    with LedgerFile.open(path, alarm=alarms) as ledger:
        path.with_name("ledger.head.new").mkdir()
        ledger.append("verdict", {}, 1)
        alarms.wait_for("refused")
        path.with_name("ledger.head.new").rmdir()
        alarms.wait_for("accepts")
        assert read_head(path) == verify_file(path).head


def test_a_head_file_that_cannot_be_written_lags_and_holds_nothing_up(path: Path) -> None:
    alarms = Alarms()
    with LedgerFile.open(path, alarm=alarms) as ledger:
        path.with_name("ledger.head.new").mkdir()
        ledger.append("verdict", {}, 1)
        assert ledger.flush(TIMEOUT_S)
        alarms.wait_for("refused")
        path.with_name("ledger.head.new").rmdir()
        ledger.append("verdict", {}, 2)
        assert ledger.flush(TIMEOUT_S)
    assert alarms.events() == ["refused", "accepts"]
    head = read_head(path)
    assert head is not None
    assert head.seq == 2


def test_a_disk_that_refuses_to_the_end_is_given_up_and_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    alarms = Alarms()
    ledger = LedgerFile.open(path, alarm=alarms)
    monkeypatch.setattr(os, "fsync", fail)
    ledger.append("verdict", {}, 1)
    ledger.append("verdict", {}, 2)
    assert ledger.close() == 2
    assert alarms.told[-1].text.endswith("2 records were not written before the end")
    monkeypatch.undo()
    write(path, 1)
    assert findings_of(path) == []


def moved(path: Path) -> None:
    path.rename(path.with_name("archive"))


def deleted(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def scribbled_on(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"hello\n")


def replaced(path: Path) -> None:
    path.rename(path.with_name("archive"))
    path.write_bytes(b"hello\n")


@pytest.mark.parametrize(
    ("done", "found"),
    [
        (moved, ("dropped", 1, 1, 3)),
        (deleted, ("dropped", 1, 1, 3)),
        (emptied, ("dropped", 1, 1, 3)),
        (replaced, ("dropped", 1, 1, 3)),
        (scribbled_on, ("malformed", 4, None, None)),
    ],
)
def test_a_file_that_is_tampered_with_while_it_is_written_is_found_out(
    path: Path, done: Callable[[Path], None], found: tuple[object, ...]
) -> None:
    alarms = Alarms()
    with LedgerFile.open(path, alarm=alarms) as ledger:
        for number in range(3):
            ledger.append("verdict", {}, number)
        assert ledger.flush(TIMEOUT_S)
        done(path)
        ledger.append("verdict", {}, 4)
        assert ledger.flush(TIMEOUT_S)
    assert alarms.events() == ["moved"]
    assert findings_of(path) == [found]
    last = records_of(path)[-2:]
    assert [(record.seq, record.kind) for record in last] == [(4, "verdict"), (5, "recovered")]
    assert "moved, replaced or cut" in str(last[-1].body["reason"])


def test_a_copy_that_took_the_ledgers_place_is_written_on(path: Path) -> None:
    alarms = Alarms()
    with LedgerFile.open(path, alarm=alarms) as ledger:
        ledger.append("verdict", {}, 1)
        assert ledger.flush(TIMEOUT_S)
        copy = path.with_name("copy")
        copy.write_bytes(path.read_bytes())
        copy.rename(path)
        ledger.append("verdict", {}, 2)
        assert ledger.flush(TIMEOUT_S)
    assert alarms.events() == ["moved"]
    assert [record.kind for record in records_of(path)] == ["verdict", "verdict", "recovered"]
    assert findings_of(path) == []


# Reading.


def test_what_is_wrong_is_found_in_the_file(path: Path) -> None:
    write(path, 6)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"n1.", b"n9.")
    lines[3], lines[4] = lines[4], lines[3]
    path.write_bytes(b"".join(lines[:5]))
    assert findings_of(path) == [("changed", 2, 2, None), ("reordered", 4, 5, None), ("head_ahead", 6, 6, None)]


def test_an_endless_line_is_one_finding_and_does_not_fill_memory(path: Path) -> None:
    write(path, 2)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"x" * (3 * LINE_BYTES_MAX) + b"\n" + lines[1])
    assert findings_of(path) == [("malformed", 2, None, None)]
    path.write_bytes(lines[0] + lines[1] + b"x" * (3 * LINE_BYTES_MAX))
    assert findings_of(path) == [("malformed", 3, 3, None)]


def test_records_are_filtered_by_name_and_kind_and_time(path: Path) -> None:
    write(path, 3, at_ms=1_000)
    write(path, 3, kind="command", at_ms=2_000)
    assert [record.seq for record in read_records(path, qname="n1.example.org.")] == [2, 5]
    assert [record.seq for record in read_records(path, kind="command")] == [4, 5, 6]
    assert [record.seq for record in read_records(path, since_ms=1_002)] == [3, 4, 5, 6]
    assert [record.seq for record in read_records(path, qname="n1.example.org.", kind="verdict")] == [2]


def test_damaged_lines_are_passed_over_and_told(path: Path) -> None:
    write(path, 4)
    path.write_bytes(path.read_bytes().replace(b"n2.", b"n7."))
    damage: list[MalformedRecord] = []
    assert [record.seq for record in read_records(path, on_damage=damage.append)] == [1, 2, 4]
    assert [record.seq for record in read_tail(path, 2, on_damage=damage.append)] == [4]
    assert [str(found) for found in damage] == ["the hash is not that of the content"] * 2


@pytest.mark.parametrize("count", [0, 1, 7, 50, 51, 20_000])
def test_the_tail_is_the_last_records(path: Path, count: int) -> None:
    with LedgerFile.open(path) as ledger:
        for number in range(50):
            ledger.append("verdict", {"reason": "x" * (number * 100)}, number)
    assert [record.seq for record in read_tail(path, count)] == list(range(1, 51))[max(0, 50 - count) :]


def test_a_ledger_that_is_not_there_is_an_error_that_says_so(path: Path) -> None:
    readers: list[Callable[[], object]] = [
        lambda: verify_file(path),
        lambda: records_of(path),
        lambda: read_tail(path, 1),
    ]
    for read in readers:
        with pytest.raises(LedgerError, match=f"{path}: cannot read the ledger: No such file"):
            read()


@pytest.fixture
def busy_writer(path: Path) -> Iterator[threading.Event]:
    """Append to the ledger without a pause until the event is set."""
    stop, begun = threading.Event(), threading.Event()

    def append() -> None:
        with LedgerFile.open(path) as ledger:
            while not stop.is_set():
                ledger.append("verdict", {"qname": "example.org.", "reason": "x" * 5_000}, 1)
                ledger.flush(TIMEOUT_S)
                begun.set()

    writer = threading.Thread(target=append)
    writer.start()
    assert begun.wait(TIMEOUT_S)
    yield stop
    stop.set()
    writer.join()


def test_reading_does_not_mind_a_writer(path: Path, busy_writer: threading.Event) -> None:
    seen = 0
    for _ in range(5):
        report = verify_file(path)
        assert report.findings == ()
        assert report.records >= seen
        seen = report.records
        assert [record.seq for record in records_of(path)][-1] >= seen
        assert read_tail(path, 1)[0].seq >= seen


def test_a_half_written_line_is_no_finding_while_its_writer_lives(path: Path) -> None:
    write(path, 2)
    with LedgerFile.open(path):
        with path.open("ab") as file:
            file.write(b'{"at_ms":')
        assert findings_of(path) == []
    assert findings_of(path) == [("torn_tail", 3, 3, None)]
