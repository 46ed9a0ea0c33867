"""The authority running: its zones on their sockets, read anew and replaced whole. Decides nothing.

What is asked again is given as prepared octets, by the same fast path as the guard's; `answers` keeps them.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from standfast.authority.diff import Change
from standfast.authority.zone import Zone
from standfast.dns.codec import PAYLOAD_OURS
from standfast.dns.model import Name
from standfast.dns.name import is_below
from standfast.dns.servers import Server
from standfast.io.authority.answers import Answers
from standfast.io.authority.key_files import FOLDER, KeyFiles
from standfast.io.authority.notifier import Notifier
from standfast.io.authority.parent import ds_at_parent
from standfast.io.authority.requests import Desk
from standfast.io.authority.secondaries import HeardHere, Secondaries
from standfast.io.authority.signer import Signer
from standfast.io.authority.transfers import Transfers
from standfast.io.authority.updates import Updates
from standfast.io.authority.zone_files import ReadZone, ZoneFileError, read_zone
from standfast.io.authority.zones import ServedZones, StaleZone, UnfitZone
from standfast.io.clients.cookies import Cookies
from standfast.io.clients.limits import Gate
from standfast.io.clients.listener import Listener
from standfast.io.clients.requests import Requests
from standfast.io.settings.authority import AuthorityConfig

log = structlog.get_logger("standfast.authority")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Who does what in the authority, and counts it."""

    zones: ServedZones
    desk: Desk
    transfers: Transfers
    notifier: Notifier
    updates: Updates
    secondaries: Secondaries


class AuthorityService:
    """Serves the zones of files. Use it as an async context within one event loop."""

    def __init__(
        self,
        config: AuthorityConfig,
        *,
        cookies: Cookies,
        now: Callable[[], float],
        wall: Callable[[], float] = time.time,
        size_max: int = PAYLOAD_OURS,
    ) -> None:
        """Read and bind nothing yet.

        Args:
            config: which zones, where, for whom.
            cookies: makes and knows those of clients.
            now: the time, in seconds.
            wall: the time that other machines have too, in seconds since the epoch.
            size_max: the largest datagram that is sent, in octets.
        """
        self._config = config
        self._wall = wall
        self._by_file: dict[Path, Name] = {}
        self._signer = _signer(config, wall)
        self._served = ServedZones(
            config.rules, default=config.default_rules, loss_max=config.loss_max, signer=self._signer
        )
        self._answers = Answers(self._served, now, nsid=config.nsid)
        if self._signer is not None:
            self._signer.on_look.append(lambda _origin: self._answers.begin())
        gate = Gate(config.limits)
        self._desk = Desk(
            self._served, keys=config.keys, answer=self._answers.answer, cookies=cookies, wall=wall, size_max=size_max
        )
        self._transfers = Transfers(self._served, wall=wall, size_max=size_max)
        self._desk.on_transfer = self._transfers.answer
        self._notifier = Notifier(self._served, config.keys, rng=random.SystemRandom(), wall=wall)
        updates = Updates(self._served, wall=wall)
        self._desk.on_update = updates.serve
        secondaries = {origin: rules.primaries for origin, rules in config.rules.items() if rules.primaries}
        self._secondaries = Secondaries(
            self._served,
            secondaries,
            keys=config.keys,
            heard=HeardHere(),
            rng=random.SystemRandom(),
            now=now,
            wall=wall,
        )
        self._desk.on_notify = self._secondaries.on_notify
        self.parts = Parts(
            zones=self._served,
            desk=self._desk,
            transfers=self._transfers,
            notifier=self._notifier,
            updates=updates,
            secondaries=self._secondaries,
        )
        self._requests = Requests(self._desk.take)
        self._reloading: asyncio.Task[None] | None = None
        self._reload_again = False
        self._signing: asyncio.Task[None] | None = None
        self._listeners = [
            Listener(
                server,
                self._answers.on_query,
                size_max=size_max,
                fast=self._answers.fast,
                gate=gate,
                cookies=cookies,
                recursion=False,
                requests=self._requests,
            )
            for server in config.listen
        ]

    @property
    def bound(self) -> tuple[Server, ...]:
        """The addresses that are listened on, with their real ports."""
        return tuple(listener.bound for listener in self._listeners)

    @property
    def zones(self) -> Mapping[Name, Zone]:
        """What is served, by origin."""
        return self._served.zones

    async def load(self) -> None:
        """Read every file; what may be served takes the place of what was served before, the rest leaves it there.

        The event loop goes on meanwhile: a large zone takes seconds.
        """
        found: dict[Path, ReadZone] = {}
        for path in self._config.zones:
            try:
                found[path] = await asyncio.to_thread(
                    read_zone,
                    path,
                    promises=self._config.default_rules.promises,
                    before=dict(self.zones),
                    loss_max=self._config.loss_max,
                    now=self._wall(),
                )
            except ZoneFileError as error:
                stays = path in self._by_file
                log.error(
                    "zone.refused", file=str(path), faults=len(error.faults), first=str(error.faults[0]), stays=stays
                )
        self._by_file = self._chosen(found)
        for path, origin in self._by_file.items():
            if path in found and found[path].zone.origin == origin:
                with suppress(UnfitZone):  # it is told already
                    await self._served.publish(found[path].zone, base=self.zones.get(origin), cause="file", judged=True)
        for promise in self._config.default_rules.promises:
            if not any(is_below(promise.name, origin) for origin in (*self.zones, *self._served.withheld)):
                log.warning("promise.unserved", name=promise.name)

    def reload(self) -> None:
        """Begin to read every file anew; while that is under way, once more after it: files may have changed since."""
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._reload())
        else:
            self._reload_again = True

    async def _reload(self) -> None:
        await self.load()
        while self._reload_again:
            self._reload_again = False
            await self.load()

    def _chosen(self, found: Mapping[Path, ReadZone]) -> dict[Path, Name]:
        """Return which zone is served from each file, now that `found` was.

        No zone comes from two, and none is lost by a slip in a name.
        Files may well change places.
        """
        offered = {read.zone.origin for read in found.values()}
        chosen: dict[Path, Name] = {}
        for path in self._config.zones:
            before, read = self._by_file.get(path), found.get(path)
            if read and before and before not in offered:
                first = f"{path}: it is of the zone {read.zone.origin} now, and {before} is served from it"
                log.error("zone.refused", file=str(path), faults=1, first=first, stays=True)
                read = None
            origin = read.zone.origin if read else before
            if origin is None:
                continue
            other = next((str(each) for each, there in chosen.items() if there == origin), None)
            if self._served.rules(origin).primaries:
                other = "its primaries"
            if other is not None:
                log.error("zone.twice", file=str(path), zone=origin, served_from=other)
                continue
            chosen[path] = origin
            if read:
                zone, warnings = read.zone, len(read.warnings)
                log.info("zone.loaded", zone=origin, serial=zone.serial, names=len(zone.nodes), warnings=warnings)
        return chosen

    async def __aenter__(self) -> Self:
        """Read the zones, and serve from now on.

        Raises:
            ListenError: an address cannot be listened on; then none is.
        """
        self._secondaries.start()
        try:
            await self.load()
            for listener in self._listeners:
                await listener.start()
            self._notifier.start()  # who is told comes at once
            if self._signer is not None:
                rounds = self._signer.rounds(lambda: self.zones, self._publish_signed)
                self._signing = asyncio.get_running_loop().create_task(rounds)
        except BaseException:
            self._stop()
            await self._secondaries.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reloading is not None:
            self._reloading.cancel()
        if self._signing is not None:
            self._signing.cancel()
        self._stop()
        await self._requests.stop()
        await self._secondaries.stop()
        await self._served.settle()
        await asyncio.sleep(0)  # lets the event loop close what was told to

    def _stop(self) -> None:
        self._notifier.stop()
        for listener in self._listeners:
            listener.stop()

    async def _publish_signed(self, new: Zone, *, base: Zone, changes: Sequence[Change]) -> bool:
        try:
            await self._served.publish(new, base=base, cause="signing", changes=changes, judged=True)
        except StaleZone:
            return False
        return True


def _signer(config: AuthorityConfig, wall: Callable[[], float]) -> Signer | None:
    """Return what signs zones; None where none is to be signed."""
    policies = {origin: rules.signing for origin, rules in config.rules.items() if rules.signing is not None}
    if not policies or config.state_dir is None:
        return None
    ask = partial(ds_at_parent, rng=random.SystemRandom())
    return Signer(KeyFiles(config.state_dir / FOLDER), policies, wall=wall, ask_parent=ask)
