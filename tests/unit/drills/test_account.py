"""What an account says of itself: spans, sums, times in words, JSON."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.drills.account import Contestant, SpanRecorder, State, duration, state_of, without_clock
from standfast.sim.scoring import Marks
from unit.drills.accounts import BACK_AT_S, ENDS_AT_S, LOST_AT_S, account, suffered


@given(
    st.lists(st.tuples(st.floats(0, 20_000), st.sampled_from(State)), min_size=1, max_size=30),
    st.floats(1, 15_000),
)
def test_the_spans_of_a_lane_cover_its_whole_time_once_and_each_differs_from_the_next(
    seen: list[tuple[float, State]], ends_at_s: float
) -> None:
    recorder = SpanRecorder()
    for at_s, state in sorted(seen, key=lambda each: each[0]):
        recorder.see(at_s, state)
    spans = recorder.spans(ends_at_s)
    assert [span.from_s for span in spans] == [0.0, *(span.to_s for span in spans[:-1])]
    assert spans[-1].to_s == ends_at_s
    assert all(span.from_s < span.to_s for span in spans)
    in_time = [state for at_s, state in sorted(seen, key=lambda each: each[0]) if at_s < ends_at_s]
    assert not in_time or spans[-1].state is in_time[-1]


def test_a_lane_that_was_never_seen_has_no_spans() -> None:
    assert SpanRecorder().spans(100.0) == ()


def test_the_worst_mark_names_the_state() -> None:
    assert state_of(Marks()) is State.WELL
    assert state_of(Marks(outage=True)) is State.OUTAGE
    assert state_of(Marks(outage=True, wrong_hold=True)) is State.WRONG_HOLD
    assert state_of(Marks(outage=True, wrong_hold=True, attack=True)) is State.ATTACK


def test_a_contestants_total_is_the_sum_over_its_names() -> None:
    total = account().contestants[0].total
    assert total.outage_s == 2 * (BACK_AT_S - LOST_AT_S) - 60
    assert (total.lookups, total.bad_lookups, total.first_bad_at_s) == (600, 540, LOST_AT_S)


def test_only_what_those_behind_the_guard_suffered_scathes_it() -> None:
    assert account().unscathed
    plain = replace(account().contestants[0], name="guard")
    assert not account(contestants=(plain,)).unscathed


def test_a_drill_is_passed_when_nothing_failed() -> None:
    assert account().passed
    assert not account(failures=("after: seconds of outage: 38",)).passed


def test_an_account_as_json_has_its_scores_and_their_sums() -> None:
    said = json.loads(json.dumps(account().to_json()))
    assert said["passed"] is True
    assert said["starts_at"] == "2025-10-19T23:36:00-07:00"
    plain, guard = said["contestants"]
    assert plain["suffered"][0]["score"]["outage_s"] == BACK_AT_S - LOST_AT_S
    assert plain["total"]["bad_lookups"] == 540
    assert guard["total"]["outage_s"] == 0
    assert said["decisions"][0]["rule"] == "negative.proven"
    assert said["ends_at_s"] == ENDS_AT_S


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.2, "1 s"), (59, "59 s"), (60, "1 min"), (845, "14 min 5 s"), (3600, "1 h"), (9420, "2 h 37 min")],
)
def test_a_duration_is_said_as_people_say_it_and_only_nothing_is_zero(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_title_loses_the_time_of_day_that_it_begins_with_and_nothing_else() -> None:
    assert without_clock("23:48 the record is emptied") == "the record is emptied"
    assert without_clock("02:24:50 a resolver is flushed") == "a resolver is flushed"
    assert without_clock("restored at 02:25 by hand") == "restored at 02:25 by hand"


def test_the_clock_goes_on_past_midnight() -> None:
    assert account().clock(0) == "23:36:00"
    assert account().clock(1440.5, seconds=False) == "00:00"


def test_a_contestant_without_outage_has_no_first_failure_and_needs_no_recovery() -> None:
    total = Contestant(name="guard", what="", suffered=(suffered("DynamoDB"),)).total
    assert (total.first_bad_at_s, total.recovery_s) == (None, None)
