"""The directory that a running guard owns: private, and held by one process at a time.

What lies in it: the lock, `known-good.sqlite`, the ledger and the control socket.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from standfast.errors import StandfastError

LOCK_FILE = "lock"
PRIVATE_DIR_MODE = 0o700
PRIVATE_FILE_MODE = 0o600

_PID_OCTETS_MAX = 32  # what is read of the lock file; a process id has at most 7 digits on Linux
_OTHERS_MAY_WRITE = 0o002


class StoreError(StandfastError):
    """A state directory or state file cannot be used. Fields: `path`, `reason`, `next_step`."""

    def __init__(self, path: Path, reason: str, next_step: str) -> None:
        super().__init__(f"{path}: {reason}. {next_step}")
        self.path = path
        self.reason = reason
        self.next_step = next_step


@contextmanager
def claim(path: Path) -> Iterator[Path]:
    """Make the state directory `path` if need be and hold it until the context ends.

    The lock is the kernel's (`flock`), so it ends with the process however that ends; the process id in the
    lock file is for people.

    Raises:
        StoreError: another process holds it, it cannot be made or written, or everybody may write to it.
    """
    make_private(path)
    lock = _open_lock(path)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(path, f"is in use by {_holder(lock)}", _STOP_THE_OTHER) from None
        _write_holder(lock)
        yield path
    finally:
        os.close(lock)


def make_private(path: Path) -> None:
    """Make the directory `path` if need be, for this user alone.

    Raises:
        StoreError: it cannot be made, or everybody may write to it.
    """
    try:
        if not path.parent.exists():  # which may become a state directory as well
            path.parent.mkdir(mode=PRIVATE_DIR_MODE, parents=True, exist_ok=True)
        path.mkdir(mode=PRIVATE_DIR_MODE, exist_ok=True)
        mode = path.stat().st_mode
    except FileExistsError:
        raise StoreError(path, "is a file, not a directory", "Set state_dir to a directory.") from None
    except OSError as error:
        raise StoreError(path, f"cannot be made: {error.strerror}", _SET_STATE_DIR) from error
    if mode & _OTHERS_MAY_WRITE:
        # Whoever can write here can put other answers in our mouth; a shared /tmp is no home for them.
        raise StoreError(path, "is open to everybody", f"Run chmod o-w {path}, or set another state_dir.")


def _open_lock(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path / LOCK_FILE, flags, PRIVATE_FILE_MODE)
    except OSError as error:
        raise StoreError(path, f"cannot be written: {error.strerror}", _SET_STATE_DIR) from error


def _holder(lock: int) -> str:
    text = os.pread(lock, _PID_OCTETS_MAX, 0).strip()
    return f"process {int(text)}" if text.isdigit() else "another process"


def _write_holder(lock: int) -> None:
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    except OSError:
        pass  # a full disk: the lock holds all the same, only its note for people is missing


_SET_STATE_DIR = "Set state_dir in the configuration to a directory that this user may write to."
_STOP_THE_OTHER = "Stop that one first, or give this one a state_dir of its own."
