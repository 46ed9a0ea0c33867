"""The live drill: a story of the library played on this machine, on loopback, with real sockets, servers and clients.

prepare ...... the parts are started, and the contestants' clients work for a while, until all is well for all
play ......... the story's events at its own times, `scale` times as fast, and the checks on the way
tell ......... scores, verdicts, ledger: the account that its report, its JSON and its exit code come from
"""

import asyncio
import importlib.util
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from standfast.drills.account import Account, clock, without_clock
from standfast.drills.errors import DrillError
from standfast.drills.live.checks import LiveChecks
from standfast.drills.live.client import Workload
from standfast.drills.live.parts import Parts, Way, first_error, start_parts
from standfast.drills.live.scores import LiveScores
from standfast.drills.live.screen import Frame, Row, Screen
from standfast.drills.live.setting import Setting, set_on_loopback
from standfast.drills.live.sockets import beyond_loopback
from standfast.drills.live.telling import tell
from standfast.drills.scenario import Check, Scenario
from standfast.guard.operators import JsonObject
from standfast.sim.events import BreakResolver, FlushResolver, MendResolver, Timed

SCALE = 152.0  # the 2 h 37 min of the incident in 62 s
WARM_UP_TIMEOUT_S = 30.0  # it takes three to six seconds
WARM_UP_CALLS = 4  # that went well, one after the other, of every contestant's clients and to every name
TICK_S = 0.25
PACKAGES_NEEDED = ("boto3", "ministack")
VERDICTS_EVERY_S = 1.0


async def run_live(scenario: Scenario, *, scale: float = SCALE, console: Console | None = None) -> Account:
    """Play `scenario` live and return what came of it.

    Args:
        scenario: one that can be set on loopback.
        scale: how many seconds of the story pass in a real one.
        console: what is shown while it runs goes there; None for nothing.

    Raises:
        DrillError: it cannot be run live, does not get ready, or leaves loopback.
        PartFailed: a part of it did not start, or ended on its own.
    """
    setting = set_on_loopback(scenario)
    missing = [package for package in PACKAGES_NEEDED if importlib.util.find_spec(package) is None]
    if missing:
        packages = " and ".join(missing)
        raise DrillError(scenario.name, f"needs {packages}, which is not installed: pip install 'standfast[drill]'")
    began_s = time.monotonic()
    screen = Screen(console or Console(quiet=True), scenario.title)
    with (
        tempfile.TemporaryDirectory(prefix="standfast-", ignore_cleanup_errors=True) as folder,
        _sigterm_cancels(scenario.name),
    ):
        async with start_parts(setting, Path(folder), scale, say=screen.say) as parts:
            with screen:
                drill = _Drill(scenario, setting, parts, screen)
                await drill.play()
            failures = drill.checks.failures()
            return await tell(scenario, setting, parts, drill.scores, failures=failures, began_s=began_s)


class _Drill:
    """One drill whose parts are there."""

    def __init__(self, scenario: Scenario, setting: Setting, parts: Parts, screen: Screen) -> None:
        self._scenario = scenario
        self._setting = setting
        self._parts = parts
        self._screen = screen
        self._event = "warming up: all is well"
        self._verdicts: tuple[str, ...] = ()
        self.scores = LiveScores(
            parts.world,
            parts.upstream,
            parts.clock,
            ends_at_s=setting.script.ends_at_s,
            contestants=[way.key for way in parts.ways],
            names=setting.names,
        )
        self.checks = LiveChecks(setting, parts, self.scores)

    async def play(self) -> None:
        """Warm up, play the story, and make all checks."""
        async with _together() as start:
            for way in self._parts.ways:
                start(self._read_calls(way.key, way.workload))
            for watch in self._parts.watches():
                start(watch)
            start(self._show())
            start(self._watch_verdicts())
            await self._warm_up()
            self._refuse_beyond_loopback()
            await self.checks.before()
            checks = [asyncio.create_task(self._check(check)) for check in self._setting.checks]
            try:
                for timed in self._setting.script.timeline:
                    await self._until(timed.at_s)
                    await self._happen(timed)
                await self._until(self._setting.script.ends_at_s)
                await asyncio.gather(*checks)
            finally:
                for check in checks:
                    check.cancel()
            await self.checks.after()
            self._refuse_beyond_loopback()

    async def _warm_up(self) -> None:
        """Let the clients work until all is well for all and the guard knows the names; then the story begins."""
        self._screen.say("warming up: clients call, and the guard learns the names")
        await self._parts.let_clients_begin()
        try:
            async with asyncio.timeout(WARM_UP_TIMEOUT_S):
                while not (self.scores.all_well(WARM_UP_CALLS) and await self._parts.guard.knows(self._setting.names)):
                    await asyncio.sleep(TICK_S)
        except TimeoutError:
            failing = "; ".join(f"{way}: {error}" for way, error in self.scores.failing().items())
            reason = failing or "the guard does not know the names and who serves them"
            raise DrillError(
                self._scenario.name, f"not all was well after {WARM_UP_TIMEOUT_S:g} s of warm-up: {reason}"
            ) from None
        self._parts.clock.jump(0.0)

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(self._parts.clock.real_s_until(at_s))

    async def _happen(self, timed: Timed) -> None:
        """Let one event happen, at its own time of the story."""
        epoch_s = self._setting.script.starts_at_s
        self.scores.changing()
        self._parts.world.apply(timed.event, epoch_s + timed.at_s)
        match timed.event:
            case BreakResolver(host=host):
                self._parts.resolvers[host].go_wrong(timed.event)
            case MendResolver(host=host):
                self._parts.resolvers[host].mend()
            case FlushResolver(host=host):
                self._parts.resolvers[host].flush(epoch_s + timed.at_s)
            case _:
                await self._parts.fronts.follow()
        self.scores.happened()
        self._look(timed.at_s)
        self._event = without_clock(timed.title)
        self._screen.happened(self._clock(timed.at_s), self._event)

    async def _check(self, check: Check) -> None:
        await self._until(check.at_s or 0.0)
        await self.checks.on_the_way(check)

    def _refuse_beyond_loopback(self) -> None:
        processes = {child.name: child.process.pid for child in self._parts.children()}
        for name, pid in {**processes, "this drill": os.getpid()}.items():
            found = beyond_loopback(pid)
            if found:
                raise DrillError(self._scenario.name, f"{name} listens beyond loopback, on {', '.join(sorted(found))}")

    # Beside the story ---------------------------------------------------------------------------------------

    async def _read_calls(self, contestant: str, workload: Workload) -> None:
        async for call in workload.calls():
            self.scores.called(contestant, call)

    async def _watch_verdicts(self) -> None:
        while True:
            self._verdicts = tuple(_verdict_line(name) for name in await self._parts.guard.lost())
            await asyncio.sleep(VERDICTS_EVERY_S)

    async def _show(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._parts.clock.now() >= 0:
                self._look(self._parts.clock.now())
                self._screen.show(self._frame(self._parts.clock.now()))

    def _look(self, at_s: float) -> None:
        self.scores.look(at_s, self._parts.told(self._setting.service))

    def _frame(self, now: float) -> Frame:
        return Frame(
            clock=f"{self._clock(now)} {self._scenario.zone_name}",
            share=now / self._setting.script.ends_at_s,
            event=self._event,
            rows=tuple(self._row(way, now) for way in self._parts.ways),
            absent=self._parts.absent,
            verdicts=self._verdicts,
            at_real_s=time.monotonic(),
        )

    def _row(self, way: Way, now: float) -> Row:
        standing = self.scores.standing(way.key, now)
        return Row(
            name=way.title,
            state=standing.state,
            error=next(iter(standing.errors.values()), None),
            calls=standing.calls,
            failed=standing.failed,
            outage_s=standing.outage_s,
        )

    def _clock(self, at_s: float) -> str:
        return clock(self._scenario.starts_at, at_s)


@asynccontextmanager
async def _together() -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Run coroutines beside the body, until it ends; the first failure of any of them ends all, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[None]] = []
            yield lambda beside: tasks.append(group.create_task(beside))
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None


@contextmanager
def _sigterm_cancels(drill: str) -> Iterator[None]:
    """Let SIGTERM end the drill as Ctrl-C does: with everything that it started."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel, "SIGTERM")
    try:
        yield
    except asyncio.CancelledError as cancelled:
        if "SIGTERM" in cancelled.args:
            raise DrillError(drill, "ended by SIGTERM; all that it started is ended as well") from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _verdict_line(name: JsonObject) -> str:
    return f"{name['qname']} {name['qtype']}  {name['verdict']}: {name['reason']}"
