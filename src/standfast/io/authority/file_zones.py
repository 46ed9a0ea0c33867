"""The zones of files: read at the start and whenever somebody says so, each published if it has something to say."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from standfast.authority.source import Offer
from standfast.control.fence import fence_name
from standfast.dns.model import Name
from standfast.dns.name import is_below
from standfast.errors import StandfastError
from standfast.io.authority.store import ZoneStore
from standfast.io.authority.zone_files import ReadZone, ZoneFileError, likely_origin, read_zone
from standfast.io.authority.zones import ServedZones, StaleZone, UnfitZone
from standfast.io.settings.authority import AuthorityConfig

ATTEMPTS_MAX: Final = 8  # to publish a file while clients change its zone; each takes a moment, not as long as reading
BEHIND: Final = (
    "{path}: serial {serial} is not later than {served}, which is served and holds what clients have changed - "
    "take that over, and give it a later serial"
)
UNPLANNED: Final = (
    "{path}: it does not have the plan that is published - its records belong into the intent; or take over what is "
    "served, the record at {fence} included"
)

log = structlog.get_logger("standfast.authority")


class FileZones:
    """Which zone is served from which file."""

    def __init__(self, config: AuthorityConfig, served: ServedZones, *, wall: Callable[[], float]) -> None:
        """Read nothing yet. `wall` is in seconds since the epoch: signatures are held against it."""
        self._config = config
        self._served = served
        self._wall = wall
        self._store: ZoneStore | None = None
        self._by_file: dict[Path, Name] = {}
        self._reloading: asyncio.Task[None] | None = None
        self._reload_again = False

    async def restore(self, store: ZoneStore) -> None:
        """Serve what was served when the process before ended, of the zones that are still to be served.

        Raises:
            StoreError: it cannot be read.
        """
        self._store = store
        by_file = {path: likely_origin(path) for path in self._config.zones}
        secondaries = (origin for origin, rules in self._config.rules.items() if rules.primaries)
        for origin in dict.fromkeys([*by_file.values(), *secondaries]):
            if origin is not None:
                await self._restore(origin)
        self._by_file = {path: origin for path, origin in by_file.items() if origin and origin in self._served.zones}

    async def _restore(self, origin: Name) -> None:
        stored = None if self._store is None else await asyncio.to_thread(self._store.load, origin)
        if stored is not None:
            await self._served.restore(stored)

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
                    before=dict(self._served.zones),
                    began=self._served.began,
                    loss_max=self._config.loss_max,
                    now=self._wall(),
                )
            except ZoneFileError as error:
                self._refuse(path, str(error.faults[0]), faults=len(error.faults), stays=path in self._by_file)
        self._by_file = self._chosen(found)
        for path, origin in self._by_file.items():
            if path in found and found[path].zone.origin == origin:
                await self._publish(path, found[path])
        for promise in self._config.default_rules.promises:
            if not any(is_below(promise.name, origin) for origin in (*self._served.zones, *self._served.withheld)):
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

    def stop(self) -> None:
        """Read no more."""
        if self._reloading is not None:
            self._reloading.cancel()

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
                self._refuse(path, first)
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
        return chosen

    async def _publish(self, path: Path, read: ReadZone) -> None:
        """Serve what was read, unless that would undo what clients have changed since."""
        zone = read.zone
        source = replace(read.source, signed=self._served.rules(zone.origin).signing is not None)
        for _ in range(ATTEMPTS_MAX):
            try:
                if zone.origin not in self._served.zones:
                    await self._restore(zone.origin)  # at the start nothing told that the file is of this zone
                base = self._served.zones.get(zone.origin)
                offer = await self._served.offer(zone, source)
                if offer is Offer.BEHIND:
                    self._refuse(path, BEHIND.format(path=path, serial=zone.serial, served=base and base.serial))
                    return
                if offer is Offer.UNPLANNED:
                    self._refuse(path, UNPLANNED.format(path=path, fence=fence_name(zone.origin)))
                    return
                if offer is Offer.NEW:
                    await self._served.publish(zone, base=base, cause="file", judged=True, source=source)
            except StaleZone:
                continue
            except UnfitZone:  # it is told already
                return
            except StandfastError as error:
                self._refuse(path, f"{path}: {error}", stays=zone.origin in self._served.zones)
                return
            names, warnings = len(zone.nodes), len(read.warnings)
            log.info("zone.loaded", zone=zone.origin, serial=zone.serial, names=names, warnings=warnings)
            return
        self._refuse(path, f"{path}: its zone changes too often to take it in")

    def _refuse(self, path: Path, first: str, *, faults: int = 1, stays: bool = True) -> None:
        self._served.refused["file"] += 1
        log.error("zone.refused", file=str(path), faults=faults, first=first, stays=stays)
