"""A vantage running: looks taken when they are due, turns told at once, reports kept in the store. Decides nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from math import isinf
from types import TracebackType
from typing import Any, Final, Protocol, Self

import structlog

from standfast.control.health import Ill, Look, NotLooked, State, Well
from standfast.control.intent import Endpoint, HealthCheck, Intent
from standfast.control.panel import Panel
from standfast.control.store import PlanStore, PlanStoreError
from standfast.control.vantage import Shot, Turned, Vantage, key_of, wanted
from standfast.ports import Random

REPORT_EVERY_S: Final = 5.0  # to whoever listens and to the store; a planner believes it for nine times as long
TOGETHER_S: Final = 0.02  # turns that follow one that was told are told together: a report is all that is seen
STORE_PAUSE_S: Final = 1.0  # between two reports that are written
STORE_RETRY_S: Final = 5.0
RESUME_MAX_S: Final = 900.0  # an older report says too little of now to go on from
RESUME_WITHIN_S: Final = 60.0  # of the start, in which endpoints come from sources that have to be read first
IDLE_S: Final = 60.0  # between looks at the clock where nothing is looked at

log = structlog.get_logger("standfast.control")


class Listener(Protocol):
    """Whoever is told what a vantage sees, such as a planner of the same process."""

    def __call__(self, vantage: str, report: Mapping[str, str], /, *, at_s: float) -> None:
        """Take in a report that was made at `at_s` by the clock of the vantage."""
        ...


class Looks(Protocol):
    """Takes looks: `io.control.checks.check.Checker`."""

    async def look(self, address: str, check: HealthCheck) -> Look:
        """Look at an address; raises nothing but `asyncio.CancelledError`."""
        ...


class VantageService:
    """The vantage of this process, from when its context is entered until it ends. Use it within one event loop."""

    def __init__(self, store: PlanStore, checker: Looks, *, name: str, now: Callable[[], float], rng: Random) -> None:
        """Look at nothing yet.

        Args:
            store: where reports go, and where the last one before the start is.
            checker: takes the looks.
            name: of this vantage; no other has it.
            now: the time, in seconds since the epoch, which never jumps.
            rng: spreads looks.
        """
        self.on_report: list[Listener] = []  # told of each report at once
        self.outcomes: Counter[str] = Counter()  # of looks
        self.vantage = Vantage(rng)
        self._store = store
        self._checker = checker
        self._name = name
        self._now = now
        self._own = Panel(quorum=1)  # what this vantage alone would believe, to say when it is not to be
        self._pools: dict[str, list[Endpoint]] = {}
        self._broken: dict[str, str] = {}
        self._before: Mapping[str, str] = {}  # what was reported before the start
        self._started_s = now()
        self._told_s = 0.0
        self._wake = asyncio.Event()
        self._turned = asyncio.Event()
        self._unwritten = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._looks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Begin to look. What was reported before a restart is what is known at first."""
        self._started_s = self._now()
        try:
            at_s, self._before = (await self._store.reports()).get(self._name, (0.0, {}))
            if abs(self._started_s - at_s) > RESUME_MAX_S:
                self._before = {}
        except PlanStoreError as error:
            log.warning("vantage.unreported", vantage=self._name, detail=str(error))
        self.vantage.resume(self._before, self._started_s)
        turns = (self._look_on, self._tell_on, self._write_on)
        self._tasks = [asyncio.create_task(self._kept_running(turn)) for turn in turns]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Take no more looks, and end those that are under way."""
        tasks = [*self._tasks, *self._looks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def states(self) -> Mapping[str, int]:
        """How many endpoints there are in each state."""
        return Counter(standing.reading.state.value for standing in self.vantage.standings.values())

    def assign(self, intent: Intent, endpoints: Mapping[str, Collection[Endpoint]]) -> None:
        """Look at these endpoints of each pool from now on, and at no others."""
        now_s = self._now()
        self.vantage.watch(wanted(intent, endpoints), now_s)
        if now_s - self._started_s <= RESUME_WITHIN_S:
            self.vantage.resume(self._before, now_s)
        self._pools = {name: list(endpoints.get(name, ())) for name in intent.pools}
        self._own.forget(self._pools)
        self._wake.set()

    async def _look_on(self) -> None:
        while True:
            self._wake.clear()
            now_s = self._now()
            for shot in self.vantage.due(now_s):
                task = asyncio.create_task(self._take(shot))
                self._looks.add(task)
                task.add_done_callback(self._looks.discard)
            pause_s = self.vantage.next_s - now_s
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S if isinf(pause_s) else max(0.0, pause_s)):
                    await self._wake.wait()

    async def _take(self, shot: Shot) -> None:
        look: Look = NotLooked(why="the look was ended")
        try:
            look = await self._checker.look(shot.target.address, shot.check)
        except Exception:  # a fault of ours at one endpoint says nothing of it, and must not end looks at others
            log.exception("vantage.failed", endpoint=key_of(shot.target))
            look = NotLooked(why="the look failed here")
        finally:
            turned = self.vantage.landed(shot.number, look, self._now())
            self._wake.set()
        self.outcomes[_outcome(look)] += 1
        if turned is not None:
            self._tell_of(turned)
        if turned is not None or (isinstance(look, Well) and any(self._broken.values())):
            self._turned.set()  # who is seen well vouches for it that a whole pool is lost

    def _tell_of(self, turned: Turned) -> None:
        reading = turned.reading
        what = {"endpoint": key_of(turned.target), "before": turned.before, "now": reading.state, "why": reading.why}
        if reading.state is State.WELL:
            log.info("health.turned", **what)
        else:
            log.warning("health.turned", **what)

    async def _tell_on(self) -> None:
        """Tell what is seen when something turned, and every few seconds; the first turn is not waited with."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_EVERY_S):
                    await self._turned.wait()
            self._turned.clear()
            self._tell()
            await asyncio.sleep(TOGETHER_S)

    def _tell(self) -> None:
        at_s = self._told_s = max(self._now(), self._told_s + 0.001)  # no two reports are of one time
        report = self.vantage.report()
        for listen in self.on_report:
            listen(self._name, report, at_s=at_s)
        self._unwritten.set()
        touched = self._own.hear(self._name, report, at_s=at_s, now_s=at_s)
        broken = {name: why for name, why in self._broken.items() if name in self._pools or not name}
        for pool in touched & self._pools.keys():
            broken[pool] = self._own.judge(pool, self._pools[pool], at_s).broken
        broken[""] = "most of its pools were lost at once: its own network is cut" if self._own.cut(at_s) else ""
        for pool, why in broken.items():
            if why and not self._broken.get(pool):
                log.error("health.mass_failure", vantage=self._name, pool=pool or None, why=why)
            elif not why and self._broken.get(pool):
                log.warning("health.mass_failure_over", vantage=self._name, pool=pool or None)
        self._broken = broken

    async def _write_on(self) -> None:
        failing = False
        while True:
            await self._unwritten.wait()
            self._unwritten.clear()
            try:
                await self._store.report(self._name, self.vantage.report(), at_s=self._told_s)
            except PlanStoreError as error:
                if not failing:
                    log.warning("vantage.unreported", vantage=self._name, detail=str(error))
                failing = True
                self._unwritten.set()
                await asyncio.sleep(STORE_RETRY_S)
            else:
                if failing:
                    log.warning("vantage.reported", vantage=self._name)
                failing = False
                await asyncio.sleep(STORE_PAUSE_S)

    async def _kept_running(self, turn: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await turn()
            except Exception:  # a fault of ours must not end what health is known by
                log.exception("vantage.failed", endpoint=None)
                await asyncio.sleep(STORE_RETRY_S)


def _outcome(look: Look) -> str:
    match look:
        case Well():
            return "well"
        case Ill():
            return "ill"
        case NotLooked():
            return "not-looked"
