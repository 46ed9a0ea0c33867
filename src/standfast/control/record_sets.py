"""A write to Route 53 as one change batch: the exact fence goes and the next one comes, with all that changes.

The service makes all changes of a batch or none, and a DELETE only of what stands exactly as it says (API reference,
ChangeResourceRecordSets). Everything is taken away so and created anew, where an UPSERT would put it in the place of
whatever there is: of an alias, too, that somebody made meanwhile. Pure: batches in, changes of the API out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from standfast.control.fence import fence_rrset, standing_rrset
from standfast.control.publishing import Batch, Size
from standfast.dns.changes import Change, same
from standfast.dns.model import Name, RRset, RRType, type_from_name, type_name
from standfast.dns.name import BadName, parse_name
from standfast.dns.rdata import RdataError, rrset_from_text, rrset_to_text

RecordSet: TypeAlias = Mapping[str, Any]  # a ResourceRecordSet as the API has it
RecordChange: TypeAlias = Mapping[str, Any]  # a Change

# Of one request: ResourceRecord elements, and letters of all values (developer guide, "Quotas"). Those of an UPSERT
# count twice, which is one reason more to have none.
RECORDS_MAX: Final = 1_000
LETTERS_MAX: Final = 32_000

_PLAIN: Final = frozenset({"Name", "Type", "TTL", "ResourceRecords"})
_DECIMAL = re.compile(r"\\([0-9]{3}|.)")  # as everybody escapes (RFC 1035 section 5.1)
_OCTAL = re.compile(r"\\([0-3][0-7]{2}|.)")  # as Route 53 does
_DIGITS: Final = 3


def exact_changes(batch: Batch) -> tuple[RecordChange, ...]:
    """Return the batch if all stands as it says that it did before."""
    changes = [change for change in batch.changes if not same(change.before, change.after)]
    gone = [_record_set(change.before) for change in changes if change.before]
    at_fence = _record_set(standing_rrset(batch.zone, batch.expect)) if batch.expect else None
    return _changes(batch, at_fence, gone, [change.after for change in changes if change.after])


def changes_from(
    batch: Batch, there: Iterable[RecordSet], at_fence: RecordSet | None
) -> tuple[RecordChange, ...] | str:
    """Return the batch for what stands at its names; where that must not be taken away, words that say so.

    An alias, and what is routed by weight, region, health or the like, is more than any plan says. What else is in the
    way of a CNAME goes, and so does a CNAME that is in the way.

    Args:
        batch: what is to be written.
        there: all record sets of its names.
        at_fence: the one that holds the expected fence, which may have another TTL than ours; None: there is none.
    """
    coming = {(change.after.owner, change.after.rtype): change.after for change in batch.changes if change.after}
    touched = {
        (rrset.owner, rtype)
        for change in batch.changes
        for rrset in (change.after or change.before,)
        if rrset is not None
        for rtype in (rrset.rtype, *((RRType.CNAME,) if change.after else ()))
    }
    alone = {owner for owner, rtype in coming if rtype == RRType.CNAME}
    gone = []
    for record_set in there:
        owner, rtype = name_of(record_set["Name"]), type_from_name(record_set["Type"])
        if owner not in alone and (owner, rtype) not in touched:
            continue
        if not _is_plain(record_set):
            return (
                f"{owner} {record_set['Type']} is {_kind(record_set)} there, which no plan takes away: delete it first"
            )
        if rtype is not None and same(rrset_of(record_set), coming.get((owner, rtype))):
            del coming[owner, rtype]
        else:
            gone.append(record_set)
    return _changes(batch, at_fence, gone, list(coming.values()))


def size_of_record_sets(change: Change, _zone: Name) -> Size:
    """Return how many records a change counts for, and their letters."""
    values = [value for rrset in (change.before, change.after) if rrset for value in _values(rrset)]
    return len(values), sum(map(len, values))


def rrset_of(record_set: RecordSet) -> RRset | None:
    """Return the RRset that a record set is; None where it is more, or can be read as none."""
    rtype = type_from_name(record_set["Type"])
    if rtype is None or not _is_plain(record_set):
        return None
    texts = [_in_decimal(record["Value"]) for record in record_set["ResourceRecords"]]
    try:
        return rrset_from_text(name_of(record_set["Name"]), rtype, record_set["TTL"], texts)
    except (BadName, RdataError):
        return None


def name_of(text: str) -> Name:
    """Return a name that the API gives: with escapes of three octal digits for all but letters, digits, "-" and "_".

    Developer guide, "DNS domain name format". Raises `BadName`.
    """
    return parse_name(_in_decimal(text))


def name_for(name: Name) -> str:
    """Return a name as the API takes it."""
    return _DECIMAL.sub(lambda found: f"\\{int(found[1]) if len(found[1]) == _DIGITS else ord(found[1]):03o}", name)


def _changes(
    batch: Batch, at_fence: RecordSet | None, gone: Sequence[RecordSet], coming: Sequence[RRset]
) -> tuple[RecordChange, ...]:
    """Return the changes with the fence in front: what is wrong with it is said first."""
    return (
        *([] if at_fence is None else [_change("DELETE", at_fence)]),
        _change("CREATE", _record_set(fence_rrset(batch.zone, batch.fence))),
        *(_change("DELETE", record_set) for record_set in gone),
        *(_change("CREATE", _record_set(rrset)) for rrset in coming),
    )


def _change(action: str, record_set: RecordSet) -> RecordChange:
    return {"Action": action, "ResourceRecordSet": record_set}


def _record_set(rrset: RRset) -> RecordSet:
    return {
        "Name": name_for(rrset.owner),
        "Type": type_name(rrset.rtype),
        "TTL": rrset.ttl_s,
        "ResourceRecords": [{"Value": value} for value in _values(rrset)],
    }


def _values(rrset: RRset) -> Iterator[str]:
    for text in rrset_to_text(rrset):
        yield _DECIMAL.sub(lambda found: f"\\{int(found[1]):03o}" if len(found[1]) == _DIGITS else found[0], text)


def _in_decimal(text: str) -> str:
    return _OCTAL.sub(lambda found: f"\\{int(found[1], 8):03d}" if len(found[1]) == _DIGITS else found[0], text)


def _is_plain(record_set: RecordSet) -> bool:
    return record_set.keys() == _PLAIN


def _kind(record_set: RecordSet) -> str:
    if "AliasTarget" in record_set:
        return f"an alias of {record_set['AliasTarget'].get('DNSName', 'something else')}"
    return f"one with {' and '.join(sorted(record_set.keys() - _PLAIN))}"
