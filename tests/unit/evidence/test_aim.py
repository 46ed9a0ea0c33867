"""Whom a probe may be aimed at, whatever a hostile zone says."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.evidence.aim import may_probe

FORBIDDEN_IPV4 = (
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
)
ALLOWED_IPV4 = ("192.0.2.1", "127.0.0.1", "10.1.2.3", "192.168.1.1", "100.64.0.1", "8.8.8.8")


@pytest.mark.parametrize("address", FORBIDDEN_IPV4)
def test_link_local_metadata_multicast_and_unspecified_addresses_are_never_probed(address: str) -> None:
    assert not may_probe(address)


@pytest.mark.parametrize(
    "address", ["::", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254", "fd20:ce::254", "fec0::1"]
)
def test_the_same_holds_for_ipv6(address: str) -> None:
    assert not may_probe(address)


@pytest.mark.parametrize("address", [*ALLOWED_IPV4, "::1", "2001:db8::1", "fd00::1"])
def test_loopback_private_and_public_addresses_may_be_probed(address: str) -> None:
    assert may_probe(address)


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2", "192.0.2.256", "192.0.2.1/32", "1.2.3.4 ", "::g"])
def test_a_text_that_is_no_address_is_not_probed(text: str) -> None:
    assert not may_probe(text)


def _disguised(address: IPv4Address) -> list[str]:
    """Return every way in which an IPv6 address leads to an IPv4 one."""
    number = int(address)
    return [
        f"::ffff:{address}",  # mapped, RFC 4291 section 2.5.5.2
        f"::{address}",  # compatible, section 2.5.5.1
        f"::ffff:0:{address}",  # translated, RFC 2765
        f"64:ff9b::{address}",  # NAT64, RFC 6052
        str(IPv6Address((0x2002 << 112) | (number << 80) | 1)),  # 6to4, RFC 3056
        str(IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF))),  # Teredo, RFC 4380: the client, inverted
    ]


@pytest.mark.parametrize("address", [address for address in FORBIDDEN_IPV4 if not address.startswith("0.")])
def test_an_ipv4_address_is_not_reached_in_the_disguise_of_an_ipv6_one(address: str) -> None:
    assert [text for text in _disguised(IPv4Address(address)) if may_probe(text)] == []


def test_local_nat64_is_not_probed_since_its_ipv4_address_cannot_be_told() -> None:
    assert not may_probe("64:ff9b:1::a9fe:a9fe")


@given(st.ip_addresses(v=4).filter(lambda address: int(address) > 0xFFFF))
def test_a_disguise_changes_nothing(address: IPv4Address) -> None:
    assert {may_probe(text) for text in _disguised(address)} == {may_probe(str(address))}
