"""What a process has open, from the kernel's own tables."""

import contextlib
from pathlib import Path


def open_links(pid: int) -> list[Path]:
    """Return what each descriptor of `pid` is: a path, or a text like `socket:[4711]`."""
    links = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in the meantime
            links.append(descriptor.readlink())
    return links
