"""Records on their way to the disk: chained as they come in, kept until they are durable. Decides only.

A record that is refused never enters the chain, so a loss leaves no gap; the next batch that the disk takes
is followed by a record of kind `lost` that counts what was refused.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from standfast.ledger.record import Head, JsonValue, Record, UnfitValue, chain_line

QUEUE_BYTES_MAX = 8 * 1024 * 1024  # some 13,000 verdicts: a disk that is full for long must not fill memory too
BATCH_BYTES_MAX = 1024 * 1024  # written and synced as one; a slow disk then stands still for a second, not ten


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The oldest records that are not durable yet, as the bytes to write; `head` is the last of them."""

    count: int
    text: bytes
    head: Head


class Backlog:
    """A bounded queue of chained records between those who decide and the disk. Needs a lock around it."""

    def __init__(self, head: Head, *, bytes_max: int = QUEUE_BYTES_MAX) -> None:
        self.durable = head  # the last record that the disk has
        self.lost = 0  # refused since the last record of kind `lost`
        self._head = head
        self._bytes_max = bytes_max
        self._bytes = 0
        self._queue: deque[tuple[bytes, Head]] = deque()
        self._lost_from_ms = 0
        self._lost_to_ms = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def head(self) -> Head:
        """The last record that was taken in."""
        return self._head

    def take(self, kind: str, body: Mapping[str, JsonValue], at_ms: int) -> Record | None:
        """Chain a record and queue it; return None, and count it as lost, if the queue is full.

        What has no canonical form is chained as a record of kind `unfit` that says so: whoever decides must
        not fall over a note of the decision.
        """
        try:
            record, line = chain_line(self._head, at_ms=at_ms, kind=kind, body=body)
        except UnfitValue as unfit:
            reason: dict[str, JsonValue] = {"kind": kind, "reason": str(unfit)}
            record, line = chain_line(self._head, at_ms=at_ms, kind="unfit", body=reason)
        # Once full, nothing comes in until the loss itself is chained: else its place would be wrong.
        if self.lost or self._bytes + len(line) > self._bytes_max:
            self._lost_from_ms = self._lost_from_ms if self.lost else at_ms
            self._lost_to_ms = at_ms
            self.lost += 1
            return None
        self._enqueue(record, line)
        return record

    def batch(self) -> Batch | None:
        """Return what to write next, the same until it is settled; None if everything is durable."""
        lines: list[bytes] = []
        size = 0
        head = self.durable
        for line, after in self._queue:
            if lines and size + len(line) > BATCH_BYTES_MAX:
                break
            lines.append(line)
            size += len(line)
            head = after
        return Batch(count=len(lines), text=b"".join(lines), head=head) if lines else None

    def settle(self, batch: Batch) -> None:
        """Take note that the disk has the batch; then chain the record of what was lost, if any was."""
        for _ in range(batch.count):
            line, self.durable = self._queue.popleft()
            self._bytes -= len(line)
        if self.lost:
            body: dict[str, JsonValue] = {
                "records": self.lost,
                "from_ms": self._lost_from_ms,
                "to_ms": self._lost_to_ms,
                "reason": "the queue was full: the disk took no records, or took them too slowly",
            }
            self.lost = 0
            # Beyond the bound, by this one at most.
            self._enqueue(*chain_line(self._head, at_ms=self._lost_to_ms, kind="lost", body=body))

    def _enqueue(self, record: Record, line: bytes) -> None:
        self._head = Head(seq=record.seq, hash=record.hash)
        self._bytes += len(line)
        self._queue.append((line, self._head))
