"""What a set of probes says together, and for how long each piece of evidence counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_world import a
from standfast.evidence.model import (
    DELEGATION_WORTH_S,
    IDENTITY_WORTH_S,
    OPINION_WORTH_MAX_S,
    OPINION_WORTH_MIN_S,
    ROUND_ADDRESSES_MAX,
    Delegation,
    DelegationState,
    Evidence,
    Identity,
    Opinion,
    OpinionState,
    ProbeResult,
    Standing,
    opinion_worth_s,
    standing,
)

FOUR = tuple(f"192.0.2.{n}" for n in range(1, 5))


def probes(*identities: Identity, strikes: int = 2) -> list[ProbeResult]:
    return [
        ProbeResult(address=address, identity=identity, at_s=0.0, strikes=strikes)
        for address, identity in zip(FOUR, identities, strict=False)
    ]


P, C, A, U = Identity.PROVEN, Identity.CONTRADICTED, Identity.ABSENT, Identity.UNKNOWN


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        ((), Standing.UNDECIDED),
        ((P, P, A, A), Standing.PROVEN),
        ((P, P, C, C), Standing.PROVEN),
        ((P, C, C, C), Standing.CONTRADICTED),
        ((P, C, C, A), Standing.LOST),
        ((P, A, A, A), Standing.LOST),
        ((P, A, A, U), Standing.UNDECIDED),
        ((U, U, U, U), Standing.UNDECIDED),
        ((P, U, U, U), Standing.UNDECIDED),
    ],
)
def test_a_quorum_decides(identities: tuple[Identity, ...], expected: Standing) -> None:
    assert standing(FOUR, probes(*identities)) is expected


@pytest.mark.parametrize("first", [P, C, A])
def test_the_first_address_of_a_round_does_not_speak_for_the_others(first: Identity) -> None:
    assert standing(FOUR, probes(first)) is Standing.UNDECIDED


def test_a_round_that_is_under_way_decides_as_soon_as_the_rest_cannot_change_it() -> None:
    assert standing(FOUR, probes(P, P)) is Standing.PROVEN
    assert standing(FOUR, probes(C, C, C)) is Standing.CONTRADICTED


def test_addresses_that_may_not_be_probed_do_not_count() -> None:
    assert standing((FOUR[0], "169.254.169.254", "224.0.0.1"), probes(P)) is Standing.PROVEN


def test_of_a_long_list_one_round_is_enough() -> None:
    many = tuple(f"192.0.2.{n}" for n in range(1, 65))
    proven = [ProbeResult(address=each, identity=P, at_s=0.0) for each in many[: ROUND_ADDRESSES_MAX // 2]]
    assert standing(many, proven) is Standing.PROVEN


def test_one_silent_probe_is_a_lost_packet_and_only_a_second_one_counts() -> None:
    assert standing(FOUR[:1], probes(A, strikes=1)) is Standing.UNDECIDED
    assert standing(FOUR[:1], probes(A, strikes=2)) is Standing.LOST


def test_probes_of_other_addresses_say_nothing() -> None:
    assert standing(("198.51.100.1",), probes(P, P, P, P)) is Standing.UNDECIDED


@given(st.lists(st.sampled_from(Identity), max_size=4), st.integers(1, 3))
def test_nothing_is_proven_and_spoken_against_at_once_whatever_is_still_to_come(
    identities: list[Identity], strikes: int
) -> None:
    now = standing(FOUR, probes(*identities, strikes=strikes))
    if now is Standing.UNDECIDED:
        return
    worst_and_best = [[*identities, *[rest] * (4 - len(identities))] for rest in Identity]
    for whole in worst_and_best:
        then = standing(FOUR, probes(*whole, strikes=strikes))
        assert (then is Standing.PROVEN) == (now is Standing.PROVEN)


def test_evidence_is_worth_something_for_its_time_and_no_longer() -> None:
    zone = "example.org."
    evidence = Evidence(
        lost_at_s=0.0,
        opened_at_s=0.0,
        known=tuple(probes(P)),
        candidates=tuple(probes(P)),
        opinions=(Opinion(resolver="r", state=OpinionState.NEGATIVE, at_s=0.0),),
        delegations=(Delegation(zone=zone, resolver="r", state=DelegationState.GONE, at_s=0.0),),
    )
    assert evidence.worth_at(OPINION_WORTH_MAX_S - 1) == evidence
    assert evidence.worth_at(max(IDENTITY_WORTH_S, DELEGATION_WORTH_S)) == Evidence(lost_at_s=0.0, opened_at_s=0.0)


@pytest.mark.parametrize(("ttl_s", "worth_s"), [(1, OPINION_WORTH_MIN_S), (300, 300), (86_400, OPINION_WORTH_MAX_S)])
def test_an_opinion_counts_about_as_long_as_its_records_may_be_cached(ttl_s: int, worth_s: float) -> None:
    opinion = Opinion(resolver="r", state=OpinionState.POSITIVE, at_s=0.0, rrsets=(a("x.", "192.0.2.1", ttl_s=ttl_s),))
    assert opinion_worth_s(opinion) == worth_s
