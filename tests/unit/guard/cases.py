"""Cases for the judge, in a few words each; and strategies that draw any case at all."""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from guard_world import START_S, a, nodata, nxdomain, positive, soa
from standfast.dns.model import Question, RRType
from standfast.evidence.model import (
    AWAITED_DELEGATION,
    Delegation,
    DelegationState,
    Evidence,
    Identity,
    Opinion,
    OpinionState,
    ProbeResult,
    Tombstone,
)
from standfast.guard.judge import judge
from standfast.guard.known import Answer, Baseline, KnownGood
from standfast.guard.outcome import (
    Bogus,
    Malformed,
    NoData,
    NxDomain,
    Outcome,
    Positive,
    Refused,
    ServFail,
    Timeout,
)
from standfast.guard.policy import BogusMode, Mode, Policy
from standfast.guard.verdict import Verdict

WWW = "www.example.org."
NOW = START_S
OLD, NEW = ("192.0.2.1", "192.0.2.2"), ("203.0.113.1", "203.0.113.2")


def answer(*addresses: str) -> Answer:
    return Answer(rrsets=(a(WWW, *addresses),))


KNOWN = KnownGood(
    question=Question(WWW, RRType.A),
    answer=answer(*OLD),
    first_seen_s=NOW - 30 * 86_400,
    confirmed_at_s=NOW - 60,
    changed_at_s=NOW - 30 * 86_400,
    confirmations=1000,
    seen=OLD,
    baseline=Baseline(asked_at_s=NOW - 3600, proven_at_s=NOW - 3600),
    zone="example.org.",
)
DOUBTFUL = replace(KNOWN, baseline=Baseline(asked_at_s=NOW - 3600))
NEVER_ASKED = replace(KNOWN, baseline=None)


def answered(*addresses: str, wholesale_change: bool = False, short: bool = False) -> Positive:
    reply = positive(a(WWW, *addresses))
    return Positive(answer=answer(*addresses), reply=reply, wholesale_change=wholesale_change, short=short)


SAME = answered(*OLD)
CHANGED = answered(*NEW, wholesale_change=True)
SHORT = answered(OLD[0], short=True)
NODATA = NoData(reply=nodata("example.org."), soa=soa("example.org."))
NXDOMAIN = NxDomain(reply=nxdomain("example.org."), soa=soa("example.org."))
FAILURES: tuple[Outcome, ...] = (ServFail(), Refused(), Timeout(), Malformed())
BOGUS = Bogus()


def probes(identity: Identity, *addresses: str, at_s: float = NOW, strikes: int = 2) -> tuple[ProbeResult, ...]:
    return tuple(ProbeResult(address=each, identity=identity, at_s=at_s, strikes=strikes) for each in addresses)


def evidence(
    *, lost_s: float = 10.0, opened_s: float | None = None, proven_s: float | None = None, **parts: Any
) -> Evidence:
    """Return the evidence on a name that was lost so many seconds ago, and so on."""
    awaited = parts.pop("awaited", ())
    return Evidence(
        lost_at_s=NOW - lost_s,
        opened_at_s=NOW - (lost_s if opened_s is None else opened_s),
        proven_at_s=None if proven_s is None else NOW - proven_s,
        awaited=frozenset(awaited),
        **parts,
    )


PROVEN, ABSENT, STRANGER = (
    probes(identity, *OLD) for identity in (Identity.PROVEN, Identity.ABSENT, Identity.CONTRADICTED)
)
NEW_PROVEN, NEW_STRANGER = (probes(identity, *NEW) for identity in (Identity.PROVEN, Identity.CONTRADICTED))
AWAITED = ("the identity of the known-good addresses",)
SAYS_STILL_THERE = Opinion(resolver="other", state=OpinionState.POSITIVE, at_s=NOW, rrsets=(a(WWW, *OLD, ttl_s=300),))
ZONE_GONE = Delegation(zone="example.org.", resolver="upstream", state=DelegationState.GONE, at_s=NOW)
NOTICE = Tombstone(signer="the owner", at_s=NOW)


UNDECIDED = evidence()
DEFAULTS = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is put before the judge; without more, a lost name about which nothing is known but its answer."""

    outcome: Outcome = NODATA
    known: KnownGood | None = KNOWN
    evidence: Evidence = UNDECIDED
    policy: Policy = DEFAULTS
    now: float = NOW

    def judged(self) -> Verdict:
        return judge(self.outcome, self.known, self.evidence, self.policy, self.now)


# Any case at all


ADDRESSES = st.lists(st.sampled_from([*OLD, *NEW, "224.0.0.1"]), unique=True, max_size=4).map(tuple)
AGES_S = st.sampled_from([-5.0, 0.0, 0.5, 5.0, 29.0, 31.0, 100.0, 899.0, 901.0, 86_399.0, 86_401.0, 259_201.0])
TIMES_S = AGES_S.map(lambda age_s: NOW - age_s)
PROBES = st.lists(
    st.builds(
        ProbeResult,
        address=st.sampled_from([*OLD, *NEW]),
        identity=st.sampled_from(Identity),
        at_s=TIMES_S,
        strikes=st.integers(0, 3),
    ),
    max_size=4,
).map(tuple)
OUTCOMES = st.one_of(
    st.sampled_from([NODATA, NXDOMAIN, BOGUS, *FAILURES, SAME, CHANGED, SHORT]),
    st.builds(answered, st.sampled_from([*OLD, *NEW]), wholesale_change=st.booleans(), short=st.booleans()),
)
KNOWNS = st.one_of(
    st.none(),
    st.builds(
        replace,
        st.just(KNOWN),
        answer=ADDRESSES.filter(bool).map(lambda each: answer(*each)),
        confirmed_at_s=TIMES_S,
        baseline=st.one_of(st.none(), st.builds(Baseline, asked_at_s=TIMES_S, proven_at_s=st.none() | TIMES_S)),
        released_at_s=st.none() | st.none() | TIMES_S,
        lost_at_s=st.none() | TIMES_S,
        operator_hold_until_s=st.none() | TIMES_S,
    ),
)
EVIDENCES = st.builds(
    Evidence,
    lost_at_s=TIMES_S,
    opened_at_s=TIMES_S,
    proven_at_s=st.none() | TIMES_S,
    known=PROBES,
    candidates=PROBES,
    opinions=st.lists(
        st.builds(
            Opinion,
            resolver=st.just("other"),
            state=st.sampled_from(OpinionState),
            at_s=TIMES_S,
            rrsets=ADDRESSES.map(lambda each: (a(WWW, *each),) if each else ()),
        ),
        max_size=2,
    ).map(tuple),
    delegations=st.lists(
        st.builds(replace, st.just(ZONE_GONE), state=st.sampled_from(DelegationState)), max_size=2
    ).map(tuple),
    tombstone=st.sampled_from([None, None, None, NOTICE]),
    awaited=st.frozensets(st.sampled_from([*AWAITED, f"{AWAITED_DELEGATION} org. from x"]), max_size=2),
)
POLICIES = st.builds(
    Policy,
    mode=st.sampled_from([Mode.HOLD, Mode.HOLD, Mode.OBSERVE]),
    grace_s=st.sampled_from([0, 900, 86_400]),
    hold_max_s=st.sampled_from([0, 86_400]),
    stale_max_s=st.sampled_from([0, 259_200]),
    provisional_s=st.sampled_from([0, 30]),
    pinned=st.booleans(),
    addresses_min=st.integers(0, 3),
    bogus=st.sampled_from(BogusMode),
)
GIVEN = st.builds(Given, outcome=OUTCOMES, known=KNOWNS, evidence=EVIDENCES, policy=POLICIES)
