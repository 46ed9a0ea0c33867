"""Answers dynamic updates (RFC 2136): one after the other, each whole or not at all, and answered once it is served.

What an update means is decided in `authority.update`, whether the zone stays fit to be served where it is published.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Final

import structlog

from standfast.authority.diff import apply
from standfast.authority.signing import NOT_IN_SOURCE
from standfast.authority.update import Denied, update
from standfast.authority.zone import Zone
from standfast.dns.model import Ede, ExtendedError, Name, Rcode
from standfast.dns.requests import Request, response, sealed
from standfast.errors import StandfastError
from standfast.io.authority.zones import ServedZones, StaleZone, UnfitZone
from standfast.io.clients.requests import Peer, Send

ATTEMPTS_MAX: Final = 8  # updates wait for each other; what else may publish in between is a file, a transfer, a signer
NOTHING_MADE: Final[frozenset[int]] = frozenset()  # by a server that does not sign

log = structlog.get_logger("standfast.authority")


class Updates:
    """Takes updates of the zones that are served, from those who may."""

    def __init__(self, zones: ServedZones, *, wall: Callable[[], float]) -> None:
        """Take none yet. `wall` is the time that clients have too, in seconds since the epoch."""
        self.answered: Counter[str] = Counter()  # by response code
        self._zones = zones
        self._wall = wall
        self._turns: defaultdict[Name, asyncio.Lock] = defaultdict(asyncio.Lock)  # of zones that are served

    async def serve(self, request: Request, zone: Zone, peer: Peer, send: Send) -> None:
        """Do what `request` asks for, and answer it."""
        denied = await self._take(request, zone.origin, peer)
        rcode = Rcode.NOERROR if denied is None else denied.rcode
        self.answered[rcode.name] += 1
        errors = (ExtendedError(code=Ede.OTHER, text=denied.text),) if denied is not None else ()
        await send(sealed(request, response(request, rcode, errors=errors), now=self._wall()))

    async def _take(self, request: Request, origin: Name, peer: Peer) -> Denied | None:
        """Make the changes; the prerequisites are judged on the very version that they take the place of."""
        async with self._turns[origin]:  # so that none has to begin anew for the sake of another
            for _ in range(ATTEMPTS_MAX):
                base = self._zones.zones[origin]
                made = NOTHING_MADE if self._zones.rules(origin).signing is None else NOT_IN_SOURCE
                found = update(base, request.answer, request.authority, made=made)
                if isinstance(found, Denied):
                    return found
                if not found:
                    return None
                try:
                    published = await self._zones.publish(apply(base, found), base=base, cause="update", changes=found)
                except StaleZone:
                    continue
                except UnfitZone as error:
                    return Denied(rcode=Rcode.REFUSED, text=error.faults[0].text)
                except StandfastError as error:
                    log.error("update.failed", zone=origin, error=str(error))
                    return Denied(rcode=Rcode.SERVFAIL, text="the change cannot be kept")
                log.info(
                    "zone.updated",
                    zone=origin,
                    serial=published.after.serial,
                    changes=len(published.changes),
                    client=peer.address,
                    key=request.signer,
                )
                return None
        return Denied(rcode=Rcode.SERVFAIL, text="the zone changes too often for other reasons")
