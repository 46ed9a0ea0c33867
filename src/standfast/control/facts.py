"""What a plan is made from and judged by, beside the intent: health, what was planned before, what happened lately.

Data only. The shell gathers it; nothing here is asked of anybody.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from standfast.control.fence import Fence, Seen
from standfast.control.generations import is_of
from standfast.control.members import ENDPOINT_TYPES
from standfast.control.plan import Content, Plan, PlanHead
from standfast.control.pool_view import PoolView
from standfast.control.rules.bounds import Bounds
from standfast.control.store import Override
from standfast.control.zone_index import ZoneIndex
from standfast.dns.model import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That a replica holds what it must, and until when (seconds since the epoch) that is worth something."""

    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """So many endpoints left each of `names`, by one plan. `targets`: which, as type and record data."""

    at_s: float
    names: frozenset[Name]
    targets: frozenset[tuple[int, bytes]]
    count: int  # of each name; those that came at the same time are taken off


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that a plan of any zone is made from, beside the intent and what was planned before.

    `proofs` are by replica. `left` is of the last minute and of this zone (`recent`).
    """

    pools: Mapping[str, PoolView]
    now_s: float
    bounds: Bounds = field(default_factory=Bounds)
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    left: Sequence[Left] = ()
    overrides: Sequence[Override] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What was planned last, and which fence stands at each publisher.

    `content` is all that was planned with `head`; where that is not known, or is not what stands (`strangers`), or is
    gone from the store meanwhile, what was `found` published. Only what the intent names of that is ever touched.
    """

    head: PlanHead | None = None
    content: Content = field(default_factory=dict)
    published: Mapping[str, Seen] = field(default_factory=dict)
    found: bool = False
    delegations: frozenset[Name] = frozenset()  # found published below the apex, as far as known; not planned here

    @property
    def strangers(self) -> tuple[str, ...]:
        """The publishers at which stands what was not planned here: a later generation, or this one of another plan."""
        return tuple(sorted(name for name, fence in self.published.items() if self._is_strange(fence)))

    @property
    def is_known(self) -> bool:
        """Whether what stands is the newest plan, or one before it, and `content` is what that plan plans."""
        return self.head is not None and not self.found and not self.strangers

    def _is_strange(self, fence: Seen) -> bool:
        if not isinstance(fence, Fence):
            return False
        if self.head is None or fence.generation > self.head.generation:
            return True
        return fence.generation == self.head.generation and not is_of(fence, self.head)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the rules judge a plan by. `pools_told` are those whose state is to be told; None: all of the zone."""

    zone: ZoneIndex
    inputs: Inputs
    base: Base
    pools_told: Collection[str] | None = None


def recent(left: Sequence[Left], now_s: float, window_s: float) -> tuple[Left, ...]:
    """Return what left within the last `window_s` seconds.

    What seems to be of the future is of now: a clock that was set back neither forgets what left nor keeps it for ever.
    """
    return tuple(
        each if each.at_s <= now_s else Left(at_s=now_s, names=each.names, targets=each.targets, count=each.count)
        for each in left
        if each.at_s > now_s - window_s
    )


def left_by_plan(plan: Plan) -> tuple[Left, ...]:
    """Return what left by a plan of which nothing but its changes is known: a name that moved counts as well."""
    gone: dict[frozenset[tuple[int, bytes]], set[Name]] = {}
    for change in plan.changes:
        if change.before is not None and change.before.rtype in ENDPOINT_TYPES:
            came = () if change.after is None else change.after.rdatas
            targets = frozenset(
                (int(change.before.rtype), rdata) for rdata in change.before.rdatas if rdata not in came
            )
            if targets:
                gone.setdefault(targets, set()).add(change.before.owner)
    return tuple(
        Left(at_s=plan.made_at_s, names=frozenset(names), targets=targets, count=len(targets))
        for targets, names in gone.items()
    )
