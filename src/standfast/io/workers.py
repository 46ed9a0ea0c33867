"""The guard's workers: started, watched, replaced, and told what they may answer.

A worker reads sockets that the guard has bound and keeps. While it is not there, for whatever reason, the guard reads
them itself, so that no client hangs on it. Nothing in here waits for a worker that serves.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from standfast.errors import StandfastError
from standfast.io.clock import SteadyClock
from standfast.io.datagrams import Datagrams
from standfast.io.faults import in_words
from standfast.io.limits import Admission, Limits
from standfast.io.remote_answers import RemoteAnswers
from standfast.io.worker_link import (
    READY,
    TO_GUARD_OCTETS_MAX,
    Count,
    Orders,
    Page,
    Served,
    decode_asked,
    encode_orders,
    make_channel,
    make_page,
)

LOOK_S: Final = 0.5  # between two looks at a worker's beat, which comes every 0.2 s
SILENT_LOOKS_MAX: Final = 4  # without a new beat, until a worker is taken for hung: 2 s, less than clients wait
STARTING_LOOKS_MAX: Final = 20  # the same for one that starts: 10 s, where 0.1 s are the rule
MESSAGES_MAX: Final = 8  # of a worker that are read before the event loop turns to others
RESTART_MIN_S: Final = 0.1  # the pause before a lost worker is replaced; it doubles each time,
RESTART_MAX_S: Final = 30.0  # up to this: the guard serves its clients meanwhile
STEADY_S: Final = 60.0  # one that lived for so long was well: its successor starts after the shortest pause
STOP_S: Final = 2.0  # until one that was told to end is killed

log = structlog.get_logger("standfast.workers")


class WorkerError(StandfastError):
    """A worker does not start. Field: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a worker does not start: {reason} - see its words above, or set workers = 1")
        self.reason = reason


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


class Workers:
    """All of them. Use within one event loop."""

    def __init__(self, *, clock: SteadyClock, limits: Limits, on_hits: Callable[[int], None]) -> None:
        """Start nothing yet; `on_hits` is told now and then how many queries more were answered."""
        self._clock = clock
        self._limits = limits
        self._on_hits = on_hits
        self._told_hits = 0
        self._workers: list[_Worker] = []
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, sockets: Sequence[Sequence[Datagrams]]) -> None:
        """Start a worker for each of `sockets`, which the guard reads so far, and wait until all serve.

        Raises:
            WorkerError: one does not.
        """
        self._workers = [_Worker(each, self._clock, self._limits) for each in sockets]
        for worker in self._workers:
            worker.start()
        if self._workers:
            self._look()
        for worker in self._workers:
            await worker.settled.wait()
            if worker.lost:
                raise WorkerError(worker.trouble)

    async def stop(self) -> None:
        """End all, and wait until they have."""
        if self._timer is not None:
            self._timer.cancel()
        for worker in self._workers:
            worker.stop()
        await asyncio.gather(*(asyncio.to_thread(worker.reap) for worker in self._workers))
        self._tell_hits()

    @property
    def tally(self) -> Tally:
        """What was counted in all."""
        return sum((worker.tally for worker in self._workers), Tally())

    @property
    def number(self) -> int:
        """How many there are to be."""
        return len(self._workers)

    @property
    def serving(self) -> dict[int, int]:
        """Those that serve now, by their process ids, and how many queries each has answered."""
        processes = [worker.process for worker in self._workers]
        return {process.pid: process.tally.hits for process in processes if process and process.is_ready}

    @property
    def lost(self) -> int:
        """How many were lost so far."""
        return sum(worker.lost for worker in self._workers)

    def _look(self) -> None:
        for worker in self._workers:
            worker.look()
        self._tell_hits()
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _tell_hits(self) -> None:
        hits = self.tally.hits
        self._on_hits(hits - self._told_hits)
        self._told_hits = hits


class _Worker:
    """The place of one worker: its sockets, and the process that reads them, where there is one now."""

    def __init__(self, sockets: Sequence[Datagrams], clock: SteadyClock, limits: Limits) -> None:
        self.process: _Process | None = None
        self.lost = 0
        self.trouble = ""  # what became of the last one that was lost
        self.settled = asyncio.Event()  # the first one serves, or was lost
        self._sockets = sockets
        self._clock = clock
        self._limits = limits
        self._before = Tally()  # of processes that are gone
        self._ended: list[_Process] = []  # those that may not have seen it yet
        self._pause_s = RESTART_MIN_S
        self._timer: asyncio.TimerHandle | None = None

    @property
    def tally(self) -> Tally:
        return self._before + self.process.tally if self.process else self._before

    def start(self) -> None:
        """Start a process. It says when it reads the sockets."""
        orders = Orders(
            sockets=tuple(
                Served(fd=each.udp.fileno(), tells_local=each.tells_local, gated=each.gated) for each in self._sockets
            ),
            limits=self._limits,
            clock_offset_s=self._clock.offset_s,
        )
        try:
            self.process = _Process(orders)
        except OSError as error:
            self._replace(in_words(error), pid=None)
            return
        asyncio.get_running_loop().add_reader(self.process.channel, self._readable, self.process)

    def stop(self) -> None:
        """Tell the process to end, and start no other."""
        if self._timer is not None:
            self._timer.cancel()
        if self.process is not None:
            self._part_with(self.process)

    def reap(self) -> None:
        """Wait for what was told to end, and see to it that it does."""
        for process in self._ended:
            process.reap()

    def look(self) -> None:
        """See that the process lives."""
        self._ended = [process for process in self._ended if not process.has_ended()]
        if self.process is not None and self.process.is_hung():
            self._lose(self.process, "it hung, and was killed")

    def _readable(self, process: "_Process") -> None:
        for _ in range(MESSAGES_MAX):
            try:
                message = process.channel.recv(TO_GUARD_OCTETS_MAX)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._lose(process, "it ended")
                return
            if message == READY:
                self._leave_to(process)
            else:
                self._take(message)

    def _take(self, message: bytes) -> None:
        for asked in decode_asked(message):
            if asked.admission is Admission.SERVE:
                self._sockets[asked.place].take(asked.datagram)
            else:
                self._sockets[asked.place].notify(asked.datagram, asked.admission)

    def _leave_to(self, process: "_Process") -> None:
        process.is_ready = True
        for each in self._sockets:
            each.leave_to(process.answers)
        log.info("worker.serves", pid=process.pid)
        self.settled.set()

    def _lose(self, process: "_Process", trouble: str) -> None:
        process.kill()
        self._part_with(process)
        for each in self._sockets:
            each.read()
        if process.age_s >= STEADY_S:
            self._pause_s = RESTART_MIN_S
        self._replace(trouble, pid=process.pid)

    def _part_with(self, process: "_Process") -> None:
        asyncio.get_running_loop().remove_reader(process.channel)
        self._before += process.tally
        process.answers.close()
        self._ended.append(process)
        self.process = None

    def _replace(self, trouble: str, *, pid: int | None) -> None:
        self.lost += 1
        self.trouble = trouble
        log.warning("worker.lost", pid=pid, reason=trouble, next_in_s=self._pause_s)
        self._timer = asyncio.get_running_loop().call_later(self._pause_s, self.start)
        self._pause_s = min(2 * self._pause_s, RESTART_MAX_S)
        self.settled.set()


class _Process:
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
                [sys.executable, "-P", "-m", "standfast.io.worker", *map(str, fds)],
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
    def tally(self) -> Tally:
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
