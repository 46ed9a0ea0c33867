"""Which keys a zone has and what each does, through every roll (RFC 6781 section 4.1, RFC 7583, RFC 7344). Decides.

A new key is published and known to every cache before anything depends on it; an old one stays until no cache holds
anything that does. Data are signed with one key at a time (pre-publication); keys that the parent vouches for sign the
keys together until the parent vouches for the new one alone (double DNSKEY). A key for all does both.

Times are noted when what they speak of has happened, and kept on the disk: a crash in between makes a wait longer,
never shorter. TTLs count as the largest that the zone ever had.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from standfast.authority.defaults import DS_TTL_DEFAULT_S, PARENT_PROPAGATION_DEFAULT_S, PROPAGATION_DEFAULT_S
from standfast.authority.keys import Key, KeySet, Role
from standfast.errors import StandfastError

_NEVER: Final = float("inf")

KeyId = int  # the tag; no two keys of a zone have the same

Phase = Literal["new", "spreading", "waiting for the DS", "in use", "leaving"]


class RollError(StandfastError):
    """A roll that cannot begin, or a step that cannot be taken. Field: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """What has become of one key. Times are in seconds since the epoch."""

    id: KeyId
    role: Role
    published_s: float | None = None  # since when it is served
    signs: bool = False  # data
    offered: bool = False  # to the parent: there is to be a DS of it
    ds_seen_s: float | None = None  # since when all servers of the parent have one
    unused_s: float | None = None  # since when no signature of data by it is served


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long what was once served may be somewhere, in seconds."""

    propagation_s: float = PROPAGATION_DEFAULT_S
    parent_propagation_s: float = PARENT_PROPAGATION_DEFAULT_S
    ds_ttl_s: float = DS_TTL_DEFAULT_S


TIMING_DEFAULT: Final = Timing()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """The keys of a zone, the oldest first, and the largest TTLs that were ever served."""

    keys: tuple[KeyState, ...] = ()
    signed_s: float | None = None  # since when the zone is served signed
    ttl_max_s: int = 0
    dnskey_ttl_max_s: int = 0
    withdrawn: bool = False  # the parent is asked to take its DS away

    def with_ttls(self, ttl_s: int, dnskey_ttl_s: int) -> "KeyRing":
        """Return the ring after a zone with these largest TTLs was served."""
        ttl_s = max(ttl_s, dnskey_ttl_s, self.ttl_max_s)
        return replace(self, ttl_max_s=ttl_s, dnskey_ttl_max_s=max(dnskey_ttl_s, self.dnskey_ttl_max_s))


def first(keys: Mapping[KeyId, Role]) -> KeyRing:
    """Return the ring of a zone that is signed first: its keys sign at once, as nothing depends on them."""
    return KeyRing(keys=tuple(KeyState(id=id_, role=role, signs=role != "ksk") for id_, role in keys.items()))


def begin(ring: KeyRing, id_: KeyId, role: Role) -> KeyRing:
    """Return `ring` with a key that is to take the place of the one of its role.

    Raises:
        RollError: the zone has none of that role, or is at replacing one.
    """
    same = [key for key in ring.keys if key.role == role]
    if not same:
        roles = " and ".join(sorted({key.role for key in ring.keys}))
        raise RollError(f"the zone has no {role}; it has {roles or 'no keys'}")
    if len(same) > 1:
        raise RollError(f"its {role} is being replaced already: {same[0].id} by {same[-1].id}")
    return replace(ring, keys=(*ring.keys, KeyState(id=id_, role=role)))


def decide(ring: KeyRing, timing: Timing, now: float) -> KeyRing:
    """Return the ring in which every key does what it may by now."""
    keys = list(ring.keys)
    for at, key in enumerate(keys):
        if not key.signs and key.role != "ksk" and at == _newest(keys, "zsk") and now >= _known_s(ring, timing, key):
            keys = [replace(each, signs=each is key) if each.role != "ksk" else each for each in keys]
    for at, key in enumerate(keys):
        if not key.offered and key.role != "zsk" and at == _newest(keys, "ksk") and now >= offer_s(ring, timing, key):
            keys = [replace(each, offered=each.id == key.id) if each.role != "zsk" else each for each in keys]
    decided = replace(ring, keys=tuple(keys))
    return replace(ring, keys=tuple(key for key in keys if now < leaves_s(decided, timing, key)))


def served(ring: KeyRing, published: Collection[KeyId], signing: Collection[KeyId], now: float) -> KeyRing:
    """Return the ring after a zone was served with the keys `published`, and signatures of data by those `signing`."""

    def seen(key: KeyState) -> KeyState:
        if key.published_s is None and key.id in published:
            key = replace(key, published_s=now)
        if key.id in signing or key.signs:
            return replace(key, unused_s=None)
        return replace(key, unused_s=now) if key.unused_s is None else key

    signed_s = now if ring.signed_s is None and published else ring.signed_s
    return replace(ring, keys=tuple(map(seen, ring.keys)), signed_s=signed_s)


def ds_seen(ring: KeyRing, at_parent: Collection[KeyId], now: float) -> KeyRing:
    """Return the ring after all servers of the parent had a DS for each of `at_parent`."""

    def seen(key: KeyState) -> KeyState:
        if key.id not in at_parent:
            return replace(key, ds_seen_s=None)
        return replace(key, ds_seen_s=now) if key.ds_seen_s is None else key

    return replace(ring, keys=tuple(map(seen, ring.keys)))


def duties(ring: KeyRing, keys: Mapping[KeyId, Key]) -> KeySet:
    """Return which of `keys` do what; a key that the parent may vouch for signs the keys from its first day on."""
    offered = tuple(keys[key.id] for key in ring.keys if key.offered)
    return KeySet(
        published=tuple(keys[key.id] for key in ring.keys),
        sign_keys=tuple(keys[key.id] for key in ring.keys if key.role != "zsk"),
        sign_data=tuple(keys[key.id] for key in ring.keys if key.signs),
        for_parent=() if ring.withdrawn else offered,
        withdrawn=ring.withdrawn,
    )


def phase(ring: KeyRing, timing: Timing, key: KeyState) -> tuple[Phase, float | None]:
    """Return where `key` stands, and until when at least; None where that is nobody's to say."""
    if key.published_s is None:
        return "new", None
    if leaves_s(ring, timing, key) != _NEVER or (not key.signs and not key.offered and _has_newer(ring, key)):
        ends_s = leaves_s(ring, timing, key)
        return "leaving", None if ends_s == _NEVER else ends_s
    if key.role != "ksk" and not key.signs:
        return "spreading", _known_s(ring, timing, key)
    if key.role != "zsk" and not key.offered:
        return "spreading", offer_s(ring, timing, key)
    if key.role != "zsk" and key.ds_seen_s is None:
        return "waiting for the DS", None
    return "in use", None


def offer_s(ring: KeyRing, timing: Timing, key: KeyState) -> float:
    """Return from when on the parent may vouch for `key`: every cache that has keys has it, and none unsigned data."""
    if ring.signed_s is None:
        return _NEVER
    return max(_known_s(ring, timing, key), ring.signed_s + timing.propagation_s + ring.ttl_max_s)


def leaves_s(ring: KeyRing, timing: Timing, key: KeyState) -> float:
    """Return when the last cache has forgotten what depends on `key`; never, where something still does."""
    if not _has_newer(ring, key) or key.signs or key.offered:
        return _NEVER
    ends_s = 0.0
    if key.role != "ksk":
        if key.unused_s is None:
            return _NEVER
        ends_s = key.unused_s + timing.propagation_s + ring.ttl_max_s
    if key.role != "zsk":
        newer = ring.keys[_newest(ring.keys, "ksk")]
        if newer.ds_seen_s is None or not newer.offered:
            return _NEVER
        ends_s = max(ends_s, newer.ds_seen_s + timing.parent_propagation_s + timing.ds_ttl_s)
    return ends_s


def _known_s(ring: KeyRing, timing: Timing, key: KeyState) -> float:
    """Return from when on every cache that has the zone's keys has `key` (RFC 7583 section 3.2.1, Ipub)."""
    if key.published_s is None:
        return _NEVER
    return key.published_s + timing.propagation_s + ring.dnskey_ttl_max_s


def _newest(keys: Collection[KeyState], role: Role) -> int:
    """Return which is the last that does what a `role` does; a key for all does it too."""
    return max(at for at, key in enumerate(keys) if key.role in (role, "csk"))


def _has_newer(ring: KeyRing, key: KeyState) -> bool:
    at = next(place for place, each in enumerate(ring.keys) if each.id == key.id)
    return any(each.role == key.role for each in ring.keys[at + 1 :])
