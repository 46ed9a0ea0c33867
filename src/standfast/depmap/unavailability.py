"""How long what nobody spoke of is taken to be failed: tables of what is only assumed, and tagged so.

These are orders of magnitude, not measurements, so that a map of which nothing is known still says what weighs the
most. Whoever has a figure says it (`unavailability` in a map), and then that counts. 1e-4 is 53 minutes a year.
"""

from collections.abc import Mapping
from typing import Final

from standfast.depmap.faults.model import Event, Source
from standfast.depmap.graph import Kind, Node
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Loss

# Of a node by itself, without what it needs and what it shares.
BY_KIND: Final[Mapping[Kind, float]] = {
    Kind.SERVICE: 1e-3,  # its own faults and releases: 9 hours a year
    Kind.NAME: 2e-5,  # its records emptied or removed by mistake: 10 minutes a year, half for either
    Kind.ADDRESS: 1e-3,  # what listens there: one machine
    Kind.ZONE: 1e-5,  # broken as a whole: its delegation or its signatures
    Kind.NAME_SERVER: 1e-3,
    Kind.RESOURCE: 1e-4,  # what providers commit to for one that is managed: 99.99 %
}
# Of a shared cause, by what stands before the first ":" of its name.
BY_CAUSE: Final[Mapping[str, float]] = {
    "provider": 1e-5,
    "region": 1e-4,  # 15 hours once in twenty years, as in us-east-1 in October 2025
    "az": 5e-4,
    "dns": 2e-5,  # 10 minutes a year
    "as": 1e-5,
}
OTHER_CAUSE: Final = 1e-4

# How long it takes until it works again, on average, in hours: that decides what caches and holds can bridge.
REPAIR_H_BY_KIND: Final[Mapping[Kind, float]] = {
    Kind.SERVICE: 1,
    Kind.NAME: 3,  # as dynamodb.us-east-1.amazonaws.com on 20 October 2025
    Kind.ADDRESS: 1,
    Kind.ZONE: 6,
    Kind.NAME_SERVER: 1,
    Kind.RESOURCE: 1,
}
REPAIR_H_BY_CAUSE: Final[Mapping[str, float]] = {"provider": 4, "region": 6, "az": 3, "dns": 4, "as": 2}
REPAIR_H_OF_OTHER_CAUSE: Final = 2.0


def own_events(found: DependencyMap, node: Node) -> dict[str, Event]:
    """Return the basic events of `node` by itself, by their names: one, or for a name of the DNS one for each Loss.

    One that was found to be gone is failed for certain.
    """
    whole = found.events.get(node.name) or _assumed(BY_KIND[node.kind])
    lost = found.gone.get(node.name)
    if node.kind is not Kind.NAME:
        return {node.name: _CERTAIN if lost else whole}
    # Two modes of equal weight, which together are failed for as long as the name is said to be.
    half = Event(unavailability=1 - (1 - whole.unavailability) ** 0.5, source=whole.source)
    names = {mode: mode_of(node.name, mode) for mode in Loss}
    return {name: _CERTAIN if mode is lost else found.events.get(name, half) for mode, name in names.items()}


def cause_event(found: DependencyMap, cause: str) -> Event:
    """Return the basic event of the shared cause `cause`."""
    return found.events.get(cause) or _assumed(BY_CAUSE.get(cause.partition(":")[0], OTHER_CAUSE))


def cause_repair_h(cause: str) -> float:
    """Return how long the shared cause `cause` is failed at a time, on average, in hours."""
    return REPAIR_H_BY_CAUSE.get(cause.partition(":")[0], REPAIR_H_OF_OTHER_CAUSE)


def mode_of(name: str, mode: Loss) -> str:
    """Return the name of the basic event that `name`, a name of the DNS, is lost in this way."""
    return f"{name} {mode}"


def _assumed(unavailability: float) -> Event:
    return Event(unavailability=unavailability, source=Source.ASSUMED)


_CERTAIN: Final = Event(unavailability=1.0, source=Source.MEASURED)
