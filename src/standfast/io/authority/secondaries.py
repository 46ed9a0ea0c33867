"""The zones that come from primaries: each kept as `authority.secondary` decides, and published like any other.

A zone that came is judged like a file's. Of one that breaks a promise or lost too many names nothing is taken, and what
was served before stays: a primary's mistake does not empty ours.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol, assert_never

import structlog

from standfast.authority.access import Remote
from standfast.authority.checks import Promise, judge
from standfast.authority.diff import Change, apply
from standfast.authority.secondary import (
    Action,
    AskSerial,
    Failed,
    Fetch,
    Fetched,
    Held,
    NotLater,
    Refused,
    Secondary,
    Taken,
    Tell,
    timing_of,
)
from standfast.authority.transfer_in import Changed, UpToDate, Whole
from standfast.authority.zone import Draft, Zone, serial_of
from standfast.dns.model import Ede, ExtendedError, Name, Rcode, RRType
from standfast.dns.requests import Request
from standfast.dns.tsig import TsigKey
from standfast.errors import StandfastError
from standfast.io.authority.primaries import Primaries, Primary
from standfast.io.authority.zones import ServedZones
from standfast.io.clients.requests import Peer
from standfast.ports import Random

CHECKS_MAX: Final = 64  # questions for serials at one time; of a thousand zones at a start, the others wait
TRANSFERS_MAX: Final = 4  # at one time: each may hold a zone twice
NOT_READY: Final = ExtendedError(code=Ede.NOT_READY, text="the zone has not come from its primaries yet")
EXPIRED: Final = ExtendedError(code=Ede.INVALID_DATA, text="the zone has expired: none of its primaries is reached")

log = structlog.get_logger("standfast.authority")


class Heard(Protocol):
    """Keeps when a primary was heard last for a zone, over restarts."""

    def heard_at_s(self, origin: Name) -> float | None:
        """Return when, in seconds since the epoch; None where nothing is kept."""
        ...

    def keep_heard(self, origin: Name, at_s: float) -> None:
        """Keep it."""
        ...


class Secondaries:
    """All zones that come from primaries. Lives in the event loop that it is started in."""

    def __init__(
        self,
        served: ServedZones,
        *,
        primaries: Mapping[Name, Sequence[Remote]],
        keys: Mapping[Name, TsigKey],
        heard: Heard,
        loss_max: float,
        rng: Random,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """Ask nobody yet.

        Args:
            served: where the zones go, and where those that were kept stand already.
            primaries: of each zone, by its origin.
            keys: under which one speaks with them, by name.
            heard: when that was the last time.
            loss_max: which part of a zone's names may go at once.
            rng: draws IDs, ports and times.
            now: the time, in seconds, that never jumps.
            wall: the time that others have, in seconds since the epoch.
        """
        shared = _Shared(
            served=served,
            primaries=Primaries(rng, wall=wall),
            heard=heard,
            loss_max=loss_max,
            rng=rng,
            now=now,
            checks=asyncio.Semaphore(CHECKS_MAX),
            transfers=asyncio.Semaphore(TRANSFERS_MAX),
        )
        self.outcomes: Counter[str] = shared.outcomes
        self._zones = {
            origin: _SecondaryZone(origin, remotes, keys, shared) for origin, remotes in primaries.items()
        }

    def start(self) -> None:
        """Ask for every zone, and go on doing so."""
        for zone in self._zones.values():
            zone.start()

    async def stop(self) -> None:
        """Ask nobody any more. What was being published is."""
        await asyncio.gather(*(zone.stop() for zone in self._zones.values()))

    async def on_notify(self, request: Request, peer: Peer) -> Rcode:
        """Take in a NOTIFY; from others than the zone's primaries it is refused (RFC 1996 section 3.10)."""
        zone = self._zones.get(request.qname)
        return Rcode.NOTAUTH if zone is None else zone.notified(request, peer)


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What all zones have in common."""

    served: ServedZones
    primaries: Primaries
    heard: Heard
    loss_max: float
    rng: Random
    now: Callable[[], float]
    checks: asyncio.Semaphore
    transfers: asyncio.Semaphore
    outcomes: Counter[str] = field(default_factory=Counter)


class _SecondaryZone:
    """One zone: carries out what its `Secondary` wants, one thing at a time."""

    def __init__(
        self, origin: Name, remotes: Sequence[Remote], keys: Mapping[Name, TsigKey], shared: _Shared
    ) -> None:
        self._origin = origin
        self._remotes = tuple(remotes)
        self._primaries = [Primary(server=each.server, key=keys[each.key] if each.key else None) for each in remotes]
        self._shared = shared
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._machine: Secondary | None = None
        self._kept_s: float | None = None

    def start(self) -> None:
        zone, now = self._held, self._shared.now()
        self._kept_s = self._shared.heard.heard_at_s(self._origin)
        held = zone and Held(serial=zone.serial, timing=_timing(zone), heard_at_s=self._kept_s or 0.0)
        self._machine = Secondary(len(self._primaries), self._shared.rng, held=held, now=now)
        self._carry_out(self._machine.on_time(now))
