"""A write to an RFC 2136 server as one message: its prerequisites are the fence, its updates all that changes.

The server compares and writes as one operation (RFC 2136 sections 3.1 to 3.4): where another fence stands, nothing is
done. Pure: a batch in, octets out, and what a response code means.
"""

from collections.abc import Iterator
from typing import Final

from standfast.control.fence import fence_name, fence_rrset
from standfast.control.publishing import RECORD_OCTETS, Batch, Late, Outcome, Refused, Size, Unclear, Written
from standfast.dns.changes import Change
from standfast.dns.model import Name, Rcode, RRType, rcode_name
from standfast.dns.requests import CLASS_ANY, CLASS_NONE, Opcode, Raw, message, question_octets, raws

OCTETS_MAX: Final = 64_000  # of 65,535, with room for header, zone and signature
_OPCODE_AT: Final = 11  # bits from the right, in the flags


def update_message(batch: Batch, *, id_: int) -> bytes:
    """Return the UPDATE that is `batch`, without signature.

    It touches neither SOA nor NS of the apex, which a server leaves as they are, and says that all is well (RFC 2136
    section 3.4.2.3): `publishing.unwritable` sees to it.

    Raises:
        WireError: it would be longer than a message can be.
    """
    return message(
        id_=id_,
        flags=Opcode.UPDATE << _OPCODE_AT,
        question=question_octets(batch.zone, RRType.SOA),  # RFC 2136 section 2.3
        answer=_prerequisites(batch),
        authority=_updates(batch),
    )


def size_of_update(change: Change) -> Size:
    """Return how many records of an UPDATE a change takes, and their octets, names not compressed."""
    rrset = change.after or change.before
    assert rrset is not None
    rdatas = change.after.rdatas if change.after else ()
    records = 1 + bool(rdatas) + len(rdatas)  # each RRset is taken away, and a CNAME that would be in the way
    return records, records * (len(rrset.owner) + 1 + RECORD_OCTETS) + sum(map(len, rdatas))


def update_outcome(rcode: int) -> Outcome:
    """Return what the answer to an UPDATE with this code means (RFC 2136 sections 2.2 and 3).

    Only the fence is a prerequisite, so where one does not hold, it is the fence. SERVFAIL is also what a secondary
    says that handed the message on and heard nothing (section 6): then the primary may have done it. What is refused
    is not to be sent again as it is: by the time that the server would take it, another plan may be the newest.
    """
    match rcode:
        case Rcode.NOERROR:
            return Written()
        case Rcode.NXRRSET | Rcode.YXRRSET:
            return Late()
        case Rcode.SERVFAIL:
            return Unclear(why="it says SERVFAIL")
    return Refused(why=f"it says {rcode_name(rcode)}{_ADVICE.get(rcode, '')}")


def _prerequisites(batch: Batch) -> Iterator[Raw]:
    """RFC 2136 section 2.4.2, the very record, or 2.4.3, none of its type; a TTL is never compared, and must be 0."""
    if batch.expect is None:
        yield Raw(fence_name(batch.zone), RRType.TXT, CLASS_NONE, 0, b"")
    else:
        yield from (raw._replace(ttl_s=0) for raw in raws(fence_rrset(batch.zone, batch.expect)))


def _updates(batch: Batch) -> Iterator[Raw]:
    """Take away all that goes before anything comes (RFC 2136 section 2.5).

    A server passes over a CNAME beside anything else, and anything else beside a CNAME, and says that all is well
    (section 3.4.2.2): the name would be left empty. So what would be in the way goes, whoever put it there.
    """
    whole: dict[Name, None] = {}
    types: dict[tuple[Name, int], None] = {}
    for change in batch.changes:
        rrset = change.after or change.before
        assert rrset is not None
        if rrset.rtype == RRType.CNAME and change.after is not None:
            whole[rrset.owner] = None
        else:
            types[rrset.owner, rrset.rtype] = None
            if change.after is not None:
                types[rrset.owner, RRType.CNAME] = None
    yield from (Raw(owner, RRType.ANY, CLASS_ANY, 0, b"") for owner in whole)
    yield from (Raw(owner, rtype, CLASS_ANY, 0, b"") for owner, rtype in types if owner not in whole)
    yield Raw(fence_name(batch.zone), RRType.TXT, CLASS_ANY, 0, b"")
    for change in batch.changes:
        if change.after is not None:
            yield from raws(change.after)
    yield from raws(fence_rrset(batch.zone, batch.fence))


_ADVICE: Final[dict[int, str]] = {
    Rcode.REFUSED: ": allow updates of the zone to this key, or see in its log what it will not have",
    Rcode.NOTAUTH: ": it is not the primary server of the zone, or does not know the key",
    Rcode.NOTIMP: ": it takes no updates; switch them on, or name another server",
    Rcode.FORMERR: ": it cannot read what is to be written",
    Rcode.NOTZONE: ": a name is not in its zone",
}
