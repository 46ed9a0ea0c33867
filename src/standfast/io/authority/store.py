"""What outlives the process: versions of zones that are not just what a file says, and the steps that led to them.

A commit waits for the disk (`synchronous=FULL`), as an update may be answered only once it cannot be lost (RFC 2136
section 3.5). A file that is damaged, foreign or newer is not touched, and nothing is served without it: in it are
changes that somebody was promised are kept. Threads take turns.
"""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import structlog

from standfast.authority.diff import apply
from standfast.authority.journal import RECORDS_ALWAYS, Delta, delta_of
from standfast.authority.source import Source
from standfast.authority.zone import Zone, zone_of
from standfast.dns.model import Name, RRset
from standfast.dns.stored import pack_changes, pack_rrsets, unpack_changes, unpack_rrsets
from standfast.dns.wire import WireError
from standfast.io.state.sqlite_file import (
    ERRORS,
    Format,
    connect,
    has_tables,
    is_damage,
    make_ready,
    transaction,
    unusable,
)
from standfast.io.state.state_dir import StoreError, claim

FILE_NAME: Final = "zones.sqlite"
APPLICATION_ID: Final = 0x5374466E  # "StFn"
FORMAT_VERSION: Final = 1
NEVER: Final = (1 << 63) - 1  # a number that no step will have
PART_RRSETS: Final = 10_000  # of a zone in one row, about a megabyte: so the whole is never in memory twice

_SCHEMA: Final = (
    """CREATE TABLE zones (origin TEXT PRIMARY KEY, number INTEGER NOT NULL, pending INTEGER NOT NULL,
       digest BLOB, serial INTEGER, signed INTEGER, changed INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE TABLE parts (origin TEXT, part INTEGER, rrsets BLOB NOT NULL, PRIMARY KEY (origin, part)) STRICT",
    """CREATE TABLE steps (origin TEXT, number INTEGER, before INTEGER NOT NULL, after INTEGER NOT NULL,
       changes BLOB NOT NULL, PRIMARY KEY (origin, number)) STRICT""",
    "CREATE TABLE heard (origin TEXT PRIMARY KEY, at_s REAL NOT NULL) STRICT, WITHOUT ROWID",
)
_FORMAT: Final = Format(application_id=APPLICATION_ID, version=FORMAT_VERSION, schema=_SCHEMA)
_T = TypeVar("_T")

log = structlog.get_logger("standfast.authority")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A zone as it was served last. `changed`: it holds changes that its source, None for no file, has not."""

    zone: Zone
    steps: tuple[Delta, ...]
    source: Source | None
    changed: bool


class ZoneStore:
    """The file of one authority, while it is `opened`. Every method but `keep_heard` may wait for the disk."""

    def __init__(self, state_dir: Path) -> None:
        """Touch nothing yet."""
        self.path = state_dir / FILE_NAME
        self._turn = threading.Lock()
        self._background: set[asyncio.Future[None]] = set()
        self._connection: sqlite3.Connection

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Hold the state directory and the file in it, made if need be, until the context ends.

        Raises:
            StoreError: one of them cannot be used, and why.
        """
        with claim(self.path.parent):
            try:
                self._connection = connect(self.path)
            except (OSError, *ERRORS) as error:
                raise self._error(error) from error
            with closing(self._connection):
                self._in_turn(self._begin)
                yield self
                await asyncio.gather(*self._background)

    def holds_changes(self) -> bool:
        """Say whether clients have changed any zone that is kept here; False, and told, where that cannot be read."""
        try:
            if not self.path.exists():
                return False
            with claim(self.path.parent), closing(connect(self.path)) as connection:
                query = "SELECT EXISTS (SELECT 1 FROM zones WHERE changed)"
                return has_tables(connection) and bool(connection.execute(query).fetchone()[0])
        except (StoreError, OSError, *ERRORS) as error:
            log.warning("zone.state_unread", file=str(self.path), detail=str(error))
            return False

    def load(self, origin: Name) -> Stored | None:
        """Return the zone as it was served last; None where nothing is kept of it, or it was just what its file said.

        Raises:
            StoreError: it cannot be read.
        """

        def read() -> Stored | None:
            found = self._one(
                "SELECT number, digest, serial, signed, changed FROM zones"
                " WHERE origin = ? AND (changed OR signed OR digest IS NULL)",
                origin,
            )
            if found is None:
                return None
            number, digest, serial, signed, changed = found
            zone = zone_of(origin, self._rrsets(origin))
            steps: list[Delta] = []
            query = "SELECT number, before, after, changes FROM steps WHERE origin = ? ORDER BY number"
            for at, before, after, changes in self._connection.execute(query, (origin,)):
                steps.append(delta_of(before, after, tuple(unpack_changes(changes))))
                if at > number:
                    zone = apply(zone, steps[-1].changes)
            if steps and steps[-1].after != zone.serial:
                raise WireError(f"the steps of {origin} do not lead to serial {zone.serial}")
            source = None if digest is None else Source(digest=digest, serial=serial, signed=bool(signed))
            return Stored(zone=zone, steps=tuple(steps), source=source, changed=bool(changed))

        return self._in_turn(read)

    def commit(self, zone: Zone, step: Delta | None, *, source: Source | None, changed: bool, records: int) -> None:
        """Keep `zone`, the version that is about to be served. On return it is on the disk.

        The step alone is written while all since the whole are fewer records than the zone, else the zone.

        Args:
            zone: the version.
            step: what led to it from the one before; None: nothing did that is known of.
            source: the file that it began from, if any.
            changed: whether it holds what that file has not.
            records: how many records it has.

        Raises:
            StoreError: nothing was written.
        """

        def write() -> None:
            origin = zone.origin
            found = self._one("SELECT number, pending FROM zones WHERE origin = ?", origin)
            number, pending = found or (0, 0)
            pending += step.records if step else 0
            with transaction(self._connection):
                at = self._add_step(origin, step) if step else 0
                if not found or not step or pending > max(RECORDS_ALWAYS, records):
                    self._write_whole(zone)
                    # What led to the whole of before is history that nobody needs; without a step all of it is.
                    self._run("DELETE FROM steps WHERE origin = ? AND number <= ?", origin, number if step else NEVER)
                    number, pending = at, 0
                began = (source.digest, source.serial, source.signed) if source else (None, None, None)
                row = (origin, number, pending, *began, changed)
                self._run("INSERT OR REPLACE INTO zones VALUES (?, ?, ?, ?, ?, ?, ?)", *row)

        self._in_turn(write)

    def rebase(self, origin: Name, source: Source) -> None:
        """Keep that what the zone holds is what `source` says.

        Raises:
            StoreError: nothing was written.
        """
        statement = "UPDATE zones SET digest = ?, serial = ?, signed = ?, changed = 0 WHERE origin = ?"
        self._in_turn(lambda: self._run(statement, source.digest, source.serial, source.signed, origin))

    def heard_at_s(self, origin: Name) -> float | None:
        """Return when a primary was heard last for the zone, in seconds since the epoch; None where nobody said.

        Raises:
            StoreError: it cannot be read.
        """
        found = self._in_turn(lambda: self._one("SELECT at_s FROM heard WHERE origin = ?", origin))
        return None if found is None else float(found[0])

    def keep_heard(self, origin: Name, at_s: float) -> None:
        """Keep when a primary was heard, in a while: what is lost of it is asked again."""

        def write() -> None:
            try:
                self._in_turn(lambda: self._run("INSERT OR REPLACE INTO heard VALUES (?, ?)", origin, at_s))
            except StoreError as error:
                log.warning("store.write_failed", detail=str(error))

        task = asyncio.get_running_loop().run_in_executor(None, write)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _begin(self) -> None:
        if fault := make_ready(self.path, self._connection, _FORMAT):
            raise self._broken(fault)

    def _rrsets(self, origin: Name) -> Iterator[RRset]:
        query = "SELECT rrsets FROM parts WHERE origin = ? ORDER BY part"
        for (octets,) in self._connection.execute(query, (origin,)):
            yield from unpack_rrsets(octets)

    def _add_step(self, origin: Name, step: Delta) -> int:
        """Write a step; return its number, which is more than any before."""
        (last,) = self._one(
            "SELECT max((SELECT coalesce(max(number), 0) FROM steps WHERE origin = ?1),"
            " (SELECT coalesce(max(number), 0) FROM zones WHERE origin = ?1))",
            origin,
        ) or (0,)
        row = (origin, last + 1, step.before, step.after, pack_changes(step.changes))
        self._run("INSERT INTO steps VALUES (?, ?, ?, ?, ?)", *row)
        return int(last) + 1

    def _write_whole(self, zone: Zone) -> None:
        self._run("DELETE FROM parts WHERE origin = ?", zone.origin)
        rrsets = iter(zone.rrsets())
        for part in count():
            some = list(islice(rrsets, PART_RRSETS))
            if not some:
                return
            self._run("INSERT INTO parts VALUES (?, ?, ?)", zone.origin, part, pack_rrsets(some))

    def _one(self, query: str, *values: object) -> Any:
        return self._connection.execute(query, values).fetchone()

    def _run(self, statement: str, *values: object) -> None:
        self._connection.execute(statement, values)

    def _in_turn(self, act: Callable[[], _T]) -> _T:
        with self._turn:
            try:
                return act()
            except WireError as error:
                raise self._broken(f"is damaged ({error})") from error
            except ERRORS as error:
                raise self._error(error) from error

    def _error(self, error: Exception) -> StoreError:
        return self._broken(f"is damaged ({error})") if is_damage(error) else unusable(self.path, error)

    def _broken(self, reason: str) -> StoreError:
        return StoreError(self.path, reason, _WHAT_TO_DO)


_WHAT_TO_DO: Final = (
    "Put back a copy of it, or move it elsewhere: then zones begin from their files and primaries, "
    "without what clients have changed."
)
