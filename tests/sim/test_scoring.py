"""What an answer is worth, and how look-ups add up."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from standfast.sim.scoring import Kind, Marks, Score, Seen, Tally, Truth, mark

HERE, DEAD, STRANGE, EVIL = "192.0.2.1", "192.0.2.9", "198.51.100.1", "203.0.113.66"
UP = Truth(intended=True, alive=frozenset({HERE}), strangers=frozenset({STRANGE}), attackers=frozenset({EVIL}))
RETIRED = Truth(intended=False, alive=frozenset({HERE}))
DOWN = Truth(intended=True, alive=frozenset())
OUTAGE = Marks(outage=True)
WELL = Marks()


def answer(*addresses: str) -> Seen:
    return Seen(Kind.ADDRESSES, addresses)


def test_a_negative_answer_an_error_or_silence_is_an_outage_while_the_service_is_up() -> None:
    for kind in (Kind.NEGATIVE, Kind.FAILURE, Kind.SILENCE):
        assert mark(UP, Seen(kind)) == OUTAGE


def test_one_live_address_among_dead_ones_is_no_outage() -> None:
    assert mark(UP, answer(DEAD, HERE)) == WELL
    assert mark(UP, answer(DEAD)) == OUTAGE


def test_nothing_is_an_outage_while_the_servers_are_down_or_the_name_is_retired() -> None:
    assert mark(DOWN, Seen(Kind.NEGATIVE)) == WELL
    assert mark(RETIRED, Seen(Kind.NEGATIVE)) == WELL


def test_any_address_of_a_retired_name_is_a_wrong_hold() -> None:
    assert mark(RETIRED, answer(HERE)) == Marks(wrong_hold=True)


def test_a_strangers_address_is_a_wrong_hold_even_beside_a_live_one() -> None:
    assert mark(UP, answer(HERE, STRANGE)) == Marks(wrong_hold=True)


def test_an_answer_of_the_attackers_alone_is_an_outage_and_an_attack() -> None:
    assert mark(UP, answer(EVIL)) == Marks(outage=True, attack=True)
    assert mark(UP, answer(EVIL, HERE)) == Marks(attack=True)


def test_a_look_up_speaks_for_the_seconds_until_the_next_one() -> None:
    tally = Tally()
    for at_s, marks in ((0.0, WELL), (10.0, OUTAGE), (13.0, OUTAGE), (20.0, WELL)):
        tally.answered(tally.asked(at_s), marks, at_s)
    score = tally.score(25.0)
    assert (score.outage_s, score.first_bad_at_s, score.lookups, score.bad_lookups) == (10.0, 10.0, 4, 2)


def test_the_last_answer_speaks_for_the_time_up_to_the_end() -> None:
    tally = Tally()
    tally.answered(tally.asked(0.0), OUTAGE, 0.1)
    assert tally.score(7.0).outage_s == 7.0


def test_recovery_runs_from_the_fix_to_the_first_good_answer() -> None:
    tally = Tally()
    tally.answered(tally.asked(0.0), OUTAGE, 0.0)
    tally.fixed(4.0)
    tally.answered(tally.asked(5.0), OUTAGE, 5.0)
    tally.answered(tally.asked(9.0), WELL, 9.5)
    assert tally.score(10.0).recovery_s == 5.5


def test_a_fix_that_nobody_needed_or_that_did_not_last_is_no_recovery() -> None:
    tally = Tally()
    tally.answered(tally.asked(0.0), WELL, 0.0)
    tally.fixed(1.0)
    tally.answered(tally.asked(2.0), OUTAGE, 2.0)
    tally.fixed(3.0)
    tally.broken()
    tally.answered(tally.asked(9.0), WELL, 9.0)
    assert tally.score(10.0).recovery_s is None


marks_strategy = st.builds(Marks, outage=st.booleans(), wrong_hold=st.booleans(), attack=st.booleans())


@given(
    pauses=st.lists(st.integers(1, 60), min_size=1, max_size=20),
    given_marks=st.lists(marks_strategy, min_size=20),
    order=st.integers(),
)
def test_the_score_does_not_depend_on_the_order_in_which_answers_come_in(
    pauses: list[int], given_marks: list[Marks], order: int
) -> None:
    asked_at = [float(sum(pauses[:number])) for number in range(len(pauses))]
    ends_s = float(sum(pauses))
    straight, shuffled = Tally(), Tally()
    for at_s, marks in zip(asked_at, given_marks, strict=False):
        straight.answered(straight.asked(at_s), marks, at_s)
    lookups = [(shuffled.asked(at_s), at_s) for at_s in asked_at]
    pairs = list(zip(lookups, given_marks, strict=False))
    Random(order).shuffle(pairs)
    for (lookup, at_s), marks in pairs:
        shuffled.answered(lookup, marks, at_s)
    assert shuffled.score(ends_s) == straight.score(ends_s)
    expected = sum(pause for pause, marks in zip(pauses, given_marks, strict=False) if marks.outage)
    assert straight.score(ends_s).outage_s == expected


def test_scores_add_up_to_the_first_bad_answer_and_the_longest_recovery() -> None:
    one = Score(outage_s=1, first_bad_at_s=9, recovery_s=3, lookups=2, bad_lookups=1)
    other = Score(attack_s=2, first_bad_at_s=4, lookups=1)
    assert one + other == Score(outage_s=1, attack_s=2, first_bad_at_s=4, recovery_s=3, lookups=3, bad_lookups=1)
