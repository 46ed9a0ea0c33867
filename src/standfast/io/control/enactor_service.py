"""Enactors running: one machine for each zone at each of its publishers, its actions done, its rests kept.

Decides nothing that a name depends on. A lease has several processes take turns, so that not all of them do the same
work at once; where it cannot be had, or its holder sleeps, the fence alone decides, as it always does.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, assert_never

import structlog

from standfast.control.enacting import (
    Action,
    AskFence,
    AskNewest,
    AskPlans,
    AskWhole,
    Cause,
    Event,
    Failed,
    FenceRead,
    Job,
    NewestRead,
    PlansRead,
    Rest,
    Settled,
    State,
    Wake,
    WholeRead,
    Write,
    Writing,
)
from standfast.control.enactor import begin, step, taken
from standfast.control.fence import Fence, Garbage, standing_rrset
from standfast.control.plan import Plan, PlanHead
from standfast.control.publishing import (
    Foreseeing,
    Late,
    Outcome,
    Publisher,
    PublisherError,
    Reading,
    Refused,
    Unclear,
    Written,
)
from standfast.control.store import PlanStore, PlanStoreError
from standfast.dns.model import Name
from standfast.dns.rdata import rrset_to_text
from standfast.io.bulk import in_a_thread
from standfast.io.control.journal import TEXT_MAX, ControlJournal
from standfast.ports import Random

LEASE_S: Final = 5.0  # how long the work of a process that ended waits for another one
RETRY_MIN_S: Final = 0.25
RETRY_MAX_S: Final = 30.0  # a publisher that is back is noticed within that
RETRY_DOUBLINGS_MAX: Final = 7  # from the one to the other
IN_FLIGHT_MAX: Final = 4  # readings and writes at one publisher at once: providers allow a few in a second
ACT_TIMEOUT_S: Final = (
    120.0  # of one reading or write, whatever its publisher thinks; half a million records take a few s
)
INLINE_MAX: Final = 2_000  # RRsets that are decided by in the event loop; more, some ms of work, in a thread
STORE_RETRY_S: Final = 5.0  # until a store that could not be waited on is waited on again
WATCH_S: Final = 60.0  # until one that says nothing is looked at all the same

log = structlog.get_logger("standfast.control")


@dataclass(slots=True, kw_only=True)
class Line:
    """One zone at one publisher: what its machine knows, for those who look at it, and what wakes it."""

    zone: Name
    publisher: Publisher
    fence: Fence | None = None  # that it settled by last
    garbage: Garbage | None = None  # that was told of
    rest: Rest | None = None  # why it is not settled
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    whole: bool = False  # all that is published is to be read
    retries: int = 0  # rests in a row
    lease_until_s: float = 0.0
    task: asyncio.Task[None] | None = None

    @property
    def key(self) -> tuple[Name, str]:
        """Return what tells it from all others."""
        return self.zone, self.publisher.facts.name


class EnactorService:
    """The enactors of this process, from when its context is entered until it ends. Use it within one event loop."""

    def __init__(
        self,
        store: PlanStore,
        publishers: Mapping[str, Publisher],
        *,
        journal: ControlJournal,
        name: str,
        look_every_s: float,
        reads_whole: bool,
        rng: Random,
    ) -> None:
        """Publish nothing yet.

        Args:
            store: of plans.
            publishers: by the name that zones call them.
            journal: gets all that is published.
            name: of this process; at most 32 letters, as a fence holds them (`Job.writer`).
            look_every_s: how often a zone at which nothing happens is looked at, for what others did to it.
            reads_whole: whether then all of it is read, as nobody else in this process does that.
            rng: spreads what would be done at once.
        """
        self.lines: dict[tuple[Name, str], Line] = {}
        self.outcomes: Counter[str] = Counter()  # of writes
        self.rests: Counter[str] = Counter()  # by `Cause`
        self.on_settled: list[Callable[[Name, str, Fence], None]] = []  # told of each fence once
        self.on_stuck: list[Callable[[Name, str, Rest], None]] = []  # of what only a new plan can mend
        self._store = store
        self._publishers = publishers
        self._journal = journal
        self._holder = f"{name}.{secrets.token_hex(6)}"
        self._machines = 0
        self._look_every_s = look_every_s
        self._reads_whole = reads_whole
        self._rng = rng
        self._budgets = {each: asyncio.Semaphore(IN_FLIGHT_MAX) for each in publishers}
        self._watch: asyncio.Task[None]
        self._ending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._watch = asyncio.create_task(self._watch_store())
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        self.assign({})
        await asyncio.gather(self._watch, *self._ending, return_exceptions=True)

    def assign(self, zones: Mapping[Name, Iterable[str]]) -> None:
        """Publish these zones at these publishers from now on, and no others. What is under way elsewhere ends."""
        wanted = {(zone, publisher) for zone, publishers in zones.items() for publisher in publishers}
        for key, line in self.lines.items():
            if key not in wanted and line.task is not None:
                line.task.cancel()
                self._ending.add(line.task)
                line.task.add_done_callback(self._ending.discard)
        lines = {key: line for key, line in self.lines.items() if key in wanted}
        for zone, publisher in sorted(wanted - lines.keys()):
            line = lines[zone, publisher] = Line(zone=zone, publisher=self._publishers[publisher])
            line.task = asyncio.create_task(self._kept_running(line))
        self.lines = lines

    def heal(self, zone: Name, publisher: str) -> None:
        """Read all that is published there, and repair it: it was seen to differ from the plan."""
        line = self.lines.get((zone, publisher))
        if line is not None:
            line.whole = True
            line.wake.set()

    def look(self, zone: Name) -> None:
        """Look for a newer plan of the zone at once."""
        for line in self.lines.values():
            if line.zone == zone:
                line.wake.set()

    async def _kept_running(self, line: Line) -> None:
        while True:
            try:
                await self._run(line)
            except Exception:  # a fault of ours at one zone must not end what heals it, nor any other
                log.exception("enactor.failed", zone=line.zone, publisher=line.publisher.facts.name)
                await asyncio.sleep(self._about(RETRY_MAX_S))

    async def _run(self, line: Line) -> None:
        await self._turn(line)
        state, action = begin(Job(zone=line.zone, writer=self._next_writer(), limits=line.publisher.facts.limits))
        while True:
            match action:
                case Settled(fence=fence):
                    self._settled(line, fence)
                    if not await self._woken(line, self._about(self._look_every_s)) and self._reads_whole:
                        line.whole = True
                    state, action = await self._on_turn(line, state)
                case Rest() as rest:
                    self._rested(line, rest)
                    if _waits_for_a_plan(rest):
                        await self._woken(line, self._about(self._look_every_s))
                    else:
                        await asyncio.sleep(self._pause_s(line, rest))
                    state, action = await self._on_turn(line, state)
                case _:
                    _foresee(line.publisher, state, action)
                    event = await self._done(line, action)
                    self._saw(line, event)
                    if (written := taken(state, event)) is not None:
                        self._taken(line, written)
                    state, action = await in_a_thread(step, state, event) if _is_large(event) else step(state, event)

    async def _on_turn(self, line: Line, state: State) -> tuple[State, Action]:
        await self._turn(line)
        line.wake.clear()
        whole, line.whole = line.whole, False
        return step(state, Wake(whole=whole))

    async def _turn(self, line: Line) -> None:
        """Wait until no other process does the work."""
        while not await self._has_lease(line):
            await asyncio.sleep(self._about(LEASE_S / 2))

    async def _woken(self, line: Line, pause_s: float) -> bool:
        """Wait so long; say whether somebody woke the line before that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await line.wake.wait()
        return line.wake.is_set()

    async def _done(self, line: Line, action: Action) -> Event:
        try:
            async with self._budgets[line.publisher.facts.name], asyncio.timeout(ACT_TIMEOUT_S):
                return await self._act(line, action)
        except (PublisherError, PlanStoreError) as error:
            return Failed(why=str(error))
        except TimeoutError:
            why = f"no answer within {ACT_TIMEOUT_S:.0f} s"
            return Unclear(why=why) if isinstance(action, Write) else Failed(why=why)
        except Exception as error:  # whatever is wrong at one publisher is nothing to the others
            log.exception("enactor.failed", zone=line.zone, publisher=line.publisher.facts.name)
            why = f"{type(error).__name__}: {error}"
            return Unclear(why=why) if isinstance(action, Write) else Failed(why=why)

    async def _act(self, line: Line, action: Action) -> Event:
        zone, publisher, store = line.zone, line.publisher, self._store
        match action:
            case AskFence():
                return FenceRead(fence=await publisher.fence(zone))
            case AskNewest():
                return NewestRead(head=await store.newest(zone))
            case AskPlans(after=after, to=to):
                return PlansRead(plans=await self._plans(zone, after, to))
            case AskWhole(plan=plan, after=after):
                planned = await store.content(plan)
                plans = await self._plans(zone, after, plan.generation)
                return WholeRead(reading=await publisher.read(zone), planned=planned, plans=plans)
            case Write(batch=batch):
                # Kept for as long as there is work; without it, the fence decides, where there is one.
                is_alone = await self._has_lease(line)
                if not is_alone and not publisher.facts.fenced:
                    return Refused(why="another process publishes there", retry_s=LEASE_S)
                outcome = await publisher.write(batch)
                self._count(line, outcome)
                return outcome
            case Settled() | Rest():
                raise AssertionError(action)
            case _:
                assert_never(action)

    async def _plans(self, zone: Name, after: int, to: int) -> tuple[Plan, ...]:
        wanted = [each for each in await self._store.generations(zone) if after < each <= to]
        plans = [await self._store.plan(zone, each) for each in wanted]
        return tuple(plan for plan in plans if plan is not None)

    async def _has_lease(self, line: Line) -> bool:
        now_s = asyncio.get_running_loop().time()
        if now_s < line.lease_until_s - LEASE_S / 2:
            return True
        try:
            held = await self._store.lease(" ".join(("publish", *line.key)), self._holder, LEASE_S)
        except PlanStoreError:
            return line.publisher.facts.fenced  # where nothing is compared in the write, one alone may publish
        line.lease_until_s = now_s + LEASE_S if held else 0.0
        return held

    async def _watch_store(self) -> None:
        """Wake the lines of every zone of which there is a newer plan."""
        known: dict[Name, PlanHead | None] = {}
        seen = 0
        while True:
            try:
                for zone in {line.zone for line in self.lines.values()}:
                    newest = await self._store.newest(zone)
                    if known.get(zone) != newest:
                        known[zone] = newest
                        self.look(zone)
                seen = await self._store.changed(seen, WATCH_S)
            except PlanStoreError as error:
                log.warning("enactor.store_failed", detail=str(error))
                await asyncio.sleep(self._about(STORE_RETRY_S))
            except Exception:  # a fault of ours must not end what newer plans are noticed by
                log.exception("enactor.failed", zone=None, publisher=None)
                await asyncio.sleep(self._about(STORE_RETRY_S))

    def _next_writer(self) -> str:
        """Return what no machine was ever called, of this process or any other."""
        self._machines += 1
        return f"{self._holder}-{self._machines}"

    def _settled(self, line: Line, fence: Fence) -> None:
        line.retries, line.rest = 0, None
        if fence != line.fence:
            line.fence = fence
            log.info(
                "enactor.published",
                zone=line.zone,
                publisher=line.publisher.facts.name,
                generation=fence.generation,
                writer=fence.writer,
            )
            for tell in self.on_settled:
                tell(line.zone, line.publisher.facts.name, fence)

    def _saw(self, line: Line, event: Event) -> None:
        """Tell, once, of something that somebody else has put in the fence's place. It is about to be replaced."""
        match event:
            case FenceRead(fence=stands) | WholeRead(reading=Reading(fence=stands)):
                garbage = stands if isinstance(stands, Garbage) else None
            case _:
                return
        if garbage is not None and garbage != line.garbage:
            publisher = line.publisher.facts.name
            found = rrset_to_text(standing_rrset(line.zone, garbage))[0][:TEXT_MAX]
            log.warning("enactor.no_fence", zone=line.zone, publisher=publisher, found=found)
            self._journal.alarm("no-fence", line.zone, f"at {publisher} stands, in the fence's place: {found}")
        line.garbage = garbage

    def _taken(self, line: Line, written: Writing) -> None:
        batch = written.batch
        line.retries = 0
        self._journal.published(written.plan, line.publisher.facts.name, batch.fence, changes=len(batch.changes))

    def _rested(self, line: Line, rest: Rest) -> None:
        self.rests[rest.cause] += 1
        line.retries = 0 if _waits_for_a_plan(rest) else line.retries + 1
        if line.rest is None or line.rest.cause is not rest.cause:
            publisher, cause = line.publisher.facts.name, rest.cause
            if cause in (Cause.NO_PLAN, Cause.MOVED):
                log.info("enactor.rests", zone=line.zone, publisher=publisher, cause=cause, detail=rest.why)
            else:
                log.warning("enactor.rests", zone=line.zone, publisher=publisher, cause=cause, detail=rest.why)
        line.rest = rest
        if _waits_for_a_plan(rest):
            for call in self.on_stuck:
                call(line.zone, line.publisher.facts.name, rest)

    def _count(self, line: Line, outcome: Outcome) -> None:
        kind = type(outcome).__name__.lower()
        self.outcomes[kind] += 1
        if not isinstance(outcome, Written):
            why = "another fence stands" if isinstance(outcome, Late) else outcome.why
            publisher = line.publisher.facts.name
            log.info("enactor.not_written", zone=line.zone, publisher=publisher, outcome=kind, detail=why)

    def _pause_s(self, line: Line, rest: Rest) -> float:
        """Return how long to rest: as long as is asked for, longer each time where it is not the first."""
        doublings = min(line.retries - 1, RETRY_DOUBLINGS_MAX)
        backoff_s = min(RETRY_MAX_S, RETRY_MIN_S * 2.0**doublings)
        if rest.retry_s is None:
            return self._about(backoff_s)
        return rest.retry_s + (self._about(backoff_s) if line.retries > 1 else 0.0)

    def _about(self, pause_s: float) -> float:
        return pause_s * self._rng.uniform(0.5, 1.0)


def _foresee(publisher: Publisher, state: State, action: Action) -> None:
    """Have the publisher know the write that follows this one if it is done, so that it can be ready by then."""
    if isinstance(action, Write) and isinstance(publisher, Foreseeing):
        match step(state, Written()):
            case _, Write(batch=batch):
                publisher.foresee(batch)


def _is_large(event: Event) -> bool:
    """Say whether it takes long enough to decide by it that clients would notice."""
    match event:
        case PlansRead(plans=plans):
            return sum(len(plan.changes) for plan in plans) > INLINE_MAX
        case WholeRead(planned=planned):
            return planned is not None and len(planned) > INLINE_MAX
        case _:
            return False


def _waits_for_a_plan(rest: Rest) -> bool:
    return rest.cause in (Cause.NO_PLAN, Cause.AHEAD, Cause.FORKED)
