"""The ledger on disk, written and read. One thread writes and syncs, so nobody who decides waits for the disk."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self, TypeAlias

from standfast.io.faults import in_words
from standfast.io.state.ledger_disk import Attached, LedgerDisk, has_writer, read_head
from standfast.ledger.backlog import Backlog, Batch
from standfast.ledger.record import (
    LINE_BYTES_MAX,
    Head,
    JsonValue,
    LedgerError,
    MalformedRecord,
    Record,
    decode_line,
)
from standfast.ledger.verify import Finding, Report, verify

RETRY_S = 1.0  # between two tries of a disk that refuses; a full disk is not mended sooner
CLOSE_TIMEOUT_S = 5.0  # a disk that hangs must not keep the process from ending
TAIL_RECORDS_MAX = 10_000  # for a screen; whoever wants more goes through `read_records`

AlarmEvent: TypeAlias = Literal[
    "refused",  # the disk takes no records; once an outage
    "accepts",  # it does again
    "lost",  # the queue is full; once an outage
    "unfit",  # a record could not be written as it was
    "moved",  # somebody else moved, replaced or cut the file
    "unwritten",  # records were still in memory at the end
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something about the ledger that whoever runs the guard should know."""

    event: AlarmEvent
    text: str


def _ignore(_: object) -> None:
    pass


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000


class LedgerFile:
    """A ledger that is being written, by one process at a time. Its methods may be called from any thread."""

    def __init__(
        self, disk: LedgerDisk, head: Head, *, alarm: Callable[[Alarm], None], clock_ms: Callable[[], int]
    ) -> None:
        """Go on after `head` on a disk that is attached. `open` is the way in."""
        self._disk = disk
        self._alarm = alarm
        self._clock_ms = clock_ms
        self._changed = threading.Condition()  # guards what follows; never held while the disk is at work
        self._backlog = Backlog(head)
        self._closing = False
        self._refusal: str | None = None
        self._head_lags = False  # of the writer thread alone
        self._writer = threading.Thread(target=self._write, name="ledger", daemon=True)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        alarm: Callable[[Alarm], None] = _ignore,
        clock_ms: Callable[[], int] = _unix_ms,
    ) -> Self:
        """Open the ledger at `path`, or begin one with mode 0600; go on where its chain ends.

        What a crash or a stranger left there is set aside, and a record of kind `recovered` says so. `alarm` may
        be called from any thread, and must not block. `clock_ms` (Unix time) dates what the ledger notes by itself.
        Raises `LedgerError` if the files cannot be opened, or another process writes them.
        """
        disk = LedgerDisk(path)
        try:
            attached = disk.attach()
        except OSError as error:
            raise LedgerError(f"{path}: cannot open the ledger: {error.strerror}") from error
        ledger = cls(disk, attached.start, alarm=alarm, clock_ms=clock_ms)
        ledger._note_recovery(attached)
        ledger._writer.start()
        return ledger

    def append(self, kind: str, body: Mapping[str, JsonValue], at_ms: int) -> Record | None:
        """Hand a record to the writer and return it as chained; `at_ms` is Unix time in milliseconds.

        Returns None if the queue is full (`QUEUE_BYTES_MAX`): the record is lost, and counted in a record of kind
        `lost` as soon as the disk takes records again. A body without a canonical form is replaced by a record of
        kind `unfit` that says why. `body` must not be changed afterwards. Raises `LedgerError` after `close`.
        """
        with self._changed:
            if self._closing:
                raise LedgerError(f"{self._disk.path}: the ledger is closed")
            record = self._backlog.take(kind, body, at_ms)
            is_first_lost = record is None and self._backlog.lost == 1
            self._changed.notify_all()
        if is_first_lost:
            self._tell("lost", "the queue is full; until the disk takes records, they are lost and counted")
        if record and record.kind == "unfit":
            self._tell("unfit", f"a record of kind {kind} could not be written: {record.body['reason']}")
        return record

    @property
    def durable(self) -> Head:
        """The last record that the disk has for certain."""
        with self._changed:
            return self._backlog.durable

    @property
    def refusal(self) -> str | None:
        """Why the disk takes no records at present; None while it does."""
        with self._changed:
            return self._refusal

    @property
    def waiting(self) -> int:
        """How many records are in memory only, those aside that were lost."""
        with self._changed:
            return len(self._backlog)

    @property
    def lost(self) -> int:
        """How many records were lost since the disk last took some: the queue is full."""
        with self._changed:
            return self._backlog.lost

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was appended so far is durable; return whether it is."""
        with self._changed:
            target = self._backlog.head.seq
            return self._changed.wait_for(lambda: self._backlog.durable.seq >= target, timeout_s)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> int:
        """Write what is left, give up if the disk refuses it, and return how many records were not written."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._writer.join(timeout_s)
        with self._changed:
            unwritten = len(self._backlog) + self._backlog.lost
        if unwritten:
            self._tell("unwritten", f"{unwritten} records were not written before the end")
        if not self._writer.is_alive():
            self._disk.close()
        return unwritten

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    # The writer thread.

    def _write(self) -> None:
        while (batch := self._next_batch()) or not self._closing:
            if batch is None:
                self._publish(self._backlog.durable)
                continue
            while not self._is_written(batch):
                with self._changed:
                    if self._closing:
                        return
                    self._changed.wait_for(lambda: self._closing, RETRY_S)
        if self._head_lags:
            self._publish(self._backlog.durable)

    def _next_batch(self) -> Batch | None:
        """Wait for records; None: there are none, and it is closed or time to try the head file again."""
        with self._changed:
            wait_s = RETRY_S if self._head_lags else None
            self._changed.wait_for(lambda: self._closing or len(self._backlog) > 0, wait_s)
            return self._backlog.batch()

    def _is_written(self, batch: Batch) -> bool:
        """Try to make a batch durable, and its head after it; tell whether the batch is."""
        try:
            if not self._disk.is_in_place():
                self._attach_again()
            self._disk.append(batch.text)
        except (OSError, LedgerError) as error:
            self._set_refusal(in_words(error) if isinstance(error, OSError) else str(error))
            return False
        self._publish(batch.head)
        with self._changed:
            self._backlog.settle(batch)
            self._changed.notify_all()
        return True

    def _publish(self, head: Head) -> None:
        """Bring the head file up to `head`. Where that fails it lags, as it may, and is tried again."""
        try:
            self._disk.publish(head)
        except OSError as error:
            self._head_lags = True
            self._set_refusal(in_words(error))
        else:
            self._head_lags = False
            self._set_refusal(None)

    def _attach_again(self) -> None:
        attached = self._disk.attach()
        moved = "the file was moved, replaced or cut while it was written"
        # Where the file's own chain ends does not matter: this one goes on, and a gap shows what is gone.
        self._note_recovery(replace(attached, reasons=(moved, *attached.reasons)))
        self._tell("moved", moved)

    def _note_recovery(self, attached: Attached) -> None:
        if attached.reasons:
            body: dict[str, JsonValue] = {
                "reason": "; ".join(attached.reasons),
                "set_aside": [*attached.set_aside],
            }
            with self._changed:
                self._backlog.take("recovered", body, self._clock_ms())

    def _set_refusal(self, refusal: str | None) -> None:
        with self._changed:
            before, self._refusal = self._refusal, refusal
        if refusal and not before:
            self._tell("refused", refusal)
        elif before and not refusal:
            self._tell("accepts", "the disk takes records again")

    def _tell(self, event: AlarmEvent, text: str) -> None:
        with contextlib.suppress(Exception):  # a broken alarm must not stop the ledger
            self._alarm(Alarm(event=event, text=f"{self._disk.path}: {text}"))


# Reading needs no running process, and does not mind one that writes meanwhile.


def verify_file(path: Path) -> Report:
    """Verify the ledger at `path` against its own head file. Raises `LedgerError` if it cannot be read."""
    with _reading(path):
        unreadable: tuple[Finding, ...] = ()
        try:
            head = read_head(path)  # before the lines: what it names then, they surely have
        except MalformedRecord as error:
            head = None
            unreadable = (Finding(kind="malformed", line=0, seq=None, text=error.reason),)
        report = verify(_settled_lines(path), head=head)
    return replace(report, findings=unreadable + report.findings)


def read_records(
    path: Path,
    *,
    qname: str | None = None,
    kind: str | None = None,
    since_ms: int | None = None,
    on_damage: Callable[[MalformedRecord], None] = _ignore,
) -> Iterator[Record]:
    """Yield the records of the ledger at `path`, the oldest first, that fit every filter that is given.

    `qname` is looked for in the body's `qname` and `names`; `since_ms` (Unix time) is compared with `at_ms`. A line
    that is not a whole record is handed to `on_damage`; what it was, `verify_file` tells. Raises `LedgerError` if the
    file cannot be read.
    """
    with _reading(path):
        for line in _settled_lines(path):
            try:
                record = decode_line(line)
            except MalformedRecord as damage:
                on_damage(damage)
                continue
            if (
                (qname is None or _is_about(record, qname))
                and (kind is None or record.kind == kind)
                and (since_ms is None or record.at_ms >= since_ms)
            ):
                yield record


def _is_about(record: Record, qname: str) -> bool:
    names = record.body.get("names")
    return record.body.get("qname") == qname or (isinstance(names, list) and qname in names)


def read_tail(path: Path, count: int, *, on_damage: Callable[[MalformedRecord], None] = _ignore) -> list[Record]:
    """Return the last `count` records (at most `TAIL_RECORDS_MAX`), the oldest first, without reading the rest.

    Damaged lines count, and are handed to `on_damage`. Raises `LedgerError` if the file cannot be read.
    """
    records: list[Record] = []
    with _reading(path), path.open("rb") as file:
        for line in _last_lines(file, min(count, TAIL_RECORDS_MAX)):
            try:
                records.append(decode_line(line))
            except MalformedRecord as damage:
                on_damage(damage)
    return records


def _settled_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines, but not a last one that a live writer is just about to finish."""
    with path.open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX + 1):
            if len(line) > LINE_BYTES_MAX and not line.endswith(b"\n"):
                rest = line
                while rest and not rest.endswith(b"\n"):
                    rest = file.readline(LINE_BYTES_MAX)
                line += b"\n"  # one line still, and still too long to be a record
            if line.endswith(b"\n") or not has_writer(path):
                yield line


def _last_lines(file: BinaryIO, count: int) -> deque[bytes]:
    size = file.seek(0, 2)
    span = 1 + count * 1_000
    while True:
        file.seek(max(0, size - span))
        text = file.read(min(size, span))
        *lines, _unfinished = text.split(b"\n")
        if len(lines) > count or span >= size:
            return deque((line + b"\n" for line in lines), maxlen=count)
        span *= 2


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(f"{path}: cannot read the ledger: {error.strerror}") from error
