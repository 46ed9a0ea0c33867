"""What passes between the guard and a worker arrives as it was sent."""

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from standfast.io.clients.batch import OCTETS, SLOTS, Datagram
from standfast.io.clients.limits import Admission, Limits, Network
from standfast.io.workers.link import (
    TO_GUARD_OCTETS_MAX,
    TO_WORKER_OCTETS_MAX,
    Asked,
    HandedSocket,
    Orders,
    Prepare,
    Void,
    decode_asked,
    decode_orders,
    decode_to_worker,
    encode_asked,
    encode_orders,
    encode_to_worker,
    make_channel,
)

UINT32 = st.integers(0, 2**32 - 1)
ADDRESSES = st.one_of(
    st.tuples(st.ip_addresses(v=4).map(str), st.integers(0, 65_535)),
    st.tuples(st.ip_addresses(v=6).map(str), st.integers(0, 65_535), UINT32, UINT32),
)
ANCILLARY = st.none() | st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 300), st.binary(max_size=40)), min_size=1, max_size=3
)
DATAGRAMS = st.builds(Datagram, st.binary(max_size=OCTETS), ADDRESSES, ANCILLARY)
TIMES = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.builds(Asked, st.integers(0, 255), DATAGRAMS, st.sampled_from(Admission)), max_size=8))
def test_datagrams_that_are_handed_on_arrive_whole_with_their_senders(asked: list[Asked]) -> None:
    assert list(decode_asked(encode_asked(asked))) == asked


@given(
    st.builds(Void, st.binary(max_size=OCTETS))
    | st.builds(
        Prepare,
        query=st.binary(max_size=OCTETS),
        answer=st.binary(max_size=1232),
        stored_at_s=TIMES,
        expires_at_s=TIMES,
        now=TIMES,
    )
)
def test_what_the_guard_says_arrives_as_it_was_said(said: Prepare | Void) -> None:
    assert decode_to_worker(encode_to_worker(said)) == said


@given(st.lists(st.ip_addresses().map(lambda address: ip_network(f"{address}/{address.max_prefixlen}"))), TIMES, TIMES)
def test_orders_arrive_as_they_were_given(allow: list[Network], qps: float, offset_s: float) -> None:
    orders = Orders(
        sockets=(HandedSocket(fd=7, tells_local=True, gated=False), HandedSocket(fd=8, tells_local=False, gated=True)),
        limits=Limits(allow=tuple(allow), rate_limit_qps=qps),
        clock_offset_s=offset_s,
    )
    assert decode_orders(encode_orders(orders)) == orders


def test_the_largest_message_of_each_kind_fits() -> None:
    wire = bytes(OCTETS)
    address = ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%interface-of-15", 65_535, 0, 0)
    batch = [Asked(63, Datagram(wire, address, [(41, 50, bytes(20))]))] * SLOTS
    largest = encode_asked(batch)
    assert len(largest) <= TO_GUARD_OCTETS_MAX
    prepare = Prepare(query=wire, answer=wire, stored_at_s=0.0, expires_at_s=0.0, now=0.0)
    assert len(encode_to_worker(prepare)) <= TO_WORKER_OCTETS_MAX
    here, there = make_channel()
    with here, there:
        here.send(largest)
        assert there.recv(TO_GUARD_OCTETS_MAX) == largest
