"""Name servers are grouped by who runs them, whatever they are called."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from standfast.depmap.assembly import assemble
from standfast.depmap.attribution.operators import operators
from standfast.depmap.graph import any_of
from standfast.depmap.loss import single_points
from standfast.depmap.merging import DependencyMap
from standfast.depmap.naming import zones_by_server
from standfast.depmap.readers import zone_file
from standfast.depmap.statements import Needs, Reading, Shares, Told, Witness
from standfast.io.depmap.public_suffixes import public_suffixes

SUFFIXES = public_suffixes()
ROUTE53 = ("ns-2048.awsdns-64.com", "ns-1025.awsdns-00.org", "ns-513.awsdns-00.net", "ns-1600.awsdns-08.co.uk")
HAND = Witness(reader="handwritten", where="map.yaml")


def test_four_servers_of_one_operator_are_one_point_of_failure_and_a_second_operator_removes_it() -> None:
    alone = _map({"example.org": ROUTE53})
    assert single_points(alone.graph, "zone:example.org") == ["zone:example.org", "dns:aws"]
    both = _map({"example.org": (*ROUTE53, "dns1.p01.nsone.net")})
    assert single_points(both.graph, "zone:example.org") == ["zone:example.org"]


@pytest.mark.parametrize(
    ("servers", "names"),
    [
        (["ns1-01.azure-dns.com", "ns2-01.azure-dns.net", "ns3-01.azure-dns.org"], {"dns:azure"}),
        (["pdns1.ultradns.net", "pdns5.ultradns.info", "pdns6.ultradns.co.uk"], {"dns:ultradns"}),
        (["ns01.trs-dns.com", "ns01.trs-dns.net", "ns01.trs-dns.info"], {"dns:trs-dns.com"}),
        (["ns1.nic.fr", "ns1.nic.uk"], {"dns:nic.fr", "dns:nic.uk"}),  # a label that many have is none of one operator
        (["a.root-servers.net", "b.root-servers.net", "j.root-servers.net"], {"dns:verisign", "dns:usc-isi"}),
        (["ns1.example.org", "ns2.example.org"], {"dns:example.org"}),
    ],
)
def test_servers_are_of_one_operator_by_what_is_known_and_by_their_names(
    servers: Sequence[str], names: set[str]
) -> None:
    assert set(_operators(_map({"example.org": servers})).values()) == names


def test_a_label_under_two_suffixes_says_nothing_where_no_zone_has_both() -> None:
    found = _operators(_map({"example.org": ["ns1.acme.com"], "example.net": ["ns1.acme.net"]}))
    assert set(found.values()) == {"dns:acme.com", "dns:acme.net"}


def test_servers_with_an_address_in_common_are_of_one_operator() -> None:
    addresses = {"ns1.acme.com": ["192.0.2.1", "192.0.2.2"], "ns1.example.org": ["192.0.2.2"]}
    found = _operators(_map({"example.org": ["ns1.example.org"], "example.net": ["ns1.acme.com"]}, addresses))
    assert found == {"ns1.example.org": "dns:acme.com", "ns1.acme.com": "dns:acme.com"}


def test_names_that_a_customer_gave_make_no_one_of_two_operators() -> None:
    addresses = {"ns1.acme.com": ["192.0.2.1"], "ns1.other.net": ["192.0.2.2"]} | {
        "a.example.org": ["192.0.2.1"],
        "b.example.org": ["192.0.2.2"],
    }
    zones = {"example.org": ["a.example.org", "b.example.org"], "example.net": ["ns1.acme.com", "ns1.other.net"]}
    assert set(_operators(_map(zones, addresses)).values()) == {"dns:acme.com", "dns:other.net"}


def test_known_operators_stay_two_though_they_share_an_address() -> None:
    addresses = {ROUTE53[0]: ["192.0.2.1"], "dns1.p01.nsone.net": ["192.0.2.1"]}
    found = _operators(_map({"example.org": [ROUTE53[0], "dns1.p01.nsone.net"]}, addresses))
    assert set(found.values()) == {"dns:aws", "dns:ns1"}


def test_what_a_reader_has_said_of_a_server_stands() -> None:
    told = (
        Told(Needs("zone:example.org", any_of("ns1.example.org", role="server")), HAND),
        Told(Shares("ns1.example.org", "dns:aws"), HAND),
    )
    found = assemble([Reading(told=told)], [operators(SUFFIXES)])
    assert found.graph.nodes["ns1.example.org"].causes == ("dns:aws",)


def test_76_top_level_domains_have_servers_of_one_operator_under_several_top_level_domains(shared_data: Path) -> None:
    root = zone_file.read((shared_data / "zones" / "root.zone").read_bytes(), file="root.zone")
    found = assemble([root], [operators(SUFFIXES)])
    operator_of = _operators(found)
    zones: dict[str, list[str]] = {}
    for server, served in zones_by_server(found.graph).items():
        for zone in served:
            zones.setdefault(zone, []).append(server)
    assert {operator_of[server] for server in zones["zone:."]} > {"dns:verisign", "dns:isc", "dns:ripe"}
    trap = {zone: servers for zone, servers in zones.items() if any(".trs-dns." in server for server in servers)}
    spelled = [{server.split(".", 1)[1] for server in servers if ".trs-dns." in server} for servers in trap.values()]
    assert len(trap) == 76
    assert min(map(len, spelled)) >= 2
    assert {operator_of[server] for servers in trap.values() for server in servers if ".trs-dns." in server} == {
        "dns:trs-dns.com"
    }
    single = [zone for zone, servers in trap.items() if len({operator_of[server] for server in servers}) == 1]
    assert len(single) == 72


def _map(zones: Mapping[str, Sequence[str]], addresses: Mapping[str, Sequence[str]] | None = None) -> DependencyMap:
    told = [Told(Needs(f"zone:{zone}", any_of(*servers, role="server")), HAND) for zone, servers in zones.items()]
    told += [Told(Needs(name, any_of(*those, role="address")), HAND) for name, those in (addresses or {}).items()]
    return assemble([Reading(told=tuple(told))], [operators(SUFFIXES)])


def _operators(found: DependencyMap) -> dict[str, str]:
    return {
        name: cause for name, node in found.graph.nodes.items() for cause in node.causes if cause.startswith("dns:")
    }
