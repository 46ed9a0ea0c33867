"""Who is served and how often: the networks, the buckets, and what those get who are turned away."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.io.clients.limits import (
    ALLOW_DEFAULT,
    BURST_S,
    REFUSALS_QPS,
    TRUNCATIONS_QPS,
    Admission,
    Gate,
    Limits,
    Rate,
    is_loopback,
)

SOMEBODY, NEIGHBOUR, STRANGER = (ip_address(text).packed for text in ("10.0.0.1", "10.0.0.2", "192.0.2.1"))
START_S = 1_790_000_000.0
TIMES = st.lists(st.floats(min_value=0, max_value=10), min_size=1, max_size=200).map(sorted)


def packed(text: str) -> bytes:
    return ip_address(text).packed


def gate(*allow: str, qps: float = 0, clients_max: int = 100) -> Gate:
    networks = tuple(map(ip_network, allow)) or ALLOW_DEFAULT
    return Gate(Limits(allow=networks, rate_limit_qps=qps), clients_max=clients_max)


# Who

INSIDE = """127.0.0.1 127.255.255.255 ::1 10.1.2.3 172.16.0.1 172.31.255.255 192.168.9.9 100.64.0.1 100.127.255.255
169.254.20.10 fc00::1 fd12:3456::1 fe80::1""".split()
OUTSIDE = """0.0.0.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 172.15.255.255
172.32.0.0 192.0.2.1 192.167.255.255 192.169.0.0 ::2 2001:db8::1 fbff::1 fe00::1 fec0::1 ff02::1""".split()


@pytest.mark.parametrize("address", INSIDE)
def test_this_machine_and_private_networks_are_served_unless_told_otherwise(address: str) -> None:
    assert gate().admit(packed(address), START_S) is Admission.SERVE
    assert gate().admit_connection(packed(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_nobody_else_is(address: str) -> None:
    asked = gate()
    assert asked.admit(packed(address), START_S) is Admission.REFUSE
    assert not asked.admit_connection(packed(address))
    assert asked.outside == 2


NETWORKS = st.lists(
    st.ip_addresses().flatmap(
        lambda address: st.integers(0, address.max_prefixlen).map(
            lambda bits: ip_network(f"{address}/{bits}", strict=False)
        )
    ),
    min_size=1,
    max_size=5,
)


@given(networks=NETWORKS, others=st.lists(st.ip_addresses(), max_size=20), data=st.data())
def test_an_address_is_let_in_if_it_is_in_a_network_however_often_others_of_its_64_came_before(
    networks: list[object], others: list[object], data: st.DataObject
) -> None:
    nets = [ip_network(str(each)) for each in networks]
    near = [net.network_address + data.draw(st.integers(0, min(net.num_addresses - 1, 300))) for net in nets]
    beside = [ip_address(packed(str(each))[:-1] + bytes((data.draw(st.integers(0, 255)),))) for each in near]
    asked = Gate(Limits(allow=tuple(nets), rate_limit_qps=0), clients_max=3)
    for address in (*near, *beside, *(ip_address(str(each)) for each in others), *near):
        admitted = asked.admit(address.packed, START_S) is Admission.SERVE
        assert admitted == any(address in net for net in nets if net.version == address.version)


# How often


@given(times=TIMES, qps=st.floats(min_value=0.5, max_value=50), burst=st.integers(1, 20))
def test_in_no_span_of_time_are_there_more_than_the_rate_and_a_burst(
    times: list[float], qps: float, burst: int
) -> None:
    rate = Rate(qps, burst=burst)
    taken = [at_s for at_s in times if rate.take(b"x", at_s)]
    for first, begin_s in enumerate(taken):
        for number, end_s in enumerate(taken[first:], start=1):
            assert number <= burst + qps * (end_s - begin_s) + 1e-6


@given(times=TIMES, qps=st.floats(min_value=0.5, max_value=50), burst=st.integers(1, 20))
def test_a_bucket_that_is_refused_was_really_empty(times: list[float], qps: float, burst: int) -> None:
    rate = Rate(qps, burst=burst)
    tokens, before_s = float(burst), times[0]
    for at_s in times:
        tokens, before_s = min(burst, tokens + qps * (at_s - before_s)), at_s
        taken = rate.take(b"x", at_s)
        if abs(tokens - 1) > 1e-6:  # at the very edge the rounding decides
            assert taken == (tokens >= 1)
        tokens -= taken


@given(
    keys=st.lists(st.binary(min_size=1, max_size=1), max_size=300),
    step_s=st.floats(min_value=0, max_value=0.5),
    keys_max=st.integers(1, 10),
)
def test_no_more_buckets_are_kept_than_there_may_be(keys: list[bytes], step_s: float, keys_max: int) -> None:
    rate = Rate(10, burst=20, keys_max=keys_max)
    for number, key in enumerate(keys):
        rate.take(key, number * step_s)
        assert len(rate) <= keys_max


def test_making_room_does_not_give_a_flooder_a_new_burst() -> None:
    rate = Rate(10, burst=20, keys_max=50)
    assert sum(rate.take(b"flooder", START_S) for _ in range(100)) == 20
    for number in range(1000):
        rate.take(number.to_bytes(2, "big"), START_S + number * 0.001 * 10)
        if number < 100:
            assert sum(rate.take(b"flooder", START_S) for _ in range(100)) == 0


def test_a_client_over_its_rate_does_not_cost_its_neighbour_anything() -> None:
    asked = gate(qps=10)
    admitted = [asked.admit(SOMEBODY, START_S) for _ in range(1000)]
    assert admitted.count(Admission.SERVE) == 10 * BURST_S
    assert asked.limited == 1000 - 10 * BURST_S
    assert asked.admit(NEIGHBOUR, START_S) is Admission.SERVE
    assert asked.admit(SOMEBODY, START_S + 1) is Admission.SERVE


def test_addresses_of_one_64_are_one_client_and_the_next_64_is_another() -> None:
    asked = gate(qps=10)
    served = [asked.admit(packed(f"fd00::{number:x}"), START_S) is Admission.SERVE for number in range(1, 100)]
    assert sum(served) == 10 * BURST_S
    assert asked.admit(packed("fd00:0:0:1::1"), START_S) is Admission.SERVE


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_has_no_limit(address: str) -> None:
    asked = gate(qps=1)
    assert is_loopback(packed(address))
    assert all(asked.admit(packed(address), START_S) is Admission.SERVE for _ in range(1000))


def test_a_rate_of_zero_is_none() -> None:
    asked = gate(qps=0)
    assert all(asked.admit(SOMEBODY, START_S) is Admission.SERVE for _ in range(1000))


def test_a_rate_below_one_still_lets_somebody_ask() -> None:
    asked = gate(qps=0.1)
    assert asked.admit(SOMEBODY, START_S) is Admission.SERVE
    assert asked.admit(SOMEBODY, START_S + 9.9) is not Admission.SERVE
    assert asked.admit(SOMEBODY, START_S + 10.1) is Admission.SERVE


# What those get who are turned away


def test_strangers_are_told_so_a_few_times_a_second_in_all_and_then_get_silence() -> None:
    asked = gate(qps=1)
    told = [asked.admit(bytes((192, 0, 2, number % 256)), START_S) for number in range(1000)]
    assert told.count(Admission.REFUSE) == REFUSALS_QPS
    told = [asked.admit(STRANGER, START_S + 1 + second) for second in range(3) for _ in range(1000)]
    assert told.count(Admission.REFUSE) == pytest.approx(3 * REFUSALS_QPS, abs=3)
    assert set(told) == {Admission.REFUSE, Admission.DROP}


def test_clients_over_their_rate_are_sent_to_tcp_so_often_in_all_and_strangers_take_nothing_of_it() -> None:
    asked = gate(qps=1)
    for _ in range(5000):
        asked.admit(STRANGER, START_S)
    told = [asked.admit(bytes((10, 0, number % 7, 1)), START_S) for number in range(5000)]
    assert told.count(Admission.SERVE) == 7 * BURST_S
    assert told.count(Admission.TRUNCATE) == pytest.approx(TRUNCATIONS_QPS, abs=2)
    assert asked.admit(NEIGHBOUR, START_S) is Admission.SERVE


def test_who_is_outside_does_not_fill_the_memory() -> None:
    asked = gate("10.0.0.0/8", qps=10, clients_max=4)
    for number in range(100):
        asked.admit(bytes((192, 0, 2, number)), START_S)
        asked.admit(bytes((10, 0, 2, number)), START_S)
        assert len(asked._known) <= 4
        assert STRANGER not in asked._known
