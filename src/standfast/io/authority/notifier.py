"""Tells secondaries that a zone has changed, by UDP, and takes in what they answer (RFC 1996). When, `notifying` says.

An answer counts where it comes from the address that was told, with the ID that went there, and signed where we sign.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final, assert_never

import structlog

from standfast.authority.notifying import GiveUp, Notifying, Send
from standfast.authority.remote import Remote
from standfast.dns.codec import AA, QR
from standfast.dns.model import Name, Rcode, RRType, rcode_name
from standfast.dns.requests import Opcode, message, question_octets, raws, read_message
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey, Verified, sign, verify
from standfast.dns.wire import WireError
from standfast.io.authority.zones import Published, ServedZones
from standfast.io.faults import in_words
from standfast.ports import Random

ANSWER_OCTETS_MAX: Final = 65_535  # that are read of a datagram
ANSWERS_MAX: Final = 64  # that are read of one socket before the event loop turns to others

log = structlog.get_logger("standfast.authority")


class Outcome(StrEnum):
    """What became of a notice; a repeated one is sent more than once."""

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    GIVEN_UP = "given_up"


@dataclass(slots=True, kw_only=True)
class _Awaited:
    """What a secondary was told of a zone, and has not answered yet."""

    remote: Remote
    id: int
    macs: list[bytes] = field(default_factory=list)  # of each time that it was sent
    heard: str = "no answer"  # what came that counts for nothing


class Notifier:
    """Notices of all zones. Use it from within one event loop."""

    def __init__(
        self, zones: ServedZones, keys: Mapping[Name, TsigKey], *, rng: Random, wall: Callable[[], float]
    ) -> None:
        """Send nothing yet.

        Args:
            zones: what is served, and who is to be told of it.
            keys: those that messages are signed with, by name.
            rng: makes IDs, and spreads what is sent.
            wall: the time, in seconds since the epoch.
        """
        self.outcomes: Counter[str] = Counter()  # by `Outcome`
        self._zones = zones
        self._keys = keys
        self._wall = wall
        self._notifying = Notifying(rng)
        self._awaited: dict[tuple[Name, Server], _Awaited] = {}
        self._sockets: dict[Server, socket.socket] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Tell of every zone: it may have changed while nobody ran."""
        for origin in self._zones.zones:
            self._tell(origin)
        self._zones.on_published.append(self._published)

    def stop(self) -> None:
        """Send nothing more, whatever is published from now on."""
        if self._published in self._zones.on_published:
            self._zones.on_published.remove(self._published)
        if self._timer is not None:
            self._timer.cancel()
        for each in self._sockets.values():
            asyncio.get_running_loop().remove_reader(each)
            each.close()
        self._sockets.clear()

    def _published(self, published: Published) -> None:
        if published.before is None or published.before.serial != published.after.serial:
            self._tell(published.origin)

    def _tell(self, origin: Name) -> None:
        zone = self._zones.zones[origin]
        self._notifying.changed(origin, zone.serial, self._zones.rules(origin).notify, self._loop_s())
        self._set_timer()

    def _wake(self) -> None:
        for action in self._notifying.due(self._loop_s()):
            match action:
                case Send():
                    self._send(action)
                case GiveUp():
                    self._give_up(action)
                case _:
                    assert_never(action)
        self._set_timer()

    def _send(self, action: Send) -> None:
        remote, server = action.remote, action.remote.server
        zone = self._zones.zones.get(action.origin)
        if zone is None:
            return
        awaited = self._awaited.get((action.origin, server))
        if awaited is None or awaited.id != action.id:
            awaited = self._awaited[action.origin, server] = _Awaited(remote=remote, id=action.id)
        wire = message(
            id_=action.id,
            flags=Opcode.NOTIFY << 11 | AA,
            question=question_octets(action.origin, RRType.SOA),
            answer=raws(zone.soa),
        )
        if remote.key is not None:
            signed = sign(wire, self._keys[remote.key], now=self._wall())
            wire = signed.wire
            awaited.macs.append(signed.mac)
        try:
            self._socket(server).send(wire)
        except OSError as error:
            awaited.heard = in_words(error)
        else:
            self.outcomes[Outcome.SENT] += 1

    def _give_up(self, action: GiveUp) -> None:
        awaited = self._awaited.pop((action.origin, action.remote.server), None)
        self.outcomes[Outcome.GIVEN_UP] += 1
        log.warning(
            "notify.given_up",
            zone=action.origin,
            secondary=str(action.remote.server),
            serial=action.serial,
            tries=action.tries,
            heard=awaited.heard if awaited else "",
        )

    def _socket(self, server: Server) -> socket.socket:
        """Return a socket on which nobody else than `server` is heard."""
        found = self._sockets.get(server)
        if found is None:
            family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
            found = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            try:
                found.connect((server.host, server.port))
            except OSError:
                found.close()
                raise
            self._sockets[server] = found
            asyncio.get_running_loop().add_reader(found, self._readable, server, found)
        return found

    def _readable(self, server: Server, udp: socket.socket) -> None:
        with suppress(OSError):  # nothing left; or that nobody listens there, which a repetition finds out
            for _ in range(ANSWERS_MAX):
                self._take(server, udp.recv(ANSWER_OCTETS_MAX))

    def _take(self, server: Server, wire: bytes) -> None:
        try:
            found = read_message(wire)
        except WireError:
            return
        awaited = self._awaited.get((found.qname, server))
        if awaited is None or not found.flags & QR or (found.opcode, found.id) != (Opcode.NOTIFY, awaited.id):
            return
        if not self._is_proven(wire, awaited):
            awaited.heard = f"{rcode_name(found.rcode)}, with a signature that is not right, or none"
            return
        serial = self._notifying.answered(found.qname, awaited.remote, found.id)
        del self._awaited[found.qname, server]
        if serial is None:
            return
        if found.rcode == Rcode.NOERROR:
            self.outcomes[Outcome.ACKNOWLEDGED] += 1
            log.info("notify.acknowledged", zone=found.qname, secondary=str(server), serial=serial)
        else:
            self.outcomes[Outcome.REFUSED] += 1
            rcode = rcode_name(found.rcode)
            log.warning("notify.refused", zone=found.qname, secondary=str(server), serial=serial, rcode=rcode)

    def _is_proven(self, wire: bytes, awaited: _Awaited) -> bool:
        """Say whether an answer is signed as what was sent, at whichever time."""
        if awaited.remote.key is None:
            return True
        keys = {awaited.remote.key: self._keys[awaited.remote.key]}
        now = self._wall()
        return any(isinstance(verify(wire, keys, now=now, request_mac=mac), Verified) for mac in awaited.macs)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (next_s := self._notifying.next_s) < inf:
            self._timer = asyncio.get_running_loop().call_at(next_s, self._wake)

    @staticmethod
    def _loop_s() -> float:
        return asyncio.get_running_loop().time()
