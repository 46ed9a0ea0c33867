"""What updates come to, rule by rule of RFC 2136; against real servers and clients it is in tests/peers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.authority.diff import apply
from standfast.authority.serials import following
from standfast.authority.signing import NOT_IN_SOURCE
from standfast.authority.update import Denied, update
from standfast.authority.zone import Zone
from standfast.dns.model import Name, Rcode, RRType, type_from_name
from standfast.dns.rdata import rrset_from_text, rrset_to_text
from standfast.dns.requests import CLASS_ANY, CLASS_IN, CLASS_NONE, Raw
from zones import RECORDS, draft, zone

ORG = zone(
    "www A 192.0.2.1\nwww A 192.0.2.2\nwww TXT x\nalias CNAME www\na.ent A 192.0.2.3\n@ NS ns2\nns2 A 192.0.2.4\n"
    "sig A 192.0.2.5\nsig RRSIG A 8 2 60 20300101000000 20200101000000 1 example.org. AAAA\n@ MX 1 Mail.Example.NET.\n"
)
SOA = "ns.example.org. hostmaster.example.org. {} 3600 600 86400 300"


def name(label: str) -> Name:
    return label if label.endswith(".") else "example.org." if label == "@" else f"{label}.example.org."


def raw(owner: str, rtype: str, data: str = "", rclass: int = CLASS_IN, ttl_s: int = 0) -> Raw:
    number = type_from_name(rtype)
    assert number is not None
    rdata = rrset_from_text("x.", number, 0, [data]).rdatas[0] if data else b""
    return Raw(name(owner), number, rclass, ttl_s, rdata)


def add(owner: str, rtype: str, data: str, ttl_s: int = 60) -> Raw:
    return raw(owner, rtype, data, CLASS_IN, ttl_s)


def delete(owner: str, rtype: str = "ANY", data: str = "") -> Raw:
    return raw(owner, rtype, data, CLASS_NONE if data else CLASS_ANY)


def code(*prerequisites: Raw, updates: tuple[Raw, ...] = (), of: Zone = ORG) -> Rcode:
    """Return what an update gets; one that asks for a change, and is told no, makes none."""
    found = update(of, prerequisites, updates)
    return found.rcode if isinstance(found, Denied) else Rcode.NOERROR


def after(*updates: Raw, of: Zone = ORG) -> Zone:
    found = update(of, (), updates)
    assert not isinstance(found, Denied), found
    return apply(of, found)


def at(of: Zone, owner: str, rtype: int) -> list[str]:
    rrset = of.rrset(name(owner), rtype)
    return [] if rrset is None else [f"{rrset.ttl_s} {text}" for text in rrset_to_text(rrset)]


@pytest.mark.parametrize(
    ("prerequisite", "rcode"),
    [
        (raw("www", "A", rclass=CLASS_ANY), Rcode.NOERROR),  # section 2.4.1
        (raw("www", "AAAA", rclass=CLASS_ANY), Rcode.NXRRSET),
        (raw("gone", "A", rclass=CLASS_ANY), Rcode.NXRRSET),
        (raw("sig", "RRSIG", rclass=CLASS_ANY), Rcode.NOERROR),
        (raw("www", "AAAA", rclass=CLASS_NONE), Rcode.NOERROR),  # section 2.4.3
        (raw("www", "A", rclass=CLASS_NONE), Rcode.YXRRSET),
        (raw("www", "ANY", rclass=CLASS_ANY), Rcode.NOERROR),  # section 2.4.4
        (raw("gone", "ANY", rclass=CLASS_ANY), Rcode.NXDOMAIN),
        (raw("ent", "ANY", rclass=CLASS_ANY), Rcode.NXDOMAIN),  # it is there for those below it alone
        (raw("gone", "ANY", rclass=CLASS_NONE), Rcode.NOERROR),  # section 2.4.5
        (raw("ent", "ANY", rclass=CLASS_NONE), Rcode.NOERROR),
        (raw("www", "ANY", rclass=CLASS_NONE), Rcode.YXDOMAIN),
        (raw("www", "A", rclass=CLASS_ANY, ttl_s=1), Rcode.FORMERR),
        (raw("www", "A", "192.0.2.1", rclass=CLASS_ANY), Rcode.FORMERR),
        (raw("www", "A", "192.0.2.1", rclass=CLASS_NONE), Rcode.FORMERR),
        (raw("www", "A", "192.0.2.1", rclass=3), Rcode.FORMERR),
        (raw("www", "A"), Rcode.FORMERR),
        (raw("www", "ANY"), Rcode.FORMERR),
        (raw("www.example.net.", "ANY", rclass=CLASS_ANY), Rcode.NOTZONE),
        (raw("wwwexample.org.", "ANY", rclass=CLASS_NONE), Rcode.NOTZONE),
    ],
)
def test_each_kind_of_prerequisite_holds_or_is_told_by_its_code(prerequisite: Raw, rcode: Rcode) -> None:
    assert code(prerequisite) == rcode


def test_an_rrset_is_compared_whole_without_its_ttl_its_order_and_the_letter_case_of_names() -> None:
    first, second = raw("www", "A", "192.0.2.1"), raw("www", "A", "192.0.2.2")
    assert code(second, first) == Rcode.NOERROR  # section 2.4.2
    assert code(first, second, first) == Rcode.NOERROR
    assert code(first) == Rcode.NXRRSET
    assert code(first, second, raw("www", "A", "192.0.2.3")) == Rcode.NXRRSET
    assert code(raw("gone", "A", "192.0.2.1")) == Rcode.NXRRSET
    assert code(raw("@", "MX", "1 mail.EXAMPLE.net.")) == Rcode.NOERROR
    assert code(raw("@", "MX", "2 mail.example.net.")) == Rcode.NXRRSET


def test_all_prerequisites_must_hold_and_rrsets_are_compared_after_all_others() -> None:
    wrong, gone = raw("www", "A", "192.0.2.9"), raw("gone", "ANY", rclass=CLASS_ANY)
    assert code(wrong, gone) == Rcode.NXDOMAIN
    assert code(raw("www", "ANY", rclass=CLASS_ANY), wrong) == Rcode.NXRRSET
    assert update(ORG, [wrong], [add("new", "A", "192.0.2.1")]) == Denied(
        rcode=Rcode.NXRRSET, text="www.example.org. A is not what was expected"
    )


@pytest.mark.parametrize(
    ("record", "rcode"),
    [
        (add("www.example.net.", "A", "192.0.2.1"), Rcode.NOTZONE),
        (raw("www", "A", "192.0.2.1", rclass=3), Rcode.FORMERR),
        (raw("www", "A", rclass=CLASS_IN), Rcode.FORMERR),
        (raw("www", "ANY", rclass=CLASS_IN), Rcode.FORMERR),
        (Raw("www.example.org.", 252, CLASS_IN, 60, b""), Rcode.FORMERR),
        (Raw("www.example.org.", 41, CLASS_ANY, 0, b""), Rcode.FORMERR),
        (Raw("www.example.org.", RRType.AAAA, CLASS_IN, 60, bytes(4)), Rcode.FORMERR),
        (Raw("www.example.org.", RRType.DS, CLASS_IN, 60, bytes(2)), Rcode.FORMERR),
        (raw("www", "A", rclass=CLASS_ANY, ttl_s=1), Rcode.FORMERR),
        (raw("www", "A", "192.0.2.1", rclass=CLASS_ANY), Rcode.FORMERR),
        (raw("www", "A", "192.0.2.1", rclass=CLASS_NONE, ttl_s=1), Rcode.FORMERR),
        (raw("www", "ANY", rclass=CLASS_NONE), Rcode.FORMERR),
        (raw("www", "A", rclass=CLASS_NONE), Rcode.FORMERR),
    ],
)
def test_one_record_that_is_wrong_forbids_all_of_an_update(record: Raw, rcode: Rcode) -> None:
    assert code(updates=(add("new", "A", "192.0.2.1"), record)) == rcode


def test_what_the_signer_makes_is_nobody_elses_to_change_and_stays_where_a_name_is_deleted() -> None:
    for record in (add("www", "TYPE48", "\\# 4 01010308"), delete("www", "NSEC"), delete("www", "RRSIG")):
        found = update(ORG, (), [record], made=NOT_IN_SOURCE)
        assert isinstance(found, Denied)
        assert found.rcode == Rcode.REFUSED
    deleted = update(ORG, (), [delete("sig")], made=NOT_IN_SOURCE)
    assert not isinstance(deleted, Denied)
    assert {change.before.rtype for change in deleted if change.before} == {RRType.A, RRType.SOA}
    assert ("sig.example.org." in after(delete("sig")).signatures) is False


def test_a_record_is_put_in_and_its_ttl_is_that_of_the_whole_rrset() -> None:
    assert at(after(add("new", "A", "192.0.2.9", 77)), "new", RRType.A) == ["77 192.0.2.9"]
    assert at(after(add("www", "A", "192.0.2.9", 77)), "www", RRType.A) == [
        "77 192.0.2.1",
        "77 192.0.2.2",
        "77 192.0.2.9",
    ]
    again = after(add("www", "A", "192.0.2.1", 3600))
    assert again == ORG
    assert at(after(add("@", "MX", "1 mail.example.net.", 5)), "@", RRType.MX) == ["5 1 mail.example.net."]


def test_a_cname_and_other_records_do_not_come_beside_each_other() -> None:
    assert after(add("www", "CNAME", "ns.example.org.")) == ORG  # section 3.4.2.2
    assert after(add("alias", "A", "192.0.2.1")) == ORG
    assert at(after(add("alias", "CNAME", "ns.example.org.")), "alias", RRType.CNAME) == ["60 ns.example.org."]
    replaced = after(delete("www"), add("www", "CNAME", "ns.example.org."))
    assert (at(replaced, "www", RRType.CNAME), at(replaced, "www", RRType.A)) == (["60 ns.example.org."], [])


@pytest.mark.parametrize(
    ("serial", "there", "served"),
    [
        (7, 1, 7),
        (1, 1, 2),
        (0, 1, 2),
        (2**31, 1, 2**31),
        (2**31 + 1, 1, 2),
        (5, 2**32 - 3, 5),
        (2**32 - 4, 2**32 - 3, 2**32 - 2),
    ],
)
def test_an_soa_is_taken_where_its_serial_is_not_earlier_and_else_the_serial_advances_by_itself(
    serial: int, there: int, served: int
) -> None:
    of = after(add("@", "SOA", SOA.format(there), 3600)) if there < 2**31 and there > 1 else ORG
    if there >= 2**31:  # in two steps, as no serial is later than one half a circle away
        of = after(add("@", "SOA", SOA.format(2**31), 3600))
        of = after(add("@", "SOA", SOA.format(there), 3600), of=of)
    assert of.serial == there
    assert after(add("new", "A", "192.0.2.1"), add("@", "SOA", SOA.format(serial)), of=of).serial == served


def test_an_soa_elsewhere_is_left_out_and_that_of_the_zone_cannot_go() -> None:
    assert after(add("www", "SOA", SOA.format(9))) == ORG
    assert after(delete("@", "SOA"), delete("@", "SOA", SOA.format(1))) == ORG


def test_the_serial_stays_where_nothing_changes_in_the_end() -> None:
    assert after(delete("gone"), delete("www", "AAAA"), delete("www", "A", "192.0.2.9")) == ORG
    assert after(delete("www", "TXT"), add("www", "TXT", "x", 3600)) == ORG
    assert after(add("new", "A", "192.0.2.1")).serial == 2


def test_rrsets_names_and_single_records_go() -> None:
    assert at(after(delete("www", "A")), "www", RRType.A) == []
    assert at(after(delete("www", "A")), "www", RRType.TXT) == ['3600 "x"']
    assert at(after(delete("www", "A", "192.0.2.1")), "www", RRType.A) == ["3600 192.0.2.2"]
    assert "www.example.org." not in after(delete("www")).nodes
    assert not {"a.ent.example.org.", "ent.example.org."} & after(delete("a.ent")).nodes.keys()
    assert at(after(delete("@", "MX", "1 MAIL.example.net.")), "@", RRType.MX) == []
    assert at(after(delete("alias", "CNAME", "other.example.org.")), "alias", RRType.CNAME) == ["3600 www.example.org."]


def test_the_last_name_server_of_a_zone_stays_and_so_do_all_where_all_are_to_go() -> None:
    both = ["3600 ns.example.org.", "3600 ns2.example.org."]
    assert at(after(delete("@", "NS")), "@", RRType.NS) == both  # section 3.4.2.3
    one_left = after(delete("@", "NS", "NS2.example.org."), delete("@", "NS", "ns.example.org."))
    assert at(one_left, "@", RRType.NS) == both[:1]  # section 3.4.2.4
    swept = after(delete("@"))
    assert (at(swept, "@", RRType.NS), at(swept, "@", RRType.MX)) == (both, [])
    cut = after(add("sub", "NS", "ns.example.org."))
    assert "sub.example.org." not in after(delete("sub", "NS", "ns.example.org."), of=cut).nodes


def test_records_take_effect_one_after_the_other() -> None:
    made = after(add("x", "A", "192.0.2.1"), delete("x", "A"), add("x", "AAAA", "2001:db8::1"), delete("gone"))
    assert (at(made, "x", RRType.A), at(made, "x", RRType.AAAA)) == ([], ["60 2001:db8::1"])


def test_a_well_known_service_takes_the_place_of_one_of_its_address_and_protocol() -> None:
    first, second = add("w", "WKS", "192.0.2.1 6 25"), add("w", "WKS", "192.0.2.1 6 53")
    assert at(after(first, second, add("w", "WKS", "192.0.2.1 17 53")), "w", 11) == [
        "60 192.0.2.1 6 53",
        "60 192.0.2.1 17 53",
    ]


_ACTS = RECORDS.flatmap(lambda line: st.tuples(st.just(line), st.sampled_from(["add", "rr", "rrset", "name"])))


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=8), st.lists(_ACTS, max_size=8))
def test_any_update_keeps_the_apex_and_changes_what_it_says_it_changes(
    lines: list[str], acts: list[tuple[str, str]]
) -> None:
    before = draft("$TTL 3600\n@ SOA ns h 4294967295 1 1 1 1\n@ NS ns\n" + "".join(lines)).zone()
    records = []
    for line, act in acts:
        for rrset in draft(line).zone().rrsets():
            raws = {
                "add": Raw(rrset.owner, rrset.rtype, CLASS_IN, rrset.ttl_s, rrset.rdatas[0]),
                "rr": Raw(rrset.owner, rrset.rtype, CLASS_NONE, 0, rrset.rdatas[0]),
                "rrset": Raw(rrset.owner, rrset.rtype, CLASS_ANY, 0, b""),
                "name": Raw(rrset.owner, RRType.ANY, CLASS_ANY, 0, b""),
            }
            records.append(raws[act])
    changes = update(before, (), records)
    assert not isinstance(changes, Denied)
    made = apply(before, changes)
    assert all(
        change.before == before.rrset(r.owner, r.rtype) for change in changes if (r := change.before or change.after)
    )
    assert made.serial == (following(4294967295) if changes else 4294967295)
    assert len(made.soa.rdatas) == 1
    assert made.rrset(made.origin, RRType.NS)


def test_a_ttl_of_more_than_31_bits_counts_as_none() -> None:
    for ttl_s, kept_s in (((1 << 31) - 1, (1 << 31) - 1), (1 << 31, 0), ((1 << 32) - 1, 0)):
        assert at(after(add("new", "A", "192.0.2.9", ttl_s)), "new", RRType.A) == [f"{kept_s} 192.0.2.9"]
