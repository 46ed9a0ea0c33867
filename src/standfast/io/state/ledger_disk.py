"""The files of one ledger and what is done to them: locked, resumed, appended to, set aside. Never waits.

Beside the ledger `NAME` lie `NAME.head`, the number and hash of the last record (it may lag, it never leads),
and what was set aside and is never deleted: half-written lines in `NAME.torn`, and files that were not what they
should be in `NAME.foreign-1` and on.
"""

import contextlib
import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from standfast.ledger.record import Head, LedgerError, MalformedRecord, decode_head, encode_head
from standfast.ledger.resume import TAIL_BYTES, resume

ASIDE_MAX = 1_000  # files set aside under one name; whoever has so many has another problem
HEAD_BYTES_MAX = 1_000  # ten times a head; what is longer is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Where the chain goes on, what was not as a clean stop leaves it, and the files set aside for it."""

    start: Head
    reasons: tuple[str, ...]
    set_aside: tuple[str, ...]


class LedgerDisk:
    """The disk's side of a ledger. A method that raises `OSError` may be called again, as if for the first time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._end = 0  # of what is durable
        self._reach = 0  # of what a failed try may have left beyond it
        self._torn = b""

    def attach(self) -> Attached:
        """Open and lock the ledger, or begin one, and find out where its chain goes on.

        Raises `OSError`, and `LedgerError` if another process has the ledger.
        """
        self.close()
        reasons: list[str] = []
        set_aside: list[str] = []
        with contextlib.ExitStack() as undo:
            fd = self._open_locked()
            undo.callback(os.close, fd)
            size = os.fstat(fd).st_size
            head = None
            try:
                head = read_head(self.path)
                if head is None and size:
                    reasons.append("there was no head file")
            except MalformedRecord as error:
                reasons.append(error.reason)
                set_aside.append(_set_aside(head_path(self.path)))
            tail = os.pread(fd, TAIL_BYTES, max(0, size - TAIL_BYTES))
            resumption = resume(tail, is_whole=size <= TAIL_BYTES, head=head)
            reasons += resumption.reasons
            if resumption.torn:
                set_aside.append(_torn_path(self.path).name)
            if resumption.foreign:
                set_aside.append(_set_aside(self.path))
                size = 0
                undo.close()
                fd = self._open_locked()
                undo.callback(os.close, fd)
            if not size:
                self._begin(resumption.start)
            undo.pop_all()
        self._fd = fd
        self._torn = resumption.torn
        self._end = size - len(resumption.torn)
        self._reach = size
        return Attached(start=resumption.start, reasons=tuple(reasons), set_aside=tuple(set_aside))

    def is_in_place(self) -> bool:
        """Tell whether the file at the path is still the one that was opened, and as long as it was left."""
        if self._fd is None:
            return False
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._fd)) and self._end <= there.st_size <= self._reach

    def append(self, text: bytes) -> None:
        """Make `text` durable at the end of the ledger. After an error the same text must come again."""
        if self._fd is None:
            raise LedgerError(f"{self.path}: the ledger is not open")
        if self._torn:
            _append_synced(_torn_path(self.path), self._torn + b"\n")
            os.ftruncate(self._fd, self._end)
            self._torn = b""
        self._reach = self._end + len(text)
        # At a fixed place, so that a second try writes over the first: after a failed sync nobody knows what of it
        # reached the disk, and the kernel will not try those pages again.
        written = 0
        while written < len(text):
            written += os.pwrite(self._fd, text[written:], self._end + written)
        os.fsync(self._fd)
        self._end = self._reach

    def publish(self, head: Head) -> None:
        """Replace the head file; only after what it names is durable, for it must never lead."""
        path = head_path(self.path)
        new = path.with_name(path.name + ".new")
        new.unlink(missing_ok=True)
        _append_synced(new, encode_head(head))
        new.replace(path)

    def close(self) -> None:
        """Let go of the file and its lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _begin(self, start: Head) -> None:
        _sync_directory(self.path.parent)
        # There from the first record on, so that its absence means something. A full disk may do without.
        with contextlib.suppress(OSError):
            self.publish(start)

    def _open_locked(self) -> int:
        with contextlib.ExitStack() as undo:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            undo.callback(os.close, fd)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise LedgerError(f"{self.path}: not a regular file; name another path for the ledger")
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = "another process writes this ledger; end it, or give this one a state_dir of its own"
                raise LedgerError(f"{self.path}: {text}") from None
            undo.pop_all()
        return fd


def read_head(path: Path) -> Head | None:
    """Return what the head file of the ledger at `path` names; None if there is none.

    Raises `MalformedRecord` if it names nothing, and `OSError`.
    """
    try:
        with head_path(path).open("rb") as file:
            return decode_head(file.read(HEAD_BYTES_MAX))
    except FileNotFoundError:
        return None


def has_writer(path: Path) -> bool:
    """Tell whether some process has the ledger at `path` open for writing."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once, as the file is closed
        except BlockingIOError:
            return True
    return False


def head_path(path: Path) -> Path:
    """Return where the head file of the ledger at `path` lies."""
    return path.with_name(path.name + ".head")


def _torn_path(path: Path) -> Path:
    return path.with_name(path.name + ".torn")


def _set_aside(path: Path) -> str:
    for number in range(1, ASIDE_MAX + 1):
        aside = path.with_name(f"{path.name}.foreign-{number}")
        if not aside.exists():
            path.rename(aside)
            return aside.name
    raise LedgerError(f"{path}: {ASIDE_MAX} files were set aside already; look at them and move them away")


def _append_synced(path: Path, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        written = 0
        while written < len(text):
            written += os.write(fd, text[written:])
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
