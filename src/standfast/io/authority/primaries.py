"""What a primary is asked for: its serial, by UDP or where that does not fit by TCP, and its zone. Decides nothing.

Messages of a transfer are verified and read in a thread, so that answers go on meanwhile.
"""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from standfast.authority.secondary import Failed
from standfast.authority.transfer_in import Broken, Changed, More, Progress, TransferIn, UpToDate, Whole
from standfast.authority.zone import Zone, serial_of
from standfast.dns.codec import AA, QR, TC
from standfast.dns.model import Name, RRType, rcode_name
from standfast.dns.requests import CLASS_IN, Message, message, question_octets, raws, read_message
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigFault, TsigKey, Verified, VerifiedStream, sign, verify
from standfast.dns.wire import WireError
from standfast.io.bulk import in_the_background
from standfast.io.dns_over_tcp import (
    CONNECT_S,
    LENGTH_OCTETS,
    READ_OCTETS,
    about_signature,
    connection,
    send,
    unreached,
)
from standfast.io.upstreams.datagrams import open_datagrams
from standfast.io.upstreams.messages import NOT_OURS_MAX
from standfast.ports import Random

UDP_TRIES_MAX: Final = 3  # a datagram is lost now and then
UDP_S: Final = 2.0  # for an answer to each; a primary may be on another continent
SILENCE_MAX_S: Final = 60.0  # within a transfer: a large zone may have to be read from a disk first
TRANSFER_MAX_S: Final = 7_200.0  # in all; who sends more slowly holds up a place that others wait for
AHEAD_MAX: Final = 4_096  # such pieces, 256 MiB at most, that wait for a thread: Knot hangs up after half a second
LARGE_OCTETS: Final = 1 << 20  # of a transfer, from which on a look for cycles among its records would stop all
_DATAGRAM_MAX: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """Where a zone comes from, and the key under which one speaks with it."""

    server: Server
    key: TsigKey | None


class Primaries:
    """Asks primaries; what comes of it is a value, whatever happens."""

    def __init__(self, rng: Random, *, wall: Callable[[], float]) -> None:
        """`wall` is the time of the world, in seconds since the epoch, as signatures need it."""
        self._rng = rng
        self._wall = wall

    async def serial(self, primary: Primary, origin: Name) -> int | Failed:
        """Return the serial of the zone `origin` at `primary`."""
        asked = self._asked(primary, origin)
        try:
            answer = await self._by_udp(primary.server, asked)
            if isinstance(answer, _Truncated):
                answer = await self._by_tcp(primary.server, asked)
        except OSError as error:
            return _unreached(error)
        return (
            Failed(why="its answer is truncated, by TCP too", silent=True) if isinstance(answer, _Truncated) else answer
        )

    async def transfer(
        self, primary: Primary, origin: Name, *, held: Zone | None, incremental: bool
    ) -> UpToDate | Whole | Changed | Failed:
        """Have the zone `origin` transferred, by IXFR from `held` or by AXFR."""
        id_ = self._rng.getrandbits(16)
        question = question_octets(origin, RRType.IXFR if incremental else RRType.AXFR)
        wire = message(id_=id_, flags=0, question=question, authority=raws(held.soa) if held and incremental else ())
        source = f"the transfer from {primary.server}"
        transfer = TransferIn(origin, id_=id_, held=held, incremental=incremental, source=source)
        if primary.key is None:
            reading = _Reading(transfer, None, self._wall)
        else:
            signed = sign(wire, primary.key, now=self._wall())
            wire, stream = signed.wire, VerifiedStream(primary.key, signed.mac)
            reading = _Reading(transfer, stream, self._wall)
        try:
            async with asyncio.timeout(TRANSFER_MAX_S), connection(primary.server) as (reader, writer):
                send(writer, wire)
                return await _read(reader, reading)
        except OSError as error:
            return _unreached(error)

    def _asked(self, primary: Primary, origin: Name) -> "_Asked":
        id_ = self._rng.getrandbits(16)
        wire = message(id_=id_, flags=0, question=question_octets(origin, RRType.SOA))
        if primary.key is None:
            return _Asked(id_, origin, wire, None, b"", self._wall)
        signed = sign(wire, primary.key, now=self._wall())
        return _Asked(id_, origin, signed.wire, primary.key, signed.mac, self._wall)

    async def _by_udp(self, server: Server, asked: "_Asked") -> "int | Failed | _Truncated":
        loop = asyncio.get_running_loop()
        for _ in range(UDP_TRIES_MAX):
            with open_datagrams(server, self._rng) as opened:
                opened.send(asked.wire)
                try:
                    async with asyncio.timeout(UDP_S):
                        for _ in range(NOT_OURS_MAX):
                            answer = asked.heed(await loop.sock_recv(opened, _DATAGRAM_MAX))
                            if answer is not None:
                                return answer
                except TimeoutError:
                    continue
            return Failed(why=f"{NOT_OURS_MAX} answers to something that was not asked", silent=True)
        return Failed(why=f"no answer to {UDP_TRIES_MAX} queries by UDP", silent=True)

    async def _by_tcp(self, server: Server, asked: "_Asked") -> "int | Failed | _Truncated":
        async with asyncio.timeout(CONNECT_S + SILENCE_MAX_S), connection(server) as (reader, writer):
            send(writer, asked.wire)
            try:
                size = int.from_bytes(await reader.readexactly(LENGTH_OCTETS), "big")
                answer = asked.heed(await reader.readexactly(size))
            except asyncio.IncompleteReadError:
                return Failed(why="it closed the connection without an answer", silent=True)
        return Failed(why="an answer to something that was not asked", silent=True) if answer is None else answer


class _Truncated:
    """An answer that did not fit into a datagram."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question for an SOA."""

    id: int
    origin: Name
    wire: bytes
    key: TsigKey | None
    mac: bytes
    wall: Callable[[], float]

    def heed(self, wire: bytes) -> int | Failed | _Truncated | None:
        """Return what `wire` answers; None where it is no answer to this question."""
        plain = wire
        if self.key is not None:
            verified = verify(wire, {self.key.name: self.key}, now=self.wall(), request_mac=self.mac)
            if not isinstance(verified, Verified):
                return _unverified(wire, verified) if wire[:2] == self.id.to_bytes(2, "big") else None
            plain = verified.wire
        try:
            found = read_message(plain)
        except WireError:
            return None
        if found.id != self.id or not found.flags & QR or found.opcode:
            return None
        if found.question and (found.qname, found.qtype, found.qclass) != (self.origin, RRType.SOA, CLASS_IN):
            return None
        return self._read(found)

    def _read(self, found: Message) -> int | Failed | _Truncated:
        if found.flags & TC:
            return _Truncated()
        if found.rcode:
            return Failed(why=f"it says {rcode_name(found.rcode)}", silent=True)
        serials = [serial_of(raw.rdata) for raw in found.answer if (raw.owner, raw.rtype) == (self.origin, RRType.SOA)]
        if len(serials) != 1 or not found.flags & AA:  # who has it from a cache is no primary
            return Failed(why="its answer has no SOA of its own", silent=True)
        return serials[0]


class _Reading:
    """Octets of a transfer made into messages, verified, and read."""

    def __init__(self, transfer: TransferIn, stream: VerifiedStream | None, wall: Callable[[], float]) -> None:
        self._transfer = transfer
        self._stream = stream
        self._wall = wall
        self._octets = bytearray()  # that are no whole message yet
        self._count = 0  # of all octets that came

    def take(self, octets: bytes, *, ended: bool) -> Progress | Failed:
        """Take in what came next, and whether the connection ended after it. Runs in a thread."""
        self._octets += octets
        self._count += len(octets)
        with in_the_background() if self._count > LARGE_OCTETS else nullcontext():
            return self._take(ended=ended)

    def _take(self, *, ended: bool) -> Progress | Failed:
        at = 0
        progress: Progress | Failed = More()
        while isinstance(progress, More) and len(self._octets) >= (start := at + LENGTH_OCTETS):
            end = start + int.from_bytes(self._octets[at:start], "big")
            if len(self._octets) < end:
                break
            progress = self._message(bytes(self._octets[start:end]))
            at = end
        del self._octets[:at]
        return self._transfer.cut() if ended and isinstance(progress, More) else progress

    def _message(self, wire: bytes) -> Progress | Failed:
        if self._stream is None:
            return self._transfer.take(wire)
        plain = self._stream.verify(wire, self._wall())
        if isinstance(plain, TsigFault):
            return _unverified(wire, plain)
        progress = self._transfer.take(plain)
        if isinstance(progress, More | Broken):
            return progress
        fault = self._stream.end()
        return progress if fault is None else _unverified(wire, fault)


async def _read(reader: asyncio.StreamReader, reading: _Reading) -> UpToDate | Whole | Changed | Failed:
    ahead = asyncio.Queue[bytes | OSError](AHEAD_MAX)
    reading_ahead = asyncio.create_task(_read_ahead(reader, ahead))
    try:
        while True:
            pieces = [await ahead.get()]
            while not ahead.empty() and pieces[-1]:
                pieces.append(ahead.get_nowait())
            if isinstance(pieces[-1], OSError):
                raise pieces[-1]
            octets = b"".join(piece for piece in pieces if isinstance(piece, bytes))
            progress = await asyncio.to_thread(reading.take, octets, ended=not pieces[-1])
            if isinstance(progress, Broken):
                return Failed(why=progress.why, silent=False)
            if not isinstance(progress, More):
                return progress
    finally:
        reading_ahead.cancel()


async def _read_ahead(reader: asyncio.StreamReader, ahead: asyncio.Queue[bytes | OSError]) -> None:
    """Take what comes as fast as it does; no octets are the end."""
    octets = b"x"
    while octets:
        try:
            async with asyncio.timeout(SILENCE_MAX_S):
                octets = await reader.read(READ_OCTETS)
        except OSError as error:
            await ahead.put(error)
            return
        await ahead.put(octets)


def _unverified(wire: bytes, fault: TsigFault | None) -> Failed:
    return Failed(why=about_signature(wire, fault), silent=True)


def _unreached(error: OSError) -> Failed:
    return Failed(why=unreached(error), silent=True)
