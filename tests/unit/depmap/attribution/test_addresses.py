"""What the addresses of a map share, by the lists that the user has."""

from dataclasses import replace

from standfast.depmap.assembly import assemble
from standfast.depmap.attribution.address_lists import read_address_list, table_of_places
from standfast.depmap.attribution.addresses import Lists, providers_of_addresses
from standfast.depmap.attribution.networks import NetworkTable
from standfast.depmap.graph import Kind, any_of
from standfast.depmap.loss import single_points
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Is, Needs, Reading, Remark, Told, Witness

BY = Witness(reader="zone", where="example.com.zone")
AWS = b"""{"createDate": "2026-08-22-15-17-05", "prefixes": [
  {"ip_prefix": "3.0.0.0/16", "region": "us-east-1", "service": "EC2", "network_border_group": "us-east-1"},
  {"ip_prefix": "3.1.0.0/16", "region": "us-west-2", "service": "EC2", "network_border_group": "us-west-2-lax-1"}],
  "ipv6_prefixes": []}"""
NETWORKS = b"3.0.0.0\t3.1.255.255\t16509\tUS\tAMAZON-02\n9.9.9.0\t9.9.9.255\t19281\tUS\tQUAD9\n"
AWS_LIST = Witness(reader="ranges", where="aws.json of 2026-08-22")
TABLE = Witness(reader="networks", where="networks.tsv of 2026-08-22")


def lists() -> Lists:
    return Lists(
        places=table_of_places([(read_address_list(AWS, file="aws.json"), AWS_LIST)]),
        networks=[(NetworkTable(NETWORKS, file="networks.tsv"), TABLE)],
    )


def attributed(*addresses: str, known: Lists | None = None) -> DependencyMap:
    told = Told(Needs("www.example.com", any_of(*addresses, role="address")), BY)
    return assemble([Reading(told=(told,))], [providers_of_addresses(lambda: known or lists())])


def test_an_address_shares_its_provider_region_zone_and_network_and_says_by_which_list() -> None:
    found = attributed("3.0.0.1", "3.1.0.1")
    assert set(found.graph.nodes["3.0.0.1"].causes) == {"provider:aws", "region:aws/us-east-1", "as:16509"}
    assert set(found.graph.nodes["3.1.0.1"].causes) == {
        "provider:aws",
        "region:aws/us-west-2",
        "az:aws/us-west-2-lax-1",
        "as:16509",
    }
    assert found.witnesses["3.0.0.1", "region:aws/us-east-1"] == (
        replace(AWS_LIST, where="aws.json of 2026-08-22 (ec2)"),
    )
    assert found.witnesses["3.0.0.1", "as:16509"] == (TABLE,)
    assert not found.remarks


def test_two_regions_of_one_provider_are_one_point_of_failure_and_no_single_region_is() -> None:
    found = attributed("3.0.0.1", "3.1.0.1")
    assert set(single_points(found.graph, "www.example.com")) == {"www.example.com", "provider:aws", "as:16509"}


def test_what_the_lists_of_an_earlier_day_said_holds_and_no_list_is_opened() -> None:
    def never() -> Lists:
        raise AssertionError

    kept = Reading(told=attributed("3.0.0.1", "9.9.9.9").told)
    assert assemble([kept], [providers_of_addresses(never)]).graph == attributed("3.0.0.1", "9.9.9.9").graph


def test_an_address_that_no_list_has_may_still_be_of_a_network() -> None:
    assert attributed("9.9.9.9").graph.nodes["9.9.9.9"].causes == ("as:19281",)


def said(found: DependencyMap) -> list[str]:
    return [remark.text for remark in found.remarks]


def test_private_addresses_are_told_once_and_without_them_no_list_is_opened() -> None:
    def never() -> Lists:
        raise AssertionError

    addresses = [f"10.0.0.{last}" for last in range(1, 8)] + ["fd00::1", "127.0.0.1", "169.254.1.1"]
    told = Told(Needs("db", any_of(*addresses)), BY)
    found = assemble([Reading(told=(told,))], [providers_of_addresses(never)])
    assert said(found) == [
        "10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5 and 5 more are of no provider: private or reserved"
    ]


def test_public_addresses_that_nobody_lists_are_told_once() -> None:
    assert said(attributed("8.8.8.8", "3.0.0.1")) == ["8.8.8.8 is in no list - `standfast map refresh` fetches lists"]


def test_a_table_of_networks_with_a_broken_line_is_named_and_the_rest_still_works() -> None:
    lines = [f"3.{at >> 8}.{at & 255}.0\t3.{at >> 8}.{at & 255}.255\t{at + 1}\tUS\tN{at}" for at in range(20_000)]
    lines[5] = "3.0.5.0\t3.0.5.255\tsome\tUS\tN5"
    known = Lists(
        places=lists().places, networks=[(NetworkTable("\n".join(lines).encode(), file="networks.tsv"), TABLE)]
    )
    found = attributed("3.0.5.1", "3.1.0.1", known=known)
    assert set(found.graph.nodes["3.0.5.1"].causes) == {"provider:aws", "region:aws/us-east-1"}
    assert "as:257" in found.graph.nodes["3.1.0.1"].causes
    assert [text.partition(":")[0] for text in said(found)] == ["networks.tsv"]


def test_what_the_lists_have_to_remark_is_in_the_map() -> None:
    remark = Remark(text="google.json: is no JSON, or cut off", by=Witness(reader="ranges", where="google.json"))
    assert remark in attributed("3.0.0.1", known=Lists(places=lists().places, remarks=(remark,))).remarks


def test_an_address_on_a_link_is_looked_up_as_any_other() -> None:
    assert said(attributed("2600::1%eth0")) == ["2600::1%eth0 is in no list - `standfast map refresh` fetches lists"]
    assert said(attributed("fe80::1%eth0")) == ["fe80::1%eth0 is of no provider: private or reserved"]


def test_an_address_that_is_none_shares_nothing() -> None:
    told = Told(Is("the front's address", Kind.ADDRESS), BY)
    found = assemble([Reading(told=(told,))], [providers_of_addresses(lists)])
    assert not found.graph.nodes["the front's address"].causes
    assert not found.remarks
