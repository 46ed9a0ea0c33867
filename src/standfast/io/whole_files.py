"""Files that are there whole or not at all, whatever happens while they are written."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Put `content` in the place of what is at `path`; it is on the disk when this returns.

    Raises:
        OSError: it cannot be written; then what was there still is.
    """
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
