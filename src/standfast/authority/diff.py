"""What two snapshots of a zone differ in, and a snapshot with such differences applied: two inverse laws.

A difference is told per owner and type, as an incremental transfer and a person want it (RFC 1995 section 2).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from standfast.authority.zone import Draft, Zone
from standfast.dns.model import Name, RRset, RRType

Key = tuple[Name, int, int]  # owner, type, and for a signature the type that it covers


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One RRset before and after; None where it was not, or is not, there."""

    before: RRset | None
    after: RRset | None

    @property
    def removed(self) -> tuple[bytes, ...]:
        """The record data that go. All of them where the TTL changes."""
        return _data(self.before) if self._is_whole else tuple(set(_data(self.before)) - set(_data(self.after)))

    @property
    def added(self) -> tuple[bytes, ...]:
        """The record data that come. All of them where the TTL changes."""
        return _data(self.after) if self._is_whole else tuple(set(_data(self.after)) - set(_data(self.before)))

    @property
    def _is_whole(self) -> bool:
        return self.before is None or self.after is None or self.before.ttl_s != self.after.ttl_s


def difference(old: Zone, new: Zone) -> list[Change]:
    """Return what changes from `old` to `new`. The order of an RRset's records is no difference."""
    before, after = dict(_keyed(old)), dict(_keyed(new))
    changes = [
        Change(before=rrset, after=after.get(key)) for key, rrset in before.items() if not _same(rrset, after.get(key))
    ]
    return changes + [Change(before=None, after=rrset) for key, rrset in after.items() if key not in before]


def apply(zone: Zone, changes: Iterable[Change]) -> Zone:
    """Return `zone` with `changes` made. What they say was there before is not looked at."""
    draft = Draft(
        origin=zone.origin,
        file="",
        nodes={owner: dict(node) for owner, node in zone.nodes.items() if node}
        | {owner: {RRType.NSEC3: rrset} for owner, rrset in zone.nsec3.items()},
        signatures={owner: dict(node) for owner, node in zone.signatures.items()},
    )
    for change in changes:
        rrset = change.before or change.after
        assert rrset is not None
        owner, rtype, covered = _key(rrset)
        nodes, key = (draft.signatures, covered) if rtype == RRType.RRSIG else (draft.nodes, rtype)
        if change.after is not None:
            nodes.setdefault(owner, {})[key] = change.after
            continue
        nodes.get(owner, {}).pop(key, None)
        if not nodes.get(owner, True):
            del nodes[owner]
    return draft.zone()


def _keyed(zone: Zone) -> Iterator[tuple[Key, RRset]]:
    return ((_key(rrset), rrset) for rrset in zone.rrsets())


def _key(rrset: RRset) -> Key:
    covered = int.from_bytes(rrset.rdatas[0][:2], "big") if rrset.rtype == RRType.RRSIG else 0
    return rrset.owner, rrset.rtype, covered


def _same(one: RRset, other: RRset | None) -> bool:
    return other is not None and one.ttl_s == other.ttl_s and set(one.rdatas) == set(other.rdatas)


def _data(rrset: RRset | None) -> tuple[bytes, ...]:
    return () if rrset is None else rrset.rdatas
