"""Model files on the disk, as octets: bounded, and with an error that says which file."""

from pathlib import Path
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.io.faults import in_words

OCTETS_MAX: Final = 256 << 20  # of one file; the largest published fault trees have two million


def read_model_file(path: Path) -> bytes:
    """Return what is in the file at `path`.

    Raises:
        ModelError: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(OCTETS_MAX + 1)
    except OSError as error:
        raise ModelError(f"cannot be read: {in_words(error)}", file=str(path)) from error
    if len(octets) > OCTETS_MAX:
        raise ModelError(f"has more than {OCTETS_MAX >> 20} MiB", file=str(path))
    return octets
