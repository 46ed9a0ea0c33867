"""The DNS provider of the original design on the wire: updates by RFC 2136, whose prerequisites are its lock."""

import random
import time
from collections.abc import Iterable
from typing import Final

from standfast.dns.changes import Change
from standfast.dns.model import Name, Rcode, RRset, RRType
from standfast.dns.requests import (
    CLASS_ANY,
    CLASS_IN,
    Message,
    Opcode,
    Raw,
    message,
    question_octets,
    raws,
)
from standfast.drills.errors import DrillError
from standfast.drills.race.story import ZONE
from standfast.io.authority.primaries import Primary
from standfast.io.dns_over_tcp import ask

_OPCODE_AT: Final = 11  # bits from the right, in the flags
_REFUSED_BY_PREREQUISITE: Final = frozenset({Rcode.NXRRSET, Rcode.YXRRSET, Rcode.NXDOMAIN, Rcode.YXDOMAIN})


class Wire:
    """A `race.original.Provider`."""

    def __init__(self, primary: Primary) -> None:
        """Ask nothing yet."""
        self._primary = primary

    async def read(self, owner: Name, rtype: int) -> RRset | None:
        """Return an RRset that stands."""
        answer = await self._ask(message(id_=_id(), flags=0, question=question_octets(owner, rtype)))
        found = [raw for raw in answer.answer if (raw.owner, raw.rtype, raw.rclass) == (owner, rtype, CLASS_IN)]
        if not found:
            return None
        return RRset(owner=owner, rtype=rtype, ttl_s=found[0].ttl_s, rdatas=tuple(raw.rdata for raw in found))

    async def transact(self, require: Iterable[RRset], changes: Iterable[Change]) -> bool:
        """Send one UPDATE (RFC 2136)."""
        required = [raw._replace(ttl_s=0) for rrset in require for raw in raws(rrset)]
        updates: list[Raw] = []
        for change in changes:
            owner, rtype = change.key
            updates.append(Raw(owner, rtype, CLASS_ANY, 0, b""))
            updates += raws(change.after) if change.after is not None else ()
        answer = await self._ask(
            message(
                id_=_id(),
                flags=Opcode.UPDATE << _OPCODE_AT,
                question=question_octets(ZONE, RRType.SOA),
                answer=required,
                authority=updates,
            )
        )
        if answer.rcode not in {Rcode.NOERROR, *_REFUSED_BY_PREREQUISITE}:
            raise DrillError("race", f"the original's name server says {answer.rcode} to an update")
        return answer.rcode == Rcode.NOERROR

    async def _ask(self, wire: bytes) -> Message:
        answer = await ask(self._primary.server, wire, self._primary.key, wall=time.time)
        if not isinstance(answer, Message):
            raise DrillError("race", f"the original's name server: {answer.why}")
        return answer


def _id() -> int:
    return random.getrandbits(16)
