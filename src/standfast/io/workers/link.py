"""What passes between the guard and one worker: messages on a channel, and a page of numbers that both see.

The channel is a pair of Unix sockets that keep messages apart (SOCK_SEQPACKET, unix(7)); neither side ever waits at it.
The page makes up for that: it counts what nobody may miss, so a look at it says whether the channel must be read.
"""

import json
import mmap
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from ipaddress import ip_network
from typing import Final

from standfast.io.clients.batch import Ancillary, Datagram
from standfast.io.clients.limits import Admission, Limits

ORDERS_OCTETS_MAX: Final = 1 << 17  # of the first message; a list of some thousand networks fits
TO_WORKER_OCTETS_MAX: Final = 1 << 12  # of each later one: a query and its answer by UDP
TO_GUARD_OCTETS_MAX: Final = 1 << 17  # a whole batch of queries, none of which is answered by the worker
_BUFFER_OCTETS: Final = 1 << 20  # asked of the kernel for each direction, which gives what it allows


class Count(IntEnum):
    """The numbers of a page. Each only grows and is written by one side: the first two by the guard."""

    EPOCH = 0  # changes when something is void: the channel is to be read before anything more is answered
    FLUSHES = 1  # changes when the channel took no more: all that is prepared is void
    BEATS = 2  # changes as long as the worker's loop turns
    HITS = 3  # queries that were answered
    DROPPED = 4  # answers that the system would not send, and queries that the channel did not take
    OUTSIDE = 5  # datagrams from outside `allow`
    LIMITED = 6  # datagrams over the rate of their client


class Page:
    """Numbers of 64 bits in memory that two processes share."""

    def __init__(self, fd: int) -> None:
        """Map the page behind `fd`, which may be closed after that."""
        self._memory = mmap.mmap(fd, mmap.PAGESIZE)
        self.numbers = memoryview(self._memory).cast("Q")

    def close(self) -> None:
        """Let go of it; `numbers` is of no use any more."""
        self.numbers.release()
        self._memory.close()


def make_page() -> int:
    """Return a file descriptor of a new page, all zeros."""
    fd = os.memfd_create("standfast-worker")
    os.ftruncate(fd, mmap.PAGESIZE)
    return fd


def make_channel() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a new channel."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_OCTETS)
    return ends


# From the guard to a worker --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedSocket:
    """A socket that a worker reads: its file descriptor there, and how it is read (`batch.batch_on`)."""

    fd: int
    tells_local: bool
    gated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The first message: what a worker must know. `clock_offset_s` makes its clock the guard's."""

    sockets: tuple[HandedSocket, ...]
    limits: Limits
    clock_offset_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """`answer` was given to `query` at `now`, out of an entry of the cache, and may be given again until it is void."""

    query: bytes
    answer: bytes
    stored_at_s: float
    expires_at_s: float
    now: float


@dataclass(frozen=True, slots=True)
class Void:
    """The answer to the query with this key (`prepared.key_of`) is not to be given any more."""

    key: bytes


def encode_orders(orders: Orders) -> bytes:
    """Write the first message."""
    limits = {
        "allow": [str(network) for network in orders.limits.allow],
        "rate_limit_qps": orders.limits.rate_limit_qps,
    }
    sockets = [asdict(each) for each in orders.sockets]
    return json.dumps({"sockets": sockets, "limits": limits, "clock_offset_s": orders.clock_offset_s}).encode()


def decode_orders(message: bytes) -> Orders:
    """Read the first message."""
    said = json.loads(message)
    limits = said["limits"]
    return Orders(
        sockets=tuple(HandedSocket(**each) for each in said["sockets"]),
        limits=Limits(
            allow=tuple(ip_network(text) for text in limits["allow"]), rate_limit_qps=limits["rate_limit_qps"]
        ),
        clock_offset_s=said["clock_offset_s"],
    )


def encode_to_worker(message: Prepare | Void) -> bytes:
    """Write a message; one that is longer than `TO_WORKER_OCTETS_MAX` must not be sent."""
    if isinstance(message, Void):
        return _VOID + message.key
    head = _PREPARE_HEAD.pack(message.stored_at_s, message.expires_at_s, message.now, len(message.query))
    return _PREPARE + head + message.query + message.answer


def decode_to_worker(message: bytes) -> Prepare | Void:
    """Read what `encode_to_worker` wrote."""
    if message[:1] == _VOID:
        return Void(message[1:])
    stored_at_s, expires_at_s, now, size = _PREPARE_HEAD.unpack_from(message, 1)
    query_at = 1 + _PREPARE_HEAD.size
    return Prepare(
        query=message[query_at : query_at + size],
        answer=message[query_at + size :],
        stored_at_s=stored_at_s,
        expires_at_s=expires_at_s,
        now=now,
    )


_VOID, _PREPARE = b"V", b"P"
_PREPARE_HEAD = struct.Struct("!dddH")


# From a worker to the guard --------------------------------------------------------------------------------------

READY: Final = b"R"  # the worker reads its sockets; every other message is one of `Asked`


@dataclass(frozen=True, slots=True)
class Asked:
    """A datagram that a worker cannot answer, and the socket that it came to by its place in `Orders.sockets`.

    `admission` is what the worker's gate said of it; the guard sends whatever is to be said.
    """

    place: int
    datagram: Datagram
    admission: Admission = Admission.SERVE


def encode_asked(asked: Iterable[Asked]) -> bytes:
    """Write a message, of at most `TO_GUARD_OCTETS_MAX` octets where it is of one batch."""
    out = bytearray()
    for each in asked:
        host, port, *rest = each.datagram.address
        flow, scope = rest or (0, 0)
        name, ancillary, wire = host.encode(), _encode_ancillary(each.datagram.ancillary), each.datagram.wire
        admission = _ADMISSIONS.index(each.admission)
        out += _HEAD.pack(each.place, admission, len(name), port, flow, scope, len(ancillary), len(wire))
        out += name + ancillary + wire
    return bytes(out)


def decode_asked(message: bytes) -> Iterator[Asked]:
    """Read what `encode_asked` wrote."""
    at = 0
    while at < len(message):
        place, admission, name_size, port, flow, scope, ancillary_size, wire_size = _HEAD.unpack_from(message, at)
        name_at = at + _HEAD.size
        ancillary_at = name_at + name_size
        wire_at = ancillary_at + ancillary_size
        at = wire_at + wire_size
        host = message[name_at:ancillary_at].decode()
        address = (host, port, flow, scope) if ":" in host else (host, port)
        ancillary = _decode_ancillary(message[ancillary_at:wire_at])
        yield Asked(place, Datagram(message[wire_at:at], address, ancillary), _ADMISSIONS[admission])


def _encode_ancillary(ancillary: Ancillary | None) -> bytes:
    return b"".join(_ANCILLARY_HEAD.pack(level, kind, len(data)) + data for level, kind, data in ancillary or ())


def _decode_ancillary(octets: bytes) -> Ancillary | None:
    found, at = [], 0
    while at < len(octets):
        level, kind, size = _ANCILLARY_HEAD.unpack_from(octets, at)
        at += _ANCILLARY_HEAD.size + size
        found.append((level, kind, octets[at - size : at]))
    return found or None


_HEAD = struct.Struct("!BBBHIIHH")  # place, admission, octets of the host, port, flow, scope, octets of what follows
_ANCILLARY_HEAD = struct.Struct("!iiH")  # level, type, octets
_ADMISSIONS = tuple(Admission)
