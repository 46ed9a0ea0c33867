"""What vantages say together, and when their measurement is not believed; whole histories in virtual time."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.control.health import Ill, NotLooked, Reading, State, Well, write_reading
from standfast.control.intent import Endpoint, HealthCheck
from standfast.control.panel import MASS_WINDOW_S, REPORT_WORTH_S, Panel, PoolHealth, bursts
from standfast.control.pool_view import Health
from standfast.control.vantage import Target, Vantage

CHECK = HealthCheck(interval_s=10.0, timeout_s=2.0, rise=2, fall=3)
START_S = 1_790_000_000.0
REPORT_EVERY_S = 5.0


def pool(name: str, size: int) -> tuple[Endpoint, ...]:
    """Return so many endpoints of a pool; each pool has a network of its own."""
    network = sum(name.encode()) % 250
    return tuple(Endpoint(address=f"10.{network}.{index >> 8}.{index & 255}") for index in range(size))


@dataclass(kw_only=True)
class World:
    """Pools that vantages look at; `is_ill` says who is, to whom, and when; None: the look cannot be taken."""

    pools: Mapping[str, tuple[Endpoint, ...]]
    vantages: int = 1
    quorum: int = 1
    seed: int = 1
    is_ill: Callable[[int, Target, float], bool | None] = lambda _vantage, _target, _now: False
    now_s: float = START_S
    panel: Panel = field(init=False)
    health: dict[str, PoolHealth] = field(default_factory=dict)
    log: list[tuple[float, str, PoolHealth]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.panel = Panel(quorum=self.quorum)
        wanted = {Target(name, e.address, e.port): CHECK for name, members in self.pools.items() for e in members}
        self.watchers = [Vantage(Random(self.seed + number)) for number in range(self.vantages)]
        for watcher in self.watchers:
            watcher.watch(wanted, self.now_s)
        self.deaf: set[int] = set()  # whose reports do not arrive

    def run(self, for_s: float) -> "World":
        end_s = self.now_s + for_s
        next_report_s = self.now_s
        while True:
            self.now_s = min(next_report_s, *(watcher.next_s for watcher in self.watchers))
            if self.now_s > end_s:
                self.now_s = end_s
                return self
            for number, watcher in enumerate(self.watchers):
                turned = False
                for shot in watcher.due(self.now_s):
                    ill = self.is_ill(number, shot.target, self.now_s)
                    look = NotLooked(why="no route") if ill is None else Ill(why="refused") if ill else Well()
                    turned |= watcher.landed(shot.number, look, self.now_s) is not None
                if (turned or self.now_s >= next_report_s) and number not in self.deaf:
                    self.hear(number)
            if self.now_s >= next_report_s:
                next_report_s += REPORT_EVERY_S
                self.judge(self.pools)

    def hear(self, number: int) -> None:
        report = self.watchers[number].report()
        self.judge(self.panel.hear(f"v{number}", report, at_s=self.now_s, now_s=self.now_s))

    def judge(self, pools: Iterable[str]) -> None:
        for name in pools:
            self.health[name] = self.panel.judge(name, self.pools[name], self.now_s)
            self.log.append((self.now_s, name, self.health[name]))

    def ill(self, name: str) -> list[int]:
        """Return which endpoints of a pool are believed ill, by number."""
        health = self.health[name].health
        return [number for number, endpoint in enumerate(self.pools[name]) if health[endpoint] is Health.ILL]

    def well(self, name: str) -> int:
        return sum(health is Health.WELL for health in self.health[name].health.values())


def lost(world: World, name: str, numbers: Collection[int]) -> Callable[[int, Target, float], bool]:
    """Return that these endpoints of a pool are ill to everybody."""
    places = {world.pools[name][number].address for number in numbers}
    return lambda _vantage, target, _now: target.address in places


# One and several.


def test_all_that_are_well_are_believed_well() -> None:
    world = World(pools={"us": pool("us", 4), "eu": pool("eu", 4)}).run(60.0)
    assert (world.well("us"), world.well("eu")) == (4, 4)
    assert not world.health["us"].broken


@given(seed=st.integers(0, 500))
@settings(max_examples=15)
def test_a_single_loss_is_believed_within_fall_intervals_and_a_time_out(seed: int) -> None:
    world = World(pools={"us": pool("us", 4), "eu": pool("eu", 4)}, seed=seed).run(60.0)
    lost_s = world.now_s
    world.is_ill = lost(world, "us", [2])
    world.run(60.0)
    believed_s = next(at_s for at_s, _, health in world.log if any(turn.now is Health.ILL for turn in health.turns))
    assert believed_s - lost_s <= CHECK.fall * CHECK.interval_s + CHECK.timeout_s
    assert (world.ill("us"), world.health["us"].broken) == ([2], "")


def test_it_takes_as_many_vantages_as_the_quorum() -> None:
    world = World(pools={"us": pool("us", 4), "eu": pool("eu", 4)}, vantages=3, quorum=2).run(60.0)
    place = world.pools["us"][1].address
    world.is_ill = lambda vantage, target, _now: vantage == 0 and target.address == place
    assert world.run(120.0).ill("us") == []
    world.is_ill = lambda vantage, target, _now: vantage <= 1 and target.address == place
    assert world.run(120.0).ill("us") == [1]
    world.is_ill = lambda vantage, target, _now: vantage == 0 and target.address == place
    assert world.run(120.0).ill("us") == []


def test_nothing_turns_ill_while_fewer_vantages_report_than_the_quorum() -> None:
    world = World(pools={"us": pool("us", 4), "eu": pool("eu", 4)}, vantages=2, quorum=2).run(60.0)
    world.is_ill = lost(world, "us", [0])
    world.run(60.0)
    world.deaf = {1}
    world.is_ill = lost(world, "us", [0, 1])
    world.run(REPORT_WORTH_S + 60.0)
    assert world.ill("us") == [0], "what was believed stays"
    assert "1 of 2 vantages" in world.health["us"].broken
    world.deaf = set()
    assert world.run(30.0).ill("us") == [0, 1]


def test_a_vantage_that_cannot_look_says_nothing() -> None:
    world = World(pools={"us": pool("us", 4), "eu": pool("eu", 4)}, vantages=3, quorum=2).run(60.0)
    world.is_ill = lambda vantage, _target, _now: None if vantage == 2 else False
    world.run(300.0)
    assert (world.well("us"), world.health["us"].broken) == (4, "")


def test_an_old_report_says_nothing_at_the_start_and_a_clock_that_is_wrong_does_not_matter_later() -> None:
    panel = Panel(quorum=1)
    endpoints = pool("us", 1)
    report = {f"us/{endpoints[0].address}:443": write_reading(Reading(state=State.WELL, since_s=0.0))}
    panel.hear("old", report, at_s=START_S - 3_600.0, now_s=START_S)
    assert panel.judge("us", endpoints, START_S).health[endpoints[0]] is Health.UNKNOWN
    panel.hear("old", report, at_s=START_S - 3_590.0, now_s=START_S + 10.0)
    assert panel.judge("us", endpoints, START_S + 10.0).health[endpoints[0]] is Health.WELL
    panel.hear("old", report, at_s=START_S - 3_590.0, now_s=START_S + 100.0)
    assert panel.live(START_S + 100.0) == ()


def test_a_report_that_comes_late_by_a_longer_way_is_not_heard() -> None:
    panel = Panel(quorum=1)
    endpoints = pool("us", 1)
    key = f"us/{endpoints[0].address}:443"
    texts = {state: {key: write_reading(Reading(state=state, since_s=START_S))} for state in (State.WELL, State.ILL)}
    panel.hear("v", texts[State.WELL], at_s=START_S + 1.0, now_s=START_S + 1.0)
    assert not panel.hear("v", texts[State.ILL], at_s=START_S, now_s=START_S + 2.0)
    assert panel.judge("us", endpoints, START_S + 2.0).health[endpoints[0]] is Health.WELL
    set_back_s = START_S + 2.0 * REPORT_WORTH_S
    assert panel.hear("v", texts[State.ILL], at_s=START_S - 60.0, now_s=set_back_s) == {"us"}


# Mass failure.


def test_half_of_a_pool_is_believed_and_more_at_once_is_not() -> None:
    world = World(pools={"us": pool("us", 6), "eu": pool("eu", 6)}).run(60.0)
    world.is_ill = lost(world, "us", [0, 1, 2])
    assert world.run(60.0).ill("us") == [0, 1, 2]
    world.is_ill = lost(world, "us", [0, 1, 2, 3])
    world.run(60.0)
    assert world.ill("us") == [], "who turned with it is as before again"
    assert "4 of 6 turned ill" in world.health["us"].broken
    assert not world.health["eu"].broken
    world.run(4 * MASS_WINDOW_S)
    assert world.ill("us") == [], "no time makes it true"
    world.is_ill = lost(world, "us", [3])
    world.run(60.0)
    assert (world.ill("us"), world.health["us"].broken) == ([3], "")


def test_what_is_lost_slowly_is_believed() -> None:
    world = World(pools={"us": pool("us", 6), "eu": pool("eu", 6)}).run(60.0)
    for number in range(5):
        world.is_ill = lost(world, "us", range(number + 1))
        world.run(MASS_WINDOW_S + 60.0)
        assert world.ill("us") == list(range(number + 1))
        assert not world.health["us"].broken


@pytest.mark.parametrize("size", [1, 2, 3, 8, 40])
def test_a_region_that_is_truly_lost_is_believed_soon(size: int) -> None:
    world = World(pools={"us": pool("us", size), "eu": pool("eu", 4)}).run(60.0)
    world.is_ill = lost(world, "us", range(size))
    world.run(CHECK.fall * CHECK.interval_s + CHECK.timeout_s + CHECK.interval_s + REPORT_EVERY_S)
    assert (world.ill("us"), world.health["us"].broken) == (list(range(size)), "")
    assert world.well("eu") == 4
    world.is_ill = lost(world, "us", range(1, size))
    world.run(60.0)
    assert (world.ill("us"), world.health["us"].broken) == (list(range(1, size)), ""), "it comes back one by one"
    world.is_ill = lambda _vantage, _target, _now: False
    assert world.run(60.0).well("us") == size


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_everything_lost_at_once_is_the_vantage_and_nothing_turns(size: int) -> None:
    world = World(pools={"us": pool("us", size), "eu": pool("eu", size), "ap": pool("ap", size)}).run(60.0)
    world.is_ill = lambda _vantage, _target, _now: True
    begin = len(world.log)
    world.run(600.0)
    assert world.panel.cut(world.now_s) == ("v0",)
    for name in world.pools:
        assert world.well(name) == size
        assert world.health[name].broken
    for name in world.pools:
        whole = [health for _, pool_, health in world.log[begin:] if pool_ == name]
        assert all(Health.WELL in health.health.values() for health in whole), "no pool was given up for a moment"
    world.is_ill = lambda _vantage, _target, _now: False
    world.run(60.0)
    assert (world.panel.cut(world.now_s), world.health["us"].broken) == ((), "")


def test_one_vantage_that_is_cut_does_not_count_and_the_others_do() -> None:
    world = World(pools={"us": pool("us", 4), "eu": pool("eu", 4)}, vantages=3, quorum=2).run(60.0)
    world.is_ill = lambda vantage, _target, _now: vantage == 0
    world.run(120.0)
    assert world.panel.cut(world.now_s) == ("v0",)
    assert (world.ill("us"), world.ill("eu")) == ([], [])
    assert not world.health["us"].broken
    place = world.pools["us"][1].address
    world.is_ill = lambda vantage, target, _now: vantage == 0 or target.address == place
    assert world.run(60.0).ill("us") == [1]
    world.is_ill = lambda vantage, target, _now: vantage == 0 or target.pool == "us"
    world.run(60.0)
    assert (world.ill("us"), world.ill("eu")) == ([0, 1, 2, 3], [])


def test_a_vantage_that_sees_but_its_own_region_takes_no_other_down() -> None:
    world = World(pools={name: pool(name, 4) for name in ("us", "eu", "ap")}).run(60.0)
    world.is_ill = lambda _vantage, target, _now: target.pool != "us"
    begin = len(world.log)
    world.run(600.0)
    assert world.panel.cut(world.now_s) == ("v0",)
    assert world.ill("eu") == world.ill("ap") == []
    assert all(Health.WELL in each.health.values() for _, _, each in world.log[begin:]), "not even for a moment"


def test_a_check_that_was_never_well_loses_no_pool() -> None:
    world = World(pools={"us": pool("us", 4), "eu": pool("eu", 4)})
    world.is_ill = lost(world, "us", range(4))
    world.run(120.0)
    assert world.ill("us") == []
    assert "nothing shows that it is not the measurement" in world.health["us"].broken


@pytest.mark.parametrize(("vantages", "believed"), [(1, False), (2, True)])
def test_where_no_other_pool_is_looked_at_two_vantages_have_to_agree(vantages: int, believed: bool) -> None:
    world = World(pools={"us": pool("us", 4)}, vantages=vantages).run(60.0)
    world.is_ill = lambda _vantage, _target, _now: True
    world.run(120.0)
    assert (world.ill("us") == [0, 1, 2, 3]) is believed
    assert bool(world.health["us"].broken) is not believed


def test_a_drained_endpoint_counts_for_nothing() -> None:
    first, *others = pool("us", 5)
    members = (*(Endpoint(address=each.address, drained=True) for each in others), first)
    world = World(pools={"us": members, "eu": pool("eu", 4)}).run(60.0)
    world.is_ill = lost(world, "us", range(4))
    world.run(60.0)
    assert (world.ill("us"), world.health["us"].broken) == ([0, 1, 2, 3], "")


# The incident: from 05:30 to 09:36 health checks flapped on hosts that were not reachable yet.


@pytest.mark.parametrize(("seed", "vantages", "hours"), [(1, 1, 4.1), (3, 3, 1.0)])
def test_checks_that_flap_for_hours_never_take_half_of_the_capacity(seed: int, vantages: int, hours: float) -> None:
    world = World(
        pools={"us": pool("us", 20), "eu": pool("eu", 6)}, vantages=vantages, quorum=1 + vantages // 2, seed=seed
    ).run(60.0)
    spells = flapping(world.pools["us"], Random(seed), hours=hours)
    world.is_ill = lambda _vantage, target, now: target.pool == "us" and spells[target.address](now - START_S)
    begin = len(world.log)
    world.run(hours * 3_600.0)
    least = min(
        sum(health is Health.WELL for health in each.health.values())
        for _, name, each in world.log[begin:]
        if name == "us"
    )
    assert least >= 10
    assert any(each.broken for _, name, each in world.log[begin:] if name == "us")
    assert world.well("eu") == 6
    world.is_ill = lambda _vantage, _target, _now: False
    world.run(2_400.0)
    assert (world.well("us"), world.health["us"].broken) == (20, "")


def flapping(members: Iterable[Endpoint], rng: Random, *, hours: float) -> dict[str, Callable[[float], bool]]:
    """Return whether each is ill at a time: spells of half a minute to five, ill and well in turn."""
    found: dict[str, Callable[[float], bool]] = {}
    for endpoint in members:
        ends, at_s = [], rng.uniform(0.0, 600.0)
        while at_s < hours * 3_600.0 + 120.0:
            ends.append(at_s)
            at_s += rng.uniform(30.0, 300.0)
        found[endpoint.address] = partial(_is_odd, ends)
    return found


def _is_odd(ends: list[float], at_s: float) -> bool:
    return bisect_right(ends, at_s) % 2 == 1


# What is lost with a process.


def test_a_planner_that_begins_anew_in_a_mass_failure_believes_nothing_of_it() -> None:
    world = World(pools={"us": pool("us", 6), "eu": pool("eu", 6)}).run(60.0)
    world.is_ill = lost(world, "us", range(5))
    world.run(60.0)
    world.panel = Panel(quorum=1)
    world.run(30.0)
    assert [each.value for each in world.health["us"].health.values()] == ["unknown"] * 5 + ["well"]
    assert world.health["us"].broken


def test_a_planner_that_begins_anew_believes_who_was_lost_one_by_one_before() -> None:
    world = World(pools={"us": pool("us", 6), "eu": pool("eu", 6)}).run(60.0)
    for number in range(4):
        world.is_ill = lost(world, "us", range(number + 1))
        world.run(MASS_WINDOW_S)
    world.panel = Panel(quorum=1)
    world.run(30.0)
    assert (world.ill("us"), world.health["us"].broken) == ([0, 1, 2, 3], "")


# The burst.


@given(times=st.lists(st.floats(0.0, 1e5), max_size=30), more=st.integers(0, 30), least=st.integers(1, 5))
def test_whoever_is_in_a_burst_is_in_a_window_that_lost_too_much(times: list[float], more: int, least: int) -> None:
    times = sorted(times)
    of = len(times) + more
    windows = [
        [i for i, at_s in enumerate(times[: end + 1]) if at_s > times[end] - MASS_WINDOW_S] for end in range(len(times))
    ]
    assert bursts(times, of=of, least=least) == {
        index for window in windows if len(window) >= least and 2 * len(window) > of - window[0] for index in window
    }
