"""What a guard has resolved, for the map: asked of the one that runs on a state directory, else read from its files."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.readers.observations import NAME, Observed, tell
from standfast.depmap.statements import Loss, Reading, Remark, Witness
from standfast.errors import StandfastError
from standfast.guard.events import JsonValue
from standfast.guard.packed import question_of, unpack
from standfast.io.commands.client import ControlError, call
from standfast.io.state import sqlite_file, store_file
from standfast.io.state.state_dir import claim

OBSERVED_MAX: Final = 100_000  # answers; those confirmed last come first, and a map of more is of nobody's services
PAGES_MAX: Final = 1_000  # that a guard is asked for; it gives thousands of answers on each

_HOW: Final = {"NODATA": Loss.EMPTIED, "NXDOMAIN": Loss.REMOVED}


def is_state_dir(path: Path) -> bool:
    """Say whether `path` is the state directory of a guard."""
    return (path / store_file.FILE_NAME).is_file()


def read_guard(state_dir: Path) -> Reading:
    """Return what the guard with the state directory `state_dir` has resolved, running or not.

    Raises:
        ModelError: there is no guard's state, or it cannot be read.
    """
    if not is_state_dir(state_dir):
        raise ModelError(f"there is no {store_file.FILE_NAME} in it: this is no state directory", file=str(state_dir))
    skipped = store_file.Skipped()
    try:
        rows, lost = _ask(state_dir)
    except ControlError as error:
        if error.code != "not_running":
            raise ModelError(error.message, file=str(state_dir)) from error
        try:
            rows, lost = _read(state_dir, skipped), {}
        except (StandfastError, OSError, *sqlite_file.ERRORS) as failure:
            raise ModelError(f"cannot be read: {failure}", file=str(state_dir)) from failure
    found = [_observed(key, packed, lost) for key, packed in rows.items()]
    remarks = []
    if len(found) >= OBSERVED_MAX:
        remarks.append(f"of more answers, {OBSERVED_MAX:,} are taken")
    if skipped.count:
        remarks.append(f"left out as damaged: {skipped.count}")
    by = Witness(reader=NAME, where=str(state_dir))
    reading = tell([each for each in found if each is not None], where=str(state_dir))
    return Reading(told=reading.told, remarks=tuple(Remark(text=text, by=by) for text in remarks))


def _ask(state_dir: Path) -> tuple[dict[bytes, bytes], Mapping[str, JsonValue]]:
    rows: dict[bytes, bytes] = {}
    lost: dict[str, JsonValue] = {}
    for name_servers in (True, False):
        skip, at_the_end = 0, False
        for _ in range(PAGES_MAX):
            found = call(state_dir, "observed", {"name_servers": name_servers, "skip": skip})
            assert isinstance(found, dict)  # by the protocol
            page = dict(_decoded(found["rows"]))
            if isinstance(found["lost"], dict):
                lost |= found["lost"]
            nothing_new = page.keys() <= rows.keys()
            rows |= page
            if (at_the_end and nothing_new) or len(rows) >= OBSERVED_MAX:
                break
            # What was confirmed meanwhile has moved to the beginning: that is looked at again.
            skip, at_the_end = (skip + len(page), at_the_end) if page else (0, True)
    return rows, lost


def _decoded(rows: JsonValue) -> Iterator[tuple[bytes, bytes]]:
    assert isinstance(rows, list)
    for row in rows:
        match row:
            case [str(key), str(packed)]:
                yield b64decode(key), b64decode(packed)


def _read(state_dir: Path, skipped: store_file.Skipped) -> dict[bytes, bytes]:
    """Read the files of a guard that does not run, and keep one from starting meanwhile."""
    rows: dict[bytes, bytes] = {}
    with claim(state_dir):
        for name in (store_file.SURVEYED_FILE_NAME, store_file.FILE_NAME):
            if (state_dir / name).is_file():
                with closing(sqlite_file.connect(state_dir / name)) as connection:
                    known = store_file.read_known(connection, skipped)
                    rows |= dict(islice(known, OBSERVED_MAX - len(rows)))
    return rows


def _observed(key: bytes, packed: bytes, lost: Mapping[str, JsonValue]) -> Observed | None:
    question = question_of(key)
    known = unpack(question, packed)
    if known.released_at_s is not None:  # given up: nobody gets this answer any more
        return None
    return Observed(
        qname=question.qname,
        rrsets=known.answer.rrsets,
        first_seen_s=known.first_seen_s,
        zone=known.zone,
        lost=_HOW.get(str(lost.get(str(question)))),
    )
