"""A zone at a server that takes updates (RFC 2136): BIND, Knot, PowerDNS, or our own authority over the wire.

Written by one signed message, read by a zone transfer, which is one snapshot with the fence in it. The message of a
write that is foreseen is made while the server works on the one before it. Decides nothing: what a message says and
what an answer means is in `control.updates`.
"""

from collections.abc import Callable

from standfast.authority.secondary import Failed
from standfast.authority.transfer_in import Whole
from standfast.control.fence import Standing, fence_name, standing_in
from standfast.control.publishing import (
    Batch,
    BatchLimits,
    Outcome,
    PublisherError,
    PublisherFacts,
    Reading,
    Refused,
    Unclear,
    reading,
    unwritable,
)
from standfast.control.updates import OCTETS_MAX, size_of_update, update_message, update_outcome
from standfast.dns.codec import AA
from standfast.dns.model import Name, Rcode, RRset, RRType, rcode_name
from standfast.dns.requests import CLASS_IN, Message, message, question_octets
from standfast.dns.wire import WireError
from standfast.io.authority.primaries import Primaries, Primary
from standfast.io.dns_over_tcp import ANSWER_S, Unanswered, Unsent, ask
from standfast.ports import Random
from standfast.values import value


@value
class _Ready:
    """A write that may come next, and its message."""

    batch: Batch
    made: bytes | Refused


class Rfc2136Publisher:
    """A primary server that takes updates of a zone and gives it away whole."""

    def __init__(
        self, name: str, primary: Primary, *, rng: Random, wall: Callable[[], float], answer_s: float = ANSWER_S
    ) -> None:
        """Ask nothing yet.

        Args:
            name: of the publisher.
            primary: the server, and the key that it knows for updates, transfers and queries.
            rng: for the numbers of messages.
            wall: the time of the world, in seconds since the epoch, as signatures need it.
            answer_s: how long is waited for an answer, in seconds.
        """
        self._name = name
        self._primary = primary
        self._rng = rng
        self._wall = wall
        self._answer_s = answer_s
        self._primaries = Primaries(rng, wall=wall)
        self._foreseen: dict[Name, Batch] = {}  # by zone, as those that are ready
        self._ready: dict[Name, _Ready] = {}

    @property
    def facts(self) -> PublisherFacts:
        """What it is."""
        return PublisherFacts(name=self._name, limits=BatchLimits(octets_max=OCTETS_MAX, size=size_of_update))

    async def fence(self, zone: Name) -> Standing:
        """Return what stands at the fence's place, by one query over TCP. Raises `PublisherError`."""
        owner = fence_name(zone)
        wire = message(id_=self._rng.getrandbits(16), flags=0, question=question_octets(owner, RRType.TXT))
        answer = await self._ask(wire)
        if not isinstance(answer, Message):
            raise PublisherError(self._name, zone, answer.why)
        if answer.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
            raise PublisherError(self._name, zone, f"it says {rcode_name(answer.rcode)} to a query for {owner}")
        if not answer.flags & AA:  # from a cache, or one that does not have the zone: nothing may rest on it
            raise PublisherError(self._name, zone, f"it has no authority for {owner}; name the zone's primary server")
        texts = [raw for raw in answer.answer if (raw.owner, raw.rtype, raw.rclass) == (owner, RRType.TXT, CLASS_IN)]
        if not texts:
            return None
        found = RRset(owner=owner, rtype=RRType.TXT, ttl_s=texts[0].ttl_s, rdatas=tuple(each.rdata for each in texts))
        return standing_in(found)

    async def read(self, zone: Name) -> Reading:
        """Return all that is published, by a zone transfer. Raises `PublisherError`."""
        found = await self._primaries.transfer(self._primary, zone, held=None, incremental=False)
        if isinstance(found, Whole):
            rrsets = (rrset for node in found.draft.nodes.values() for rrset in node.values())
            return reading(zone, rrsets)
        why = found.why if isinstance(found, Failed) else "the transfer is not whole"
        if not isinstance(found, Failed) or not found.silent:
            why += f"; allow transfers to {self._allowed}"
        raise PublisherError(self._name, zone, why)

    async def write(self, batch: Batch) -> Outcome:
        """Replace the expected fence by the next one and make the changes, by one message."""
        ready, foreseen = self._ready.pop(batch.zone, None), self._foreseen.pop(batch.zone, None)
        made = ready.made if ready is not None and ready.batch == batch else self._made(batch)
        if isinstance(made, Refused):
            return made

        def make_next() -> None:
            if foreseen is not None:
                self._ready[batch.zone] = _Ready(batch=foreseen, made=self._made(foreseen))

        try:
            answer = await self._ask(made, meanwhile=make_next)
        except WireError as error:  # with its signature
            return _too_large(error)
        match answer:
            case Unsent(why=why):
                return Refused(why=why)
            case Unanswered(why=why):
                return Unclear(why=why)
        return update_outcome(answer.rcode)

    def foresee(self, batch: Batch) -> None:
        """Know what is asked for next if the write that is asked for now is done."""
        self._foreseen[batch.zone] = batch

    def _made(self, batch: Batch) -> bytes | Refused:
        """Return the message that is `batch`, without signature, or why there is none."""
        if why := unwritable(batch):
            return Refused(why=why)
        try:
            return update_message(batch, id_=self._rng.getrandbits(16))
        except WireError as error:
            return _too_large(error)

    async def _ask(self, wire: bytes, meanwhile: Callable[[], None] = lambda: None) -> Message | Unsent | Unanswered:
        primary, wall = self._primary, self._wall
        return await ask(primary.server, wire, primary.key, wall=wall, answer_s=self._answer_s, meanwhile=meanwhile)

    @property
    def _allowed(self) -> str:
        return f"the key {self._primary.key.name}" if self._primary.key else "this machine"


def _too_large(error: WireError) -> Refused:
    return Refused(why=f"{error.reason}; it cannot be written at once")
