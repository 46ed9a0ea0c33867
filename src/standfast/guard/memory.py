"""The known-good memory: bounded by count and bytes, giving up what is worth least. Keeps only; decides nothing.

Two queues stand behind it. A question begins on probation and is kept once it was confirmed a second time, so a
flood of names that are asked once passes through probation and cannot push out what matters. Probation has a small
share for itself, so that new names are learned also when the memory is full of old ones.

Answers are kept packed: as objects each would take three times the room.
"""

import marshal
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from standfast.dns.model import Question, RRset
from standfast.guard.events import Action, Forget, Remember
from standfast.guard.known import Answer, Baseline, KnownGood

EVICTION_LOOK = 16  # of the kept that were confirmed longest ago, the least valuable goes; to look at all is too much
PROBATION_SHARE = 0.1  # of the bounds, also of the bytes
ENTRY_OVERHEAD_BYTES = 300  # of objects around what is packed, for the bound on bytes; measured, rounded up
RECENT_MAX = 1024  # answers at hand unpacked as well: one outcome asks for its own several times


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
        self._recent: dict[Question, KnownGood] = {}

    def __len__(self) -> int:
        return len(self._probation.entries) + len(self._kept.entries)

    def __iter__(self) -> Iterator[KnownGood]:
        for queue in (self._kept, self._probation):
            for question, packed in queue.entries.items():
                yield unpack(question, packed)

    def questions(self) -> Iterator[Question]:
        """Yield what is remembered, without unpacking it."""
        yield from self._kept.entries
        yield from self._probation.entries

    @property
    def bytes(self) -> int:
        """An estimate of the memory taken, in octets."""
        return self._probation.bytes + self._kept.bytes

    def get(self, question: Question) -> KnownGood | None:
        """Return the known-good answer of `question`, also one that was given up."""
        known = self._recent.get(question)
        if known is not None:
            return known
        packed = self._kept.entries.get(question) or self._probation.entries.get(question)
        return None if packed is None else self._at_hand(unpack(question, packed))

    def keep(self, known: KnownGood) -> list[Action]:
        """Put `known`, and have the disk follow."""
        evicted = self.put(known)
        actions: list[Action] = [Forget(question=question) for question in evicted]
        return actions if known.question in evicted else [Remember(known=known), *actions]

    def put(self, known: KnownGood) -> list[Question]:
        """Remember `known`. Returns the questions that were given up for it: few, and perhaps its own."""
        self.forget(known.question)
        packed = pack(known)
        if _size(known.question, packed) > PROBATION_SHARE * self._bytes_max:
            return [known.question]  # one answer must not push out all others
        kept = known.confirmations > 1 or known.lost_at_s is not None or self._is_pinned(known.question)
        (self._kept if kept else self._probation).add(known.question, packed)
        self._at_hand(known)
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
        self._recent.pop(question, None)
        self._kept.remove(question)
        self._probation.remove(question)

    def _at_hand(self, known: KnownGood) -> KnownGood:
        if len(self._recent) >= RECENT_MAX:
            self._recent.clear()
        self._recent[known.question] = known
        return known

    def _evict(self, *, newcomer: Question) -> Question:
        over_share = (
            len(self._probation.entries) > max(1.0, PROBATION_SHARE * self._entries_max)
            or self._probation.bytes > PROBATION_SHARE * self._bytes_max
        )
        on_probation = next((question for question in self._probation.entries if question != newcomer), None)
        if over_share and on_probation is not None:
            victim = on_probation
        else:
            oldest = [question for question in islice(self._kept.entries, EVICTION_LOOK) if question != newcomer]
            victim = min(oldest, key=self._value, default=on_probation or newcomer)
        self.forget(victim)
        return victim

    def _value(self, question: Question) -> tuple[bool, bool, int, float]:
        """Pinned first, then lost ones (their memory is in use), then much used, then long standing."""
        known = unpack(question, self._kept.entries[question])
        return self._is_pinned(question), known.lost_at_s is not None, known.confirmations, -known.first_seen_s


class _Queue:
    """Packed entries in the order of their last confirmation, and their size."""

    def __init__(self) -> None:
        self.entries: OrderedDict[Question, bytes] = OrderedDict()
        self.bytes = 0

    def add(self, question: Question, packed: bytes) -> None:
        self.entries[question] = packed
        self.bytes += _size(question, packed)

    def remove(self, question: Question) -> None:
        gone = self.entries.pop(question, None)
        if gone is not None:
            self.bytes -= _size(question, gone)


def pack(known: KnownGood) -> bytes:
    """Return all of `known` but its question; `unpack` is the inverse. Not for the disk: it has no version."""
    qname = known.question.qname
    return marshal.dumps(
        (
            [(None if r.owner == qname else r.owner, int(r.rtype), r.ttl_s, r.rdatas) for r in known.answer.rrsets],
            known.answer.ad,
            None if known.seen == known.answer.addresses else known.seen,
            None if known.baseline is None else (known.baseline.asked_at_s, known.baseline.proven_at_s),
            known.first_seen_s,
            known.confirmed_at_s,
            known.changed_at_s,
            known.confirmations,
            known.zone,
            known.released_at_s,
            known.lost_at_s,
            known.proven_at_s,
            known.operator_hold_until_s,
        )
    )


def unpack(question: Question, packed: bytes) -> KnownGood:
    """Return what was packed."""
    rrsets, ad, seen, baseline, first_s, confirmed_s, changed_s, number, *rest = marshal.loads(packed)  # noqa: S302
    zone, released_s, lost_s, proven_s, operator_s = rest
    answer = Answer(
        rrsets=tuple(
            RRset(owner=owner or question.qname, rtype=rtype, ttl_s=ttl_s, rdatas=rdatas)
            for owner, rtype, ttl_s, rdatas in rrsets
        ),
        ad=ad,
    )
    return KnownGood(
        question=question,
        answer=answer,
        first_seen_s=first_s,
        confirmed_at_s=confirmed_s,
        changed_at_s=changed_s,
        confirmations=number,
        seen=answer.addresses if seen is None else seen,
        baseline=None if baseline is None else Baseline(asked_at_s=baseline[0], proven_at_s=baseline[1]),
        zone=zone,
        released_at_s=released_s,
        lost_at_s=lost_s,
        proven_at_s=proven_s,
        operator_hold_until_s=operator_s,
    )


def _size(question: Question, packed: bytes) -> int:
    return ENTRY_OVERHEAD_BYTES + len(question.qname) + len(packed)
