"""What a zone file says of who needs what, told from zones small enough to read, and from the root's own."""

from pathlib import Path

import pytest

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Kind, Need, all_of, any_of
from standfast.depmap.loss import blast_radius
from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.readers import kinds, zone_file
from standfast.depmap.statements import Loss, Witness

SHOP = """\
$ORIGIN example.org.
$TTL 300
@         IN SOA ns1 hostmaster 1 7200 900 86400 300
          IN NS ns1
          IN NS ns.other.net.
          IN MX 10 mail
          IN A 192.0.2.1
ns1       IN A 192.0.2.53
mail      IN A 192.0.2.25
www       IN A 192.0.2.2
          IN AAAA 2001:db8::2
          IN HTTPS 1 front.cdn.net. alpn=h2
shop      IN CNAME www
old       IN DNAME new.example.net.
legacy    IN CNAME a.b.old
*.wild    IN A 192.0.2.9
any       IN CNAME x.wild
_sip._tcp IN SRV 0 5 5060 pbx
          IN SRV 1 5 5060 pbx.backup.net.
pbx       IN A 192.0.2.7
none      IN MX 0 .
child     IN NS ns.child
          IN NS ns1
ns.child  IN A 192.0.2.54
www.child IN A 192.0.2.55
"""


def test_names_need_an_address_an_alias_or_a_target() -> None:
    assert _needs("www.example.org") == {
        any_of("192.0.2.2", "2001:db8::2", role="address"),
        any_of("front.cdn.net", role="target", soft=True),
    }
    assert _needs("shop.example.org") == {all_of("www.example.org", role="alias")}
    assert _needs("_sip._tcp.example.org") == {any_of("pbx.example.org", "pbx.backup.net", role="target")}
    assert _needs("example.org") == {
        any_of("192.0.2.1", role="address"),
        any_of("mail.example.org", role="mail", soft=True),
    }


def test_a_zone_needs_one_of_its_servers_and_a_delegated_one_its_parent() -> None:
    assert _needs("zone:example.org") == {any_of("ns1.example.org", "ns.other.net", role="server")}
    assert _needs("zone:child.example.org") == {
        any_of("ns.child.example.org", "ns1.example.org", role="server"),
        all_of("zone:example.org", role="parent"),
    }
    assert _kind("ns.other.net") is Kind.NAME_SERVER
    assert _needs("ns1.example.org") == {any_of("192.0.2.53", role="address")}


def test_glue_needs_the_zone_that_it_stands_in_and_what_else_stands_below_a_delegation_is_left_out() -> None:
    assert _needs("ns.child.example.org") == {
        any_of("192.0.2.54", role="address"),
        all_of("zone:example.org", role="zone"),
    }
    assert "www.child.example.org" not in _map(SHOP).graph.nodes


def test_dnames_and_wildcards_stand_for_the_names_that_lead_there() -> None:
    assert _needs("a.b.old.example.org") == {all_of("a.b.new.example.net", role="alias")}
    assert _needs("x.wild.example.org") == {all_of("*.wild.example.org", role="alias")}
    assert not _map(SHOP).gone


@pytest.mark.parametrize(
    ("record", "gone"),
    [
        ("api CNAME table", Loss.REMOVED),
        ("api CNAME table\nx.table A 192.0.2.8", Loss.EMPTIED),
        ("api MX 0 table\ntable TXT hello", Loss.EMPTIED),
        ("api CNAME table\ntable TXT hello", None),  # a key may be published so
        ("api CNAME table\ntable NS ns1", None),  # whatever the other zone says
        ("api CNAME table\n$INCLUDE more.zone", None),  # it may stand there
    ],
)
def test_a_name_that_something_leads_to_and_that_is_not_there_is_gone(record: str, gone: Loss | None) -> None:
    found = _map(SHOP + record)
    assert found.gone == ({"table.example.org": gone} if gone else {})
    down = blast_radius(found.graph, found.gone.keys()).down
    assert ("api.example.org" in down) == (gone is not None and "CNAME" in record)


def test_the_mailbox_of_the_zone_says_whose_servers_with_its_own_names_are() -> None:
    zone = SHOP.replace("hostmaster", "awsdns-hostmaster.amazon.com.")
    nodes = _map(zone).graph.nodes
    assert nodes["ns1.example.org"].causes == ("dns:aws",)
    assert nodes["ns.other.net"].causes == ()


def test_each_need_has_the_line_that_says_so() -> None:
    witnesses = _map(SHOP).witnesses["shop.example.org", "www.example.org"]
    assert witnesses == (Witness(reader="zone file", where="example.org.zone", line=13),)


def test_faults_are_remarks_with_their_line_and_the_rest_still_counts() -> None:
    reading = zone_file.read(
        f"{SHOP}bad IN A 192.0.2.999\n$INCLUDE more.zone\nwww.example.com. A 192.0.2.1\n".encode(), file="a.zone"
    )
    assert [(remark.by.line, remark.text.split(":")[0]) for remark in reading.remarks] == [
        (26, '"192.0.2.999" is no data of type A'),
        (27, "more.zone is included by a.zone, and must be given as a file of its own"),
        (0, "1 records are of names outside of the zone example.org"),
    ]
    assert len(reading.told) > 20


@pytest.mark.parametrize(
    ("octets", "words"),
    [(b"\xff\xfe", "is no text"), (b"", "there is no record"), (b"a A 192.0.2.999", "no TTL|no data of type A")],
)
def test_what_is_no_zone_at_all_is_an_error(octets: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        zone_file.read(octets, file="example.org.zone")


def test_a_zone_without_soa_is_called_as_its_file_is() -> None:
    found = merge([zone_file.read(b"$TTL 60\nwww A 192.0.2.1\n", file="/etc/zones/example.net.db")])
    assert set(found.graph.nodes) == {"zone:example.net", "www.example.net", "192.0.2.1"}


@pytest.mark.parametrize(
    ("head", "suits"),
    [
        (SHOP.encode(), True),
        (b"; comment\n\nexample.org. 3600 IN SOA ns. host. 1 2 3 4 5\n", True),
        (b"$TTL 1h\n", True),
        (b'{"type": "SOA", "ttl": 60}', False),
        (b"kind: Service\nSOA records\n", False),
        (b"SQLite format 3\0$TTL 60", False),
    ],
)
def test_a_zone_file_is_known_by_its_soa_or_a_directive(head: bytes, suits: bool) -> None:
    assert zone_file.suits(head, "some.file") is suits


def test_the_root_zone_is_read_whole(shared_data: Path) -> None:
    octets = (shared_data / "zones" / "root.zone").read_bytes()
    assert kinds.reader_of(octets, file="root.zone").name == "zone file"
    found = merge([zone_file.read(octets, file="root.zone")])
    assert not found.remarks
    assert not found.gone
    assert sum(name.startswith("zone:") for name in found.graph.nodes) == 1439


def _map(text: str) -> DependencyMap:
    return merge([zone_file.read(text.encode(), file="example.org.zone")])


def _needs(name: str) -> set[Need]:
    return set(_map(SHOP).graph.nodes[name].needs)


def _kind(name: str) -> Kind:
    return _map(SHOP).graph.nodes[name].kind
