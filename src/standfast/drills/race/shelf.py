"""What both designs publish at, and keep plans in, in virtual time: one zone in memory, changed by transactions."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from standfast.control.fence import Standing, fence_name, fence_rrset, standing_in
from standfast.control.plan import Content, Plan, PlanHead
from standfast.control.publishing import Batch, Late, Outcome, PublisherFacts, Reading, Written, reading
from standfast.dns.changes import Change, same
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.rdata import rrset_to_text
from standfast.ledger.record import JsonValue

TRIP_S = 0.02  # to the provider, and back


class Shelf:
    """A zone, as a `Publisher`. Each transaction is one moment."""

    facts = PublisherFacts(name="there")

    def __init__(self) -> None:
        self._rrsets: dict[tuple[Name, int], RRset] = {}

    def answers(self, name: Name) -> bool:
        """Say whether a client that asks for `name` gets addresses, if need be by an alias."""
        alias = self._rrsets.get((name, RRType.CNAME))
        return ((rrset_to_text(alias)[0] if alias else name), RRType.A) in self._rrsets

    async def read(self, zone: Name) -> Reading:
        """Return all that is published."""
        await asyncio.sleep(TRIP_S)
        return reading(zone, self._rrsets.values())

    async def fence(self, zone: Name) -> Standing:
        """Return the fence that stands."""
        await asyncio.sleep(TRIP_S)
        return self._fence(zone)

    async def write(self, batch: Batch) -> Outcome:
        """Replace the expected fence and make the changes."""
        await asyncio.sleep(TRIP_S)
        stands = self._fence(batch.zone)
        if stands != batch.expect:
            return Late(found=stands)
        self.make([*batch.changes, Change(before=None, after=fence_rrset(batch.zone, batch.fence))])
        await asyncio.sleep(TRIP_S)
        return Written()

    def _fence(self, zone: Name) -> Standing:
        return standing_in(self._rrsets.get((fence_name(zone), RRType.TXT)))

    def rrset(self, owner: Name, rtype: int) -> RRset | None:
        """Return what stands."""
        return self._rrsets.get((owner, rtype))

    def make(self, changes: Iterable[Change]) -> None:
        """Make the changes, at once."""
        for change in changes:
            if change.after is not None:
                self._rrsets[change.key] = change.after
            else:
                self._rrsets.pop(change.key, None)


class Table:
    """The same zone as the original design uses it."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def read(self, owner: Name, rtype: int) -> RRset | None:
        """Return an RRset that stands."""
        await asyncio.sleep(TRIP_S)
        return self._shelf.rrset(owner, rtype)

    async def transact(self, require: Iterable[RRset], changes: Iterable[Change]) -> bool:
        """Make the changes where all of `require` stands."""
        await asyncio.sleep(TRIP_S)
        if not all(same(self._shelf.rrset(each.owner, each.rtype), each) for each in require):
            return False
        self._shelf.make(changes)
        await asyncio.sleep(TRIP_S)
        return True


class PlansInMemory:
    """What of a `PlanStore` the race needs."""

    def __init__(self) -> None:
        self._plans: dict[int, tuple[Plan, Content]] = {}
        self._newest: PlanHead | None = None
        self._changes = 0
        self._changed = asyncio.Event()

    async def newest(self, zone: Name) -> PlanHead | None:
        """Return the newest plan's head."""
        del zone
        return self._newest

    async def add(self, plan: Plan, content: Content, *, after: PlanHead | None) -> bool:
        """Keep a plan."""
        if after != self._newest:
            return False
        self._plans[plan.generation] = (plan, content)
        self._newest = plan.head
        self._changes += 1
        self._changed.set()
        self._changed = asyncio.Event()
        return True

    async def plan(self, zone: Name, generation: int) -> Plan | None:
        """Return a plan."""
        del zone
        return self._plans[generation][0] if generation in self._plans else None

    async def content(self, head: PlanHead) -> Content | None:
        """Return all that was planned."""
        plan, content = self._plans.get(head.generation, (None, None))
        return content if plan is not None and plan.head == head else None

    async def generations(self, zone: Name) -> Sequence[int]:
        """Return all that are kept."""
        del zone
        return sorted(self._plans)

    async def collect(self, zone: Name, generations: Sequence[int]) -> None:
        """Forget these."""
        del zone
        for each in generations:
            self._plans.pop(each, None)

    async def changed(self, since: int, timeout_s: float) -> int:
        """Return when a plan came since, or after that long."""
        if self._changes == since:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
        return self._changes


class NoLedger:
    """A ledger that keeps nothing: a thousand simulated races need no disk."""

    def append(self, kind: str, body: Mapping[str, JsonValue], at_ms: int) -> None:
        """Forget the record."""
