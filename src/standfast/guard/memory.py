"""The known-good memory: bounded by count and bytes, giving up what is worth least. Keeps only; decides nothing.

Two queues stand behind it. A question begins on probation and is kept once it was confirmed a second time, so a
flood of names that are asked once passes through probation and cannot push out what matters. Probation has a small
share for itself, so that new names are learned also when the memory is full of old ones.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from standfast.dns.model import Question
from standfast.guard.events import Action, Forget, Remember
from standfast.guard.known import KnownGood

EVICTION_LOOK = 16  # of the longest unconfirmed entries the least valuable goes; a look at all would cost too much
PROBATION_SHARE = 0.1  # of the bounds, also of the bytes
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
        self._probation = _Queue()
        self._kept = _Queue()

    def __len__(self) -> int:
        return len(self._probation.entries) + len(self._kept.entries)

    def __iter__(self) -> Iterator[KnownGood]:
        yield from self._kept.entries.values()
        yield from self._probation.entries.values()

    @property
    def bytes(self) -> int:
        """An estimate of the memory taken, in octets."""
        return self._probation.bytes + self._kept.bytes

    def get(self, question: Question) -> KnownGood | None:
        """Return the known-good answer of `question`, also one that was given up."""
        return self._kept.entries.get(question) or self._probation.entries.get(question)

    def keep(self, known: KnownGood) -> list[Action]:
        """Put `known`, and have the disk follow."""
        evicted = self.put(known)
        actions: list[Action] = [Forget(question=question) for question in evicted]
        return actions if known.question in evicted else [Remember(known=known), *actions]

    def put(self, known: KnownGood) -> list[Question]:
        """Remember `known`. Returns the questions that were given up for it: few, and perhaps its own."""
        self.forget(known.question)
        if _size(known) > PROBATION_SHARE * self._bytes_max:
            return [known.question]  # one answer must not push out all others
        kept = known.confirmations > 1 or known.lost_at_s is not None or self._is_pinned(known.question)
        (self._kept if kept else self._probation).add(known)
        evicted: list[Question] = []
        while len(self) > self._entries_max or self.bytes > self._bytes_max:
            evicted.append(self._evict(newcomer=known.question))
        return evicted

    def load(self, all_known: Iterable[KnownGood]) -> None:
        """Fill from the disk at the start."""
        for known in all_known:
            self.put(known)

    def forget(self, question: Question) -> None:
        """Drop `question`."""
        self._kept.remove(question)
        self._probation.remove(question)

    def _evict(self, *, newcomer: Question) -> Question:
        over_share = (
            len(self._probation.entries) > max(1.0, PROBATION_SHARE * self._entries_max)
            or self._probation.bytes > PROBATION_SHARE * self._bytes_max
        )
        first, second = (self._probation, self._kept) if over_share else (self._kept, self._probation)
        oldest = [*islice(first.entries, EVICTION_LOOK)]
        candidates = [question for question in oldest if question != newcomer]
        if not candidates:
            candidates = [question for question in islice(second.entries, EVICTION_LOOK) if question != newcomer]
        victim = min(candidates, key=self._value, default=newcomer)
        self.forget(victim)
        return victim

    def _value(self, question: Question) -> tuple[bool, bool, int, float]:
        """Pinned first, then lost ones (their memory is in use), then much used, then long standing."""
        known = self.get(question)
        assert known is not None
        return self._is_pinned(question), known.lost_at_s is not None, known.confirmations, -known.first_seen_s


class _Queue:
    """Entries in the order of their last confirmation, and their size."""

    def __init__(self) -> None:
        self.entries: OrderedDict[Question, KnownGood] = OrderedDict()
        self.bytes = 0

    def add(self, known: KnownGood) -> None:
        self.entries[known.question] = known
        self.bytes += _size(known)

    def remove(self, question: Question) -> None:
        gone = self.entries.pop(question, None)
        if gone is not None:
            self.bytes -= _size(gone)


def _size(known: KnownGood) -> int:
    records = sum(len(rdata) + 40 for rrset in known.answer.rrsets for rdata in rrset.rdatas)
    return ENTRY_OVERHEAD_BYTES + 2 * len(known.question.qname) + records + sum(50 + len(a) for a in known.seen)
