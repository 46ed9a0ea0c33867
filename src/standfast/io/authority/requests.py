"""What is no plain query, handed to who answers it: read, its signature verified, and whether its sender may.

The order is in `Desk.take`. Who answers transfers and updates is told of those alone that are allowed.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Final, assert_never

import structlog

from standfast.authority.zone import Zone
from standfast.dns.codec import MESSAGE_MAX, PAYLOAD_OURS, Rejected, decode_query, encode_rejected, encode_response
from standfast.dns.model import Name, Query, Rcode, Reply, RRType
from standfast.dns.requests import CLASS_IN, Faulty, Opcode, Request, read_request, response, sealed
from standfast.dns.tsig import TsigKey
from standfast.io.authority.zones import ServedZones
from standfast.io.clients.batch import packed_address
from standfast.io.clients.cookies import Cookies
from standfast.io.clients.requests import Peer, Send

log = structlog.get_logger("standfast.authority")

Serves = Callable[[Request, Zone, Peer, Send], Awaitable[None]]  # answers what is allowed, about a zone that is served
Heeds = Callable[[Request, Peer], Awaitable[Rcode]]  # takes in a NOTIFY, whose zone need not be there yet

QUIET_S: Final = 60.0  # between two events of one kind about one zone: strangers do not fill the log
TOO_LARGE: Final = Reply(rcode=Rcode.SERVFAIL, ra=False)


class Desk:
    """Takes requests in. What nobody has come for is not implemented."""

    def __init__(
        self,
        zones: ServedZones,
        *,
        keys: Mapping[Name, TsigKey],
        answer: Callable[[Query], Reply],
        cookies: Cookies,
        wall: Callable[[], float],
        size_max: int = PAYLOAD_OURS,
    ) -> None:
        """Take nothing in yet.

        Args:
            zones: that requests are about.
            keys: that clients may sign with, by name.
            answer: answers a plain query, which is here because it is signed.
            cookies: makes and knows those of clients.
            wall: the time that clients have too, in seconds since the epoch: signatures are held against it.
            size_max: the largest datagram that is sent, in octets.
        """
        self.on_transfer: Serves | None = None
        self.on_update: Serves | None = None
        self.on_notify: Heeds | None = None
        self.turned_away: Counter[str] = Counter()  # by response code
        self._zones = zones
        self._keys = keys
        self._answer = answer
        self._cookies = cookies
        self._wall = wall
        self._size_max = size_max
        self._told_s: dict[str, float] = {}  # when, by what it was about: a zone that is served, or an error

    async def take(self, wire: bytes, peer: Peer, send: Send) -> None:
        """Answer one request."""
        request = read_request(wire, self._keys, now=self._wall())
        match request:
            case None:
                return
            case Faulty():
                self.turned_away[Rcode(request.rcode).name] += 1
                if request.error is not None and self._may_tell(request.error.name):
                    log.warning("request.unproven", error=request.error.name, client=peer.address)
                await send(request.wire)
            case Request(opcode=Opcode.NOTIFY):
                await self._finish(request, await self._notified(request, peer), send)
            case Request(opcode=Opcode.UPDATE):
                await self._serve(request, peer, send, self._about_update(request, peer), self.on_update)
            case Request(qtype=RRType.AXFR | RRType.IXFR):
                await self._serve(request, peer, send, self._about_transfer(request, peer), self.on_transfer)
            case Request():
                await send(self._answered(request, peer))
            case _:
                assert_never(request)

    async def _serve(
        self, request: Request, peer: Peer, send: Send, about: Zone | Rcode, serves: Serves | None
    ) -> None:
        if isinstance(about, Rcode):
            what = "update" if request.opcode == Opcode.UPDATE else "transfer"
            if about is Rcode.REFUSED and self._may_tell(f"{what} of {request.qname}"):
                told = {"client": peer.address, "key": request.signer}
                log.warning("request.refused", what=what, zone=request.qname, **told)
            await self._finish(request, about, send)
        elif serves is None:
            await self._finish(request, Rcode.NOTIMP, send)
        else:
            await serves(request, about, peer, send)

    def _about_update(self, request: Request, peer: Peer) -> Zone | Rcode:
        """Return the zone that an update is about, or why there is none to be had (RFC 2136 section 3.1)."""
        if request.qtype != RRType.SOA:
            return Rcode.FORMERR
        zone = self._zone(request)
        if zone is None:
            return Rcode.NOTAUTH
        rules = self._zones.rules(zone.origin)
        if rules.primaries or not rules.allow_update.admits(peer.address, request.signer):
            return Rcode.REFUSED
        return zone

    def _about_transfer(self, request: Request, peer: Peer) -> Zone | Rcode:
        """Return the zone that is asked for, or why there is none to be had (RFC 5936 section 2.2.1)."""
        zone = self._zone(request)
        if request.qname in self._zones.withheld:
            return Rcode.SERVFAIL
        if zone is None:
            return Rcode.NOTAUTH
        access = self._zones.rules(zone.origin).allow_transfer
        if not access.admits(peer.address, request.signer):
            return Rcode.REFUSED
        return zone

    async def _notified(self, request: Request, peer: Peer) -> Rcode:
        """Take in a NOTIFY; of a zone whose primary is here there is nothing to be told (RFC 1996 section 3)."""
        if request.qtype != RRType.SOA:
            return Rcode.NOTIMP
        if self.on_notify is not None and self._zones.rules(request.qname).primaries:
            return await self.on_notify(request, peer)
        return Rcode.NOTAUTH if self._zone(request) is None else Rcode.REFUSED

    def _answered(self, request: Request, peer: Peer) -> bytes:
        """Return the signed answer to a plain query, cut by as much as the signature takes."""
        assert request.key is not None  # or it would not be here
        query = decode_query(request.wire)
        assert query is not None
        if isinstance(query, Rejected):
            rejected, cookie = self._cookies.settle(query, packed_address(peer.address))
            return self._sealed(request, encode_rejected(rejected, cookie=cookie, recursion=False))
        cookie = self._cookies.answer(query.cookie, packed_address(peer.address))
        size_max = min(self._size_max, query.payload_max) - request.key.octets
        reply = self._answer(query)
        wire = encode_response(query, reply, size_max=size_max, tcp=peer.tcp, cookie=cookie, recursion=False)
        if len(wire) > MESSAGE_MAX - request.key.octets:
            wire = encode_response(query, TOO_LARGE, tcp=True, cookie=cookie, recursion=False)
        return self._sealed(request, wire)

    async def _finish(self, request: Request, rcode: Rcode, send: Send) -> None:
        if rcode is not Rcode.NOERROR:
            self.turned_away[rcode.name] += 1
        await send(self._sealed(request, response(request, rcode)))

    def _may_tell(self, about: str) -> bool:
        now = self._wall()
        if now - self._told_s.get(about, -inf) < QUIET_S:
            return False
        self._told_s[about] = now
        return True

    def _sealed(self, request: Request, wire: bytes) -> bytes:
        return sealed(request, wire, now=self._wall())

    def _zone(self, request: Request) -> Zone | None:
        return self._zones.zones.get(request.qname) if request.qclass == CLASS_IN else None
