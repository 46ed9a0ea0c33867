"""What the pure cores may see of the outside: protocols only, nothing that runs.

Cores take `now` (seconds) as an argument and hand back actions, so the list is short.
"""

from typing import Protocol


class Random(Protocol):
    """A source of randomness; `random.Random(seed)` in the simulator, `random.SystemRandom()` outside."""

    def random(self) -> float:
        """Return a float in [0, 1)."""
        ...

    def getrandbits(self, k: int, /) -> int:
        """Return an integer of `k` random bits."""
        ...

    def uniform(self, a: float, b: float) -> float:
        """Return a float between `a` and `b`."""
        ...


class Clock(Protocol):
    """Seconds since the Unix epoch that never go back and do not jump while a process runs."""

    def now(self) -> float:
        """Return the present time in seconds."""
        ...
