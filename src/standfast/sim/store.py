"""A disk in virtual time: writes land a little later, and a crash loses those that have not."""

from collections import deque
from collections.abc import Iterator

from standfast.dns.model import Question
from standfast.guard.events import Forget, Remember, Switch
from standfast.guard.known import KnownGood

WRITE_DELAY_S = 0.5  # the real store collects writes for up to this long before it commits them


class Store:
    """What a guard persisted: known-good answers by question, and whether it is on."""

    def __init__(self) -> None:
        self._known: dict[Question, KnownGood] = {}
        self._enabled = True
        self._pending: deque[tuple[float, Remember | Forget | Switch]] = deque()

    def write(self, action: Remember | Forget | Switch, now: float) -> None:
        """Take in a write that lands `WRITE_DELAY_S` later."""
        self._pending.append((now + WRITE_DELAY_S, action))

    def crash(self, now: float) -> None:
        """Lose every write that has not landed at `now`."""
        self._land(now)
        self._pending.clear()

    def known(self, now: float) -> Iterator[KnownGood]:
        """Yield what is on the disk at `now`, in the order of its first writing."""
        self._land(now)
        yield from self._known.values()

    @property
    def enabled(self) -> bool:
        """Whether the guard is on."""
        return self._enabled

    def _land(self, now: float) -> None:
        while self._pending and self._pending[0][0] <= now:
            match self._pending.popleft()[1]:
                case Remember(known=known):
                    self._known[known.question] = known
                case Forget(question=question):
                    self._known.pop(question, None)
                case Switch(enabled=enabled):
                    self._enabled = enabled
