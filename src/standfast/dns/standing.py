"""Prepared answers of an authority: they stand until what they were made of changes, and many names share one.

A name that is not there gets the same octets as the next one, but for its own first labels: such answers are kept
once, and go out with the question as it came. So are those of wildcards and delegations, and to a type that is lacking.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Final

from standfast.dns.model import Name
from standfast.dns.name import ROOT, ancestors
from standfast.dns.prepared import HEADER_OCTETS, ID_OCTETS, Prepared, PreparedAnswers
from standfast.dns.wire import LABEL_OCTETS_MAX, label_to_text, name_from_text

OCTETS_MAX: Final = 256 << 20  # of all answers: some 500,000 of one address, or 150,000 of 1,232 octets
ANSWER_OCTETS: Final = 380  # that an answer takes besides its own octets and its query's
SHARED_MAX: Final = 4_096  # answers that many names share; a busy zone has some dozens, by the lengths of names
SHARED_LABELS_MAX: Final = 4  # in which names with the same answer differ; a look at each costs a look-up

_HEAD: Final = HEADER_OCTETS - ID_OCTETS  # octets of a key before the name


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """All names with as many labels, and octets, below `above` get the same answer if `fits`.

    That is asked with the one that is directly below `above`, as text. `origin` is the zone's; with another snapshot of
    it, `fits` is out of date.
    """

    origin: Name
    above: Name
    fits: Callable[[Name], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What an answer was made of: by `names`, which were looked at, there or not.

    `lasts`: until one of them changes; else it is for once.
    """

    names: Collection[Name] = ()
    alike: Alike | None = None
    lasts: bool = True


@dataclass(frozen=True, slots=True)
class _Shared:
    """An answer that many names share.

    Not those with a label that stands in `spelled`, its records in lower case: that would be written as a pointer (RFC
    1035 section 4.1.4). The names are asked about as text with `suffix`.
    """

    prepared: Prepared
    origin: Name
    fits: Callable[[Name], bool]
    names: frozenset[Name]
    suffix: str
    spelled: bytes


class StandingAnswers(PreparedAnswers):
    """Answers by query, and by the names that they were made of."""

    def __init__(self, octets_max: int = OCTETS_MAX) -> None:
        super().__init__()
        self._octets_max = octets_max
        self.octets = 0  # that all answers take, about
        self._queries: dict[Name, bytes | set[bytes]] = {}  # whose answers were made of a name
        # By the number of labels that names differ in, less one, by their octets, and by all the rest of the query.
        self._shared: tuple[dict[int, dict[bytes, _Shared]], ...] = tuple({} for _ in range(SHARED_LABELS_MAX))
        self._zones: frozenset[Name] = frozenset()  # and all names above them

    @property
    def shared(self) -> int:
        """How many answers are shared by many names."""
        return sum(map(len, self._by_rest()))

    def begin(self, origins: Iterable[Name]) -> None:
        """Forget all answers; from now on zones with these `origins` are served."""
        self.clear()
        self._zones = frozenset(above for origin in origins for above in ancestors(origin))

    def clear(self) -> None:
        """Forget all answers."""
        super().clear()
        self._queries.clear()
        self._clear_shared()
        self.octets = 0

    def put_made(self, query: bytes, answer: bytes, made: Made, now: float) -> None:
        """Keep `answer`, which `query` was just given and which was `made` of zones, if it can be kept."""
        found = self._prepare(query, answer, stored_at_s=now, expires_at_s=inf, now=now) if made.lasts else None
        if found is None:
            return
        key, prepared = found
        if made.alike is not None and self._share(key, prepared, made.alike, made.names):
            return
        self._forget(key)
        self.by_query[key] = prepared
        prepared.names = tuple(made.names)
        for name in prepared.names:
            there = self._queries.setdefault(name, key)
            if isinstance(there, set):
                there.add(key)
            elif there != key:
                self._queries[name] = {there, key}
        self.octets += _octets_of(key, prepared)
        while self.octets > self._octets_max:
            self._forget(next(iter(self.by_query)))

    def void(self, origin: Name, names: Collection[Name]) -> None:
        """Forget all answers that were made of one of `names`, which changed in the zone `origin`."""
        for by_rest in self._by_rest():
            for rest, shared in list(by_rest.items()):
                if shared.origin == origin or not shared.names.isdisjoint(names):
                    del by_rest[rest]
        for name in names:
            keys = self._queries.get(name, ())
            for key in (keys,) if isinstance(keys, bytes) else tuple(keys):
                self._forget(key)

    def otherwise(self, query: bytes, now: float) -> Prepared | None:
        """Return an answer that is the one to `query` but for the letters of its question; None where there is none.

        It was prepared for the same name in lower case, or for one that gets the same. Written for speed: a flood of
        random names comes by here.
        """
        end = query.find(0, HEADER_OCTETS)
        if end < 0:
            return None
        head, name = query[ID_OCTETS:HEADER_OCTETS], query[HEADER_OCTETS:end]
        folded = name.lower()
        rest = folded + query[end:]
        if folded != name:
            found = self._fresh(head + rest, now)
            if found is not None:
                return found
        at, size = 0, len(rest)
        for by_size in self._shared:
            if at >= size or not 0 < rest[at] <= LABEL_OCTETS_MAX:
                return None
            start, at = at, at + 1 + rest[at]
            by_rest = by_size.get(at)
            shared = by_rest.get(head + rest[at:]) if by_rest else None
            if shared is not None:
                label = rest[start:at].lower()  # once more: a zero within a label looks like the end of the name
                below = f"{label_to_text(label[1:])}{shared.suffix}"
                is_alike = label not in shared.spelled and below not in self._zones and shared.fits(below)
                return shared.prepared if is_alike else None
        return None

    def _share(self, key: bytes, prepared: Prepared, alike: Alike, names: Collection[Name]) -> bool:
        """Keep an answer for all names that are alike; False where it cannot be."""
        above = name_from_text(alike.above)
        size = key.find(0, _HEAD) + 1 - len(above) - _HEAD  # of what names differ in
        start = at = labels = 0
        while at < size:
            start, at = at, at + 1 + key[_HEAD + at]
            labels += 1
        spelled = prepared.octets[prepared.records_at :].lower()
        if not 0 < labels <= SHARED_LABELS_MAX or at != size or key[_HEAD + start : _HEAD + at] in spelled:
            return False
        if self.shared >= SHARED_MAX:
            self._clear_shared()
        suffix = "." if alike.above == ROOT else f".{alike.above}"
        shared = _Shared(prepared, alike.origin, alike.fits, frozenset(names), suffix, spelled)
        self._shared[labels - 1].setdefault(size, {})[key[:_HEAD] + key[_HEAD + size :]] = shared
        return True

    def _by_rest(self) -> Iterator[dict[bytes, _Shared]]:
        return chain.from_iterable(by_size.values() for by_size in self._shared)

    def _clear_shared(self) -> None:
        for by_size in self._shared:
            by_size.clear()

    def _forget(self, key: bytes) -> None:
        prepared = self.by_query.pop(key, None)
        if prepared is None:
            return
        self.octets -= _octets_of(key, prepared)
        for name in prepared.names:
            there = self._queries[name]
            if isinstance(there, set):
                there.discard(key)
            if there in (key, set()):
                del self._queries[name]


def _octets_of(key: bytes, prepared: Prepared) -> int:
    return len(key) + len(prepared.octets) + ANSWER_OCTETS
