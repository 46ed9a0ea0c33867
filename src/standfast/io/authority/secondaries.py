"""The zones that come from primaries: each kept as `authority.secondary` decides, and published like any other.

What came is judged like a file. Of a zone that breaks a promise or lost too many names nothing is taken, and what was
served before stays: a primary's mistake does not empty ours.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol, assert_never

import structlog

from standfast.authority.diff import apply
from standfast.authority.remote import Remote
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
from standfast.authority.zone import Zone, serial_of
from standfast.dns.model import Ede, ExtendedError, Name, Rcode, RRType
from standfast.dns.requests import Request
from standfast.dns.tsig import TsigKey
from standfast.errors import StandfastError
from standfast.io.authority.primaries import Primaries, Primary
from standfast.io.authority.zones import ServedZones, UnfitZone
from standfast.io.clients.requests import Peer
from standfast.ports import Random

CHECKS_MAX: Final = 64  # questions for serials at one time; of a thousand zones at a start, the others wait
TRANSFERS_MAX: Final = 4  # at one time: each may hold its zone in memory once more
NOT_READY: Final = ExtendedError(code=Ede.NOT_READY, text="the zone has not come from its primaries yet")
EXPIRED: Final = ExtendedError(code=Ede.INVALID_DATA, text="the zone has expired: none of its primaries was heard")

log = structlog.get_logger("standfast.authority")


class Heard(Protocol):
    """Keeps over restarts when a primary was heard last for a zone."""

    def heard_at_s(self, origin: Name) -> float | None:
        """Return when, in seconds since the epoch; None where nothing is kept."""
        ...

    def keep_heard(self, origin: Name, at_s: float) -> None:
        """Keep it."""
        ...


class HeardHere:
    """Keeps it as long as this process runs."""

    def __init__(self) -> None:
        self._at_s: dict[Name, float] = {}

    def heard_at_s(self, origin: Name) -> float | None:
        """Return when, in seconds since the epoch; None where nothing is kept."""
        return self._at_s.get(origin)

    def keep_heard(self, origin: Name, at_s: float) -> None:
        """Keep it."""
        self._at_s[origin] = at_s


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What all zones have in common."""

    served: ServedZones
    primaries: Primaries
    heard: Heard
    rng: Random
    now: Callable[[], float]
    transfers: Counter[str]
    checking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CHECKS_MAX))
    transferring: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TRANSFERS_MAX))


class Secondaries:
    """All zones that come from primaries. Lives in the event loop that it is started in."""

    def __init__(
        self,
        served: ServedZones,
        origins: Mapping[Name, Sequence[Remote]],
        *,
        keys: Mapping[Name, TsigKey],
        heard: Heard,
        rng: Random,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """Ask nobody yet.

        Args:
            served: where the zones go, and where those that were kept stand by the start.
            origins: the zones, and the primaries of each.
            keys: under which one speaks with them, by name.
            heard: when they were heard last.
            rng: draws IDs, ports and times.
            now: the time, in seconds since the epoch, that never jumps.
            wall: the time that others have, in seconds since the epoch.
        """
        self.transfers: Counter[str] = Counter()  # by what came of them
        shared = _Shared(
            served=served, primaries=Primaries(rng, wall=wall), heard=heard, rng=rng, now=now, transfers=self.transfers
        )
        self._origins = {
            origin: (
                remotes,
                [Primary(server=each.server, key=keys[each.key] if each.key else None) for each in remotes],
            )
            for origin, remotes in origins.items()
        }
        self._shared = shared
        self._zones: dict[Name, _SecondaryZone] = {}

    def start(self) -> None:
        """Ask for every zone, and go on doing so."""
        for origin, (remotes, primaries) in self._origins.items():
            self._zones[origin] = _SecondaryZone(origin, remotes, primaries, self._shared)

    async def stop(self) -> None:
        """Ask nobody any more. What was being published is published."""
        await asyncio.gather(*(zone.stop() for zone in self._zones.values()))
        self._zones.clear()

    async def on_notify(self, request: Request, peer: Peer) -> Rcode:
        """Take in a NOTIFY; from others than the zone's primaries it is refused (RFC 1996 section 3.10)."""
        zone = self._zones.get(request.qname)
        return Rcode.NOTAUTH if zone is None else zone.on_notify(request, peer)


class _SecondaryZone:
    """One zone: carries out what its `Secondary` wants, one thing at a time."""

    def __init__(self, origin: Name, remotes: Sequence[Remote], primaries: Sequence[Primary], shared: _Shared) -> None:
        self._origin = origin
        self._remotes = remotes
        self._primaries = primaries
        self._shared = shared
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        heard_at_s = shared.heard.heard_at_s(origin)
        self._kept_s = heard_at_s or 0.0
        zone, now = self._zone, shared.now()
        held = None
        if zone is not None:  # a zone whose time was lost in a crash came just before that
            timing = timing_of(zone.soa.rdatas[0])
            held = Held(serial=zone.serial, timing=timing, heard_at_s=now if heard_at_s is None else heard_at_s)
        self._machine = Secondary(len(primaries), shared.rng, held=held, now=now)
        self._carry_out(self._machine.on_time(now))

    @property
    def _zone(self) -> Zone | None:
        return self._shared.served.zones.get(self._origin)

    async def stop(self) -> None:
        """End what is under way."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def on_notify(self, request: Request, peer: Peer) -> Rcode:
        """Look at once whether the zone has changed, if that is said by whom it may come from."""
        primary = _who(self._remotes, peer.address, request.signer)
        if primary is None:
            return Rcode.REFUSED
        told = [serial_of(raw.rdata) for raw in request.answer if (raw.owner, raw.rtype) == (self._origin, RRType.SOA)]
        self._carry_out(self._machine.on_notify(primary, told[0] if told else None, self._shared.now()))
        return Rcode.NOERROR

    def _on_time(self) -> None:
        self._carry_out(self._machine.on_time(self._shared.now()))

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Tell():
                    self._tell(action)
                case AskSerial():
                    self._task = asyncio.get_running_loop().create_task(self._ask(action))
                case Fetch():
                    self._task = asyncio.get_running_loop().create_task(self._fetch(action))
                case _:
                    assert_never(action)
        self._settle()

    def _settle(self) -> None:
        """Have all follow what the machine holds for true by now."""
        machine, served = self._machine, self._shared.served
        why = NOT_READY if self._zone is None else EXPIRED if machine.expired else None
        served.withhold(self._origin, why)
        if machine.heard_at_s != self._kept_s:
            self._kept_s = machine.heard_at_s
            self._shared.heard.keep_heard(self._origin, self._kept_s)
        if self._timer is not None:
            self._timer.cancel()
        wait_s = machine.wake_at_s - self._shared.now()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._on_time) if wait_s < inf else None

    async def _ask(self, action: AskSerial) -> None:
        async with self._shared.checking:
            answer = await self._shared.primaries.serial(self._primaries[action.primary], self._origin)
        self._carry_out(self._machine.on_serial(answer, self._shared.now()))

    async def _fetch(self, action: Fetch) -> None:
        async with self._shared.transferring:
            try:
                fetched = await self._fetched(action)
            except Exception:  # whatever a primary sent: the zone goes on being looked for
                log.exception("zone.transfer_failed", zone=self._origin)
                fetched = Failed(why="an error of our own", silent=True)
        self._shared.transfers[_OUTCOMES[type(fetched)]] += 1
        self._carry_out(self._machine.on_fetched(fetched, self._shared.now()))

    async def _fetched(self, action: Fetch) -> Fetched:
        primary, held = self._primaries[action.primary], self._zone
        came = await self._shared.primaries.transfer(primary, self._origin, held=held, incremental=action.incremental)
        match came:
            case Failed():
                return came
            case UpToDate(serial):
                return NotLater(serial)
            case Whole(draft):
                zone, changes = await asyncio.to_thread(draft.zone), None
            case Changed(changes):
                assert held is not None
                zone = apply(held, changes)
            case _:
                assert_never(came)
        try:
            await self._shared.served.publish(zone, base=held, cause="transfer", changes=changes)
        except UnfitZone:  # which it told of
            return Refused(serial=zone.serial)
        except StandfastError as error:
            return Failed(why=f"it cannot be published: {error}", silent=True)
        log.info(
            "zone.transferred",
            zone=self._origin,
            serial=zone.serial,
            before=held and held.serial,
            primary=str(primary.server),
            incremental=changes is not None,
        )
        return Taken(serial=zone.serial, timing=timing_of(zone.soa.rdatas[0]))

    def _tell(self, tell: Tell) -> None:
        about: dict[str, object] = {"zone": self._origin}
        if tell.primary is not None:
            about["primary"] = str(self._primaries[tell.primary].server)
        if tell.serial is not None:
            about["serial"] = tell.serial
        if tell.why:
            about["why"] = tell.why
        log.log(_LEVELS[tell.level], tell.event, **about)


def _who(remotes: Sequence[Remote], address: str, key: Name | None) -> int | None:
    """Return which primary sends from `address`, or signs with its key; None where none does.

    Ports are no matter: a primary sends from another than it is asked at.
    """
    sender = address.partition("%")[0]
    for at, remote in enumerate(remotes):
        if remote.server.host.partition("%")[0] == sender:
            return at
    return next((at for at, remote in enumerate(remotes) if remote.key is not None and remote.key == key), None)


_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_OUTCOMES: Final = {Taken: "taken", NotLater: "up_to_date", Refused: "refused", Failed: "failed"}
