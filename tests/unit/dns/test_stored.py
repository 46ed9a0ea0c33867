"""Zones as octets: what comes back is what was kept, and octets that changed are told."""

import struct
from collections.abc import Callable

import pytest
from dns.exception import DNSException
from hypothesis import given
from hypothesis import strategies as st

from standfast.authority.diff import difference
from standfast.authority.zone import zone_of
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType
from standfast.dns.stored import pack_changes, pack_rrsets, unpack_changes, unpack_rrsets
from standfast.dns.wire import WireError, name_from_text
from zones import zone

RRSETS = st.builds(
    RRset,
    owner=st.sampled_from(["example.org.", "a\\.b.example.org.", "*.example.org.", "."]),
    rtype=st.integers(0, 65_535),
    ttl_s=st.integers(0, (1 << 31) - 1),
    rdatas=st.lists(st.binary(max_size=300), min_size=1, max_size=4, unique=True).map(tuple),
)
CHANGES = st.one_of(
    st.builds(Change, before=RRSETS, after=RRSETS),
    st.builds(Change, before=st.none(), after=RRSETS),
    st.builds(Change, before=RRSETS, after=st.none()),
)


@given(st.lists(RRSETS))
def test_rrsets_come_back_as_they_were(rrsets: list[RRset]) -> None:
    assert list(unpack_rrsets(pack_rrsets(rrsets))) == rrsets


@given(st.lists(CHANGES))
def test_changes_come_back_as_they_were(changes: list[Change]) -> None:
    assert list(unpack_changes(pack_changes(changes))) == changes


@given(
    st.lists(
        st.builds(
            RRset,
            owner=st.lists(st.sampled_from(["a", "B2", "*", "\\.", "\\000", "x" * 63, "x" * 64]), max_size=5).map(
                lambda labels: ".".join([*labels, ""]) or "."
            ),
            rtype=st.sampled_from([1, 5, 65_535]),
            ttl_s=st.sampled_from([0, 60]),
            rdatas=st.lists(st.sampled_from([b"", b"\0", b"1" * 300]), min_size=1, max_size=3).map(tuple),
        ),
        max_size=8,
    )
)
def test_what_is_shared_changes_no_octet(rrsets: list[RRset]) -> None:
    assert outcome(lambda: pack_rrsets(rrsets)[4:]) == outcome(lambda: b"".join(map(plainly_packed, rrsets)))


def plainly_packed(rrset: RRset) -> bytes:
    """Return an RRset as octets, by what the format says and nothing else."""
    owner = name_from_text(rrset.owner)
    head = bytes((len(owner),)) + owner + struct.pack("!HII", rrset.rtype, rrset.ttl_s, len(rrset.rdatas))
    return head + b"".join(struct.pack("!H", len(rdata)) + rdata for rdata in rrset.rdatas)


def outcome(act: Callable[[], bytes]) -> bytes | None:
    """Return what comes of it; None where the name is none."""
    try:
        return act()
    except (WireError, DNSException):
        return None


def test_a_zone_comes_back_with_its_wildcards_cuts_and_signatures() -> None:
    made = zone(
        "*.w A 192.0.2.2\na.ent A 192.0.2.3\nsub NS ns.sub\nns.sub A 192.0.2.4\nd DNAME e\n"
        "www A 192.0.2.5\nwww RRSIG A 13 3 3600 20300101000000 20200101000000 1 example.org. AAAA\n"
    )
    back = zone_of("example.org.", unpack_rrsets(pack_rrsets(made.rrsets())))
    assert not difference(made, back)
    assert (back.cuts, back.dnames, back.wildcards) == (made.cuts, made.dnames, made.wildcards)
    assert back.nodes.keys() == made.nodes.keys()
    assert back.signature("www.example.org.", RRType.A) == made.signature("www.example.org.", RRType.A)


def test_octets_that_changed_are_told() -> None:
    octets = pack_rrsets(zone("").rrsets())
    for at in range(len(octets)):
        with pytest.raises(WireError):
            list(unpack_rrsets(octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]))
    for broken in (b"", octets[:3], octets[:-1]):
        with pytest.raises(WireError):
            list(unpack_changes(broken))


def test_without_its_soa_it_is_no_zone() -> None:
    with pytest.raises(WireError):
        zone_of("example.org.", [])


LABELS = st.sampled_from(["a", "A-9_", "*", "\\.", "a\\.b", "\\009", "x" * 63, "x" * 64])
OWNERS = st.lists(LABELS, max_size=6).map(lambda labels: "".join(f"{label}." for label in labels) or ".")


@given(OWNERS)
def test_an_owner_is_packed_as_it_stands_in_a_message_or_refused_as_it_is_there(owner: str) -> None:
    rrset = RRset(owner=owner, rtype=1, ttl_s=1, rdatas=(b"",))
    try:
        octets = name_from_text(owner)
    except (WireError, DNSException) as error:
        with pytest.raises(type(error)):
            pack_rrsets([rrset])
    else:
        assert pack_rrsets([rrset])[4:][1 : 1 + len(octets)] == octets
