"""The budget of probes: whose turn it is, and what no zone can make us do."""

from collections import Counter
from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.evidence.aim import may_probe
from standfast.evidence.model import Identity, ProbeResult, ProbeSpec
from standfast.evidence.prober import (
    CALM_IN_FLIGHT_MAX,
    CALM_WAITING_MAX,
    DESTINATION_BURST,
    DESTINATION_PROBES_PER_S,
    PROBES_BURST,
    PROBES_IN_FLIGHT_MAX,
    PROBES_PER_S,
    ROUND_ADDRESSES_MAX,
    URGENT_WAITING_MAX,
    Landed,
    Prober,
    Shot,
)

TLS = ProbeSpec()
START_S = 1_790_000_000.123


def want(
    prober: Prober, name: str, *addresses: str, purpose: Hashable = None, urgent: bool = True, spec: ProbeSpec = TLS
) -> bool:
    return prober.want(purpose=purpose or name, qname=name, spec=spec, addresses=addresses, urgent=urgent)


def land(prober: Prober, shot: Shot) -> Landed | None:
    return prober.landed(shot.probe, ProbeResult(address=shot.address, identity=Identity.PROVEN, at_s=0.0))


def drain(prober: Prober, *, until_s: float, flight_s: float = 0.0) -> list[tuple[float, Shot]]:
    """Let all probes land `flight_s` after they were sent, time pass, and return what was sent when."""
    now, sent, flying = START_S, list[tuple[float, Shot]](), list[tuple[float, Shot]]()
    for _ in range(200_000):
        shots = prober.shots(now)
        sent += [(now, shot) for shot in shots]
        flying += [(now + flight_s, shot) for shot in shots]
        lands_s = min((at_s for at_s, _ in flying), default=float("inf"))
        now = max(now, min(lands_s, prober.next_time))
        if now > until_s:
            return sent
        for landing in [each for each in flying if each[0] <= now]:
            flying.remove(landing)
            land(prober, landing[1])
    raise AssertionError("the prober spins")


def test_the_addresses_of_a_name_are_asked_one_after_the_other() -> None:
    prober = Prober(START_S)
    want(prober, "www.", "192.0.2.1", "192.0.2.2")
    (first,) = prober.shots(START_S)
    assert prober.shots(START_S) == []
    landed = land(prober, first)
    assert landed is not None
    assert not landed.round_over
    (second,) = prober.shots(START_S)
    assert (first.address, second.address) == ("192.0.2.1", "192.0.2.2")
    landed = land(prober, second)
    assert landed is not None
    assert landed.round_over


def test_two_rounds_of_one_name_never_fly_together() -> None:
    prober = Prober(START_S)
    want(prober, "www.", "192.0.2.1", purpose="known")
    want(prober, "www.", "192.0.2.2", purpose="new")
    (first,) = prober.shots(START_S)
    assert prober.next_time == float("inf")  # nothing waits on time, but on the probe in flight
    land(prober, first)
    assert len(prober.shots(START_S)) == 1


def test_lost_names_go_before_those_that_are_well() -> None:
    prober = Prober(START_S)
    for n in range(60):
        want(prober, f"well{n}.", f"192.0.2.{n}", urgent=False)
    want(prober, "lost.", "198.51.100.1")
    assert prober.shots(START_S)[0].qname == "lost."


def test_names_that_are_well_leave_slots_for_a_lost_one() -> None:
    prober = Prober(START_S)
    for n in range(100):
        want(prober, f"well{n}.", f"192.0.2.{n}", urgent=False)
    assert len(prober.shots(START_S)) == CALM_IN_FLIGHT_MAX
    assert prober.next_time == float("inf")
    want(prober, "lost.", "198.51.100.1")
    assert [shot.qname for shot in prober.shots(START_S)] == ["lost."]


def test_no_more_than_so_many_are_in_flight() -> None:
    prober = Prober(START_S)
    for n in range(60):
        want(prober, f"lost{n}.", f"192.0.2.{n}")
    assert len(prober.shots(START_S)) == prober.in_flight == PROBES_IN_FLIGHT_MAX


def test_the_budget_of_all_together_is_kept_to_the_second() -> None:
    prober = Prober(START_S)
    for n in range(250):
        for m in range(4):
            want(prober, f"lost{n}-{m}.", f"192.0.{m}.{n + 1}")
    sent = drain(prober, until_s=START_S + 20)
    assert len(sent) == PROBES_BURST + 20 * PROBES_PER_S


def test_a_hostile_zone_that_points_thousands_of_names_at_one_victim_sends_it_a_trickle() -> None:
    prober = Prober(START_S)
    for n in range(5000):
        want(prober, f"n{n}.evil.", "203.0.113.7")
    sent = drain(prober, until_s=START_S + 100)
    assert len(sent) == DESTINATION_BURST + 100 * DESTINATION_PROBES_PER_S


def test_names_behind_a_victim_still_get_their_turn() -> None:
    prober = Prober(START_S)
    for n in range(2000):
        want(prober, f"n{n}.evil.", "203.0.113.7")
    want(prober, "lost.", "192.0.2.1")
    sent = drain(prober, until_s=START_S + 2)
    assert "lost." in [shot.qname for _, shot in sent]


def test_the_budget_of_a_victim_is_not_forgotten_by_looking_at_other_addresses() -> None:
    prober = Prober(START_S)
    for n in range(12):
        want(prober, f"n{n}.evil.", "203.0.113.7")
    for n in range(6000):
        want(prober, f"m{n}.evil.", f"10.1.{n // 250}.{n % 250 + 1}")
    at_victim = [at_s for at_s, shot in drain(prober, until_s=START_S + 3) if shot.address == "203.0.113.7"]
    assert len(at_victim) <= DESTINATION_BURST + 3


@pytest.mark.parametrize("address", ["169.254.169.254", "224.0.0.1", "::", "0.0.0.0", "::ffff:169.254.169.254"])
def test_forbidden_addresses_are_left_out_of_a_round(address: str) -> None:
    prober = Prober(START_S)
    assert not want(prober, "evil.", address)
    assert want(prober, "evil.", address, "192.0.2.1")
    assert [shot.address for _, shot in drain(prober, until_s=START_S + 60)] == ["192.0.2.1"]


def test_a_name_without_a_probe_is_not_asked() -> None:
    assert not want(Prober(START_S), "www.", "192.0.2.1", spec=ProbeSpec(kind="none"))


def test_a_round_asks_so_many_addresses_and_no_more() -> None:
    prober = Prober(START_S)
    want(prober, "www.", *(f"192.0.2.{n}" for n in range(1, 40)))
    assert len(drain(prober, until_s=START_S + 60)) == ROUND_ADDRESSES_MAX


def test_a_full_queue_takes_no_more_and_says_so() -> None:
    prober = Prober(START_S)
    assert all(want(prober, f"n{n}.", "192.0.2.1", urgent=False) for n in range(CALM_WAITING_MAX))
    assert not want(prober, "more.", "192.0.2.1", urgent=False)
    assert all(want(prober, f"n{n}.", "192.0.2.1", purpose=n) for n in range(URGENT_WAITING_MAX))
    assert not want(prober, "more.", "192.0.2.1")
    assert prober.waiting == CALM_WAITING_MAX + URGENT_WAITING_MAX


def test_a_dropped_round_sends_nothing_more_not_even_behind_the_probe_in_flight() -> None:
    prober = Prober(START_S)
    want(prober, "www.", "192.0.2.1", "192.0.2.2")
    want(prober, "other.", "192.0.2.3", "192.0.2.4")
    first, _ = prober.shots(START_S)
    prober.drop("www.")
    prober.drop("other.")
    landed = land(prober, first)
    assert landed is not None
    assert landed.round_over
    assert prober.shots(START_S) == []
    assert prober.waiting == 0


def test_rounds_that_are_wanted_and_dropped_again_and_again_leave_nothing_behind() -> None:
    prober = Prober(START_S)
    for n in range(20_000):
        want(prober, f"n{n}.", "203.0.113.7")
        for shot in prober.shots(START_S):
            land(prober, shot)
        prober.drop(f"n{n}.")
    assert prober.waiting == 0
    want(prober, "lost.", "203.0.113.7")
    ((at_s, shot),) = drain(prober, until_s=START_S + 5)
    assert shot.qname == "lost."
    assert at_s == pytest.approx(START_S + 1 / DESTINATION_PROBES_PER_S)


def test_a_result_that_was_not_asked_for_is_nobodys() -> None:
    prober = Prober(START_S)
    assert prober.landed(7, ProbeResult(address="192.0.2.1", identity=Identity.PROVEN, at_s=0.0)) is None


def test_it_is_not_looked_through_again_before_anything_can_have_changed() -> None:
    prober = Prober(START_S)
    for n in range(100):
        want(prober, f"n{n}.evil.", "203.0.113.7")
    for _, shot in zip(range(8), prober.shots(START_S), strict=True):
        land(prober, shot)
    prober.shots(START_S)
    asleep_until_s = prober.next_time
    assert asleep_until_s > START_S
    assert prober.shots(asleep_until_s - 0.01) == []
    assert prober.next_time == asleep_until_s


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_bounds_hold_and_every_round_ends_whatever_is_wanted(data: st.DataObject) -> None:
    prober = Prober(START_S)
    addresses = st.sampled_from([f"192.0.2.{n}" for n in range(1, 6)] + ["224.0.0.1", "x"])
    wanted = data.draw(
        st.lists(st.tuples(st.integers(0, 9), st.lists(addresses, min_size=1, max_size=10), st.booleans()), max_size=40)
    )
    expected: Counter[str] = Counter()
    for purpose, (name, round_addresses, urgent) in enumerate(wanted):
        if want(prober, f"n{name}.", *round_addresses, purpose=purpose, urgent=urgent):
            expected.update([a for a in round_addresses if may_probe(a)][:ROUND_ADDRESSES_MAX])
    flight_s = data.draw(st.sampled_from([0.0, 0.1, 2.0]))
    sent = drain(prober, until_s=START_S + 10_000, flight_s=flight_s)
    assert Counter(shot.address for _, shot in sent) == expected
    for at_s, shot in sent:
        beside = [s for t, s in sent if at_s - flight_s < t <= at_s and s.qname == shot.qname and s is not shot]
        assert not beside or flight_s == 0
    assert (prober.waiting, prober.in_flight) == (0, 0)
