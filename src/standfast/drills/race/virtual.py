"""An event loop whose time is virtual: where nothing is left to do, it is at once when the next timer ends.

Coroutines run in it as they are, the product's own too; only sockets, threads and processes have no place there.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from standfast.drills.errors import DrillError

OUTSIDE_MAX_S: Final = 5.0  # for the threads of the loop itself, at its end

_T = TypeVar("_T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 0 seconds, and has no other clock."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_Skipping(self))

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now_s

    def skip(self, seconds: float) -> None:
        """Be so much later."""
        self._now_s += seconds


class _Skipping(selectors.SelectSelector):
    """Waits for nothing, for that takes no time."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # no timer is set: somebody outside, as a thread that ends, or nobody
            ready = super().select(OUTSIDE_MAX_S)
            if not ready:
                raise DrillError("race", "everybody waits for somebody else")
            return ready
        self._loop.skip(timeout)
        return super().select(0)


def run_virtually(main: Coroutine[Any, Any, _T]) -> _T:
    """Run `main` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
