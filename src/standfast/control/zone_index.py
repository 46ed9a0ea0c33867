"""A zone's intent, put in order once so that a plan of a few of half a million names looks at those few alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from standfast.control.intent import ManagedName, Policy, Promise, ZoneIntent
from standfast.dns.model import Name, RRset


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
    alike: Mapping[Shape, Sequence[Name]]  # the managed names of each
    records: Mapping[Name, Mapping[int, RRset]]  # as they are written
    pools: Mapping[str, Sequence[Shape]]  # what each pool serves

    def touched(self, pools: Iterable[str]) -> tuple[Name, ...]:
        """Return the names that these pools serve, each once, in order."""
        shapes = dict.fromkeys(shape for pool in pools for shape in self.pools.get(pool, ()))
        return tuple(sorted(chain.from_iterable(self.alike[shape] for shape in shapes)))


def index_zone(intent: ZoneIntent) -> ZoneIndex:
    """Return the zone's intent by name. The last of two entries of one name counts; the loader tells of them."""
    shapes: dict[Name, Shape] = {}
    known: dict[tuple[Policy, Promise, int, str | None], Shape] = {}
    for managed in intent.names:
        shapes[managed.name] = _shape(managed, known)
    alike: dict[Shape, list[Name]] = {}
    for name, shape in shapes.items():
        alike.setdefault(shape, []).append(name)
    pools: dict[str, list[Shape]] = {}
    for shape in alike:
        for pool in dict(shape.policy.pools):
            pools.setdefault(pool, []).append(shape)
    records: dict[Name, dict[int, RRset]] = {}
    for rrset in intent.records:
        records.setdefault(rrset.owner, {})[rrset.rtype] = rrset
    return ZoneIndex(
        intent=intent,
        shapes=shapes,
        alike=alike,
        records=records,
        pools=pools,
    )


def _shape(managed: ManagedName, known: dict[tuple[Policy, Promise, int, str | None], Shape]) -> Shape:
    parts = managed.policy, managed.promise, managed.ttl_s, managed.replica
    shape = known.get(parts)
    if shape is None:
        shape = known[parts] = Shape(*parts)
    return shape
