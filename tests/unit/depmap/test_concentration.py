"""How many hang on one: against the figures that were published, and on small maps that can be counted by hand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.concentration import (
    Concentration,
    Share,
    Sort,
    concentration_of,
    concentrations,
    read_users,
    sort_of,
    users_of,
)
from standfast.depmap.errors import ModelError
from standfast.depmap.graph import DependencyGraph, Kind, Node, all_of, any_of, graph_of_nodes
from standfast.depmap.loss import blast_radius


def share(name: str, direct: int, indirect: int, critical: int, critical_direct: int) -> Share:
    return Share(name=name, direct=direct, indirect=indirect, critical=critical, critical_direct=critical_direct)


# The study ------------------------------------------------------------------------------------------------------------


def test_the_figures_of_the_study_are_those_that_were_published(shared_data: Path) -> None:
    folder = shared_data / "third-party-2020"
    places: dict[str, int] = {}
    users = read_users((folder / "DNSconc3rd").read_bytes(), file="DNSconc3rd", places=places)
    critical = read_users((folder / "DNSdamage3rd").read_bytes(), file="DNSdamage3rd", places=places)
    found = concentration_of(users, critical)
    assert [(each.name, each.users, each.critical) for each in found.shares[:3]] == [
        ("cloudflare", 23_525, 23_400),
        ("aws", 11_652, 11_442),
        ("godaddy", 4_235, 4_054),
    ]
    assert found.top_critical == 38_896
    assert (f"{found.hhi:.4f}", f"{found.hhi_critical:.4f}") == ("0.1298", "0.1403")


def test_shares_are_of_pairs_so_that_whoever_uses_two_counts_twice() -> None:
    found = concentration_of({"one": 0b1111, "two": 0b0011}, {"one": 0b1100})
    assert found.hhi == pytest.approx((4 / 6) ** 2 + (2 / 6) ** 2)
    assert (found.users, found.critical, found.hhi_critical, found.top_critical) == (4, 2, 1.0, 2)


def test_nobody_is_concentrated_on_nothing() -> None:
    assert concentration_of({}, {}) == Concentration(
        shares=(), users=0, critical=0, hhi=None, hhi_critical=None, top_critical=0
    )


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.integers(0, 40)), min_size=1))
def test_users_are_read_as_they_are_written(users: dict[str, set[int]]) -> None:
    text = "\n".join(f"{name},{':'.join(map(str, sorted(who)))}" for name, who in users.items())
    places: dict[str, int] = {}
    read = read_users(text.encode(), file="users", places=places)
    named = {place: int(user) for user, place in places.items()}
    assert {name: {named[at] for at in range(64) if bits >> at & 1} for name, bits in read.items()} == users


def test_what_two_lines_say_of_one_provider_is_put_together() -> None:
    read = read_users(
        b"dns-a,1-one.example:2-two.example\n\ndns-a,3-three.example:1-one.example\n", file="u", places={}
    )
    assert {name: bits.bit_count() for name, bits in read.items()} == {"dns-a": 3}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            b"dns-a,1-one.example\nwhatever\n",
            "u:2: here must be a provider, a comma, and its users with colons between",
        ),
        (b",1-one.example\n", "u: lists no provider"),
        (b"", "u: lists no provider"),
    ],
)
def test_what_is_no_list_of_users_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_users(text, file="u", places={})
    assert str(caught.value) == why


# A map ----------------------------------------------------------------------------------------------------------------


def site(name: str, *servers: str) -> list[Node]:
    """Return a service, reached by a name of a zone of its own, which `servers` serve."""
    zone = f"zone:{name}.example"
    return [
        Node(name=name, needs=(all_of(f"www.{name}.example"),)),
        Node(
            name=f"www.{name}.example",
            kind=Kind.NAME,
            needs=(all_of("front.cdn.example", role="alias"), all_of(zone, role="zone")),
        ),
        Node(name=zone, kind=Kind.ZONE, needs=(all_of("zone:example", role="parent"), any_of(*servers, role="server"))),
    ]


GRAPH: DependencyGraph = graph_of_nodes(
    [
        *site("shop", "ns.dns-a"),
        *site("bell", "ns.dns-a", "ns.dns-b"),
        Node(name="chat", needs=(all_of("shop"), all_of("bell", soft=True))),
        Node(
            name="front.cdn.example",
            kind=Kind.NAME,
            needs=(all_of("192.0.2.1", role="address"), all_of("zone:cdn.example", role="zone")),
        ),
        Node(
            name="192.0.2.1", kind=Kind.ADDRESS, causes=("provider:cdn", "region:cdn/west", "az:cdn/west-1", "as:64496")
        ),
        Node(name="zone:cdn.example", kind=Kind.ZONE, needs=(any_of("ns.dns-c", role="server"),)),
        Node(name="zone:example", kind=Kind.ZONE, needs=(any_of("ns.dns-d", role="server"),)),
        *[Node(name=f"ns.dns-{each}", kind=Kind.NAME_SERVER, causes=(f"dns:{each}",)) for each in "abcd"],
    ]
)


def test_who_uses_an_operator_directly_and_who_by_what_it_chose() -> None:
    found = concentrations(GRAPH, users_of(GRAPH))[Sort.DNS_OPERATOR]
    assert found.shares == (
        share("dns:c", 0, 3, 3, 0),  # of the content network that both have an alias to
        share("dns:d", 0, 3, 3, 0),  # of the parent zone
        share("dns:a", 2, 1, 2, 1),  # of the shop and the door bell; the chat needs the shop
        share("dns:b", 1, 1, 0, 0),  # the second one of the door bell
    )
    assert (found.users, found.critical) == (3, 3)


def test_the_addresses_of_an_alias_are_used_directly_and_its_zone_is_not() -> None:
    found = concentrations(GRAPH, ["shop"])
    assert found[Sort.PROVIDER].shares == (share("provider:cdn", 1, 0, 1, 1),)
    assert found[Sort.REGION].shares == (share("region:cdn/west", 1, 0, 1, 1),)
    assert found[Sort.AVAILABILITY_ZONE].shares == (share("az:cdn/west-1", 1, 0, 1, 1),)
    assert found[Sort.NETWORK].shares == (share("as:64496", 1, 0, 1, 1),)
    assert found[Sort.ZONE].shares == (
        share("zone:cdn.example", 0, 1, 1, 0),
        share("zone:example", 0, 1, 1, 0),
        share("zone:shop.example", 1, 0, 1, 1),
    )
    assert Sort.OTHER not in found


def test_who_needs_a_thing_both_ways_uses_it_directly() -> None:
    graph = graph_of_nodes(
        [
            Node(name="shop", needs=(all_of("pay"), all_of("aws_db.one"), all_of("aws:iam/control"))),
            Node(name="pay", needs=(all_of("aws_db.one"),)),
            Node(name="aws_db.one", kind=Kind.RESOURCE, causes=("region:aws/one",)),
            Node(name="aws:iam/control", kind=Kind.RESOURCE, needs=(all_of("aws:sts/one"),)),
            Node(name="aws:sts/one", kind=Kind.RESOURCE, causes=("region:aws/two",)),
        ]
    )
    found = concentrations(graph, ["shop"])[Sort.REGION]
    assert found.shares == (share("region:aws/one", 1, 0, 1, 1), share("region:aws/two", 0, 1, 1, 0))


def test_services_that_need_each_other_are_counted_once_each() -> None:
    graph = graph_of_nodes(
        [
            Node(name="hen", needs=(any_of("egg", "barn"),), causes=("region:farm",)),
            Node(name="egg", needs=(all_of("hen"),)),
            Node(name="barn", causes=("fire",)),
        ]
    )
    found = concentrations(graph, ["hen", "egg"])
    assert found[Sort.REGION].shares == (share("region:farm", 1, 1, 2, 1),)
    assert found[Sort.OTHER].shares == (share("fire", 0, 2, 2, 0),)


def test_critical_is_what_the_loss_takes_down() -> None:
    found = concentrations(GRAPH, users_of(GRAPH))
    for each in found.values():
        for one in each.shares:
            down = blast_radius(GRAPH, [one.name]).down
            assert one.critical == len([user for user in users_of(GRAPH) if user in down])


def test_without_services_those_that_nobody_needs_are_the_users() -> None:
    graph = graph_of_nodes(
        [
            Node(name="www.example.com", kind=Kind.NAME, needs=(all_of("192.0.2.1"),)),
            Node(name="192.0.2.1", kind=Kind.ADDRESS),
        ]
    )
    assert users_of(graph) == ["www.example.com"]
    assert users_of(GRAPH) == ["shop", "bell", "chat"]


def test_a_user_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ModelError, match='there is no "nobody"'):
        concentrations(GRAPH, ["nobody"])


@pytest.mark.parametrize(
    ("cause", "sort"),
    [
        ("provider:aws", Sort.PROVIDER),
        ("region:aws/us-east-1", Sort.REGION),
        ("az:aws/us-east-1a", Sort.AVAILABILITY_ZONE),
        ("dns:aws", Sort.DNS_OPERATOR),
        ("as:16509", Sort.NETWORK),
        ("us-east-1", Sort.OTHER),
        ("dns", Sort.OTHER),
    ],
)
def test_a_cause_is_sorted_by_its_name(cause: str, sort: Sort) -> None:
    assert sort_of(cause) is sort
