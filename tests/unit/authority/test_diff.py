"""Differences of zones: told, and applied."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.authority.denial import Nsec3Denial, NsecDenial
from standfast.authority.diff import apply, difference
from standfast.authority.zone import Zone
from standfast.dns.model import RRset
from zones import UNFIT, zone

_LINE = st.builds(
    "{} {} {}\n".format,
    st.sampled_from(["www", "a.b", "*.w", "x.y.z", "@"]),
    st.sampled_from([60, 300]),
    st.sampled_from(["A 192.0.2.1", "A 192.0.2.2", "AAAA 2001:db8::1", 'TXT "x"', 'TXT "y"', "MX 1 ns"]),
)
_ZONES = st.lists(_LINE, max_size=12).map("".join).map(zone)


def content(of: Zone) -> dict[tuple[str, int], tuple[int, frozenset[bytes]]]:
    return {(rrset.owner, rrset.rtype): (rrset.ttl_s, frozenset(rrset.rdatas)) for rrset in of.rrsets()}


@settings(max_examples=300, deadline=None)
@given(UNFIT, UNFIT)
def test_a_zone_with_its_difference_to_another_applied_is_the_other(old: Zone, new: Zone) -> None:
    made = apply(old, difference(old, new))
    assert content(made) == content(new)
    assert known(made) == known(new)


def known(of: Zone) -> tuple[object, ...]:
    """Return what a zone knows of its names."""
    leads = {target: frozenset(owners) for target, owners in of.leads.items()}
    chain = of.denial.chain if isinstance(of.denial, (NsecDenial, Nsec3Denial)) else None
    asked = (of.origin, "a.example.org.", "q.b.example.org.")
    proofs = of.denial and [[_unordered(each) for each in of.denial.no_data(name)] for name in asked]
    nodes = {
        owner: {rtype: frozenset(rrset.rdatas) for rtype, rrset in node.items()} for owner, node in of.nodes.items()
    }
    return nodes, of.cuts, of.dnames, of.wildcards, dict(of.children), leads, type(of.denial), chain, proofs


def _unordered(rrset: RRset) -> tuple[str, int, int, frozenset[bytes]]:
    return rrset.owner, rrset.rtype, rrset.ttl_s, frozenset(rrset.rdatas)


@given(_ZONES)
def test_a_zone_differs_in_nothing_from_itself_with_its_records_in_another_order(one: Zone) -> None:
    turned = {
        owner: {
            key: RRset(owner=owner, rtype=rrset.rtype, ttl_s=rrset.ttl_s, rdatas=rrset.rdatas[::-1])
            for key, rrset in node.items()
        }
        for owner, node in one.nodes.items()
    }
    other = replace(one, nodes=turned)
    assert difference(one, other) == []


def test_a_change_says_which_records_go_and_come_and_all_of_them_where_the_ttl_does() -> None:
    old = zone("www 60 A 192.0.2.1\nwww 60 A 192.0.2.2\nttl 60 A 192.0.2.9\ngone A 192.0.2.8\n")
    new = zone("www 60 A 192.0.2.2\nwww 60 A 192.0.2.3\nttl 61 A 192.0.2.9\ncome A 192.0.2.7\n")
    told = {
        (change.before or change.after).owner: ([r[-1] for r in change.removed], [r[-1] for r in change.added])  # type: ignore[union-attr]
        for change in difference(old, new)
    }
    assert told == {
        "www.example.org.": ([1], [3]),
        "ttl.example.org.": ([9], [9]),
        "gone.example.org.": ([8], []),
        "come.example.org.": ([], [7]),
    }
