"""The explorer visits every state once, and its traces are the shortest."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.sim.control import explorer
from standfast.sim.control.explorer import Explored, Invariant, Law, Machine, Move, Process, Recovery, explore

PEOPLE = ("ann", "bob")


def counting(*, limit: int = 2) -> Machine:
    """Return two people who each read a counter, and write what they read plus one later: an update is lost."""
    return Machine(
        parts=("counter", *PEOPLE),
        initial=((0, (0, None), (0, None)),),
        processes=tuple(Process(parts=("counter", who), moves=_adding(who, limit)) for who in PEOPLE),
        invariants=(Invariant(name="no-update-lost", parts=("counter", *PEOPLE), broken=_lost),),
        laws=(Law(name="only-grows", parts=("counter",), broken=_fell),),
    )


def _adding(who: str, limit: int):  # type: ignore[no-untyped-def]
    def moves(counter: int, person: tuple[int, int | None]) -> Iterator[Move]:
        done, read = person
        if read is not None:
            yield Move(words=f"{who} writes {read + 1}", after=(read + 1, (done + 1, None)))
        elif done < limit:
            yield Move(words=f"{who} reads {counter}", after=(counter, (done, counter)))

    return moves


def _lost(counter: int, *people: tuple[int, int | None]) -> str | None:
    done = sum(times for times, _ in people)
    return f"{done} were added, and there are {counter}" if counter != done else None


def _fell(before: tuple[int, ...], after: tuple[int, ...]) -> str | None:
    return f"from {before[0]} to {after[0]}" if after < before else None


def test_an_invariant_that_is_broken_is_shown_by_a_shortest_trace() -> None:
    trace = explore(counting()).broken["no-update-lost"]
    assert sorted(trace[:2]) == ["ann reads 0", "bob reads 0"]
    assert sorted(trace[2:4]) == ["ann writes 1", "bob writes 1"]
    assert trace[4:] == ("2 were added, and there are 1",)


def test_a_law_that_a_move_breaks_is_shown_with_that_move_last() -> None:
    *_, move, wrong = explore(counting()).broken["only-grows"]
    assert move.endswith("writes 1")
    assert wrong == "from 2 to 1"


def test_a_search_ends_when_it_has_found_what_it_is_for() -> None:
    found = explore(counting(limit=5), until="no-update-lost")
    assert "no-update-lost" in found.broken
    assert not found.exhaustive
    assert found.states < explore(counting(limit=5)).states


def test_a_search_that_was_cut_short_says_so() -> None:
    assert explore(counting(limit=5)).exhaustive
    cut = explore(counting(limit=5), states_max=20)
    assert not cut.exhaustive
    assert 20 <= cut.states < explore(counting(limit=5)).states


def test_the_same_machine_gives_the_same_traces() -> None:
    assert explore(counting(limit=3)) == explore(counting(limit=3))


def walking(steps: frozenset[tuple[int, int]], *, recovering: frozenset[tuple[int, int]] = frozenset()) -> Machine:
    """Return one walker who goes from 0 along `steps`; alone it goes along `recovering`, and wants to come to 9."""

    def along(ways: frozenset[tuple[int, int]]) -> Process:
        def moves(place: int) -> Iterator[Move]:
            yield from (Move(words=f"to {there}", after=(there,)) for here, there in sorted(ways) if here == place)

        return Process(parts=("walker",), moves=moves)

    home = Recovery(
        name="comes-home",
        who="the walker",
        processes=(along(recovering),),
        parts=("walker",),
        done=lambda place: place == 9,
    )
    return Machine(parts=("walker",), initial=((0,),), processes=(along(steps),), recoveries=(home,))


def test_a_state_that_none_recovers_from_is_found_with_what_is_then_done_in_vain() -> None:
    ways = frozenset({(0, 1), (1, 2), (2, 9)})
    assert explore(walking(ways, recovering=ways)).broken == {}
    stuck = explore(walking(ways, recovering=ways - {(1, 2)})).broken["comes-home"]
    assert stuck == ("from here on the walker alone never gets there", "to 1", "nothing else can happen any more")
    round_about = ways - {(2, 9)} | {(2, 1)}
    turning = explore(walking(ways, recovering=round_about)).broken["comes-home"]
    assert turning == (
        "from here on the walker alone never gets there",
        "to 1",
        "to 2",
        "nothing else can happen any more",
    )


@given(st.frozensets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_what_is_visited_is_what_can_be_reached(ways: frozenset[tuple[int, int]]) -> None:
    reached, depth = {0}, 0
    while more := {there for here, there in ways if here in reached} - reached:
        reached |= more
        depth += 1
    found = explore(walking(ways))
    assert (found.states, found.depth) == (len(reached), depth)


@given(st.frozensets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_recovery_holds_exactly_where_every_state_leads_home(ways: frozenset[tuple[int, int]]) -> None:
    def leads_to(place: int) -> set[int]:
        reached = {place}
        while more := {there for here, there in ways if here in reached} - reached:
            reached |= more
        return reached

    found: Explored = explore(walking(ways, recovering=ways))
    assert ("comes-home" not in found.broken) == all(9 in leads_to(place) for place in leads_to(0))


def test_a_part_of_too_many_values_is_an_error_and_no_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "PART_BITS", 6)

    def counts(number: int) -> Iterator[Move]:
        yield Move(words="one more", after=(number + 1,))

    endless = Machine(parts=("number",), initial=((0,),), processes=(Process(parts=("number",), moves=counts),))
    with pytest.raises(OverflowError, match="values of number"):
        explore(endless)
