"""A worker: a process that answers from what is prepared, on sockets of its own, and hands the rest to the guard.

It decides nothing, and has nothing that cannot be lost. It is kept small: neither the resolver nor dnspython is loaded.

    python -m standfast.io.workers.worker CHANNEL PAGE      (file descriptors, by `workers`)
"""

import ctypes
import select
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Final

from standfast.dns.prepared import PreparedAnswers
from standfast.io.clients.batch import SLOTS, Batch, batch_on
from standfast.io.clients.limits import Gate
from standfast.io.clock import SteadyClock
from standfast.io.workers.link import (
    ORDERS_OCTETS_MAX,
    READY,
    TO_WORKER_OCTETS_MAX,
    Asked,
    Count,
    Orders,
    Page,
    Void,
    decode_orders,
    decode_to_worker,
    encode_asked,
)

BEAT_MS: Final = 200  # the longest that its loop stands still where nobody asks
BATCHES_MAX: Final = 8  # full ones served of one socket before the others have their turn
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


class Orphaned(Exception):
    """The guard has closed the channel, or ended."""


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket: its place in the orders, and what reads it."""

    place: int
    udp: socket.socket
    batch: Batch


class Worker:
    """Serves until the guard ends it."""

    def __init__(self, channel: socket.socket, page: Page, orders: Orders) -> None:
        """Take the orders. `channel` does not block."""
        self._channel = channel
        self._numbers = page.numbers
        self._epoch = self._flushes = 0
        self._answers = PreparedAnswers()
        self._clock = SteadyClock(offset_s=orders.clock_offset_s)
        self._gate = Gate(orders.limits)
        self._sockets: dict[int, Socket] = {}  # by file descriptor
        for place, each in enumerate(orders.sockets):
            udp = socket.socket(fileno=each.fd)
            batch = batch_on(
                udp,
                tells_local=each.tells_local,
                gate=self._gate if each.gated else None,
                on_received=self._catch_up,
            )
            self._sockets[each.fd] = Socket(place, udp, batch)

    def run(self) -> None:
        """Serve.

        Raises:
            Orphaned: the guard wants no more of it.
        """
        poller = select.poll()
        for fd in (self._channel.fileno(), *self._sockets):
            poller.register(fd, select.POLLIN)
        self._channel.send(READY)
        while True:
            self._numbers[Count.BEATS] += 1
            for fd, _ in poller.poll(BEAT_MS):
                if fd in self._sockets:
                    self._serve(self._sockets[fd])
                else:
                    self._read_channel()

    def _serve(self, sock: Socket) -> None:
        numbers = self._numbers
        for _ in range(BATCHES_MAX):
            served = sock.batch.serve(self._answers, self._clock.now())
            numbers[Count.HITS] += served.hits + served.lost
            numbers[Count.DROPPED] += served.lost
            asked = [Asked(sock.place, datagram) for datagram in served.missed]
            if served.turned_away:
                numbers[Count.OUTSIDE], numbers[Count.LIMITED] = self._gate.outside, self._gate.limited
                asked += [Asked(sock.place, datagram, admission) for datagram, admission in served.notices]
            if asked and not self._ask(asked):
                numbers[Count.DROPPED] += len(asked)
            if served.count < SLOTS:
                return

    def _ask(self, asked: list[Asked]) -> bool:
        """Hand datagrams to the guard. Where it has more than it can do they are lost, as in any full queue."""
        try:
            self._channel.send(encode_asked(asked))
        except BlockingIOError:
            return False
        except OSError:
            raise Orphaned from None
        return True

    def _catch_up(self) -> None:
        """See that nothing void is given: called when datagrams are here, before any is answered.

        Whoever asked after the guard had voided an answer finds the page changed here, so that no message, however slow
        its way, comes too late.
        """
        if self._numbers[Count.EPOCH] != self._epoch:
            self._read_channel()

    def _read_channel(self) -> None:
        """Do all that the guard says. What the page says is read first, so that what comes meanwhile is not missed."""
        epoch, flushes = self._numbers[Count.EPOCH], self._numbers[Count.FLUSHES]
        while (message := self._receive()) is not None:  # ends: each costs the guard far more to send
            said = decode_to_worker(message)
            if isinstance(said, Void):
                self._answers.drop(said.key)
            else:
                self._answers.put(
                    said.query,
                    said.answer,
                    stored_at_s=said.stored_at_s,
                    expires_at_s=said.expires_at_s,
                    now=said.now,
                )
        if flushes != self._flushes:
            self._answers.clear()
        self._epoch, self._flushes = epoch, flushes

    def _receive(self) -> bytes | None:
        try:
            message = self._channel.recv(TO_WORKER_OCTETS_MAX)
        except BlockingIOError:
            return None
        except OSError:
            raise Orphaned from None
        if not message:
            raise Orphaned
        return message


def main(channel_fd: int, page_fd: int) -> None:
    """Serve on what was inherited."""
    # systemd and terminals tell every process; when a worker ends is the guard's to say.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # also where it cannot see the channel close
    channel = socket.socket(fileno=channel_fd)
    channel.setblocking(True)
    orders = channel.recv(ORDERS_OCTETS_MAX)
    if not orders:
        return
    channel.setblocking(False)
    try:
        Worker(channel, Page(page_fd), decode_orders(orders)).run()
    except Orphaned:
        return


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
