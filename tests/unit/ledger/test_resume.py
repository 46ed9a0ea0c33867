"""Resuming: the chain goes on after whatever stop, and what is gone stays visible."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.ledger.backlog import BATCH_BYTES_MAX
from standfast.ledger.record import GENESIS, LINE_BYTES_MAX, Head, chain, encode_line
from standfast.ledger.resume import TAIL_BYTES, resume
from standfast.ledger.verify import verify
from unit.ledger.chains import head_of, ledger, records

COUNT = 8
RECORDS = records(COUNT)
LINES = ledger(COUNT)
TEXT = b"".join(LINES)
HEAD = head_of(RECORDS[-1])


def test_after_a_clean_stop_the_chain_goes_on_and_nothing_is_noted() -> None:
    resumption = resume(TEXT, is_whole=True, head=HEAD)
    assert resumption.start == HEAD
    assert not resumption.reasons
    assert not resumption.torn
    assert not resumption.foreign


def test_no_file_yet_begins_at_the_beginning() -> None:
    resumption = resume(b"", is_whole=True, head=None)
    assert resumption.start == GENESIS
    assert not resumption.reasons


def test_a_head_file_that_lags_is_as_a_crash_leaves_it_and_is_not_noted() -> None:
    resumption = resume(TEXT, is_whole=True, head=head_of(RECORDS[-3]))
    assert resumption.start == HEAD
    assert not resumption.reasons


@settings(deadline=None)
@given(st.integers(0, len(TEXT)))
def test_after_a_cut_anywhere_the_chain_goes_on_after_the_last_whole_line(size: int) -> None:
    whole = TEXT[:size].count(b"\n")
    head = head_of(RECORDS[whole - 1]) if whole else GENESIS
    resumption = resume(TEXT[:size], is_whole=True, head=head)
    assert resumption.start == head
    assert not resumption.foreign
    assert TEXT[:size] == b"".join(LINES[:whole]) + resumption.torn
    assert bool(resumption.reasons) == bool(resumption.torn)


@settings(deadline=None)
@given(st.integers(0, len(TEXT) - 1))
def test_what_is_gone_from_the_end_stays_visible_after_the_chain_went_on(size: int) -> None:
    resumption = resume(TEXT[:size], is_whole=True, head=HEAD)
    assert resumption.start == HEAD
    assert resumption.reasons
    following = chain(resumption.start, at_ms=0, kind="recovered", body={})
    report = verify(
        [*TEXT[:size].splitlines(keepends=True)[: TEXT[:size].count(b"\n")], encode_line(following)], head=None
    )
    assert [(finding.kind, finding.seq) for finding in report.findings] == [("dropped", TEXT[:size].count(b"\n") + 1)]
    assert report.head.seq == COUNT + 1


def test_damaged_lines_at_the_end_stay_where_they_are_and_are_found_after_the_chain_went_on() -> None:
    damaged = LINES[-1].replace(b"proven", b"absent")
    tail = b"".join(LINES[:-1]) + damaged
    resumption = resume(tail, is_whole=True, head=HEAD)
    assert not resumption.foreign
    assert resumption.reasons[0] == "1 damaged lines stand after record 7"
    following = encode_line(chain(resumption.start, at_ms=0, kind="recovered", body={}))
    for head, known in ((resumption.start, HEAD), (head_of(RECORDS[-2]), None)):
        assert resume(tail, is_whole=True, head=known).start == head
    report = verify([*LINES[:-1], damaged, following], head=None)
    assert [(finding.kind, finding.seq) for finding in report.findings] == [("changed", COUNT)]


def test_a_last_record_other_than_the_one_that_the_head_names_is_noted_and_stays_visible() -> None:
    other = chain(head_of(RECORDS[-2]), at_ms=0, kind="verdict", body={"reason": "forged"})
    resumption = resume(b"".join(LINES[:-1]) + encode_line(other), is_whole=True, head=HEAD)
    assert resumption.reasons == (f"record {COUNT} is not the one that the head file names",)
    following = encode_line(chain(resumption.start, at_ms=0, kind="recovered", body={}))
    report = verify([*LINES[:-1], encode_line(other), following], head=None)
    assert [(finding.kind, finding.seq) for finding in report.findings] == [("changed", COUNT)]


def test_a_missing_ledger_is_noted_and_the_numbers_go_on() -> None:
    resumption = resume(b"", is_whole=True, head=HEAD)
    assert resumption.start == HEAD
    assert resumption.reasons == (f"the head file names record {COUNT}, the last whole one is 0",)


@pytest.mark.parametrize(
    "tail",
    [
        b"not a ledger\n",
        b"not a ledger",
        b"\x00" * 4_096,
        b'{"at_ms":' + b"x" * LINE_BYTES_MAX,
        b"SQLite format 3\x00" + bytes(1_000),
        b'{"at_ms":5}\n',
    ],
)
def test_a_file_that_is_no_ledger_is_foreign(tail: bytes) -> None:
    resumption = resume(tail, is_whole=True, head=None)
    assert resumption.foreign
    assert resumption.start == GENESIS
    assert resumption.reasons == ("the file was not a ledger",)
    assert resume(tail, is_whole=True, head=HEAD).start == HEAD


@settings(deadline=None)
@given(st.integers(1, len(b'{"at_ms":17')))
def test_a_half_written_first_line_is_torn_and_not_foreign(size: int) -> None:
    resumption = resume(TEXT[:size], is_whole=True, head=None)
    assert not resumption.foreign
    assert resumption.torn == TEXT[:size]


def test_a_whole_record_is_seen_before_a_batch_that_a_power_loss_left_as_zeros() -> None:
    longest = chain(GENESIS, at_ms=0, kind="verdict", body={"reason": "x" * (LINE_BYTES_MAX - 300)})
    text = bytes(TAIL_BYTES) + b"\n" + encode_line(longest) + bytes(BATCH_BYTES_MAX)
    resumption = resume(text[-TAIL_BYTES:], is_whole=False, head=None)
    assert resumption.start == Head(seq=1, hash=longest.hash)
    assert resumption.torn == bytes(BATCH_BYTES_MAX)
