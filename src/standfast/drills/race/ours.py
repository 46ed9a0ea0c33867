"""Standfast's own control plane on the stage of the race: its planner, enactors, fence and clean-up, and nothing else.

What is of the drill here is where it is held up, and that its leases are granted to everybody: the enactors are meant
to get in each other's way, and nothing is safe by a lease.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, cast

from standfast.control.cleanup import collectable
from standfast.control.facts import Base, Inputs
from standfast.control.fence import Fence, Standing
from standfast.control.finding import Verdict
from standfast.control.intent import Endpoint, ManagedName, Policy, PolicyKind, ZoneIntent
from standfast.control.planner import plan_zone
from standfast.control.pool_view import Health, PoolView
from standfast.control.publishing import Batch, Late, Outcome, Publisher, PublisherFacts, Reading
from standfast.control.rules.bounds import Bounds
from standfast.control.store import PlanStore
from standfast.control.zone_index import index_zone
from standfast.dns.model import Name
from standfast.drills.errors import DrillError
from standfast.drills.race.story import (
    ENACTORS,
    KEPT,
    NAMES,
    PLAN_EVERY_S,
    PLANS,
    STALLED,
    TTL_S,
    ZONE,
    HoldUps,
    address_of,
    places_of,
)
from standfast.io.control.enactor_service import EnactorService
from standfast.io.control.journal import ControlJournal

POOL: Final = "us-east-1"
PUBLISHER: Final = "there"
LOOK_EVERY_S: Final = 5.0
# Load balancers come and go every quarter of a minute here, and their addresses are those of this machine.
BOUNDS: Final = Bounds(leave_ratio_max=1.0, name_leave_ratio_max=1.0, managed_ttl_s_min=1, networks=("127.0.0.0/8",))


class Ours:
    """A planner, three enactors, and a clean-up after each publish."""

    def __init__(
        self,
        publisher: Publisher,
        store: PlanStore,
        journal: ControlJournal,
        hold_ups: HoldUps,
        *,
        scale: float,
        seed: str,
        tell: Callable[[int, str], None],
    ) -> None:
        """Do nothing yet. `scale`: how many seconds of the story pass in one of the event loop."""
        self._publisher = publisher
        self._store = cast(PlanStore, _Unleased(store))
        self._journal = journal
        self._hold_ups = hold_ups
        self._scale = scale
        self._rng = random.Random(seed)  # noqa: S311  spreads work, not a secret
        self._tell = tell
        ttl_s = max(1, round(TTL_S / scale))
        policy = Policy(kind=PolicyKind.ALL_HEALTHY, pools=((POOL, 1),))
        names = tuple(ManagedName(name=name, ttl_s=ttl_s, policy=policy) for name in NAMES)
        self._zone = index_zone(ZoneIntent(origin=ZONE, publishers=(PUBLISHER,), names=names))
        self._refused_late = False
        self._has_told_of_clean_up = False
        self._has_told_of_going_on = False
        self._cleaning: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Have plan 1 stand everywhere."""
        await self._plan_next(1)
        async with self._enactor("A", self._publisher) as first:
            first.assign({ZONE: [PUBLISHER]})
            while not (isinstance(fence := await self._publisher.fence(ZONE), Fence) and fence.done):
                await asyncio.sleep(0.01)

    async def run(self) -> None:
        """Plan and publish until cancelled."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._end_cleaning)
            for who in ENACTORS:
                enactor = self._enactor(who, _HeldUp(self._publisher, who, self._hold_ups, self._written))
                enactor.on_settled.append(partial(self._settled, who))
                await stack.enter_async_context(enactor)
                enactor.assign({ZONE: [PUBLISHER]})
            for generation in range(2, PLANS + 1):
                await asyncio.sleep(PLAN_EVERY_S / self._scale)
                await self._plan_next(generation)
            await asyncio.Event().wait()

    async def _plan_next(self, generation: int) -> None:
        """Plan what the region's load balancers are by now."""
        head = await self._store.newest(ZONE)
        content = await self._store.content(head) if head else None
        base = Base(head=head, content=content or {}, published={PUBLISHER: await self._publisher.fence(ZONE)})
        endpoints = {Endpoint(address=address_of(place)): Health.WELL for place in places_of(generation)}
        now_s = asyncio.get_running_loop().time() * self._scale
        inputs = Inputs(pools={POOL: PoolView(endpoints=endpoints)}, now_s=now_s, bounds=BOUNDS)
        planned = plan_zone(self._zone, inputs, base)
        if planned.plan is None or planned.verdict is not Verdict.PUBLISH:
            said = "; ".join(finding.text for finding in planned.findings)
            raise DrillError("race", f"the planner did not go on: {said or 'nothing changed'}")
        await self._store.add(planned.plan, planned.content, after=head)

    def _enactor(self, who: str, publisher: Publisher) -> EnactorService:
        return EnactorService(
            self._store,
            {PUBLISHER: publisher},
            journal=self._journal,
            name=who,
            look_every_s=LOOK_EVERY_S,
            reads_whole=False,
            rng=self._rng,
        )

    def _written(self, who: str, batch: Batch, outcome: Outcome) -> None:
        if isinstance(outcome, Late) and not self._refused_late and who == STALLED and isinstance(batch.expect, Fence):
            self._refused_late = True
            text = (
                f"the server refuses the write of enactor A as a whole: it expects the fence of plan"
                f" {batch.expect.generation}, which stands no more"
            )
            self._tell(4, text)

    def _settled(self, who: str, zone: Name, publisher: str, fence: Fence) -> None:
        del zone, publisher
        if self._has_told_of_clean_up and who == STALLED and not self._has_told_of_going_on:
            self._has_told_of_going_on = True
            text = f"enactor A has read the fence back, finds plan {fence.generation} done, and goes on with the next"
            self._tell(6, text)
        task = asyncio.get_running_loop().create_task(self._clean_up(who, fence))
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)

    async def _end_cleaning(self) -> None:
        for task in self._cleaning:
            task.cancel()
        await asyncio.gather(*self._cleaning, return_exceptions=True)

    async def _clean_up(self, who: str, fence: Fence) -> None:
        """Forget what nobody needs any more."""
        goes = collectable(await self._store.generations(ZONE), {PUBLISHER: fence}, KEPT + 1)
        await self._hold_ups.before_clean_up(who, fence.generation, goes)
        await self._store.collect(ZONE, goes)
        if goes and self._refused_late and not self._has_told_of_clean_up:
            self._has_told_of_clean_up = True
            plans = f"plan {goes[0]}" if len(goes) == 1 else f"plans {goes[0]} to {goes[-1]}"
            text = (
                f"the clean-up of enactor {who} forgets {plans}, which no fence refers to: nothing served rests on it"
            )
            self._tell(5, text)


class _HeldUp:
    """The publisher as one enactor has it: its writes go out when the story lets them."""

    def __init__(
        self,
        publisher: Publisher,
        who: str,
        hold_ups: HoldUps,
        written: Callable[[str, Batch, Outcome], None],
    ) -> None:
        self._publisher = publisher
        self._who = who
        self._hold_ups = hold_ups
        self._tell_written = written

    @property
    def facts(self) -> PublisherFacts:
        return self._publisher.facts

    async def fence(self, zone: Name) -> Standing:
        return await self._publisher.fence(zone)

    async def read(self, zone: Name) -> Reading:
        return await self._publisher.read(zone)

    async def write(self, batch: Batch) -> Outcome:
        await self._hold_ups.before_write(self._who, batch.fence.generation)
        outcome = await self._publisher.write(batch)
        self._tell_written(self._who, batch, outcome)
        self._hold_ups.after_write(self._who, batch.fence.generation)
        return outcome


class _Unleased:
    """A store that grants every lease to everybody; else as it is."""

    def __init__(self, store: PlanStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def lease(self, what: str, holder: str, ttl_s: float) -> bool:
        del what, holder, ttl_s
        return True
