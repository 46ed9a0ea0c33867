"""Every kind of file that a map is made of, in the order in which a file is tried for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.statements import Reading

HEAD_OCTETS: Final = 65_536  # that a file is known by


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """`suits(head, file)` says whether a file of that name that begins so is of this kind, and never raises.

    `read(octets, file=...)` tells all that it says. It raises ModelError where that is nothing at all; what it cannot
    take of a file that else makes sense is a remark.
    """

    name: str
    suits: Callable[[bytes, str], bool]
    read: Callable[..., Reading]


READERS: Final[tuple[Reader, ...]] = ()


def reader_of(octets: bytes, *, file: str, name: str | None = None) -> Reader:
    """Return the reader called `name`, or else the one that `octets` suit.

    Raises:
        ModelError: there is none.
    """
    for reader in READERS:
        if reader.name == name or (name is None and reader.suits(octets[:HEAD_OCTETS], file)):
            return reader
    kinds = ", ".join(reader.name for reader in READERS)
    raise ModelError(f"is none of these kinds of file, or not to be known as one: {kinds}", file=file)
