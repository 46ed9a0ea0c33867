"""Keeps known-good answers on the disk: a writer thread, so that no client ever waits for it.

What is handed in waits in memory, the newest state of each question only, and is written a few times a
second, many in one transaction. A changed state (a new answer, a loss, a release) goes with the next one. The
mere confirmation of an unchanged answer is written at most twice in `CONFIRMATION_PERIOD_S`: it moves a time
stamp, and a crash may lose that much of it. While the disk is full or read-only everything waits, is tried
again, and then lands.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from standfast.dns.model import Question
from standfast.guard.events import Alarm, JsonValue
from standfast.guard.known import KnownGood
from standfast.io import store_file
from standfast.io.state_dir import StoreError

FLUSH_PERIOD_S = 0.2  # what a crash may lose of changed states; long enough to gather many in one transaction
CONFIRMATION_PERIOD_S = 60.0
BATCH_MAX = 5_000  # changes a transaction, so that one takes tens of milliseconds
PENDING_MAX = 1_000_000  # questions that wait; what waits mostly refers to what the core holds in memory anyway
RETRY_MIN_S = 0.5
RETRY_MAX_S = 30.0
CLOSE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the disk remembered. `notices` say in words what could not be used."""

    known: list[KnownGood]
    enabled: bool
    notices: tuple[str, ...]


class Store:
    """The known-good answers and the on/off switch on the disk.

    `load` once, then `start`; from then on `remember`, `forget` and `switch` never block. `alarm` is told of
    trouble and of its end, mostly from the writer thread. At most `pending_max` questions wait while nothing
    can be written.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        alarm: Callable[[Alarm], None],
        pending_max: int = PENDING_MAX,
        confirmation_period_s: float = CONFIRMATION_PERIOD_S,
    ) -> None:
        self.path = state_dir / store_file.FILE_NAME
        self._alarm = alarm
        self._pending_max = pending_max
        self._sieve = _Sieve(confirmation_period_s)
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="known-good-writer", daemon=True)

        self._changed = threading.Condition()  # guards what follows
        self._pending: dict[Question, KnownGood | None] = {}
        self._switch: bool | None = None
        self._handed_in = 0
        self._settled = 0  # of those handed in: committed, or held back as mere confirmations
        self._writing = 0
        self._hurry = False
        self._closing = False
        self._failure: str | None = None
        self._refused = 0
        self._notices: list[str] = []

    def load(self) -> Loaded:
        """Open the state file and return what it holds.

        Raises:
            StoreError: it cannot be opened at all.
        """
        connection = self._open()
        enabled = True
        known: list[KnownGood] = []
        skipped = store_file.Skipped()
        try:
            enabled = store_file.read_switch(connection)
            known.extend(store_file.read_known(connection, skipped))
        except store_file.ERRORS as error:  # passed the check and breaks all the same; what was read is good
            self._abandon_file(str(error))
        if skipped.count:
            rows = "; ".join(skipped.told)
            self._notice("store.rows_skipped", f"{self.path}: {skipped.count} unreadable rows: {rows}")
        return Loaded(known=known, enabled=enabled, notices=tuple(self._notices))

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def remember(self, known: KnownGood) -> None:
        """Have `known` written, in place of what is there for its question."""
        self._hand_in(known.question, known)

    def forget(self, question: Question) -> None:
        """Have what is there for `question` deleted."""
        self._hand_in(question, None)

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

    def _hand_in(self, question: Question, known: KnownGood | None) -> None:
        with self._changed:
            if len(self._pending) + self._writing >= self._pending_max and question not in self._pending:
                self._refused += 1  # `status` tells; the failure behind it has raised an alarm
                return
            if not self._pending:
                self._changed.notify_all()  # later ones find the writer awake
            self._pending[question] = known
            self._handed_in += 1

    # What follows runs in the writer thread; `_open` and `_notice` in `load` too.

    def _run(self) -> None:
        try:
            while self._write_round():
                pass
        except Exception as error:
            self._tell_failure(f"the writer has stopped: {error!r}")
            raise
        finally:
            if self._connection is not None:
                self._connection.close()

    def _write_round(self) -> bool:
        """Wait for work, gather more of it, write it; say whether another round is to come."""
        with self._changed:
            self._changed.wait_for(self._has_work, self._sieve.pause_s(time.monotonic()))
            self._changed.wait_for(lambda: self._hurry or self._closing, FLUSH_PERIOD_S)
            taken, self._pending = self._pending, {}
            switch, self._switch = self._switch, None
            goal, self._hurry, last = self._handed_in, False, self._closing
            self._writing = len(taken)
        due = self._sieve.sift(taken, time.monotonic(), everything=last)
        if not self._write_all(due, switch):
            return False
        with self._changed:
            self._writing = 0
            self._settled = goal
            self._changed.notify_all()
        return not last

    def _has_work(self) -> bool:
        return bool(self._pending) or self._switch is not None or self._closing

    def _write_all(self, due: dict[Question, KnownGood | None], switch: bool | None) -> bool:
        rest = iter(due.items())
        while batch := list(islice(rest, BATCH_MAX)):
            if not self._write(batch, None):
                return False
        return switch is None or self._write([], switch)

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
        except (*store_file.ERRORS, StoreError) as error:
            self._tell_failure(str(error))
            if store_file.is_damage(error):
                with suppress(StoreError):  # told already; opening it again, at the next try, will find it broken
                    self._abandon_file(str(error))
            return False
        self._tell_failure(None)
        return True

    def _open(self) -> sqlite3.Connection:
        self._connection, aside = store_file.open_file(self.path)
        if aside:
            self._notice("store.set_aside", str(aside))
        return self._connection

    def _abandon_file(self, reason: str) -> None:
        """Set a file aside that broke while in use. What is confirmed from now on fills the new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._sieve.forget()
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


class _Sieve:
    """Holds back the mere confirmation of what was written in the present period already."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._ends_s = 0.0
        self._held: dict[Question, KnownGood | None] = {}
        self._written: dict[Question, int] = {}  # in this period, as a hash: answers would be dear to keep

    def sift(
        self, changes: dict[Question, KnownGood | None], now_s: float, *, everything: bool
    ) -> dict[Question, KnownGood | None]:
        """Return what of `changes`, and of what was held back before, is to be written now."""
        due: dict[Question, KnownGood | None] = {}
        if everything or now_s >= self._ends_s:
            due, self._held, self._written, self._ends_s = self._held, {}, {}, now_s + self._period_s
        for question, known in changes.items():
            mark = hash(_lasting(known))
            if known is not None and not everything and self._written.get(question) == mark:
                self._held[question] = known
            else:
                self._held.pop(question, None)
                self._written[question] = mark
                due[question] = known
        return due

    def pause_s(self, now_s: float) -> float | None:
        """Return how long until something held back is due, None when nothing is."""
        return max(0.0, self._ends_s - now_s) if self._held else None

    def forget(self) -> None:
        """Take nothing for written any more."""
        self._written.clear()


def _lasting(known: KnownGood | None) -> Hashable:
    """Return what of `known` must not wait: everything but times and counts that move with each confirmation.

    An answer is the same with other TTLs or in another order; caches and servers change those all the time.
    """
    if known is None:
        return None
    baseline = known.baseline
    return (
        frozenset((rrset.owner, rrset.rtype, frozenset(rrset.rdatas)) for rrset in known.answer.rrsets),
        known.answer.ad,
        known.first_seen_s,
        known.changed_at_s,
        frozenset(known.seen),
        baseline is None,
        baseline is None or baseline.proven_at_s is None,
        known.zone,
        known.released_at_s,
        known.lost_at_s,
        known.proven_at_s is None,
        known.operator_hold_until_s,
    )


_NEXT_STEP = (
    "Names are held from memory all the same, and written as soon as that works. "
    "Free space on the disk, or see that this user may write there."
)
