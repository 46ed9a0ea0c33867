"""One worker's process, and the guard's end of what is between them: started, looked at, ended."""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from standfast.io.workers.link import Count, Orders, Page, encode_orders, make_channel, make_page
from standfast.io.workers.remote_answers import RemoteAnswers

SILENT_LOOKS_MAX: Final = 4  # in a row that find its loop where it was: it hangs, for 2 s, less than clients wait
STARTING_LOOKS_MAX: Final = 20  # the same for one that starts: 10 s, where 0.1 s are the rule
STOP_S: Final = 2.0  # until one that was told to end is killed


class Process:
    """One process, and the guard's end of what is between them."""

    def __init__(self, orders: Orders) -> None:
        """Start it, and give it its orders.

        Raises:
            OSError: the system starts no more.
        """
        self.is_ready = False
        self._begun_s = asyncio.get_running_loop().time()
        self._beats = self._silent_looks = 0
        page = make_page()
        self.channel, theirs = make_channel()
        try:
            self._page = Page(page)
            self.answers = RemoteAnswers(self.channel, self._page)
            fds = (theirs.fileno(), page)
            self._popen = subprocess.Popen(  # noqa: S603  nothing of it comes from outside
                # -P: not from the folder that the guard was started in, whatever lies there
                [sys.executable, "-P", "-m", "standfast.io.workers.worker", *map(str, fds)],
                pass_fds=(*fds, *(each.fd for each in orders.sockets)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            self.channel.send(encode_orders(orders))
        except BaseException:
            self.channel.close()
            raise
        finally:
            theirs.close()
            os.close(page)
        self.pid = self._popen.pid

    @property
    def tally(self) -> "Tally":
        """What it has counted."""
        numbers = self._page.numbers
        return Tally(
            hits=numbers[Count.HITS],
            dropped=numbers[Count.DROPPED],
            outside=numbers[Count.OUTSIDE],
            limited=numbers[Count.LIMITED],
        )

    @property
    def age_s(self) -> float:
        """How long ago it was started."""
        return asyncio.get_running_loop().time() - self._begun_s

    def is_hung(self) -> bool:
        """Say whether its loop has stood still for too many looks, this one included."""
        beats = self._page.numbers[Count.BEATS]
        self._silent_looks = self._silent_looks + 1 if beats == self._beats else 0
        self._beats = beats
        return self._silent_looks >= (SILENT_LOOKS_MAX if self.is_ready else STARTING_LOOKS_MAX)

    def kill(self) -> None:
        """End it, also where it is stopped."""
        self._popen.kill()

    def has_ended(self) -> bool:
        """Say whether the system has nothing more of it."""
        return self._popen.poll() is not None

    def reap(self) -> None:
        """Wait until it has ended; blocks for `STOP_S` at most before it is killed."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(STOP_S)
            return
        self.kill()
        self._popen.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What workers have counted, ended ones too; `worker_link.Count` says what each is."""

    hits: int = 0
    dropped: int = 0
    outside: int = 0
    limited: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            hits=self.hits + other.hits,
            dropped=self.dropped + other.dropped,
            outside=self.outside + other.outside,
            limited=self.limited + other.limited,
        )
