"""Verification: whatever is done to a ledger's lines is found, named by line and number, and named once."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.ledger import verify as verify_module
from standfast.ledger.record import GENESIS, Head, Record, chain, encode_line
from standfast.ledger.verify import FINDINGS_MAX, ClockStep, Finding, verify
from unit.ledger.chains import head_of, ledger, records

COUNT = 12
RECORDS = records(COUNT)
LINES = ledger(COUNT)
HEAD = head_of(RECORDS[-1])


def judge(lines: list[bytes], head: Head | None = HEAD) -> tuple[Finding, ...]:
    return verify(lines, head=head).findings


def told(lines: list[bytes], head: Head | None = HEAD) -> list[tuple[str, int, int | None, int | None]]:
    return [(finding.kind, finding.line, finding.seq, finding.seq_last) for finding in judge(lines, head)]


def sealed_anew(record: Record, text: str) -> Record:
    """Return the record with another body and a hash that fits it, as a forger would leave it."""
    before = Head(seq=record.seq - 1, hash=record.prev)
    return chain(before, at_ms=record.at_ms, kind=record.kind, body={"text": text})


# What is whole.


@settings(deadline=None)
@given(st.integers(0, COUNT), st.booleans())
def test_a_whole_ledger_has_no_findings_wherever_it_ends(count: int, know_head: bool) -> None:
    head = head_of(RECORDS[count - 1]) if count else GENESIS
    report = verify(LINES[:count], head=head if know_head else None)
    assert report.findings == ()
    assert (report.records, report.head) == (count, head)
    assert report.first_at_ms == (RECORDS[0].at_ms if count else None)
    assert report.last_at_ms == (RECORDS[count - 1].at_ms if count else None)


@settings(deadline=None)
@given(st.integers(0, COUNT))
def test_a_head_that_lags_behind_the_lines_is_no_finding(seq: int) -> None:
    assert judge(LINES, head_of(RECORDS[seq - 1]) if seq else GENESIS) == ()


def test_a_clock_that_goes_back_is_legal_and_shown() -> None:
    lines: list[bytes] = []
    head = GENESIS
    for at_ms in (5_000, 6_000, 2_000, 3_000, 2_999):
        record = chain(head, at_ms=at_ms, kind="verdict", body={})
        lines.append(encode_line(record))
        head = head_of(record)
    report = verify(lines, head=head)
    assert report.findings == ()
    assert report.clock_back == 2
    assert report.clock_back_largest == ClockStep(line=3, seq=3, back_ms=4_000)
    assert (report.first_at_ms, report.last_at_ms) == (5_000, 2_999)


# One thing is wrong: one finding, and it names what.


@settings(deadline=None)
@given(st.data())
def test_any_flipped_bit_is_found_and_named(data: st.DataObject) -> None:
    text = bytearray(b"".join(LINES))
    bit = data.draw(st.integers(0, len(text) * 8 - 1))
    seq = bytes(text[: bit // 8]).count(b"\n") + 1
    text[bit // 8] ^= 1 << bit % 8
    findings = judge(split(bytes(text)))
    assert 1 <= len(findings) <= 2
    for finding in findings:
        assert finding.seq is not None
        assert finding.seq <= seq <= (finding.seq_last or finding.seq)
        assert finding.line in (seq, seq + 1)
    if len(split(bytes(text))) == COUNT and text.endswith(b"\n"):
        assert [(finding.line, finding.seq, finding.seq_last) for finding in findings] == [(seq, seq, None)]


def split(text: bytes) -> list[bytes]:
    lines = text.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


@settings(deadline=None)
@given(st.integers(1, COUNT))
def test_a_changed_record_is_named_and_nothing_else_is(seq: int) -> None:
    lines = [*LINES]
    lines[seq - 1] = lines[seq - 1].replace(b"proven", b"absent")
    assert told(lines) == [("changed", seq, seq, None)]
    assert told(lines, None) == [("changed", seq, seq, None)]
    assert f"record {seq} was changed" in judge(lines)[0].text


@settings(deadline=None)
@given(st.integers(1, COUNT))
def test_a_changed_record_with_a_hash_that_fits_it_is_named(seq: int) -> None:
    lines = [*LINES]
    lines[seq - 1] = encode_line(sealed_anew(RECORDS[seq - 1], "nothing to see"))
    assert told(lines) == [("changed", seq, seq, None)]


@settings(deadline=None)
@given(st.integers(1, COUNT))
def test_a_record_that_both_its_successor_and_the_head_disown_is_one_finding(seq: int) -> None:
    lines = [*LINES]
    lines[seq - 1] = encode_line(sealed_anew(RECORDS[seq - 1], "nothing to see"))
    assert told(lines, head_of(RECORDS[seq - 1])) == [("changed", seq, seq, None)]


@settings(deadline=None)
@given(st.integers(1, COUNT))
def test_a_line_of_garbage_in_place_of_a_record_is_named(seq: int) -> None:
    lines = [*LINES]
    lines[seq - 1] = b"garbage\n"
    assert told(lines) == [("malformed", seq, seq, None)]
    assert f"where record {seq} should stand" in judge(lines)[0].text


@settings(deadline=None)
@given(st.integers(0, COUNT))
def test_a_line_of_garbage_between_whole_records_is_told_from_a_lost_one(after: int) -> None:
    lines = [*LINES[:after], b"garbage\n", *LINES[after:]]
    assert told(lines) == [("malformed", after + 1, COUNT + 1 if after == COUNT else None, None)]


@settings(deadline=None)
@given(st.data())
def test_dropped_records_are_named_by_their_range(data: st.DataObject) -> None:
    first = data.draw(st.integers(1, COUNT))
    last = data.draw(st.integers(first, COUNT))
    lines = LINES[: first - 1] + LINES[last:]
    kind = "head_ahead" if last == COUNT else "dropped"
    assert told(lines) == [(kind, first, first, last if last > first else None)]
    text = judge(lines)[0].text
    assert (f"records {first} to {last} are missing" if last > first else f"record {first} is missing") in text


@settings(deadline=None)
@given(st.sets(st.integers(1, COUNT - 1)))
def test_records_dropped_here_and_there_are_all_named(dropped: set[int]) -> None:
    lines = [line for seq, line in enumerate(LINES, start=1) if seq not in dropped]
    named: list[int] = []
    for finding in judge(lines):
        assert finding.kind == "dropped"
        assert finding.seq is not None
        named += range(finding.seq, (finding.seq_last or finding.seq) + 1)
    assert named == sorted(dropped)


def test_records_dropped_from_the_end_leave_no_trace_without_the_head() -> None:
    assert told(LINES[:-3], None) == []
    assert told(LINES[:-3]) == [("head_ahead", COUNT - 2, COUNT - 2, COUNT)]
    assert told([]) == [("head_ahead", 1, 1, COUNT)]


@settings(deadline=None)
@given(st.data())
def test_two_swapped_records_are_named(data: st.DataObject) -> None:
    one = data.draw(st.integers(1, COUNT - 1))
    other = data.draw(st.integers(one + 1, COUNT))
    lines = [*LINES]
    lines[one - 1], lines[other - 1] = lines[other - 1], lines[one - 1]
    findings = judge(lines)
    assert {finding.kind for finding in findings} == {"reordered"}
    assert len(findings) <= 2
    named = {finding.seq for finding in findings}
    assert named <= {one, other} if other == one + 1 else named & {one, other}
    assert all(f"record {finding.seq} stands" in finding.text for finding in findings)


@settings(deadline=None)
@given(st.data())
def test_a_record_that_was_moved_is_one_finding_that_names_it(data: st.DataObject) -> None:
    seq = data.draw(st.integers(1, COUNT))
    to = data.draw(st.integers(1, COUNT).filter(lambda to: to != seq))
    lines = LINES[: seq - 1] + LINES[seq:]
    lines.insert(to - 1, LINES[seq - 1])
    findings = judge(lines)
    assert [finding.kind for finding in findings] == ["reordered"]
    if abs(to - seq) > 1:  # else it is as true that its neighbour was moved
        assert (findings[0].line, findings[0].seq) == (to, seq)


def test_a_moved_block_is_one_finding() -> None:
    lines = LINES[:2] + LINES[6:10] + LINES[2:6] + LINES[10:]
    assert told(lines) == [("reordered", 7, 3, 6)]
    assert judge(lines)[0].text == "records 3 to 6 stand after record 10"


@settings(deadline=None)
@given(st.data())
def test_a_record_that_stands_there_twice_is_named(data: st.DataObject) -> None:
    seq = data.draw(st.integers(1, COUNT))
    to = data.draw(st.integers(seq, COUNT))
    lines = [*LINES[:to], LINES[seq - 1], *LINES[to:]]
    assert told(lines) == [("duplicated", to + 1, seq, None)]


@settings(deadline=None)
@given(st.integers(1, len(b"".join(LINES)) - 1))
def test_a_ledger_cut_anywhere_names_what_is_gone(size: int) -> None:
    lines = split(b"".join(LINES)[:size])
    whole = sum(line.endswith(b"\n") for line in lines)
    torn = len(lines) - whole
    expected: list[tuple[str, int, int | None, int | None]] = [("torn_tail", whole + 1, whole + 1, None)] * torn
    assert told(lines, head_of(RECORDS[whole - 1]) if whole else GENESIS) == expected
    gone = COUNT - whole - torn
    if gone:
        expected += [("head_ahead", whole + torn + 1, whole + torn + 1, COUNT if gone > 1 else None)]
    assert told(lines) == expected


def test_a_chain_written_anew_as_a_whole_is_found_by_the_head_alone() -> None:
    forged = [sealed_anew(RECORDS[0], "forged")]
    for record in RECORDS[1:]:
        forged.append(chain(head_of(forged[-1]), at_ms=record.at_ms, kind="verdict", body={}))
    lines = [encode_line(record) for record in forged]
    assert told(lines, None) == []
    assert told(lines) == [("changed", COUNT, COUNT, None)]


def test_a_chain_forged_from_some_record_on_is_named_where_the_true_one_no_longer_fits() -> None:
    forged = [sealed_anew(RECORDS[3], "forged")]
    forged += [chain(head_of(forged[0]), at_ms=0, kind="verdict", body={})]
    lines = [*LINES[:3], *map(encode_line, forged), *LINES[5:]]
    assert told(lines) == [("changed", 5, 5, None)]


def test_a_first_record_that_is_not_chained_to_the_beginning_is_named() -> None:
    first = chain(Head(seq=0, hash="ab" * 32), at_ms=0, kind="start", body={})
    assert told([encode_line(first)], None) == [("changed", 1, 1, None)]


# Several things are wrong.


def test_each_of_several_wrongs_is_named_once() -> None:
    lines = ledger(40)
    lines[4] = lines[4].replace(b"proven", b"absent")
    lines[9] = b"\x00" * 80 + b"\n"
    lines[14], lines[15] = lines[15], lines[14]
    lines[35] = encode_line(sealed_anew(records(36)[-1], "forged"))
    del lines[19:25]
    assert told(lines, head_of(records(42)[-1])) == [
        ("changed", 5, 5, None),
        ("malformed", 10, 10, None),
        ("reordered", 15, 16, None),
        ("dropped", 20, 20, 25),
        ("changed", 30, 36, None),
        ("head_ahead", 35, 41, 42),
    ]


def test_a_changed_record_beside_dropped_ones_is_told_from_them() -> None:
    lines = [*LINES[:3], LINES[3].replace(b"proven", b"absent"), *LINES[7:]]
    assert told(lines) == [("changed", 4, 4, None), ("dropped", 5, 5, 7)]


def test_a_forged_record_is_found_between_two_that_were_swapped() -> None:
    forged = encode_line(sealed_anew(RECORDS[2], "nothing to see"))
    assert told([*LINES[:2], LINES[3], forged, *LINES[4:]]) == [("reordered", 3, 4, None), ("changed", 4, 3, None)]


def test_a_changed_record_is_found_beside_one_that_stands_too_early() -> None:
    changed = LINES[2].replace(b"proven", b"absent")
    before = [*LINES[:2], changed, LINES[4], LINES[3], *LINES[5:]]
    assert told(before) == [("changed", 3, 3, None), ("reordered", 4, 5, None)]
    after = [*LINES[:2], LINES[4], changed, LINES[3], *LINES[5:]]
    assert told(after) == [("reordered", 3, 5, None), ("changed", 4, 3, None)]


def test_copies_in_different_places_are_named_apart() -> None:
    lines = [*LINES[:3], LINES[0], LINES[3], LINES[1], *LINES[4:]]
    assert told(lines) == [("duplicated", 4, 1, None), ("duplicated", 6, 2, None)]


def test_a_lost_line_end_names_both_records_that_it_joined() -> None:
    lines = [*LINES[:3], LINES[3][:-1] + LINES[4], *LINES[5:]]
    assert told(lines) == [("malformed", 4, 4, 5)]
    assert judge(lines)[0].text.startswith("an unreadable line, where records 4 to 5 should stand")


def test_a_changed_copy_of_a_record_is_told_from_a_changed_record() -> None:
    lines = [*LINES[:4], LINES[3].replace(b"proven", b"absent"), *LINES[4:]]
    assert told(lines) == [("changed", 5, 4, None)]
    assert judge(lines)[0].text.startswith("a changed copy of record 4")


def test_a_forged_record_far_ahead_does_not_upset_the_chain() -> None:
    forged = chain(Head(seq=10**15, hash="ab" * 32), at_ms=0, kind="verdict", body={})
    lines = [*LINES[:5], encode_line(forged), *LINES[5:]]
    assert told(lines) == [("reordered", 6, 10**15 + 1, None)]


def test_parts_of_a_ledger_verify_as_one() -> None:
    archived, current = LINES[:7], LINES[7:]
    assert told(current) == [("dropped", 1, 1, 7)]
    assert "archived" in judge(current)[0].text
    assert told(archived + current) == []


@settings(deadline=None)
@given(st.lists(st.sampled_from([*LINES, b"garbage\n", LINES[4].replace(b"proven", b"absent")]), max_size=30))
def test_no_arrangement_of_lines_but_the_true_one_passes(lines: list[bytes]) -> None:
    assert (judge(lines) == ()) == (lines == LINES)


@settings(deadline=None)
@given(st.permutations(LINES))
def test_a_shuffled_ledger_has_nothing_dropped_and_nothing_twice(lines: list[bytes]) -> None:
    findings = judge(lines)
    assert {finding.kind for finding in findings} <= {"reordered"}
    assert verify(lines, head=HEAD).head == HEAD


# Bounds.


@pytest.mark.parametrize("line", [b"garbage\n", LINES[0].replace(b"proven", b"absent")])
def test_a_file_that_is_no_ledger_gives_a_bounded_report(line: bytes) -> None:
    report = verify((line for _ in range(3 * FINDINGS_MAX)), head=HEAD)
    assert len(report.findings) == FINDINGS_MAX
    assert report.findings_left_out == 2 * FINDINGS_MAX
    assert report.head == GENESIS


def test_a_ledger_with_every_other_record_dropped_gives_a_bounded_report() -> None:
    report = verify(ledger(6 * FINDINGS_MAX)[::2], head=None)
    assert len(report.findings) == FINDINGS_MAX
    assert len(report.findings) + report.findings_left_out == 3 * FINDINGS_MAX - 1


def test_gaps_that_may_yet_be_filled_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "GAPS_MAX", 2)
    gaps = [1, 4, 7]
    lines = [line for seq, line in enumerate(LINES, start=1) if seq not in gaps]
    found = [("dropped", at, seq) for at, seq in zip((1, 3, 5), gaps, strict=True)]
    assert [row[:3] for row in told(lines)] == found
    late = [*lines, LINES[0], LINES[6]]
    assert [row[:3] for row in told(late)] == [*found[:2], ("duplicated", 10, 1), ("reordered", 11, 7)]


def test_memory_does_not_grow_with_the_ledger() -> None:
    def peak_bytes(count: int) -> int:
        tracemalloc.start()
        verify(endless(count), head=None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(2_000) < peak_bytes(200) + 50_000


def endless(count: int) -> Iterator[bytes]:
    head = GENESIS
    for number in range(count):
        record = chain(head, at_ms=number, kind="verdict", body={"qname": "example.org."})
        head = head_of(record)
        if number % 100 != 50:  # with gaps
            yield encode_line(replace(record))
