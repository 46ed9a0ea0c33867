"""The SQLite file of known-good answers: how it is opened, read and written. One thread at a time; no policy.

A file that is damaged, foreign or newer is set aside under another name, never deleted.

WAL with `synchronous=NORMAL`: a commit is in the kernel's hands when it returns, so `kill -9` loses nothing
that was committed. Only the checkpoint waits for the disk, so a loss of power can take the last batches, and
never leaves a damaged file (https://www.sqlite.org/pragma.html#pragma_synchronous). `locking_mode=EXCLUSIVE`
keeps the index of the WAL in memory: without a mapped file, a full disk cannot end the process by SIGBUS.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standfast.dns.model import Question
from standfast.dns.packed import pack_rrsets, unpack_rrsets
from standfast.errors import StandfastError
from standfast.guard.known import Answer, Baseline, KnownGood
from standfast.io.state_dir import PRIVATE_FILE_MODE, StoreError

FILE_NAME = "known-good.sqlite"
APPLICATION_ID = 0x53744661  # "StFa"
FORMAT_VERSION = 1  # raised with every change of the tables; an older program sets a newer file aside

SET_ASIDE_MAX = 1_000  # files; more than that is a machine that breaks every file, and an operator must look
SKIPPED_TOLD_MAX = 10  # rows told one by one; the rest is only counted
_PAGE_MIN = 512  # octets; the smallest page and so the smallest file (https://www.sqlite.org/fileformat.html)
_BUSY_TIMEOUT_S = 2.0  # somebody has the file open with the sqlite3 shell

_COLUMNS = (
    "qname, qtype, answer, ad, first_seen_s, confirmed_at_s, changed_at_s, confirmations, seen, "
    "baseline_asked_at_s, baseline_proven_at_s, zone, released_at_s, lost_at_s, proven_at_s, "
    "operator_hold_until_s"
)
_SCHEMA = (
    """
CREATE TABLE known_good (
  qname TEXT NOT NULL, qtype INTEGER NOT NULL,
  answer BLOB NOT NULL, ad INTEGER NOT NULL,
  first_seen_s REAL NOT NULL, confirmed_at_s REAL NOT NULL, changed_at_s REAL NOT NULL,
  confirmations INTEGER NOT NULL,
  seen TEXT NOT NULL,  -- addresses, newest last, with a blank between
  baseline_asked_at_s REAL, baseline_proven_at_s REAL, zone TEXT,
  released_at_s REAL, lost_at_s REAL, proven_at_s REAL, operator_hold_until_s REAL,
  PRIMARY KEY (qname, qtype)
) STRICT, WITHOUT ROWID""",
    "CREATE TABLE switch (id INTEGER PRIMARY KEY CHECK (id = 1), enabled INTEGER NOT NULL) STRICT",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT_VERSION}",
)
_READ = f"SELECT {_COLUMNS} FROM known_good"  # noqa: S608  every part is a constant of this file
_WRITE = f"INSERT OR REPLACE INTO known_good ({_COLUMNS}) VALUES ({', '.join('?' * 16)})"  # noqa: S608
_DROP = "DELETE FROM known_good WHERE qname = ? AND qtype = ?"
_SWITCH = "INSERT OR REPLACE INTO switch (id, enabled) VALUES (1, ?)"

ERRORS = (sqlite3.Error, UnicodeDecodeError)  # the second: of an error whose own text quotes a damaged name

Change = tuple[Question, KnownGood | None]  # None: forget it


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A file that could not be used: what was wrong with it, and where it lies now."""

    path: Path
    moved_to: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} {self.reason}; it was set aside as {self.moved_to} and a new file begun"


class Skipped:
    """Rows that could not be read: how many, and the first few in words."""

    def __init__(self) -> None:
        self.count = 0
        self.told: list[str] = []

    def add(self, row: tuple[object, ...], error: Exception) -> None:
        """Count one row."""
        self.count += 1
        if len(self.told) < SKIPPED_TOLD_MAX:
            self.told.append(f"{row[0]!r} {row[1]!r}: {error}")


def open_file(path: Path) -> tuple[sqlite3.Connection, SetAside | None]:
    """Open the state file at `path`, setting aside one that cannot be used.

    Returns the connection, to be given to `prepare` before the first write, and what was set aside.

    Raises:
        StoreError: neither the file nor a new one can be opened (permissions, a failing disk).
    """
    try:
        connection = _connect(path)
        fault = _fault(path, connection)
        if fault is None:
            return connection, None
        connection.close()
        aside = set_aside(path, fault)
        return _connect(path), aside
    except (OSError, *ERRORS) as error:
        raise _unusable(path, error) from error


def prepare(connection: sqlite3.Connection) -> None:
    """Make a new file ready to be written; does nothing to one that is.

    Raises:
        sqlite3.Error: the disk is full or cannot be written.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    if not _has_tables(connection):
        with _transaction(connection):
            for statement in _SCHEMA:
                connection.execute(statement)


def read_known(connection: sqlite3.Connection, skipped: Skipped) -> Iterator[KnownGood]:
    """Yield every known-good answer; a row that cannot be read is added to `skipped` and passed over."""
    if not _has_tables(connection):
        return
    for row in connection.execute(_READ):
        try:
            yield _from_row(row)
        except (ValueError, TypeError, StandfastError) as error:
            skipped.add(row, error)


def read_switch(connection: sqlite3.Connection) -> bool:
    """Say whether the guard was on when last told; on where nothing was ever told."""
    if not _has_tables(connection):
        return True
    row = connection.execute("SELECT enabled FROM switch").fetchone()
    return row is None or bool(row[0])


def write(connection: sqlite3.Connection, changes: Iterable[Change], switch: bool | None) -> None:
    """Write `changes` and the on/off `switch` (None: as it is) in one transaction.

    Raises:
        sqlite3.Error: nothing was written.
    """
    kept, dropped = [], []
    for question, known in changes:
        if known is None:
            dropped.append((question.qname, question.qtype))
        else:
            kept.append(_to_row(known))
    with _transaction(connection):
        connection.executemany(_DROP, dropped)
        connection.executemany(_WRITE, kept)
        if switch is not None:
            connection.execute(_SWITCH, (switch,))


def set_aside(path: Path, reason: str) -> SetAside:
    """Move the file at `path`, and its WAL, to the first free `.set-aside-<n>`.

    Raises:
        StoreError: it cannot be moved, or there are `SET_ASIDE_MAX` already.
    """
    for n in range(1, SET_ASIDE_MAX + 1):
        target = path.with_name(f"{path.name}.set-aside-{n}")
        if target.exists():
            continue
        try:
            for suffix in ("", "-wal", "-shm", "-journal"):  # SQLite finds them again beside the new name
                source = Path(f"{path}{suffix}")
                if source.exists():
                    source.rename(f"{target}{suffix}")
        except OSError as error:
            raise _unusable(path, error) from error
        return SetAside(path=path, moved_to=target, reason=reason)
    raise StoreError(path, f"{reason}, and {SET_ASIDE_MAX} files lie set aside", "Move them elsewhere.")


def _fault(path: Path, connection: sqlite3.Connection) -> str | None:
    """Return what makes the file unusable, in words, or None."""
    if 0 < path.stat().st_size < _PAGE_MIN:
        return "is half-written"  # SQLite would take some of these for new and write over them
    try:
        if not _has_tables(connection):
            return None  # new, or its making was cut short: nothing was in it yet
        application, version, finding = (
            connection.execute(f"PRAGMA {pragma}").fetchone()[0]
            for pragma in ("application_id", "user_version", "quick_check(1)")
        )
        if application == APPLICATION_ID and version == FORMAT_VERSION:
            connection.execute(f"{_READ} LIMIT 0")
            read_switch(connection)
    except ERRORS as error:
        no_such_column = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        if is_damage(error) or no_such_column:
            return f"is damaged or no SQLite file ({error})"
        raise
    if application != APPLICATION_ID:
        return f"belongs to another program (application id {application:#x})"
    if version != FORMAT_VERSION:
        return f"has format {version}, this program reads format {FORMAT_VERSION}"
    return None if finding == b"ok" else f"is damaged ({finding.decode(errors='replace')})"


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back after some errors, a full disk among them
            connection.execute("ROLLBACK")
        raise


def is_damage(error: Exception) -> bool:
    """Say whether `error` means that the file itself is broken, rather than the disk or its permissions."""
    if isinstance(error, UnicodeDecodeError):
        return True
    # The primary code is the low octet (https://www.sqlite.org/rescode.html).
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _connect(path: Path) -> sqlite3.Connection:
    # SQLite would make it with the mode that the umask leaves.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE_MODE))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S)
    connection.text_factory = bytes  # so that one broken text spoils its row, not the reading of all
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    return connection


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None


def _unusable(path: Path, error: Exception) -> StoreError:
    return StoreError(path, f"cannot be used: {error}", "See that this user may write it and the disk works.")


def _to_row(known: KnownGood) -> tuple[object, ...]:
    baseline = known.baseline
    return (
        known.question.qname,
        known.question.qtype,
        pack_rrsets(known.answer.rrsets),
        known.answer.ad,
        known.first_seen_s,
        known.confirmed_at_s,
        known.changed_at_s,
        known.confirmations,
        " ".join(known.seen),
        baseline and baseline.asked_at_s,
        baseline and baseline.proven_at_s,
        known.zone,
        known.released_at_s,
        known.lost_at_s,
        known.proven_at_s,
        known.operator_hold_until_s,
    )


def _from_row(row: tuple[Any, ...]) -> KnownGood:
    """Return the answer in `row`; raises what `read_known` catches for one that is not whole."""
    (qname, qtype, answer, ad, first, confirmed, changed, confirmations, seen, *rest) = row
    asked, proven, zone, released, lost, proven_at, hold_until = rest
    name = qname.decode("ascii")
    rrsets = unpack_rrsets(answer)
    if not any(rrset.owner == name for rrset in rrsets):  # the checksum guards the answer, this the name
        raise ValueError("the answer is to another name")
    return KnownGood(
        question=Question(name, qtype),
        answer=Answer(rrsets=rrsets, ad=bool(ad)),
        first_seen_s=first,
        confirmed_at_s=confirmed,
        changed_at_s=changed,
        confirmations=confirmations,
        seen=tuple(seen.decode("ascii").split()),
        baseline=None if asked is None else Baseline(asked_at_s=asked, proven_at_s=proven),
        zone=zone and zone.decode("ascii"),
        released_at_s=released,
        lost_at_s=lost,
        proven_at_s=proven_at,
        operator_hold_until_s=hold_until,
    )
