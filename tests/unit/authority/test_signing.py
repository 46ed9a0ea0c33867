"""Zones signed whole and by what changes of them, judged by dnspython's validator and by laws."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signed import NOW, key, rrset_of, signed, signing, validate
from standfast.authority.denial import NsecDenial, canonical, octets_of
from standfast.authority.diff import apply, difference
from standfast.authority.keys import DELETE_CDNSKEY, DELETE_CDS, ECDSAP256SHA256, KeySet
from standfast.authority.signatures import JITTER_FRACTION, SKEW_S, expiration_of
from standfast.authority.signing import MADE_BY_SIGNER, bitmap, due_signatures, resign, sign, unfit_source
from standfast.authority.zone import Zone
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType
from standfast.dns.name import name_from_wire
from standfast.dns.rdata import rrset_from_text
from standfast.io.authority.zone_files import read_zone
from zones import zone

HARD = Path(__file__).parents[2] / "peers" / "zones" / "hard.example.zone"

NAMES = ("www", "a.b.c", "b.c", "*.w", "x.w", "cut", "in.cut", "deep.in.cut", "z")
RECORDS = ("A 192.0.2.1", "A 192.0.2.2", "NS ns", "TXT t", "MX 5 WWW")


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Records of a zone, some of them below delegations; no judge has seen them."""
    owners = draw(st.lists(st.sampled_from(NAMES), unique=True))
    minimum = "@ 600 SOA ns hostmaster 1 3600 600 86400 60\n" if draw(st.booleans()) else ""
    return minimum + "".join(
        f"{owner} {record}\n"
        for owner in owners
        for record in draw(st.lists(st.sampled_from(RECORDS), min_size=1, max_size=3, unique=True))
    )


def made(text: str) -> Zone:
    from standfast.authority.zone import draft_of
    from standfast.dns.masterfile import MasterFile
    from zones import HEAD

    head = "$TTL 3600\n" + (HEAD.partition("\n")[2] if "SOA" in text else HEAD)
    master = MasterFile(head + text, file="z", origin="example.org.", include=lambda *_: ("", ""))
    return draft_of(master, origin="example.org.", file="z").zone()


@pytest.mark.parametrize("algorithm", [ECDSAP256SHA256, 15])
@pytest.mark.parametrize("split", [False, True])
def test_every_signature_of_a_hard_zone_is_valid(algorithm: int, split: bool) -> None:
    keys = key(algorithm=algorithm)
    ksk, zsk = key(2, "ksk", algorithm), key(3, "zsk", algorithm)
    both = KeySet(published=(ksk, zsk), sign_keys=(ksk,), sign_data=(zsk,), for_parent=(ksk,))
    validate(signed(read_zone(HARD).zone, signing(both if split else keys)))


def test_the_chain_has_every_name_that_is_this_zones_and_no_other() -> None:
    after = signed(zone("*.w A 192.0.2.1\na.b A 192.0.2.2\ncut NS ns.cut\nns.cut A 192.0.2.3\n"))
    chain = {owner: node[RRType.NSEC] for owner, node in after.nodes.items() if RRType.NSEC in node}
    following = {owner: name_from_wire(rrset.rdatas[0]) for owner, rrset in chain.items()}
    assert following == {
        "example.org.": "a.b.example.org.",
        "a.b.example.org.": "cut.example.org.",
        "cut.example.org.": "ns.example.org.",
        "ns.example.org.": "*.w.example.org.",
        "*.w.example.org.": "example.org.",
    }
    assert rrset_of(chain["cut.example.org."])[0].to_text() == "ns.example.org. NS RRSIG NSEC"
    assert rrset_of(chain["example.org."])[0].to_text() == ("a.b.example.org. NS SOA RRSIG NSEC DNSKEY CDS CDNSKEY")
    assert {rrset.ttl_s for rrset in chain.values()} == {300}  # RFC 9077: the SOA's minimum, not its TTL


@given(texts(), texts(), st.booleans())
def test_signing_what_changed_gives_what_signing_the_whole_gives(old: str, new: str, twice: bool) -> None:
    before, wanted = made(old), made(new)
    served = signed(before)
    for target in [wanted, before, wanted] if twice else [wanted]:
        changes = sign(served, difference(served, target), signing(now=NOW + 60), served_serial=served.serial)
        served = apply(served, changes)
        validate(served)
        assert isinstance(served.denial, NsecDenial)
        assert served.denial.chain == NsecDenial(served.nodes).chain
    whole = signed(wanted, signing(now=NOW + 60))
    assert without_serial(served) == without_serial(whole)


def without_serial(of: Zone) -> dict[tuple[str, int], RRset]:
    return {
        (rrset.owner, rrset.rtype): replace(rrset, rdatas=tuple(sorted(rrset.rdatas)))
        for node in of.nodes.values()
        for rrset in node.values()
        if rrset.rtype != RRType.SOA
    }


def test_one_changed_record_makes_two_signatures_and_one_new_name_four() -> None:
    served = signed(zone("".join(f"n{number} A 192.0.2.1\n" for number in range(100))))
    www = rrset_from_text("n7.example.org.", RRType.A, 300, ["192.0.2.7"])
    changes = sign(served, [Change(before=served.rrset(www.owner, RRType.A), after=www)], signing(), served_serial=1)
    assert covered(changes) == [("example.org.", RRType.SOA), ("n7.example.org.", RRType.A)]
    new = replace(www, owner="new.example.org.")
    changes = sign(served, [Change(before=None, after=new)], signing(), served_serial=1)
    assert covered(changes) == [
        ("example.org.", RRType.SOA),
        ("n99.example.org.", RRType.NSEC),  # the one before it
        ("new.example.org.", RRType.A),
        ("new.example.org.", RRType.NSEC),
    ]


def covered(changes: list[Change]) -> list[tuple[str, int]]:
    return sorted(
        (change.after.owner, int.from_bytes(change.after.rdatas[0][:2], "big"))
        for change in changes
        if change.after is not None and change.after.rtype == RRType.RRSIG
    )


def test_the_serial_is_later_than_what_is_served_whatever_the_source_says() -> None:
    source = zone("www A 192.0.2.1\n")
    served = apply(source, sign(source, [], signing(), served_serial=41))
    assert served.serial == 42
    same = sign(served, difference(served, source), signing(), served_serial=42)
    assert same == []  # a source that only says serial 1 again changes nothing
    other = zone("www A 192.0.2.2\n")
    assert apply(served, sign(served, difference(served, other), signing(), served_serial=42)).serial == 43
    wraps = apply(source, sign(source, [], signing(), served_serial=(1 << 32) - 1))
    assert wraps.serial == 1  # which is later already


def test_signatures_begin_before_now_and_end_spread_out() -> None:
    after = signed(zone("".join(f"n{number} A 192.0.2.1\n" for number in range(200))), signing(lifetime_s=1_000_000))
    ends = [expiration_of(each.rdatas[0]) - NOW for node in after.signatures.values() for each in node.values()]
    assert max(ends) <= 1_000_000
    assert min(ends) >= 1_000_000 * (1 - JITTER_FRACTION)
    tenths = {int(end // (1_000_000 * JITTER_FRACTION / 10)) for end in ends}
    assert len(tenths) >= 10
    validate(after, NOW - SKEW_S)


def test_what_ends_soon_is_due_and_signed_anew_and_nothing_else_is() -> None:
    after = signed(zone("www A 192.0.2.1\nftp A 192.0.2.2\n"), signing(lifetime_s=1_000_000))
    assert due_signatures(after, signing(lifetime_s=1_000_000)).now == []
    later = signing(now=NOW + 600_000, lifetime_s=1_000_000)
    some = due_signatures(after, later).now
    assert 0 < len(some) < sum(map(len, after.signatures.values()))
    again = apply(after, resign(after, some, later))
    validate(again, NOW + 600_000)
    assert again.serial == after.serial + 1
    assert due_signatures(again, later).now == []
    everything = signing(now=NOW + 999_000, lifetime_s=1_000_000)
    assert len(due_signatures(again, everything).now) >= len(some)


def test_signatures_that_a_wrong_clock_made_are_due() -> None:
    early = signed(zone("www A 192.0.2.1\n"), signing(now=NOW + 10_000_000))
    due = due_signatures(early, signing()).now
    assert len(due) == sum(map(len, early.signatures.values()))
    validate(apply(early, resign(early, due, signing())))


def test_signatures_of_a_key_that_signs_no_more_are_due() -> None:
    old, new = key(1), key(2)
    after = signed(zone("www A 192.0.2.1\n"), signing(old))
    both = signing(KeySet(published=(old, new), sign_keys=(old, new), sign_data=(new,)))
    due = due_signatures(after, both).now
    assert len(due) == sum(map(len, after.signatures.values()))
    rolled = apply(after, resign(after, due, both))
    validate(rolled)
    assert due_signatures(rolled, both).now == []


def test_the_parent_is_told_to_take_the_ds_away_only_where_that_is_wanted() -> None:
    after = signed(zone(""))
    assert after.nodes["example.org."][RRType.CDS].rdatas == (key().ds("example.org."),)
    keys = replace(signing().keys, withdrawn=True)
    gone = apply(after, sign(after, [], signing(keys), served_serial=1))
    assert gone.nodes["example.org."][RRType.CDS].rdatas == (DELETE_CDS,)
    assert gone.nodes["example.org."][RRType.CDNSKEY].rdatas == (DELETE_CDNSKEY,)
    assert rrset_of(gone.nodes["example.org."][RRType.CDS])[0].to_text() == "0 0 0 00"
    validate(gone)


def test_a_source_with_what_only_a_signer_makes_is_unfit() -> None:
    assert list(unfit_source(zone("www A 192.0.2.1\n"))) == []
    said = list(unfit_source(signed(zone("www A 192.0.2.1\n"))))
    assert "example.org. has a DNSKEY record, which is made by who signs the zone" in said
    assert "www.example.org. has a RRSIG record, which is made by who signs the zone" in said


@given(st.lists(st.lists(st.binary(min_size=1, max_size=6), max_size=4)))
def test_canonical_order_is_that_of_the_labels_from_the_root_on(names: list[list[bytes]]) -> None:
    lowered = [[label.lower() for label in labels] for labels in names]
    octets = [b"".join(bytes((len(label),)) + label for label in labels) + b"\0" for labels in lowered]
    by_key = sorted(octets, key=lambda name: canonical(name_from_wire(name)))
    assert by_key == [
        b"".join(bytes((len(label),)) + label for label in reversed(labels)) + b"\0"
        for labels in sorted(list(reversed(labels)) for labels in lowered)
    ]
    assert [octets_of(canonical(name_from_wire(name))) for name in octets] == octets


def test_a_bitmap_has_a_window_for_each_256_types() -> None:
    assert bitmap([1, 15, 46, 47, 1234]).hex() == "0006400100000003" + "041b" + "00" * 26 + "20"  # RFC 4034 section 4.3


def test_only_records_of_the_owner_are_taken_from_the_source() -> None:
    served = signed(zone("www A 192.0.2.1\n"))
    nsec = served.nodes["www.example.org."][RRType.NSEC]
    assert sign(served, [Change(before=nsec, after=None)], signing(), served_serial=1) == []
    assert RRType.NSEC in MADE_BY_SIGNER
