"""The judge: the verdict table row by row, and what holds for every verdict."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import example, given, settings

from guard_world import a
from standfast.evidence.model import (
    AWAITED_DELEGATION,
    DelegationState,
    Identity,
    Opinion,
    OpinionState,
)
from standfast.guard import judge as judge_module
from standfast.guard.case import is_usable, trusted_opinion
from standfast.guard.judge import TABLE
from standfast.guard.outcome import Failure, Outcome
from standfast.guard.policy import BogusMode, Mode, Policy
from standfast.guard.verdict import Action, Cause, Serve, Verdict
from unit.guard.cases import (
    ABSENT,
    AWAITED,
    BOGUS,
    CHANGED,
    DOUBTFUL,
    FAILURES,
    GIVEN,
    KNOWN,
    NEVER_ASKED,
    NEW,
    NEW_PROVEN,
    NEW_STRANGER,
    NODATA,
    NOTICE,
    NOW,
    NXDOMAIN,
    OLD,
    PROVEN,
    SAME,
    SAYS_STILL_THERE,
    SHORT,
    STRANGER,
    ZONE_GONE,
    Given,
    evidence,
    probes,
)

NEGATIVES = (NODATA, NXDOMAIN)
PINNED = Policy(pinned=True, addresses_min=2)


def told(verdict: Verdict) -> tuple[Action, Cause, Serve]:
    return verdict.action, verdict.cause, verdict.serve


def rules(cases: Iterable[Given]) -> set[str]:
    return {case.judged().rule for case in cases}


# The table of the design, row by row


def test_positive_is_fresh_and_remembered() -> None:
    assert told(Given(outcome=SAME).judged()) == (Action.FRESH, Cause.NONE, Serve.OUTCOME)
    assert told(Given(outcome=SAME, known=None).judged()) == (Action.FRESH, Cause.NONE, Serve.OUTCOME)


def test_wholesale_change_whose_evidence_is_not_in_is_held_for_seconds() -> None:
    verdict = Given(outcome=CHANGED, evidence=evidence(awaited=AWAITED)).judged()
    assert told(verdict) == (Action.HOLD, Cause.UNKNOWN, Serve.KNOWN_GOOD)
    assert verdict.provisional
    assert verdict.look_again_at_s == NOW - 10 + Policy().provisional_s


def test_wholesale_change_to_addresses_that_prove_identity_is_fresh() -> None:
    verdict = Given(outcome=CHANGED, evidence=evidence(candidates=NEW_PROVEN, known=PROVEN)).judged()
    assert told(verdict) == (Action.FRESH, Cause.NONE, Serve.OUTCOME)


def test_wholesale_change_to_strangers_while_the_old_prove_identity_is_an_attack() -> None:
    case = Given(outcome=CHANGED, evidence=evidence(candidates=NEW_STRANGER, known=PROVEN))
    verdict = case.judged()
    assert told(verdict) == (Action.HOLD, Cause.ATTACK, Serve.KNOWN_GOOD)
    assert verdict.alarm
    observed = replace(case, policy=Policy(mode=Mode.OBSERVE)).judged()
    assert observed.serve is Serve.OUTCOME
    assert observed.alarm


@pytest.mark.parametrize("known", [(), ABSENT, STRANGER, probes(Identity.UNKNOWN, *OLD)])
@pytest.mark.parametrize("candidates", [(), NEW_STRANGER, probes(Identity.UNKNOWN, *NEW)])
def test_any_other_wholesale_change_is_believed(known: tuple[()], candidates: tuple[()]) -> None:
    case = Given(outcome=CHANGED, evidence=evidence(known=known, candidates=candidates))
    assert told(case.judged()) == (Action.FRESH, Cause.UNKNOWN, Serve.OUTCOME)
    assert not case.judged().alarm
    assert replace(case, policy=PINNED).judged().alarm


@pytest.mark.parametrize("outcome", NEGATIVES)
def test_negative_of_a_name_that_is_not_known_passes_through(outcome: Outcome) -> None:
    assert told(Given(outcome=outcome, known=None).judged()) == (Action.FRESH, Cause.NONE, Serve.OUTCOME)


@pytest.mark.parametrize("outcome", NEGATIVES)
def test_negative_whose_evidence_is_not_in_is_held_at_once(outcome: Outcome) -> None:
    verdict = Given(outcome=outcome, evidence=evidence(lost_s=0, awaited=AWAITED)).judged()
    assert told(verdict) == (Action.HOLD, Cause.UNKNOWN, Serve.KNOWN_GOOD)
    assert verdict.provisional


@pytest.mark.parametrize("outcome", NEGATIVES)
def test_negative_with_a_tombstone_is_a_removal_whatever_else_is_said(outcome: Outcome) -> None:
    all_for_it = evidence(tombstone=NOTICE, known=PROVEN, opinions=(SAYS_STILL_THERE,), awaited=AWAITED)
    verdict = Given(outcome=outcome, evidence=all_for_it).judged()
    assert told(verdict) == (Action.RELEASE, Cause.REMOVAL, Serve.OUTCOME)


@pytest.mark.parametrize("outcome", NEGATIVES)
def test_negative_against_a_positive_second_opinion_is_the_upstreams_own_failure(outcome: Outcome) -> None:
    verdict = Given(outcome=outcome, evidence=evidence(opinions=(SAYS_STILL_THERE,), known=ABSENT)).judged()
    assert told(verdict) == (Action.FRESH, Cause.FAILURE, Serve.OPINION)


@pytest.mark.parametrize("outcome", NEGATIVES)
def test_negative_while_a_quorum_proves_identity_is_a_mistake(outcome: Outcome) -> None:
    half = (*probes(Identity.PROVEN, OLD[0]), *probes(Identity.ABSENT, OLD[1]))
    for known in (PROVEN, half):
        verdict = Given(outcome=outcome, evidence=evidence(known=known)).judged()
        assert told(verdict) == (Action.HOLD, Cause.MISTAKE, Serve.KNOWN_GOOD)
        assert verdict.look_again_at_s == NOW - 10 + Policy().hold_max_s


@pytest.mark.parametrize("outcome", NEGATIVES)
def test_negative_while_identity_is_lost_at_a_quorum_is_a_removal(outcome: Outcome) -> None:
    for known in (ABSENT, STRANGER, (*ABSENT[:1], *STRANGER[1:])):
        verdict = Given(outcome=outcome, evidence=evidence(known=known)).judged()
        assert told(verdict) == (Action.RELEASE, Cause.REMOVAL, Serve.OUTCOME)


@pytest.mark.parametrize("outcome", NEGATIVES)
def test_negative_that_cannot_be_proven_either_way_is_held_for_the_grace_period(outcome: Outcome) -> None:
    case = Given(outcome=outcome, known=DOUBTFUL, evidence=evidence(lost_s=899.5, known=ABSENT))
    assert told(case.judged()) == (Action.HOLD, Cause.UNKNOWN, Serve.KNOWN_GOOD)
    assert case.judged().look_again_at_s == NOW + 0.5
    over = replace(case, now=NOW + 0.5)
    assert told(over.judged()) == (Action.RELEASE, Cause.UNKNOWN, Serve.OUTCOME)


@pytest.mark.parametrize("outcome", FAILURES)
def test_failure_is_answered_with_the_known_good_up_to_stale_max(outcome: Outcome) -> None:
    verdict = Given(outcome=outcome).judged()
    assert told(verdict) == (Action.HOLD, Cause.FAILURE, Serve.KNOWN_GOOD)
    assert verdict.look_again_at_s == KNOWN.confirmed_at_s + Policy().stale_max_s
    over = replace(Given(outcome=outcome), now=verdict.look_again_at_s).judged()
    assert told(over) == (Action.RELEASE, Cause.FAILURE, Serve.SERVFAIL)


@pytest.mark.parametrize("outcome", [*FAILURES, BOGUS])
def test_failure_while_strangers_hold_a_quorum_of_the_addresses_is_released(outcome: Outcome) -> None:
    verdict = Given(outcome=outcome, evidence=evidence(known=STRANGER)).judged()
    assert told(verdict) == (Action.RELEASE, Cause.FAILURE, Serve.SERVFAIL)


def test_bogus_is_held_by_evidence_or_refused_by_policy() -> None:
    assert told(Given(outcome=BOGUS, evidence=evidence(known=PROVEN)).judged()) == (
        Action.HOLD,
        Cause.FAILURE,
        Serve.KNOWN_GOOD,
    )
    suspected = Given(outcome=BOGUS).judged()
    assert told(suspected) == (Action.HOLD, Cause.ATTACK, Serve.KNOWN_GOOD)
    assert suspected.alarm
    refused = Given(outcome=BOGUS, policy=Policy(bogus=BogusMode.SERVFAIL), evidence=evidence(known=PROVEN)).judged()
    assert (refused.serve, refused.alarm) == (Serve.SERVFAIL, True)
    assert refused.action is Action.FRESH  # the known-good answer is not given up for it


@pytest.mark.parametrize("outcome", [*FAILURES, BOGUS])
def test_failure_of_a_name_that_is_not_known_is_servfail(outcome: Outcome) -> None:
    assert told(Given(outcome=outcome, known=None).judged()) == (Action.FRESH, Cause.NONE, Serve.SERVFAIL)


# Every row of the table in the code

ROWS: dict[str, Given] = {
    "operator.hold": Given(
        known=replace(KNOWN, operator_hold_until_s=NOW + 60), evidence=evidence(tombstone=NOTICE, known=STRANGER)
    ),
    "change.pending": Given(outcome=CHANGED, evidence=evidence(awaited=AWAITED)),
    "change.proven": Given(outcome=CHANGED, evidence=evidence(candidates=NEW_PROVEN)),
    "change.attack": Given(outcome=CHANGED, evidence=evidence(candidates=NEW_STRANGER, known=PROVEN)),
    "change.undecided": Given(outcome=CHANGED),
    "short.pending": Given(outcome=SHORT, policy=PINNED, evidence=evidence(awaited=AWAITED)),
    "short.proven": Given(outcome=SHORT, policy=PINNED, evidence=evidence(known=PROVEN)),
    "short.undecided": Given(outcome=SHORT, policy=PINNED),
    "positive": Given(outcome=SAME),
    "negative.unknown-name": Given(known=None),
    "negative.notice": Given(evidence=evidence(tombstone=NOTICE, known=PROVEN)),
    "negative.delegation-gone": Given(evidence=evidence(delegations=(ZONE_GONE,), known=PROVEN)),
    "negative.contradicted": Given(evidence=evidence(known=STRANGER, opinions=(SAYS_STILL_THERE,))),
    "negative.second-opinion": Given(evidence=evidence(opinions=(SAYS_STILL_THERE,))),
    "negative.hold-max": Given(evidence=evidence(lost_s=86_400, known=PROVEN)),
    "negative.proven": Given(evidence=evidence(known=PROVEN)),
    "negative.lost": Given(evidence=evidence(known=ABSENT)),
    "negative.pending": Given(evidence=evidence(awaited=AWAITED)),
    "negative.grace": Given(),
    "negative.awaited": Given(evidence=evidence(lost_s=1000, opened_s=100, awaited=AWAITED)),
    "negative.grace-over": Given(evidence=evidence(lost_s=1000)),
    "failure.unknown-name": Given(outcome=FAILURES[0], known=None),
    "failure.contradicted": Given(outcome=FAILURES[0], evidence=evidence(known=STRANGER)),
    "failure.stale-max": Given(outcome=FAILURES[0], known=replace(KNOWN, confirmed_at_s=NOW - 259_200)),
    "failure.stale": Given(outcome=FAILURES[0]),
    "bogus.refused": Given(outcome=BOGUS, policy=Policy(bogus=BogusMode.SERVFAIL)),
    "bogus.proven": Given(outcome=BOGUS, evidence=evidence(known=PROVEN)),
    "bogus.pending": Given(outcome=BOGUS, evidence=evidence(awaited=AWAITED)),
    "bogus.suspected": Given(outcome=BOGUS),
    "bogus.awaited": Given(outcome=BOGUS, evidence=evidence(lost_s=1000, opened_s=100, awaited=AWAITED)),
    "bogus.grace-over": Given(outcome=BOGUS, evidence=evidence(lost_s=1000)),
}


@pytest.mark.parametrize("row", TABLE, ids=[row.id for row in TABLE])
def test_no_row_is_unreachable(row: judge_module.Row) -> None:
    verdict = ROWS[row.id].judged()
    assert verdict.rule == row.id
    assert told(verdict) == (row.action, row.cause, row.serve)


def test_rows_have_ids_of_their_own() -> None:
    assert len({row.id for row in TABLE}) == len(TABLE) == len(ROWS)


# Conditions that matter


def test_silence_proves_nothing_about_a_name_that_never_answered_on_the_port() -> None:
    lost = evidence(known=ABSENT)
    assert rules([Given(known=KNOWN, evidence=lost)]) == {"negative.lost"}
    assert rules(Given(known=known, evidence=lost) for known in (DOUBTFUL, NEVER_ASKED)) == {"negative.grace"}


def test_another_certificate_speaks_against_a_name_unless_it_always_showed_one() -> None:
    strangers = evidence(known=STRANGER)
    assert rules(Given(known=known, evidence=strangers) for known in (KNOWN, NEVER_ASKED)) == {"negative.contradicted"}
    assert rules([Given(known=DOUBTFUL, evidence=strangers)]) == {"negative.grace"}


def test_one_stranger_among_several_does_not_release_a_name() -> None:
    one = (*probes(Identity.CONTRADICTED, OLD[0]), *probes(Identity.PROVEN, OLD[1]))
    assert rules([Given(evidence=evidence(known=one))]) == {"negative.proven"}


def test_the_zone_is_gone_only_when_all_have_been_heard_and_nobody_sees_it() -> None:
    gone = evidence(delegations=(ZONE_GONE,))
    seen = replace(ZONE_GONE, state=DelegationState.DELEGATED)
    waiting = evidence(delegations=(ZONE_GONE,), awaited=(f"{AWAITED_DELEGATION} example.org. from other",))
    assert rules([Given(evidence=gone)]) == {"negative.delegation-gone"}
    assert rules([Given(evidence=evidence(delegations=(ZONE_GONE, seen)))]) == {"negative.grace"}
    assert rules([Given(evidence=waiting)]) == {"negative.pending"}


def test_an_opinion_with_addresses_that_nobody_knows_must_prove_them() -> None:
    foreign = replace(SAYS_STILL_THERE, rrsets=(a(KNOWN.question.qname, *NEW),))
    assert rules([Given(evidence=evidence(opinions=(foreign,)))]) == {"negative.grace"}
    proven = evidence(opinions=(foreign,), candidates=NEW_PROVEN)
    assert rules([Given(evidence=proven)]) == {"negative.second-opinion"}


def test_an_opinion_with_strangers_addresses_alone_is_not_believed() -> None:
    assert trusted_opinion(evidence(opinions=(SAYS_STILL_THERE,), known=STRANGER), KNOWN) is None
    one_left = evidence(opinions=(SAYS_STILL_THERE,), known=STRANGER[:1])
    assert trusted_opinion(one_left, KNOWN) is SAYS_STILL_THERE


@pytest.mark.parametrize("state", [OpinionState.NEGATIVE, OpinionState.SILENT])
def test_opinions_that_are_not_positive_change_nothing(state: OpinionState) -> None:
    opinion = Opinion(resolver="other", state=state, at_s=NOW)
    assert rules([Given(evidence=evidence(opinions=(opinion,), known=PROVEN))]) == {"negative.proven"}
    assert rules([Given(evidence=evidence(opinions=(opinion,)))]) == {"negative.grace"}


def test_a_proof_that_cannot_be_renewed_leaves_the_grace_period_before_it_ends() -> None:
    lapsed = evidence(lost_s=5000, proven_s=899)
    assert rules([Given(evidence=lapsed)]) == {"negative.grace"}
    assert rules([Given(evidence=lapsed, now=NOW + 1)]) == {"negative.grace-over"}


def test_what_was_too_old_when_it_was_lost_does_not_stand_in() -> None:
    old = replace(KNOWN, confirmed_at_s=NOW - 10 - 259_201)
    assert rules([Given(known=old), Given(known=old, outcome=BOGUS)]) == {
        "negative.unknown-name",
        "failure.unknown-name",
    }


def test_a_held_name_does_not_grow_too_old_while_it_is_proven() -> None:
    held = replace(KNOWN, confirmed_at_s=NOW - 80_000)
    case = Given(known=held, evidence=evidence(lost_s=79_000, known=PROVEN), policy=Policy(stale_max_s=3600))
    assert rules([case]) == {"negative.proven"}


# What holds for every verdict


@settings(max_examples=150, deadline=None)
@given(GIVEN)
def test_the_judge_is_total_and_deterministic_and_every_verdict_has_its_reason(case: Given) -> None:
    verdict = case.judged()
    assert verdict == case.judged()
    assert verdict.rule in ROWS
    assert verdict.reason.strip()
    assert "{" not in verdict.reason


@settings(max_examples=150, deadline=None)
@given(GIVEN)
def test_observe_never_serves_what_is_held(case: Given) -> None:
    verdict = replace(case, policy=replace(case.policy, mode=Mode.OBSERVE)).judged()
    assert verdict.serve in (Serve.OUTCOME, Serve.SERVFAIL)
    if verdict.serve is Serve.SERVFAIL:
        assert isinstance(case.outcome, Failure)


@settings(max_examples=150, deadline=None)
@given(GIVEN)
def test_nothing_is_served_from_memory_that_is_not_there_or_was_given_up(case: Given) -> None:
    verdict = case.judged()
    if verdict.serve in (Serve.KNOWN_GOOD, Serve.OPINION):
        assert case.known is not None
        assert case.known.released_at_s is None
        assert is_usable(case.known, case.policy, lost_at_s=case.evidence.lost_at_s)
    if verdict.serve is Serve.KNOWN_GOOD:
        assert verdict.action is Action.HOLD
    if case.known is None or case.known.released_at_s is not None:
        assert verdict.action is Action.FRESH


@settings(max_examples=150, deadline=None)
@given(GIVEN)
def test_every_hold_ends_and_none_lasts_longer_than_its_bounds(case: Given) -> None:
    verdict = case.judged()
    if verdict.action is not Action.HOLD:
        return
    policy, proof, known = case.policy, case.evidence, case.known
    assert known is not None
    assert verdict.look_again_at_s > case.now
    if verdict.rule == "operator.hold":
        assert verdict.look_again_at_s == known.operator_hold_until_s
        return
    bound = {
        "change": max(policy.provisional_s + proof.opened_at_s, policy.hold_max_s + proof.lost_at_s),
        "short": max(policy.provisional_s + proof.opened_at_s, policy.hold_max_s + proof.lost_at_s),
        "negative": proof.lost_at_s + policy.hold_max_s,
        "bogus": known.confirmed_at_s + policy.stale_max_s,
        "failure": known.confirmed_at_s + policy.stale_max_s,
    }[verdict.rule.partition(".")[0]]
    assert case.now < bound


@settings(max_examples=150, deadline=None)
@given(GIVEN)
@example(Given(outcome=CHANGED, evidence=evidence(awaited=AWAITED)))
def test_when_the_time_of_a_verdict_is_over_time_goes_on(case: Given) -> None:
    """Judged again at the time that it named, with nothing new, it is another verdict or has a later time."""
    verdict = case.judged()
    for _ in range(10):
        if verdict.look_again_at_s == float("inf"):
            return
        again = replace(case, now=verdict.look_again_at_s).judged()
        assert again.look_again_at_s > verdict.look_again_at_s
        assert (again.rule, again.evidence) != (verdict.rule, verdict.evidence)
        verdict = again
    raise AssertionError("it does not come to an end")


@settings(max_examples=150, deadline=None)
@given(GIVEN)
def test_with_time_alone_a_lost_name_is_let_go_in_the_end(case: Given) -> None:
    for _ in range(10):
        verdict = case.judged()
        if verdict.look_again_at_s == float("inf"):
            assert verdict.action is not Action.HOLD
            return
        case = replace(case, now=verdict.look_again_at_s)
    raise AssertionError("held for ever")
