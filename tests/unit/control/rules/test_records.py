"""Rules on what comes: addresses that are ours, times to live, aliases that stand alone, and copies that are proven."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning import NAME, NOW_S, ZONE, inputs, managed, pool, said, standing, zone
from standfast.control.facts import Proof
from standfast.control.rules.bounds import Bounds
from standfast.dns.model import RRset, RRType
from standfast.dns.rdata import rrset_from_text

POOLS = {"a": pool("+192.0.2.1 +192.0.2.2"), "b": pool("+198.51.100.1")}
ONE = standing(NAME, "192.0.2.1")
MOVED = standing(NAME, "198.51.100.1")
MX = rrset_from_text(NAME, RRType.MX, 3_600, ["10 mail.example.com."])

networks = st.builds(
    lambda address, spared: ip_network((address, address.max_prefixlen - min(spared, address.max_prefixlen)), False),
    st.ip_addresses(),
    st.integers(0, 128),
)


def test_unknown_address_fires_where_no_pool_of_the_name_has_it() -> None:
    then = standing(NAME, "192.0.2.1", "192.0.2.66")
    assert said("unknown-address", zone(managed()), inputs(POOLS), ONE, then) == [f"refuse {NAME}"]


def test_unknown_address_fires_where_only_another_names_pool_has_it() -> None:
    assert said("unknown-address", zone(managed(NAME, "a")), inputs(POOLS), ONE, MOVED) == [f"refuse {NAME}"]


def test_unknown_address_fires_outside_the_networks_that_are_allowed() -> None:
    narrow = inputs(POOLS, bounds=Bounds(networks=("192.0.2.0/24",)))
    assert said("unknown-address", zone(managed()), narrow, ONE, MOVED) == [f"refuse {NAME}"]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "ff02::1"]
)
def test_unknown_address_fires_for_what_no_client_reaches(address: str) -> None:
    index, facts = zone(managed(NAME, "a")), inputs({"a": pool(f"+{address}")}, bounds=Bounds())
    assert said("unknown-address", index, facts, {}, standing(NAME, address)) == [f"refuse {NAME}"]


def test_unknown_address_fires_for_written_addresses_too() -> None:
    written = standing("a.example.com.", "127.0.0.1")
    index, facts = zone(records=list(written["a.example.com."].values())), inputs({}, bounds=Bounds())
    assert said("unknown-address", index, facts, {}, written) == ["refuse a.example.com."]


@pytest.mark.parametrize(("rtype", "octets"), [(RRType.A, 3), (RRType.A, 16), (RRType.AAAA, 4), (RRType.AAAA, 17)])
@pytest.mark.parametrize("networks", [(), ("0.0.0.0/0", "::/0")])
def test_unknown_address_fires_for_data_that_are_no_address(rtype: int, octets: int, networks: tuple[str, ...]) -> None:
    written = {NAME: {rtype: RRset(owner=NAME, rtype=rtype, ttl_s=60, rdatas=(b"\x08" * octets,))}}
    index, facts = zone(records=list(written[NAME].values())), inputs({}, bounds=Bounds(networks=networks))
    assert said("unknown-address", index, facts, {}, written) == [f"refuse {NAME}"]


@given(st.lists(networks, min_size=1, max_size=4), st.data())
def test_an_address_lies_in_networks_as_the_library_says(
    allowed: Sequence[IPv4Network | IPv6Network], data: st.DataObject
) -> None:
    near = st.sampled_from(allowed).flatmap(lambda network: st.sampled_from([network[0], network[-1]]))
    address = data.draw(near | st.ip_addresses())
    written = standing(NAME, str(address))
    facts = inputs({}, bounds=Bounds(networks=tuple(map(str, allowed))))
    inside = any(address in network for network in allowed if network.version == address.version)
    found = said("unknown-address", zone(records=list(written[NAME].values())), facts, {}, written)
    assert found == ([] if inside else [f"refuse {NAME}"])


def test_unknown_address_only_warns_of_an_address_for_documentation() -> None:
    assert said("unknown-address", zone(managed()), inputs(POOLS, bounds=Bounds()), {}, ONE) == [f"warn {NAME}"]


def test_unknown_address_is_silent_where_an_endpoint_of_its_pools_comes() -> None:
    assert said("unknown-address", zone(managed()), inputs(POOLS), ONE, MOVED) == []


def test_unknown_address_is_silent_where_what_stood_already_stays() -> None:
    before = standing(NAME, "192.0.2.1", "192.0.2.66", "192.0.2.67")
    assert said("unknown-address", zone(managed()), inputs(POOLS), before, standing(NAME, "192.0.2.66")) == []


def test_unknown_address_is_silent_for_private_addresses_that_the_intent_has() -> None:
    pools = inputs({"a": pool("+10.1.2.3 +fd00::1")}, bounds=Bounds())
    assert said("unknown-address", zone(managed(NAME, "a")), pools, {}, standing(NAME, "10.1.2.3", "fd00::1")) == []


@pytest.mark.parametrize("ttl_s", [0, 4, 3_601, 86_400])
def test_ttl_bounds_fires_where_a_managed_name_lives_too_short_or_too_long(ttl_s: int) -> None:
    then = standing(NAME, "192.0.2.1", ttl_s=ttl_s)
    assert said("ttl-bounds", zone(managed()), inputs(POOLS), ONE, then) == [f"refuse {NAME}"]


def test_ttl_bounds_fires_where_a_written_record_lives_longer_than_a_week() -> None:
    long = RRset(owner=NAME, rtype=MX.rtype, ttl_s=604_801, rdatas=MX.rdatas)
    assert said("ttl-bounds", zone(records=[long]), inputs({}), {}, {NAME: {MX.rtype: long}}) == [f"refuse {NAME}"]


@pytest.mark.parametrize("ttl_s", [5, 60, 3_600])
def test_ttl_bounds_is_silent_within_the_bounds(ttl_s: int) -> None:
    assert said("ttl-bounds", zone(managed()), inputs(POOLS), {}, standing(NAME, "192.0.2.1", ttl_s=ttl_s)) == []


def test_ttl_bounds_is_silent_where_a_time_to_live_stays_as_it_was() -> None:
    before, then = standing(NAME, "192.0.2.1", ttl_s=9_000), standing(NAME, "192.0.2.2", ttl_s=9_000)
    assert said("ttl-bounds", zone(managed()), inputs(POOLS), before, then) == []


def test_cname_alone_fires_where_an_alias_stands_beside_others() -> None:
    then = {NAME: standing(NAME, "lb.example.net.")[NAME] | {MX.rtype: MX}}
    assert said("cname-alone", zone(managed()), inputs(POOLS), {}, then) == [f"refuse {NAME}"]


def test_cname_alone_fires_where_there_are_two() -> None:
    then = standing(NAME, "lb.example.net.", "cdn.example.net.")
    assert said("cname-alone", zone(managed()), inputs(POOLS), {}, then) == [f"refuse {NAME}"]


def test_cname_alone_fires_at_the_apex() -> None:
    assert said("cname-alone", zone(managed(ZONE)), inputs(POOLS), {}, standing(ZONE, "lb.example.net.")) == [
        f"refuse {ZONE}"
    ]


def test_cname_alone_is_silent_where_it_is() -> None:
    assert said("cname-alone", zone(managed()), inputs(POOLS), ONE, standing(NAME, "lb.example.net.")) == []


def test_replica_unproven_fires_where_the_copy_was_never_proven() -> None:
    index = zone(managed(replica="orders"))
    assert said("replica-unproven", index, inputs(POOLS), ONE, MOVED) == [f"refuse {NAME}"]


def test_replica_unproven_fires_where_the_proof_has_ended() -> None:
    ended = inputs(POOLS, proofs={"orders": Proof(until_s=NOW_S)})
    assert said("replica-unproven", zone(managed(replica="orders")), ended, ONE, MOVED) == [f"refuse {NAME}"]


def test_replica_unproven_fires_where_another_pool_joins() -> None:
    both = standing(NAME, "192.0.2.1", "192.0.2.2", "198.51.100.1")
    assert said("replica-unproven", zone(managed(replica="orders")), inputs(POOLS), ONE, both) == [f"refuse {NAME}"]


def test_replica_unproven_is_silent_while_the_proof_lasts() -> None:
    proven = inputs(POOLS, proofs={"orders": Proof(until_s=NOW_S + 1)})
    assert said("replica-unproven", zone(managed(replica="orders")), proven, ONE, MOVED) == []


def test_replica_unproven_is_silent_where_the_name_stays_in_its_pool() -> None:
    then = standing(NAME, "192.0.2.2")
    assert said("replica-unproven", zone(managed(replica="orders")), inputs(POOLS), ONE, then) == []
