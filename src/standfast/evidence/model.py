"""What can speak for or against a name, and for how long each piece of evidence is worth something.

Data only; what it proves together is for `guard.judge` to say.
"""

from collections.abc import Iterable
from dataclasses import field
from enum import StrEnum

from standfast.dns.model import Name, RRset, addresses_of
from standfast.evidence.aim import may_probe
from standfast.values import value

IDENTITY_WORTH_S = 900.0  # thrice the longest pause between two looks, so that one lost round does not end a proof
OPINION_WORTH_MIN_S = 60.0
OPINION_WORTH_MAX_S = 600.0
DELEGATION_WORTH_S = 900.0
AWAITED_DELEGATION = "the delegation of"  # how a delegation that was asked for is named while it is not in
ROUND_ADDRESSES_MAX = 8  # of one name looked at in one round; those of a longer list take turns
ABSENT_STRIKES = 2  # one silent probe is a lost packet; only a second one in a row says that nobody is there


class Identity(StrEnum):
    """What one probe says about who answers at an address."""

    PROVEN = "proven"  # a valid chain for the name
    CONTRADICTED = "contradicted"  # somebody else's certificate
    ABSENT = "absent"  # refused or unreachable
    UNKNOWN = "unknown"  # not askable: no probe, no route from here, a certificate that proves nothing either way


@value
class ProbeSpec:
    """How a name is probed: `tls`, `tcp` or `none`, and the port."""

    kind: str = "tls"
    port: int = 443


@value
class ProbeResult:
    """One look at one address. `strikes` counts how often in a row it was absent."""

    address: str
    identity: Identity
    at_s: float
    reachable: bool = False  # TCP connected; weak evidence, never proof of identity
    detail: str = ""
    strikes: int = 0


class OpinionState(StrEnum):
    """What another resolver says of the same question."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    SILENT = "silent"  # no answer, or a failure: says nothing


@value
class Opinion:
    """A second opinion: which resolver, what it said, and its answer when that was positive."""

    resolver: str
    state: OpinionState
    at_s: float
    rrsets: tuple[RRset, ...] = ()
    detail: str = ""


class DelegationState(StrEnum):
    """Whether the parent still delegates the zone of a name."""

    DELEGATED = "delegated"
    GONE = "gone"
    UNKNOWN = "unknown"


@value
class Delegation:
    """What one resolver says of the zone's delegation."""

    zone: Name
    resolver: str
    state: DelegationState
    at_s: float
    detail: str = ""


@value
class Tombstone:
    """A removal notice that the owner signed."""

    signer: str
    at_s: float


@value
class Evidence:
    """All that is known about one lost question.

    `lost_at_s`: when it was lost (seconds since the epoch). `opened_at_s`: since when the present kind of outcome is
    looked into, which is later after a restart or a change. `proven_at_s`: when its known-good addresses last
    proved their identity at a quorum. `known` and `candidates` hold the newest probe of each known-good and each
    newly answered address. `awaited` names what has been asked and is not in yet.
    """

    lost_at_s: float
    opened_at_s: float
    proven_at_s: float | None = None
    known: tuple[ProbeResult, ...] = ()
    candidates: tuple[ProbeResult, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    tombstone: Tombstone | None = None
    awaited: frozenset[str] = field(default_factory=frozenset)

    def worth_at(self, now: float) -> "Evidence":
        """Return the part of this evidence that is still worth something at `now`."""
        if not (self.known or self.candidates or self.opinions or self.delegations):
            return self
        return Evidence(
            lost_at_s=self.lost_at_s,
            opened_at_s=self.opened_at_s,
            proven_at_s=self.proven_at_s,
            known=tuple(p for p in self.known if now - p.at_s < IDENTITY_WORTH_S),
            candidates=tuple(p for p in self.candidates if now - p.at_s < IDENTITY_WORTH_S),
            opinions=tuple(o for o in self.opinions if now - o.at_s < opinion_worth_s(o)),
            delegations=tuple(d for d in self.delegations if now - d.at_s < DELEGATION_WORTH_S),
            tombstone=self.tombstone,
            awaited=self.awaited,
        )


class Standing(StrEnum):
    """What the probes of a set of addresses say together."""

    PROVEN = "proven"
    CONTRADICTED = "contradicted"
    LOST = "lost"
    UNDECIDED = "undecided"


def standing(addresses: tuple[str, ...], probes: Iterable[ProbeResult]) -> Standing:
    """Weigh `probes` of `addresses` at a quorum.

    At least half must prove identity, or more than half must speak against it; the two exclude each other, and when
    neither is reached the standing is undecided. What is counted over are the addresses of a whole round, also while
    it is under way: the first address to answer, good or bad, does not speak for the others.
    """
    members = frozenset(addresses)
    asked = [probe for probe in probes if probe.address in members]
    whole = max(len(asked), min(sum(map(may_probe, members)), ROUND_ADDRESSES_MAX))
    proven = sum(probe.identity is Identity.PROVEN for probe in asked)
    contradicted = sum(probe.identity is Identity.CONTRADICTED for probe in asked)
    absent = sum(probe.identity is Identity.ABSENT and probe.strikes >= ABSENT_STRIKES for probe in asked)
    if proven and 2 * proven >= whole:
        return Standing.PROVEN
    if 2 * contradicted > whole:
        return Standing.CONTRADICTED
    if 2 * (contradicted + absent) > whole:
        return Standing.LOST
    return Standing.UNDECIDED


def contradicted(probes: Iterable[ProbeResult]) -> frozenset[str]:
    """Return the addresses that showed somebody else's certificate."""
    return frozenset(probe.address for probe in probes if probe.identity is Identity.CONTRADICTED)


def opinion_worth_s(opinion: Opinion) -> float:
    """Return how long `opinion` counts: about as long as its records may be cached, within bounds.

    A resolver that still answers from its cache after a true removal says so for no longer than that cache lasts.
    """
    ttl_s = min((rrset.ttl_s for rrset in opinion.rrsets), default=OPINION_WORTH_MAX_S)
    return min(max(float(ttl_s), OPINION_WORTH_MIN_S), OPINION_WORTH_MAX_S)


def opinion_addresses(opinion: Opinion) -> tuple[str, ...]:
    """Return the addresses that a second opinion answered with."""
    return addresses_of(opinion.rrsets)
