"""What is kept of plans, and the few operations on it that must be one: the port that SQLite and etcd stand behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from standfast.control.finding import Finding
from standfast.control.plan import Content, Plan, PlanHead
from standfast.dns.model import Name
from standfast.errors import StandfastError


class PlanStoreError(StandfastError):
    """The store of plans cannot be used. Says what, where, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan that waits for its approval, and why."""

    plan: Plan
    findings: tuple[Finding, ...]
    approved_by: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A rule set aside for a scope (a name, a zone and all below it, or "." for all), by a person, until a time."""

    rule: str
    scope: Name
    person: str
    reason: str
    until_s: float  # seconds since the epoch


class PlanStore(Protocol):
    """Plans of zones, and what planners and enactors of several processes agree by. All raise `PlanStoreError`.

    What is lost with it is found again from what is published: nothing that is served depends on it.
    """

    async def newest(self, zone: Name) -> PlanHead | None:
        """Return the newest plan's head."""
        ...

    async def add(self, plan: Plan, content: Content, *, after: PlanHead | None) -> bool:
        """Keep `plan` as the newest, if `after` is that until now, as one operation; say whether it is kept.

        `content` is all that is planned with it, of which the store keeps what it needs to give it back.
        """
        ...

    async def plan(self, zone: Name, generation: int) -> Plan | None:
        """Return a plan; None where it was never there, or was collected."""
        ...

    async def content(self, head: PlanHead) -> Content | None:
        """Return all that was planned with that very plan; None where it was never there, or was collected.

        A store that was lost may have given the plan's number to another one: that is none of it.
        """
        ...

    async def generations(self, zone: Name) -> Sequence[int]:
        """Return all that are kept, in order."""
        ...

    async def collect(self, zone: Name, generations: Sequence[int]) -> None:
        """Forget these; the contents of all others can still be given."""
        ...

    async def lease(self, what: str, holder: str, ttl_s: float) -> bool:
        """Take or keep the lease on `what`; it saves work, and nothing is safe by it."""
        ...

    async def propose(self, zone: Name, proposal: Proposal | None) -> None:
        """Have this be the zone's only proposal; None: there is none."""
        ...

    async def proposal(self, zone: Name) -> Proposal | None:
        """Return the plan that waits for approval, or has it and was not yet added."""
        ...

    async def approve(self, zone: Name, hash_: str, *, person: str, reason: str) -> bool:
        """Approve the proposal if it is that very plan, as one operation; say whether it was."""
        ...

    async def overrides(self) -> Sequence[Override]:
        """Return all, ended ones too until somebody takes them away."""
        ...

    async def override(self, override: Override) -> None:
        """Keep an override; it takes the place of one of the same rule and scope."""
        ...

    async def report(self, vantage: str, readings: Mapping[str, str], *, at_s: float) -> None:
        """Keep what a vantage sees, whole: by key of what was looked at, what `control.health` writes of it."""
        ...

    async def reports(self) -> Mapping[str, tuple[float, Mapping[str, str]]]:
        """Return what each vantage saw last, and when (seconds since the epoch)."""
        ...

    async def changed(self, since: int, timeout_s: float) -> int:
        """Return when anything may have changed since the call that returned `since` (0: none did), or after that long.

        The number is for the next call: so nothing is missed that changed between two.
        """
        ...
