"""The guard's workers: started, watched, replaced, and told what they may answer.

A worker reads sockets that the guard has bound and keeps. While it is not there, for whatever reason, the guard reads
them itself, so that no client hangs on it. Nothing in here waits for a worker that serves.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from standfast.errors import StandfastError
from standfast.io.clients.datagrams import Datagrams
from standfast.io.clients.limits import Admission, Limits
from standfast.io.clock import SteadyClock
from standfast.io.faults import in_words
from standfast.io.workers.link import READY, TO_GUARD_OCTETS_MAX, HandedSocket, Orders, decode_asked
from standfast.io.workers.process import Process, Tally

LOOK_S: Final = 0.5  # between two looks at the workers, whose loops turn every 0.2 s at least
MESSAGES_MAX: Final = 8  # of a worker that are read before the event loop turns to others
RESTART_MIN_S: Final = 0.1  # the pause before a lost worker is replaced; it doubles each time,
RESTART_MAX_S: Final = 30.0  # up to this: the guard serves its clients meanwhile
STEADY_S: Final = 60.0  # one that lived for so long was well: its successor starts after the shortest pause

log = structlog.get_logger("standfast.workers")


class WorkerError(StandfastError):
    """A worker does not start. Field: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a worker does not start: {reason} - see its words above, or set workers = 1")
        self.reason = reason


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
        self.process: Process | None = None
        self.lost = 0
        self.trouble = ""  # what became of the last one that was lost
        self.settled = asyncio.Event()  # the first one serves, or was lost
        self._sockets = sockets
        self._clock = clock
        self._limits = limits
        self._before = Tally()  # of processes that are gone
        self._ended: list[Process] = []  # those that may not have seen it yet
        self._pause_s = RESTART_MIN_S
        self._timer: asyncio.TimerHandle | None = None

    @property
    def tally(self) -> Tally:
        return self._before + self.process.tally if self.process else self._before

    def start(self) -> None:
        """Start a process. It says when it reads the sockets."""
        orders = Orders(
            sockets=tuple(
                HandedSocket(fd=each.udp.fileno(), tells_local=each.tells_local, gated=each.gated)
                for each in self._sockets
            ),
            limits=self._limits,
            clock_offset_s=self._clock.offset_s,
        )
        try:
            self.process = Process(orders)
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

    def _readable(self, process: Process) -> None:
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

    def _leave_to(self, process: Process) -> None:
        process.is_ready = True
        for each in self._sockets:
            each.leave_to(process.answers)
        log.info("worker.serves", pid=process.pid)
        self.settled.set()

    def _lose(self, process: Process, trouble: str) -> None:
        process.kill()
        self._part_with(process)
        for each in self._sockets:
            each.read()
        if process.age_s >= STEADY_S:
            self._pause_s = RESTART_MIN_S
        self._replace(trouble, pid=process.pid)

    def _part_with(self, process: Process) -> None:
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
