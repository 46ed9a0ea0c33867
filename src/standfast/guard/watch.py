"""One lost question under watch: what was said of it, the evidence so far, and when to look again. Keeps only."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from standfast.dns.model import Question
from standfast.evidence.model import (
    IDENTITY_WORTH_S,
    Delegation,
    Evidence,
    Identity,
    Opinion,
    ProbeResult,
    Standing,
    standing,
)
from standfast.guard.cache import Entry
from standfast.guard.known import KnownGood
from standfast.guard.outcome import Outcome
from standfast.guard.policy import Policy
from standfast.guard.verdict import Verdict
from standfast.ports import Random

JITTER = 0.1  # of every pause, either way, so that many names lost together are not asked about together


class Side(StrEnum):
    """Whose addresses are probed."""

    KNOWN = "known-good"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class RoundUnderWay:
    """A round of probes that is not over: its number, and all the addresses that it is about."""

    number: int
    addresses: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Watch:
    """The state of one lost question.

    `number` tells this watch from an earlier one of the same question. `opened_at_s` is since when the present kind
    of outcome is looked into. `pause_s` is the present pause between two looks. `due` says that the time for another
    look has come but waits for a client to ask, as it does when the upstream only fails. `heard_at_s` is when
    upstream last said something. `entries` are the answers that the verdict serves, to clients with and without DO.
    """

    number: int
    question: Question
    outcome: Outcome
    opened_at_s: float
    lost_at_s: float
    proven_at_s: float | None
    used_at_s: float
    pause_s: float
    heard_at_s: float = 0.0
    verdict: Verdict | None = None
    due: bool = False
    asking: bool = False
    probes: dict[Side, dict[str, ProbeResult]] = field(default_factory=lambda: {side: {} for side in Side})
    rounds: dict[Side, RoundUnderWay] = field(default_factory=dict)
    opinions: dict[str, Opinion] = field(default_factory=dict)
    delegations: dict[str, Delegation] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)
    entries: dict[bool, Entry] = field(default_factory=dict)

    def void_entries(self) -> None:
        """End what is given by the verdict so far, wherever it was prepared."""
        for entry in self.entries.values():
            entry.void()
        self.entries.clear()

    def evidence(self) -> Evidence:
        """Return all the evidence so far."""
        return Evidence(
            lost_at_s=self.lost_at_s,
            opened_at_s=self.opened_at_s,
            proven_at_s=self.proven_at_s,
            known=tuple(self.probes[Side.KNOWN].values()),
            candidates=tuple(self.probes[Side.NEW].values()),
            opinions=tuple(self.opinions.values()),
            delegations=tuple(self.delegations.values()),
            awaited=frozenset((*self.awaited, *(f"the identity of the {side} addresses" for side in self.rounds))),
        )

    def take_probe(self, side: Side, result: ProbeResult) -> None:
        """Take in `result`, counting how often in a row its address was absent."""
        before = self.probes[side].get(result.address)
        strikes = 0
        if result.identity is Identity.ABSENT:
            strikes = (before.strikes if before else 0) + 1
        self.probes[side][result.address] = replace(result, strikes=strikes)

    def forget_probes(self, side: Side, *, but: tuple[str, ...], now: float) -> None:
        """Drop the probes of addresses that are not asked about any more."""
        kept = {
            address: probe
            for address, probe in self.probes[side].items()
            if address in but or (side is Side.KNOWN and now - probe.at_s < IDENTITY_WORTH_S)
        }
        self.probes[side] = kept

    def silent_once(self, side: Side) -> tuple[str, ...]:
        """Return the addresses that were silent once, which must be asked again before that counts."""
        probes = self.probes[side].values()
        return tuple(p.address for p in probes if p.identity is Identity.ABSENT and p.strikes == 1)

    def note_proof(self, known: KnownGood, now: float) -> bool:
        """Remember that the known-good addresses prove identity now; False when they do not."""
        fresh = [probe for probe in self.probes[Side.KNOWN].values() if now - probe.at_s < IDENTITY_WORTH_S]
        proven = standing(known.answer.addresses, fresh) is Standing.PROVEN
        if proven:
            self.proven_at_s = now
        return proven

    def next_pause_s(self, policy: Policy, rng: Random) -> float:
        """Return the pause before the next look, and double the one after it."""
        pause_s = min(max(self.pause_s, policy.recheck_min_s), policy.recheck_max_s)
        self.pause_s = min(pause_s * 2, policy.recheck_max_s)
        return pause_s * rng.uniform(1 - JITTER, 1 + JITTER)
