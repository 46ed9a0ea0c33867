"""Updates as messages: what a server that follows RFC 2136 makes of them is what the batch says, or nothing."""

from collections.abc import Iterable
from dataclasses import replace

import dns.message
import dns.name
import dns.update
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from standfast.authority.checks import SINGLE
from standfast.authority.diff import apply
from standfast.authority.update import Denied, update
from standfast.authority.zone import Zone
from standfast.control.batches import batched
from standfast.control.difference import repair
from standfast.control.fence import Fence, Garbage, fence_in, fence_name, fence_rrset
from standfast.control.plan import applied
from standfast.control.publishing import (
    Batch,
    BatchLimits,
    Late,
    Refused,
    Unclear,
    Written,
    reading,
    unwritable,
)
from standfast.control.updates import OCTETS_MAX, size_of_update, update_message, update_outcome
from standfast.dns.changes import Change
from standfast.dns.model import Name, Rcode, RRset, RRType
from standfast.dns.name import parse_name
from standfast.dns.rdata import canonical_rdata, rrset_from_text
from standfast.dns.requests import CLASS_ANY, Opcode, read_message
from standfast.dns.tsig import TsigKey, sign
from standfast.dns.wire import WireError
from zones import RECORDS, unfit

ZONE = "example.org."


def fence(generation: int, step: int = 1, writer: str = "a.1.1") -> Fence:
    return Fence(generation=generation, step=step, done=True, plan="0123456789abcdef", writer=writer)


def change(owner: str, rtype: str, *texts: str, ttl_s: int = 60) -> Change:
    """Return the change to these records, whatever was there before; without any, to none."""
    name = ZONE if owner == "@" else f"{owner}.{ZONE}"
    if texts:
        return Change(before=None, after=rrset_from_text(name, RRType[rtype], ttl_s, texts))
    gone = {"A": "192.0.2.9", "AAAA": "2001:db8::9", "TXT": '"gone"', "MX": "9 gone.", "CNAME": "gone."}[rtype]
    return Change(before=rrset_from_text(name, RRType[rtype], ttl_s, [gone]), after=None)


def batch(*changes: Change, expect: Fence | None = None, fence_: Fence | None = None) -> Batch:
    return Batch(zone=ZONE, expect=expect, fence=fence_ or fence(2), changes=changes)


def sent(zone: Zone, asked: Batch) -> Zone | Denied:
    """Return what a zone becomes by the message."""
    got = read_message(update_message(asked, id_=7))
    assert (got.id, got.opcode, got.qname, got.qtype) == (7, Opcode.UPDATE, ZONE, RRType.SOA)
    found = update(zone, got.answer, got.authority)
    return found if isinstance(found, Denied) else apply(zone, found)


def held(zone: Zone, standing: Fence | None) -> Zone:
    """Return `zone` with this fence alone at its place."""
    after = None if standing is None else fence_rrset(ZONE, standing)
    before = zone.rrset(fence_name(ZONE), RRType.TXT)
    return apply(zone, [Change(before=before, after=after)]) if before or after else zone


def data(rrset: RRset | None) -> tuple[int, frozenset[bytes]] | None:
    if rrset is None:
        return None
    return rrset.ttl_s, frozenset(canonical_rdata(rrset.rtype, each) for each in rrset.rdatas)


OWNERS = st.sampled_from(["@", "a", "b", "a.b", "*.b", "c"])
TEXTS = {
    "A": ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    "AAAA": ["2001:db8::1", "2001:db8::2"],
    "TXT": ['"x"', '"y" "z"'],
    "MX": ["1 a.example.org.", "2 far.example.net."],
    "CNAME": ["far.example.net."],
}


@st.composite
def batches(draw: st.DrawFn) -> tuple[Change, ...]:
    """Return changes that can be made together: each RRset once, and nothing beside a CNAME that comes."""
    found: dict[tuple[Name, int], Change] = {}
    aliases = set()
    for _ in range(draw(st.integers(0, 6))):
        owner, rtype = draw(OWNERS), draw(st.sampled_from(sorted(TEXTS)))
        if owner == "@" and rtype == "CNAME":
            continue
        texts = draw(st.lists(st.sampled_from(TEXTS[rtype]), unique=True, max_size=1 if rtype == "CNAME" else 3))
        made = change(owner, rtype, *texts, ttl_s=draw(st.sampled_from([0, 60, 300])))
        rrset = made.after or made.before
        assert rrset is not None
        beside = [each.after for (name, _), each in found.items() if name == rrset.owner and each.after]
        if made.after and (beside if rtype == "CNAME" else rrset.owner in aliases):
            continue
        if made.after and rtype == "CNAME":
            aliases.add(rrset.owner)
        found[rrset.owner, rrset.rtype] = made
    return tuple(found.values())


@given(st.lists(RECORDS, max_size=12), batches(), st.sampled_from([None, fence(1)]))
def test_the_message_makes_of_any_zone_what_the_batch_says(
    lines: list[str], changes: tuple[Change, ...], expect: Fence | None
) -> None:
    zone = held(unfit(lines), expect)
    # No server holds several records of such a type, and ours makes one of them when it touches the name.
    assume(all(len(rrset.rdatas) == 1 for rrset in zone.rrsets() if rrset.rtype in SINGLE))
    after = sent(zone, batch(*changes, expect=expect))
    assert isinstance(after, Zone)
    assert fence_in(after.rrset(fence_name(ZONE), RRType.TXT)) == fence(2)
    touched: dict[Name, set[int]] = {fence_name(ZONE): {RRType.TXT}, ZONE: {RRType.SOA}}
    for each in changes:
        rrset = each.after or each.before
        assert rrset is not None
        assert data(after.rrset(rrset.owner, rrset.rtype)) == data(each.after)
        there = touched.setdefault(rrset.owner, set())
        there |= {rrset.rtype, RRType.CNAME} if each.after is not None else {rrset.rtype}
        if each.after is not None and rrset.rtype == RRType.CNAME:
            assert set(after.nodes[rrset.owner]) == {RRType.CNAME}
            there |= set(zone.nodes.get(rrset.owner, {}))
    for owner in {*zone.nodes, *after.nodes}:
        for rtype in {*zone.nodes.get(owner, {}), *after.nodes.get(owner, {})} - touched.get(owner, set()):
            assert data(after.rrset(owner, rtype)) == data(zone.rrset(owner, rtype)), (owner, rtype)


@given(st.lists(RECORDS, max_size=12), batches())
def test_a_repair_of_what_was_read_makes_the_names_what_is_planned_and_takes_away_only_what_is_there(
    lines: list[str], wanted: tuple[Change, ...]
) -> None:
    zone = held(unfit(lines), fence(1))
    assume(all(len(rrset.rdatas) == 1 for rrset in zone.rrsets() if rrset.rtype in SINGLE))
    found = reading(ZONE, zone.rrsets()).content
    planned = applied({}, [each for each in wanted if each.after is not None])
    changes = repair(planned, {}, found)
    after = sent(zone, replace(batch(*changes, expect=fence(1)), seen=True))
    assert isinstance(after, Zone)
    now = reading(ZONE, after.rrsets()).content
    assert repair(planned, {}, now) == ()
    for owner, node in found.items():
        assert owner in planned or {rtype: data(each) for rtype, each in node.items()} == {
            rtype: data(each) for rtype, each in now[owner].items()
        }
    asked = read_message(update_message(replace(batch(*changes), seen=True), id_=7)).authority
    gone = [raw for raw in asked if raw.rclass == CLASS_ANY]
    assert len(gone) <= 1 + sum(each.before is not None for each in changes)  # the fence goes too


@given(
    st.lists(RECORDS, max_size=8),
    batches(),
    st.permutations([None, fence(1), fence(1, step=2), fence(1, writer="b.1.1"), fence(9)]),
)
def test_where_another_fence_stands_nothing_is_done(
    lines: list[str], changes: tuple[Change, ...], fences: list[Fence | None]
) -> None:
    expect, standing, *_ = fences
    denied = sent(held(unfit(lines), standing), batch(*changes, expect=expect))
    assert isinstance(denied, Denied)
    assert update_outcome(denied.rcode) == Late()


def test_of_two_writers_with_the_same_expectation_only_the_first_is_heard() -> None:
    zone = held(unfit([]), fence(1))
    first = batch(change("a", "A", "192.0.2.1"), expect=fence(1), fence_=fence(2, writer="a.1.1"))
    second = batch(change("a", "A", "192.0.2.2"), expect=fence(1), fence_=fence(2, writer="b.1.1"))
    after = sent(zone, first)
    assert isinstance(after, Zone)
    assert isinstance(sent(after, second), Denied)
    assert isinstance(sent(after, first), Denied), "the same message once more changes nothing either"


@pytest.mark.parametrize(
    ("owner", "rtype", "data_"),
    [("@", "NS", "ns.example.org."), ("@", "SOA", "ns. h. 1 2 3 4 5"), ("_standfast", "TXT", '"x"')],
)
def test_what_no_plan_publishes_is_not_asked_for(owner: str, rtype: str, data_: str) -> None:
    assert unwritable(batch(change("a", "A", "192.0.2.1"), change(owner, rtype, data_))) is not None
    assert unwritable(batch(change("a", "A", "192.0.2.1"), change("b", "A"))) is None


def test_a_name_of_another_zone_is_not_asked_for() -> None:
    elsewhere = Change(before=None, after=rrset_from_text("a.example.net.", RRType.A, 60, ["192.0.2.1"]))
    assert "not in the zone" in (unwritable(batch(elsewhere)) or "")


def test_a_batch_that_fits_no_message_is_told_to_be_too_large() -> None:
    large = [change(f"a{number}", "TXT", f'"{"x" * 250}"') for number in range(300)]
    with pytest.raises(WireError):
        update_message(batch(*large), id_=1)


@pytest.mark.parametrize("label", ["a", "a-label-that-is-long" * 2])
@pytest.mark.parametrize("count", [1, 40])
def test_what_is_cut_to_the_limits_fits_into_messages_with_their_signature(label: str, count: int) -> None:
    texts = [f"192.0.2.{number}" for number in range(count)]
    changes = [change(f"{label}{number}", "A", *texts) for number in range(6_000 // count)]
    chunks, too_large = batched(changes, BatchLimits(octets_max=OCTETS_MAX, size=size_of_update), ZONE)
    assert not too_large
    assert sum(map(len, chunks)) == len(changes)
    key = TsigKey(name=f"{'k' * 60}.example.", algorithm="hmac-sha512", secret=b"s" * 32)
    for chunk in chunks:  # else this raises
        sign(update_message(batch(*chunk, expect=fence(1)), id_=1), key, now=0)


@given(
    st.sampled_from([".", "example.org.", "a\\.b.example.", "\\000\\255.example."]),
    st.lists(st.sampled_from(["a", "*", "a\\.b", "\\001", '\\255\\"x', "long-" * 12]), max_size=3),
    st.sampled_from(sorted(TEXTS)),
    st.booleans(),
)
def test_a_change_takes_no_more_than_is_said_in_any_zone(
    zone: Name, labels: list[str], rtype: str, comes: bool
) -> None:
    owner = parse_name(".".join([*labels, "" if zone == "." else zone]) or zone)
    rrset = rrset_from_text(owner, RRType[rtype], 60, TEXTS[rtype])
    made = Change(before=None, after=rrset) if comes else Change(before=rrset, after=None)
    origin = parse_name(zone)
    empty = Batch(zone=origin, expect=None, fence=fence(1), changes=())
    wire = update_message(replace(empty, changes=(made,)), id_=1)
    records, octets = size_of_update(made, origin)
    assert len(wire) - len(update_message(empty, id_=1)) <= octets
    there = dns.message.from_wire(wire)
    assert isinstance(there, dns.update.UpdateMessage)
    updated = [each for each in there.update if each.name != dns.name.from_text(fence_name(origin))]
    assert 1 <= sum(max(1, len(each)) for each in updated) <= records
    assert {parse_name(each.name.to_text()) for each in updated} == {owner}


def test_every_code_means_done_late_refused_or_unclear() -> None:
    kinds: dict[type, set[str]] = {}
    for rcode in (*Rcode, 4_095):
        kinds.setdefault(type(update_outcome(rcode)), set()).add(getattr(rcode, "name", "other"))
    assert kinds[Written] == {"NOERROR"}
    assert kinds[Late] == {"NXRRSET", "YXRRSET"}
    assert kinds[Unclear] == {"SERVFAIL"}
    assert kinds[Refused] >= {"REFUSED", "NOTAUTH", "FORMERR", "NOTIMP", "NOTZONE", "other"}
    refused = update_outcome(Rcode.REFUSED)
    assert isinstance(refused, Refused)
    assert "REFUSED" in refused.why


def rrsets(lines: Iterable[str]) -> list[RRset]:
    return list(unfit(list(lines)).rrsets())


def test_a_reading_is_the_fence_and_what_can_be_planned() -> None:
    signed = ["a A 192.0.2.1\n", "@ DNSKEY 257 3 13 AAAA\n", "a NSEC b A\n", "sub NS ns\n", "@ MX 1 a\n"]
    found = reading(ZONE, [*rrsets(signed), fence_rrset(ZONE, fence(3))])
    assert found.fence == fence(3)
    assert {(owner, rtype) for owner, node in found.content.items() for rtype in node} == {
        ("ns.example.org.", RRType.A),
        ("a.example.org.", RRType.A),
        ("sub.example.org.", RRType.NS),
        (ZONE, RRType.MX),
    }
    assert reading(ZONE, rrsets([])).fence is None


def test_something_else_in_the_place_of_the_fence_is_told_and_not_taken_for_none() -> None:
    found = reading(ZONE, rrsets(['_standfast TXT "hello"\n', '_standfast TXT "and"\n']))
    assert isinstance(found.fence, Garbage)
    assert sorted(found.fence.rdatas) == [b"\x03and", b"\x05hello"]
    assert fence_name(ZONE) not in found.content
