"""What a state of the small world consists of, and how large a world is. Data only: `world` moves it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from standfast.control.enacting import Action, State
from standfast.control.fence import Fence
from standfast.control.plan import Content, Plan, PlanHead
from standfast.control.publishing import Batch
from standfast.dns.model import Name, RRset
from standfast.values import value

ZONE: Final[Name] = "example.com."
ENACTORS: Final = ("A", "B", "C")

Records = frozenset[RRset]


@value
class Hand:
    """What somebody does to a publisher by hand: all but `keeps` is gone, and the fence too unless it stays."""

    words: str
    keeps: Records | None  # None: all records stay
    fence: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How large a world is, and what may go wrong in it, how often at most.

    `wants` is what the zone's owner wants, one after the other. `records_max` bounds a write, fences included.
    """

    wants: tuple[Records, ...]
    foreign: Records = frozenset()
    installed: bool = True  # the first of `wants`, at the beginning; else nothing is planned or published yet
    enactors: int = 2
    planners: int = 1  # of several, each has a `Desk`
    plans_late: int = 0  # under way to the store while the planner of several that sent it begins anew
    publishers: int = 1
    records_max: int | None = None
    keep: int = 1  # plans that clean-up leaves whatever happens
    message_faults: int = 0  # at each publisher: writes that are lost, late, repeated, or answered by silence
    refusals: int = 0  # by each publisher
    unreadable: bool = False  # at any time
    crashes: int = 0  # of each enactor
    store_losses: int = 0
    source_fails: bool = False  # at any time: it names nobody
    hands: tuple[Hand, ...] = ()  # each once, at the first publisher

    @property
    def managed(self) -> frozenset[Name]:
        """The names that are ever planned."""
        return frozenset(rrset.owner for want in self.wants for rrset in want)


# Parts of a state.


@value
class Store:
    """The plans that are kept, in order, and the newest; and those under way, each with what it was made after.

    `losses` may yet come, and so may `plans_late`.
    """

    newest: PlanHead | None = None
    plans: tuple[Plan, ...] = ()
    collected: frozenset[int] = frozenset()
    losses: int = 0
    under_way: tuple[tuple[PlanHead | None, Plan], ...] = ()
    plans_late: int = 0


@value
class Zone:
    """What one publisher serves, the writes that may yet arrive there, and the faults that may yet come."""

    records: Records
    fence: Fence | None = None
    under_way: frozenset[Batch] = frozenset()
    faults: int = 0
    refusals: int = 0
    hands: tuple[Hand, ...] = ()


@value
class Planner:
    """What was last planned for, by its number in `Setting.wants`, and what has been read for the next plan."""

    wanted: int
    goal: int | None = None  # what it is planning for; None: it has read nothing
    has_source: bool = True  # that named somebody
    head: PlanHead | None = None
    fences: tuple[Fence | None, ...] = ()
    found: Records | None = None  # what is published where that was not planned from this store
    plan: Plan | None = None  # about to be kept


@value
class Desk:
    """What one of several planners has before it: what it read last, or kept itself, and the plan about to be kept."""

    head: PlanHead | None = None
    fences: tuple[Fence | None, ...] | None = None  # None: nothing is read yet, not even `head`
    content: Records | None = None  # None: it is not read yet
    found: bool = False  # `content` is, or has to be, what is published: what was planned with `head` is gone
    plan: Plan | None = None


@value
class Node:
    """An enactor's process: the product's machine, its action, and what it has read of a reading in two parts."""

    machine: State
    action: Action
    crashes: int  # that may yet come
    boot: int = 1
    half: tuple[PlanHead | None, tuple[Plan, ...]] | None = None


@value
class Cleaner:
    """What clean-up has read of the publishers, one after the other, and what it is about to collect."""

    fences: tuple[Fence | None, ...] = ()
    doomed: tuple[int, ...] = ()


def content_of(records: Iterable[RRset]) -> Content:
    """Return records as the product takes them, in one order, so that the same run is the same in any process."""
    nodes: dict[Name, dict[int, RRset]] = {}
    for rrset in sorted(records, key=lambda rrset: (rrset.owner, rrset.rtype)):
        nodes.setdefault(rrset.owner, {})[rrset.rtype] = rrset
    return nodes
