"""The verifier running: after each publish it looks until servers show it, and on schedule it reads all that is there.

What differs from the plan is written down, told, and mended by the enactor, which then reads it whole itself.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import structlog

from standfast.control.fence import Fence, Standing
from standfast.control.generations import stands_whole
from standfast.control.plan import Plan
from standfast.control.publishing import Publisher, PublisherError, Spreading
from standfast.control.store import PlanStore, PlanStoreError
from standfast.control.verifier import Asked, Drift, Seen, Sight, Visibility, drift, finding_of, look_at
from standfast.dns.changes import Change
from standfast.dns.model import Name
from standfast.dns.servers import Server
from standfast.io.control.journal import ControlJournal
from standfast.ports import Random

VISIBLE_MAX_S: Final = 60.0  # a server that shows a plan later than that is told of, and asked no more
POLL_MIN_S: Final = 0.02  # between two looks: what is visible in 50 ms is to be seen so
POLL_MAX_S: Final = 2.0
SPREAD_POLL_S: Final = 5.0  # between two looks at a publisher that spreads: an account has five requests a second
SPREAD_MAX_S: Final = 600.0  # ten times what Route 53 takes as a rule
ASKS_MAX: Final = 16  # questions on the way at once, of one zone at one publisher
JITTER: Final = 0.1  # of the schedule, so that zones are not all read at once
RETRY_S: Final = 5.0  # after a fault of ours

log = structlog.get_logger("standfast.control")

EVERYWHERE: Final = "everywhere"  # in the place of a server's name: all those of a publisher that spreads

Look = Callable[[Server, Asked], Awaitable[Seen]]
Key = tuple[Name, str]


@dataclass(slots=True, kw_only=True)
class Watched:
    """One zone at one publisher, for those who look at it: when each server showed it last, and what differed."""

    zone: Name
    publisher: Publisher
    servers: tuple[Server, ...]
    visible_after_s: dict[str, float] = field(default_factory=dict)  # by server, of the last plan that it showed
    differs: Drift | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    fence: Fence | None = None  # by which it was settled last
    at_s: float = 0.0  # when that was
    tasks: tuple[asyncio.Task[None], ...] = ()


class VerifierService:
    """The verifier of this process, from when its context is entered until it ends."""

    def __init__(
        self,
        store: PlanStore,
        publishers: Mapping[str, tuple[Publisher, tuple[Server, ...]]],
        *,
        journal: ControlJournal,
        look: Look,
        heal: Callable[[Name, str], None],
        every_s: float,
        now: Callable[[], float],
        rng: Random,
    ) -> None:
        """Ask nothing yet.

        Args:
            store: of plans.
            publishers: by name, with the servers that must show what is published there.
            journal: gets what is visible, and what differs.
            look: asks a server.
            heal: is told of a zone at a publisher that differs from its plan.
            every_s: how often all that is published is read.
            now: a clock that does not jump, in seconds.
            rng: spreads what would be done at once.
        """
        self.watched: dict[Key, Watched] = {}
        self.drifts: Counter[str] = Counter()  # by publisher
        self.late: Counter[str] = Counter()  # plans that a publisher's servers did not show in time
        self._store = store
        self._publishers = publishers
        self._journal = journal
        self._look = look
        self._heal = heal
        self._every_s = every_s
        self._now = now
        self._rng = rng

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.assign({})

    async def assign(self, zones: Mapping[Name, Iterable[str]]) -> None:
        """Watch these zones at these publishers from now on, and no others."""
        wanted = {(zone, publisher) for zone, publishers in zones.items() for publisher in publishers}
        ending = [task for key, each in self.watched.items() if key not in wanted for task in each.tasks]
        for task in ending:
            task.cancel()
        self.watched = {key: each for key, each in self.watched.items() if key in wanted}
        for key in sorted(wanted - self.watched.keys()):
            publisher, servers = self._publishers[key[1]]
            each = self.watched[key] = Watched(zone=key[0], publisher=publisher, servers=servers)
            turns = (self._see_plans, self._read_on_schedule)
            each.tasks = tuple(asyncio.create_task(self._kept_running(turn, each)) for turn in turns)
        await asyncio.gather(*ending, return_exceptions=True)

    def settled(self, zone: Name, publisher: str, fence: Fence) -> None:
        """Be told that an enactor settled a zone by `fence`: from now on servers have to show it."""
        each = self.watched.get((zone, publisher))
        if each is not None and each.fence != fence:
            each.fence, each.at_s = fence, self._now()
            each.settled.set()

    def visible_after_s(self) -> list[tuple[tuple[str, ...], float]]:
        """Return how long each server took to show the last plan that it showed, of its slowest zone."""
        slowest: dict[str, float] = {}
        for each in self.watched.values():
            for server, after_s in each.visible_after_s.items():
                slowest[server] = max(after_s, slowest.get(server, 0.0))
        return [((server,), after_s) for server, after_s in slowest.items()]

    async def _kept_running(self, turn: Callable[[Watched], Coroutine[Any, Any, None]], watched: Watched) -> None:
        while True:
            try:
                await turn(watched)
            except Exception:  # a fault of ours at one look must not end what drift is found by
                log.exception("verifier.failed", zone=watched.zone, publisher=watched.publisher.facts.name)
                await asyncio.sleep(RETRY_S)

    # Until servers show it ----------------------------------------------------------------------------------

    async def _see_plans(self, watched: Watched) -> None:
        while True:
            await watched.settled.wait()
            watched.settled.clear()
            fence = watched.fence
            with suppress(PlanStoreError):  # it is told by whoever cannot do without
                plan = await self._store.plan(watched.zone, fence.generation) if fence else None
                if plan is not None and stands_whole(fence, plan.head):
                    await asyncio.gather(self._see_plan(watched, plan), self._see_spread(watched, plan))

    async def _see_plan(self, watched: Watched, plan: Plan) -> None:
        by_name = {str(server): server for server in watched.servers}
        visibility = Visibility(plan, by_name, since_s=watched.at_s)
        pause_s = POLL_MIN_S
        at_once = asyncio.Semaphore(ASKS_MAX)
        last: list[Seen] = []

        async def ask(server: str, asked: Asked) -> Seen:
            async with at_once:
                seen = await self._look(by_name[server], asked)
            visibility.see(seen, self._now())
            return seen

        while visibility.left and not watched.settled.is_set():
            shown = set(visibility.after_s)
            last = [*await asyncio.gather(*(ask(server, asked) for server, asked in visibility.left))]
            for server in visibility.after_s.keys() - shown:
                self._visible(watched, plan, server, visibility.after_s[server])
            if self._now() - watched.at_s > VISIBLE_MAX_S:
                self._not_visible(watched, last, visibility.changes)
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, POLL_MAX_S)

    async def _see_spread(self, watched: Watched, plan: Plan) -> None:
        """Wait until a publisher that spreads what is written says that it is everywhere."""
        publisher = watched.publisher
        everywhere: bool | None = False
        while isinstance(publisher, Spreading) and not watched.settled.is_set():
            with suppress(PublisherError):  # it is told by whoever cannot do without
                everywhere = await publisher.is_everywhere(watched.zone)
            after_s = self._now() - watched.at_s
            if everywhere:
                self._visible(watched, plan, EVERYWHERE, after_s)
            elif everywhere is not None and after_s > SPREAD_MAX_S:
                self.late[publisher.facts.name] += 1
                self._alarm_not_visible(watched, f"not at all of its servers after {after_s:.0f} s")
            elif everywhere is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SPREAD_POLL_S):
                        await watched.settled.wait()
                continue
            return

    def _visible(self, watched: Watched, plan: Plan, server: str, after_s: float) -> None:
        watched.visible_after_s[server] = after_s
        self._journal.visible(plan.head, watched.publisher.facts.name, server, after_s=after_s)

    def _not_visible(self, watched: Watched, last: Iterable[Seen], changes: Mapping[Asked, Change]) -> None:
        self.late[watched.publisher.facts.name] += 1
        for seen in last:
            change = changes[seen.asked]
            sight = look_at(seen, change.after, (change.before,))
            finding = finding_of(seen, sight, change.after)
            if finding is not None:
                self._alarm_not_visible(watched, finding.text)
                break  # the first says it; `standfast verify` says all
        if any(look_at(seen, changes[seen.asked].after, ()) is not Sight.SILENT for seen in last):
            self._heal(watched.zone, watched.publisher.facts.name)

    def _alarm_not_visible(self, watched: Watched, text: str) -> None:
        publisher = watched.publisher.facts.name
        log.warning("plan.not_visible", zone=watched.zone, publisher=publisher, detail=text)
        self._journal.alarm("not-visible", watched.zone, text)

    # On schedule --------------------------------------------------------------------------------------------

    async def _read_on_schedule(self, watched: Watched) -> None:
        while True:
            await asyncio.sleep(self._every_s * (1 + JITTER * (2 * self._rng.random() - 1)))
            try:
                found = await read_drift(self._store, watched.publisher, watched.zone)
            except (PublisherError, PlanStoreError) as error:
                log.warning("plan.unverified", zone=watched.zone, detail=str(error))
                continue
            if found is not None:
                self._differs(watched, *found)
            else:
                watched.differs = None

    def _differs(self, watched: Watched, found: Drift, fence: Standing) -> None:
        publisher = watched.publisher.facts.name
        if found != watched.differs:  # once, however often it is seen until it is mended
            self.drifts[publisher] += 1
            log.warning("plan.drift", zone=watched.zone, publisher=publisher, why=found.why, repairs=len(found.repairs))
            self._journal.drift(watched.zone, publisher, fence, found.repairs, why=found.why)
        watched.differs = found
        self._heal(watched.zone, publisher)


async def read_drift(store: PlanStore, publisher: Publisher, zone: Name) -> tuple[Drift, Standing] | None:
    """Read all that is published, and return how it differs from the newest plan; None where it does not.

    Raises:
        PublisherError: it cannot be read.
        PlanStoreError: the plan cannot be read.
    """
    head = await store.newest(zone)
    planned = await store.content(head) if head else None
    if head is None or planned is None:
        return None
    reading = await publisher.read(zone)
    found = await asyncio.to_thread(drift, reading, head, planned)
    return None if found is None else (found, reading.fence)
