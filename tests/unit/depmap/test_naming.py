"""Names find their zones, and zones their parents, as the delegations of the DNS go."""

import pytest

from standfast.depmap.assembly import assemble
from standfast.depmap.graph import Kind, Need, all_of, any_of
from standfast.depmap.loss import blast_radius, single_points
from standfast.depmap.merging import DependencyMap
from standfast.depmap.naming import zones_of_names
from standfast.depmap.statements import Is, Needs, Reading, Statement, Told, Witness
from standfast.io.depmap.public_suffixes import public_suffixes

SUFFIXES = public_suffixes()
HAND = Witness(reader="handwritten", where="map.yaml")


@pytest.mark.parametrize(
    ("name", "zones"),
    [
        ("www.example.org", ["example.org", "org", "."]),
        ("www.example.co.uk", ["example.co.uk", "co.uk", "uk", "."]),
        (
            "dynamodb.us-east-1.amazonaws.com",
            ["amazonaws.com", "com", "."],
        ),  # not a registry's suffix, though on the list
        ("a.b.ck", ["a.b.ck", "b.ck", "ck", "."]),
        ("com", ["com", "."]),
        ("redis.default.svc.cluster.local", []),
    ],
)
def test_a_name_is_in_the_zone_of_its_registrable_domain(name: str, zones: list[str]) -> None:
    assert _chain(_map(Is(name, Kind.NAME)), name) == [f"zone:{zone}" for zone in zones]


def test_a_zone_that_the_map_has_is_closer_and_below_the_registrable_domain() -> None:
    found = _map(Is("db.eu.example.org", Kind.NAME), Is("zone:eu.example.org", Kind.ZONE))
    assert _chain(found, "db.eu.example.org") == [
        "zone:eu.example.org", "zone:example.org", "zone:org", "zone:.",
    ]  # fmt: skip


def test_a_zone_under_no_top_level_domain_has_no_parent() -> None:
    found = _map(Is("db.corp.internal", Kind.NAME), Is("zone:corp.internal", Kind.ZONE), Is("zone:.", Kind.ZONE))
    assert _chain(found, "db.corp.internal") == ["zone:corp.internal"]


def test_what_a_reader_has_said_stands() -> None:
    said = all_of("zone:example.org", role="zone")
    found = _map(
        Needs("db.eu.example.org", said),
        Needs("zone:example.org", all_of("zone:.", role="parent")),
        Is("zone:eu.example.org", Kind.ZONE),
    )
    assert _chain(found, "db.eu.example.org") == ["zone:example.org", "zone:."]


def test_a_server_in_its_own_zone_is_found_by_glue_in_the_parent_and_holds_nobody_up_in_a_circle() -> None:
    found = _map(
        Is("www.example.org", Kind.NAME),
        Needs("zone:example.org", any_of("ns1.example.org", "ns.example.net", role="server")),
        Needs("zone:example.net", any_of("ns.example.net", role="server")),
        Needs("zone:.", any_of("a.root-servers.net", role="server")),
    )
    assert _zone_of(found, "ns1.example.org") == "zone:org"
    assert _zone_of(found, "ns.example.net") == "zone:net"
    assert _zone_of(found, "a.root-servers.net") is None
    assert blast_radius(found.graph, ()).never_up == ()
    assert set(single_points(found.graph, "www.example.org")) == {
        "www.example.org", "zone:example.org", "zone:org", "zone:.", "a.root-servers.net",
    }  # fmt: skip


def test_a_file_that_says_of_a_server_as_of_any_name_that_it_is_in_its_zone_makes_no_circle() -> None:
    found = _map(
        Needs("zone:example.org", any_of("ns1.example.org", role="server")),
        Needs("ns1.example.org", all_of("zone:example.org", role="zone")),
    )
    assert _zone_of(found, "ns1.example.org") == "zone:org"
    assert blast_radius(found.graph, ()).never_up == ()


def test_two_zones_whose_servers_are_in_each_other_never_work() -> None:
    found = _map(
        Needs("zone:example.org", any_of("ns.example.net", role="server")),
        Needs("zone:example.net", any_of("ns.example.org", role="server")),
    )
    assert set(blast_radius(found.graph, ()).never_up) == {
        "zone:example.org", "zone:example.net", "ns.example.org", "ns.example.net",
    }  # fmt: skip


def _map(*statements: Statement) -> DependencyMap:
    reading = Reading(told=tuple(Told(statement, HAND) for statement in statements))
    return assemble([reading], [zones_of_names(SUFFIXES)])


def _chain(found: DependencyMap, name: str) -> list[str]:
    zones = []
    zone = _zone_of(found, name)
    while zone is not None:
        zones.append(zone)
        zone = next((need.parts[0] for need in _needs(found, zone) if need.role == "parent"), None)
    return zones


def _zone_of(found: DependencyMap, name: str) -> str | None:
    return next((need.parts[0] for need in _needs(found, name) if need.role == "zone"), None)


def _needs(found: DependencyMap, name: str) -> tuple[Need, ...]:
    return found.graph.nodes[name].needs
