"""A known-good answer as octets: one form for the memory and for the disk, so that a restart unpacks nothing.

A key stands for the question, what is packed for all else. Little-endian but for the key, whose order is the disk's:

    key     CRC-32 of the name (4), type (2), name in text
    packed  flags (2), confirmations (8), first seen, confirmed, changed (8 each), the other times that there are
            (8 each), zone and addresses seen where there are any (texts), each RRset, CRC-32 of key and packed (4)
    RRset   owner (text, empty where it is the question's name), type (2), TTL (4), number (2), the data of each
            record behind its length (2)
    text    length (2), ASCII

The key's CRC spreads names over all keys, so that a share of the keys is a share of the disk's pages. The other is
checked when the disk is read: a flipped bit must not become an address that is served.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from standfast.dns.model import Name, Question, RRset
from standfast.guard.known import Answer, Baseline, KnownGood

Key = bytes
Packed = bytes

TYPES: Final = 1 << 16  # record types that there can be

# What there is, in the flags. The times are written in this order.
_AD: Final = 1
_STANDING: Final = 2
_ZONE: Final = 4
_SEEN: Final = 8  # addresses other than those of the answer
_ASKED: Final = 16
_BASELINE: Final = 32
_RELEASED: Final = 64
_LOST: Final = 128
_PROVEN: Final = 256
_OPERATOR: Final = 512
_TIMES: Final = (_ASKED, _BASELINE, _RELEASED, _LOST, _PROVEN, _OPERATOR)
_ALL_TIMES: Final = sum(_TIMES)
_SO_MANY: Final = tuple(struct.Struct(f"<{number}d") for number in range(len(_TIMES) + 1))

_KEY: Final = struct.Struct("!IH")
_HEAD: Final = struct.Struct("<HQddd")
_LENGTH: Final = struct.Struct("<H")
_RRSET: Final = struct.Struct("<HIH")
_CRC: Final = struct.Struct("<I")
_WHOLE: Final = 0x2144DF1C  # the CRC-32 of anything that its own CRC-32 follows, least octet first


def key_of(question: Question) -> Key:
    """Return the key of `question`; `question_of` is the inverse."""
    qname = question.qname.encode("ascii")
    return _KEY.pack(zlib.crc32(qname), question.qtype) + qname


def keys_of(qname: Name) -> Iterator[Key]:
    """Yield the keys of every question that there can be for `qname`."""
    name = qname.encode("ascii")
    crc = zlib.crc32(name)
    return (_KEY.pack(crc, qtype) + name for qtype in range(TYPES))


def question_of(key: Key) -> Question:
    """Return the question that `key` stands for."""
    return Question(key[_KEY.size :].decode("ascii"), _KEY.unpack_from(key)[1])


def pack(known: KnownGood) -> Packed:
    """Return all of `known` but its question; `unpack` is the inverse."""
    baseline = known.baseline
    times = (
        None if baseline is None else baseline.asked_at_s,
        None if baseline is None else baseline.proven_at_s,
        known.released_at_s,
        known.lost_at_s,
        known.proven_at_s,
        known.operator_hold_until_s,
    )
    flags = _AD if known.answer.ad else 0
    if known.confirmations > 1 or known.lost_at_s is not None:
        flags |= _STANDING
    if known.zone is not None:
        flags |= _ZONE
    if known.seen != known.answer.addresses:
        flags |= _SEEN
    flags |= sum(flag for flag, at_s in zip(_TIMES, times, strict=True) if at_s is not None)
    parts = [_HEAD.pack(flags, known.confirmations, known.first_seen_s, known.confirmed_at_s, known.changed_at_s)]
    there = [at_s for at_s in times if at_s is not None]
    parts.append(_SO_MANY[len(there)].pack(*there))
    if known.zone is not None:
        parts.append(_text(known.zone))
    if flags & _SEEN:
        parts.append(_text(" ".join(known.seen)))
    for rrset in known.answer.rrsets:
        parts.append(_text("" if rrset.owner == known.question.qname else rrset.owner))
        parts.append(_RRSET.pack(rrset.rtype, rrset.ttl_s, len(rrset.rdatas)))
        for rdata in rrset.rdatas:
            parts += (_LENGTH.pack(len(rdata)), rdata)
    packed = b"".join(parts)
    return packed + _CRC.pack(zlib.crc32(packed, zlib.crc32(key_of(known.question))))


def unpack(question: Question, packed: Packed) -> KnownGood:
    """Return what was packed; `packed` must be whole."""
    flags, confirmations, first_seen_s, confirmed_at_s, changed_at_s = _HEAD.unpack_from(packed)
    found = _SO_MANY[(flags & _ALL_TIMES).bit_count()]
    there = iter(found.unpack_from(packed, _HEAD.size))
    at = _HEAD.size + found.size
    asked_at_s, baseline_at_s, released_at_s, lost_at_s, proven_at_s, operator_hold_until_s = (
        next(there) if flags & flag else None for flag in _TIMES
    )
    zone, seen = None, None
    if flags & _ZONE:
        zone, at = _read_text(packed, at)
    if flags & _SEEN:
        seen, at = _read_text(packed, at)
    answer = Answer(rrsets=tuple(_read_rrsets(question, packed, at)), ad=bool(flags & _AD))
    return KnownGood(
        question=question,
        answer=answer,
        first_seen_s=first_seen_s,
        confirmed_at_s=confirmed_at_s,
        changed_at_s=changed_at_s,
        confirmations=confirmations,
        seen=answer.addresses if seen is None else tuple(seen.split()),
        baseline=None if asked_at_s is None else Baseline(asked_at_s=asked_at_s, proven_at_s=baseline_at_s),
        zone=zone,
        released_at_s=released_at_s,
        lost_at_s=lost_at_s,
        proven_at_s=proven_at_s,
        operator_hold_until_s=operator_hold_until_s,
    )


def is_whole(key: Key, packed: Packed) -> bool:
    """Say whether `packed` is as it was packed, and for the question of `key`."""
    return zlib.crc32(packed, zlib.crc32(key)) == _WHOLE


def is_standing(packed: Packed) -> bool:
    """Say whether the answer has proved its worth: it was confirmed more than once, or the name is lost."""
    return bool(packed[0] & _STANDING)


def worth(packed: Packed) -> tuple[bool, int, float]:
    """Return whether the name is lost, how often it was confirmed, and how long it is known, the oldest last.

    A greater one is worth more.
    """
    flags, confirmations, first_seen_s, _, _ = _HEAD.unpack_from(packed)
    return bool(flags & _LOST), confirmations, -first_seen_s


def _read_rrsets(question: Question, packed: Packed, at: int) -> Iterator[RRset]:
    end = len(packed) - _CRC.size
    while at < end:
        owner, at = _read_text(packed, at)
        rtype, ttl_s, number = _RRSET.unpack_from(packed, at)
        at += _RRSET.size
        rdatas = []
        for _ in range(number):
            start = at + _LENGTH.size
            at = start + _LENGTH.unpack_from(packed, at)[0]
            rdatas.append(packed[start:at])
        yield RRset(owner=owner or question.qname, rtype=rtype, ttl_s=ttl_s, rdatas=tuple(rdatas))


def _text(text: str) -> bytes:
    return _LENGTH.pack(len(text)) + text.encode("ascii")


def _read_text(packed: Packed, at: int) -> tuple[str, int]:
    start = at + _LENGTH.size
    at = start + _LENGTH.unpack_from(packed, at)[0]
    return packed[start:at].decode("ascii"), at
