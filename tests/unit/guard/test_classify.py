"""From a response to an outcome, and what of a response is taken in."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_world import START_S, a, cname, failure, nodata, nxdomain, positive, soa
from standfast.dns.exchange import Heard
from standfast.dns.model import CNAME_CHAIN_MAX, Ede, ExtendedError, Question, Rcode, Reply, RRset, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.guard.classify import NEGATIVE_TTL_MAX_S, against_known, classify, negative_ttl_s
from standfast.guard.known import Answer, KnownGood
from standfast.guard.outcome import (
    Bogus,
    Failure,
    Negative,
    NoData,
    NxDomain,
    Outcome,
    Positive,
    Refused,
    ServFail,
    soa_owner,
)
from standfast.guard.policy import DEFAULTS, Mode

WWW = "www.example.org."
QUESTION = Question(WWW, RRType.A)
WEEK_S = DEFAULTS.steady_s


def outcome_of(reply: Reply, question: Question = QUESTION) -> Outcome:
    return classify(question, Heard(reply=reply))


# Answers


def test_an_answer_of_the_asked_type_is_positive() -> None:
    outcome = outcome_of(positive(a(WWW, "192.0.2.1"), ad=True))
    assert isinstance(outcome, Positive)
    assert outcome.answer == Answer(rrsets=(a(WWW, "192.0.2.1"),), ad=True)


def test_the_cname_chain_belongs_to_the_answer_and_nothing_beside_it() -> None:
    chain = (cname(WWW, "a.example.net."), cname("a.example.net.", "b.example.net."), a("b.example.net.", "192.0.2.1"))
    beside = (a("victim.example.", "203.0.113.66"), cname("x.example.", "y.example."))
    outcome = outcome_of(positive(*beside, *reversed(chain)))
    assert isinstance(outcome, Positive)
    assert outcome.answer.rrsets == chain
    assert outcome.reply.answer == chain


def test_a_synthesised_alias_comes_with_its_dname() -> None:
    dname = rrset_from_text("example.org.", RRType.DNAME, 60, ("example.net.",))
    chain = (dname, cname(WWW, "www.example.net."), a("www.example.net.", "192.0.2.1"))
    outcome = outcome_of(positive(*chain))
    assert isinstance(outcome, Positive)
    assert outcome.answer.rrsets == chain


def test_a_chain_that_loops_is_a_failure() -> None:
    assert isinstance(outcome_of(positive(cname(WWW, "b."), cname("b.", WWW))), ServFail)
    assert isinstance(outcome_of(positive(cname(WWW, WWW))), ServFail)


@pytest.mark.parametrize(("links", "kind"), [(CNAME_CHAIN_MAX, Positive), (CNAME_CHAIN_MAX + 1, ServFail)])
def test_a_chain_is_followed_so_far_and_no_further(links: int, kind: type) -> None:
    owners = [WWW, *(f"n{n}." for n in range(links))]
    aliases = [cname(owner, target) for owner, target in itertools.pairwise(owners)]
    assert isinstance(outcome_of(positive(*aliases, a(owners[-1], "192.0.2.1"))), kind)


def test_an_alias_that_was_asked_for_is_not_followed() -> None:
    outcome = outcome_of(positive(cname(WWW, "b."), a("b.", "192.0.2.1")), Question(WWW, RRType.CNAME))
    assert isinstance(outcome, Positive)
    assert outcome.answer.rrsets == (cname(WWW, "b."),)


def test_signatures_come_with_what_they_cover_and_with_nothing_else() -> None:
    signature = _signature(WWW, RRType.A)
    other = _signature(WWW, RRType.TXT)
    outcome = outcome_of(positive(a(WWW, "192.0.2.1"), replace(signature, rdatas=signature.rdatas + other.rdatas)))
    assert isinstance(outcome, Positive)
    assert outcome.answer.rrsets == (a(WWW, "192.0.2.1"), signature)
    assert outcome.answer.signed


def test_signatures_can_be_asked_for_themselves() -> None:
    outcome = outcome_of(positive(_signature(WWW, RRType.A)), Question(WWW, RRType.RRSIG))
    assert isinstance(outcome, Positive)
    assert outcome.answer.rrsets == (_signature(WWW, RRType.A),)


def test_any_takes_everything_at_the_name() -> None:
    text = rrset_from_text(WWW, RRType.TXT, 60, ('"x"',))
    outcome = outcome_of(positive(a(WWW, "192.0.2.1"), text, a("other.", "192.0.2.9")), Question(WWW, RRType.ANY))
    assert isinstance(outcome, Positive)
    assert outcome.answer.rrsets == (a(WWW, "192.0.2.1"), text)


# Denials


def test_a_denial_keeps_its_soa_and_proofs_and_drops_the_rest() -> None:
    ns = rrset_from_text("example.org.", RRType.NS, 60, ("ns.example.org.",))
    reply = replace(nodata("example.org."), authority=(ns, soa("other.org."), soa("example.org.")))
    outcome = outcome_of(reply)
    assert isinstance(outcome, NoData)
    assert outcome.reply.authority == (soa("example.org."),)
    assert soa_owner(outcome) == "example.org."


def test_the_soa_of_a_zone_that_cannot_hold_the_name_is_not_believed() -> None:
    outcome = outcome_of(nxdomain("example.net."))
    assert isinstance(outcome, NxDomain)
    assert (outcome.soa, outcome.reply.authority) == (None, ())


def test_the_denial_of_an_aliases_target_is_a_denial_with_its_chain() -> None:
    reply = replace(nxdomain("example.net."), answer=(cname(WWW, "gone.example.net."),))
    outcome = outcome_of(reply)
    assert isinstance(outcome, NxDomain)
    assert outcome.reply.answer == (cname(WWW, "gone.example.net."),)
    assert soa_owner(outcome) == "example.net."


@pytest.mark.parametrize(
    ("soa_ttl_s", "minimum_s", "expected_s"),
    [(900, 300, 300), (300, 900, 300), (0, 900, 0), (1 << 31, 1 << 31, NEGATIVE_TTL_MAX_S)],
)
def test_a_negative_ttl_is_the_lesser_of_two_and_capped(soa_ttl_s: int, minimum_s: int, expected_s: int) -> None:
    assert negative_ttl_s(soa("org.", ttl_s=soa_ttl_s, minimum_s=minimum_s)) == expected_s


def test_a_denial_without_an_soa_is_not_to_be_cached() -> None:
    assert negative_ttl_s(None) == 0
    assert negative_ttl_s(RRset(owner="org.", rtype=RRType.SOA, ttl_s=9, rdatas=(b"\0",))) == 0


# Failures


def test_a_referral_from_a_server_that_does_not_recurse_is_no_denial() -> None:
    ns = rrset_from_text("org.", RRType.NS, 60, ("a.nic.org.",))
    assert isinstance(outcome_of(Reply(rcode=Rcode.NOERROR, authority=(ns,), ra=False)), ServFail)


def test_nor_is_an_alias_whose_target_such_a_server_left_to_us() -> None:
    reply = Reply(rcode=Rcode.NOERROR, answer=(cname(WWW, "edge.example.net."),), ra=False)
    assert isinstance(outcome_of(reply), ServFail)
    assert isinstance(outcome_of(replace(reply, ra=True)), NoData)


def test_nxdomain_with_an_answer_beside_it_is_believed_neither_way() -> None:
    assert isinstance(outcome_of(replace(nxdomain("org."), answer=(a(WWW, "192.0.2.1"),))), ServFail)


@pytest.mark.parametrize("code", range(6, 13))
def test_failed_validation_is_told_by_its_extended_error(code: int) -> None:
    outcome = outcome_of(failure(Rcode.SERVFAIL, ExtendedError(code=code)))
    assert isinstance(outcome, Bogus)
    assert outcome.detail == Ede(code).name


@pytest.mark.parametrize("code", [0, 3, 5, 13, 22, 23])
def test_any_other_extended_error_is_a_plain_failure(code: int) -> None:
    assert isinstance(outcome_of(failure(Rcode.SERVFAIL, ExtendedError(code=code))), ServFail)


def test_every_response_code_has_its_outcome() -> None:
    assert isinstance(outcome_of(failure(Rcode.REFUSED)), Refused)
    for rcode in [1, 4, 5, 6, 9, 16, 23, 4095]:
        assert isinstance(outcome_of(Reply(rcode=rcode)), Failure)


NAMES = st.sampled_from([WWW, "a.example.net.", "b.example.net.", "example.org.", "."])
RRSETS = st.builds(
    RRset,
    owner=NAMES,
    rtype=st.sampled_from([RRType.A, RRType.CNAME, RRType.DNAME, RRType.NS, RRType.SOA, RRType.RRSIG, RRType.NSEC]),
    ttl_s=st.integers(0, 100),
    rdatas=st.lists(st.sampled_from([b"\1a\7example\3net\0", b"\0", b"\3www\7example\3org\0"]), max_size=2).map(tuple),
).map(lambda r: replace(r, rdatas=(b"\xc0\0\2\1",)) if r.rtype == RRType.A else r)


@given(
    rcode=st.sampled_from([0, 0, 3, 2, 5, 9]),
    answer=st.lists(RRSETS, max_size=5).map(tuple),
    authority=st.lists(RRSETS, max_size=3).map(tuple),
    ra=st.booleans(),
    qtype=st.sampled_from([RRType.A, RRType.CNAME, RRType.ANY, RRType.RRSIG]),
)
def test_whatever_comes_ends_in_one_outcome_and_nothing_positive_without_records(
    rcode: int, answer: tuple[RRset, ...], authority: tuple[RRset, ...], ra: bool, qtype: RRType
) -> None:
    reply = Reply(rcode=rcode, answer=answer, authority=authority, ra=ra)
    match outcome_of(reply, Question(WWW, qtype)):
        case Positive(answer=taken):
            assert taken.rrsets[0].owner == WWW or taken.rrsets[0].rtype == RRType.DNAME
            assert all(rrset.rdatas for rrset in taken.rrsets)
            assert rcode == Rcode.NOERROR
        case outcome if isinstance(outcome, Negative):
            assert rcode in (Rcode.NOERROR, Rcode.NXDOMAIN)
        case _:
            pass


# Against what is known


def known(*addresses: str, age_s: float = WEEK_S, seen: tuple[str, ...] | None = None) -> KnownGood:
    first_s = START_S - age_s
    return KnownGood(
        question=QUESTION,
        answer=Answer(rrsets=(a(WWW, *addresses),)),
        first_seen_s=first_s,
        confirmed_at_s=START_S,
        changed_at_s=first_s,
        seen=addresses if seen is None else seen,
    )


def changed(*addresses: str, to: KnownGood | None, **policy: object) -> Positive:
    outcome = outcome_of(positive(a(WWW, *addresses)))
    against = against_known(outcome, to, replace(DEFAULTS, **policy), START_S)  # type: ignore[arg-type]
    assert isinstance(against, Positive)
    return against


def test_all_new_addresses_of_a_steady_name_are_a_wholesale_change() -> None:
    assert changed("203.0.113.1", to=known("192.0.2.1")).wholesale_change
    assert not changed("203.0.113.1", to=known("192.0.2.1", age_s=WEEK_S - 1)).wholesale_change


def test_of_a_pinned_name_at_any_age() -> None:
    assert changed("203.0.113.1", to=known("192.0.2.1", age_s=0), pinned=True).wholesale_change


def test_one_address_that_was_ever_seen_makes_it_no_wholesale_change() -> None:
    before = known("192.0.2.1", seen=("198.51.100.7", "192.0.2.1"))
    assert not changed("203.0.113.1", "198.51.100.7", to=before).wholesale_change


def test_an_answer_with_more_addresses_than_are_remembered_is_not_foreign_to_itself() -> None:
    many = tuple(f"192.0.2.{n}" for n in range(100))
    assert not changed(*many[:30], to=known(*many, seen=many[-64:])).wholesale_change


def test_fewer_addresses_are_a_drain_and_obeyed() -> None:
    outcome = changed("192.0.2.1", to=known("192.0.2.1", "192.0.2.2"))
    assert not outcome.wholesale_change
    assert not outcome.short


def test_fewer_than_the_minimum_of_a_pinned_name_are_too_few() -> None:
    before = known("192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert changed("192.0.2.1", to=before, pinned=True, addresses_min=2).short
    assert not changed("192.0.2.1", "192.0.2.2", to=before, pinned=True, addresses_min=2).short
    assert not changed("192.0.2.1", to=before, addresses_min=2).short


def test_too_few_is_only_what_is_fewer_than_what_is_known() -> None:
    assert not changed("192.0.2.1", to=known("192.0.2.1"), pinned=True, addresses_min=2).short


def test_a_name_that_is_off_is_not_watched() -> None:
    before = known("192.0.2.1", "192.0.2.2")
    off = changed("203.0.113.1", to=before, pinned=True, addresses_min=2, mode=Mode.OFF)
    assert not off.wholesale_change
    assert not off.short


def _signature(owner: str, covered: RRType) -> RRset:
    text = f"{covered.name} 13 3 60 20370101000000 20200101000000 1 example.org. AAAA"
    return rrset_from_text(owner, RRType.RRSIG, 60, (text,))
