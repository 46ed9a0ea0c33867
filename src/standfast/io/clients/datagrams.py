"""The datagrams of one socket: what is prepared is answered at once, queries are handed on, the rest gets its error.

Another process can read the socket in our stead, and hand on what it has no answer to: replies still go out here.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from standfast.dns.codec import Rejected, decode_query, encode_rejected, encode_response, encode_truncated
from standfast.dns.model import Ede, ExtendedError, Query, Rcode, Reply, RRType
from standfast.dns.prepared import Keeper, Preparable, PreparedAnswers, split_cookie
from standfast.dns.requests import is_request
from standfast.io.clients.batch import SLOTS, Datagram, batch_on, packed_address, send
from standfast.io.clients.client import Client, OnQuery
from standfast.io.clients.cookies import NO_COOKIES, Cookies
from standfast.io.clients.limits import Admission, Gate
from standfast.io.clients.requests import Peer, Requests

BATCHES_MAX: Final = 8  # full ones served before the event loop turns to others


@dataclass(frozen=True, slots=True)
class FastPath:
    """What lets queries be answered without asking: answers prepared before, the time, and whom to tell how many."""

    answers: PreparedAnswers
    now: Callable[[], float]
    on_hits: Callable[[int], None]


NO_FAST_PATH: Final = FastPath(PreparedAnswers(0), now=lambda: 0.0, on_hits=lambda _hits: None)

# Without a text: the answer to a stranger must not be larger than what he sent by more than it has to.
PROHIBITED: Final = Reply(rcode=Rcode.REFUSED, errors=(ExtendedError(code=Ede.PROHIBITED),))


class Datagrams:
    """A bound socket and who asks there."""

    def __init__(
        self,
        udp: socket.socket,
        on_query: OnQuery,
        *,
        size_max: int,
        fast: FastPath,
        tells_local: bool,
        gate: Gate | None,
        cookies: Cookies = NO_COOKIES,
        recursion: bool = True,
        requests: Requests | None = None,
    ) -> None:
        """Read nothing yet. `tells_local` and `gate` are as in `batch_on`, the rest as in `Listener`."""
        self.udp = udp
        self.tells_local = tells_local
        self.gated = gate is not None
        self._gate = gate
        self._cookies = cookies
        self._recursion = recursion
        self._requests = requests
        self.dropped = 0  # that could not be sent
        self.keeper: Keeper = fast.answers  # of what is prepared for whoever reads the socket
        self._on_query = on_query
        self._size_max = size_max
        self._fast = fast
        self._batch = batch_on(udp, tells_local=tells_local, gate=gate)

    def read(self) -> None:
        """Read the socket from now on."""
        self.keeper = self._fast.answers
        asyncio.get_running_loop().add_reader(self.udp, self._readable)

    def leave_to(self, keeper: Keeper) -> None:
        """Read it no more: somebody else does, who prepares what `keeper` is given."""
        self.keeper = keeper
        asyncio.get_running_loop().remove_reader(self.udp)

    def close(self) -> None:
        """Close the socket; replies that come later are dropped."""
        asyncio.get_running_loop().remove_reader(self.udp)
        self.udp.close()

    def take(self, datagram: Datagram) -> None:
        """Take in a datagram that no answer was prepared for as it is."""
        if self._repeat(datagram):
            return
        if self._requests is not None and is_request(datagram.wire):
            self._take_request(datagram, self._requests)
            return
        query = decode_query(datagram.wire)
        if isinstance(query, Query):
            # Large, so nobody is to have it sent to another (RFC 8482 section 4.4).
            if query.question.qtype == RRType.ANY and not self._is_proven(query, datagram):
                self.send(
                    encode_truncated(query, cookie=self._cookie(query, datagram), recursion=self._recursion), datagram
                )
            else:
                self._on_query(_DatagramClient(self, datagram), query)
        elif isinstance(query, Rejected):
            rejected, cookie = self._cookies.settle(query, _address(datagram))
            self.send(encode_rejected(rejected, cookie=cookie, recursion=self._recursion), datagram)

    def notify(self, datagram: Datagram, admission: Admission) -> None:
        """Tell its sender that a datagram was not let in.

        One that is over its client's rate, and proves by its cookie that it is the client's, gets another chance.
        """
        query = decode_query(datagram.wire)
        if not isinstance(query, Query):  # what is malformed gets silence
            return
        if admission is not Admission.TRUNCATE:
            self.send(encode_response(query, PROHIBITED, recursion=self._recursion), datagram)
        elif self._has_another_chance(query, datagram):
            self.take(datagram)
        else:
            self.send(
                encode_truncated(query, cookie=self._cookie(query, datagram), recursion=self._recursion), datagram
            )

    def send(self, wire: bytes, datagram: Datagram) -> None:
        """Send `wire` to the sender of `datagram`; what the system does not take is dropped and counted."""
        if not send(self.udp, wire, datagram):
            self.dropped += 1

    def respond(self, query: Query, reply: Reply, entry: Preparable | None, datagram: Datagram) -> None:
        """Send a reply to the sender of `datagram`, and keep it prepared where it may be given again."""
        cookie = self._cookie(query, datagram)
        wire = encode_response(query, reply, size_max=self._size_max, cookie=cookie, recursion=self._recursion)
        self.send(wire, datagram)
        if entry is not None and not (cookie and query.question.qtype == RRType.ANY):  # nobody without gets that
            entry.prepare(self.keeper, datagram.wire, wire, self._fast.now())

    def _repeat(self, datagram: Datagram) -> bool:
        """Answer a query, whose cookie is known, by what is prepared for the same without it; False: nothing is."""
        query, cookie = split_cookie(datagram.wire)
        if not cookie or not self._cookies.is_fresh(cookie, _address(datagram)):
            return False
        answer = self._fast.answers.get_with_cookie(query, cookie, self._fast.now())
        if answer is None:
            return False
        self.send(answer, datagram)
        self._fast.on_hits(1)
        return True

    def _take_request(self, datagram: Datagram, requests: Requests) -> None:
        async def answer(wire: bytes) -> None:
            self.send(wire, datagram)

        peer = Peer(address=datagram.address[0], port=datagram.address[1], tcp=False)
        requests.take_datagram(datagram.wire, peer, answer)

    def _cookie(self, query: Query, datagram: Datagram) -> bytes:
        return self._cookies.answer(query.cookie, _address(datagram)) if query.cookie else b""

    def _has_another_chance(self, query: Query, datagram: Datagram) -> bool:
        if self._gate is None or not self._is_proven(query, datagram):
            return False
        return self._gate.admit_proven(_address(datagram), self._fast.now())

    def _is_proven(self, query: Query, datagram: Datagram) -> bool:
        return self._cookies.prove(query.cookie, _address(datagram))

    def _readable(self) -> None:
        for _ in range(BATCHES_MAX):
            served = self._batch.serve(self._fast.answers, self._fast.now())
            self._fast.on_hits(served.hits + served.lost)
            self.dropped += served.lost
            for datagram in served.missed:
                self.take(datagram)
            for datagram, admission in served.notices:
                self.notify(datagram, admission)
            if served.count < SLOTS:
                return


class _DatagramClient(Client):
    __slots__ = ("_datagram", "_datagrams")

    def __init__(self, datagrams: Datagrams, datagram: Datagram) -> None:
        self._datagrams = datagrams
        self._datagram = datagram

    def respond(self, query: Query, reply: Reply, entry: Preparable | None = None) -> None:
        self._datagrams.respond(query, reply, entry, self._datagram)


def _address(datagram: Datagram) -> bytes:
    return packed_address(datagram.address[0])
