"""Records taken out of a zone and put into it one by one, and what that makes in all. The zone stays as it is."""

from standfast.authority.zone import Zone
from standfast.dns.changes import Change, Key
from standfast.dns.masterfile import Record
from standfast.dns.model import RRset, RRType
from standfast.dns.rdata import canonical_rdata


class RecordEdits:
    """What becomes of the RRsets of a zone that are touched.

    A record is the same whatever the case of the names in it: a primary that compresses names does not always send
    them in the same letters. Where TTLs differ within an RRset the smallest holds, as in a file (RFC 2181 section 5.2).
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._touched: dict[Key, dict[bytes, tuple[bytes, int]]] = {}  # data and TTL, by the canonical data

    def remove(self, record: Record) -> bool:
        """Take `record` out, whatever its TTL; False: it is not there."""
        return self._records(record).pop(canonical_rdata(record.rtype, record.rdata), None) is not None

    def add(self, record: Record) -> bool:
        """Put `record` in; False: it is there already."""
        there = self._records(record)
        canonical = canonical_rdata(record.rtype, record.rdata)
        if canonical in there:
            return False
        there[canonical] = (record.rdata, record.ttl_s)
        return True

    def replace(self, record: Record) -> None:
        """Put `record` in the place of all that are of its owner and type."""
        self._records(record).clear()
        self.add(record)

    def changes(self) -> tuple[Change, ...]:
        """Return what is not as it was."""
        found = []
        for key, records in self._touched.items():
            change = Change(before=_held(self._zone, key), after=_rrset(key, records))
            if change.removed or change.added:
                found.append(change)
        return tuple(found)

    def _records(self, record: Record) -> dict[bytes, tuple[bytes, int]]:
        covered = int.from_bytes(record.rdata[:2], "big") if record.rtype == RRType.RRSIG else 0
        key = (record.owner, record.rtype, covered)
        there = self._touched.get(key)
        if there is None:
            held = _held(self._zone, key)
            there = self._touched[key] = (
                {} if held is None else {canonical_rdata(held.rtype, each): (each, held.ttl_s) for each in held.rdatas}
            )
        return there


def _held(zone: Zone, key: Key) -> RRset | None:
    owner, rtype, covered = key
    if rtype == RRType.RRSIG:
        return zone.signature(owner, covered)
    return zone.nsec3.get(owner) if rtype == RRType.NSEC3 else zone.rrset(owner, rtype)


def _rrset(key: Key, records: dict[bytes, tuple[bytes, int]]) -> RRset | None:
    if not records:
        return None
    owner, rtype, _ = key
    rdatas, ttls_s = zip(*records.values(), strict=True)
    return RRset(owner=owner, rtype=rtype, ttl_s=min(ttls_s), rdatas=rdatas)
