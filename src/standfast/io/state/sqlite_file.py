"""An SQLite file of ours: how it is opened, looked at and written, whatever it holds. One thread at a time.

`locking_mode=EXCLUSIVE` keeps the index of the WAL in memory: without a mapped file, a full disk cannot end the process
by SIGBUS.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from standfast.io.state.state_dir import PRIVATE_FILE_MODE, StoreError

PAGE_MIN = 512  # octets; the smallest page and so the smallest file (https://www.sqlite.org/fileformat.html)
BUSY_TIMEOUT_S = 2.0  # somebody has the file open with the sqlite3 shell

ERRORS = (sqlite3.Error, UnicodeDecodeError)  # the second: of an error whose own text quotes damaged octets


def connect(path: Path) -> sqlite3.Connection:
    """Open the file at `path`, made if need be; texts come as octets.

    Raises:
        OSError, sqlite3.Error: it cannot be opened.
    """
    # SQLite would make it with the mode that the umask leaves.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE_MODE))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S)
    connection.text_factory = bytes  # so that one broken text spoils its row, not the reading of all
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    return connection


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


def is_damage(error: Exception) -> bool:
    """Say whether `error` means that the file itself is broken, rather than the disk or its permissions."""
    if isinstance(error, UnicodeDecodeError):
        return True
    # The primary code is the low octet (https://www.sqlite.org/rescode.html).
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def unusable(path: Path, error: Exception) -> StoreError:
    """Return the error that says that the system does not let us use the file."""
    return StoreError(path, f"cannot be used: {error}", "See that this user may write it and the disk works.")
