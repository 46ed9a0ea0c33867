"""Plans as files beside the ledger, each named by its hash: what a name was is found there when all else is lost.

`ZONE/GENERATION-HASH.plan` holds the octets of a plan, so that `sha256sum` tells whether it is what it was. The names
that plans leave as they are stand in `ZONE/GENERATION-PLAN-HASH.whole`: all that was planned at one generation. Such a
whole is written with a plan whose base is not here, and with one that many plans, or much of them, lie before.
Then goes what is older than the whole before it, and nothing else ever does.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from standfast.control.history import Past, Step, past_of
from standfast.control.plan import Content, Plan, PlanHead, read_heads, read_plan
from standfast.dns.model import Name, RRset
from standfast.dns.name import ROOT
from standfast.dns.stored import pack_rrsets, unpack_rrsets
from standfast.dns.wire import WireError, name_from_text
from standfast.errors import StandfastError
from standfast.io.faults import in_words
from standfast.io.whole_files import write_whole

PLANS_MAX: Final = 1_000  # between two wholes: days of a busy zone, and few enough to be listed with each that comes
WEIGHT_MAX: Final = 8  # times the largest file: plans that rewrite a large zone again and again must not fill the disk
WEIGHT_MIN: Final = 2**20  # octets; of files smaller than that nobody need be rid

_FOLDER_MODE: Final = 0o700  # they tell which names there are
_FILE_MODE: Final = 0o600
_NAMED = re.compile(r"([0-9]{15})-([0-9a-f]{64})(?:\.plan|-([0-9a-f]{64})\.whole)")


class PlanFilesError(StandfastError):
    """Plans cannot be kept or read. Fields: `path`, `reason`, `next_step`."""

    def __init__(self, path: Path, reason: str, next_step: str) -> None:
        super().__init__(f"{path} {reason}; {next_step}")
        self.path = path
        self.reason = reason
        self.next_step = next_step


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFile:
    """A file by what it is called; whether that is true is seen when it is read."""

    head: PlanHead  # of the plan; of a whole, that with which it was all that is planned
    is_whole: bool
    digest: str  # the SHA-256 that its octets must have
    path: Path
    size: int  # octets
    at_s: float  # when it was written, seconds since the epoch


class PlanFiles:
    """The plans of all zones in one folder. Several processes may keep theirs there. Waits for the disk."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet; the folder is made when the first plan is kept."""
        self.folder = folder

    def keep(self, plan: Plan, content: Content) -> None:
        """Have `plan` on the disk, with which `content` is all that is planned. Where it is already, do nothing.

        Raises:
            PlanFilesError: it cannot be written; it may be tried again.
        """
        folder = self._folder_of(plan.zone)
        path = folder / f"{plan.generation:015d}-{plan.hash}.plan"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
            with _locked(folder):
                if path.exists():
                    return
                files = self.files(plan.zone)
                if _needs_whole(plan, content, files):
                    self._write_whole(plan.head, content)
                    _collect(files, plan.generation)
                write_whole(path, plan.octets, mode=_FILE_MODE)
        except OSError as error:
            raise PlanFilesError(path, f"cannot be written ({in_words(error)})", "make room or set its mode") from error

    def zones(self) -> Sequence[Name]:
        """Return the zones of which any plan is kept. Raises `PlanFilesError`."""
        with _reading(self.folder):
            return sorted(unquote(each.name) for each in os.scandir(self.folder) if each.is_dir())

    def files(self, zone: Name) -> Sequence[PlanFile]:
        """Return what is kept of a zone, the newest generation first. Raises `PlanFilesError`."""
        folder = self._folder_of(zone)
        found = []
        with _reading(folder):
            for entry in os.scandir(folder):
                if named := _NAMED.fullmatch(entry.name):
                    generation, plan_hash, whole_hash = named.groups()
                    said = entry.stat()
                    found.append(
                        PlanFile(
                            head=PlanHead(zone=zone, generation=int(generation), hash=plan_hash),
                            is_whole=whole_hash is not None,
                            digest=whole_hash or plan_hash,
                            path=Path(entry.path),
                            size=said.st_size,
                            at_s=said.st_mtime,
                        )
                    )
        return sorted(found, key=lambda file: (file.head.generation, file.at_s), reverse=True)

    def newest(self, zone: Name) -> PlanHead | None:
        """Return the plan of the latest generation that is kept. Raises `PlanFilesError`."""
        return next((file.head for file in self.files(zone) if not file.is_whole), None)

    def past(self, zone: Name, names: Iterable[Name], *, on_damage: Callable[[PlanFilesError], None]) -> Sequence[Past]:
        """Return what `names` were planned to be at each generation that can still be told, the newest first.

        A file that is not what it was is handed to `on_damage`, and not used. Raises `PlanFilesError` where nothing
        can be read at all.
        """
        wanted = frozenset(names)
        steps: dict[PlanHead, Step] = {}
        wholes: dict[PlanHead, Content] = {}
        for file in self.files(zone):
            try:
                if file.is_whole:
                    wholes[file.head] = _content_of(_read(file), wanted)
                else:
                    steps[file.head] = _step_of(file, wanted)
            except PlanFilesError as damage:
                on_damage(damage)
        return past_of(wanted, (replace(step, whole=wholes.get(head)) for head, step in steps.items()))

    def _folder_of(self, zone: Name) -> Path:
        return self.folder / (quote(zone, safe="") if zone != ROOT else "%2E")

    def _write_whole(self, head: PlanHead, content: Content) -> None:
        octets = pack_rrsets(rrset for node in content.values() for rrset in node.values())
        digest = hashlib.sha256(octets).hexdigest()
        name = f"{head.generation:015d}-{head.hash}-{digest}.whole"
        write_whole(self._folder_of(head.zone) / name, octets, mode=_FILE_MODE)


def _needs_whole(plan: Plan, content: Content, files: Sequence[PlanFile]) -> bool:
    if plan.base is None:  # it may say all itself, as the first of a new zone does
        return sum(change.after is not None for change in plan.changes) != sum(map(len, content.values()))
    if all(file.head != plan.base for file in files):
        return True
    last = next((file.head.generation for file in files if file.is_whole), 0)
    since = [file.size for file in files if file.head.generation > last]
    return len(since) >= PLANS_MAX or sum(since) >= WEIGHT_MAX * max(WEIGHT_MIN, *(file.size for file in files))


def _collect(files: Sequence[PlanFile], generation: int) -> None:
    """Delete what is older than the last whole before `generation`: from there on every name can be told."""
    last = max(
        (file.head.generation for file in files if file.is_whole and file.head.generation < generation), default=0
    )
    for file in files:
        if file.head.generation < last:
            file.path.unlink(missing_ok=True)


def _step_of(file: PlanFile, names: frozenset[Name]) -> Step:
    octets = _read(file)
    try:
        head, base = read_heads(octets)
        if head != file.head:
            raise WireError("it is the plan of another zone or generation")
        # Most plans are about few names: which, can be seen without reading half a million records.
        are_touched = any(name_from_text(name) in octets for name in names)
        changes = read_plan(octets, made_at_s=file.at_s).changes if are_touched else ()
    except WireError as error:
        raise _damaged(file, str(error)) from None
    of_names = tuple(change for change in changes if change.key[0] in names)
    return Step(head=head, base=base, made_at_s=file.at_s, changes=of_names)


def _content_of(octets: bytes, names: frozenset[Name]) -> Content:
    content: dict[Name, dict[int, RRset]] = {}
    for rrset in unpack_rrsets(octets):
        if rrset.owner in names:
            content.setdefault(rrset.owner, {})[rrset.rtype] = rrset
    return content


def _read(file: PlanFile) -> bytes:
    """Return the octets of a file, as they were written. Raises `PlanFilesError`."""
    with _reading(file.path):
        octets = file.path.read_bytes()
    if hashlib.sha256(octets).hexdigest() != file.digest:
        raise _damaged(file, "it has another hash than its name says")
    return octets


def _damaged(file: PlanFile, reason: str) -> PlanFilesError:
    return PlanFilesError(file.path, f"is not what was written: {reason}", "bring it back from a backup, or delete it")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise PlanFilesError(path, "is not there", "no plan was ever kept there: see `[control] state_dir`") from None
    except OSError as error:
        raise PlanFilesError(path, f"cannot be read ({in_words(error)})", "set its mode or owner") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that several processes keep the same plans in."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
