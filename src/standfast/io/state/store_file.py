"""The SQLite file of known-good answers: how it is opened, read and written. One thread at a time; no policy.

A file that is damaged, foreign or newer is set aside under another name, never deleted.

WAL with `synchronous=NORMAL`: a commit is in the kernel's hands when it returns, so `kill -9` loses nothing
that was committed. Only the checkpoint waits for the disk, so a loss of power can take the last batches, and
never leaves a damaged file (https://www.sqlite.org/pragma.html#pragma_synchronous).

A row is what `guard.packed` makes of an answer, as the memory holds it. Pages that became free are given back in small
steps (`auto_vacuum=INCREMENTAL`, https://www.sqlite.org/pragma.html#pragma_auto_vacuum).
"""

import sqlite3
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from standfast.errors import StandfastError
from standfast.guard.packed import Key, Packed, is_whole, key_of, pack
from standfast.io.state import store_format_1
from standfast.io.state.sqlite_file import (
    ERRORS,
    PAGE_MIN,
    connect,
    has_tables,
    is_damage,
    pragma,
    transaction,
    unusable,
)
from standfast.io.state.state_dir import StoreError

FILE_NAME = "known-good.sqlite"
SURVEYED_FILE_NAME = "name-servers.sqlite"  # of what is for the map alone, in the same form
APPLICATION_ID = 0x53744661  # "StFa"
FORMAT_VERSION = 2  # raised with every change of the tables; an older program sets a newer file aside

SET_ASIDE_MAX = 1_000  # files; more than that is a machine that breaks every file, and an operator must look
SKIPPED_TOLD_MAX = 10  # rows told one by one; the rest is only counted

WAL_MAX = 4 << 20  # octets that are kept of the WAL once its content is in the file; a transaction may take more
FREE_SHARE = 0.2  # of the file's pages that may be free; names come and go
FREE_PAGES_MIN = 1024  # 4 MiB, not worth the writing
COMPACT_STEP_PAGES = 256  # 1 MiB, so that a step takes milliseconds
_INCREMENTAL = 2  # the mode of `auto_vacuum`, as a number

_TABLE = "CREATE TABLE known_good (key BLOB PRIMARY KEY, packed BLOB NOT NULL) STRICT, WITHOUT ROWID"
_VERSION = f"PRAGMA user_version = {FORMAT_VERSION}"
_SCHEMA = (
    _TABLE,
    "CREATE TABLE switch (id INTEGER PRIMARY KEY CHECK (id = 1), enabled INTEGER NOT NULL) STRICT",
    f"PRAGMA application_id = {APPLICATION_ID}",
    _VERSION,
)
_READ = "SELECT key, packed FROM known_good"
_WRITE = "INSERT INTO known_good (key, packed) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET packed = excluded.packed"
_DROP = "DELETE FROM known_good WHERE key = ?"
_SWITCH = "INSERT OR REPLACE INTO switch (id, enabled) VALUES (1, ?)"

Row = tuple[Key, Packed]
Change = tuple[Key, Packed | None]  # None: forget it


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

    def add(self, key: object, reason: object) -> None:
        """Count one row."""
        self.count += 1
        if len(self.told) < SKIPPED_TOLD_MAX:
            self.told.append(f"{key!r}: {reason}")


def open_file(path: Path) -> tuple[sqlite3.Connection, SetAside | None]:
    """Open the state file at `path`, setting aside one that cannot be used.

    Returns the connection, to be given to `prepare` before the first write, and what was set aside.

    Raises:
        StoreError: neither the file nor a new one can be opened (permissions, a failing disk).
    """
    try:
        connection = connect(path)
        fault = _fault(path, connection)
        if fault is None:
            return connection, None
        connection.close()
        aside = set_aside(path, fault)
        return connect(path), aside
    except (OSError, *ERRORS) as error:
        raise unusable(path, error) from error


def prepare(connection: sqlite3.Connection) -> None:
    """Make a new file, or one of format 1, ready to be written; does nothing to one that is.

    Raises:
        sqlite3.Error: the disk is full or cannot be written.
    """
    if not has_tables(connection):
        connection.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")  # counts only before the first table
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA journal_size_limit={WAL_MAX}")
    if not has_tables(connection):
        with transaction(connection):
            for statement in _SCHEMA:
                connection.execute(statement)
    elif pragma(connection, "user_version") == 1:
        _carry_over(connection)


def read_known(connection: sqlite3.Connection, skipped: Skipped) -> Iterator[Row]:
    """Yield every answer, packed; a row that is not whole is added to `skipped` and passed over."""
    if not has_tables(connection):
        return
    if pragma(connection, "user_version") == 1:
        yield from _read_format_1(store_format_1.rows(connection, "known_good"), skipped)
        return
    for key, packed in connection.execute(_READ):
        try:
            whole = is_whole(key, packed)
        except TypeError:  # damaged so that it seems to be a number
            whole = False
        if whole:
            yield key, packed
        else:
            skipped.add(key, "the checksum is wrong")


def read_switch(connection: sqlite3.Connection) -> bool:
    """Say whether the guard was on when last told; on where nothing was ever told."""
    if not has_tables(connection):
        return True
    row = connection.execute("SELECT enabled FROM switch").fetchone()
    return row is None or bool(row[0])


def write(connection: sqlite3.Connection, changes: Iterable[Change], switch: bool | None) -> None:
    """Write `changes` and the on/off `switch` (None: as it is) in one transaction.

    Raises:
        sqlite3.Error: nothing was written.
    """
    kept, dropped = list[Row](), list[tuple[Key]]()
    for key, packed in sorted(changes):  # neighbours share pages
        if packed is None:
            dropped.append((key,))
        else:
            kept.append((key, packed))
    with transaction(connection):
        connection.executemany(_DROP, dropped)
        connection.executemany(_WRITE, kept)
        if switch is not None:
            connection.execute(_SWITCH, (switch,))


def compact(connection: sqlite3.Connection) -> bool:
    """Give some of the free pages back, where there are many; say whether more are to be given back.

    Raises:
        sqlite3.Error: the disk is full or cannot be written; nothing has changed.
    """
    if pragma(connection, "auto_vacuum") != _INCREMENTAL:  # once, for a file that was carried over
        connection.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
        connection.execute("VACUUM")
        return False
    if not _has_many_free(connection):
        return False
    # A row without columns comes for each page, of which `execute` would take the first alone.
    connection.executescript(f"PRAGMA incremental_vacuum({COMPACT_STEP_PAGES})")
    if _has_many_free(connection):
        return True
    connection.execute("PRAGMA wal_checkpoint").fetchall()  # only this makes the file shorter
    return False


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
            raise unusable(path, error) from error
        return SetAside(path=path, moved_to=target, reason=reason)
    raise StoreError(path, f"{reason}, and {SET_ASIDE_MAX} files lie set aside", "Move them elsewhere.")


def _fault(path: Path, connection: sqlite3.Connection) -> str | None:
    """Return what makes the file unusable, in words, or None."""
    if 0 < path.stat().st_size < PAGE_MIN:
        return "is half-written"  # SQLite would take some of these for new and write over them
    try:
        if not has_tables(connection):
            return None  # new, or its making was cut short: nothing was in it yet
        application, version = pragma(connection, "application_id"), pragma(connection, "user_version")
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if application == APPLICATION_ID and version in (1, FORMAT_VERSION):
            if version == 1:
                store_format_1.rows(connection, "known_good")
            else:
                connection.execute(f"{_READ} LIMIT 0")
            read_switch(connection)
    except ERRORS as error:
        no_such_column = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        if is_damage(error) or no_such_column:
            return f"is damaged or no SQLite file ({error})"
        raise
    if application != APPLICATION_ID:
        return f"belongs to another program (application id {application:#x})"
    if version not in (1, FORMAT_VERSION):
        return f"has format {version}, this program reads format {FORMAT_VERSION}"
    return None if finding == b"ok" else f"is damaged ({finding.decode(errors='replace')})"


def _has_many_free(connection: sqlite3.Connection) -> bool:
    free_max = max(FREE_PAGES_MIN, FREE_SHARE * pragma(connection, "page_count"))
    return pragma(connection, "freelist_count") > free_max


def _carry_over(connection: sqlite3.Connection) -> None:
    """Bring a file of format 1 into the present one, all of it or nothing. What is unreadable was told at the start."""
    with transaction(connection):
        connection.execute("ALTER TABLE known_good RENAME TO known_good_1")
        connection.execute(_TABLE)
        found = store_format_1.rows(connection, "known_good_1", in_key_order=True)
        connection.executemany(_WRITE, _read_format_1(found, Skipped()))
        connection.execute("DROP TABLE known_good_1")
        connection.execute(_VERSION)


def _read_format_1(rows: Iterable[store_format_1.Row], skipped: Skipped) -> Iterator[Row]:
    for row in rows:
        try:
            known = store_format_1.known_in(row)
            carried = key_of(known.question), pack(known)
        except (ValueError, TypeError, AttributeError, struct.error, StandfastError) as error:
            skipped.add(row[:2], error)
        else:
            yield carried
