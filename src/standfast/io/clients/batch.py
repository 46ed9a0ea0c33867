"""Datagrams in and out, many to a system call; those with a prepared answer never become messages.

`recvmmsg(2)` and `sendmmsg(2)` are called through ctypes with structures that are laid out once, so that a hit costs
one look-up by its octets and the writing of one address and one length. Where the C library has no such calls,
`PlainBatch` does the same one by one.
"""

import ctypes
import socket
import struct
from array import array
from collections.abc import Callable
from ctypes import addressof, c_char, c_char_p, c_int, c_size_t, c_uint32, c_void_p, sizeof
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from operator import add
from typing import Any, Final, Protocol

from standfast.dns.prepared import HEADER_OCTETS, ID_OCTETS, NOT_PREPARED, Prepared, PreparedAnswers
from standfast.io.clients.limits import Admission, Gate

SLOTS: Final = 64  # datagrams to a call; more gains nothing, and others wait while a batch is served
OCTETS: Final = (
    1280  # of a query that are read, what any link carries whole (RFC 8200 section 5); a longer one gets FORMERR
)
_STARTS: Final = range(0, SLOTS * OCTETS, OCTETS)  # of the datagrams of a batch, and of what they are looked up by
_KEY_STARTS: Final = range(ID_OCTETS, SLOTS * OCTETS, OCTETS)

# Linux's own numbers, which Python 3.11 has not: ip(7), `struct in_pktinfo`
IP_PKTINFO: Final = 8
_IN_PKTINFO = struct.Struct("=I4s4s")  # interface, the local address to send from, destination
_PKTINFO_SPACE = socket.CMSG_SPACE(20)  # of IPv6, the larger one
_CMSG = struct.Struct("@Nii")  # struct cmsghdr, cmsg(3): length with this head, level, type; then the data

_SOCKADDR_IN6: Final = 28  # octets, the larger of the two
_SOCKADDR = {  # length, and how to read it: ip(7), ipv6(7)
    socket.AF_INET: (16, struct.Struct("!2xH4s")),
    socket.AF_INET6: (_SOCKADDR_IN6, struct.Struct("!2xHI16s")),
}
_ADDRESS = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}  # where in it the address is, and its octets

Address = tuple[Any, ...]  # as the socket module has it for the family
Ancillary = list[tuple[int, int, bytes]]


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram without a prepared answer, its sender, and what must go along with a reply."""

    wire: bytes
    address: Address
    ancillary: Ancillary | None = None


@dataclass(slots=True)
class Served:
    """What one batch came to: how many were answered, how many answers the system did not take, what is left.

    `turned_away`: how many the gate did not let in, and `notices` those of them that are to be told, and what.
    """

    hits: int = 0
    lost: int = 0
    missed: list[Datagram] = field(default_factory=list)
    turned_away: int = 0
    notices: list[tuple[Datagram, Admission]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many datagrams there were."""
        return self.hits + self.lost + len(self.missed) + self.turned_away


class Batch(Protocol):
    """Reads what has come, up to `SLOTS` datagrams, answers what is prepared, and gives back the rest."""

    def serve(self, prepared: PreparedAnswers, now: float) -> Served: ...


def _nothing() -> None:
    pass


def batch_on(
    udp: socket.socket, *, tells_local: bool, gate: Gate | None = None, on_received: Callable[[], None] = _nothing
) -> Batch:
    """Return the fastest batch that this system has for a bound, non-blocking socket.

    `tells_local`: the socket is bound to all addresses, so a reply must be sent from the one that was asked.
    `gate`: says who is served; None, where nobody else can send to the socket, is everyone.
    `on_received`: called between receiving and answering, so that what was prepared can be brought up to date.
    """
    if _LIBC is None:
        return PlainBatch(udp, tells_local=tells_local, gate=gate, on_received=on_received)
    return ManyBatch(udp, _LIBC, tells_local=tells_local, gate=gate, on_received=on_received)


class PlainBatch:
    """One system call for each datagram."""

    def __init__(
        self,
        udp: socket.socket,
        *,
        tells_local: bool,
        gate: Gate | None = None,
        on_received: Callable[[], None] = _nothing,
    ) -> None:
        self._udp = udp
        self._tells_local = tells_local
        self._gate = gate
        self._on_received = on_received

    def serve(self, prepared: PreparedAnswers, now: float) -> Served:
        """Serve one batch."""
        served = Served()
        for _ in range(SLOTS):
            try:
                datagram = self._receive()
            except OSError:  # nothing left, or an error that belongs to a datagram of before
                break
            self._on_received()
            if self._gate is not None:
                admission = self._gate.admit(packed_address(datagram.address[0]), now)
                if admission is not Admission.SERVE:
                    served.turned_away += 1
                    if admission is not Admission.DROP:
                        served.notices.append((datagram, admission))
                    continue
            answer = prepared.get(datagram.wire, now)
            if answer is None:
                served.missed.append(datagram)
            elif send(self._udp, answer, datagram):
                served.hits += 1
            else:
                served.lost += 1
        return served

    def _receive(self) -> Datagram:
        if not self._tells_local:
            return Datagram(*self._udp.recvfrom(OCTETS))
        wire, told, _, address = self._udp.recvmsg(OCTETS, _PKTINFO_SPACE)
        return Datagram(wire, address, _local_of(told))


class _Part(ctypes.Structure):
    _fields_ = [("base", c_void_p), ("length", c_size_t)]  # struct iovec, readv(2)


class _Header(ctypes.Structure):
    _fields_ = [  # struct msghdr, recvmsg(2)
        ("name", c_void_p),
        ("name_length", c_uint32),
        ("parts", c_void_p),
        ("parts_count", c_size_t),
        ("control", c_void_p),
        ("control_length", c_size_t),
        ("flags", c_int),
    ]


class _Message(ctypes.Structure):
    _fields_ = [("header", _Header), ("length", c_uint32)]  # struct mmsghdr, recvmmsg(2)


class ManyBatch:
    """`SLOTS` datagrams for each system call.

    What has the same index belongs together: the octets of a datagram, its sender, the message that receives it, and
    the message that answers it, in two parts: the ID where it was received, and the prepared octets where they lie.
    Where only the question differs from the prepared one, the first part goes on to its end, behind a header put in.
    Where the system tells which address was asked, the answer goes out with what it told (`IP_PKTINFO`).
    """

    def __init__(
        self,
        udp: socket.socket,
        libc: ctypes.CDLL,
        *,
        tells_local: bool,
        gate: Gate | None = None,
        on_received: Callable[[], None] = _nothing,
    ) -> None:
        self._udp = udp
        self._tells_local = tells_local
        self._gate = gate
        self._on_received = on_received
        self._receive: Callable[..., int] = libc.recvmmsg
        self._send: Callable[..., int] = libc.sendmmsg
        self._octets = bytearray(SLOTS * OCTETS)
        self._senders = bytearray(SLOTS * _SOCKADDR_IN6)
        self._told = bytearray(SLOTS * _PKTINFO_SPACE)
        self._view = memoryview(self._octets)
        self._sockaddr_length, self._sockaddr = _SOCKADDR[udp.family]
        self._address_at, self._address_octets = _ADDRESS[udp.family]
        self._in, self._out = (_Message * SLOTS)(), (_Message * SLOTS)()
        self._in_parts, self._out_parts = (_Part * SLOTS)(), (_Part * (2 * SLOTS))()
        self._lay_out()
        self._in_at, self._out_at = addressof(self._in), addressof(self._out)
        # The same memory as plain numbers: attributes of structures are slow.
        words = memoryview(self._in).cast("B").cast("I")
        self._lengths = words[_Message.length.offset // 4 :: sizeof(_Message) // 4]
        self._in_told, self._out_told = (
            memoryview(messages).cast("B").cast("L")[_Header.control_length.offset // 8 :: sizeof(_Message) // 8]
            for messages in (self._in, self._out)
        )
        self._told_space = memoryview((c_size_t * SLOTS)(*[_PKTINFO_SPACE] * SLOTS)).cast("B").cast("L")
        self._interfaces = memoryview(self._told).cast("I")[_CMSG.size // 4 :: _PKTINFO_SPACE // 4]
        self._any_interface = memoryview(bytes(4 * SLOTS)).cast("I")
        self._out_words = memoryview(self._out_parts).cast("B").cast("L")  # as long as size_t, on Linux

    def serve(self, prepared: PreparedAnswers, now: float) -> Served:
        """Serve one batch."""
        if self._tells_local:
            self._in_told[:] = self._told_space  # the system has left there what it told the last time
        count = self._receive(self._udp.fileno(), self._in_at, SLOTS, 0, None)
        if count <= 0:  # nothing has come, or an error that belongs to a datagram of before
            return Served()
        if self._tells_local:
            self._out_told[:] = self._in_told
            if self._udp.family == socket.AF_INET:  # where an answer leaves is for the routes, as it is of any other
                self._interfaces[:] = self._any_interface
        self._on_received()
        octets = bytes(self._view[: count * OCTETS])  # one copy, since a slice of it costs less than one of a view
        lengths = self._lengths[:count].tolist()
        turned_away = {} if self._gate is None else self._turn_away(self._gate, count, now)
        for slot in turned_away:
            lengths[slot] = 0  # there is no answer to nothing, so it ends up among those that were missed
        answers, missed, respelled = _find_all(prepared, octets, lengths, now)
        self._point(answers, respelled)
        sent = self._answer(count, missed)
        for slot in respelled:
            self._out_words[4 * slot + 1] = ID_OCTETS
        return Served(
            hits=sent,
            lost=count - len(missed) - sent,
            missed=[self._datagram(slot, octets, lengths[slot]) for slot in missed if slot not in turned_away],
            turned_away=len(turned_away),
            notices=[
                (self._datagram(slot, octets, self._lengths[slot]), admission)
                for slot, admission in turned_away.items()
                if admission is not Admission.DROP
            ],
        )

    def _point(self, answers: list[Prepared], respelled: list[int]) -> None:
        """Have the messages that go out lead to `answers`: with the question where it was received for `respelled`."""
        octets = [answer.octets for answer in answers]  # which the answers keep where they are until they are sent
        words, end = self._out_words, 4 * len(answers)
        words[2:end:4] = memoryview(array("L", [id(each) + _OCTETS_AT for each in octets]))
        words[3:end:4] = memoryview(array("L", map(len, octets)))
        for slot in respelled:
            answer, start = answers[slot], slot * OCTETS
            self._octets[start + ID_OCTETS : start + HEADER_OCTETS] = answer.octets[: HEADER_OCTETS - ID_OCTETS]
            words[4 * slot + 1] = answer.records_at + ID_OCTETS
            words[4 * slot + 2] += answer.records_at
            words[4 * slot + 3] -= answer.records_at

    def _turn_away(self, gate: Gate, count: int, now: float) -> dict[int, Admission]:
        """Ask the gate about the senders of the first `count` slots. Returns those that are not served."""
        turned_away: dict[int, Admission] = {}
        senders = bytes(self._senders)
        for slot in range(count):
            start = slot * _SOCKADDR_IN6 + self._address_at
            admission = gate.admit(senders[start : start + self._address_octets], now)
            if admission is not Admission.SERVE:
                turned_away[slot] = admission
        return turned_away

    def _answer(self, count: int, missed: list[int]) -> int:
        """Send the answers of the first `count` slots but for `missed`, run by run. Returns how many were taken."""
        sent, start = 0, 0
        for end in (*missed, count):
            if end > start:
                at = self._out_at + start * sizeof(_Message)
                sent += max(self._send(self._udp.fileno(), at, end - start, 0), 0)
            start = end + 1
        return sent

    def _datagram(self, slot: int, octets: bytes, length: int) -> Datagram:
        wire = octets[slot * OCTETS : slot * OCTETS + length]
        port, *rest = self._sockaddr.unpack_from(self._senders, slot * _SOCKADDR_IN6)
        if self._udp.family == socket.AF_INET:
            return Datagram(wire, (socket.inet_ntoa(rest[0]), port), self._ancillary(slot))
        (scope,) = struct.unpack_from("=I", self._senders, slot * _SOCKADDR_IN6 + 24)
        return Datagram(wire, (str(IPv6Address(rest[1])), port, rest[0], scope), self._ancillary(slot))

    def _ancillary(self, slot: int) -> Ancillary | None:
        """Return what the system told of the datagram in `slot`, as `sendmsg` of the socket module takes it."""
        if not self._tells_local or not self._in_told[slot]:
            return None
        at = slot * _PKTINFO_SPACE
        length, level, kind = _CMSG.unpack_from(self._told, at)
        return _local_of([(level, kind, bytes(self._told[at + _CMSG.size : at + length]))])

    def _lay_out(self) -> None:
        octets_at = addressof((c_char * len(self._octets)).from_buffer(self._octets))
        senders_at = addressof((c_char * len(self._senders)).from_buffer(self._senders))
        told_at = addressof((c_char * len(self._told)).from_buffer(self._told))
        for slot in range(SLOTS):
            octets = octets_at + slot * OCTETS
            self._in_parts[slot] = _Part(octets, OCTETS)
            self._out_parts[2 * slot] = _Part(octets, ID_OCTETS)
            for messages, parts, parts_count in ((self._in, self._in_parts, 1), (self._out, self._out_parts, 2)):
                messages[slot].header = _Header(
                    name=senders_at + slot * _SOCKADDR_IN6,
                    name_length=self._sockaddr_length,
                    parts=addressof(parts) + slot * parts_count * sizeof(_Part),
                    parts_count=parts_count,
                    control=told_at + slot * _PKTINFO_SPACE if self._tells_local else None,
                )


def send(udp: socket.socket, wire: bytes, datagram: Datagram) -> bool:
    """Send `wire` to the sender of `datagram`; False where the system does not take it."""
    try:
        if datagram.ancillary:
            udp.sendmsg([wire], datagram.ancillary, 0, datagram.address)
        else:
            udp.sendto(wire, datagram.address)
    except OSError:  # its buffer is full, the client's network is gone, port 0: it will ask again
        return False
    return True


def packed_address(host: str) -> bytes:
    """Return the octets of an address as the socket module writes it, which names the link of a link-local one."""
    if ":" not in host:
        return socket.inet_aton(host)
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])


def ask_for_local(udp: socket.socket) -> None:
    """Have the system tell the local address of each datagram that comes to `udp`."""
    if udp.family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def _find_all(
    prepared: PreparedAnswers, octets: bytes, lengths: list[int], now: float
) -> tuple[list[Prepared], list[int], list[int]]:
    """Return the answers to the datagrams in `octets`, the slots without any, and those with the asker's own question.

    As few steps as can be for one that was prepared letter for letter: this is what a server does most of its time.
    """
    find = prepared.by_query.get
    ends = map(add, _STARTS, lengths)
    answers = [find(octets[start:end], NOT_PREPARED) for start, end in zip(_KEY_STARTS, ends, strict=False)]
    late = [slot for slot, answer in enumerate(answers) if now >= answer.turn_s]
    missed: list[int] = []
    respelled: list[int] = []
    for slot in late:
        found = answers[slot]
        if found is not NOT_PREPARED and found.turn(now):
            continue
        answer = prepared.otherwise(octets[_STARTS[slot] : _STARTS[slot] + lengths[slot]], now)
        answers[slot] = answer or NOT_PREPARED
        (respelled if answer else missed).append(slot)
    return answers, missed, respelled


def _local_of(told: Ancillary) -> Ancillary | None:
    """Return what to send along so that a reply leaves from the address that the query came to."""
    for level, kind, data in told:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO and len(data) >= _IN_PKTINFO.size:
            _, local, _ = _IN_PKTINFO.unpack_from(data)
            return [(level, kind, _IN_PKTINFO.pack(0, local, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return [(level, kind, data)]
    return None


def _load() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "recvmmsg") or not hasattr(libc, "sendmmsg"):
        return None
    for call, last in ((libc.recvmmsg, [c_void_p]), (libc.sendmmsg, [])):
        call.argtypes = [c_int, c_void_p, ctypes.c_uint, c_int, *last]
        call.restype = c_int
    return libc


def _octets_at() -> int:
    """Return how far behind the place of a bytes object its octets begin: CPython has both in one piece."""
    probe = b"\0"
    place = c_void_p.from_buffer(c_char_p(probe)).value
    assert place is not None
    return place - id(probe)


_LIBC: Final = _load()
_OCTETS_AT: Final = _octets_at()
