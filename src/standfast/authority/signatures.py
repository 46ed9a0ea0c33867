"""Signatures of RRsets (RFC 4034 sections 3 and 6), and for how long they hold. Computes only."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from standfast.authority.defaults import LIFETIME_DEFAULT_S
from standfast.authority.keys import Key
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.rdata import canonical_rdata
from standfast.dns.wire import name_from_text

SKEW_S: Final = 3_600  # a validator's clock may be behind by this
JITTER_FRACTION: Final = 0.25  # of the lifetime: signatures of one moment end spread over so much of it
REFRESH_FRACTION: Final = 0.25  # of the lifetime: what has less than this left is signed anew
SERIALS: Final = 1 << 32

_HEAD = struct.Struct("!HBBIIIH")  # type covered, algorithm, labels, TTL, expiration, inception, key tag
_TIMES_AT: Final = 8
_TAG_AT: Final = 16
_TIME = struct.Struct("!I")
_TYPE_CLASS_TTL = struct.Struct("!HHI")
_LENGTH = struct.Struct("!H")
_CLASS_IN: Final = 1


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long signatures hold that are made at `now`, in seconds since the epoch."""

    now: float
    lifetime_s: int = LIFETIME_DEFAULT_S

    @property
    def inception(self) -> int:
        """From when on they hold."""
        return int(self.now) - SKEW_S

    @property
    def refresh_before(self) -> int:
        """What expires before this is to be signed anew."""
        return int(self.now + self.lifetime_s * REFRESH_FRACTION)

    @property
    def first_expiration(self) -> int:
        """When the first of them may end."""
        return int(self.now + self.lifetime_s * (1 - JITTER_FRACTION))

    def expiration(self, owner: Name, covered: int) -> int:
        """Return when a signature ends: always at the same part of the spread for the same RRset."""
        spread = crc32(owner.encode(), covered) / SERIALS
        return int(self.now + self.lifetime_s * (1 - JITTER_FRACTION * spread))


def signature_of(origin: Name, rrset: RRset, keys: Sequence[Key], lifetime: Lifetime) -> RRset:
    """Return the signatures of `rrset`, a wildcard's with the labels that say so (RFC 4034 section 3.1.3)."""
    owner = name_from_text(rrset.owner)
    head = owner + _TYPE_CLASS_TTL.pack(rrset.rtype, _CLASS_IN, rrset.ttl_s)
    signed = b"".join(
        [head + _LENGTH.pack(len(rdata)) + rdata for rdata in _in_canonical_order(rrset.rtype, rrset.rdatas)]
    )
    labels = _labels(owner) - (owner[:2] == b"\1*")
    signer_name = name_from_text(origin)
    inception, expiration = lifetime.inception % SERIALS, lifetime.expiration(rrset.owner, rrset.rtype) % SERIALS
    rdatas = []
    for key in keys:
        before = (
            _HEAD.pack(rrset.rtype, key.signer.algorithm, labels, rrset.ttl_s, expiration, inception, key.tag)
            + signer_name
        )
        rdatas.append(before + key.signer.sign(before + signed))
    return RRset(owner=rrset.owner, rtype=RRType.RRSIG, ttl_s=rrset.ttl_s, rdatas=tuple(rdatas))


def expiration_of(signature: bytes) -> int:
    """Return when the signature of these record data ends, as 32 bits of the time in seconds."""
    return int(_TIME.unpack_from(signature, _TIMES_AT)[0])


def tags_of(signatures: RRset) -> frozenset[int]:
    """Return the tags of the keys that made these signatures."""
    return frozenset(_LENGTH.unpack_from(rdata, _TAG_AT)[0] for rdata in signatures.rdatas)


def expires_before(signatures: RRset, moment: int) -> bool:
    """Say whether one of `signatures` ends before `moment`, in the arithmetic of serials (RFC 4034 section 3.1.5)."""
    return any(0 < (moment - expiration_of(rdata)) % SERIALS < SERIALS // 2 for rdata in signatures.rdatas)


def _in_canonical_order(rtype: int, rdatas: Iterable[bytes]) -> list[bytes]:
    """Return each once (RFC 4034 section 6.3)."""
    if len(found := [canonical_rdata(rtype, rdata) for rdata in rdatas]) > 1:
        return sorted(set(found))
    return found


def _labels(name: bytes) -> int:
    count = at = 0
    while length := name[at]:
        count += 1
        at += 1 + length
    return count
