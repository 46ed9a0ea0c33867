"""When a vantage looks at what, and what it reports."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.control.health import Ill, Look, State, Well, read_reading
from standfast.control.intent import (
    CheckKind,
    Endpoint,
    HealthCheck,
    Intent,
    ManagedName,
    Policy,
    Pool,
    ZoneIntent,
)
from standfast.control.vantage import (
    DESTINATION_IN_FLIGHT_MAX,
    LOOKS_IN_FLIGHT_MAX,
    Shot,
    Target,
    Turned,
    Vantage,
    key_of,
    pool_key,
    wanted,
)

CHECK = HealthCheck(interval_s=10.0, timeout_s=2.0, rise=2, fall=3)
START_S = 1_790_000_000.0
ILL = Ill(why="connection refused")


def targets(number: int, *, pool: str = "eu", check: HealthCheck = CHECK) -> dict[Target, HealthCheck]:
    return {Target(pool, f"10.0.{index >> 8}.{index & 255}", 443): check for index in range(number)}


def watching(wanted_: dict[Target, HealthCheck], seed: int = 1) -> Vantage:
    vantage = Vantage(Random(seed))
    vantage.watch(wanted_, START_S)
    return vantage


def run(
    vantage: Vantage, until_s: float, *, ill: frozenset[Target] = frozenset(), flight_s: float = 0.0, now_s: float
) -> list[tuple[float, Turned]]:
    """Look until `until_s`; who is in `ill` is so."""
    turns = []
    while vantage.next_s <= until_s:
        now_s = max(now_s, vantage.next_s)
        for shot in vantage.due(now_s):
            look: Look = ILL if shot.target in ill else Well()
            turned = vantage.landed(shot.number, look, now_s + flight_s)
            if turned:
                turns.append((now_s + flight_s, turned))
    return turns


def test_first_looks_are_spread_over_the_interval() -> None:
    vantage = watching(targets(200))
    begun: Counter[int] = Counter()
    now_s = START_S
    while vantage.next_s < START_S + 10.0:
        now_s = vantage.next_s
        for shot in vantage.due(now_s):
            begun[int(now_s - START_S)] += 1
            vantage.landed(shot.number, Well(), now_s)
    assert set(begun) == set(range(10))
    assert max(begun.values()) < 40


@given(seed=st.integers(0, 1_000), lost_after_s=st.floats(30.0, 60.0))
@settings(max_examples=50)
def test_a_loss_turns_within_fall_intervals_and_a_time_out(seed: int, lost_after_s: float) -> None:
    wanted_ = targets(5)
    vantage = watching(wanted_, seed)
    lost = next(iter(wanted_))
    lost_s = START_S + lost_after_s
    assert len(run(vantage, lost_s, now_s=START_S)) == 5
    turns = run(vantage, lost_s + 60.0, ill=frozenset((lost,)), flight_s=CHECK.timeout_s, now_s=lost_s)
    (at_s, turned), *others = turns
    assert not others
    assert (turned.target, turned.before, turned.reading.state) == (lost, State.WELL, State.ILL)
    assert at_s - lost_s <= CHECK.fall * CHECK.interval_s + CHECK.timeout_s


def test_no_more_are_looked_at_than_are_bound_to_be_in_flight() -> None:
    vantage = watching(targets(LOOKS_IN_FLIGHT_MAX + 50))
    shots = vantage.due(START_S + 10.0)
    assert len(shots) == vantage.in_flight == LOOKS_IN_FLIGHT_MAX
    assert vantage.due(START_S + 10.0) == []
    vantage.landed(shots[0].number, Well(), START_S + 10.0)
    assert len(vantage.due(START_S + 10.0)) == 1


def test_one_address_is_looked_at_few_times_at_once_and_all_get_their_turn() -> None:
    places = {Target(f"pool-{n}", "10.0.0.1", 443): CHECK for n in range(20)} | targets(1, pool="other")
    vantage = watching(places)
    waiting = vantage.due(START_S + 10.0)
    assert sum(shot.target.address == "10.0.0.1" for shot in waiting) == DESTINATION_IN_FLIGHT_MAX
    looked = set()
    while waiting:
        shot = waiting.pop()
        looked.add(shot.target)
        vantage.landed(shot.number, Well(), START_S + 10.0)
        waiting += vantage.due(START_S + 10.0)
    assert looked == set(places)


def test_who_waits_for_an_address_gets_its_turn_though_those_before_it_are_gone() -> None:
    places = [Target(f"pool-{n}", "10.0.0.1", 443) for n in range(DESTINATION_IN_FLIGHT_MAX + 5)]
    vantage = watching(dict.fromkeys(places, CHECK))
    shots = vantage.due(START_S + 10.0)
    waiting = [place for place in places if place not in {shot.target for shot in shots}]
    vantage.watch({waiting[-1]: CHECK}, START_S + 10.0)
    for shot in shots:
        vantage.landed(shot.number, Well(), START_S + 10.0)
    assert [shot.target for shot in vantage.due(START_S + 20.0)] == [waiting[-1]]


def test_a_look_that_was_held_up_here_says_nothing() -> None:
    vantage = watching(targets(1))
    run(vantage, START_S + 30.0, now_s=START_S)
    for _ in range(3):
        at_s = vantage.next_s
        (shot,) = vantage.due(at_s)
        vantage.landed(shot.number, ILL, at_s + 3_600.0)
        assert vantage.standings[shot.target].reading.state is State.UNKNOWN


def test_a_target_that_is_no_longer_wanted_is_forgotten_and_its_look_ignored() -> None:
    vantage = watching(targets(1))
    (shot,) = vantage.due(START_S + 10.0)
    vantage.watch({}, START_S + 10.0)
    assert vantage.landed(shot.number, ILL, START_S + 10.0) is None
    assert vantage.report() == {}
    assert vantage.in_flight == 0


def test_a_changed_check_begins_anew_and_another_target_does_not() -> None:
    vantage = watching(targets(2))
    run(vantage, START_S + 30.0, now_s=START_S)
    first, second = targets(2)
    other = HealthCheck(kind=CheckKind.HTTPS)
    vantage.watch({first: other, second: CHECK}, START_S + 30.0)
    assert vantage.standings[first].reading.state is State.UNKNOWN
    assert vantage.standings[second].reading.state is State.WELL


def test_a_report_says_who_is_how_and_when_a_pool_was_last_seen_well() -> None:
    first, second = targets(2)
    vantage = watching(targets(2))
    run(vantage, START_S + 60.0, ill=frozenset((first,)), now_s=START_S)
    report = vantage.report()
    assert set(report) == {key_of(first), key_of(second), pool_key("eu")}
    reading = read_reading(report[key_of(first)])
    assert reading
    assert (reading.state, reading.why) == (State.NEVER, "connection refused")
    assert START_S + 40.0 < float(report[pool_key("eu")]) <= START_S + 60.0
    again = watching(targets(2))
    again.resume(report, START_S + 70.0)
    assert {key: text for key, text in again.report().items() if key != pool_key("eu")} == {
        key: text for key, text in report.items() if key != pool_key("eu")
    }


@pytest.mark.parametrize("address", ["10.0.0.1", "2001:db8::1", "lb.example.net."])
def test_the_key_of_a_target_is_told_apart_from_the_right(address: str) -> None:
    pool, _, place = key_of(Target("a/b", address, 8443)).rpartition("/")
    assert (pool, place) == ("a/b", f"{address}:8443")


def test_what_is_wanted_says_host_and_port_and_leaves_out_what_has_no_check() -> None:
    endpoint = Endpoint(address="10.0.0.1", port=8443)
    pools = {
        "eu": Pool(name="eu", check=HealthCheck(kind=CheckKind.HTTPS)),
        "us": Pool(name="us", check=HealthCheck(kind=CheckKind.TLS, port=443, host="origin.example.com.")),
        "static": Pool(name="static", check=HealthCheck(kind=CheckKind.NONE)),
    }
    policy = Policy(pools=(("eu", 1), ("us", 1), ("static", 1)))
    names = (ManagedName(name="b.example.com.", policy=policy), ManagedName(name="a.example.com.", policy=policy))
    intent = Intent(zones={"example.com.": ZoneIntent(origin="example.com.", names=names)}, pools=pools)
    found = wanted(intent, dict.fromkeys(pools, (endpoint,)))
    assert {target.pool: (check.host, check.port) for target, check in found.items()} == {
        "eu": ("a.example.com.", 8443),
        "us": ("origin.example.com.", 443),
    }


def test_shots_carry_the_check() -> None:
    vantage = watching(targets(1))
    assert vantage.due(START_S + 10.0) == [Shot(number=1, target=Target("eu", "10.0.0.0", 443), check=CHECK)]
