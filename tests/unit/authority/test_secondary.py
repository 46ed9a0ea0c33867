"""Refresh, retry and expiry of a secondary's zone, in virtual time."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.authority.secondary import (
    EXPIRE_MAX_S,
    FIRST_RETRY_MAX_S,
    JITTER,
    NOTIFY_GAP_S,
    REFRESH_MAX_S,
    REFRESH_MIN_S,
    RETRY_MAX_S,
    RETRY_MIN_S,
    Action,
    AskSerial,
    Failed,
    Fetch,
    Held,
    NotLater,
    Refused,
    Secondary,
    Taken,
    Tell,
    Timing,
    timing_of,
)
from standfast.authority.serials import later
from zones import zone

TIMING = Timing(refresh_s=100.0, retry_s=20.0, expire_s=1_000.0)
START_S = 1_000_000.0
DOWN = Failed(why="no answer", silent=True)


@dataclass
class Primary:
    """A primary that may be down, refuse pieces, cut transfers, or have lost what it promised."""

    serial: int = 1
    up: bool = True
    pieces: bool = True
    cuts: bool = False
    emptied: bool = False


@dataclass
class World:
    """Virtual time around one `Secondary`: carries out what it wants, and sees that it keeps its rules."""

    primaries: list[Primary]
    held: Held | None = None
    seed: int = 0
    latency_s: float = 0.05
    now: float = START_S
    served: int | None = None
    asked_s: list[float] = field(default_factory=list)
    fetched: list[Fetch] = field(default_factory=list)
    told: list[Tell] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.served = self.held.serial if self.held else None
        self._order = count()
        self._coming: list[tuple[float, int, Callable[[], list[Action]]]] = []
        rng = random.Random(self.seed)
        self.secondary = Secondary(len(self.primaries), rng, held=self.held, now=self.now)

    def run(self, for_s: float) -> None:
        """Let so much time pass, with all that happens in it."""
        until = self.now + for_s
        while True:
            wake_s = self.secondary.wake_at_s
            coming_s = self._coming[0][0] if self._coming else until + 1
            if min(wake_s, coming_s) > until:
                self.now = until
                return
            self.now = max(self.now, min(wake_s, coming_s))
            if coming_s <= wake_s:
                self._carry_out(heappop(self._coming)[2]())
            else:
                self._carry_out(self.secondary.on_time(self.now))
                assert self.secondary.wake_at_s > self.now

    def notify(self, primary: int, serial: int | None = None) -> None:
        """Have a NOTIFY arrive."""
        self._carry_out(self.secondary.on_notify(primary, serial, self.now))

    def events(self) -> list[str]:
        """Return what was told since the last look."""
        told, self.told = self.told, []
        return [each.event for each in told]

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Tell):
                self.told.append(action)
                continue
            assert not self._coming, "two things at once"
            happens: Callable[[], list[Action]] = (
                partial(self._asked, action) if isinstance(action, AskSerial) else partial(self._fetched, action)
            )
            heappush(self._coming, (self.now + self.latency_s, next(self._order), happens))

    def _asked(self, action: AskSerial) -> list[Action]:
        self.asked_s.append(self.now)
        primary = self.primaries[action.primary]
        return self.secondary.on_serial(primary.serial if primary.up else DOWN, self.now)

    def _fetched(self, action: Fetch) -> list[Action]:
        self.fetched.append(action)
        primary = self.primaries[action.primary]
        if not primary.up:
            return self.secondary.on_fetched(DOWN, self.now)
        if primary.cuts or (action.incremental and not primary.pieces):
            return self.secondary.on_fetched(Failed(why="cut", silent=False), self.now)
        if self.served is not None and not later(primary.serial, self.served):
            return self.secondary.on_fetched(NotLater(primary.serial), self.now)
        if primary.emptied:
            return self.secondary.on_fetched(Refused(serial=primary.serial), self.now)
        self.served = primary.serial
        return self.secondary.on_fetched(Taken(serial=primary.serial, timing=TIMING), self.now)


def held(serial: int = 1, *, age_s: float = 0.0) -> Held:
    return Held(serial=serial, timing=TIMING, heard_at_s=START_S - age_s)


# What is asked, and when.


def test_a_zone_that_never_came_is_fetched_whole_at_once() -> None:
    world = World([Primary(serial=7)])
    world.run(1)
    assert world.served == 7
    assert world.fetched == [Fetch(primary=0, incremental=False)]


def test_a_change_is_found_by_refresh_and_fetched_in_pieces() -> None:
    world = World([Primary()], held=held())
    world.run(1)
    world.primaries[0].serial = 2
    world.run(TIMING.refresh_s * (1 - JITTER) - 2)
    assert world.served == 1
    world.run(TIMING.refresh_s * JITTER + 2)
    assert world.fetched == [Fetch(primary=0, incremental=True)]
    assert world.events() == []


def test_notify_has_the_primary_that_sent_it_asked_first_and_at_once() -> None:
    world = World([Primary(), Primary()], held=held())
    world.run(1)
    world.primaries[1].serial = 2
    world.notify(1)
    world.run(3 * world.latency_s)
    assert world.served == 2
    assert world.fetched == [Fetch(primary=1, incremental=True)]


def test_notify_of_what_is_there_already_asks_nobody() -> None:
    world = World([Primary()], held=held(5))
    world.run(1)
    asked = len(world.asked_s)
    for serial in (5, 4):
        world.notify(0, serial)
    world.run(1)
    assert len(world.asked_s) == asked
    world.notify(0, 6)
    world.run(1)
    assert len(world.asked_s) == asked + 1


def test_notify_while_a_round_is_under_way_begins_another_after_it() -> None:
    world = World([Primary()], held=held(), latency_s=0.5)
    world.notify(0)
    world.run(0.6)
    world.primaries[0].serial = 2  # the answer that said 1 is on its way already
    world.notify(0)
    world.run(5)
    assert world.served == 2


def test_a_flood_of_notifies_is_asked_about_a_few_times_a_second() -> None:
    world = World([Primary()], held=held(), latency_s=0.001)
    world.run(1)
    asked = len(world.asked_s)
    for _ in range(1_000):
        world.notify(0)
        world.run(0.002)
    assert len(world.asked_s) - asked <= 2 / NOTIFY_GAP_S + 1


def test_what_does_not_come_in_pieces_is_fetched_whole() -> None:
    world = World([Primary(serial=2, pieces=False)], held=held())
    world.run(1)
    assert world.served == 2
    assert [fetch.incremental for fetch in world.fetched] == [True, False]


def test_a_primary_that_is_down_leaves_the_others_to_be_asked() -> None:
    world = World([Primary(up=False), Primary(serial=3)], held=held())
    world.run(1)
    assert world.served == 3
    assert world.events() == ["zone.primary_failed"]


def test_a_stale_primary_does_not_hide_what_another_has() -> None:
    world = World([Primary(serial=1), Primary(serial=2)], held=held())
    world.run(1)
    assert world.served == 2


def test_a_zone_that_never_came_is_asked_for_less_and_less_often() -> None:
    world = World([Primary(up=False)])
    world.run(10 * FIRST_RETRY_MAX_S)
    gaps = [after - before for before, after in pairwise(world.asked_s)]
    assert gaps[0] < 4
    assert gaps[-1] == pytest.approx(FIRST_RETRY_MAX_S, rel=JITTER + 0.01)


# What is believed, and until when.


def test_without_a_primary_the_zone_is_retried_and_then_expires_until_one_is_heard() -> None:
    world = World([Primary(up=False)], held=held())
    world.run(TIMING.expire_s - 1)
    assert not world.secondary.expired
    assert len(world.asked_s) >= TIMING.expire_s / TIMING.retry_s - 1
    world.run(2)
    assert world.events().count("zone.expired") == 1
    assert (world.secondary.expired, world.served) == (True, 1)
    world.primaries[0].up = True
    world.run(TIMING.retry_s + 1)
    assert world.events()[-1] == "zone.renewed"
    assert (world.secondary.expired, world.fetched) == (False, [])


def test_expiry_counts_from_the_last_time_before_a_restart() -> None:
    world = World([Primary(up=False)], held=held(age_s=TIMING.expire_s - 10))
    world.run(9)
    assert not world.secondary.expired
    world.run(2)
    assert world.secondary.expired


def test_what_was_heard_in_the_future_by_a_clock_that_was_wrong_is_heard_now() -> None:
    world = World([Primary(up=False)], held=held(age_s=-1e9))
    world.run(TIMING.expire_s + 1)
    assert world.secondary.expired


def test_a_clock_far_ahead_costs_no_more_than_one_question() -> None:
    world = World([Primary()], held=held(age_s=1e9))
    world.run(3 * world.latency_s)
    assert not world.secondary.expired


def test_a_primary_that_says_later_and_gives_nothing_does_not_keep_the_zone_alive() -> None:
    world = World([Primary(serial=2, cuts=True)], held=held())
    world.run(TIMING.expire_s + 1)
    assert world.secondary.expired


def test_a_zone_that_is_refused_keeps_the_old_one_alive_and_does_not_come_again() -> None:
    world = World([Primary(serial=2, emptied=True)], held=held())
    world.run(5 * TIMING.expire_s)
    assert (world.served, world.secondary.expired) == (1, False)
    assert len(world.fetched) == 1
    world.primaries[0] = Primary(serial=3)
    world.run(TIMING.refresh_s + 1)
    assert world.served == 3


def test_a_zone_that_is_refused_does_not_hide_a_good_one_of_another_primary() -> None:
    world = World([Primary(serial=3, emptied=True), Primary(serial=2)], held=held())
    world.run(1)
    assert world.served == 2


def test_a_primary_that_went_back_is_told_of_and_keeps_the_zone_alive() -> None:
    world = World([Primary(serial=1)], held=held(5))
    world.run(2 * TIMING.expire_s)
    assert (world.served, world.secondary.expired) == (5, False)
    assert set(world.events()) == {"zone.primary_behind"}


# Whatever happens.

_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "down", "up", "pieces", "cuts", "emptied", "mended", "notify", "back"]),
        st.integers(0, 1),
        st.sampled_from([0.0, 0.03, 1.0, 30.0, 150.0, 1_500.0]),
    ),
    max_size=30,
)


@given(_STEPS, st.integers(0, 100), st.booleans())
def test_whatever_happened_the_zone_comes_once_the_primaries_are_well(
    steps: list[tuple[str, int, float]], seed: int, begins_with_one: bool
) -> None:
    world = World([Primary(), Primary()], held=held() if begins_with_one else None, seed=seed)
    for what, at, pass_s in steps:
        primary = world.primaries[at]
        match what:
            case "publish":
                primary.serial += 1
            case "back":
                primary.serial = max(0, primary.serial - 2)
            case "notify":
                world.notify(at, primary.serial if seed % 2 else None)
            case "down" | "up":
                primary.up = what == "up"
            case "mended":
                world.primaries[at] = Primary(serial=primary.serial + 1)
            case "pieces" | "cuts" | "emptied":
                setattr(primary, what, not getattr(primary, what))
        served = world.served
        world.run(pass_s)
        assert served is None or world.served == served or later(world.served or 0, served)  # never back
        assert world.secondary.expired == (
            world.served is not None and world.now - world.secondary.heard_at_s >= TIMING.expire_s
        )
    newest = max(world.served or 0, *(primary.serial for primary in world.primaries)) + 1
    world.primaries[:] = [Primary(serial=newest), Primary(serial=newest)]
    world.run(max(TIMING.refresh_s, FIRST_RETRY_MAX_S) + 1)
    assert (world.served, world.secondary.expired) == (newest, False)


@given(_STEPS, st.integers(0, 100))
def test_primaries_are_never_asked_in_a_storm(steps: list[tuple[str, int, float]], seed: int) -> None:
    world = World([Primary(), Primary()], seed=seed, latency_s=0.001)
    for what, at, _ in steps:
        if what in ("up", "down"):
            world.primaries[at].up = what == "up"
        elif what == "publish":
            world.primaries[at].serial += 1
        world.notify(at)
        world.run(0.01)
    passed_s = world.now - START_S
    assert len(world.asked_s) <= 2 * (2 + passed_s / NOTIFY_GAP_S)


# The times of an SOA.


def test_the_times_are_those_of_the_soa() -> None:
    soa = zone("").soa.rdatas[0]
    assert timing_of(soa) == Timing(refresh_s=3600, retry_s=600, expire_s=86_400)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ((0, 0, 0), (REFRESH_MIN_S, RETRY_MIN_S, REFRESH_MIN_S + RETRY_MIN_S)),
        ((2**32 - 1,) * 3, (REFRESH_MAX_S, RETRY_MAX_S, EXPIRE_MAX_S)),
        ((3600, 600, 60), (3600, 600, 4200)),
        ((3600, 600, 3_600_000), (3600, 600, 3_600_000)),
    ],
)
def test_times_out_of_bounds_are_brought_within(
    written: tuple[int, int, int], meant: tuple[float, float, float]
) -> None:
    soa = b"\0\0" + b"".join(each.to_bytes(4, "big") for each in (1, *written, 60))
    assert timing_of(soa) == Timing(refresh_s=meant[0], retry_s=meant[1], expire_s=meant[2])
