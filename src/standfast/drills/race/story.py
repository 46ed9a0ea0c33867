"""The story of the race: the name, its plans, who is held up where, and what is told of it. Decides nothing else.

It is the same for both designs. A hold-up sits where the incident's sat: between an enactor's look at what stands
and its write; and before a clean-up.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

from standfast.dns.model import Name, RRset, RRType

ZONE: Final[Name] = "us-east-1.amazonaws.com."
NAME: Final[Name] = f"dynamodb.{ZONE}"
NAMES: Final = (NAME, f"streams.{NAME}")
ENACTORS: Final = ("A", "B", "C")
POLL_S: Final = {"A": 1.0, "B": 1.3, "C": 6.7}  # how often each of the original's looks for a new plan
PLAN_EVERY_S: Final = 15.0
PLANS: Final = 14
ENDS_AT_S: Final = PLANS * PLAN_EVERY_S
CLEAN_UP_MAX_S: Final = 12.0
KEPT: Final = 5  # plans behind its own that a clean-up leaves
STALLED: Final = "A"
TTL_S: Final = 5
PLACES: Final = 8  # load balancers of the region, all well all the time
IN_USE: Final = 4  # of them in each plan

ORIGINAL: Final = "original"
OURS: Final = "ours"


def places_of(generation: int) -> tuple[int, ...]:
    """Return the numbers of the load balancers that a plan has: one goes and one comes with each."""
    return tuple(sorted((generation + each) % PLACES + 1 for each in range(IN_USE)))


def address_of(place: int) -> str:
    """Return where a load balancer is."""
    return f"127.9.0.{place}"


def rrset_of(owner: Name, generation: int, ttl_s: int) -> RRset:
    """Return the addresses that a plan has, as records of `owner`."""
    rdatas = tuple(bytes(map(int, address_of(place).split("."))) for place in places_of(generation))
    return RRset(owner=owner, rtype=RRType.A, ttl_s=ttl_s, rdatas=rdatas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something that happened to one of the designs. `step` is that of the incident's account, 1 to 6."""

    at_s: float
    design: str
    step: int
    text: str


class HoldUps(Protocol):
    """Who is held up, and until when; asked by both designs at the same places."""

    async def before_write(self, who: str, generation: int) -> None:
        """Return when this write may go out."""
        ...

    def after_write(self, who: str, generation: int) -> None:
        """Be told that the answer to it is there."""
        ...

    async def before_clean_up(self, who: str, plan: int, goes: Collection[int]) -> None:
        """Return when `who`, which has applied `plan`, may delete these plans."""
        ...


@dataclass(slots=True)
class Incident:
    """The hold-ups of the incident: A with its first plan, until a clean-up is about to delete that very plan.

    Nobody else writes before A is held up, and that clean-up waits until A's write is answered. So the order is that
    of the incident, however busy the machine.
    """

    tell: Callable[[int, str], None]
    _stale: int = 0  # the plan of A
    _is_held: asyncio.Event = field(default_factory=asyncio.Event)
    _may_go: asyncio.Event = field(default_factory=asyncio.Event)
    _is_answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def before_write(self, who: str, generation: int) -> None:
        """Hold enactor A up when it first writes."""
        if who == STALLED and not self._stale:
            self._stale = generation
            self.tell(1, f"enactor A has seen that its plan {generation} is newer than what stands, and stalls")
            self._is_held.set()
            await self._may_go.wait()
        elif who in ENACTORS:
            await self._is_held.wait()

    def after_write(self, who: str, generation: int) -> None:
        """Let the clean-up go on."""
        if who == STALLED and generation == self._stale:
            self._is_answered.set()

    async def before_clean_up(self, who: str, plan: int, goes: Collection[int]) -> None:
        """Let A go on, and wait for what becomes of its write."""
        if self._stale in goes and not self._may_go.is_set():
            self.tell(2, f"the planner has gone on, with plans {self._stale + 1} to {plan}")
            self.tell(3, f"enactor {who} has applied plan {plan} everywhere, and begins its clean-up of old plans")
            self._may_go.set()
            await self._is_answered.wait()


class AtRandom:
    """Hold-ups from a seed, near those of the incident and the same for both designs.

    One enactor gets nothing done from some plan on until about when that plan is old enough to be cleaned up, the
    others for moments. A clean-up takes its time, as one that looks through all old plans of a region does.
    """

    def __init__(self, seed: str, now: Callable[[], float]) -> None:
        rng = random.Random(seed)  # noqa: S311  a schedule, not a secret
        self._now = now
        self._rng = rng
        self._windows = {who: _moments(rng) for who in ENACTORS}
        begins_s = rng.randint(1, PLANS - KEPT - 3) * PLAN_EVERY_S
        old_s = begins_s + (KEPT + 1) * PLAN_EVERY_S
        self._windows[rng.choice(ENACTORS)] = [(begins_s, rng.uniform(old_s, old_s + CLEAN_UP_MAX_S))]

    async def before_write(self, who: str, generation: int) -> None:
        """Wait for the end of the window."""
        del generation
        await self._wait(who)

    def after_write(self, who: str, generation: int) -> None:
        """Nothing waits for that."""

    async def before_clean_up(self, who: str, plan: int, goes: Collection[int]) -> None:
        """Wait as well: a clean-up is work like any other."""
        del plan
        if goes:
            await asyncio.sleep(self._rng.uniform(0, CLEAN_UP_MAX_S))
            await self._wait(who)

    async def _wait(self, who: str) -> None:
        now = self._now()
        until = max((end for begin, end in self._windows.get(who, ()) if begin <= now < end), default=now)
        await asyncio.sleep(until - now)


def _moments(rng: random.Random) -> list[tuple[float, float]]:
    """Return windows of some seconds, minutes apart."""
    windows, at = [], 0.0
    while at < ENDS_AT_S:
        at += rng.uniform(0, 4 * PLAN_EVERY_S)
        windows.append((at, at + rng.uniform(0, PLAN_EVERY_S / 2)))
    return windows
