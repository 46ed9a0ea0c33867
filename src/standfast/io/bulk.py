"""Large work in threads: half a million records are read, planned or published while clients get their answers."""

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

SWITCH_S: Final = 0.000_5  # after which threads take turns meanwhile
_SWITCH_DEFAULT_S: Final = sys.getswitchinterval()

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_a_thread(act: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return what `act` returns, done in the background."""

    def work() -> _T:
        with in_the_background():
            return act(*args, **kwargs)

    return await asyncio.to_thread(work)


@contextmanager
def in_the_background() -> Iterator[None]:
    """Have what makes a large zone in a thread stand in the way of answers as little as can be.

    Python hands over to another thread after 5 ms, and each system call of an answer would wait for that. And nobody
    looks for cycles: a zone has none, and to look through a large one stops all for seconds. What is there at the end
    is not looked through later either; it goes when nobody holds it any more.
    """
    was_on = gc.isenabled()
    gc.disable()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(_SWITCH_DEFAULT_S)
        gc.freeze()
        if was_on:
            gc.enable()
