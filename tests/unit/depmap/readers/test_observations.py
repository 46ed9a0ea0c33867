"""What a guard has resolved, as what names need."""

import pytest

from guard_world import a, cname
from standfast.depmap.graph import Kind, all_of, any_of
from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.readers.observations import Observed, tell
from standfast.depmap.statements import Loss, Witness
from standfast.dns.model import RRset, RRType
from standfast.dns.rdata import rrset_from_text

SINCE_S = 1_790_000_000.0  # 2026-09-21


def test_chains_addresses_zones_and_their_servers_become_nodes() -> None:
    found = _map(
        _seen("www.example.org.", cname("www.example.org.", "d1.cdn.net."), a("d1.cdn.net.", "192.0.2.1", "192.0.2.2")),
        _seen("www.example.org.", cname("www.example.org.", "d1.cdn.net."), a("d1.cdn.net.", "2001:db8::1")),
        _seen("cdn.net.", _ns("cdn.net.", "ns.cdn.net.", "ns.other.org.")),
        _seen("ns.cdn.net.", a("ns.cdn.net.", "192.0.2.53")),
        Observed(
            qname="api.example.org.",
            rrsets=(a("api.example.org.", "192.0.2.9"),),
            first_seen_s=SINCE_S,
            zone="example.org.",
        ),
    )
    nodes = found.graph.nodes
    assert nodes["www.example.org"].needs == (all_of("d1.cdn.net", role="alias"),)
    assert nodes["d1.cdn.net"].needs == (any_of("192.0.2.1", "192.0.2.2", "2001:db8::1", role="address"),)
    assert nodes["zone:cdn.net"].needs == (any_of("ns.cdn.net", "ns.other.org", role="server"),)
    assert nodes["ns.cdn.net"].needs == (any_of("192.0.2.53", role="address"),)
    assert {name for name, node in nodes.items() if node.kind is Kind.NAME_SERVER} == {"ns.cdn.net", "ns.other.org"}
    assert "zone:example.org" in nodes
    assert "cdn.net" not in nodes
    assert found.witnesses["www.example.org", "d1.cdn.net"] == (
        Witness(reader="guard", where="state, since 2026-09-21"),
    )


@pytest.mark.parametrize(
    ("v4", "v6", "gone"),
    [
        (Loss.EMPTIED, Loss.EMPTIED, Loss.EMPTIED),
        (Loss.REMOVED, Loss.REMOVED, Loss.REMOVED),
        (Loss.EMPTIED, None, None),  # it is still reached by the other
    ],
)
def test_a_name_that_is_denied_now_is_gone_unless_another_kind_of_address_is_left(
    v4: Loss, v6: Loss | None, gone: Loss | None
) -> None:
    name = "db.example.org."
    found = _map(
        Observed(qname=name, rrsets=(a(name, "192.0.2.1"),), first_seen_s=SINCE_S, lost=v4),
        Observed(qname=name, rrsets=(a(name, "2001:db8::1"),), first_seen_s=SINCE_S, lost=v6),
    )
    assert found.gone == ({"db.example.org": gone} if gone else {})


def _map(*observed: Observed) -> DependencyMap:
    return merge([tell(observed, where="state")])


def _seen(qname: str, *rrsets: RRset) -> Observed:
    return Observed(qname=qname, rrsets=rrsets, first_seen_s=SINCE_S)


def _ns(zone: str, *servers: str) -> RRset:
    return rrset_from_text(zone, RRType.NS, 300, servers)
