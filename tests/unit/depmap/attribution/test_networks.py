"""Which network announces an address."""

import pytest

from standfast.depmap.attribution.networks import Network, NetworkTable
from standfast.depmap.errors import ModelError

TABLE = """\
192.0.2.0\t192.0.2.127\t64496\tUS\tFIRST
192.0.2.128\t192.0.2.255\t0\tNone\tNot routed
198.51.100.0\t198.51.100.255\t64497\tDE\tSECOND, of Berlin
203.0.113.0\t203.0.113.255\t64496\tUS\tFIRST
2001:db8::\t2001:db8:0:ffff:ffff:ffff:ffff:ffff\t64498\tJP\tTHIRD
"""
FIRST, SECOND, THIRD = Network(64496, "FIRST"), Network(64497, "SECOND, of Berlin"), Network(64498, "THIRD")


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.0", FIRST),
        ("192.0.2.127", FIRST),
        ("192.0.2.128", None),
        ("198.51.100.7", SECOND),
        ("198.51.101.0", None),
        ("203.0.113.255", FIRST),
        ("203.0.114.0", None),
        ("1.0.0.1", None),
        ("2001:db8::1", THIRD),
        ("2001:db8:1::1", None),
    ],
)
def test_the_range_that_holds_an_address_says_its_network(address: str, network: Network | None, ends: str) -> None:
    assert NetworkTable(TABLE.replace("\n", ends).encode(), file="networks.tsv").of(address) == network


def test_a_table_of_many_lines_is_searched_to_its_last() -> None:
    lines = [f"10.{at >> 8}.{at & 255}.0\t10.{at >> 8}.{at & 255}.255\t{at + 1}\tUS\tN{at}" for at in range(5_000)]
    table = NetworkTable("\n".join(lines).encode(), file="networks.tsv")
    found = [table.of(f"10.{at >> 8}.{at & 255}.77") for at in range(5_000)]
    assert [each.number if each else None for each in found] == list(range(1, 5_001))
    assert table.ranges == 5_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "lists no network"),
        ("\n\n", "lists no network"),
        ("<html>", "at octet 0 there must be two addresses, a number, a country and a name"),
        ("192.0.2.0\t192.0.2.1\tmany\tUS\tX", "at octet 0 there must be two addresses, a number, a country and a name"),
        ("\n".join(reversed(TABLE.splitlines())), "its ranges do not rise (octet 60)"),
    ],
)
def test_what_is_no_table_is_refused(text: str, why: str) -> None:
    with pytest.raises(ModelError) as caught:
        NetworkTable(text.encode(), file="networks.tsv")
    assert str(caught.value).startswith(f"networks.tsv: {why.partition(' (')[0]}")
