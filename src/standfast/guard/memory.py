"""The known-good memory: bounded by count and bytes, giving up what is worth least. Keeps only; decides nothing.

Two queues stand behind it. A question begins on probation and is kept once it was confirmed a second time, so a
flood of names that are asked once passes through probation and cannot push out what matters.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from standfast.dns.model import Question
from standfast.guard.known import KnownGood

EVICTION_LOOK = 16  # of the longest unconfirmed entries the least valuable goes; a look at all would cost too much
ENTRY_OVERHEAD_BYTES = 400  # of objects around the records, for the bound on bytes; measured, rounded up


class KnownGoodMemory:
    """Known-good answers by question."""

    def __init__(
        self,
        *,
        entries_max: int,
        bytes_max: int,
        is_pinned: Callable[[Question], bool] = lambda _question: False,
    ) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._is_pinned = is_pinned
        self._probation: OrderedDict[Question, KnownGood] = OrderedDict()
        self._kept: OrderedDict[Question, KnownGood] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._probation) + len(self._kept)

    def __iter__(self) -> Iterator[KnownGood]:
        yield from self._kept.values()
        yield from self._probation.values()

    @property
    def bytes(self) -> int:
        """An estimate of the memory taken, in octets."""
        return self._bytes

    def get(self, question: Question) -> KnownGood | None:
        """Return the known-good answer of `question`, also one that was given up."""
        return self._kept.get(question) or self._probation.get(question)

    def put(self, known: KnownGood) -> list[Question]:
        """Remember `known`. Returns the questions that were given up for it, at most a few."""
        self._remove(known.question)
        kept = known.confirmations > 1 or known.lost_at_s is not None or self._is_pinned(known.question)
        (self._kept if kept else self._probation)[known.question] = known
        self._bytes += _size(known)
        evicted: list[Question] = []
        while len(self) > self._entries_max or self._bytes > self._bytes_max:
            victim = self._least_valuable()
            if victim is None or victim == known.question:
                break
            self._remove(victim)
            evicted.append(victim)
        return evicted

    def load(self, all_known: Iterable[KnownGood]) -> None:
        """Fill from the disk at the start."""
        for known in all_known:
            self.put(known)

    def forget(self, question: Question) -> None:
        """Drop `question`."""
        self._remove(question)

    def _remove(self, question: Question) -> None:
        gone = self._kept.pop(question, None) or self._probation.pop(question, None)
        if gone is not None:
            self._bytes -= _size(gone)

    def _least_valuable(self) -> Question | None:
        queue = self._probation if len(self._probation) > 1 or not self._kept else self._kept
        return min(islice(queue, EVICTION_LOOK), key=lambda question: self._value(queue[question]), default=None)

    def _value(self, known: KnownGood) -> tuple[bool, bool, int, float]:
        """Pinned first, then lost ones (their memory is in use), then much used, then long standing."""
        return (
            self._is_pinned(known.question),
            known.lost_at_s is not None,
            known.confirmations,
            -known.first_seen_s,
        )


def _size(known: KnownGood) -> int:
    records = sum(len(rdata) + 40 for rrset in known.answer.rrsets for rdata in rrset.rdatas)
    return ENTRY_OVERHEAD_BYTES + 2 * len(known.question.qname) + records + sum(50 + len(a) for a in known.seen)
