"""Our authority in this process as a publisher: the fence is compared where one snapshot takes the place of another.

The fence is a record of the zone. What is to be served is made from the snapshot that the expected fence was found in,
and `ServedZones.publish` takes it in the place of that very snapshot or not at all. So the look and the write are one
operation, and on the disk before anybody sees what was written.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

import structlog

from standfast.authority.diff import apply
from standfast.authority.serials import following
from standfast.authority.signing import NOT_IN_SOURCE
from standfast.authority.zone import EMPTY, Zone, with_serial
from standfast.control.fence import Standing, fence_name, fence_rrset
from standfast.control.plan import Content, Node
from standfast.control.publishing import Batch, Late, Outcome, PublisherError, PublisherFacts, Reading, Refused, Written
from standfast.dns.changes import Change, same
from standfast.dns.model import Name, RRType
from standfast.io.authority.zones import INLINE_MAX, ServedZones, StaleZone, UnfitZone, fence_of
from standfast.io.bulk import in_a_thread
from standfast.io.state.state_dir import StoreError
from standfast.layered import changed

ATTEMPTS_MAX: Final = 8  # who else may publish in between is a client, a file or the signer, and each of them ends
RETRY_S: Final = 5.0  # a disk that is full, a zone that is not there yet

_APEX: Final = frozenset({RRType.SOA, RRType.NS})  # are the authority's own

log = structlog.get_logger("standfast.authority")


class OwnPublisher:
    """Publishes plans in the zones of one authority."""

    def __init__(self, name: str, served: ServedZones) -> None:
        """Publish nothing yet. `name` is what the configuration calls it."""
        self.facts = PublisherFacts(name=name)
        self._served = served

    async def fence(self, zone: Name) -> Standing:
        """Return what stands at the fence's place. Raises `PublisherError`: the zone is not served."""
        return fence_of(self._zone(zone))

    async def read(self, zone: Name) -> Reading:
        """Return all that is published. Raises `PublisherError`: the zone is not served."""
        snapshot = self._zone(zone)
        return Reading(fence=fence_of(snapshot), content=await asyncio.to_thread(content_of, snapshot))

    async def delegations(self, zone: Name) -> frozenset[Name]:
        """Return the owners of NS below the apex. Raises `PublisherError`: the zone is not served."""
        return self._zone(zone).cuts

    async def write(self, batch: Batch) -> Outcome:
        """Replace the expected fence by the next one and make the changes, as one operation."""
        if self._served.rules(batch.zone).primaries:
            return Refused(why=f"{batch.zone} is a copy of its primaries here: publish there")
        for _ in range(ATTEMPTS_MAX):
            base = self._served.zones.get(batch.zone)
            if base is None:
                return Refused(why=f"{batch.zone} is not served", retry_s=RETRY_S)
            found = fence_of(base)
            if found != batch.expect:
                return Late(found=found)
            try:
                await self._publish(base, batch)
            except StaleZone:
                continue
            except UnfitZone as error:
                return Refused(why="; ".join(fault.text for fault in error.faults))
            except StoreError as error:
                return Refused(why=str(error), retry_s=RETRY_S)
            return Written()
        return Refused(why=f"{batch.zone} changes too often for other reasons", retry_s=RETRY_S)

    async def _publish(self, base: Zone, batch: Batch) -> None:
        changes = (*_made(base, batch), Change(before=base.soa, after=with_serial(base.soa, following(base.serial))))
        many = len(changes) > INLINE_MAX
        new = await in_a_thread(apply, base, changes) if many else apply(base, changes)
        published = await self._served.publish(new, base=base, cause="plan", changes=changes)
        log.info(
            "zone.planned",
            zone=batch.zone,
            serial=published.after.serial,
            changes=len(published.changes),
            generation=batch.fence.generation,
            writer=batch.fence.writer,
        )

    def _zone(self, zone: Name) -> Zone:
        found = self._served.zones.get(zone)
        if found is None:
            raise PublisherError(self.facts.name, zone, "it is not served here; see what `zone.refused` says of it")
        return found


def content_of(zone: Zone) -> Content:
    """Return what a publisher's reading shows of `zone`, its very RRsets; nothing is copied but what is left out."""
    apex, fence = zone.nodes[zone.origin], fence_name(zone.origin)
    left: dict[Name, Node | None] = {owner: None for owner, node in zone.nodes.items() if not node}
    if zone.denial is not None:  # signed with a chain, perhaps of records at every name
        left |= {owner: _but(node, NOT_IN_SOURCE) for owner, node in zone.nodes.items() if node.keys() & NOT_IN_SOURCE}
    left[zone.origin] = _but(apex, _APEX | NOT_IN_SOURCE)
    left[fence] = _but(zone.nodes.get(fence, EMPTY), NOT_IN_SOURCE | {RRType.TXT})
    return changed(zone.nodes, left)


def _made(base: Zone, batch: Batch) -> Iterator[Change]:
    """Yield what the batch changes in `base`: its own changes, but for what is so already, and the fence."""
    for change in batch.changes:
        rrset = change.after or change.before
        assert rrset is not None
        there = base.rrset(rrset.owner, rrset.rtype)
        if there is change.before:
            yield change
        elif not same(there, change.after):
            yield Change(before=there, after=change.after)
    fence = fence_rrset(batch.zone, batch.fence)
    yield Change(before=base.rrset(fence.owner, RRType.TXT), after=fence)


def _but(node: Node, rtypes: frozenset[int]) -> Node | None:
    """Return `node` without these types; None where nothing is left."""
    return {rtype: rrset for rtype, rrset in node.items() if rtype not in rtypes} or None
