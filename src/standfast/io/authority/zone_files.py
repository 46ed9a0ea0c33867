"""Zone files on the disk: read with all that they include, judged, and given as a snapshot or as everything wrong."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

from standfast.authority.checks import Promise, bounded, judge
from standfast.authority.defaults import LOSS_MAX
from standfast.authority.source import Source
from standfast.authority.zone import Zone, draft_of
from standfast.dns.masterfile import Fault, MasterFile, MasterFileError, Record
from standfast.dns.model import Name, RRType
from standfast.dns.name import BadName, parse_name
from standfast.errors import StandfastError
from standfast.io.bulk import in_the_background
from standfast.io.faults import in_words

NOTHING: Final[Mapping[Name, Zone]] = MappingProxyType({})
UNKNOWN: Final[Mapping[Name, bytes]] = MappingProxyType({})
SUFFIXES: Final = frozenset({".zone", ".db", ".txt", ".signed"})  # of file names, after the zone's


class ZoneFileError(StandfastError):
    """A zone file that cannot be served. Fields: `faults`, all of them, and `warnings`."""

    def __init__(self, faults: Sequence[Fault], warnings: Sequence[Fault] = ()) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)
        self.warnings = tuple(warnings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadZone:
    """A zone that may be served, the content that it comes from, and what one might still look at."""

    zone: Zone
    source: Source
    warnings: tuple[Fault, ...]


def read_zone(
    path: Path,
    *,
    origin: Name | None = None,
    promises: Sequence[Promise] = (),
    before: Mapping[Name, Zone] = NOTHING,
    began: Mapping[Name, bytes] = UNKNOWN,
    loss_max: float = LOSS_MAX,
    now: float | None = None,
) -> ReadZone:
    """Read and judge the zone in the file at `path`.

    Args:
        path: the master file.
        origin: what relative names end with at its top; None: what the file is called, without `.zone` and the like.
            The zone itself begins where its SOA stands.
        promises: what the zone must keep.
        before: what is served now, by origin, of which the zone is to take the place of its own.
        began: the digests of files that these began from: of one that says the same again, no name goes.
        loss_max: which part of the names that are served may go.
        now: the time in seconds, which signatures are held against; None: they are not.

    Raises:
        ZoneFileError: it cannot be read, or must not be served; with everything that is wrong.
    """
    texts = _Texts()
    with in_the_background():
        master, apex, records = _begun(path, origin, texts)
        draft = draft_of(records, origin=apex or ".", file=str(path))
        served = None if began.get(draft.origin) == texts.digest() else before.get(draft.origin)
        faults, warnings = judge(draft, promises, before=served, loss_max=loss_max, now=now)
    faults = sorted([*master.faults, *faults], key=lambda fault: (fault.file, fault.line))
    if faults:
        faults = bounded(faults, str(path))
        raise ZoneFileError(faults, warnings)
    zone = draft.zone()
    return ReadZone(zone=zone, source=Source(digest=texts.digest(), serial=zone.serial), warnings=tuple(warnings))


def origin_of(path: Path) -> Name | None:
    """Return the name of the zone in the file at `path`, which is read as far as its SOA; None where it has none."""
    try:
        return _begun(path, None, _Texts())[0].soa_owner
    except ZoneFileError:
        return None


def likely_origin(path: Path) -> Name | None:
    """Return the zone that the file at `path` is for: by its SOA, or where that cannot be read by what it is called."""
    return origin_of(path) or _named_by(path)


def _begun(path: Path, origin: Name | None, texts: "_Texts") -> tuple[MasterFile, Name | None, Iterator[Record]]:
    """Return the file, read as far as its SOA, the name of its zone as far as that can be told, and all records."""
    try:
        master = MasterFile(texts.read(path), file=str(path), origin=origin or _named_by(path), include=texts.include)
    except MasterFileError as error:
        raise ZoneFileError([Fault(file=str(path), line=0, text=error.reason)]) from error
    records = iter(master)
    first: list[Record] = []
    for record in records:
        first.append(record)
        if record.rtype == RRType.SOA:
            break
    return master, master.soa_owner or origin or master.origin_said or _named_by(path), chain(first, records)


class _Texts:
    """Reads a file and those that it includes, and digests all that was read."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def digest(self) -> bytes:
        """Return that of all that was read so far."""
        return self._digest.digest()

    def read(self, path: Path) -> str:
        try:
            octets = path.read_bytes()
            self._digest.update(len(octets).to_bytes(8, "big") + octets)
            return octets.decode("utf-8").replace("\r\n", "\n")
        except OSError as error:
            raise MasterFileError(f"{path} cannot be read: {in_words(error)}") from error
        except UnicodeDecodeError as error:
            raise MasterFileError(f"{path} is no text: octet {error.start} is not UTF-8") from error
        except ValueError as error:  # a NUL in what is included
            raise MasterFileError(f"{str(path)!r} is no path: {error}") from error

    def include(self, name: str, file: str) -> tuple[str, str]:
        """Read what a file includes; a relative path starts where that file is."""
        path = Path(file).parent / name
        return str(path), self.read(path)


def _named_by(path: Path) -> Name | None:
    stem = path.stem if path.suffix in SUFFIXES else path.name
    try:
        return parse_name(stem)
    except BadName:
        return None
