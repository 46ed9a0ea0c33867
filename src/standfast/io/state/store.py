"""Keeps known-good answers on the disk: a writer thread, so that no client ever waits for it.

What is handed in waits, the newest state of each question only, and is written a few times a second, many in one
transaction. A changed state (a new answer, a loss, a release) goes with the next one. The mere confirmation of an
unchanged answer moves a time stamp, of which a crash may lose `CONFIRMATION_PERIOD_S`: confirmations are written
share by share, each share of the keys once in that time, so that a million of them are no burst, and those in one
transaction lie on neighbouring pages. What waits is the memory's own octets, never a copy. While the disk is full or
read-only everything waits, is tried again, and then lands.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from standfast.dns.model import Question
from standfast.guard.events import Alarm, JsonValue, Remember
from standfast.guard.packed import Key, Packed, key_of
from standfast.io.state import sqlite_file, store_file
from standfast.io.state.state_dir import StoreError

FLUSH_PERIOD_S = 0.2  # what a crash may lose of changed states; long enough to gather many in one transaction
CONFIRMATION_PERIOD_S = 300.0  # little against the days that an answer may be old; a million write 1 MB/s
SHARES = 256  # of the keys, by their first octet, for confirmations
BATCH_MAX = 5_000  # changes a transaction, so that one takes tens of milliseconds,
BATCH_OCTETS_MAX = 4 << 20  # and octets, so that the WAL stays small
PENDING_MAX = 1_000_000  # changed questions that wait; they refer to what the core holds in memory anyway
RETRY_MIN_S = 0.5
RETRY_MAX_S = 30.0
CLOSE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the disk remembered; `entries` are to be gone through before the store is started."""

    entries: Iterator[store_file.Row]
    enabled: bool


class Store:
    """The known-good answers and the on/off switch on the disk.

    `load` once, then `start`; from then on `remember`, `forget` and `switch` never block. `alarm` is told of
    trouble and of its end, mostly from the writer thread. At most `pending_max` changed questions wait while nothing
    can be written; of confirmations that wait there are never more than the memory holds.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        alarm: Callable[[Alarm], None],
        file_name: str = store_file.FILE_NAME,
        pending_max: int = PENDING_MAX,
        confirmation_period_s: float = CONFIRMATION_PERIOD_S,
    ) -> None:
        self.path = state_dir / file_name
        self._alarm = alarm
        self._pending_max = pending_max
        self._share_period_s = confirmation_period_s / SHARES
        self._connection: sqlite3.Connection | None = None
        self._remembered: Callable[[], Mapping[Key, Packed]] = dict
        self._thread = threading.Thread(target=self._run, name="known-good-writer", daemon=True)

        self._changed = threading.Condition()  # guards what follows
        self._pending: dict[Key, Packed | None] = {}
        self._confirmed: list[dict[Key, Packed | None]] = [{} for _ in range(SHARES)]
        self._are_confirmed = False
        self._switch: bool | None = None
        self._handed_in = 0
        self._settled = 0  # of those handed in: committed
        self._writing = 0
        self._hurry = False
        self._closing = False
        self._failure: str | None = None
        self._refused = 0
        self._notices: list[str] = []

        # The writer thread's own.
        self._next_share = 0
        self._next_share_at_s = 0.0
        self._may_compact = True
        self._file_was_lost = False

    def load(self) -> Loaded:
        """Open the state file and return what it holds.

        Raises:
            StoreError: it cannot be opened at all.
        """
        connection = self._open()
        enabled = True
        try:
            enabled = store_file.read_switch(connection)
        except sqlite_file.ERRORS as error:
            self._abandon_file(str(error))
        return Loaded(entries=self._read(), enabled=enabled)

    def start(self, remembered: Callable[[], Mapping[Key, Packed]] = dict) -> None:
        """Begin to write. `remembered` gives all that is in memory, should the file be lost (asked by the writer)."""
        self._remembered = remembered
        self._thread.start()

    def remember(self, action: Remember) -> None:
        """Have `action` written, in place of what is there for its question."""
        key = key_of(action.question)
        with self._changed:
            if action.may_wait and key not in self._pending:
                if not self._are_confirmed:
                    self._are_confirmed = True
                    self._changed.notify_all()  # from now on there are times to be kept
                self._confirmed[key[0]][key] = action.packed
            else:
                self._hand_in(key, action.packed)

    def forget(self, question: Question) -> None:
        """Have what is there for `question` deleted."""
        with self._changed:
            self._hand_in(key_of(question), None)

    def switch(self, enabled: bool) -> None:
        """Have it written whether the guard is on."""
        with self._changed:
            self._switch = enabled
            self._handed_in += 1
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was handed in is committed, mere confirmations aside; say whether it is."""
        with self._changed:
            goal = self._handed_in
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled >= goal, timeout_s)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Write everything, confirmations too, and end; say whether all of it is committed."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        done = not self._thread.is_alive() and self._failure is None
        if not done:
            detail = self._failure or f"the disk took longer than {timeout_s:g} s"
            self._alarm(Alarm(event="store.unwritten", fields={"file": str(self.path), "detail": detail}))
        return done

    def status(self) -> dict[str, JsonValue]:
        """Return how the store does, for `standfast status`."""
        with self._changed:
            return {
                "file": str(self.path),
                "waiting": len(self._pending) + self._writing,
                "refused": self._refused,
                "failure": self._failure,
                "notices": list(self._notices),
            }

    @property
    def waiting(self) -> int:
        """How many changed answers are not on the disk yet."""
        with self._changed:
            return len(self._pending) + self._writing

    @property
    def refused(self) -> int:
        """How many changed answers were lost because too many waited."""
        with self._changed:
            return self._refused

    @property
    def failure(self) -> str | None:
        """Why nothing can be written at present; None while it can."""
        with self._changed:
            return self._failure

    def _hand_in(self, key: Key, packed: Packed | None) -> None:
        self._confirmed[key[0]].pop(key, None)
        if len(self._pending) + self._writing >= self._pending_max and key not in self._pending:
            self._refused += 1  # `status` tells; the failure behind it has raised an alarm
            return
        if not self._pending:
            self._changed.notify_all()  # later ones find the writer awake
        self._pending[key] = packed
        self._handed_in += 1

    # What follows runs in the writer thread; `_open`, `_read`, `_abandon_file` and `_notice` before its start too.

    def _read(self) -> Iterator[store_file.Row]:
        skipped = store_file.Skipped()
        try:
            yield from store_file.read_known(self._connection or self._open(), skipped)
        except sqlite_file.ERRORS as error:  # passed the check and breaks all the same; what was read is good
            self._abandon_file(str(error))
        if skipped.count:
            rows = "; ".join(skipped.told)
            self._notice("store.rows_skipped", f"{self.path}: {skipped.count} unreadable rows: {rows}")

    def _run(self) -> None:
        try:
            while self._write_round():
                self._compact()
        except Exception as error:
            self._tell_failure(f"the writer has stopped: {error!r}")
            raise
        finally:
            if self._connection is not None:
                self._connection.close()

    def _write_round(self) -> bool:
        """Wait for work, gather more of it, write it; say whether another round is to come."""
        with self._changed:
            if not self._has_work():
                self._changed.wait(self._pause_s(time.monotonic()))
            self._changed.wait_for(lambda: self._hurry or self._closing, FLUSH_PERIOD_S)
            if self._file_was_lost:
                self._file_was_lost = False
                self._pending = {**self._remembered(), **self._pending}
            number, switch, self._switch = len(self._pending), self._switch, None
            goal, self._hurry, last = self._handed_in, False, self._closing
        written = self._write_all(number) and (switch is None or self._write([], switch))
        if not written:
            return False
        with self._changed:
            self._settled = goal
            self._changed.notify_all()
        return self._write_confirmed(everything=last) and not last

    def _has_work(self) -> bool:
        return bool(self._pending) or self._switch is not None or self._closing or self._file_was_lost

    def _pause_s(self, now_s: float) -> float | None:
        """Return how long until there is something to do of itself, None when there is not."""
        self._are_confirmed = any(self._confirmed)
        if self._may_compact:
            return 0.0
        return max(0.0, self._next_share_at_s - now_s) if self._are_confirmed else None

    def _write_all(self, number: int) -> bool:
        """Write the `number` questions that wait longest, each in its newest state; say whether they are."""
        while number:
            with self._changed:
                batch = list(_batch(islice(self._pending.items(), number)))
                for key, _ in batch:
                    del self._pending[key]
                self._writing = len(batch)
            if not self._write(batch, None):
                return False
            with self._changed:
                self._writing = 0
            number -= len(batch)
        return True

    def _write_confirmed(self, *, everything: bool) -> bool:
        """Write the shares of the confirmations whose time has come, or everything; say whether that is done."""
        late_s = time.monotonic() - self._next_share_at_s
        number = SHARES if everything else min(1 + math.floor(late_s / self._share_period_s), SHARES)
        if number <= 0:
            return True
        shares = [(self._next_share + n) % SHARES for n in range(number)]
        self._next_share = (self._next_share + number) % SHARES
        self._next_share_at_s += max(late_s, 0.0) + self._share_period_s
        taken = []
        with self._changed:
            for share in shares:
                taken.append(self._confirmed[share])
                self._confirmed[share] = {}
        rest = chain.from_iterable(confirmed.items() for confirmed in taken)
        while batch := list(_batch(rest)):
            if not self._write(batch, None):
                return False
        return True

    def _compact(self) -> None:
        """Give a little of the file back to the system, where much of it is free and there is nothing else to do."""
        with self._changed:
            busy = self._has_work()
        if busy or self._connection is None or not self._may_compact:
            return
        try:
            store_file.prepare(self._connection)
            self._may_compact = store_file.compact(self._connection)
        except sqlite_file.ERRORS:  # not worth an alarm: what cannot be written raises one
            self._may_compact = False

    def _write(self, batch: list[store_file.Change], switch: bool | None) -> bool:
        """Write one batch, again and again until it is done; False when the store was closed before that."""
        pause_s = RETRY_MIN_S
        while not self._try_to_write(batch, switch):
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, pause_s):
                    return self._try_to_write(batch, switch)
            pause_s = min(2 * pause_s, RETRY_MAX_S)
        return True

    def _try_to_write(self, batch: list[store_file.Change], switch: bool | None) -> bool:
        try:
            connection = self._connection or self._open()
            store_file.prepare(connection)
            store_file.write(connection, batch, switch)
        except (*sqlite_file.ERRORS, StoreError) as error:
            self._tell_failure(str(error))
            if sqlite_file.is_damage(error):
                with suppress(StoreError):  # told already; opening it again, at the next try, will find it broken
                    self._abandon_file(str(error))
            return False
        self._tell_failure(None)
        self._may_compact = True
        return True

    def _open(self) -> sqlite3.Connection:
        self._connection, aside = store_file.open_file(self.path)
        if aside:
            self._notice("store.set_aside", str(aside))
        return self._connection

    def _abandon_file(self, reason: str) -> None:
        """Set a file aside that broke while in use. What the memory holds fills the new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._file_was_lost = True
        self._notice("store.set_aside", str(store_file.set_aside(self.path, f"is damaged ({reason})")))

    def _notice(self, event: str, text: str) -> None:
        with self._changed:
            self._notices.append(text)
        self._alarm(Alarm(event=event, fields={"detail": text}))

    def _tell_failure(self, failure: str | None) -> None:
        with self._changed:
            before, self._failure = self._failure, failure
        if failure is not None and before is None:
            fields: dict[str, JsonValue] = {"file": str(self.path), "detail": failure, "next": _NEXT_STEP}
            self._alarm(Alarm(event="store.write_failed", fields=fields))
        elif failure is None and before is not None:
            self._alarm(Alarm(event="store.write_recovered", fields={"file": str(self.path)}))


def _batch(changes: Iterable[store_file.Change]) -> Iterator[store_file.Change]:
    """Yield of `changes` what goes into one transaction."""
    octets = 0
    for number, (key, packed) in enumerate(changes, start=1):
        yield key, packed
        octets += len(key) + len(packed or b"")
        if number >= BATCH_MAX or octets >= BATCH_OCTETS_MAX:
            return


_NEXT_STEP = (
    "Names are held from memory all the same, and written as soon as that works. "
    "Free space on the disk, or see that this user may write there."
)
