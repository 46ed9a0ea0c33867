"""Notices of changes: told soon, once for a burst, again while nobody answers, and not for ever."""

from itertools import pairwise
from random import Random

import pytest

from standfast.authority.notifying import (
    AT_ONCE_MAX,
    JITTER,
    PAUSE_S,
    QUIET_MAX_S,
    QUIET_S,
    RETRY_S,
    TRIES_MAX,
    Action,
    GiveUp,
    Notifying,
    Send,
)
from standfast.authority.remote import Remote
from standfast.dns.servers import Server

ZONE = "example.org."
ONE, TWO = (Remote(server=Server("192.0.2.1", port), key=None) for port in (53, 5353))


@pytest.fixture
def notifying() -> Notifying:
    return Notifying(Random(4))


def run(notifying: Notifying, until_s: float) -> list[tuple[float, Action]]:
    """Do all that is due up to `until_s`; return what was done, and when."""
    done = []
    while notifying.next_s <= until_s:
        now = notifying.next_s
        done += [(now, action) for action in notifying.due(now)]
    return done


def test_a_change_is_told_to_every_secondary_after_a_short_quiet_moment(notifying: Notifying) -> None:
    notifying.changed(ZONE, 7, [ONE, TWO], now=100.0)
    assert notifying.due(100.0) == []
    assert notifying.next_s == 100.0 + QUIET_S
    sent = notifying.due(notifying.next_s)
    assert {(each.remote, each.serial) for each in sent} == {(ONE, 7), (TWO, 7)}


def test_a_burst_of_changes_is_told_once_with_the_last_serial(notifying: Notifying) -> None:
    for serial in range(10):
        notifying.changed(ZONE, serial, [ONE], now=QUIET_S / 2 * serial)
    ((at_s, action),) = run(notifying, 0.5)
    assert isinstance(action, Send)
    assert (action.serial, at_s) == (9, QUIET_S / 2 * 9 + QUIET_S)


def test_changes_without_a_pause_are_told_before_they_end(notifying: Notifying) -> None:
    now, told = 0.0, []
    while now < 4 * QUIET_MAX_S:
        notifying.changed(ZONE, round(now * 1e4), [ONE], now=now)
        told += [now for _ in notifying.due(now)]
        now += QUIET_S / 2
    assert len(told) == 3
    assert told[0] == pytest.approx(QUIET_MAX_S, abs=QUIET_S)


def test_a_silent_secondary_is_told_again_with_the_same_id_ever_later_and_then_given_up(notifying: Notifying) -> None:
    notifying.changed(ZONE, 7, [ONE], now=0.0)
    done = run(notifying, 1e6)
    sends = [(at_s, action) for at_s, action in done if isinstance(action, Send)]
    assert len(sends) == TRIES_MAX
    assert len({action.id for _, action in sends}) == 1
    assert done[-1][1] == GiveUp(origin=ZONE, remote=ONE, serial=7, tries=TRIES_MAX)
    waits_s = [after[0] - before[0] for before, after in pairwise(done)]
    for tries, wait_s in enumerate(waits_s):
        assert RETRY_S * 2**tries * (1 - JITTER) <= wait_s <= RETRY_S * 2**tries * (1 + JITTER)
    assert len(notifying) == 0
    assert notifying.due(1e7) == []


def test_an_answer_ends_the_retries_to_that_secondary_alone(notifying: Notifying) -> None:
    notifying.changed(ZONE, 7, [ONE, TWO], now=0.0)
    ids = {each.remote: each.id for each in notifying.due(QUIET_S) if isinstance(each, Send)}
    assert notifying.answered(ZONE, ONE, ids[ONE]) == 7
    assert notifying.answered(ZONE, ONE, ids[ONE]) is None
    assert {action.remote for _, action in run(notifying, 1e6)} == {TWO}


def test_an_answer_with_another_id_or_before_anything_was_sent_ends_nothing(notifying: Notifying) -> None:
    notifying.changed(ZONE, 7, [ONE], now=0.0)
    assert all(notifying.answered(ZONE, ONE, id_) is None for id_ in range(1 << 16))
    (sent,) = notifying.due(QUIET_S)
    assert isinstance(sent, Send)
    assert notifying.answered(ZONE, ONE, sent.id ^ 1) is None
    assert notifying.answered(ZONE, TWO, sent.id) is None
    assert notifying.answered("example.net.", ONE, sent.id) is None
    assert len(notifying) == 1


def test_a_newer_serial_supersedes_one_that_is_not_acknowledged(notifying: Notifying) -> None:
    notifying.changed(ZONE, 7, [ONE], now=0.0)
    (old,) = notifying.due(QUIET_S)
    notifying.changed(ZONE, 8, [ONE], now=0.5)
    assert isinstance(old, Send)
    assert notifying.answered(ZONE, ONE, old.id) is None
    done = run(notifying, 1e6)
    assert {action.serial for _, action in done} == {8}
    assert done[0][0] == 0.5 + QUIET_S
    assert len(done) == TRIES_MAX + 1


def test_who_is_no_secondary_any_more_is_told_nothing_more(notifying: Notifying) -> None:
    notifying.changed(ZONE, 7, [ONE, TWO], now=0.0)
    notifying.due(QUIET_S)
    notifying.changed(ZONE, 8, [TWO], now=0.5)
    assert {action.remote for _, action in run(notifying, 1e6)} == {TWO}
    notifying.changed(ZONE, 9, [TWO], now=1e6)
    notifying.changed(ZONE, 10, [], now=1e6)
    assert run(notifying, 2e6) == []


def test_many_zones_at_the_start_are_told_in_portions(notifying: Notifying) -> None:
    for number in range(3 * AT_ONCE_MAX):
        notifying.changed(f"z{number}.example.", 1, [ONE], now=0.0)
    portions: list[int] = []
    while sum(portions) < 3 * AT_ONCE_MAX:
        portions.append(len(notifying.due(notifying.next_s)))
    assert portions == [AT_ONCE_MAX] * 3
    assert notifying.next_s > QUIET_S + 2 * PAUSE_S
