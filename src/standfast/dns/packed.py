"""RRsets at rest: a compact binary form with a version and a checksum, for the state file.

One octet of version, then each RRset as owner (wire format), type, TTL, number of records, and each record's
data behind its length; at the end a CRC-32 over all before it: a flipped bit must not become an address that
is served.
"""

import struct
import zlib
from collections.abc import Iterable
from typing import Final

from standfast.dns.model import RRset
from standfast.dns.rdata import check_rdata
from standfast.dns.wire import WireError, name_from_text, name_to_text, read_name
from standfast.errors import StandfastError

VERSION: Final = b"\x01"
_TTL_MAX: Final = (1 << 31) - 1  # RFC 2181 section 8
_CRC = struct.Struct("!I")
_HEAD = struct.Struct("!HIH")  # type, TTL, number of records
_UINT16 = struct.Struct("!H")


class PackedError(StandfastError):
    """Octets that are no packed RRsets. Field: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"these are no packed RRsets: {reason}")
        self.reason = reason


def pack_rrsets(rrsets: Iterable[RRset]) -> bytes:
    """Return `rrsets` in their form at rest; `unpack_rrsets` is the inverse."""
    out = bytearray(VERSION)
    for rrset in rrsets:
        out += name_from_text(rrset.owner)
        out += _HEAD.pack(rrset.rtype, rrset.ttl_s, len(rrset.rdatas))
        for rdata in rrset.rdatas:
            out += _UINT16.pack(len(rdata))
            out += rdata
    return bytes(out + _CRC.pack(zlib.crc32(out)))


def unpack_rrsets(data: bytes) -> tuple[RRset, ...]:
    """Return the RRsets that `pack_rrsets` packed.

    Raises:
        PackedError: another version, cut, changed, or not as `pack_rrsets` writes it.
    """
    body, crc = data[: -_CRC.size], data[-_CRC.size :]
    if body[:1] != VERSION:
        raise PackedError(f"version {body[:1].hex() or 'none'}, not {VERSION.hex()}")
    if _CRC.pack(zlib.crc32(body)) != crc:
        raise PackedError("the checksum is wrong")
    found = []
    at = len(VERSION)
    try:
        while at < len(body):
            rrset, at = _unpack_one(body, at)
            found.append(rrset)
    except (WireError, struct.error) as error:
        raise PackedError(str(error)) from error
    return tuple(found)


def _unpack_one(body: bytes, at: int) -> tuple[RRset, int]:
    start = at
    owner, at = read_name(body, at, {})
    if body[start:at] != owner.lower():
        raise WireError("an owner is compressed or not in lower case")
    rtype, ttl_s, count = _HEAD.unpack_from(body, at)
    at += _HEAD.size
    if ttl_s > _TTL_MAX or not count:
        raise WireError("an RRset without records, or with a TTL that cannot be")
    rdatas = []
    for _ in range(count):
        (size,) = _UINT16.unpack_from(body, at)
        rdata = body[at + 2 : at + 2 + size]
        at += 2 + size
        if at > len(body):
            raise WireError("the octets end within a record")
        check_rdata(rtype, rdata)
        rdatas.append(rdata)
    return RRset(owner=name_to_text(owner), rtype=rtype, ttl_s=ttl_s, rdatas=tuple(rdatas)), at
