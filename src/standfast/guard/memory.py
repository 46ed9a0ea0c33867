"""The known-good memory: bounded by count and bytes, giving up what is worth least. Keeps only; decides nothing.

Two queues stand behind it. A question begins on probation and is kept once it was confirmed a second time, so a
flood of names that are asked once passes through probation and cannot push out what matters. Probation has a small
share for itself, so that new names are learned also when the memory is full of old ones.

Answers are kept packed, as they are on the disk, and unpacked when they are asked for: a million of them are two
million octet strings and nothing else.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from standfast.dns.model import Name, Question
from standfast.guard.events import Action, Forget, Remember
from standfast.guard.known import KnownGood, is_mere_confirmation
from standfast.guard.packed import Key, Packed, is_standing, key_of, keys_of, pack, question_of, unpack, worth

EVICTION_LOOK = 16  # of the kept that were confirmed longest ago, the least valuable goes; to look at all is too much
PROBATION_SHARE = 0.1  # of the bounds, also of the bytes
ENTRY_OVERHEAD_BYTES = 230  # of two octet strings and their place in a queue, less the octets; measured, rounded up
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
        for key, packed in chain(self._kept.entries.items(), self._probation.entries.items()):
            yield unpack(question_of(key), packed)

    def entries(self) -> dict[Key, Packed]:
        """Return all that is remembered, as it is packed."""
        return {**self._kept.entries, **self._probation.entries}

    def newest(self, skip: int, limit: int) -> list[tuple[Key, Packed]]:
        """Return `limit` answers, those confirmed last first and those on probation last; the first `skip` not."""
        ordered = chain(reversed(self._kept.entries.items()), reversed(self._probation.entries.items()))
        return list(islice(ordered, skip, skip + limit))

    @property
    def bytes(self) -> int:
        """An estimate of the memory taken, in octets."""
        return self._probation.bytes + self._kept.bytes

    def get(self, question: Question) -> KnownGood | None:
        """Return the known-good answer of `question`, also one that was given up."""
        known = self._recent.get(question)
        if known is not None:
            return known
        packed = self._packed(key_of(question))
        return None if packed is None else self._at_hand(unpack(question, packed))

    def of_name(self, qname: Name) -> list[Question]:
        """Return every question for `qname` that is remembered; takes some 30 ms, however many there are of others."""
        return [question_of(key) for key in keys_of(qname) if self._packed(key) is not None]

    def keep(self, known: KnownGood) -> list[Action]:
        """Put `known`, and have the disk follow."""
        before = self.get(known.question)
        evicted = self.put(known)
        forgotten: list[Action] = [Forget(question=question) for question in evicted]
        packed = self._packed(key_of(known.question))
        if packed is None:  # not worth what would have to go for it
            return forgotten
        may_wait = before is not None and is_mere_confirmation(before, known)
        return [Remember(question=known.question, packed=packed, may_wait=may_wait), *forgotten]

    def put(self, known: KnownGood) -> list[Question]:
        """Remember `known`. Returns the questions that were given up for it: few, and perhaps its own."""
        evicted = self._place(key_of(known.question), pack(known))
        if known.question not in evicted:
            self._at_hand(known)
        return evicted

    def load(self, entries: Iterable[tuple[Key, Packed]]) -> list[Question]:
        """Fill an empty memory from the disk, with what is whole. Returns the questions that did not fit."""
        given_up = list[Question]()
        for key, packed in entries:
            self._queue_for(key, packed).add(key, packed)
            while self._is_too_full():
                given_up.append(self._evict(newcomer=key))
        return given_up

    def forget(self, question: Question) -> None:
        """Drop `question`."""
        self._recent.pop(question, None)
        key = key_of(question)
        self._kept.remove(key)
        self._probation.remove(key)

    def _packed(self, key: Key) -> Packed | None:
        return self._kept.entries.get(key) or self._probation.entries.get(key)

    def _at_hand(self, known: KnownGood) -> KnownGood:
        if len(self._recent) >= RECENT_MAX:
            self._recent.clear()
        self._recent[known.question] = known
        return known

    def _place(self, key: Key, packed: Packed) -> list[Question]:
        if _size(key, packed) > PROBATION_SHARE * self._bytes_max:  # one answer must not push out all others
            self.forget(question_of(key))
            return [question_of(key)]
        queue = self._queue_for(key, packed)
        if key in queue.entries:
            queue.renew(key, packed)
        else:
            self._kept.remove(key)
            self._probation.remove(key)
            queue.add(key, packed)
        evicted = list[Question]()
        while self._is_too_full():
            evicted.append(self._evict(newcomer=key))
        return evicted

    def _queue_for(self, key: Key, packed: Packed) -> "_Queue":
        if is_standing(packed) or self._is_pinned(question_of(key)):
            return self._kept
        return self._probation

    def _is_too_full(self) -> bool:
        kept, probation = self._kept, self._probation
        number = len(kept.entries) + len(probation.entries)
        return number > self._entries_max or kept.bytes + probation.bytes > self._bytes_max

    def _evict(self, *, newcomer: Key) -> Question:
        over_share = (
            len(self._probation.entries) > max(1.0, PROBATION_SHARE * self._entries_max)
            or self._probation.bytes > PROBATION_SHARE * self._bytes_max
        )
        on_probation = next((key for key in self._probation.entries if key != newcomer), None)
        if over_share and on_probation is not None:
            victim = on_probation
        else:
            oldest = [key for key in islice(self._kept.entries, EVICTION_LOOK) if key != newcomer]
            victim = min(oldest, key=self._value, default=on_probation or newcomer)
        question = question_of(victim)
        self.forget(question)
        return question

    def _value(self, key: Key) -> tuple[bool, tuple[bool, int, float]]:
        """Pinned first, then lost ones (their memory is in use), then much used, then long standing."""
        return self._is_pinned(question_of(key)), worth(self._kept.entries[key])


class _Queue:
    """Records by their keys, in the order of their last confirmation, and their size."""

    def __init__(self) -> None:
        self.entries: OrderedDict[Key, Packed] = OrderedDict()
        self.bytes = 0

    def add(self, key: Key, packed: Packed) -> None:
        self.entries[key] = packed
        self.bytes += _size(key, packed)

    def renew(self, key: Key, packed: Packed) -> None:
        self.bytes += len(packed) - len(self.entries[key])
        self.entries[key] = packed  # in its place: a table of a million that is built anew stops the resolver
        self.entries.move_to_end(key)

    def remove(self, key: Key) -> None:
        gone = self.entries.pop(key, None)
        if gone is not None:
            self.bytes -= _size(key, gone)


def _size(key: Key, packed: Packed) -> int:
    return ENTRY_OVERHEAD_BYTES + len(key) + len(packed)
