"""One look at what servers answer, by one who only looks: every publisher whole, its servers for some names.

Works beside a control plane that runs, and without any. Writes nothing, and heals nothing.
"""

import asyncio
import random
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from standfast.control.fence import Standing
from standfast.control.generations import stands_whole
from standfast.control.intent import Intent, ZoneIntent
from standfast.control.plan import Content, PlanHead
from standfast.control.publishing import Publisher, PublisherError
from standfast.control.store import PlanStore
from standfast.control.verifier import Asked, Drift, Seen, Sight, drift, look_at
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.name import is_below
from standfast.dns.servers import Server
from standfast.io.control.looking import look
from standfast.io.control.outlook import publishers_from_outside
from standfast.io.settings.authority import AuthorityConfig
from standfast.io.settings.control import ControlConfig

NAMES_MAX: Final = 16  # of a zone, asked for where none are given; all are compared by the whole reading
EARLIER_MAX: Final = 8  # plans back whose answers are taken for late and not for wrong
AT_ONCE_MAX: Final = 16  # questions on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one server said of one RRset."""

    seen: Seen
    sight: Sight
    planned: RRset | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """One zone at one publisher. `failure`: why it could not be read; then `fence` and `drift` say nothing."""

    zone: Name
    publisher: str
    newest: PlanHead
    fence: Standing = None
    drift: Drift | None = None
    failure: str = ""
    looked: tuple[Looked, ...] = ()

    @property
    def is_newest(self) -> bool:
        """Whether the fence says that the newest plan is published."""
        return stands_whole(self.fence, self.newest)

    @property
    def is_right(self) -> bool:
        """Whether nothing is to be told."""
        return (
            self.is_newest
            and self.drift is None
            and not self.failure
            and all(each.sight is Sight.RIGHT for each in self.looked)
        )


async def verify(
    control: ControlConfig,
    authority: AuthorityConfig | None,
    intent: Intent,
    store: PlanStore,
    names: Collection[Name],
    *,
    resolvers: bool,
) -> list[Verified]:
    """Look at every zone that has a plan, or at those that `names` are in.

    Args:
        control: the settings.
        authority: those of the authority in the same configuration.
        intent: what is wanted.
        store: of plans.
        names: that servers are asked for; none: some of each zone.
        resolvers: whether the resolvers of the configuration are asked as well.

    Raises:
        PlanStoreError: the store cannot be used.
    """
    publishers, unusable = publishers_from_outside(control, authority)
    why = {error.publisher: str(error) for error in unusable}
    served_at = tuple(server for server in authority.listen if server.port) if authority is not None else ()
    servers = {each.name: each.servers(served_at) for each in control.publishers}
    found: list[Verified] = []
    for zone in intent.zones.values():
        asked = [name for name in names if is_below(name, zone.origin)]
        head = await store.newest(zone.origin)
        planned = await store.content(head) if head else None
        if head is None or planned is None or (names and not asked):
            continue
        earlier = await _earlier(store, zone.origin)
        wanted = _asked(zone, planned, asked)
        for name in zone.publishers:
            asked_at = servers.get(name, ())
            looked = await _look_at_all(asked_at, wanted, planned, earlier, control.resolvers if resolvers else ())
            if name in publishers:
                found.append(await _read(publishers[name], zone.origin, head, planned, looked))
            else:
                failure = why.get(name, "there is no such publisher in the configuration")
                found.append(Verified(zone=zone.origin, publisher=name, newest=head, failure=failure, looked=looked))
    return found


async def _read(
    publisher: Publisher, zone: Name, head: PlanHead, planned: Content, looked: tuple[Looked, ...]
) -> Verified:
    name = publisher.facts.name
    try:
        reading = await publisher.read(zone)
    except PublisherError as error:
        return Verified(zone=zone, publisher=name, newest=head, failure=str(error), looked=looked)
    found = await asyncio.to_thread(drift, reading, head, planned)
    return Verified(zone=zone, publisher=name, newest=head, fence=reading.fence, drift=found, looked=looked)


async def _look_at_all(
    servers: Iterable[Server],
    wanted: Sequence[Asked],
    planned: Content,
    earlier: Mapping[Asked, Collection[RRset | None]],
    resolvers: Iterable[Server],
) -> tuple[Looked, ...]:
    rng, at_once = random.SystemRandom(), asyncio.Semaphore(AT_ONCE_MAX)

    async def ask(server: Server, asked: Asked, *, cached: bool) -> Looked:
        async with at_once:
            seen = await look(server, asked, rng=rng, wall=time.time, recursive=cached)
        should = planned.get(asked[0], {}).get(asked[1])
        sight = look_at(seen, should, earlier.get(asked, ()), cached=cached)
        return Looked(seen=seen, sight=sight, planned=should)

    of_servers = [ask(server, asked, cached=False) for server in servers for asked in wanted]
    of_resolvers = [ask(server, asked, cached=True) for server in resolvers for asked in wanted]
    return tuple(await asyncio.gather(*of_servers, *of_resolvers))


def _asked(zone: ZoneIntent, planned: Content, names: Sequence[Name]) -> list[Asked]:
    chosen = names or [each.name for each in zone.names[:NAMES_MAX]]
    return [(name, rtype) for name in chosen for rtype in planned.get(name) or (RRType.A,)]


async def _earlier(store: PlanStore, zone: Name) -> dict[Asked, list[RRset | None]]:
    """Return what RRsets were before the newest plans changed them."""
    found: dict[Asked, list[RRset | None]] = {}
    for generation in list(await store.generations(zone))[-EARLIER_MAX:]:
        plan = await store.plan(zone, generation)
        for change in plan.changes if plan else ():
            found.setdefault(change.key, []).append(change.before)
    return found
