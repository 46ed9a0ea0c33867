"""Change batches of Route 53: what the service makes of them is what was to be written, whatever stood there."""

import random
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.control.batches import batched
from standfast.control.fence import WRITER_MAX, Fence, fence_name
from standfast.control.publishing import Batch, BatchLimits
from standfast.control.record_sets import (
    LETTERS_MAX,
    RECORDS_MAX,
    RecordChange,
    RecordSet,
    changes_from,
    exact_changes,
    name_for,
    name_of,
    rrset_of,
    size_of_record_sets,
)
from standfast.dns.changes import Change, same
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.dns.wire import name_to_text

ZONE = "example.org."
FENCE = Fence(generation=1, step=1, done=True, plan="0123456789abcdef", writer="a.1.1")
LONG_FENCE = Fence(generation=10**15 - 1, step=10**9 - 1, done=False, plan="0123456789abcdef", writer="w" * WRITER_MAX)
NEXT = Fence(generation=2, step=1, done=True, plan="0123456789abcdef", writer="a.1.2")

TEXTS = {
    "A": ["192.0.2.1", "192.0.2.2"],
    "AAAA": ["2001:db8::1"],
    "TXT": ['"x"', '"a \\"b\\" \\\\ \\001\\255" "z"'],
    "MX": ["1 mail.example.org."],
    "CNAME": ["far.example.net."],
}
ROUTED: list[dict[str, Any]] = [
    {"AliasTarget": {"DNSName": "lb."}},
    {"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.8"}], "SetIdentifier": "x", "Weight": 1},
]


def rrset(owner: str, rtype: str, texts: Sequence[str], ttl_s: int = 60) -> RRset:
    return rrset_from_text(f"{owner}.{ZONE}", RRType[rtype], ttl_s, list(texts))


@st.composite
def rrsets(draw: st.DrawFn) -> list[RRset]:
    """Return RRsets of a few names, a CNAME nowhere beside others."""
    found: dict[tuple[Name, int], RRset] = {}
    for _ in range(draw(st.integers(0, 6))):
        owner, rtype = draw(st.sampled_from(["a", "b", "*.b", "c"])), draw(st.sampled_from(sorted(TEXTS)))
        made = rrset(owner, rtype, draw(st.lists(st.sampled_from(TEXTS[rtype]), min_size=1, unique=True)))
        beside = {there for name, there in found if name == made.owner} - {made.rtype}
        if (made.rtype == RRType.CNAME and beside) or RRType.CNAME in beside:
            continue
        found[made.owner, made.rtype] = made
    return list(found.values())


@pytest.mark.parametrize("rtype", ["A", "TXT"])
@pytest.mark.parametrize("expect", [None, LONG_FENCE])
def test_no_batch_holds_more_than_the_service_takes_at_once_and_all_but_the_last_are_full(
    rtype: str, expect: Fence | None
) -> None:
    rng = random.Random(rtype)
    changes = []
    for number in range(1_500):
        before, after = (rrset(f"n{number}", rtype, values_of(rtype, rng)) for _ in range(2))
        known, wanted = rng.choice([(None, after), (before, None), (before, after)])
        changes.append(Change(before=known, after=wanted))
    limits = BatchLimits(records_max=RECORDS_MAX, octets_max=LETTERS_MAX, size=size_of_record_sets)
    chunks, too_large = batched(changes, limits, ZONE)
    assert not too_large
    assert sorted(map(str, chain.from_iterable(chunks))) == sorted(map(str, changes))
    for chunk in chunks:
        asked = exact_changes(Batch(zone=ZONE, expect=expect, fence=LONG_FENCE, changes=chunk))
        assert "UPSERT" not in {each["Action"] for each in asked}, "of which each record would count twice"
        values = [record["Value"] for each in asked for record in each["ResourceRecordSet"]["ResourceRecords"]]
        records, letters = len(values), sum(map(len, values))
        assert records <= 1_000
        assert letters <= 32_000
        assert chunk is chunks[-1] or records > 900 or letters > 30_000


def values_of(rtype: str, rng: random.Random) -> list[str]:
    if rtype == "A":
        return [f"192.0.2.{last}" for last in rng.sample(range(256), rng.randint(1, 9))]
    return [f'"{number}{"x" * rng.randint(1, 250)}"' for number in range(rng.randint(1, 3))]


def test_an_rrset_that_no_batch_can_hold_is_told() -> None:
    limits = BatchLimits(records_max=RECORDS_MAX, octets_max=LETTERS_MAX, size=size_of_record_sets)
    large = rrset("large", "A", [f"192.0.{number >> 8}.{number & 255}" for number in range(RECORDS_MAX)])
    small = Change(before=None, after=rrset("small", "A", ["192.0.2.1"]))
    assert batched([Change(before=None, after=large), small], limits, ZONE) == (((small,),), (large.owner,))


def record_set(made: RRset) -> RecordSet:
    """Return the record set that is created for an RRset."""
    change = Change(before=None, after=made)
    created = exact_changes(Batch(zone=ZONE, expect=None, fence=FENCE, changes=(change,)))[1]
    return dict(created["ResourceRecordSet"])


def key(each: RecordSet) -> tuple[Name, str, str]:
    return name_of(each["Name"]), each["Type"], each.get("SetIdentifier", "")


def done(there: Iterable[RecordSet], changes: Iterable[RecordChange]) -> list[RecordSet] | None:
    """Return what becomes of record sets as the API reference says; None where the batch is rejected."""
    stand = {key(each): each for each in there}
    for change in changes:
        asked = change["ResourceRecordSet"]
        match change["Action"], stand.get(key(asked)):
            case "DELETE", each if each == asked:
                del stand[key(asked)]
            case "CREATE", None:
                stand[key(asked)] = asked
            case _:
                return None
    for owner, rtype, _ in stand:
        if rtype == "CNAME" and sum(name == owner for name, _, _ in stand) > 1:
            return None
    return list(stand.values())


@given(rrsets(), rrsets(), rrsets(), st.sampled_from([None, FENCE]), st.sampled_from([60, 300]))
def test_what_comes_of_any_names_is_what_the_batch_says(
    standing: list[RRset], known: list[RRset], planned: list[RRset], expect: Fence | None, ttl_s: int
) -> None:
    before = {(each.owner, each.rtype): each for each in known}
    after = {(each.owner, each.rtype): each for each in planned}
    changes = tuple(Change(before=before.get(each), after=after.get(each)) for each in sorted({*before, *after}))
    batch = Batch(zone=ZONE, expect=expect, fence=NEXT, changes=changes)
    at_fence = (
        [
            {**change["ResourceRecordSet"], "TTL": ttl_s}
            for change in exact_changes(Batch(zone=ZONE, expect=None, fence=FENCE, changes=()))
        ]
        if expect
        else []
    )
    there = [*map(record_set, standing), *at_fence]
    others = [each for each in there if name_of(each["Name"]) != fence_name(ZONE)]
    asked = changes_from(batch, others, at_fence[0] if at_fence else None)
    assert not isinstance(asked, str)
    found = done(there, asked)
    assert found is not None, "the service does it"
    now = {(each.owner, each.rtype): each for each in map(rrset_of, found) if each is not None}
    assert fence_name(ZONE) in {owner for owner, _ in now}
    for change in changes:
        made = change.after or change.before
        assert made is not None
        assert same(now.get((made.owner, made.rtype)), change.after)
    named = {(owner, RRType.CNAME) for owner, _ in after} | {*before, *after}
    aliases = {owner for owner, rtype in after if rtype == RRType.CNAME}
    for each in standing:
        if (each.owner, each.rtype) not in named and each.owner not in aliases:
            assert now[each.owner, each.rtype] == each
    wrong = [{**each, "TTL": 61} if each in at_fence else each for each in there]
    if expect:
        assert done(wrong, asked) is None
        assert done(there[:-1], asked) is None


@given(rrsets(), rrsets())
def test_where_all_stands_as_it_is_known_nothing_has_to_be_looked_at(known: list[RRset], planned: list[RRset]) -> None:
    before = {(each.owner, each.rtype): each for each in known}
    after = {(each.owner, each.rtype): each for each in planned}
    changes = tuple(Change(before=before.get(each), after=after.get(each)) for each in sorted({*before, *after}))
    found = done(map(record_set, known), exact_changes(Batch(zone=ZONE, expect=None, fence=FENCE, changes=changes)))
    assert found is not None
    now = {(each.owner, each.rtype): each for each in map(rrset_of, found) if each is not None}
    del now[fence_name(ZONE), RRType.TXT]
    assert now.keys() == after.keys()
    assert all(same(now[each], after[each]) for each in after)


@pytest.mark.parametrize("routed", ROUTED)
@pytest.mark.parametrize(
    "changes",
    [
        (Change(before=None, after=rrset("a", "A", ["192.0.2.1"])),),
        (Change(before=rrset("a", "A", ["192.0.2.8"]), after=None),),
        (Change(before=None, after=rrset("a", "CNAME", ["far."])),),
    ],
)
def test_what_is_more_than_a_plan_says_is_left_and_told(routed: RecordSet, changes: tuple[Change, ...]) -> None:
    batch = Batch(zone=ZONE, expect=FENCE, fence=NEXT, changes=changes)
    there = [{"Name": "a.example.org.", "Type": "A", **routed}]
    assert "a.example.org. A is " in str(changes_from(batch, there, None))
    elsewhere = [{"Name": "b.example.org.", "Type": "A", **routed}, {"Name": "a.example.org.", "Type": "MX", **routed}]
    other = changes_from(batch, elsewhere, None)
    assert isinstance(other, str) == (changes[0].after is not None and changes[0].after.rtype == RRType.CNAME)


@given(st.lists(st.binary(min_size=1, max_size=12).map(bytes.lower), min_size=1, max_size=4))
def test_a_name_is_read_as_it_was_written(labels: list[bytes]) -> None:
    name = name_to_text(b"".join(bytes((len(label),)) + label for label in labels) + b"\0")
    assert name_of(name_for(name)) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\\052.example.org.", "*.example.org."),
        ("*.example.org.", "*.example.org."),
        ("_sip._tcp.example.org", "_sip._tcp.example.org."),
        ("a\\056b.Example.org.", "a\\.b.example.org."),
        ("f\\374.example.org.", "f\\252.example.org."),
        ("a\\100b.example.org.", "a\\@b.example.org."),
    ],
)
def test_names_of_the_service_are_escaped_in_octal(text: str, name: Name) -> None:
    assert name_of(text) == name


def test_a_wildcard_is_written_as_it_is() -> None:
    assert record_set(rrset("*", "A", ["192.0.2.1"]))["Name"] == "*.example.org."
    assert record_set(rrset("a\\.b", "A", ["192.0.2.1"]))["Name"] == "a\\056b.example.org."


def test_octets_of_a_text_are_escaped_in_octal() -> None:
    made = rrset("a", "TXT", ['"caf\\233 \\"x\\" \\\\ 9"'])
    (value,) = record_set(made)["ResourceRecords"]
    assert value == {"Value": '"caf\\351 \\"x\\" \\\\ 9"'}
    assert rrset_of(record_set(made)) == made


@pytest.mark.parametrize(
    ("rtype", "value"), [("A", "not an address"), ("NOTYPE", "x"), ("TXT", '"unclosed'), ("CNAME", "a..b")]
)
def test_what_cannot_be_read_is_no_rrset(rtype: str, value: str) -> None:
    assert rrset_of({"Name": "a.example.org.", "Type": rtype, "TTL": 60, "ResourceRecords": [{"Value": value}]}) is None


def test_a_change_counts_for_the_records_and_the_letters_of_both_sides() -> None:
    change = Change(before=rrset("a", "A", ["192.0.2.1"]), after=rrset("a", "A", ["192.0.2.1", "192.0.2.20"]))
    assert size_of_record_sets(change, ZONE) == (3, 28)
