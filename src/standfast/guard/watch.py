"""One lost question under watch: what was said of it, the evidence so far, and when to look again. Keeps only."""

from dataclasses import dataclass, field, replace

from standfast.dns.model import Question
from standfast.evidence.model import (
    Delegation,
    Evidence,
    Identity,
    Opinion,
    ProbeResult,
    Standing,
    standing,
)
from standfast.guard.known import KnownGood
from standfast.guard.outcome import Outcome
from standfast.guard.policy import Policy
from standfast.guard.verdict import Verdict
from standfast.ports import Random

JITTER = 0.1  # of every pause, either way, so that many names lost together are not asked about together


@dataclass(slots=True, kw_only=True)
class Watch:
    """The state of one lost question.

    `pause_s` is the present pause between two looks. `due` says that the time for another look has come but waits
    for a client to ask, as it does when the upstream only fails.
    """

    question: Question
    outcome: Outcome
    opened_at_s: float
    lost_at_s: float
    proven_at_s: float | None
    used_at_s: float
    pause_s: float
    verdict: Verdict | None = None
    due: bool = False
    asking: bool = False
    known_probes: dict[str, ProbeResult] = field(default_factory=dict)
    candidate_probes: dict[str, ProbeResult] = field(default_factory=dict)
    opinions: dict[str, Opinion] = field(default_factory=dict)
    delegations: dict[str, Delegation] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)

    def evidence(self) -> Evidence:
        """Return all the evidence so far."""
        return Evidence(
            lost_at_s=self.lost_at_s,
            opened_at_s=self.opened_at_s,
            proven_at_s=self.proven_at_s,
            known=tuple(self.known_probes.values()),
            candidates=tuple(self.candidate_probes.values()),
            opinions=tuple(self.opinions.values()),
            delegations=tuple(self.delegations.values()),
            awaited=frozenset(self.awaited),
        )

    def take_probe(self, probes: dict[str, ProbeResult], result: ProbeResult) -> None:
        """Take in `result`, counting how often in a row its address was absent."""
        before = probes.get(result.address)
        strikes = 0
        if result.identity is Identity.ABSENT:
            strikes = (before.strikes if before else 0) + 1
        probes[result.address] = replace(result, strikes=strikes)

    def note_proof(self, known: KnownGood, now: float) -> bool:
        """Remember that the known-good addresses prove identity now; False when they do not."""
        proven = standing(known.answer.addresses, self.known_probes.values()) is Standing.PROVEN
        if proven:
            self.proven_at_s = now
        return proven

    def absent_once(self) -> bool:
        """Say whether some address was silent once and must be asked again before that counts."""
        probes = (*self.known_probes.values(), *self.candidate_probes.values())
        return any(probe.identity is Identity.ABSENT and probe.strikes == 1 for probe in probes)

    def next_pause_s(self, policy: Policy, rng: Random) -> float:
        """Return the pause before the next look, and double the one after it."""
        pause_s = min(max(self.pause_s, policy.recheck_min_s), policy.recheck_max_s)
        self.pause_s = min(pause_s * 2, policy.recheck_max_s)
        return pause_s * rng.uniform(1 - JITTER, 1 + JITTER)
