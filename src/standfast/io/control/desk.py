"""What a planner has before it of one zone: what was planned last, what stands, and what is to be looked at."""

import asyncio
from dataclasses import dataclass, field

from standfast.control.facts import Base, Left
from standfast.control.fence import Seen
from standfast.control.finding import Finding
from standfast.control.plan import Content, Plan, PlanHead
from standfast.control.zone_index import ZoneIndex
from standfast.dns.model import Name


@dataclass(slots=True, kw_only=True)
class Desk:
    """One zone: what was planned of it last, what stands, and what is to be looked at."""

    zone: ZoneIndex
    head: PlanHead | None = None
    content: Content = field(default_factory=dict)
    found: bool = False  # `content` is what was published, not what was planned with `head`
    published: dict[str, Seen] = field(default_factory=dict)
    delegations: frozenset[Name] = frozenset()  # found published, and not planned here
    left: tuple[Left, ...] = ()
    pools: set[str] = field(default_factory=set)  # that turned since
    whole: bool = True
    stale: bool = True  # what was planned last, and what stands, has to be read
    is_open: bool = False  # something is wanted that is not planned, and time may change that
    proposed: Plan | None = None
    said: tuple[Finding, ...] = ()  # what was told last
    adding: bool = False
    due: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: tuple[asyncio.Task[None], ...] = ()

    def plan(self, *pools: str) -> None:
        """Have it planned anew: the names of these pools, or all of them."""
        self.pools.update(pools)
        self.whole |= not pools
        self.due.set()

    def load(self) -> None:
        """Have what stands read anew, and all planned by it."""
        self.stale = True
        self.plan()

    @property
    def origin(self) -> Name:
        """Return the zone's name."""
        return self.zone.intent.origin

    @property
    def base(self) -> Base:
        """Return what the next plan is made from."""
        return Base(
            head=self.head,
            content=self.content,
            published=dict(self.published),
            found=self.found,
            delegations=self.delegations,
        )
