"""Plans in one SQLite file that all processes of one machine share, on a disk of its own (not over the network).

A commit waits for the disk. A plan is kept as its octets, from which all that was planned with it is made again, from
the last row on that stands for itself: a plan that is all of its content, or a whole that was written beside one.
Forgotten plans stay as long as others are made from them, and never come to more than such a whole. A file that is
damaged, foreign or of another version is not touched: what is published does not depend on it.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from standfast.control.generations import follows
from standfast.control.plan import Content, Plan, PlanHead, applied, read_plan
from standfast.control.store import Override, PlanStoreError, Proposal
from standfast.dns.model import Name
from standfast.dns.stored import pack_rrsets
from standfast.dns.wire import WireError
from standfast.io.bulk import in_a_thread
from standfast.io.clock import SteadyClock
from standfast.io.control.stores.rows import FORGOTTEN_ALWAYS, REPORTS_MAX, finding_of, is_alone, nodes_of, rrsets_of
from standfast.io.state.sqlite_file import ERRORS, Format, connect, is_damage, make_ready, transaction, unusable
from standfast.io.state.state_dir import StoreError, make_private

FILE_NAME: Final = "plans.sqlite"
POLL_S: Final = 0.1  # how late a change by another process is seen; one number is read, in some 10 us

_FORMAT: Final = Format(
    application_id=0x53744670,  # "StFp"
    version=1,
    schema=(
        # `whole`: the RRsets of all that is planned with it, where they are not made from the row before.
        # `alone`: the plan's own changes are all that is planned with it.
        """CREATE TABLE plans (zone TEXT, generation INTEGER, hash TEXT NOT NULL, octets BLOB NOT NULL,
           made_at_s REAL NOT NULL, alone INTEGER NOT NULL, whole BLOB, forgotten INTEGER NOT NULL DEFAULT 0,
           PRIMARY KEY (zone, generation)) STRICT""",
        "CREATE TABLE leases (what TEXT PRIMARY KEY, holder TEXT NOT NULL, until_s REAL NOT NULL) STRICT",
        """CREATE TABLE proposals (zone TEXT PRIMARY KEY, hash TEXT NOT NULL, octets BLOB NOT NULL,
           made_at_s REAL NOT NULL, findings TEXT NOT NULL, approved_by TEXT, reason TEXT NOT NULL) STRICT""",
        """CREATE TABLE overrides (rule TEXT, scope TEXT, person TEXT NOT NULL, reason TEXT NOT NULL,
           until_s REAL NOT NULL, PRIMARY KEY (rule, scope)) STRICT""",
        "CREATE TABLE reports (vantage TEXT PRIMARY KEY, at_s REAL NOT NULL, readings TEXT NOT NULL) STRICT",
    ),
)
_NEWEST: Final = "SELECT generation, hash FROM plans WHERE zone = ? ORDER BY generation DESC LIMIT 1"
_OF_ZONE: Final = "SELECT hash, octets, made_at_s FROM plans WHERE zone = ?"
_PLAN: Final = f"{_OF_ZONE} AND generation = ? AND NOT forgotten"
_PLANS: Final = f"{_OF_ZONE} AND generation > ? AND generation <= ? ORDER BY generation"
_HASH: Final = "SELECT hash FROM plans WHERE zone = ? AND generation = ?"
_T = TypeVar("_T")


class SqlitePlanStore:
    """A `control.store.PlanStore`, while it is `opened`. What it raises are `PlanStoreError`s."""

    def __init__(self, state_dir: Path, *, now: Callable[[], float] | None = None) -> None:
        """Touch nothing yet. `now` (seconds since the epoch) is what leases lapse by."""
        self.path = state_dir / FILE_NAME
        self._now = now or SteadyClock().now
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plans")
        self._connection: sqlite3.Connection
        self._written = asyncio.Event()
        self._writes = 0
        self._latest: dict[Name, tuple[PlanHead, Content]] = {}  # what was kept or read last: to go on from
        self._added: dict[Name, Plan] = {}  # the last of this process: whoever published it needs it next

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Have the file open, made if need be, until the context ends.

        Raises:
            PlanStoreError: it cannot be used, and why.
        """
        try:
            await self._in_turn(self._open)
            try:
                yield self
            finally:
                self._thread.shutdown()  # and wait: what was cancelled may still be on its way
                self._connection.close()
        finally:
            self._thread.shutdown()

    async def newest(self, zone: Name) -> PlanHead | None:
        """Return the newest plan's head."""
        return await self._in_turn(lambda: self._newest(zone))

    async def add(self, plan: Plan, content: Content, *, after: PlanHead | None) -> bool:
        """Keep `plan` as the newest, if `after` is that until now; say whether it is kept."""
        alone = is_alone(plan, content)
        # Octets that hold what others do not lead to are packed before anybody waits for the file.
        is_led_to = alone or (after is not None and plan.base == after)
        whole = None if is_led_to else await in_a_thread(pack_rrsets, rrsets_of(content))
        row = (plan.zone, plan.generation, plan.hash, plan.octets, plan.made_at_s, alone, whole)

        def write() -> bool:
            with transaction(self._connection):
                if not follows(plan, after, self._newest(plan.zone)):
                    return False
                self._run("INSERT INTO plans VALUES (?, ?, ?, ?, ?, ?, ?, 0)", *row)
            self._latest[plan.zone] = (plan.head, content)
            self._added[plan.zone] = plan
            return True

        return await self._write(write)

    async def plan(self, zone: Name, generation: int) -> Plan | None:
        """Return a plan; None where it was never there, or was collected."""

        def read() -> Plan | None:
            row = self._one(_PLAN, zone, generation)
            added = self._added.get(zone)
            if row is not None and added is not None and row[0] == added.hash.encode():
                return added
            return None if row is None else _plan(row)

        return await self._in_turn(read)

    async def content(self, head: PlanHead) -> Content | None:
        """Return all that was planned with that very plan; None where it was never there, or was collected."""

        def read() -> Content | None:
            row = self._one(_HASH, head.zone, head.generation)
            return self._content(head.zone, head.generation) if row and row[0].decode() == head.hash else None

        return await self._in_turn(read)

    async def generations(self, zone: Name) -> Sequence[int]:
        """Return all that are kept, in order."""
        query = "SELECT generation FROM plans WHERE zone = ? AND NOT forgotten ORDER BY generation"
        return await self._in_turn(lambda: [number for (number,) in self._all(query, zone)])

    async def collect(self, zone: Name, generations: Sequence[int]) -> None:
        """Forget these, but never the newest: by it the next one is known to be later."""

        def write() -> None:
            with transaction(self._connection):
                newest = self._newest(zone)
                for generation in generations:
                    if newest and generation < newest.generation:
                        self._run("UPDATE plans SET forgotten = 1 WHERE zone = ? AND generation = ?", zone, generation)
                self._compact(zone)

        await self._write(write)

    async def lease(self, what: str, holder: str, ttl_s: float) -> bool:
        """Take or keep the lease on `what`. One that ends later than it could is of a clock that was wrong."""
        now_s = self._now()
        statement = (
            "INSERT INTO leases VALUES (?1, ?2, ?3) ON CONFLICT (what) DO UPDATE SET holder = ?2, until_s = ?3"
            " WHERE holder = ?2 OR until_s <= ?4 OR until_s > ?3"
        )
        query = "SELECT holder = ?2 FROM leases WHERE what = ?1"

        def write() -> bool:
            with transaction(self._connection):
                self._run(statement, what, holder, now_s + ttl_s, now_s)
                return bool(self._one(query, what, holder)[0])

        return await self._in_turn(write)

    async def propose(self, zone: Name, proposal: Proposal | None) -> None:
        """Have this be the zone's only proposal; None: there is none."""
        if proposal is None:
            await self._write(lambda: self._run("DELETE FROM proposals WHERE zone = ?", zone))
            return
        plan, findings = proposal.plan, json.dumps([asdict(finding) for finding in proposal.findings])
        row = (plan.hash, plan.octets, plan.made_at_s, findings, proposal.approved_by, proposal.reason)
        statement = "INSERT OR REPLACE INTO proposals VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._write(lambda: self._run(statement, zone, *row))

    async def proposal(self, zone: Name) -> Proposal | None:
        """Return the plan that waits for approval, or has it and was not yet added."""
        query = "SELECT octets, made_at_s, findings, approved_by, reason FROM proposals WHERE zone = ?"

        def read() -> Proposal | None:
            row = self._one(query, zone)
            if row is None:
                return None
            octets, made_at_s, findings, approved_by, reason = row
            return Proposal(
                plan=read_plan(octets, made_at_s=made_at_s),
                findings=tuple(finding_of(each) for each in json.loads(findings)),
                approved_by=None if approved_by is None else approved_by.decode(),
                reason=reason.decode(),
            )

        return await self._in_turn(read)

    async def approve(self, zone: Name, hash_: str, *, person: str, reason: str) -> bool:
        """Approve the proposal if it is that very plan; say whether it was."""
        statement = "UPDATE proposals SET approved_by = ?, reason = ? WHERE zone = ? AND hash = ?"
        return await self._write(
            lambda: self._connection.execute(statement, (person, reason, zone, hash_)).rowcount == 1
        )

    async def overrides(self) -> Sequence[Override]:
        """Return all, ended ones too until somebody takes them away."""
        query = "SELECT rule, scope, person, reason, until_s FROM overrides ORDER BY rule, scope"

        def read() -> Sequence[Override]:
            return [
                Override(
                    rule=rule.decode(), scope=scope.decode(), person=person.decode(), reason=why.decode(), until_s=end
                )
                for rule, scope, person, why, end in self._all(query)
            ]

        return await self._in_turn(read)

    async def override(self, override: Override) -> None:
        """Keep an override; it takes the place of one of the same rule and scope."""
        row = (override.rule, override.scope, override.person, override.reason, override.until_s)
        await self._write(lambda: self._run("INSERT OR REPLACE INTO overrides VALUES (?, ?, ?, ?, ?)", *row))

    async def report(self, vantage: str, readings: Mapping[str, str], *, at_s: float) -> None:
        """Keep what a vantage sees, whole; beyond `REPORTS_MAX`, forget those written longest ago."""
        text = json.dumps(dict(readings))

        def write() -> None:
            with transaction(self._connection):
                self._run("INSERT OR REPLACE INTO reports VALUES (?, ?, ?)", vantage, at_s, text)
                # Every write takes the next rowid, so these are in the order of writing: clocks need not agree.
                statement = (
                    "DELETE FROM reports WHERE rowid NOT IN (SELECT rowid FROM reports ORDER BY rowid DESC LIMIT ?)"
                )
                self._run(statement, REPORTS_MAX)

        await self._write(write)

    async def reports(self) -> Mapping[str, tuple[float, Mapping[str, str]]]:
        """Return what each vantage saw last, and when (seconds since the epoch)."""
        query = "SELECT vantage, at_s, readings FROM reports ORDER BY vantage"
        return await self._in_turn(
            lambda: {vantage.decode(): (at_s, json.loads(text)) for vantage, at_s, text in self._all(query)}
        )

    async def changed(self, since: int, timeout_s: float) -> int:
        """Return when anything may have changed since the call that returned `since`, or after that long."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._written.clear()
                    if (version := await self._in_turn(self._version)) != since:
                        return version
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await self._written.wait()
        except TimeoutError:
            return since

    def _open(self) -> None:
        make_private(self.path.parent)
        self._connection = connect(self.path, shared=True)
        fault = make_ready(self.path, self._connection, _FORMAT)
        if fault:
            self._connection.close()
            raise self._broken(fault)

    def _version(self) -> int:
        (version,) = self._one("PRAGMA data_version")  # grows by commits of others alone
        return int(version) + self._writes

    def _newest(self, zone: Name) -> PlanHead | None:
        row = self._one(_NEWEST, zone)
        return None if row is None else PlanHead(zone=zone, generation=row[0], hash=row[1].decode())

    def _content(self, zone: Name, generation: int) -> Content | None:
        row = self._one(f"{_HASH} AND NOT forgotten", zone, generation)
        if row is None:
            return None
        start, content = self._start(zone, generation)
        plans = [_plan(each) for each in self._all(_PLANS, zone, start, generation)]
        if plans:
            content = applied(content, chain.from_iterable(plan.changes for plan in plans))
        if zone not in self._latest or self._latest[zone][0].generation < generation:
            self._latest[zone] = (PlanHead(zone=zone, generation=generation, hash=row[0].decode()), content)
        return content

    def _start(self, zone: Name, generation: int) -> tuple[int, Content]:
        """Return the latest content at or before `generation` that need not be made from another, and of which."""
        query = "SELECT max(generation) FROM plans WHERE zone = ? AND generation <= ? AND (alone OR whole IS NOT NULL)"
        (start,) = self._one(query, zone, generation)
        latest = self._latest.get(zone)
        if latest is not None:
            head, content = latest
            row = self._one(_HASH, zone, head.generation)
            if row is not None and row[0].decode() == head.hash and (start or 0) <= head.generation <= generation:
                return head.generation, content
        if start is None:
            raise WireError(f"nothing says what was planned of {zone} with generation {generation}")
        (octets,) = self._one("SELECT whole FROM plans WHERE zone = ? AND generation = ?", zone, start)
        if octets is None:  # the plan itself is all there is
            return start - 1, {}
        return start, nodes_of(octets)

    def _compact(self, zone: Name) -> None:
        """Let rows of forgotten plans go from which nothing is made, and make that so where they are many."""
        (lowest,) = self._one("SELECT min(generation) FROM plans WHERE zone = ? AND NOT forgotten", zone)
        if lowest is None:
            return
        start, size = self._one(
            "SELECT generation, length(octets) + coalesce(length(whole), 0) FROM plans"
            " WHERE zone = ? AND generation <= ? AND (alone OR whole IS NOT NULL) ORDER BY generation DESC LIMIT 1",
            zone,
            lowest,
        ) or (0, 0)
        query = (
            "SELECT coalesce(sum(length(octets)), 0) FROM plans WHERE zone = ? AND generation > ? AND generation < ?"
        )
        (forgotten,) = self._one(query, zone, start, lowest)
        if forgotten > max(FORGOTTEN_ALWAYS, size):
            content = self._content(zone, lowest)
            assert content is not None
            octets = pack_rrsets(rrsets_of(content))
            self._run("UPDATE plans SET whole = ? WHERE zone = ? AND generation = ?", octets, zone, lowest)
            start = lowest
        self._run("DELETE FROM plans WHERE zone = ? AND generation < ? AND forgotten", zone, start)

    def _one(self, query: str, *values: object) -> Any:
        return self._connection.execute(query, values).fetchone()

    def _all(self, query: str, *values: object) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    def _run(self, statement: str, *values: object) -> None:
        self._connection.execute(statement, values)

    async def _write(self, act: Callable[[], _T]) -> _T:
        done = await self._in_turn(act)
        self._writes += 1
        self._written.set()
        return done

    async def _in_turn(self, act: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
        except WireError as error:
            raise self._broken(f"is damaged ({error})") from error
        except StoreError as error:
            raise PlanStoreError(str(error)) from error
        except (OSError, *ERRORS) as error:
            if is_damage(error):
                raise self._broken(f"is damaged ({error})") from error
            raise PlanStoreError(str(unusable(self.path, error))) from error

    def _broken(self, reason: str) -> PlanStoreError:
        return PlanStoreError(str(StoreError(self.path, reason, _WHAT_TO_DO)))


def _plan(row: tuple[bytes, bytes, float]) -> Plan:
    hash_, octets, made_at_s = row
    plan = read_plan(octets, made_at_s=made_at_s)
    if plan.hash.encode() != hash_:
        raise WireError(f"plan {plan.generation} of {plan.zone} is not what it was")
    return plan


_WHAT_TO_DO: Final = (
    "Put back a copy of it, or move it elsewhere: then the next plan is made from what is published, "
    "and waits for its approval where it would change any of it."
)
