"""What becomes of a write at a server that takes updates, where something stands that its writer did not know of."""

from collections.abc import Callable, Iterator

from standfast.control.plan import Node
from standfast.control.publishing import Batch
from standfast.dns.changes import Change, key_of
from standfast.dns.model import Name, RRset, RRType


def taken(batch: Batch, standing: Callable[[Name], Node]) -> Iterator[Change]:
    """Yield the changes that come of a batch by `standing`, the types of a name before it.

    Where its writer saw that nothing was there, it takes nothing away: a record that came meanwhile by hand stays
    beside those that are added, and where one of them is a CNAME nothing is added (RFC 2136 section 3.4.2.2).
    """
    goes = {key_of(change.before) for change in batch.changes if change.before is not None} if batch.seen else ()
    for change in batch.changes:
        after = change.after
        if not batch.seen or after is None or change.before is not None:
            yield change
            continue
        there = {rrset.rtype: rrset for rrset in standing(after.owner).values() if key_of(rrset) not in goes}
        if not there:
            yield change
        elif (found := there.get(after.rtype)) is not None and after.rtype != RRType.CNAME:
            yield Change(before=found, after=_together(found, after))
        elif after.rtype != RRType.CNAME and RRType.CNAME not in there:
            yield change


def _together(one: RRset, other: RRset) -> RRset:
    rdatas = tuple(dict.fromkeys((*one.rdatas, *other.rdatas)))
    return RRset(owner=other.owner, rtype=other.rtype, ttl_s=other.ttl_s, rdatas=rdatas)
