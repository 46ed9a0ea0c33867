"""A write to an RFC 2136 server as one message: its prerequisites are the fence, its updates all that changes.

The server compares and writes as one operation (RFC 2136 sections 3.1 to 3.4): where another fence stands, nothing is
done. Pure: a batch in, octets out, and what a response code means.
"""

import struct
from collections.abc import Callable
from typing import Final

from standfast.control.fence import fence_name, fence_rrset, standing_rrset
from standfast.control.publishing import RECORD_OCTETS, Batch, Late, Outcome, Refused, Size, Unclear, Written
from standfast.dns.changes import Change
from standfast.dns.codec import MESSAGE_MAX
from standfast.dns.model import Name, Rcode, RRset, RRType, rcode_name
from standfast.dns.requests import CLASS_ANY, CLASS_IN, CLASS_NONE, Opcode, question_octets
from standfast.dns.wire import HEADER_OCTETS, POINTER, WireError, name_from_text

OCTETS_MAX: Final = 65_000  # of 65,535, with room for the longest signature
_OPCODE_AT: Final = 11  # bits from the right, in the flags
_POINTER_OCTETS: Final = 2
_POINTER_TO_ZONE: Final = struct.pack("!H", POINTER << 8 | HEADER_OCTETS)  # it is what the question begins with
_ROOT: Final = b"\0"
_CNAME: Final = int(RRType.CNAME)

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, length of the data


def update_message(batch: Batch, *, id_: int) -> bytes:
    """Return the UPDATE that is `batch`, without signature.

    It touches neither SOA nor NS of the apex, which a server leaves as they are, and says that all is well (RFC 2136
    section 3.4.2.3), and no name of another zone: `publishing.unwritable` sees to it. Of names the zone's is compressed
    and nothing else, so that what a change takes is known without writing it.

    Raises:
        WireError: it would be longer than a message can be.
    """
    start = _starts(batch.zone)
    required, updates = _prerequisites(batch, start), _updates(batch, start)
    flags = Opcode.UPDATE << _OPCODE_AT
    header = _HEADER.pack(id_, flags, 1, len(required), len(updates), 0)
    wire = b"".join((header, question_octets(batch.zone, RRType.SOA), *required, *updates))  # RFC 2136 section 2.3
    if len(wire) > MESSAGE_MAX:
        raise WireError("a message of more octets than one can have")
    return wire


def size_of_update(change: Change, zone: Name) -> Size:
    """Return how many records of an UPDATE of `zone` a change takes at most, and their octets."""
    rrset = change.after or change.before
    assert rrset is not None
    rdatas = change.after.rdatas if change.after else ()
    records = 1 + bool(rdatas) + len(rdatas)  # each RRset is taken away, and a CNAME that would be in the way
    # A name is in octets at most as long as in text, where an escape takes two or four letters.
    its_owner = len(rrset.owner) - len(zone) + _POINTER_OCTETS
    return records, records * (its_owner + RECORD_OCTETS) + sum(map(len, rdatas))


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


def _starts(zone: Name) -> Callable[[Name], bytes]:
    """Return what writes the owner of a record in `zone`, whose own name is the first in the message."""
    octets = len(name_from_text(zone))
    end = _POINTER_TO_ZONE if zone != "." else _ROOT
    return lambda owner: name_from_text(owner)[:-octets] + end


def _prerequisites(batch: Batch, start: Callable[[Name], bytes]) -> list[bytes]:
    """RFC 2136 section 2.4.2, the very record, or 2.4.3, none of its type; a TTL is never compared, and must be 0."""
    at_fence = start(fence_name(batch.zone))
    if batch.expect is None:
        return [at_fence + _RECORD.pack(RRType.TXT, CLASS_NONE, 0, 0)]
    return _records(at_fence, standing_rrset(batch.zone, batch.expect), 0)


def _updates(batch: Batch, start: Callable[[Name], bytes]) -> list[bytes]:
    """Take away all that goes before anything comes (RFC 2136 section 2.5).

    A server passes over a CNAME beside anything else, and anything else beside a CNAME, and says that all is well
    (section 3.4.2.2): the name would be left empty. So what would be in the way goes, whoever put it there; where that
    was seen, only what is there, since a server takes as long over what is not.
    """
    gone: dict[bytes, None] = {}  # each once: all types of a name have the same CNAME in their way
    come: list[bytes] = []
    cname_gone, all_gone = _gone(_CNAME), _gone(RRType.ANY)
    tails = {_CNAME: cname_gone}
    for change in batch.changes:
        after = change.after
        rrset = after or change.before
        assert rrset is not None
        rtype, owner = rrset.rtype, start(rrset.owner)
        if after is not None:
            come += _records(owner, after, after.ttl_s)
            if batch.seen and change.before is None:
                continue
            if not batch.seen:
                gone[owner + (all_gone if rtype == _CNAME else cname_gone)] = None
        tail = tails.get(rtype)
        if tail is None:
            tail = tails[rtype] = _gone(rtype)
        gone[owner + tail] = None
    at_fence = start(fence_name(batch.zone))
    fence = fence_rrset(batch.zone, batch.fence)
    return [*gone, at_fence + _gone(RRType.TXT), *come, *_records(at_fence, fence, fence.ttl_s)]


def _gone(rtype: int) -> bytes:
    """Return what says behind an owner that its RRset of this type goes (RFC 2136 section 2.5.2)."""
    return _RECORD.pack(rtype, CLASS_ANY, 0, 0)


def _records(owner: bytes, rrset: RRset, ttl_s: int) -> list[bytes]:
    rtype, pack = rrset.rtype, _RECORD.pack
    return [owner + pack(rtype, CLASS_IN, ttl_s, len(rdata)) + rdata for rdata in rrset.rdatas]


_ADVICE: Final[dict[int, str]] = {
    Rcode.REFUSED: ": allow updates of the zone to this key, or see in its log what it will not have",
    Rcode.NOTAUTH: ": it is not the primary server of the zone, or does not know the key",
    Rcode.NOTIMP: ": it takes no updates; switch them on, or name another server",
    Rcode.FORMERR: ": it cannot read what is to be written",
    Rcode.NOTZONE: ": a name is not in its zone",
}
