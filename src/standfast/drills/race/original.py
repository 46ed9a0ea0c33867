"""The design that made the outage of 20 October 2025, running; a rival, and no part of the product.

As its operator told it afterwards: plans are versioned; three enactors apply them, each of which checks once, when it
starts, that its plan is newer than what stands; each name is pointed at records that its plan owns, by a change that
deletes and recreates a lock record and writes a rollback record; whoever is done deletes the records of plans that are
many generations old. A lock has writers take turns. It does not put their plans in order.
"""

import asyncio
import random
import re
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.rdata import rrset_from_text, rrset_to_text
from standfast.drills.race.story import (
    KEPT,
    NAME,
    NAMES,
    PLAN_EVERY_S,
    PLANS,
    POLL_S,
    TTL_S,
    ZONE,
    HoldUps,
    rrset_of,
)

LOCK: Final[Name] = f"_lock.{ZONE}"
LOCK_TRIES_MAX: Final = 50
BACK_OFF_S: Final = (0.1, 0.5)


class Provider(Protocol):
    """A DNS provider as that design used it: changes are one transaction, made only where something stands just so."""

    async def read(self, owner: Name, rtype: int) -> RRset | None:
        """Return an RRset that stands."""
        ...

    async def transact(self, require: Iterable[RRset], changes: Iterable[Change]) -> bool:
        """Make the changes if every RRset of `require` stands just so; say whether they were made."""
        ...


class Original:
    """The planner, the three enactors and their clean-up."""

    def __init__(
        self, provider: Provider, hold_ups: HoldUps, *, scale: float, seed: str, tell: Callable[[int, str], None]
    ) -> None:
        """Do nothing yet. `scale`: how many seconds of the story pass in one of the event loop."""
        self._provider = provider
        self._hold_ups = hold_ups
        self._scale = scale
        self._tell = tell
        self._rng = random.Random(seed)  # noqa: S311  back-off, not a secret
        self._ttl_s = max(1, round(TTL_S / scale))
        self._newest = 1
        self._kept = {1}  # plans that were not cleaned up
        self._is_empty = False
        self._has_refused = False

    async def begin(self) -> None:
        """Have plan 1 stand everywhere."""
        await self._provider.transact((), [_put(_text(LOCK, "free", self._ttl_s))])
        for name in NAMES:
            await self._apply("nobody", 1, name)

    async def run(self) -> None:
        """Plan and apply until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._plan())
            for who in POLL_S:
                group.create_task(self._enact(who))

    async def _plan(self) -> None:
        while self._newest < PLANS:
            await self._sleep(PLAN_EVERY_S)
            self._kept.add(self._newest + 1)
            self._newest += 1

    async def _enact(self, who: str) -> None:
        begun = 1
        while True:
            await self._sleep(POLL_S[who])
            if (plan := self._newest) == begun:
                continue
            begun = plan
            is_newer = await self._standing(NAME) < plan  # the check: once, here
            if is_newer and all([await self._apply(who, plan, name) for name in NAMES]):
                await self._clean_up(who, plan)

    async def _apply(self, who: str, plan: int, name: Name) -> bool:
        """Point `name` at the records of `plan`; say whether that could be done."""
        owned = rrset_of(_owned(plan, name), plan, self._ttl_s)
        await self._provider.transact((), [_put(owned)])
        for _ in range(LOCK_TRIES_MAX):
            await self._hold_ups.before_write(who, plan)
            before = await self._standing(name)
            if before and before not in self._kept:  # no rollback record can be pointed at a plan that is gone
                self._refuse(who, plan, before)
                return False
            lock = await self._provider.read(LOCK, RRType.TXT)
            assert lock is not None
            taken = _text(LOCK, f"{who}-{self._rng.getrandbits(64):x}", self._ttl_s)
            rollback = _text(f"_rollback.{name}", f"plan-{before}", self._ttl_s)
            alias = _alias(name, owned.owner, self._ttl_s)
            # No provider takes an alias to what is not there: the plan's own records have to stand as well.
            done = await self._provider.transact([lock, owned], map(_put, (taken, rollback, alias)))
            if done and plan < before and name == NAME:
                self._tell(4, f"enactor {who} gets the lock and points the name back from plan {before} to plan {plan}")
            self._hold_ups.after_write(who, plan)
            if done or plan not in self._kept:
                return done
            await self._sleep(self._rng.uniform(*BACK_OFF_S))
        return False

    async def _clean_up(self, who: str, plan: int) -> None:
        goes = [each for each in sorted(self._kept) if each < plan - KEPT]
        await self._hold_ups.before_clean_up(who, plan, goes)
        for each in goes:
            self._kept.discard(each)
            owned = [rrset_of(_owned(each, name), each, self._ttl_s) for name in NAMES]
            await self._provider.transact((), [Change(before=rrset, after=None) for rrset in owned])
        stands = await self._standing(NAME)
        if stands in goes and not self._is_empty:
            self._is_empty = True
            text = f"the clean-up of enactor {who} deletes plan {stands}, which the name stands on: no address is left"
            self._tell(5, text)

    def _refuse(self, who: str, plan: int, before: int) -> None:
        if not self._has_refused:
            self._has_refused = True
            text = f"enactor {who} refuses plan {plan}, as does every other: plan {before}, to roll back to, is gone"
            self._tell(6, text)

    async def _standing(self, name: Name) -> int:
        """Return the plan that `name` points at; 0: none yet."""
        alias = await self._provider.read(name, RRType.CNAME)
        found = re.match(r"plan-(\d+)\.", rrset_to_text(alias)[0]) if alias else None
        return int(found[1]) if found else 0

    async def _sleep(self, story_s: float) -> None:
        await asyncio.sleep(story_s / self._scale)


def _owned(plan: int, name: Name) -> Name:
    return f"plan-{plan}.{name}"


def _put(rrset: RRset) -> Change:
    return Change(before=None, after=rrset)


def _text(owner: Name, text: str, ttl_s: int) -> RRset:
    return rrset_from_text(owner, RRType.TXT, ttl_s, [f'"{text}"'])


def _alias(owner: Name, target: Name, ttl_s: int) -> RRset:
    return rrset_from_text(owner, RRType.CNAME, ttl_s, [target])
