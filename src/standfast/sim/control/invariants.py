"""What must hold in every state of the small world, and of every move in it.

What people do by hand is no breach of any of it; what follows from it is.
"""

from collections.abc import Callable, Mapping
from typing import Final

from standfast.control.enacting import Settled
from standfast.control.fence import Fence
from standfast.control.generations import digits_of, stands_whole
from standfast.dns.model import Name, RRType
from standfast.sim.control.explorer import Invariant, Law, Machine, Recovery
from standfast.sim.control.parts import Node, Records, Store, Zone
from standfast.sim.control.told import fence_told, head_told
from standfast.sim.control.world import World

INVARIANTS: Final[Mapping[str, str]] = {
    "no-promised-name-empty": "no write leaves a promised name without an address that had one",
    "fence-only-grows": "every write leaves a later fence than stood: a later plan, or the next step of the same",
    "generation-never-goes-back": "neither the fence of a zone nor what a name has ever becomes that of an older plan",
    "one-plan-one-content": "where a fence says that a plan is done, the managed names are exactly as it plans them",
    "no-foreign-name-touched": "no write changes a record that no plan is about",
    "cname-stands-alone": "a name with a CNAME has nothing else",
    "nothing-in-use-collected": "no plan that a fence refers to, or may still come to, is collected",
    "settled-means-installed": "whoever says that the newest plan is published is right",
    "newest-plan-installable": "from every state one enactor alone can install the newest plan",
}

ADDRESSES: Final = frozenset((RRType.A, RRType.AAAA, RRType.CNAME))


def machine_of(world: World, *, without: frozenset[str] = frozenset()) -> Machine:
    """Return the world with all that must hold in it, but for the promises `without`."""
    watch = _Watch(world)
    return Machine(
        parts=world.parts,
        initial=(world.initial(),),
        processes=world.processes(),
        invariants=tuple(each for each in watch.invariants() if each.name not in without),
        laws=tuple(each for each in watch.laws() if each.name not in without),
        recoveries=tuple(each for each in watch.recoveries() if each.name not in without),
    )


class _Watch:
    def __init__(self, world: World) -> None:
        self._world = world
        wants = world.setting.wants
        self._promised = frozenset.intersection(*(frozenset(rrset.owner for rrset in want) for want in wants))

    def invariants(self) -> list[Invariant]:
        found = []
        for zone in self._world.zones:
            found += [
                Invariant(name="one-plan-one-content", parts=(zone,), broken=self._differs),
                Invariant(name="cname-stands-alone", parts=(zone,), broken=_crowded),
                Invariant(name="nothing-in-use-collected", parts=("store", zone), broken=_collected),
            ]
        return found

    def laws(self) -> list[Law]:
        found = []
        for zone in self._world.zones:
            found += [
                Law(name="no-promised-name-empty", parts=(zone,), broken=_by_product(self._emptied)),
                Law(name="fence-only-grows", parts=(zone,), broken=_by_product(_not_later)),
                Law(name="generation-never-goes-back", parts=(zone,), broken=_by_product(self._went_back)),
                Law(name="no-foreign-name-touched", parts=(zone,), broken=_by_product(self._touched)),
            ]
        for who in self._world.nodes:
            parts = (who, self._world.zone_of(who))
            found += [
                Law(name="settled-means-installed", parts=parts, broken=self._settled_wrongly),
                Law(name="settled-means-installed", parts=(who, "store"), broken=_settled_early),
            ]
        return found

    def recoveries(self) -> list[Recovery]:
        setting = self._world.setting
        planner = self._world.planning() if setting.store_losses or setting.hands or not setting.installed else ()
        return [
            Recovery(
                name="newest-plan-installable",
                who=f"the planner and {who}" if planner else who,
                processes=(*planner, *self._world.enactor(who)),
                parts=("store", self._world.zone_of(who)),
                done=self._installed,
            )
            for who in self._world.nodes
        ]

    def _managed(self, records: Records) -> Records:
        setting = self._world.setting
        return frozenset(rrset for rrset in records - setting.foreign if rrset.owner in setting.managed)

    def _installed(self, store: Store, zone: Zone) -> bool:
        fence, newest = zone.fence, store.newest
        if newest is None or not stands_whole(fence, newest):
            return False
        return self._managed(zone.records) == self._world.planned[newest.hash]

    def _differs(self, zone: Zone) -> str | None:
        fence = zone.fence
        if fence is None or not fence.done:
            return None
        want = next(want for hash_, want in self._world.planned.items() if hash_.startswith(fence.plan))
        if self._managed(zone.records) == want:
            return None
        return f"the fence says {fence_told(fence)}, and what is published is not that plan"

    def _emptied(self, before: Zone, after: Zone) -> str | None:
        for name in sorted(_with_addresses(before.records) - _with_addresses(after.records)):
            if name in self._promised:
                return f"{name} has no address any more"
        return None

    def _went_back(self, before: Zone, after: Zone) -> str | None:
        was, now = before.fence, after.fence
        if was is not None and (now is None or now.generation < was.generation):
            return f"the zone goes from {fence_told(was)} back to {fence_told(now)}"
        for name in sorted(self._world.setting.managed):
            old, new = self._wants_of(name, before.records), self._wants_of(name, after.records)
            if old and new and max(new) < min(old):
                return f"{name} goes back from what was wanted at {min(old)} to what was wanted at {max(new)}"
        return None

    def _wants_of(self, name: Name, records: Records) -> list[int]:
        """Return the numbers of the wants (the first is 1) that a name is as in; none where it is not there."""
        node = _at(name, self._managed(records))
        return [number for number, want in enumerate(self._world.setting.wants, 1) if node and node == _at(name, want)]

    def _touched(self, before: Zone, after: Zone) -> str | None:
        setting, changed = self._world.setting, before.records ^ after.records
        touched = sorted(each.owner for each in changed if each.owner not in setting.managed or each in setting.foreign)
        return f"{touched[0]} has a record that no plan is about, which was changed" if touched else None

    def _settled_wrongly(self, before: tuple[Node, Zone], after: tuple[Node, Zone]) -> str | None:
        node, zone = after
        if not isinstance(node.action, Settled) or node.action == before[0].action:
            return None
        claimed: Fence = node.action.fence
        standing = zone.fence
        if standing is None or not standing.done or standing.plan != claimed.plan:
            return f"it says {fence_told(claimed)}, and {fence_told(standing)} stands"
        return self._differs(zone)


def _settled_early(before: tuple[Node, Store], after: tuple[Node, Store]) -> str | None:
    node, store = after
    if not isinstance(node.action, Settled) or node.action == before[0].action:
        return None
    if store.newest is None or node.action.fence.plan != digits_of(store.newest):
        return f"it says {fence_told(node.action.fence)}, and the newest is {head_told(store.newest)}"
    return None


def _not_later(before: Zone, after: Zone) -> str | None:
    was, now = before.fence, after.fence
    if was is None or was == now or (now is not None and now.order > was.order):
        return None
    return f"{fence_told(was)} stood, and the write leaves {fence_told(now)}, which is no later"


def _collected(store: Store, zone: Zone) -> str | None:
    if zone.fence is None:
        return None
    in_use = sorted(each for each in store.collected if each >= zone.fence.generation)
    return f"plan {in_use[0]} is gone while {fence_told(zone.fence)} is published" if in_use else None


def _at(name: Name, records: Records) -> Records:
    return frozenset(rrset for rrset in records if rrset.owner == name)


def _crowded(zone: Zone) -> str | None:
    owners = [rrset.owner for rrset in zone.records]
    crowded = sorted(each.owner for each in zone.records if each.rtype == RRType.CNAME and owners.count(each.owner) > 1)
    return f"{crowded[0]} has a CNAME and something else" if crowded else None


def _with_addresses(records: Records) -> set[Name]:
    return {rrset.owner for rrset in records if rrset.rtype in ADDRESSES}


def _by_product(broken: Callable[[Zone, Zone], str | None]) -> Callable[[tuple[Zone], tuple[Zone]], str | None]:
    """Return the law of what the product does; what people do by hand is none of it."""

    def law(before: tuple[Zone], after: tuple[Zone]) -> str | None:
        (was,), (now,) = before, after
        if was.hands != now.hands or (was.records is now.records and was.fence is now.fence):
            return None
        return broken(was, now)

    return law
