"""Zones given to secondaries: how many at once, at the pace of who reads, and signed as asked (RFC 5936, RFC 1995).

Who may have them is judged before; which records, and in which messages, `transfer_out` says.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from standfast.authority.transfer_out import Form, Outgoing, serial_asked_for, since, since_by_datagram, whole
from standfast.authority.zone import Zone
from standfast.dns.codec import PAYLOAD_OURS
from standfast.dns.model import Rcode, RRType
from standfast.dns.requests import Request, response, sealed
from standfast.dns.tsig import SignedStream
from standfast.dns.wire import WireError
from standfast.io.authority.zones import ServedZones
from standfast.io.clients.requests import Peer, Send

STREAMS_MAX: Final = 32  # under way at once; each has at most a quarter of a megabyte that its client has not read
STREAM_MAX_S: Final = 7200.0  # of one: a million records by a line of 64 kbit/s; who takes longer is not reading

log = structlog.get_logger("standfast.authority")


class Transfers:
    """Answers AXFR and IXFR. `outcomes` counts the answers: by `Form`, "cut" by who asked, or by response code."""

    def __init__(self, zones: ServedZones, *, wall: Callable[[], float], size_max: int = PAYLOAD_OURS) -> None:
        """Serve nothing yet.

        Args:
            zones: what went before each zone as it is.
            wall: the time, in seconds since the epoch.
            size_max: the largest datagram that is sent, in octets.
        """
        self.outcomes: Counter[str] = Counter()
        self._zones = zones
        self._wall = wall
        self._size_max = size_max
        self._streams = 0

    async def answer(self, request: Request, zone: Zone, peer: Peer, send: Send) -> None:
        """Answer a request of type AXFR or IXFR that is allowed.

        Raises:
            ConnectionError: the client is gone, or did not read.
        """
        found = self._answer_to(request, zone, tcp=peer.tcp)
        if peer.tcp and self._streams == STREAMS_MAX:
            found = Rcode.SERVFAIL  # it comes again by its own timer
        if isinstance(found, Rcode):
            self.outcomes[found.name] += 1
            await send(sealed(request, response(request, found), now=self._wall()))
            return
        self._streams += peer.tcp
        try:
            await self._stream(request, zone.serial, found, peer, send)
        finally:
            self._streams -= peer.tcp

    def _answer_to(self, request: Request, zone: Zone, *, tcp: bool) -> Outgoing | Rcode:
        if request.qtype == RRType.AXFR:
            return whole(request, zone) if tcp else Rcode.FORMERR  # RFC 5936 section 4.2
        serial = serial_asked_for(request)
        if serial is None:
            return Rcode.FORMERR
        journal = self._zones.journal(zone.origin)
        if tcp:
            return since(serial, request, zone, journal)
        return since_by_datagram(serial, request, zone, journal, self._size_max)

    async def _stream(self, request: Request, serial: int, outgoing: Outgoing, peer: Peer, send: Send) -> None:
        signed = None if request.key is None else SignedStream(request.key, request.mac)

        async def put(wire: bytes) -> None:
            await send(wire if signed is None else signed.sign(wire, self._wall()))

        messages = octets = 0
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        told = {
            "zone": request.qname,
            "serial": serial,
            "form": str(outgoing.form),
            "secondary": peer.address,
            "key": request.signer,
        }
        try:
            async with asyncio.timeout(STREAM_MAX_S):
                for wire in outgoing.messages:
                    await put(wire)
                    messages += 1
                    octets += len(wire)
        except (ConnectionError, TimeoutError) as error:
            self.outcomes["cut"] += 1
            log.warning("transfer.cut", messages=messages, octets=octets, **told)
            raise ConnectionAbortedError from error
        except WireError as error:  # what was sent so far means nothing to the client, who gets no second SOA
            log.error("transfer.failed", reason=error.reason, **told)
            await put(response(request, Rcode.SERVFAIL))
            return
        self.outcomes[outgoing.form] += 1
        if outgoing.form is not Form.SOA:  # which is how a secondary looks whether there is anything new
            log.info("transfer.sent", messages=messages, octets=octets, s=round(loop.time() - begun_s, 3), **told)
