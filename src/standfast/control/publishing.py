"""What a publisher is asked to do, and what can come of it: written, too late, refused, or nobody knows yet."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, runtime_checkable

from standfast.control.fence import Fence, Standing, fence_name, standing_in
from standfast.control.plan import Content
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.name import is_below
from standfast.errors import StandfastError
from standfast.values import value

NOT_READ: Final = frozenset(  # made by whoever serves the zone, never planned
    {
        RRType.SOA,
        RRType.RRSIG,
        RRType.NSEC,
        RRType.NSEC3,
        RRType.NSEC3PARAM,
        RRType.DNSKEY,
        RRType.CDS,
        RRType.CDNSKEY,
    }
)


Size: TypeAlias = tuple[int, int]  # records and octets that a change counts for
RECORD_OCTETS: Final = 10  # type, class, TTL and length (RFC 1035 section 3.2.1)


def size_of(change: Change, _zone: Name) -> Size:
    """Return how many records go and come, and the octets of all of them, names written out."""
    rrsets = [rrset for rrset in (change.before, change.after) if rrset]
    octets = sum(len(rrset.owner) + RECORD_OCTETS + len(rdata) for rrset in rrsets for rdata in rrset.rdatas)
    return sum(len(rrset.rdatas) for rrset in rrsets), octets


@value
class BatchLimits:
    """How much one write may hold; None: as much as there is. `size` is what a change of a zone counts for, there."""

    records_max: int | None = None
    octets_max: int | None = None
    size: Callable[[Change, Name], Size] = size_of


@value
class Batch:
    """One write: all of it or nothing. `expect` is what must stand at the fence's place, None: that nothing does.

    The changes are made as one, so their order says nothing: a CNAME that comes takes the place of all types that go.
    Where all that is published was read to decide them, `seen`, what stands in the way of one goes by another, and
    nothing was there where one has no `before`: then a publisher need not take away what might be there after all.
    """

    zone: Name
    expect: Standing
    fence: Fence
    changes: tuple[Change, ...]  # each RRset is replaced whole, whatever stands there
    seen: bool = False


@value
class Written:
    """It is done."""


@value
class Late:
    """Another fence stands than was expected; nothing was changed. `found` is what stands where that was told."""

    found: Standing = None


@value
class Refused:
    """Nothing was changed, for another reason.

    `retry_s` seconds later the very same write is welcome: the publisher is busy, and only asks for patience. Without
    it, all has to be looked at anew.
    """

    why: str
    retry_s: float | None = None


@value
class Unclear:
    """It may be done, or become so later, or never: the fence has to be read."""

    why: str


Outcome: TypeAlias = Written | Late | Refused | Unclear


@value
class Reading:
    """What is published, of one moment: the fence, and every RRset of the zone that can be planned.

    Those are all but the fence, SOA and NS of the apex, and DNSSEC's.
    """

    fence: Standing
    content: Content


class PublisherError(StandfastError):
    """A publisher cannot be read. Fields: `publisher`, `zone`, `why`; says what to do."""

    def __init__(self, publisher: str, zone: Name, why: str) -> None:
        super().__init__(f"publisher {publisher} cannot be read for {zone}: {why}")
        self.publisher = publisher
        self.zone = zone
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherFacts:
    """What is known of a publisher before it is asked."""

    name: str
    fenced: bool = True  # False: it cannot compare and write as one; one leaseholder publishes and reads back
    limits: BatchLimits = BatchLimits()  # noqa: RUF009  frozen


class Publisher(Protocol):
    """Whoever holds the records that the world sees: our authority, an RFC 2136 server, Route 53."""

    @property
    def facts(self) -> PublisherFacts:
        """What it is."""
        ...

    async def fence(self, zone: Name) -> Standing:
        """Return what stands at the fence's place. Raises `PublisherError`."""
        ...

    async def read(self, zone: Name) -> Reading:
        """Return all that is published. Raises `PublisherError`."""
        ...

    async def write(self, batch: Batch) -> Outcome:
        """Replace the expected fence by the next one and make the changes, as one operation."""
        ...


@runtime_checkable
class Spreading(Protocol):
    """A publisher whose servers have what is written one after the other, and who says when all do."""

    async def is_everywhere(self, zone: Name) -> bool | None:
        """Say whether all have what was written here last; None: nothing was. Raises `PublisherError`."""
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A publisher who makes a write ready while the one before it is under way."""

    def foresee(self, batch: Batch) -> None:
        """Know what is asked for next if the write that is asked for now is done. It may never be."""
        ...


@runtime_checkable
class Delegating(Protocol):
    """A publisher who knows the zone's delegations without reading all of it."""

    async def delegations(self, zone: Name) -> frozenset[Name]:
        """Return the owners of NS below the apex. Raises `PublisherError`."""
        ...


def delegations_in(content: Content) -> frozenset[Name]:
    """Return the names that other zones begin at; `content` has no NS of the apex that is not planned."""
    return frozenset(owner for owner, node in content.items() if RRType.NS in node)


def reading(zone: Name, rrsets: Iterable[RRset]) -> Reading:
    """Return what is published, from all RRsets of the zone."""
    nodes: dict[Name, dict[int, RRset]] = {}
    fence: Standing = None
    at_fence = fence_name(zone)
    for rrset in rrsets:
        if rrset.owner == at_fence and rrset.rtype == RRType.TXT:
            fence = standing_in(rrset)
        elif rrset.rtype not in NOT_READ and not (rrset.owner == zone and rrset.rtype == RRType.NS):
            nodes.setdefault(rrset.owner, {})[rrset.rtype] = rrset
    return Reading(fence=fence, content=nodes)


def unwritable(batch: Batch) -> str | None:
    """Return why no publisher may write `batch`, in words; None where one may."""
    zone, at_fence = batch.zone, fence_name(batch.zone)
    for change in batch.changes:
        rrset = change.after or change.before
        assert rrset is not None
        owner = rrset.owner
        if not is_below(owner, zone):
            return f"{owner} is not in the zone {zone}"
        if owner == zone and rrset.rtype in (RRType.SOA, RRType.NS, RRType.CNAME):
            return f"SOA, NS and CNAME of {zone} itself are not published by plans"
        if owner == at_fence:
            return f"{owner} is where the fence stands"
    return None
