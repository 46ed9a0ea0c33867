"""Times at which something must be looked at again: one per key, the newest setting counts. Keeps only."""

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf


class Timers:
    """A heap of `(time, key)`; setting or clearing a key leaves its old place to be skipped."""

    def __init__(self) -> None:
        self._at: dict[Hashable, float] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._order = count()  # equal times go in the order of their setting, so that one seed gives one trace

    def set(self, key: Hashable, at_s: float) -> None:
        """Look at `key` at `at_s`, instead of when it was set for before; infinity clears it."""
        if self._at.get(key) == at_s:
            return
        if at_s == inf:
            self.clear(key)
            return
        self._at[key] = at_s
        heappush(self._heap, (at_s, next(self._order), key))
        if len(self._heap) > 64 + 4 * len(self._at):  # mostly skipped places: build it anew
            self._heap = [place for place in self._heap if self._at.get(place[2]) == place[0]]
            heapify(self._heap)

    def sooner(self, key: Hashable, at_s: float) -> None:
        """Look at `key` at `at_s`, unless it is set for a time before that."""
        if at_s < self._at.get(key, inf):
            self.set(key, at_s)

    def clear(self, key: Hashable) -> None:
        """Do not look at `key`."""
        self._at.pop(key, None)

    def due(self, now: float) -> Iterator[Hashable]:
        """Yield and clear every key whose time has come, soonest first."""
        while (at_s := self.next()) is not None and at_s <= now:
            key = heappop(self._heap)[2]
            del self._at[key]
            yield key

    def next(self) -> float | None:
        """Return the soonest time, or None."""
        while self._heap:
            at_s, _, key = self._heap[0]
            if self._at.get(key) == at_s:
                return at_s
            heappop(self._heap)
        return None
