"""A zone's intent, put in order once so that a plan of a few of half a million names looks at those few alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from standfast.control.intent import ManagedName, Policy, Promise, ZoneIntent
from standfast.dns.model import Name, RRset
from standfast.dns.name import is_below


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What many names have in common, so that it is thought through once. Compared by identity."""

    policy: Policy
    promise: Promise
    ttl_s: int
    replica: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneIndex:
    """What is wanted of a zone, by name."""

    intent: ZoneIntent
    shapes: Mapping[Name, Shape]  # of every managed name
    records: Mapping[Name, Mapping[int, RRset]]  # as they are written
    foreign: frozenset[Name] = field(default_factory=frozenset)  # wanted names that do not lie in the zone
    pools: Mapping[str, tuple[Name, ...]]  # the names that each pool serves

    def touched(self, pools: Iterable[str]) -> tuple[Name, ...]:
        """Return the names that these pools serve, each once, in order."""
        return tuple(sorted({name for pool in pools for name in self.pools.get(pool, ())}))


def index_zone(intent: ZoneIntent) -> ZoneIndex:
    """Return the zone's intent by name. The last of two entries of one name counts; the loader tells of them."""
    shapes: dict[Name, Shape] = {}
    known: dict[tuple[Policy, Promise, int, str | None], Shape] = {}
    pools: dict[str, list[Name]] = {}
    for managed in intent.names:
        shapes[managed.name] = _shape(managed, known)
    for name, shape in shapes.items():
        for pool in dict(shape.policy.pools):
            pools.setdefault(pool, []).append(name)
    records: dict[Name, dict[int, RRset]] = {}
    for rrset in intent.records:
        records.setdefault(rrset.owner, {})[rrset.rtype] = rrset
    return ZoneIndex(
        intent=intent,
        shapes=shapes,
        records=records,
        foreign=frozenset(name for names in (shapes, records) for name in names if not is_below(name, intent.origin)),
        pools={pool: tuple(names) for pool, names in pools.items()},
    )


def _shape(managed: ManagedName, known: dict[tuple[Policy, Promise, int, str | None], Shape]) -> Shape:
    parts = managed.policy, managed.promise, managed.ttl_s, managed.replica
    shape = known.get(parts)
    if shape is None:
        shape = known[parts] = Shape(*parts)
    return shape
