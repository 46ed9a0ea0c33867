"""The control plane of one process: its roles put together, in the order of need, and taken apart again in reverse.

Roles of one process tell each other at once; those of several agree by the store.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Set
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from standfast.control.intent import Intent
from standfast.control.publishing import Publisher
from standfast.control.store import PlanStore
from standfast.control.verifier import Asked, Seen
from standfast.control.zone_index import ZoneIndex, index_zone
from standfast.dns.model import Name
from standfast.dns.servers import Server
from standfast.io.clock import SteadyClock
from standfast.io.control.enactor_service import EnactorService
from standfast.io.control.intent_reader import IntentReader
from standfast.io.control.journal import ControlJournal
from standfast.io.control.looking import look
from standfast.io.control.planner_service import PlannerService
from standfast.io.control.publishers.build import build_publishers
from standfast.io.control.sources import Sources
from standfast.io.control.stores.opening import open_store
from standfast.io.control.vantage_service import VantageService
from standfast.io.control.verifier_service import VerifierService
from standfast.io.roots import Roots
from standfast.io.settings.control import ControlConfig
from standfast.io.settings.control_keys import Approval, Role
from standfast.io.settings.places import ConfigError

if TYPE_CHECKING:  # a plane without zones of its own need not wait for what serves them
    from standfast.io.authority.zones import ServedZones

log = structlog.get_logger("standfast.control")


@dataclass(slots=True, kw_only=True)
class ControlPlane:
    """What runs in this process. A role that it does not have is None."""

    config: ControlConfig
    reader: IntentReader
    intent: Intent
    roles: frozenset[Role]
    publishers: Mapping[str, Publisher]
    sources: Sources | None = None
    planner: PlannerService | None = None
    enactor: EnactorService | None = None
    verifier: VerifierService | None = None
    vantage: VantageService | None = None
    reloading: asyncio.Task[None] | None = None
    reload_due: bool = False

    def reload(self) -> None:
        """Read anew what is wanted; where that is wrong, what was wanted before stays.

        While it is being read, it may be too late for what was written meanwhile: then it is read once more.
        """
        self.reload_due = True
        if self.reloading is None or self.reloading.done():
            self.reloading = asyncio.create_task(self._reload())

    async def adopt(self, intent: Intent) -> None:
        """Want this from now on."""
        zones = {zone.origin: zone.publishers for zone in intent.zones.values()}
        indexed = await asyncio.to_thread(_indexed, intent) if self.planner is not None else None
        if self.verifier is not None:
            await self.verifier.assign(zones)
        # From here on at once: whoever is told of a pool meanwhile must not find half of it.
        self.intent = intent
        if self.enactor is not None:
            self.enactor.assign(zones)
        if self.planner is not None:
            self.planner.assign(intent, indexed)
        if self.sources is not None:
            self.sources.adopt(intent.pools)
            for pool in self.sources.states:
                self._plan_with(pool)
        self._look_at_all()

    def sourced(self, pool: str) -> None:
        """Have everybody know what the source of a pool lists."""
        self._plan_with(pool)
        self._look_at_all()

    def _plan_with(self, pool: str) -> None:
        if self.sources is not None and self.planner is not None:
            state = self.sources.states[pool]
            self.planner.sourced(pool, state.endpoints, state.failed)

    def _look_at_all(self) -> None:
        if self.sources is not None and self.vantage is not None:
            pools = self.intent.pools
            self.vantage.assign(self.intent, {name: self.sources.endpoints(pool) for name, pool in pools.items()})

    async def _reload(self) -> None:
        while self.reload_due:
            self.reload_due = False
            try:
                intent = await asyncio.to_thread(self.reader.read)
                await self.adopt(intent)
            except ConfigError as error:
                log.error("control.intent_refused", findings=[str(finding) for finding in error.findings])
            except Exception as error:  # a fault of ours: whoever reloads has to hear of it
                log.exception("control.intent_refused", findings=[f"{type(error).__name__}: {error}"])
            else:
                log.info("control.intent_read", zones=len(intent.zones), pools=len(intent.pools))

    def __str__(self) -> str:
        zones = f"{len(self.intent.zones)} zone{'' if len(self.intent.zones) == 1 else 's'}"
        roles = ", ".join(role for role in Role if role in self.roles)
        return f"control plane ({roles}) for {zones} as {self.config.name}"


@asynccontextmanager
async def control_plane(
    config: ControlConfig,
    *,
    roles: Set[Role],
    served: "ServedZones | None" = None,
    served_at: Iterable[Server] = (),
) -> AsyncIterator[ControlPlane]:
    """Run these roles until the context ends.

    Args:
        config: the settings.
        roles: what this process does.
        served: the zones of the authority in this very process, where there is one.
        served_at: where it answers.

    Raises:
        StandfastError: it cannot start.
    """
    reader = IntentReader(config)
    intent = await asyncio.to_thread(reader.read)
    clock, rng = SteadyClock(), random.SystemRandom()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(config))
        journal = stack.enter_context(ControlJournal.open(config.state_dir, now=clock.now))
        journal.started(version=version("standfast"), roles=sorted(roles))
        stack.callback(journal.stopped)
        publishers = build_publishers(config, served=served)
        plane = ControlPlane(config=config, reader=reader, intent=intent, roles=frozenset(roles), publishers=publishers)
        if Role.ENACTOR in roles:
            plane.enactor = await stack.enter_async_context(_enactor(plane, store, journal, rng))
        if Role.VERIFIER in roles:
            verifier = _verifier(plane, store, journal, rng, served_at=tuple(served_at), clock=clock)
            plane.verifier = await stack.enter_async_context(verifier)
        if roles & {Role.PLANNER, Role.VANTAGE}:
            sources = Sources(intent.pools, config, wall=clock.now, rng=rng, changed=plane.sourced)
            plane.sources = await stack.enter_async_context(sources)
        if Role.PLANNER in roles:
            plane.planner = await stack.enter_async_context(_planner(plane, store, journal, rng, clock))
        if Role.VANTAGE in roles:
            plane.vantage = _vantage(plane, store, rng, clock)
        _have_them_talk(plane)
        await plane.adopt(intent)
        if plane.vantage is not None:
            await stack.enter_async_context(plane.vantage)
        if config.metrics is not None:
            from standfast.io.telemetry.control_metrics import CONTROL_METRICS  # noqa: PLC0415  nor for what few set
            from standfast.io.telemetry.described import metrics_page  # noqa: PLC0415
            from standfast.io.telemetry.pages import PageServer  # noqa: PLC0415

            pages = {"/metrics": metrics_page(plane, CONTROL_METRICS)}
            observed = await stack.enter_async_context(PageServer(config.metrics, pages))
            log.info("control.metrics", address=str(observed.bound))
        yield plane
        if plane.reloading is not None:
            plane.reloading.cancel()


def _indexed(intent: Intent) -> Mapping[Name, ZoneIndex]:
    return {origin: index_zone(zone) for origin, zone in intent.zones.items()}


def _enactor(plane: ControlPlane, store: PlanStore, journal: ControlJournal, rng: random.Random) -> EnactorService:
    return EnactorService(
        store,
        plane.publishers,
        journal=journal,
        name=plane.config.name,
        look_every_s=plane.config.verify_every_s,
        reads_whole=Role.VERIFIER not in plane.roles,
        rng=rng,
    )


def _verifier(
    plane: ControlPlane,
    store: PlanStore,
    journal: ControlJournal,
    rng: random.Random,
    *,
    served_at: tuple[Server, ...],
    clock: SteadyClock,
) -> VerifierService:
    def heal(zone: Name, publisher: str) -> None:
        if plane.enactor is not None:
            plane.enactor.heal(zone, publisher)

    async def ask(server: Server, asked: Asked) -> Seen:
        return await look(server, asked, rng=rng, wall=clock.now)

    servers = {each.name: each.servers(served_at) for each in plane.config.publishers}
    return VerifierService(
        store,
        {name: (publisher, servers[name]) for name, publisher in plane.publishers.items()},
        journal=journal,
        look=ask,
        heal=heal,
        every_s=plane.config.verify_every_s,
        now=clock.now,
        rng=rng,
    )


def _planner(
    plane: ControlPlane, store: PlanStore, journal: ControlJournal, rng: random.Random, clock: SteadyClock
) -> PlannerService:
    return PlannerService(
        store,
        plane.publishers,
        journal=journal,
        name=plane.config.name,
        quorum=plane.config.quorum,
        bounds=plane.config.rules,
        always_asks=plane.config.approval is Approval.ALWAYS,
        now=clock.now,
        rng=rng,
    )


def _vantage(plane: ControlPlane, store: PlanStore, rng: random.Random, clock: SteadyClock) -> VantageService:
    from standfast.io.control.checks.check import Checker  # noqa: PLC0415  every protocol that is looked by

    checker = Checker(Roots(plane.config.ca_file), rng)
    return VantageService(store, checker, name=plane.config.name, now=clock.now, rng=rng)


def _have_them_talk(plane: ControlPlane) -> None:
    """Have each role of this process hear at once what concerns it."""
    planner, enactor, verifier = plane.planner, plane.enactor, plane.verifier
    if planner is not None and enactor is not None:
        planner.on_planned.append(lambda plan: enactor.look(plan.zone))
        enactor.on_settled.append(planner.settled)
        enactor.on_stuck.append(lambda zone, _publisher, _rest: planner.look(zone))
    if enactor is not None and verifier is not None:
        enactor.on_settled.append(verifier.settled)
    if plane.vantage is not None and planner is not None:
        plane.vantage.on_report.append(planner.reported)
