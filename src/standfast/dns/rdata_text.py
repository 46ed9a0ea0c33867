"""Record data as text, of the types that a signed zone has by the hundred thousand: ten times as fast as by dnspython.

What is not of its type's shape raises `IndexError`, `struct.error` or `ValueError`, and is for others to show.
"""

import struct
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from standfast.dns.model import RRType, type_name
from standfast.dns.wire import name_to_text, skip_name

BITMAPS_MAX: Final = 256  # kept: most names of a zone have the same few types
_RRSIG = struct.Struct("!HBBIIIH")
_A_OCTETS: Final = 4


def _a(rdata: bytes) -> str:
    if len(rdata) != _A_OCTETS:
        raise ValueError("no address")
    return "{}.{}.{}.{}".format(*rdata)


def _aaaa(rdata: bytes) -> str:
    return str(IPv6Address(rdata))


def _name(rdata: bytes) -> str:
    if skip_name(rdata, 0) != len(rdata):
        raise ValueError("more than a name")
    return name_to_text(rdata)


def _rrsig(rdata: bytes) -> str:
    covered, algorithm, labels, ttl_s, expiration, inception, tag = _RRSIG.unpack_from(rdata)
    end = skip_name(rdata, _RRSIG.size)
    signer, signature = name_to_text(rdata[_RRSIG.size : end]), b64encode(rdata[end:]).decode()
    times = f"{_time(expiration)} {_time(inception)}"
    return f"{type_name(covered)} {algorithm} {labels} {ttl_s} {times} {tag} {signer} {signature}"


def _nsec(rdata: bytes) -> str:
    end = skip_name(rdata, 0)
    return name_to_text(rdata[:end]) + _types(rdata[end:])


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}"


@lru_cache(maxsize=BITMAPS_MAX)
def _types(bitmaps: bytes) -> str:
    """Return the types that the bit maps say (RFC 4034 section 4.1.2), each behind a blank."""
    names = []
    at = 0
    while at < len(bitmaps):
        window, size = bitmaps[at], bitmaps[at + 1]
        octets = bitmaps[at + 2 : at + 2 + size]
        if len(octets) != size:
            raise ValueError("a window that is cut")
        names += [
            type_name(window * 256 + place * 8 + bit)
            for place, octet in enumerate(octets)
            for bit in range(8)
            if octet & 0x80 >> bit
        ]
        at += 2 + size
    return "".join(f" {name}" for name in names)


PLAIN: Final[dict[int, Callable[[bytes], str]]] = {
    RRType.A: _a,
    RRType.NS: _name,
    RRType.CNAME: _name,
    RRType.PTR: _name,
    RRType.AAAA: _aaaa,
    RRType.DNAME: _name,
    RRType.RRSIG: _rrsig,
    RRType.NSEC: _nsec,
}
