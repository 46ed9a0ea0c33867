"""What stands: the fences at a zone's publishers, what is published there, and what left it lately. Only reads."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from standfast.control.facts import Base, Left, left_by_plan
from standfast.control.fence import Seen, Unreadable
from standfast.control.intent import ZoneIntent
from standfast.control.plan import Content
from standfast.control.publishing import Delegating, Publisher, PublisherError, delegations_in
from standfast.control.store import PlanStore
from standfast.control.zone_index import ZoneIndex
from standfast.dns.model import Name

FENCE_TIMEOUT_S: Final = 5.0  # what is not known then is told as such; a plan of what is known does not wait longer


async def fences_of(zone: ZoneIntent, publishers: Mapping[str, Publisher]) -> dict[str, Seen]:
    """Return the fence that stands at each of the zone's publishers; one that is not in `publishers` cannot be read."""
    seen = await asyncio.gather(*(_fence(zone.origin, publishers.get(name)) for name in zone.publishers))
    return dict(zip(zone.publishers, seen, strict=True))


async def found_at(zone: ZoneIntent, base: Base, publishers: Mapping[str, Publisher]) -> Content:
    """Return what is published, at a publisher where something stands that was not planned here if there is one.

    Raises:
        PublisherError: none can be read.
    """
    names = sorted(zone.publishers, key=lambda name: name not in base.strangers)
    readable = [name for name in names if not isinstance(base.published.get(name), Unreadable)]
    if not readable:
        why = "nothing is known of what was planned, and no publisher can be read"
        raise PublisherError(", ".join(names), zone.origin, why)
    return (await publishers[readable[0]].read(zone.origin)).content


async def foreign_delegations(
    zone: ZoneIndex, base: Base, publishers: Mapping[str, Publisher]
) -> frozenset[Name] | None:
    """Return the delegations that stand at publishers and are not planned here; None where nobody can say.

    They are known of publishers that know theirs, and of all where what stands was read whole for `base`.
    """
    told = await _told(zone.intent, publishers)
    if not base.is_known:
        return (delegations_in(base.content) | (told or frozenset())) - delegations_in(zone.records)
    return told - delegations_in(base.content) if told else told


async def left_lately(store: PlanStore, zone: Name, since_s: float) -> tuple[Left, ...]:
    """Return what left by the plans made after `since_s` (seconds since the epoch), whoever made them."""
    left: list[Left] = []
    for generation in reversed(await store.generations(zone)):
        plan = await store.plan(zone, generation)
        if plan is None or plan.made_at_s <= since_s:
            break
        left.extend(left_by_plan(plan))
    return tuple(left)


async def _fence(zone: Name, publisher: Publisher | None) -> Seen:
    if publisher is None:
        return Unreadable(why="it is not asked from here")
    try:
        async with asyncio.timeout(FENCE_TIMEOUT_S):
            return await publisher.fence(zone)
    except TimeoutError:
        return Unreadable(why=f"no answer within {FENCE_TIMEOUT_S:.0f} s")
    except PublisherError as error:
        return Unreadable(why=error.why)


async def _told(zone: ZoneIntent, publishers: Mapping[str, Publisher]) -> frozenset[Name] | None:
    told: list[frozenset[Name]] = []
    for publisher in filter(None, map(publishers.get, zone.publishers)):
        if isinstance(publisher, Delegating):
            with suppress(PublisherError):  # that it cannot be read, its fence says
                told.append(await publisher.delegations(zone.origin))
    return frozenset().union(*told) if told else None
