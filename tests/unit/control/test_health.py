"""What looks in a row make of one endpoint, to one vantage."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.control.health import (
    DAMPED_MAX_S,
    Ill,
    Look,
    NotLooked,
    Reading,
    Standing,
    State,
    Well,
    after,
    read_reading,
    resumed,
    unknown,
    write_reading,
)
from standfast.control.intent import HealthCheck

CHECK = HealthCheck(interval_s=10.0, rise=2, fall=3)
START_S = 1_790_000_000.0
LOOKS: dict[str, Look] = {"w": Well(), "i": Ill(why="connection refused"), "-": NotLooked(why="no route")}

looks = st.text(alphabet="wi-", max_size=60)


def seen(text: str, *, standing: Standing | None = None, at_s: float = START_S, step_s: float = 10.0) -> Standing:
    """Take looks one after the other: w(ell), i(ll), - not taken."""
    standing = standing or unknown(at_s)
    for index, letter in enumerate(text):
        standing = after(standing, LOOKS[letter], CHECK, now_s=at_s + index * step_s)
    return standing


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", State.UNKNOWN),
        ("w", State.UNKNOWN),
        ("ww", State.WELL),
        ("iii", State.NEVER),
        ("wiwiw", State.UNKNOWN),
        ("wwii", State.WELL),
        ("wwiii", State.ILL),
        ("wwiiwii", State.WELL),
        ("wwii-i", State.ILL),
        ("wwiiiw", State.ILL),
        ("wwiiiww", State.WELL),
        ("iiiww", State.WELL),
        ("---", State.UNKNOWN),
    ],
)
def test_so_many_looks_in_a_row_turn_an_endpoint(text: str, state: State) -> None:
    assert seen(text).reading.state is state


def test_a_turn_says_when_and_why() -> None:
    assert seen("wwiii").reading == Reading(state=State.ILL, since_s=START_S + 40.0, why="connection refused")


def test_a_verdict_is_worth_nothing_when_nobody_could_look_for_long() -> None:
    well = seen("ww")
    assert seen("-----", standing=well, at_s=START_S + 20.0).reading.state is State.WELL
    gone = seen("--------", standing=well, at_s=START_S + 20.0)
    assert gone.reading.state is State.UNKNOWN
    assert seen("w", standing=gone).reading.state is State.UNKNOWN, "it rises anew"


def test_who_turns_too_often_stays_ill_until_it_is_steady_and_not_for_ever() -> None:
    flapping = seen("ww" + "iiiww" * 3)
    assert flapping.reading.state is State.WELL
    flapping = seen("iiiww", standing=flapping, at_s=START_S + 170.0)
    assert flapping.reading.state is State.DAMPED
    steady, at_s = flapping, START_S + 220.0
    while steady.reading.state is State.DAMPED:
        steady, at_s = after(steady, Well(), CHECK, now_s=at_s), at_s + 10.0
    assert steady.reading.state is State.WELL
    assert 600.0 < at_s - START_S - 220.0 <= DAMPED_MAX_S + 10.0


def test_who_is_damped_and_falls_is_ill_and_still_said_to_turn_too_often() -> None:
    damped = seen("ww" + "iiiww" * 4)
    assert seen("iii", standing=damped, at_s=START_S + 220.0).reading.state is State.UNSTEADY


@given(text=looks)
def test_a_look_that_could_not_be_taken_changes_nothing_within_a_minute(text: str) -> None:
    taken = seen(text.replace("-", ""), step_s=0.5)
    both = seen(text, step_s=0.5)
    assert both.reading.state is taken.reading.state
    assert both.run == taken.run


@given(text=looks, jumps=st.lists(st.floats(-1e6, 1e6), min_size=60, max_size=60))
def test_clock_jumps_never_turn_an_endpoint(text: str, jumps: list[float]) -> None:
    standing = steady = unknown(START_S)
    for letter, jump_s in zip(text.replace("-", ""), jumps, strict=False):
        standing = after(standing, LOOKS[letter], CHECK, now_s=START_S + jump_s)
        steady = after(steady, LOOKS[letter], CHECK, now_s=START_S)
        assert standing.well is steady.well
        assert 0.0 <= standing.penalty <= steady.penalty


@given(
    state=st.sampled_from(State),
    since_s=st.floats(0.0, 4e9).map(lambda s: round(s, 3)),
    why=st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), max_size=20),
)
def test_a_reading_is_read_as_it_was_written(state: State, since_s: float, why: str) -> None:
    reading = Reading(state=state, since_s=since_s, why=why)
    assert read_reading(write_reading(reading)) == reading


@pytest.mark.parametrize("text", ["", "well", "fine 1.0", "ill soon", "ill nan", "ill inf"])
def test_what_is_no_reading_says_nothing(text: str) -> None:
    assert read_reading(text) is None


def test_a_vantage_that_begins_anew_goes_on_from_what_it_said_last() -> None:
    ill = resumed(Reading(state=State.ILL, since_s=5.0, why="closed"), START_S)
    assert ill.reading == Reading(state=State.ILL, since_s=5.0, why="closed")
    assert seen("w", standing=ill).reading.state is State.ILL
    assert seen("ww", standing=ill).reading.state is State.WELL
    well = resumed(Reading(state=State.WELL, since_s=5.0), START_S)
    assert seen("ii", standing=well).reading.state is State.WELL
    assert seen("iii", standing=well).reading.state is State.ILL
    never = resumed(Reading(state=State.NEVER, since_s=5.0), START_S)
    assert seen("iii", standing=never).reading.state is State.NEVER
    assert resumed(Reading(state=State.DAMPED, since_s=5.0), START_S).reading.state is State.WELL


def test_rise_and_fall_of_one_turn_at_once() -> None:
    check = replace(CHECK, rise=1, fall=1)
    standing = after(unknown(0.0), Well(), check, now_s=1.0)
    assert standing.reading.state is State.WELL
    assert after(standing, Ill(why="x"), check, now_s=2.0).reading.state is State.ILL
