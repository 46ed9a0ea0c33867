"""What one RRset was and is: the unit in which zones are compared, published and kept. Data only."""

from collections.abc import Iterable

from standfast.dns.model import Name, RRset, RRType
from standfast.values import value

Key = tuple[Name, int, int]  # owner, type, and for a signature the type that it covers


@value
class Change:
    """One RRset before and after; None where it was not, or is not, there."""

    before: RRset | None
    after: RRset | None

    @property
    def key(self) -> tuple[Name, int]:
        """Which RRset it is about: owner and type."""
        rrset = self.after or self.before
        assert rrset is not None
        return rrset.owner, rrset.rtype

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


def counted(changes: Iterable[Change]) -> tuple[int, int]:
    """Return how many records go in all, and how many come."""
    go = come = 0
    for change in changes:
        before, after = change.before, change.after
        if before is None or after is None:  # nearly always where there are half a million
            go += len(before.rdatas) if before is not None else 0
            come += len(after.rdatas) if after is not None else 0
        else:
            go += len(change.removed)
            come += len(change.added)
    return go, come


def key_of(rrset: RRset) -> Key:
    """Return what tells an RRset from all others of its zone."""
    covered = int.from_bytes(rrset.rdatas[0][:2], "big") if rrset.rtype == RRType.RRSIG else 0
    return rrset.owner, rrset.rtype, covered


def same(one: RRset | None, other: RRset | None) -> bool:
    """Say whether both are the same RRset, or both none; the order of records is no difference."""
    if one is None or other is None:
        return one is other
    return one.ttl_s == other.ttl_s and (one.rdatas == other.rdatas or set(one.rdatas) == set(other.rdatas))


def _data(rrset: RRset | None) -> tuple[bytes, ...]:
    return () if rrset is None else rrset.rdatas
