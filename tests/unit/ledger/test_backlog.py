"""The backlog: nothing is chained that is not kept, nothing is lost that is not counted, and memory is bounded."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.ledger.backlog import BATCH_BYTES_MAX, Backlog
from standfast.ledger.record import GENESIS, LINE_BYTES_MAX, Head, Record, decode_line
from standfast.ledger.verify import verify

BOUND = 2_000  # bytes, of records of about 250


def drain(backlog: Backlog) -> list[bytes]:
    written: list[bytes] = []
    while batch := backlog.batch():
        written += batch.text.splitlines(keepends=True)
        backlog.settle(batch)
    return written


def fill(backlog: Backlog, count: int, at_ms: int = 0) -> list[Record | None]:
    return [backlog.take("verdict", {"qname": "example.org."}, at_ms + number) for number in range(count)]


def test_records_come_out_as_they_went_in() -> None:
    backlog = Backlog(GENESIS)
    taken = fill(backlog, 5)
    assert list(map(decode_line, drain(backlog))) == taken
    assert backlog.batch() is None
    assert backlog.durable == backlog.head == Head(seq=5, hash=taken[-1].hash if taken[-1] else "")


def test_a_batch_that_the_disk_refused_is_offered_again_unchanged() -> None:
    backlog = Backlog(GENESIS)
    fill(backlog, 2)
    first = backlog.batch()
    assert first == backlog.batch()
    assert first is not None
    fill(backlog, 1)
    backlog.settle(first)
    assert len(backlog) == 1
    assert backlog.durable.seq == 2


def test_a_full_queue_refuses_and_counts_and_the_count_is_chained_after_what_it_kept() -> None:
    backlog = Backlog(GENESIS, bytes_max=BOUND)
    taken = fill(backlog, 30, at_ms=100)
    kept = [record for record in taken if record]
    assert 0 < len(kept) < 10
    assert taken == kept + [None] * (30 - len(kept))

    written = list(map(decode_line, drain(backlog)))
    assert written[:-1] == kept
    assert written[-1].kind == "lost"
    assert written[-1].body["records"] == 30 - len(kept)
    assert (written[-1].body["from_ms"], written[-1].body["to_ms"]) == (100 + len(kept), 129)
    assert backlog.lost == 0
    assert fill(backlog, 1) != [None]


def test_after_a_loss_nothing_comes_in_before_the_loss_itself_is_chained() -> None:
    backlog = Backlog(GENESIS, bytes_max=BOUND)
    assert backlog.take("verdict", {}, 0)
    assert backlog.take("verdict", {"reason": "x" * BOUND}, 1) is None
    assert backlog.take("verdict", {}, 2) is None, "though there is room for it"
    assert [decode_line(line).kind for line in drain(backlog)] == ["verdict", "lost"]


def test_a_batch_is_bounded_but_never_empty() -> None:
    backlog = Backlog(GENESIS)
    for _ in range(20):
        backlog.take("verdict", {"reason": "x" * (LINE_BYTES_MAX - 1_000)}, 0)
    sizes: list[int] = []
    while batch := backlog.batch():
        sizes.append(len(batch.text))
        backlog.settle(batch)
    assert max(sizes) <= BATCH_BYTES_MAX
    assert sum(sizes) > 4 * BATCH_BYTES_MAX


def test_what_has_no_place_in_a_record_is_told_in_one_of_its_own() -> None:
    backlog = Backlog(GENESIS)
    share: Any = 0.5
    record = backlog.take("verdict", {"share": share}, 7)
    assert record is not None
    assert (record.kind, record.at_ms) == ("unfit", 7)
    assert record.body == {"kind": "verdict", "reason": "a float (0.5) has no place in the ledger"}


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), max_size=40))
def test_whatever_the_disk_does_the_chain_is_whole_and_every_record_is_kept_or_counted(bursts: list[int]) -> None:
    backlog = Backlog(GENESIS, bytes_max=BOUND)
    written: list[bytes] = []
    for burst in bursts:
        fill(backlog, burst)
        assert len(backlog) <= BOUND // 200 + 1
        if batch := backlog.batch():
            written += batch.text.splitlines(keepends=True)
            backlog.settle(batch)
    written += drain(backlog)
    assert verify(written, head=backlog.head).findings == ()
    records = list(map(decode_line, written))
    lost = sum(count_of(record) for record in records if record.kind == "lost")
    assert lost + sum(record.kind == "verdict" for record in records) == sum(bursts)


def count_of(lost: Record) -> int:
    count = lost.body["records"]
    assert isinstance(count, int)
    return count
