"""RRsets and their changes as octets, as they are kept on a disk and hashed: whole, or told to be broken. Pure.

An RRset is its owner, type, TTL and data, each with its length; what is kept begins with a checksum over all the rest.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from standfast.dns.changes import Change
from standfast.dns.model import RRset
from standfast.dns.wire import WireError, name_from_text, name_to_text

_CHECKSUM_OCTETS: Final = 4
_HEAD = struct.Struct("!HII")  # type, TTL, number of records
_LENGTH = struct.Struct("!H")
_BEFORE: Final = 1  # which of the two a change has
_AFTER: Final = 2


def pack_rrsets(rrsets: Iterable[RRset]) -> bytes:
    """Return RRsets as octets."""
    out = bytearray()
    for rrset in rrsets:
        _write(out, rrset)
    return _sealed(out)


def unpack_rrsets(octets: bytes) -> Iterator[RRset]:
    """Yield the RRsets that `pack_rrsets` packed.

    Raises:
        WireError: the octets are not what they were.
    """
    body = _opened(octets)
    at = 0
    while at < len(body):
        rrset, at = _read(body, at)
        yield rrset


def pack_changes(changes: Iterable[Change]) -> bytes:
    """Return changes as octets."""
    out = bytearray()
    for change in changes:
        out.append((_BEFORE if change.before else 0) | (_AFTER if change.after else 0))
        for rrset in (change.before, change.after):
            if rrset is not None:
                _write(out, rrset)
    return _sealed(out)


def unpack_changes(octets: bytes) -> Iterator[Change]:
    """Yield the changes that `pack_changes` packed.

    Raises:
        WireError: the octets are not what they were.
    """
    body = _opened(octets)
    at = 0
    while at < len(body):
        which = body[at]
        at += 1
        before = after = None
        if which & _BEFORE:
            before, at = _read(body, at)
        if which & _AFTER:
            after, at = _read(body, at)
        yield Change(before=before, after=after)


def _write(out: bytearray, rrset: RRset) -> None:
    owner = name_from_text(rrset.owner)
    out.append(len(owner))
    out += owner
    out += _HEAD.pack(rrset.rtype, rrset.ttl_s, len(rrset.rdatas))
    for rdata in rrset.rdatas:
        out += _LENGTH.pack(len(rdata))
        out += rdata


def _read(body: bytes, at: int) -> tuple[RRset, int]:
    try:
        start = at + 1
        at = start + body[at]
        owner = name_to_text(body[start:at])
        rtype, ttl_s, count = _HEAD.unpack_from(body, at)
        at += _HEAD.size
        rdatas = []
        for _ in range(count):
            (size,) = _LENGTH.unpack_from(body, at)
            start = at + _LENGTH.size
            at = start + size
            rdatas.append(body[start:at])
    except (IndexError, struct.error):
        raise WireError("the octets end within an RRset") from None
    if at > len(body) or not rdatas:
        raise WireError("the octets end within an RRset")
    return RRset(owner=owner, rtype=rtype, ttl_s=ttl_s, rdatas=tuple(rdatas)), at


def _sealed(body: bytearray) -> bytes:
    return zlib.crc32(body).to_bytes(_CHECKSUM_OCTETS, "big") + body


def _opened(octets: bytes) -> bytes:
    body = octets[_CHECKSUM_OCTETS:]
    if zlib.crc32(body).to_bytes(_CHECKSUM_OCTETS, "big") != octets[:_CHECKSUM_OCTETS]:
        raise WireError("the checksum is wrong")
    return body
