"""Transfers read: whole zones and deltas, and everything that may be wrong with them."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import transfers
from standfast.authority import transfer_in
from standfast.authority.diff import apply
from standfast.authority.transfer_in import Broken, Changed, More, Progress, TransferIn, UpToDate, Whole
from standfast.authority.zone import Zone
from standfast.dns.codec import AA, QR
from standfast.dns.model import Name, Rcode, RRset, RRType
from standfast.dns.requests import CLASS_IN, Raw
from transfers import ORIGIN, content, deltas, record, soa, version, whole

ID = 4711
SERIALS = 1 << 32

_LINE = st.builds(
    "{} {} {}\n".format,
    st.sampled_from(["www", "a.b", "*.w", "x.y.z", "@"]),
    st.sampled_from([60, 300]),
    st.sampled_from(["A 192.0.2.1", "A 192.0.2.2", "AAAA 2001:db8::1", 'TXT "x"', 'TXT "y"', "MX 1 ns", "MX 2 Ns"]),
)
_TEXTS = st.lists(_LINE, max_size=12).map("".join)


def wire(records: Iterable[Raw], qtype: int = RRType.AXFR, **about: Any) -> bytes:
    return transfers.wire(records, qtype, **{"id_": ID} | about)


def taken(transfer: TransferIn, wires: Iterable[bytes]) -> Progress:
    progress: Progress = More()
    for each in wires:
        assert isinstance(progress, More), progress
        progress = transfer.take(each)
    return progress


def axfr(*wires: bytes, held: Zone | None = None) -> Progress:
    return taken(TransferIn(ORIGIN, id_=ID, held=held, incremental=False, source="primary"), wires)


def ixfr(held: Zone, *parts: Iterable[Raw]) -> Progress:
    transfer = TransferIn(ORIGIN, id_=ID, held=held, incremental=True, source="primary")
    return taken(transfer, [wire(records, RRType.IXFR) for records in parts])


def why(progress: Progress) -> str:
    assert isinstance(progress, Broken), progress
    return progress.why


def cut_at(records: list[Raw], cuts: Iterable[int]) -> list[list[Raw]]:
    """Return `records` in messages that end at `cuts`."""
    edges = sorted({0, len(records), *(cut % len(records) for cut in cuts)})
    return [records[start:end] for start, end in pairwise(edges)]


# What comes whole is the zone of the primary.


@given(_TEXTS, st.lists(st.integers(0, 100), max_size=5))
def test_a_whole_zone_comes_out_as_it_is_at_the_primary_however_messages_are_cut(text: str, cuts: list[int]) -> None:
    zone = version(7, text)
    parts = [wire(each) for each in cut_at(whole(zone), cuts)]
    came = axfr(*parts)
    assert isinstance(came, Whole)
    assert content(came.draft.zone()) == content(zone)


@given(st.lists(_TEXTS, min_size=2, max_size=4), st.lists(st.integers(0, 100), max_size=5), st.integers(0, SERIALS - 1))
def test_deltas_lead_to_the_zone_of_the_primary_even_where_serials_wrap(
    texts: list[str], cuts: list[int], first: int
) -> None:
    versions = [version((first + i * 1_000_000_000) % SERIALS, text) for i, text in enumerate(texts)][:3]
    came = ixfr(versions[0], *cut_at(deltas(*versions), cuts))
    assert isinstance(came, Changed)
    assert content(apply(versions[0], came.changes)) == content(versions[-1])


@given(_TEXTS, _TEXTS)
def test_an_ixfr_answered_by_a_whole_zone_is_a_whole_zone(old: str, new: str) -> None:
    came = ixfr(version(1, old), whole(version(2, new)))
    assert isinstance(came, Whole)
    assert content(came.draft.zone()) == content(version(2, new))


@given(_TEXTS, _TEXTS, st.integers(0, 100), st.booleans())
def test_a_transfer_that_lacks_a_record_lacks_no_more_than_that(old: str, new: str, at: int, is_ixfr: bool) -> None:
    """Without one of its SOAs nothing is taken of it."""
    before, after = version(1, old), version(2, new)
    records = deltas(before, after) if is_ixfr else whole(after)
    lost = records.pop(at % len(records))
    came = ixfr(before, records) if is_ixfr else axfr(wire(records), held=before)
    if lost.rtype == RRType.SOA:
        assert isinstance(came, Broken | More | UpToDate)
    elif isinstance(came, Whole | Changed):
        made = came.draft.zone() if isinstance(came, Whole) else apply(before, came.changes)
        assert differing(made, after) <= {(lost.owner, lost.rtype)}
    else:
        assert isinstance(came, Broken)


def differing(one: Zone, other: Zone) -> set[tuple[Name, int]]:
    return {key for key, _ in content(one).items() ^ content(other).items()}


@given(st.lists(st.binary(max_size=200) | st.builds(wire, st.just(whole(version(3)))), max_size=4))
def test_any_octets_are_read_without_an_exception(wires: list[bytes]) -> None:
    transfer = TransferIn(ORIGIN, id_=ID, held=None, incremental=False, source="primary")
    for each in wires:
        if not isinstance(transfer.take(each), More):
            break


@given(st.data())
def test_a_message_with_octets_changed_is_read_without_an_exception(data: st.DataObject) -> None:
    good = bytearray(wire(deltas(version(1, "www A 192.0.2.1\n"), version(2)), RRType.IXFR))
    for at in data.draw(st.lists(st.integers(0, len(good) - 1), max_size=4)):
        good[at] = data.draw(st.integers(0, 255))
    TransferIn(ORIGIN, id_=ID, held=version(1, "www A 192.0.2.1\n"), incremental=True, source="primary").take(
        bytes(good)
    )


def test_names_in_other_letters_are_the_same_names() -> None:
    held = version(1, "@ MX 5 Mail.example.org.\nmail A 192.0.2.5\n")
    came = ixfr(
        held, [soa(2), soa(1), record("@ MX 5 mail.EXAMPLE.org."), soa(2), record("@ MX 6 mail.example.org."), soa(2)]
    )
    assert isinstance(came, Changed)
    assert [rdata[:2] for rdata in apply(held, came.changes).rrset(ORIGIN, RRType.MX).rdatas] == [b"\0\6"]  # type: ignore[union-attr]


def test_text_in_other_letters_is_another_text() -> None:
    held = version(1, '@ TXT "a"\n')
    assert "is not there" in why(ixfr(held, [soa(2), soa(1), record('@ TXT "A"'), soa(2), soa(2)]))


# What is up to date.


@pytest.mark.parametrize("serial", [5, 4, 5 + (1 << 31) + 1])
def test_a_serial_that_is_not_later_leaves_the_zone_as_it_is(serial: int) -> None:
    assert ixfr(version(5), [soa(serial)]) == UpToDate(serial)
    assert axfr(wire(whole(version(serial))), held=version(5)) == UpToDate(serial)


def test_a_later_soa_alone_is_waited_on_as_the_rest_may_come_one_by_one() -> None:
    new = whole(version(6))
    assert ixfr(version(5), new[:1]) == More()
    assert isinstance(ixfr(version(5), *([each] for each in new)), Whole)


# What is wrong.


def test_what_is_in_another_message_than_the_answer_is_refused() -> None:
    good = whole(version(1))
    assert "no response to the query" in why(axfr(wire(good, id_=ID + 1)))
    assert "no response to the query" in why(axfr(wire(good, flags=AA)))
    assert "no response to the query" in why(axfr(wire(good, flags=QR | 5 << 11)))
    assert "another question" in why(axfr(wire(good, qname="example.net.")))
    assert "another question" in why(axfr(wire(good, RRType.IXFR)))
    assert "another question" in why(axfr(wire(good, qname=None)))
    assert "says REFUSED" in why(axfr(wire([], flags=QR | Rcode.REFUSED)))
    assert "no records" in why(axfr(wire([])))
    assert "message 2: it is no response" in why(axfr(wire(good[:2]), wire(good[2:], id_=ID + 1)))


def test_later_messages_may_leave_the_question_out_but_have_no_other() -> None:
    good = whole(version(1))
    assert isinstance(axfr(wire(good[:2]), wire(good[2:], qname=None)), Whole)
    assert "another question" in why(axfr(wire(good[:2]), wire(good[2:], qname="example.net.")))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (record("example.net. A 192.0.2.1"), "example.net. is not in the zone"),
        (record("xexample.org. A 192.0.2.1"), "xexample.org. is not in the zone"),
        (record("a\\.example.org. A 192.0.2.1"), "is not in the zone"),  # its dot is part of a label
        (record("www A 192.0.2.1")._replace(rclass=3), "is of class 3"),
        (Raw("www.example.org.", 255, CLASS_IN, 0, b"x"), "stands in no zone"),
        (Raw("www.example.org.", RRType.NSEC3, CLASS_IN, 0, b""), "no data of type NSEC3"),
        (Raw("www.example.org.", RRType.HTTPS, CLASS_IN, 0, b"\0"), "no data of type HTTPS"),
        (soa(2)._replace(owner="www.example.org."), "an SOA at www.example.org."),
        (soa(3), "not that of its beginning"),
    ],
)
def test_a_record_that_cannot_be_in_the_zone_is_refused_in_either_kind(bad: Raw, words: str) -> None:
    new = whole(version(2))
    assert words in why(axfr(wire([*new[:-1], bad, new[-1]])))
    held = version(1)
    if bad.rtype != RRType.SOA:
        assert words in why(ixfr(held, [soa(2), soa(1), bad, soa(2), soa(2)]))
        assert words in why(ixfr(held, [soa(2), soa(1), soa(2), bad, soa(2)]))


def test_records_behind_the_end_are_refused() -> None:
    new = whole(version(2))
    assert "follows the SOA at its end" in why(axfr(wire([*new, record("www A 192.0.2.1")])))
    assert "follows the SOA at its end" in why(axfr(wire([*new, new[-1]])))


def test_what_does_not_begin_with_the_soa_is_refused() -> None:
    assert "not with the SOA" in why(axfr(wire([record("www A 192.0.2.1")])))
    assert "an SOA at example.net." in why(axfr(wire([soa(1)._replace(owner="example.net.")])))


def test_deltas_that_do_not_fit_what_is_held_are_refused() -> None:
    held = version(1, "www A 192.0.2.1\n")
    there, missing = record("www A 192.0.2.1"), record("www A 192.0.2.2")
    assert "that is not there" in why(ixfr(held, [soa(2), soa(1), missing, soa(2), soa(2)]))
    assert "that is there already" in why(ixfr(held, [soa(2), soa(1), soa(2), there, soa(2)]))
    assert "that is there already" in why(ixfr(held, [soa(2), soa(1), soa(2), missing, missing, soa(2)]))
    assert "away from serial 7" in why(ixfr(held, [soa(9), soa(7), soa(8), soa(9)]))
    assert "away from serial 5" in why(ixfr(held, [soa(9), soa(1), soa(4), soa(5), soa(9), soa(9)]))
    assert "back to 1" in why(ixfr(held, [soa(9), soa(1), soa(1), soa(9)]))
    assert "back to 3" in why(ixfr(held, [soa(9), soa(1), soa(4), soa(4), soa(3), soa(9)]))


def test_a_transfer_that_ends_before_its_soa_is_broken() -> None:
    transfer = TransferIn(ORIGIN, id_=ID, held=None, incremental=False, source="primary")
    assert transfer.take(wire(whole(version(2))[:-1])) == More()
    assert "ended after 3 records" in transfer.cut().why


def test_a_transfer_without_an_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_in, "RECORDS_MAX", 10)
    many = [soa(1), *(record(f"n{i} A 192.0.2.1") for i in range(10))]
    assert "more than 10 records" in why(axfr(wire(many)))
    monkeypatch.setattr(transfer_in, "OCTETS_MAX", 100)
    assert "100 octets" in why(axfr(wire(many[:9])))


def test_of_differing_ttls_the_smallest_holds_in_either_kind() -> None:
    one, other = record("www A 192.0.2.1"), record("www A 192.0.2.2")._replace(ttl_s=60)
    new = whole(version(2))
    came = axfr(wire([*new[:-1], one, other, new[-1]]))
    assert isinstance(came, Whole)
    changed = ixfr(version(1), [soa(2), soa(1), soa(2), one, other, soa(2)])
    assert isinstance(changed, Changed)
    www: RRset | None = came.draft.zone().rrset("www.example.org.", RRType.A)
    assert www is not None
    assert www.ttl_s == 60
    assert apply(version(1), changed.changes).rrset("www.example.org.", RRType.A) == www
