"""What a planner would do now, found out by one who only looks: reads the store and the publishers, changes nothing.

Works beside a control plane that runs, and without any. Of health it knows what vantages reported last.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from standfast.control.facts import Base, Inputs
from standfast.control.intent import CheckKind, Intent, ZoneIntent
from standfast.control.planner import Planned, plan_zone
from standfast.control.pool_states import PoolStates
from standfast.control.pool_view import Health, PoolView
from standfast.control.publishing import Publisher, PublisherError
from standfast.control.sources import SourceState
from standfast.control.store import PlanStore, Proposal
from standfast.control.zone_index import index_zone
from standfast.dns.model import Name
from standfast.io.control.planner_service import WINDOW_S
from standfast.io.control.publishers.build import PublisherUnusable, build_publisher
from standfast.io.control.publishers.outside import AuthorityFromOutside
from standfast.io.control.sources import Sources
from standfast.io.control.standing import fences_of, foreign_delegations, found_at, left_lately
from standfast.io.control.stores.opening import open_store
from standfast.io.control.stores.sqlite import FILE_NAME
from standfast.io.settings.authority import AuthorityConfig
from standfast.io.settings.control import ControlConfig, PublisherSettings
from standfast.io.settings.control_keys import SQLITE, PublisherKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What would become of one zone. `planned` is None where nobody can say, and `failure` says why.

    `proposal` is the plan that waits for approval already.
    """

    zone: ZoneIntent
    base: Base
    planned: Planned | None = None
    failure: str = ""
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What would become of all zones that were asked for, what each source says, and what cannot be used from here.

    `unmeasured` are pools of which no vantage has reported anything.
    """

    zones: tuple[Outlook, ...]
    unmeasured: tuple[str, ...] = ()
    sources: Mapping[str, SourceState] = field(default_factory=dict)
    unusable: tuple[PublisherUnusable, ...] = ()


async def look_ahead(
    control: ControlConfig,
    intent: Intent,
    zones: tuple[Name, ...],
    *,
    authority: AuthorityConfig | None,
    offline: bool,
    assume_well: bool,
    wall: Callable[[], float],
    tell: Callable[[str], None] = lambda _: None,
) -> View:
    """Return what a planner would do now.

    Args:
        control: the settings.
        intent: what is wanted.
        zones: that are looked at, all of them wanted.
        authority: the settings of the authority in the same configuration.
        offline: ask no publisher and no source.
        assume_well: take all endpoints to be well, whatever was reported.
        wall: the time of the world, in seconds since the epoch.
        tell: is told what is being done, for those who wait.

    Raises:
        PlanStoreError: the store cannot be used.
        OSError: the file of certificate authorities cannot be read.
    """
    publishers, unusable = ({}, ()) if offline else publishers_from_outside(control, authority)
    sources = Sources(intent.pools, control, wall=wall, keep=False)
    if not offline and sources.states:
        tell("asking sources")
        await sources.read_all()
    async with AsyncExitStack() as stack:
        store = None
        if has_store(control):
            store = await stack.enter_async_context(open_store(control))
        views = await _views(control, intent, sources, store, assume_well=assume_well, now_s=wall())
        overrides = await store.overrides() if store else ()
        found = []
        for origin in zones:
            tell(f"planning {origin}")
            inputs = Inputs(
                pools=views,
                now_s=wall(),
                bounds=control.rules,
                left=await left_lately(store, origin, wall() - WINDOW_S) if store else (),
                overrides=overrides,
            )
            found.append(await _outlook(intent.zones[origin], inputs, store, publishers, offline=offline))
        unmeasured = () if assume_well else await _unmeasured(intent, store)
    return View(zones=tuple(found), unmeasured=unmeasured, sources=sources.states, unusable=unusable)


def has_store(control: ControlConfig) -> bool:
    """Say whether there is a store; one on this machine is made when a control plane first runs."""
    return control.store != SQLITE or (control.state_dir / FILE_NAME).exists()


def publishers_from_outside(
    control: ControlConfig, authority: AuthorityConfig | None
) -> tuple[dict[str, Publisher], tuple[PublisherUnusable, ...]]:
    """Return the publishers as a process has them that only looks, and why others cannot be used from there."""
    found: dict[str, Publisher] = {}
    unusable = []
    for settings in control.publishers:
        try:
            found[settings.name] = _publisher(settings, control, authority)
        except PublisherUnusable as error:
            unusable.append(error)
    return found, tuple(unusable)


def _publisher(settings: PublisherSettings, control: ControlConfig, authority: AuthorityConfig | None) -> Publisher:
    if settings.kind is PublisherKind.AUTHORITY and authority is not None:
        return AuthorityFromOutside(settings.name, authority)
    return build_publisher(settings, control.keys, served=None)


async def _views(
    control: ControlConfig,
    intent: Intent,
    sources: Sources,
    store: PlanStore | None,
    *,
    assume_well: bool,
    now_s: float,
) -> Mapping[str, PoolView]:
    """Return what is known of each pool."""
    if assume_well:
        return {
            name: PoolView(
                endpoints=dict.fromkeys(sources.endpoints(pool), Health.WELL), source_failed=sources.failed(pool)
            )
            for name, pool in intent.pools.items()
        }
    states = PoolStates(quorum=control.quorum)
    states.assign(intent.pools, now_s)
    for name, state in sources.states.items():
        states.source(name, state.endpoints, state.failed, now_s)
    for vantage, (at_s, report) in (await store.reports() if store else {}).items():
        states.report(vantage, report, at_s=at_s, now_s=now_s)
    states.look(now_s)
    return states.views


async def _unmeasured(intent: Intent, store: PlanStore | None) -> tuple[str, ...]:
    """Return the pools whose endpoints are to be looked at, where no vantage is known to look."""
    if store is not None and await store.reports():
        return ()
    return tuple(name for name, pool in intent.pools.items() if pool.check.kind is not CheckKind.NONE)


async def _outlook(
    zone: ZoneIntent,
    inputs: Inputs,
    store: PlanStore | None,
    publishers: Mapping[str, Publisher],
    *,
    offline: bool,
) -> Outlook:
    head = await store.newest(zone.origin) if store else None
    proposal = await store.proposal(zone.origin) if store else None
    base = Base(head=head, published={} if offline else await fences_of(zone, publishers))
    content = await store.content(head) if store and head is not None and base.is_known else None
    found = content is None
    if content is None:
        try:
            content = {} if offline else await found_at(zone, base, publishers)
        except PublisherError as error:
            return Outlook(zone=zone, base=base, failure=str(error), proposal=proposal)
    index = index_zone(zone)
    base = Base(head=head, content=content, published=base.published, found=found)
    foreign = None if offline else await foreign_delegations(index, base, publishers)
    base = replace(base, delegations=foreign or frozenset())
    planned = await asyncio.to_thread(plan_zone, index, inputs, base)
    return Outlook(zone=zone, base=base, planned=planned, proposal=proposal)
