"""Every kind of file that a map is made of, in the order in which a file is tried for them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from standfast.depmap import mapfile
from standfast.depmap.errors import ModelError
from standfast.depmap.readers import botocore_endpoints, compose, handwritten, kubernetes, otlp, zone_file
from standfast.depmap.readers.terraform import reading as terraform
from standfast.depmap.statements import Reading

HEAD_OCTETS: Final = 65_536  # that a file is known by

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """`suits(head, file)` says whether a file of that name that begins so is of this kind, and never raises.

    `read(octets, file=...)` tells all that it says. It raises ModelError where that is nothing at all; what it cannot
    take of a file that else makes sense is a remark.
    """

    name: str
    suits: Callable[[bytes, str], bool]
    read: Callable[..., Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class JointReader(Generic[Parsed]):
    """Reads files that speak of each other: a span's parent, or what a selector selects, is in another one.

    `parse(octets, file=...)` takes one apart, and raises as `read` of a `Reader` does; `tell` says what all tell.
    """

    name: str
    suits: Callable[[bytes, str], bool]
    parse: Callable[..., Parsed]
    tell: Callable[[Sequence[Parsed]], Reading]


AnyReader: TypeAlias = Reader | JointReader[Any]

READERS: Final[tuple[AnyReader, ...]] = (
    Reader(name=mapfile.NAME, suits=mapfile.suits, read=mapfile.read),
    JointReader(name=terraform.NAME, suits=terraform.suits, parse=terraform.parse, tell=terraform.tell),
    Reader(name=botocore_endpoints.NAME, suits=botocore_endpoints.suits, read=botocore_endpoints.read),
    JointReader(name=kubernetes.NAME, suits=kubernetes.suits, parse=kubernetes.parse, tell=kubernetes.tell),
    JointReader(name=compose.NAME, suits=compose.suits, parse=compose.parse, tell=compose.tell),
    JointReader(name=otlp.NAME, suits=otlp.suits, parse=otlp.parse, tell=otlp.tell),
    Reader(name=zone_file.NAME, suits=zone_file.suits, read=zone_file.read),
    Reader(name="handwritten", suits=handwritten.suits, read=handwritten.read),
)


def read_files(
    files: Iterable[tuple[str, bytes]], *, kind: str | None = None
) -> tuple[list[Reading], list[ModelError]]:
    """Return what `files`, names with octets, tell, and what is wrong with those that tell nothing.

    Octets are let go before the next are asked for. `kind` names the reader of all of them; None: the one each suits.
    """
    readings: list[Reading] = []
    errors: list[ModelError] = []
    parsed: dict[str, list[Any]] = {}
    for file, octets in files:
        try:
            match reader_of(octets, file=file, name=kind):
                case Reader(read=read):
                    readings.append(read(octets, file=file))
                case JointReader(name=name, parse=parse):
                    of_file = parse(octets, file=file)  # raises before there is anything to tell of
                    parsed.setdefault(name, []).append(of_file)
        except ModelError as error:
            errors.append(error)
    readings += [
        reader.tell(parsed[reader.name])
        for reader in READERS
        if isinstance(reader, JointReader) and reader.name in parsed
    ]
    return readings, errors


def reader_of(octets: bytes, *, file: str, name: str | None = None) -> AnyReader:
    """Return the reader called `name`, or else the one that `octets` suit.

    Raises:
        ModelError: there is none.
    """
    for reader in READERS:
        if reader.name == name or (name is None and reader.suits(octets[:HEAD_OCTETS], file)):
            return reader
    kinds = ", ".join(reader.name for reader in READERS)
    raise ModelError(f"is none of these kinds of file, or not to be known as one: {kinds}", file=file)
