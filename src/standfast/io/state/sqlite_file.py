"""An SQLite file of ours: how it is opened, looked at and written, whatever it holds. One thread at a time.

`locking_mode=EXCLUSIVE` keeps the index of the WAL in memory: without a mapped file, a full disk cannot end the process
by SIGBUS. Where several processes share a file the index is mapped, and SQLite itself sees to it that it has its room.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from standfast.io.state.state_dir import PRIVATE_FILE_MODE, StoreError

PAGE_MIN = 512  # octets; the smallest page and so the smallest file (https://www.sqlite.org/fileformat.html)
BUSY_TIMEOUT_S = 2.0  # somebody has the file open with the sqlite3 shell
SHARED_BUSY_TIMEOUT_S = 20.0  # another process of ours writes half a million records, on a slow disk
WAL_MAX = 4 << 20  # octets that are kept of the WAL once its content is in the file

ERRORS = (sqlite3.Error, UnicodeDecodeError)  # the second: of an error whose own text quotes damaged octets


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What tells a file of one use from all others: the program it is of, the version of its tables, and they."""

    application_id: int
    version: int
    schema: Sequence[str]


def connect(path: Path, *, shared: bool = False) -> sqlite3.Connection:
    """Open the file at `path`, made if need be; texts come as octets. `shared`: other processes have it open too.

    Raises:
        OSError, sqlite3.Error: it cannot be opened.
    """
    # SQLite would make it with the mode that the umask leaves.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE_MODE))
    timeout_s = SHARED_BUSY_TIMEOUT_S if shared else BUSY_TIMEOUT_S
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=timeout_s)
    connection.text_factory = bytes  # so that one broken text spoils its row, not the reading of all
    if not shared:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    return connection


def make_ready(path: Path, connection: sqlite3.Connection, form: Format) -> str | None:
    """Look whether the file is one of this format and whole, made if it is new; return what is wrong with it.

    From then on a commit waits for the disk.

    Raises:
        OSError, sqlite3.Error: it cannot be read or written.
    """
    if 0 < path.stat().st_size < PAGE_MIN:
        return "is half-written"
    if has_tables(connection) and (fault := _fault(connection, form)):
        return fault
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA journal_size_limit={WAL_MAX}")
    if not has_tables(connection):
        with transaction(connection):
            if not has_tables(connection):  # another process may have been faster
                stamps = (f"PRAGMA application_id = {form.application_id}", f"PRAGMA user_version = {form.version}")
                for statement in (*form.schema, *stamps):
                    connection.execute(statement)
    return None


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Have all that is done within written, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back after some errors, a full disk among them
            connection.execute("ROLLBACK")
        raise


def has_tables(connection: sqlite3.Connection) -> bool:
    """Say whether anything was made in the file yet."""
    return connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return a setting of the file that is a number."""
    (number,) = connection.execute(f"PRAGMA {name}").fetchone()
    assert isinstance(number, int)
    return number


def _fault(connection: sqlite3.Connection, form: Format) -> str | None:
    application, version = (pragma(connection, each) for each in ("application_id", "user_version"))
    if application != form.application_id:
        return f"belongs to another program (application id {application:#x})"
    if version != form.version:
        return f"has format {version}, this program reads format {form.version}"
    (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if finding == b"ok" else f"is damaged ({finding.decode(errors='replace')})"


def is_damage(error: Exception) -> bool:
    """Say whether `error` means that the file itself is broken, rather than the disk or its permissions."""
    if isinstance(error, UnicodeDecodeError):
        return True
    # The primary code is the low octet (https://www.sqlite.org/rescode.html).
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def unusable(path: Path, error: Exception) -> StoreError:
    """Return the error that says that the system does not let us use the file."""
    return StoreError(path, f"cannot be used: {error}", "See that this user may write it and the disk works.")
