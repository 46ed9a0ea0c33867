"""Which ranges hold an address."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.attribution.ranges import RangeTable, number_of, span_of, table_of


def innermost(prefixes: list[str]) -> RangeTable[str]:
    return table_of([(span_of(prefix), prefix) for prefix in prefixes], lambda said: said[-1])


def test_the_longest_prefix_that_holds_an_address_is_the_last_word() -> None:
    table = innermost(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "2001:db8::/32", "2001:db8:1::/48"])
    assert [table.of(each) for each in ("10.0.0.0", "10.1.1.255", "10.1.2.0", "10.1.3.0", "10.255.255.255")] == [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "10.1.0.0/16",
        "10.0.0.0/8",
    ]
    assert table.of("2001:db8:1::9") == "2001:db8:1::/48"
    assert table.of("2001:db8:2::9") == "2001:db8::/32"
    assert table.of("9.255.255.255") is table.of("11.0.0.0") is table.of("2001:db9::") is None


def test_an_ipv4_address_written_in_ipv6_is_that_of_ipv4() -> None:
    assert innermost(["192.0.2.0/24"]).of("::ffff:192.0.2.9") == "192.0.2.0/24"


def test_an_empty_table_knows_nothing() -> None:
    assert innermost([]).of("192.0.2.1") is None


@pytest.mark.parametrize("text", ["", "www.example.com", "192.0.2", "192.0.2.256", "2001:db8", "fe80::1%eth0"])
def test_what_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whatever it says
        number_of(text)


prefixes = st.builds(
    lambda number, length: str(ip_network((number, length), strict=False)),
    st.integers(0, 2**32 - 1).map(lambda number: number & 0xE00000F0),  # few, so that they meet
    st.integers(0, 32),
)


@given(st.lists(prefixes, max_size=30), st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_a_table_says_what_looking_at_each_prefix_says(prefixes: list[str], numbers: list[int]) -> None:
    table = table_of([(span_of(prefix), prefix) for prefix in prefixes], tuple)
    networks = [ip_network(prefix) for prefix in prefixes]
    edges = [int(each) + step for network in networks for each in (network[0], network[-1]) for step in (-1, 0, 1)]
    for number in [*numbers, *(edge for edge in edges if 0 <= edge < 2**32)]:
        address = ip_address(number)
        holding = sorted((net for net in networks if address in net), key=lambda network: network.prefixlen)
        assert table.of(str(address)) == (tuple(map(str, holding)) or None)
