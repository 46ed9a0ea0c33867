"""Files that are there whole or not at all, whatever happens while they are written."""

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Put `content` in the place of what is at `path`; it is on the disk when this returns.

    A device or a pipe is written to, and never replaced.

    Raises:
        OSError: it cannot be written; then what was there still is, and nothing else.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(content)
        return
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
