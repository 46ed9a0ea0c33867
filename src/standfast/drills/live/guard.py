"""The guard as a contestant of the live drill: a real `standfast up` with a configuration and a state of its own."""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from standfast.dns.model import Name
from standfast.drills.account import Decision
from standfast.drills.live.loopback import Endpoint
from standfast.drills.live.process import Child
from standfast.drills.live.scaled import ScaledClock, scaled_settings
from standfast.drills.stage import to_decision
from standfast.guard.events import JsonValue
from standfast.guard.policy import PolicyTable
from standfast.io.commands.client import ControlError, call
from standfast.io.settings.places import LEDGER_NAME
from standfast.io.state.ledger_file import read_records, verify_file
from standfast.ledger.record import LedgerError
from standfast.ledger.verify import Report

START_TIMEOUT_S = 20.0  # it takes under a second; on a busy machine with a cold disk, several
CALL_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedName:
    """A name of the story: the port at which its servers show who they are, and how long it has been known."""

    name: Name
    port: int
    known_for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """What the guard is told.

    Attributes:
        listen: where it is asked.
        upstreams, second_opinions: whom it asks.
        ca_file: the authority that it trusts beside the system's.
        policies: of the script, in the story's time.
        scale: how much faster than the story it runs.
        names: those of the story.
    """

    listen: Endpoint
    upstreams: tuple[Endpoint, ...]
    second_opinions: tuple[Endpoint, ...]
    ca_file: Path
    policies: PolicyTable
    scale: float
    names: tuple[GuardedName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A running guard; an async context manager that stops it."""

    endpoint: Endpoint
    child: Child
    state_dir: Path

    @classmethod
    async def start(cls, settings: GuardSettings, *, folder: Path) -> Self:
        """Start it with its configuration and its state in `folder`, and return once it serves.

        Raises:
            PartFailed: it did not start.
        """
        state_dir = folder / "state"
        folder.mkdir()
        config_file = folder / "standfast.toml"
        config_file.write_text(config_text(settings, state_dir), encoding="utf-8")
        argv: list[str | Path] = [sys.executable, "-m", "standfast.cli.main", "up", "--config", config_file]
        child = await Child.start("guard", argv, folder=folder)
        guard = cls(endpoint=settings.listen, child=child, state_dir=state_dir)
        try:
            await child.until(guard._serves, timeout_s=START_TIMEOUT_S)
        except BaseException:
            await child.stop()
            raise
        return guard

    async def knows(self, names: Sequence[Name]) -> bool:
        """Say whether it knows every one of `names`, their zones, and that their servers prove identity."""
        return all([await self._knows(name) for name in names])

    async def lost(self) -> list[dict[str, JsonValue]]:
        """Return what it says of the names that are lost now; nothing while it cannot be asked."""
        try:
            said = await self._ask("names", held=True)
        except ControlError:
            return []
        match said:
            case {"names": list(names)}:
                return [name for name in names if isinstance(name, dict)]
            case _:
                return []

    def decisions(self, clock: ScaledClock) -> tuple[Decision, ...]:
        """Return the verdicts in its ledger so far, in their order."""
        to_monotonic_s = time.monotonic() - time.time()
        try:
            records = list(read_records(self.state_dir / LEDGER_NAME))
        except LedgerError:
            return ()  # not there yet
        verdicts = (record for record in records if record.kind == "verdict")
        return tuple(to_decision(clock.at(r.at_ms / 1000 + to_monotonic_s), r.body) for r in verdicts)

    def verify_ledger(self) -> Report:
        """Return what a verification of its ledger says. Raises `LedgerError` when it cannot be read."""
        return verify_file(self.state_dir / LEDGER_NAME)

    async def stop(self) -> None:
        """End it; calling it twice is fine."""
        await self.child.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serves(self) -> bool:
        try:
            await self._ask("status")
        except ControlError:
            return False
        return True

    async def _knows(self, name: Name) -> bool:
        match await self._ask("explain", name=name, type="A"):
            case {"known_good": {"identity_proven_at_ms": int(), "zone": str()}}:
                return True
            case _:
                return False

    async def _ask(self, method: str, **params: JsonValue) -> JsonValue:
        return await asyncio.to_thread(call, self.state_dir, method, params, timeout_s=CALL_TIMEOUT_S)


def config_text(settings: GuardSettings, state_dir: Path) -> str:
    """Return the text of the `standfast.toml` for `settings`."""
    lines = [
        "[guard]",
        f'listen = ["{settings.listen}"]',
        f"upstreams = {_list(settings.upstreams)}",
        f"second_opinions = {_list(settings.second_opinions)}",
        f'state_dir = "{state_dir}"',
        "[guard.tls]",
        f'ca_file = "{settings.ca_file}"',
    ]
    for guarded in settings.names:
        policy = settings.policies.lookup(guarded.name)
        # What the story says to be steady already must be so for a guard that was started a moment ago.
        policy = replace(policy, steady_s=max(0.0, policy.steady_s - guarded.known_for_s))
        lines += [
            "[[guard.policy]]",
            f'suffix = "{guarded.name}"',
            f'mode = "{policy.mode}"',
            f'bogus = "{policy.bogus}"',
        ]
        lines += [f"{key} = {value:.10g}" for key, value in scaled_settings(policy, settings.scale).items()]
        lines += [f'probe = {{ kind = "{policy.probe.kind}", port = {guarded.port} }}']
        lines += [f"pinned = {str(policy.pinned).lower()}"]
        lines += [f"addresses_min = {policy.addresses_min}"] if policy.pinned else []
    return "\n".join(lines) + "\n"


def _list(endpoints: Sequence[Endpoint]) -> str:
    return "[" + ", ".join(f'"{endpoint}"' for endpoint in endpoints) + "]"
