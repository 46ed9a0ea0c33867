"""What the known-good memory gives up when it is full, and what never."""

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard_world import START_S, a, cname
from standfast.dns.model import Question, RRset, RRType
from standfast.guard.events import Forget, Remember
from standfast.guard.known import Answer, Baseline, KnownGood
from standfast.guard.memory import PROBATION_SHARE, KnownGoodMemory
from standfast.guard.packed import Key, Packed, is_whole, key_of, pack, question_of, unpack
from unit.guard.cases import KNOWNS


def known(name: str, *, confirmations: int = 1, at_s: float = START_S, lost: bool = False, size: int = 0) -> KnownGood:
    rrsets: tuple[RRset, ...] = (a(name, "192.0.2.1"),)
    if size:
        rrsets = (RRset(owner=name, rtype=RRType.TXT, ttl_s=60, rdatas=(b"x" * size,)),)
    return KnownGood(
        question=Question(name, RRType.A),
        answer=Answer(rrsets=rrsets),
        first_seen_s=at_s,
        confirmed_at_s=at_s,
        changed_at_s=at_s,
        confirmations=confirmations,
        lost_at_s=at_s if lost else None,
    )


def memory(entries_max: int = 100, bytes_max: int = 1 << 30, pinned: frozenset[str] = frozenset()) -> KnownGoodMemory:
    return KnownGoodMemory(entries_max=entries_max, bytes_max=bytes_max, is_pinned=lambda q: q.qname in pinned)


def packed(*answers: KnownGood) -> list[tuple[Key, Packed]]:
    return [(key_of(each.question), pack(each)) for each in answers]


def names(full: KnownGoodMemory) -> set[str]:
    return {each.question.qname for each in full}


def test_a_flood_of_names_that_are_asked_once_pushes_out_next_to_nothing_of_what_matters() -> None:
    full = memory(entries_max=100)
    for n in range(100):
        full.put(known(f"good{n}.", confirmations=2))
    for n in range(10_000):
        full.put(known(f"flood{n}."))
    assert sum(name.startswith("good") for name in names(full)) >= 100 * (1 - PROBATION_SHARE) - 1
    assert len(full) == 100


def test_a_flood_of_large_answers_pushes_out_no_more_than_its_share_of_the_bytes() -> None:
    full = memory(entries_max=100_000, bytes_max=200_000)
    for n in range(200):
        full.put(known(f"good{n}.", confirmations=2))
    before = len(full)
    for n in range(1000):
        full.put(known(f"flood{n}.", size=8_000))
    assert sum(name.startswith("good") for name in names(full)) > before * 0.8
    assert full.bytes <= 200_000


def test_new_names_are_learned_also_when_the_memory_is_full_of_old_ones() -> None:
    full = memory(entries_max=100)
    for n in range(100):
        full.put(known(f"old{n}.", confirmations=9))
    full.put(known("new."))
    for n in range(8):  # other new names, between its first and its second confirmation
        full.put(known(f"other{n}."))
    full.put(known("new.", confirmations=2))
    for n in range(1000):
        full.put(known(f"flood{n}."))
    assert "new." in names(full)


def test_pinned_and_lost_names_go_last() -> None:
    full = memory(entries_max=10, pinned=frozenset({"pinned."}))
    full.put(known("pinned."))
    full.put(known("lost.", lost=True))
    for n in range(100):
        full.put(known(f"well{n}.", confirmations=2 + n))
        full.put(known(f"once{n}."))
    assert {"pinned.", "lost."} <= names(full)


def test_of_equals_the_less_used_goes_and_then_the_newer() -> None:
    full = memory(entries_max=3)
    full.put(known("used.", confirmations=9))
    full.put(known("seldom.", confirmations=2))
    full.put(known("old.", confirmations=5, at_s=START_S - 1000))
    assert full.put(known("more.", confirmations=5)) == [Question("seldom.", RRType.A)]
    assert full.put(known("another.", confirmations=9)) == [Question("more.", RRType.A)]


def test_what_is_given_up_leaves_the_disk_as_well() -> None:
    full = memory(entries_max=1)
    assert full.keep(first := known("first.", confirmations=2)) == [Remember.of(first)]
    second = known("second.", confirmations=2)
    assert full.keep(second) == [Remember.of(second), Forget(question=first.question)]


def test_one_huge_answer_pushes_nothing_out() -> None:
    full = memory(bytes_max=50_000)
    full.put(known("good.", confirmations=2))
    huge = known("huge.", size=40_000)
    assert full.keep(huge) == [Forget(question=huge.question)]
    assert names(full) == {"good."}


def test_a_restart_keeps_what_matters_most_of_a_disk_that_holds_too_much() -> None:
    full = memory(entries_max=10)
    good = [known(f"good{n}.", confirmations=5) for n in range(9)]
    gone = full.load(packed(*good, *(known(f"once{n}.") for n in range(50))))
    assert sum(name.startswith("good") for name in names(full)) == 9
    assert len(gone) == 49
    assert all(full.get(question) is None for question in gone)


def test_a_known_good_name_takes_less_than_500_octets() -> None:
    full = memory(entries_max=10_000)
    tracemalloc.start()
    try:
        full.load(
            entry
            for n in range(10_000)
            for entry in packed(
                known(f"service-{n:07d}.eu-west-1.example.org.", confirmations=1000, at_s=START_S + n),
            )
        )
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken / 10_000 < 500
    assert taken < full.bytes < 1.5 * taken  # the bound on bytes counts no less than what is really taken


def test_what_was_loaded_is_no_copy_of_what_the_disk_gave() -> None:
    full = memory()
    ((key, given),) = entries = packed(known("www.example.org."))
    full.load(entries)
    assert full.entries()[key] is given
    (action,) = full.keep(known("other."))
    assert isinstance(action, Remember)
    assert full.entries()[key_of(action.question)] is action.packed


def test_every_type_of_a_name_is_found() -> None:
    full = memory()
    for name, qtype in (("www.", RRType.A), ("www.", RRType.AAAA), ("www.", 65_535), ("x.www.", RRType.A)):
        full.put(replace(known(name), question=Question(name, qtype)))
    assert [question.qtype for question in full.of_name("www.")] == [RRType.A, RRType.AAAA, 65_535]


@given(KNOWNS.filter(bool))
def test_what_is_packed_comes_out_as_it_was(each: KnownGood) -> None:
    each = replace(each, answer=replace(each.answer, ad=True, rrsets=(*each.answer.rrsets, cname("x.", "y."))))
    assert unpack(each.question, pack(each)) == each
    assert is_whole(key_of(each.question), pack(each))


@pytest.mark.parametrize("qname", [".", "www.example.org.", r"a\.b\255.example."])
def test_a_key_stands_for_its_question(qname: str) -> None:
    question = Question(qname, 65_280)
    assert question_of(key_of(question)) == question


@given(at=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(at: int, bit: int) -> None:
    ((key, whole),) = packed(known("www.example.org.", size=40))
    assert is_whole(key, whole)
    octets = bytearray(key + whole)
    octets[at % len(octets)] ^= 1 << bit
    assert not is_whole(bytes(octets[: len(key)]), bytes(octets[len(key) :]))


# What may wait before it is written


ONE, OTHER = b"\xc0\0\2\1", b"\xc0\0\2\2"
ANSWERED = RRset(owner="www.", rtype=RRType.A, ttl_s=60, rdatas=(ONE, OTHER))
BEFORE = replace(known("www."), answer=Answer(rrsets=(ANSWERED,)), baseline=Baseline(asked_at_s=START_S))


def may_wait(after: KnownGood) -> bool:
    full = memory()
    full.put(BEFORE)
    (action,) = full.keep(after)
    assert isinstance(action, Remember)
    assert action.known == after
    return action.may_wait


def test_what_is_new_may_not_wait() -> None:
    assert memory().keep(BEFORE) == [Remember(question=BEFORE.question, packed=pack(BEFORE), may_wait=False)]


def test_a_mere_confirmation_may_wait_also_with_other_ttls_and_in_another_order() -> None:
    turned = Answer(rrsets=(replace(ANSWERED, ttl_s=17, rdatas=(OTHER, ONE)),))
    later = Baseline(asked_at_s=START_S + 43)
    assert may_wait(replace(BEFORE, answer=turned, confirmed_at_s=START_S + 43, confirmations=2, baseline=later))


@pytest.mark.parametrize(
    "changed",
    [
        {"answer": Answer(rrsets=(replace(ANSWERED, rdatas=(ONE,)),))},
        {"answer": Answer(rrsets=(ANSWERED,), ad=True)},
        {"lost_at_s": START_S + 1},
        {"released_at_s": START_S + 1},
        {"proven_at_s": START_S + 1},
        {"operator_hold_until_s": START_S + 1},
        {"baseline": Baseline(asked_at_s=START_S, proven_at_s=START_S)},
        {"zone": "."},
        {"seen": ("192.0.2.1", "192.0.2.99")},
        {"changed_at_s": START_S + 1},
    ],
    ids=str,
)
def test_a_change_may_not_wait(changed: dict[str, Any]) -> None:
    assert not may_wait(replace(BEFORE, **changed))


# Bounds


@pytest.mark.parametrize("entries_max", [1, 2, 7])
@settings(deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 3), st.booleans(), st.integers(0, 900))))
def test_bounds_hold_and_the_count_of_bytes_is_right(entries_max: int, steps: list[tuple[int, int, bool, int]]) -> None:
    full = memory(entries_max=entries_max, bytes_max=14_000, pinned=frozenset({"n3."}))
    on_disk = set[Question]()
    for n, confirmations, lost, size in steps:
        for action in full.keep(known(f"n{n}.", confirmations=confirmations, lost=lost, size=size)):
            match action:
                case Remember(known=each):
                    on_disk.add(each.question)
                case Forget(question=question):
                    on_disk.discard(question)
        assert len(full) <= entries_max
        assert full.bytes <= 14_000
        assert on_disk == {each.question for each in full}
    for each in list(full):
        assert full.get(each.question) == each
        full.put(replace(each, confirmations=1, lost_at_s=None))
        full.forget(each.question)
    assert (len(full), full.bytes) == (0, 0)
