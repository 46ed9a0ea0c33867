"""The judge: outcome, known-good, evidence, policy and the time in; a verdict out. Decides only; sends nothing.

`TABLE` is the whole of it: rows are tried from the top, the first whose conditions all hold gives the verdict. To
change a rule, change a line. The last row has no condition, so `judge` is total.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from standfast.evidence.model import (
    AWAITED_DELEGATION,
    DelegationState,
    Evidence,
    Standing,
    opinion_worth_s,
)
from standfast.guard.case import (
    Case,
    candidate_standing,
    grace_ends_s,
    is_usable,
    known_standing,
    says,
    trusted_opinion,
)
from standfast.guard.known import KnownGood, was_ever_doubtful, was_proven
from standfast.guard.outcome import Bogus, Failure, Negative, Outcome, Positive
from standfast.guard.policy import BogusMode, Mode, Policy
from standfast.guard.verdict import Action, Cause, Serve, Verdict

WAITING_GRACES = 4  # how many grace periods evidence may take; an hour, at 20 probes a second, is enough for 72,000


def judge(outcome: Outcome, known: KnownGood | None, evidence: Evidence, policy: Policy, now: float) -> Verdict:
    """Return the verdict on `outcome`. Pure and total; the same arguments give the same verdict.

    Args:
        outcome: what asking upstream ended in.
        known: the known-good answer of the same question, or None.
        evidence: all that is known about the loss; what is too old to count is left out here.
        policy: the settings for the name.
        now: seconds since the epoch.
    """
    case = Case(outcome=outcome, known=known, evidence=evidence.worth_at(now), policy=policy, now=now)
    row = _first_that_holds(case)
    verdict = Verdict(
        action=row.action,
        cause=row.cause,
        rule=row.id,
        reason=row.reason(case),
        serve=row.serve,
        evidence=case.evidence,
        look_again_at_s=row.until(case),
        provisional=row.provisional,
        alarm=row.alarm or (row.alarm_if_pinned and policy.pinned),
    )
    if policy.mode is Mode.HOLD or verdict.serve is Serve.SERVFAIL:
        return verdict
    return replace(verdict, serve=Serve.OUTCOME)  # `observe` judges and records, and obeys all the same


def _first_that_holds(case: Case) -> "Row":
    for row in TABLE:  # plain loops: every answer passes this way, and generators would cost more than the conditions
        for condition in row.when:
            if not condition(case):
                break
        else:
            return row
    raise AssertionError("the last rows of the table are for any outcome")


Condition = Callable[[Case], bool]


# Conditions -------------------------------------------------------------------------------------------------


def positive(case: Case) -> bool:
    return isinstance(case.outcome, Positive)


def changed_wholesale(case: Case) -> bool:
    return isinstance(case.outcome, Positive) and case.outcome.wholesale_change


def short(case: Case) -> bool:
    return isinstance(case.outcome, Positive) and case.outcome.short


def negative(case: Case) -> bool:
    return isinstance(case.outcome, Negative)


def failed(case: Case) -> bool:
    return isinstance(case.outcome, Failure)


def bogus(case: Case) -> bool:
    return isinstance(case.outcome, Bogus)


def bogus_is_refused(case: Case) -> bool:
    return case.policy.bogus is BogusMode.SERVFAIL


def is_known(case: Case) -> bool:
    """A known-good answer is there, not given up, and was not already too old when the name was lost."""
    return is_usable(case.known, case.policy, lost_at_s=case.evidence.lost_at_s)


def held_by_operator(case: Case) -> bool:
    until = case.known.operator_hold_until_s if case.known else None
    return until is not None and case.now < until


def removed_by_notice(case: Case) -> bool:
    return case.evidence.tombstone is not None


def delegation_gone(case: Case) -> bool:
    """Some resolver sees the zone gone from its parent, none sees it delegated, and all have been heard."""
    if any(word.startswith(AWAITED_DELEGATION) for word in case.evidence.awaited):
        return False
    states = {delegation.state for delegation in case.evidence.delegations}
    return DelegationState.GONE in states and DelegationState.DELEGATED not in states


def opinion_positive(case: Case) -> bool:
    return trusted_opinion(case.evidence, case.known) is not None


def identity_proven(case: Case) -> bool:
    return known_standing(case) is Standing.PROVEN


def identity_contradicted(case: Case) -> bool:
    """Somebody else's certificate at a quorum, where the name had proven itself or was never asked before."""
    if case.known is None or was_ever_doubtful(case.known):
        return False
    return known_standing(case) is Standing.CONTRADICTED


def identity_lost(case: Case) -> bool:
    """Nobody answers at a quorum where the name's servers used to: without that, silence proves nothing."""
    lost = known_standing(case) in (Standing.LOST, Standing.CONTRADICTED)
    return lost and case.known is not None and was_proven(case.known)


def new_identity_proven(case: Case) -> bool:
    return candidate_standing(case) is Standing.PROVEN


def new_identity_failed(case: Case) -> bool:
    return candidate_standing(case) in (Standing.CONTRADICTED, Standing.LOST)


def evidence_awaited(case: Case) -> bool:
    return bool(case.evidence.awaited)


def within_provisional(case: Case) -> bool:
    return case.now < case.evidence.opened_at_s + case.policy.provisional_s


def within_grace(case: Case) -> bool:
    return case.now < grace_ends_s(case)


def within_waiting(case: Case) -> bool:
    return case.now < waiting_ends(case)


def within_hold_max(case: Case) -> bool:
    return case.now < case.evidence.lost_at_s + case.policy.hold_max_s


def beyond_hold_max(case: Case) -> bool:
    return not within_hold_max(case)


def within_stale_max(case: Case) -> bool:
    return case.known is not None and case.now < case.known.confirmed_at_s + case.policy.stale_max_s


# How long a verdict stands without anything new -------------------------------------------------------------


def for_good(_case: Case) -> float:
    return inf


def provisional_ends(case: Case) -> float:
    return case.evidence.opened_at_s + case.policy.provisional_s


def grace_ends(case: Case) -> float:
    return grace_ends_s(case)


def waiting_ends(case: Case) -> float:
    """Evidence that was asked for may take its time: where many names are lost together, probes have a budget."""
    return case.evidence.opened_at_s + max(WAITING_GRACES * case.policy.grace_s, case.policy.provisional_s)


def hold_max_ends(case: Case) -> float:
    return case.evidence.lost_at_s + case.policy.hold_max_s


def stale_max_ends(case: Case) -> float:
    confirmed_at_s = case.known.confirmed_at_s if case.known else case.now
    return confirmed_at_s + case.policy.stale_max_s


def opinion_ends(case: Case) -> float:
    opinion = trusted_opinion(case.evidence, case.known)
    return case.now if opinion is None else opinion.at_s + opinion_worth_s(opinion)


def operator_hold_ends(case: Case) -> float:
    until = case.known.operator_hold_until_s if case.known else None
    return inf if until is None else until


# The table --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its stable id, the conditions that must all hold, and the verdict that it gives."""

    id: str
    when: tuple[Condition, ...]
    action: Action
    cause: Cause
    serve: Serve
    until: Callable[[Case], float]
    reason: Callable[[Case], str]
    provisional: bool = False
    alarm: bool = False
    alarm_if_pinned: bool = False


_FRESH, _HOLD, _RELEASE = Action.FRESH, Action.HOLD, Action.RELEASE
_OUTCOME, _KNOWN, _OPINION, _SERVFAIL = Serve.OUTCOME, Serve.KNOWN_GOOD, Serve.OPINION, Serve.SERVFAIL

# fmt: off
TABLE: tuple[Row, ...] = (
    # An operator's word goes before everything but a fresh, unsuspicious answer.
    Row("operator.hold", (negative, is_known, held_by_operator),
        _HOLD, Cause.UNKNOWN, _KNOWN, operator_hold_ends, says("held by an operator's command")),

    # A wholesale change of a watched name: believed at once only when somebody vouches for it.
    Row("change.proven", (changed_wholesale, is_known, new_identity_proven),
        _FRESH, Cause.NONE, _OUTCOME, for_good, says("the new addresses prove identity ({new_probes})")),
    Row("change.attack", (changed_wholesale, is_known, new_identity_failed, identity_proven, within_hold_max),
        _HOLD, Cause.ATTACK, _KNOWN, hold_max_ends,
        says("the new addresses fail identity ({new_probes}), the known-good ones still prove it ({probes})"),
        alarm=True),
    Row("change.pending", (changed_wholesale, is_known, evidence_awaited, within_provisional),
        _HOLD, Cause.UNKNOWN, _KNOWN, provisional_ends,
        says("every address is new; waiting for {awaited}"), provisional=True),
    Row("change.undecided", (changed_wholesale, is_known),
        _FRESH, Cause.UNKNOWN, _OUTCOME, for_good,
        says("neither side can be told right: new {new_probes}; known-good {probes}"), alarm_if_pinned=True),

    # Fewer addresses than a pinned name promises.
    Row("short.proven", (short, is_known, identity_proven, within_hold_max),
        _HOLD, Cause.MISTAKE, _KNOWN, hold_max_ends,
        says("fewer than the pinned minimum of {minimum}, while {probes}"), alarm=True),
    Row("short.pending", (short, is_known, evidence_awaited, within_provisional),
        _HOLD, Cause.UNKNOWN, _KNOWN, provisional_ends,
        says("fewer than {minimum}; waiting for {awaited}"), provisional=True),
    Row("short.undecided", (short,),
        _FRESH, Cause.UNKNOWN, _OUTCOME, for_good,
        says("fewer than the pinned minimum of {minimum}; known-good {probes}"), alarm=True),

    Row("positive", (positive,),
        _FRESH, Cause.NONE, _OUTCOME, for_good, says("answered by the upstream")),

    # The name or its records are said not to exist.
    Row("negative.unknown-name", (negative, lambda case: not is_known(case)),
        _FRESH, Cause.NONE, _OUTCOME, for_good, says("nothing known to be good stands against it")),
    Row("negative.notice", (negative, removed_by_notice),
        _RELEASE, Cause.REMOVAL, _OUTCOME, for_good, says("removal notice signed by {signer}")),
    Row("negative.delegation-gone", (negative, delegation_gone),
        _RELEASE, Cause.REMOVAL, _OUTCOME, for_good, says("the parent no longer delegates {zone}")),
    Row("negative.contradicted", (negative, identity_contradicted),
        _RELEASE, Cause.REMOVAL, _OUTCOME, for_good, says("the addresses belong to somebody else now ({probes})")),
    Row("negative.second-opinion", (negative, opinion_positive),
        _FRESH, Cause.FAILURE, _OPINION, opinion_ends, says("{opinion}; the upstream's own failure")),
    Row("negative.hold-max", (negative, beyond_hold_max),
        _RELEASE, Cause.UNKNOWN, _OUTCOME, for_good, says("held for the longest time allowed, {hold_max}"), alarm=True),
    Row("negative.proven", (negative, identity_proven),
        _HOLD, Cause.MISTAKE, _KNOWN, hold_max_ends,
        says("the servers are there and prove identity ({probes})"), alarm_if_pinned=True),
    Row("negative.lost", (negative, identity_lost),
        _RELEASE, Cause.REMOVAL, _OUTCOME, for_good, says("the servers are gone as well ({probes})")),
    Row("negative.pending", (negative, evidence_awaited, within_provisional),
        _HOLD, Cause.UNKNOWN, _KNOWN, provisional_ends, says("waiting for {awaited}"), provisional=True),
    Row("negative.grace", (negative, within_grace),
        _HOLD, Cause.UNKNOWN, _KNOWN, grace_ends,
        says("cannot be proven either way ({probes}); within the grace of {grace}")),
    Row("negative.awaited", (negative, evidence_awaited, within_waiting),
        _HOLD, Cause.UNKNOWN, _KNOWN, waiting_ends,
        says("the grace of {grace} is over, but still waiting for {awaited}"), provisional=True),
    Row("negative.grace-over", (negative,),
        _RELEASE, Cause.UNKNOWN, _OUTCOME, for_good,
        says("could not be proven either way ({probes}) in {grace}"), alarm_if_pinned=True),

    # The upstream failed.
    Row("failure.unknown-name", (failed, lambda case: not is_known(case)),
        _FRESH, Cause.NONE, _SERVFAIL, for_good, says("nothing known to be good to answer with")),
    Row("failure.contradicted", (failed, identity_contradicted),
        _RELEASE, Cause.FAILURE, _SERVFAIL, for_good, says("the addresses belong to somebody else now ({probes})")),
    Row("failure.stale-max", (failed, lambda case: not within_stale_max(case)),
        _RELEASE, Cause.FAILURE, _SERVFAIL, for_good,
        says("last confirmed longer ago than {stale_max}"), alarm_if_pinned=True),
    Row("bogus.refused", (bogus, bogus_is_refused),
        _FRESH, Cause.ATTACK, _SERVFAIL, for_good,
        says("validation failed and the policy does not hold through that"), alarm=True),
    Row("bogus.proven", (bogus, identity_proven),
        _HOLD, Cause.FAILURE, _KNOWN, stale_max_ends,
        says("validation fails, but the servers prove identity ({probes}): broken signing")),
    Row("bogus.pending", (bogus, evidence_awaited, within_provisional),
        _HOLD, Cause.UNKNOWN, _KNOWN, provisional_ends,
        says("validation fails; waiting for {awaited}"), provisional=True),
    Row("bogus.suspected", (bogus, within_grace),
        _HOLD, Cause.ATTACK, _KNOWN, grace_ends,
        says("validation fails and identity is not proven ({probes})"), alarm=True),
    Row("bogus.awaited", (bogus, evidence_awaited, within_waiting),
        _HOLD, Cause.UNKNOWN, _KNOWN, waiting_ends,
        says("validation fails; the grace of {grace} is over, but still waiting for {awaited}"), provisional=True),
    Row("bogus.grace-over", (bogus,),
        _RELEASE, Cause.ATTACK, _SERVFAIL, for_good,
        says("validation fails and identity was not proven in {grace} ({probes})"), alarm=True),
    Row("failure.stale", (failed,),
        _HOLD, Cause.FAILURE, _KNOWN, stale_max_ends,
        says("the last good answer stands in, up to {stale_max} old (RFC 8767)")),
)
# fmt: on
