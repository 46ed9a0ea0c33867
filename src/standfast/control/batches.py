"""Changes cut into writes that a publisher takes, in an order in which no name is empty between two of them."""

from collections.abc import Iterable, Sequence
from typing import Final

from standfast.control.fence import Garbage, Standing
from standfast.control.plan import ordered
from standfast.control.publishing import BatchLimits
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRType

FENCE_RECORDS: Final = 2  # of each write: the fence that goes, and the one that comes
FENCE_OCTETS: Final = 1_000  # of both, at most: two names of 255 octets and two texts of 190
_CNAME: Final = int(RRType.CNAME)

Chunk = tuple[Change, ...]


def batched(changes: Iterable[Change], limits: BatchLimits, zone: Name) -> tuple[tuple[Chunk, ...], tuple[Name, ...]]:
    """Return the changes of each write to `zone` in turn, and the names whose changes no write can hold.

    What comes stands in a write before that of what goes for it, or in the same. An RRset is never split, and neither
    is a name at which a CNAME takes the place of others or gives it back: between two writes it would be empty.
    """
    if limits.records_max is None and limits.octets_max is None:
        whole = tuple(changes)
        return ((whole,) if whole else ()), ()
    records_max = _room(limits.records_max, FENCE_RECORDS)
    octets_max = _room(limits.octets_max, FENCE_OCTETS)
    size = limits.size
    chunks: list[Chunk] = []
    chunk: list[Change] = []
    records = octets = 0
    too_large: list[Name] = []
    for unit in _units(ordered(changes)):
        more_records, more_octets = size(unit[0], zone)
        for change in unit[1:]:
            its_records, its_octets = size(change, zone)
            more_records += its_records
            more_octets += its_octets
        if more_records > records_max or more_octets > octets_max:
            too_large.append(_owner(unit[0]))
            continue
        if records + more_records > records_max or octets + more_octets > octets_max:
            chunks.append(tuple(chunk))
            chunk, records, octets = [], 0, 0
        chunk.extend(unit)
        records += more_records
        octets += more_octets
    if chunk:
        chunks.append(tuple(chunk))
    return tuple(chunks), tuple(dict.fromkeys(too_large))


def with_room_for(standing: Standing, chunks: tuple[Chunk, ...]) -> tuple[Chunk, ...]:
    """Return the chunks to write where this stands: before what is large in no known way comes a write of its own."""
    return ((), *chunks) if isinstance(standing, Garbage) else chunks


def _units(changes: Sequence[Change]) -> Iterable[Sequence[Change]]:
    """Return the changes in their order, those together that must not be parted."""
    turns = {_owner(change) for change in changes if _rtype(change) == _CNAME}
    if not turns:
        return zip(changes)  # each by itself
    units: dict[object, list[Change]] = {}
    for change in changes:
        owner = _owner(change)
        units.setdefault(owner if owner in turns else (owner, _rtype(change)), []).append(change)
    return units.values()


def _room(limit: int | None, fence: int) -> float:
    return float("inf") if limit is None else limit - fence


def _owner(change: Change) -> Name:
    rrset = change.after or change.before
    assert rrset is not None
    return rrset.owner


def _rtype(change: Change) -> int:
    rrset = change.after or change.before
    assert rrset is not None
    return rrset.rtype
