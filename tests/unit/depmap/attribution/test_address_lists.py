"""The lists that providers publish, in each of their forms."""

import json
from pathlib import Path

import pytest

from standfast.depmap.attribution.address_lists import Place, read_address_list, table_of_places
from standfast.depmap.attribution.ranges import RangeTable
from standfast.depmap.errors import ModelError
from standfast.depmap.statements import Witness

AWS = {
    "syncToken": "1787411825",
    "createDate": "2026-08-22-15-17-05",
    "prefixes": [
        {"ip_prefix": "192.0.2.0/24", "region": "us-west-2", "service": "AMAZON", "network_border_group": "us-west-2"},
        {
            "ip_prefix": "192.0.2.0/25",
            "region": "us-west-2",
            "service": "EC2",
            "network_border_group": "us-west-2-lax-1",
        },
        {"ip_prefix": "192.0.2.8/32", "region": "GLOBAL", "service": "CLOUDFRONT", "network_border_group": "GLOBAL"},
    ],
    "ipv6_prefixes": [
        {"ipv6_prefix": "2001:db8::/48", "region": "us-east-1", "service": "S3", "network_border_group": "us-east-1"}
    ],
}
GOOGLE = {
    "creationTime": "2026-08-21T19:16:28.780563",
    "prefixes": [
        {"ipv4Prefix": "198.51.100.0/24", "service": "Google Cloud", "scope": "europe-west1"},
        {"ipv6Prefix": "2001:db8:1::/48", "service": "Google Cloud", "scope": "global"},
    ],
}
ORACLE = {
    "last_updated_timestamp": "2026-07-21T07:13:25.457838",
    "regions": [{"region": "us-ashburn-1", "cidrs": [{"cidr": "203.0.113.0/24", "tags": ["OSN", "OBJECT_STORAGE"]}]}],
}
AZURE = {
    "changeNumber": 300,
    "cloud": "Public",
    "values": [
        {"name": "AzureCloud.eastus", "properties": {"region": "eastus", "addressPrefixes": ["198.51.100.0/24"]}},
        {"name": "Storage", "properties": {"region": "", "addressPrefixes": ["198.51.100.0/28", "2001:db8:2::/48"]}},
    ],
}
FASTLY = {"addresses": ["203.0.113.0/24"], "ipv6_addresses": ["2001:db8:3::/48"]}
CLOUDFLARE = {"result": {"ipv4_cidrs": ["192.0.2.0/24"], "ipv6_cidrs": ["2001:db8:4::/48"]}, "success": True}


def table(document: object, *, file: str = "list.json") -> RangeTable[Place]:
    text = document if isinstance(document, str) else json.dumps(document)
    return table_of_places([(read_address_list(text.encode(), file=file), Witness(reader="ranges", where=file))])


def where(found: Place | None) -> tuple[str, str, str, tuple[str, ...]]:
    assert found is not None
    return found.provider, found.region, found.zone, found.services


@pytest.mark.parametrize(
    ("document", "address", "place"),
    [
        (AWS, "192.0.2.200", ("aws", "us-west-2", "", ())),
        (AWS, "192.0.2.100", ("aws", "us-west-2", "us-west-2-lax-1", ("ec2",))),
        (AWS, "192.0.2.8", ("aws", "", "", ("ec2", "cloudfront"))),
        (AWS, "2001:db8::1", ("aws", "us-east-1", "", ("s3",))),
        (GOOGLE, "198.51.100.1", ("google", "europe-west1", "", ())),
        (GOOGLE, "2001:db8:1::1", ("google", "", "", ())),
        (ORACLE, "203.0.113.1", ("oracle", "us-ashburn-1", "", ("object_storage",))),
        (AZURE, "198.51.100.1", ("azure", "eastus", "", ("storage",))),
        (AZURE, "2001:db8:2::1", ("azure", "", "", ("storage",))),
        (FASTLY, "2001:db8:3::1", ("fastly", "", "", ())),
        (CLOUDFLARE, "192.0.2.1", ("cloudflare", "", "", ())),
    ],
)
def test_a_list_is_known_by_its_form(document: object, address: str, place: tuple[object, ...]) -> None:
    assert where(table(document).of(address)) == place


@pytest.mark.parametrize("file", ["hosting.txt", "Hosting-v4-ip-ranges.txt", "hosting.csv"])
def test_a_list_of_lines_is_of_the_provider_that_its_file_is_called_after(file: str) -> None:
    lines = "# of 2026\n192.0.2.0/24,US,US-CA,Los Angeles,\n2001:db8::/48 # the new one\n"
    found = table(lines, file=file)
    assert where(found.of("192.0.2.9")) == where(found.of("2001:db8::9")) == ("hosting", "", "", ())


@pytest.mark.parametrize(("document", "day"), [(AWS, "2026-08-22"), (GOOGLE, "2026-08-21"), (ORACLE, "2026-07-21")])
def test_a_list_says_when_it_was_published(document: object, day: str) -> None:
    assert read_address_list(json.dumps(document).encode(), file="list.json").dated == day


def test_entries_that_are_no_ranges_are_told_and_the_others_taken() -> None:
    broken = AWS | {"prefixes": [*AWS["prefixes"], {"region": "us-east-1"}, None, {"ip_prefix": "192.0.2.0/33"}]}
    read = read_address_list(json.dumps(broken).encode(), file="list.json")
    assert (len(read.ranges), read.unread) == (4, ("", "", "192.0.2.0/33"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"prefixes": [', "is no JSON, or cut off"),
        ("[" * 100_000, "is no JSON, or cut off"),
        ('{"servers": []}', "is no list of address ranges in a form that is known"),
        ('{"addresses": [], "ipv6_addresses": []}', "lists no address range"),
        ("<html>not here</html>", "lists no address range"),
        ("", "lists no address range"),
    ],
)
def test_what_is_no_list_is_refused(text: str, why: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_address_list(text.encode(), file="list.json")
    assert str(caught.value) == f"list.json: {why}"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("52.94.0.1", ("aws", "us-east-1", "", ("dynamodb",))),
        ("15.181.232.1", ("aws", "us-east-1", "us-east-1-iah-1", ("ec2",))),
        ("205.251.196.1", ("aws", "", "", ("route53",))),
        ("104.16.1.1", ("cloudflare", "", "", ())),
        ("2606:4700::1", ("cloudflare", "", "", ())),
        ("151.101.1.1", ("fastly", "", "", ())),
        ("34.80.1.1", ("google", "asia-east1", "", ())),
        ("129.80.0.1", ("oracle", "us-ashburn-1", "", ("oci",))),
    ],
)
def test_real_lists_say_where_real_addresses_are(shared_data: Path, address: str, place: tuple[object, ...]) -> None:
    lists = [
        (read_address_list(path.read_bytes(), file=path.name), Witness(reader="ranges", where=path.name))
        for path in sorted((shared_data / "providers").iterdir())
    ]
    assert not [each.unread for each, _ in lists if each.unread]
    assert where(table_of_places(lists).of(address)) == place
