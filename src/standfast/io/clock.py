"""The clock of a running guard: wall time at the start, from then on only as fast as time really passes."""

import time
from collections.abc import Callable


def _boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Seconds since the epoch that neither go back nor jump when somebody sets the wall clock.

    `CLOCK_BOOTTIME` counts the time a machine was suspended as well, so that TTLs run out in its sleep
    (clock_gettime(2)).
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        boot: Callable[[], float] = _boot_s,
        offset_s: float | None = None,
    ) -> None:
        """Start from the wall clock; with `offset_s`, that of another process's clock, show the same time as that."""
        self._wall = wall
        self._boot = boot
        self.offset_s = wall() - boot() if offset_s is None else offset_s

    def now(self) -> float:
        """Return the present time in seconds since the epoch, as the wall clock was at the start."""
        return self.offset_s + self._boot()

    def jumped(self) -> float:
        """Return how far, in seconds, the wall clock has moved ahead (back: negative) against this clock."""
        return self._wall() - self.now()
