"""The journal: the steps from any serial that it remembers lead to now, and it does not grow without bound."""

from standfast.authority.journal import DELTAS_MAX, RECORDS_ALWAYS, Delta, Journal, delta_of, worth_a_step
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType


def delta(before: int, after: int, *, records: int = 2) -> Delta:
    rdatas = tuple(number.to_bytes(4, "big") for number in range(records))
    added = RRset(owner="www.example.org.", rtype=RRType.A, ttl_s=60, rdatas=rdatas)
    return delta_of(before, after, (Change(before=None, after=added),))


def journal(*serials: int, zone_records: int = 1_000_000) -> Journal:
    return Journal(map(delta, serials, serials[1:]), zone_records=zone_records)


def test_the_steps_from_any_remembered_serial_lead_to_now() -> None:
    found = journal(1, 2, 5, 9).since(2)
    assert found is not None
    assert [(each.before, each.after) for each in found] == [(2, 5), (5, 9)]


def test_who_is_up_to_date_needs_no_step() -> None:
    assert journal(1, 2, 5).since(5) == ()


def test_a_serial_that_is_not_remembered_needs_the_whole_zone() -> None:
    assert journal(2, 3).since(1) is None
    assert Journal().since(1) is None


def test_a_serial_that_came_up_twice_counts_from_its_last_time() -> None:
    found = journal(1, 2, 1, 3).since(1)
    assert found is not None
    assert [(each.before, each.after) for each in found] == [(1, 3)]


def test_a_step_from_elsewhere_makes_what_was_before_useless() -> None:
    steps = journal(1, 2, 3)
    steps.add(delta(7, 8), zone_records=1_000_000)
    assert steps.since(2) is None
    assert steps.since(7)


def test_the_oldest_steps_are_forgotten_when_there_are_too_many() -> None:
    steps = journal(*range(DELTAS_MAX + 3))
    assert len(steps) == DELTAS_MAX
    assert steps.since(1) is None
    assert steps.since(2)


def test_what_is_remembered_holds_no_more_records_than_the_zone() -> None:
    steps = Journal()
    for serial in range(5):
        steps.add(delta(serial, serial + 1, records=1000), zone_records=2500)
    assert steps.since(3)
    assert steps.since(2) is None


def test_a_small_zone_may_remember_more_than_it_is_large() -> None:
    assert journal(*range(RECORDS_ALWAYS // 2 + 1), zone_records=3).since(0)


def test_a_step_that_is_larger_than_the_zone_is_not_remembered() -> None:
    steps = journal(1, 2)
    steps.add(delta(2, 3, records=3000), zone_records=2000)
    assert steps.since(2) is None
    assert not len(steps)


def test_a_step_that_is_hardly_shorter_than_the_zone_is_none() -> None:
    assert worth_a_step(RECORDS_ALWAYS, zone_records=1)
    assert worth_a_step(7_500, zone_records=10_000)
    assert not worth_a_step(7_501, zone_records=10_000)
