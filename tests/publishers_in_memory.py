"""A publisher that holds its records in memory and compares fences as a good one does, with faults that one scripts."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from enum import Enum, auto

from standfast.control.fence import Standing
from standfast.control.plan import Content, applied
from standfast.control.publishing import (
    Batch,
    BatchLimits,
    Late,
    Outcome,
    PublisherError,
    PublisherFacts,
    Reading,
    Refused,
    Unclear,
    Written,
)
from standfast.dns.model import Name
from standfast.sim.control.taking import taken

RETRY_S = 0.01


class Fault(Enum):
    """What comes of a write, or of a reading, that does not go as it should."""

    NONE = auto()
    DONE_UNSAID = auto()  # it is done, and the answer is lost
    LOST = auto()  # it never arrives
    ON_ITS_WAY = auto()  # it arrives when `deliver` says so
    TWICE = auto()  # it arrives, and once more when `deliver` says so
    HALF = auto()  # the fence and half of the changes are written: no good publisher does that
    REFUSED = auto()  # it is not acceptable
    THROTTLED = auto()  # it is to be sent again later


class InMemoryPublisher:
    """The publisher. `faults` are taken one for each write, `unreadable` for each reading; then all is well."""

    def __init__(
        self, name: str = "memory", *, limits: BatchLimits | None = None, faults: Iterable[Fault] = ()
    ) -> None:
        """Hold nothing yet."""
        self.facts = PublisherFacts(name=name, limits=limits or BatchLimits())
        self.faults = deque(faults)
        self.unreadable = 0  # readings that are still to fail
        self.batches: list[Batch] = []  # that were done, in order
        self._fences: dict[Name, Standing] = {}
        self._contents: dict[Name, Content] = {}
        self._on_their_way: list[Batch] = []

    async def fence(self, zone: Name) -> Standing:
        """Return the fence that stands."""
        return self.reading(zone).fence

    async def read(self, zone: Name) -> Reading:
        """Return all that is published."""
        return self.reading(zone)

    async def write(self, batch: Batch) -> Outcome:
        """Do it, or what the next fault says."""
        return self.written(batch)

    def reading(self, zone: Name) -> Reading:
        """Return all that is published, at once."""
        if self.unreadable:
            self.unreadable -= 1
            raise PublisherError(self.facts.name, zone, "it does not answer")
        return Reading(fence=self._fences.get(zone), content=self._contents.get(zone, {}))

    def written(self, batch: Batch) -> Outcome:
        """Do it, or what the next fault says, at once."""
        match self.faults.popleft() if self.faults else Fault.NONE:
            case Fault.DONE_UNSAID:
                self._do(batch)
                return Unclear(why="no answer")
            case Fault.LOST:
                return Unclear(why="no answer")
            case Fault.ON_ITS_WAY:
                self._on_their_way.append(batch)
                return Unclear(why="no answer")
            case Fault.TWICE:
                self._on_their_way.append(batch)
                return self._do(batch)
            case Fault.HALF:
                self._do(batch, share=2)
                return Unclear(why="no answer")
            case Fault.REFUSED:
                return Refused(why="the records are not liked")
            case Fault.THROTTLED:
                return Refused(why="too many writes", retry_s=RETRY_S)
            case _:
                return self._do(batch)

    def deliver(self) -> list[Outcome]:
        """Have all arrive that is on its way; return what nobody hears."""
        batches, self._on_their_way = self._on_their_way, []
        return [self._do(batch) for batch in batches]

    def put(self, zone: Name, content: Content, *, fence: Standing) -> None:
        """Have this stand there, by another's hand."""
        self._contents[zone] = content
        if fence is None:
            self._fences.pop(zone, None)
        else:
            self._fences[zone] = fence

    def _do(self, batch: Batch, *, share: int = 1) -> Outcome:
        stands = self._fences.get(batch.zone)
        if stands != batch.expect:
            return Late(found=stands)
        content = self._contents.get(batch.zone, {})
        half = replace(batch, changes=batch.changes[: -(-len(batch.changes) // share)])
        self._contents[batch.zone] = applied(content, taken(half, lambda name: content.get(name, {})))
        self._fences[batch.zone] = batch.fence
        self.batches.append(batch)
        return Written()
