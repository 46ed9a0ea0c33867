"""From files and folders to one finished map. What cannot be read is told, and the rest still works."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from standfast.depmap import mapfile
from standfast.depmap.assembly import Step, assemble
from standfast.depmap.attribution.addresses import providers_of_addresses
from standfast.depmap.attribution.aws import hidden_regions
from standfast.depmap.attribution.host_names import providers_of_host_names
from standfast.depmap.attribution.operators import operators
from standfast.depmap.errors import ModelError
from standfast.depmap.merging import DependencyMap
from standfast.depmap.naming import zones_of_names
from standfast.depmap.readers.kinds import HEAD_OCTETS, READERS, read_files
from standfast.depmap.statements import Reading, Remark, Statement, Witness
from standfast.io.depmap.botocore_data import installed_endpoints
from standfast.io.depmap.model_files import read_model_file
from standfast.io.depmap.observations import is_state_dir, read_guard
from standfast.io.depmap.public_suffixes import public_suffixes
from standfast.io.depmap.ranges import ranges_dir, read_lists
from standfast.io.faults import in_words
from standfast.io.whole_files import write_whole

FILES_MAX: Final = 20_000  # of all paths together; more is the wrong folder
TOLD_MAX: Final = 5  # files that are named of those that no reader knows


def steps() -> Sequence[Step]:
    """Return what tells more of a map than its files do, in the order in which it is asked."""
    suffixes = public_suffixes()
    return (
        hidden_regions(installed_endpoints()),
        providers_of_host_names,
        zones_of_names(suffixes),
        operators(suffixes),
        providers_of_addresses(lambda: read_lists(ranges_dir())),
    )


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A map, the number of files that it is of, and what is wrong with those that it could not be of."""

    map: DependencyMap
    files: int
    errors: tuple[ModelError, ...]


def load_map(
    paths: Sequence[Path],
    *,
    kind: str | None = None,
    guard: Path | None = None,
    without: Path | None = None,
    on_file: Callable[[int, int], None] = lambda _done, _of: None,
) -> Loaded:
    """Return the map of all files that `paths` mean: files, folders with all below them, and patterns as of a shell.

    A folder that is a guard's state directory means what that guard has resolved.

    Files of maps alone are taken as they are, so that they say the same on every machine: `steps` told their part when
    they were made.

    Args:
        paths: at least one, or a `guard`.
        kind: the name of the reader of all of them; None: for each the one that it suits. What of a folder suits none
            is passed over.
        guard: the state directory of a guard.
        without: a file that is not read though it is in one of the folders: the map that this is to become.
        on_file: is told how many files are read, and of how many.

    Raises:
        ModelError: a path means nothing, or none of them tells anything.
    """
    guards = [path for path in (*paths, guard) if path is not None and (path is guard or is_state_dir(path))]
    named, below = _files((path for path in paths if path not in guards), without)
    unreadable: list[ModelError] = []
    passed_over: list[Path] = []
    is_finished: list[bool] = []

    def contents() -> Iterator[tuple[str, bytes]]:
        for done, path in enumerate([*named, *below]):
            on_file(done, len(named) + len(below))
            try:
                if done >= len(named) and (_is_special(path) or (kind is None and not _suits_any(path))):
                    passed_over.append(path)
                else:
                    octets = read_model_file(path)
                    is_finished.append(mapfile.suits(octets[:HEAD_OCTETS], str(path)))
                    yield str(path), octets
            except ModelError as error:
                unreadable.append(error)

    readings, errors = read_files(contents(), kind=kind)
    for state_dir in guards:
        try:
            readings.append(read_guard(state_dir))
        except ModelError as error:
            errors.append(error)
    errors = [*unreadable, *errors]
    if not readings:
        raise errors[0] if errors else ModelError(f"nothing that a map is made of: {', '.join(map(str, paths))}")
    remarks = [Remark(text=error.reason, by=_file(error.file, error.line)) for error in errors]
    remarks += _of_passed_over(passed_over)
    return Loaded(
        map=assemble([*readings, Reading(remarks=tuple(remarks))], () if all(is_finished) and not guards else steps()),
        files=len(guards) + len(named) + len(below) - len(passed_over) - len(errors),
        errors=tuple(errors),
    )


def write_map(path: Path, found: DependencyMap) -> None:
    """Put `found` in the place of the map at `path`.

    Raises:
        ModelError: it cannot be written, or what is there is no map.
    """
    try:
        if path.exists() and path.stat().st_size and not mapfile.suits(_head(path), str(path)):
            raise ModelError("is there, and is no map: name another file, or remove it", file=str(path))
        write_whole(path, mapfile.write(found), mode=0o644)
    except OSError as error:
        raise ModelError(f"cannot be written: {in_words(error)}", file=str(path)) from error


def told_before(path: Path) -> frozenset[Statement]:
    """Return what the map at `path` says; nothing, where there is none that can be read."""
    if _is_special(path):
        return frozenset()
    try:
        return frozenset(told.statement for told in mapfile.read(read_model_file(path), file=str(path)).told)
    except ModelError:
        return frozenset()


def _files(paths: Iterable[Path], without: Path | None) -> tuple[list[Path], list[Path]]:
    """Return the files that are named, and those below folders that are; each once, in an order that stays.

    What is hidden is not looked at: it belongs to a tool, not to the map.
    """
    named: dict[Path, None] = {}
    below: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            for folder, folders, files in os.walk(path):
                folders[:] = sorted(each for each in folders if not each.startswith("."))
                below |= dict.fromkeys(Path(folder, each) for each in sorted(files) if not each.startswith("."))
                _bound(len(below))
        elif not path.exists() and (matching := sorted(glob.glob(str(path), recursive=True))):  # noqa: PTH207  absolute ones too
            named |= dict.fromkeys(each for each in map(Path, matching) if each.is_file())
        else:
            named[path] = None  # also where it is not there: reading it says so
    _bound(len(named) + len(below))
    return list(named), [path for path in below if path not in named and not _is_same(path, without)]


def _is_same(path: Path, other: Path | None) -> bool:
    return other is not None and path.name == other.name and path.resolve() == other.resolve()


def _bound(files: int) -> None:
    if files > FILES_MAX:
        raise ModelError(f"these are more than {FILES_MAX:,} files: name a folder further down")


def _is_special(path: Path) -> bool:
    """Say whether `path` is a pipe, a socket or a device: reading it may never end."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _suits_any(path: Path) -> bool:
    try:
        head = _head(path)
    except OSError as error:
        raise ModelError(f"cannot be read: {in_words(error)}", file=str(path)) from error
    return any(reader.suits(head, str(path)) for reader in READERS)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_OCTETS)


def _of_passed_over(paths: Sequence[Path]) -> Iterator[Remark]:
    if paths:
        which = ", ".join(str(path) for path in paths[:TOLD_MAX]) + (", ..." if len(paths) > TOLD_MAX else "")
        yield Remark(text=f"{len(paths)} of no kind that is known are passed over: {which}", by=_file(""))


def _file(name: str, line: int = 0) -> Witness:
    return Witness(reader="files", where=name, line=line)
