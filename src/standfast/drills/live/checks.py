"""The checks of a drill's file, answered by what really runs: the guard's answers, its ledger, the scores so far.

Where the simulator looks at an instant, a check here may come true within `PATIENCE_S` real seconds, and what may last
a while may last so much longer: caches keep whole seconds, and probes take the time that they take, while the story
runs on many times as fast. What may not happen at all may not happen here either.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from standfast.dns.name import parse_name
from standfast.drills.errors import DrillError
from standfast.drills.live.parts import Parts
from standfast.drills.live.scores import LiveScores
from standfast.drills.live.setting import Setting
from standfast.drills.live.stub import TYPE_A, StubResolver
from standfast.drills.scenario import Check
from standfast.sim.simulation import GUARD

PATIENCE_S = 5.0  # two rounds of one-second caches and a second look at a silent server, 3 s after the first
POLL_S = 0.2
SECONDS_OF = frozenset({"outage_s", "wrong_hold_s", "attack_s", "recovery_s"})

_Probe = Callable[..., Coroutine[Any, Any, object]]


class LiveChecks:
    """What was expected and did not come true."""

    def __init__(self, setting: Setting, parts: Parts, scores: LiveScores) -> None:
        self._setting = setting
        self._parts = parts
        self._scores = scores
        self._missed: list[str] = []
        self._failures: list[str] = []
        self._stub = StubResolver(server=parts.guard.endpoint)
        self._probes: Mapping[str, _Probe] = {
            "guard_answers_as_meant": self._answers_as_meant,
            "guard_answers_with": self._answers_with,
            "verdict_is": self._verdict_is,
            "seconds": self._seconds,
            "missed": self._count_missed,
        }

    def failures(self) -> tuple[str, ...]:
        """Return a sentence for each check that was not met."""
        return tuple(self._failures)

    async def before(self) -> None:
        """Check that the steady state holds before anything happens."""
        for check in self._setting.hypothesis:
            await self._make(check, "before", patience_s=0.0)

    async def on_the_way(self, check: Check) -> None:
        """Make a check of the method, whose time has come."""
        if not await self._make(check, "on the way", patience_s=PATIENCE_S):
            self._missed.append(check.title)

    async def after(self) -> None:
        """Check that the steady state held."""
        for check in self._setting.hypothesis:
            await self._make(check, "after", patience_s=0.0)

    async def _make(self, check: Check, when: str, *, patience_s: float) -> bool:
        deadline_s = time.monotonic() + patience_s
        while True:
            try:
                got = await self._probes[check.func](**check.arguments)
            except (KeyError, TypeError) as error:
                raise DrillError(self._setting.script.title, f"probe {check.func}: {error}") from error
            if is_met(check, got, patience_s=PATIENCE_S * self._parts.clock.scale):
                return True
            if time.monotonic() >= deadline_s:
                self._failures.append(f"{when}: {check.title}: {_words(got)}")
                return False
            await asyncio.sleep(POLL_S)

    # Probes -------------------------------------------------------------------------------------------------

    async def _answers_as_meant(self, name: str) -> bool:
        return not self._scores.judge(parse_name(name), await self._ask_guard(name)).bad

    async def _answers_with(self, name: str, addresses: list[str]) -> bool:
        return set(await self._ask_guard(name)) == set(addresses)

    async def _verdict_is(self, name: str, action: str, cause: str) -> bool:
        qname = parse_name(name)
        decisions = await asyncio.to_thread(self._parts.guard.decisions, self._parts.clock)
        given = [decision for decision in decisions if decision.question.split()[0] == qname]
        return bool(given) and (given[-1].action, given[-1].cause) == (action, cause)

    async def _seconds(self, contestant: str, of: str, name: str | None = None) -> float:
        if of not in SECONDS_OF or contestant != GUARD:
            raise KeyError(f"{of} of {contestant}")
        at_s = min(self._parts.clock.now(), self._setting.script.ends_at_s)
        score = self._scores.score(contestant, at_s, None if name is None else parse_name(name))
        return round(getattr(score, of) or 0.0, 3)

    async def _count_missed(self) -> int:
        return len(self._missed)

    async def _ask_guard(self, name: str) -> tuple[str, ...]:
        try:
            return await asyncio.to_thread(self._stub.addresses, name, (TYPE_A,))
        except socket.gaierror:
            return ()


def is_met(check: Check, got: object, *, patience_s: float) -> bool:
    """Say whether `got` is within what `check` allows, and `patience_s` of the story beside if that is anything."""
    match check.tolerance:
        case (least, most) if most > 0:
            return isinstance(got, int | float) and least <= got <= most + patience_s
        case _:
            return check.is_met(got)


def _words(got: object) -> str:
    return "not so" if got is False else f"{got}"
