"""Record data: read from messages, written into them, checked, and turned into text and back.

Record data of the house are uncompressed octets. Those of unknown types are opaque (RFC 3597).
"""

import struct
from collections.abc import Sequence
from typing import Final

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from standfast.dns.address_text import ipv4_octets, ipv6_octets
from standfast.dns.model import Name, RRset, RRType, type_name
from standfast.dns.name import parse_name
from standfast.dns.rdata_text import PLAIN
from standfast.dns.wire import Offsets, Seen, WireError, read_name, skip_name, write_name
from standfast.errors import StandfastError

NAME: Final = 0  # what record data are made of; a positive number is that many octets
STRING: Final = -1
STRINGS: Final = -2  # one or more, to the end
REST: Final = -3

# Every type whose names may come compressed (RFC 3597 section 4), and those that the house looks into. Data
# of another shape make the message malformed; types that are not listed are passed through untouched.
SHAPES: Final[dict[int, tuple[int, ...]]] = {
    RRType.A: (4,),
    RRType.NS: (NAME,),
    3: (NAME,),  # MD
    4: (NAME,),  # MF
    RRType.CNAME: (NAME,),
    RRType.SOA: (NAME, NAME, 20),
    7: (NAME,),  # MB
    8: (NAME,),  # MG
    9: (NAME,),  # MR
    RRType.PTR: (NAME,),
    13: (STRING, STRING),  # HINFO
    14: (NAME, NAME),  # MINFO
    RRType.MX: (2, NAME),
    RRType.TXT: (STRINGS,),
    17: (NAME, NAME),  # RP
    18: (2, NAME),  # AFSDB
    21: (2, NAME),  # RT
    24: (18, NAME, REST),  # SIG
    26: (2, NAME, NAME),  # PX
    RRType.AAAA: (16,),
    30: (NAME, REST),  # NXT
    RRType.SRV: (6, NAME),
    35: (4, STRING, STRING, STRING, NAME),  # NAPTR
    36: (2, NAME),  # KX
    RRType.DNAME: (NAME,),
    RRType.RRSIG: (18, NAME, REST),
    RRType.NSEC: (NAME, REST),
}

# Only the types of RFC 1035 may be sent with compressed names (RFC 3597 section 4).
COMPRESSIBLE: Final = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15})

# Types whose names are in lower case where they are signed: those of RFC 4034 section 6.2, but for NSEC (RFC 6840
# section 5.1). The only other one of that list, A6, is historic.
_LOWER_CASE: Final = frozenset(rtype for rtype, shape in SHAPES.items() if NAME in shape) - {RRType.NSEC}

RDATA_OCTETS_MAX: Final = 65_535
_SERIALS = 1 << 32
_RRSIG_TIMES = struct.Struct("!II")  # expiration, inception
_RRSIG_TIMES_AT = 8
_RRSIG_OCTETS_MIN = 19
_UINT16 = struct.Struct("!H")


class RdataError(StandfastError):
    """A text that is no record data of its type. Fields: `rtype`, `text`, `reason`."""

    def __init__(self, rtype: int, text: str, reason: str) -> None:
        super().__init__(f'"{text}" is no record data of type {type_name(rtype)}: {reason}')
        self.rtype = rtype
        self.text = text
        self.reason = reason


def read_rdata(wire: bytes, at: int, end: int, rtype: int, seen: Seen) -> bytes:
    """Return the record data in `wire[at:end]`, uncompressed; `seen` as in `read_name`.

    Raises:
        WireError: they are not of their type's shape.
    """
    shape = SHAPES.get(rtype)
    if shape is None:
        return wire[at:end]
    if len(shape) == 1 and shape[0] > 0:  # addresses, the most common by far
        if end - at != shape[0]:
            raise WireError(f"{end - at} octets of type {type_name(rtype)}, not {shape[0]}")
        return wire[at:end]
    parts = []
    for part in shape:
        start = at
        if part == NAME:
            name, at = read_name(wire, at, seen)
            parts.append(name)
        else:
            at = _behind(wire, at, end, part)
            parts.append(wire[start:at])
        if at > end:
            break
    if at != end:
        raise WireError(f"record data of type {type_name(rtype)} end at octet {at}, not at {end}")
    rdata = b"".join(parts)
    if len(rdata) > RDATA_OCTETS_MAX:
        raise WireError(f"record data of type {type_name(rtype)} are too long without compression")
    return rdata


def write_rdata(out: bytearray, rtype: int, rdata: bytes, offsets: Offsets) -> None:
    """Append length and `rdata` to the message `out`, names compressed where that is allowed."""
    if rtype not in COMPRESSIBLE:
        out += _UINT16.pack(len(rdata))
        out += rdata
        return
    size_at = len(out)
    out += b"\0\0"
    at = 0
    for part in SHAPES[rtype]:
        if part == NAME:
            behind = skip_name(rdata, at)
            write_name(out, rdata[at:behind], offsets)
        else:
            behind = at + part
            out += rdata[at:behind]
        at = behind
    _UINT16.pack_into(out, size_at, len(out) - size_at - 2)


def check_rdata(rtype: int, rdata: bytes) -> None:
    """See that `rdata` are uncompressed record data of `rtype`.

    Raises:
        WireError: they are not.
    """
    if read_rdata(rdata, 0, len(rdata), rtype, {}) != rdata:
        raise WireError(f"record data of type {type_name(rtype)} hold a compressed name")


def check_known(rtype: int, rdata: bytes) -> None:
    """See that data that were read from a message could stand in a zone: those with a shape here have it already.

    Raises:
        WireError: they are of a type that is known, and are no data of it.
    """
    if rtype in SHAPES:
        return
    try:
        dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), rdata, 0, len(rdata))
    except Exception as error:  # dnspython's readers raise whatever hostile octets make them raise
        raise WireError(f"{len(rdata)} octets that are no data of type {type_name(rtype)}") from error


def canonical_rdata(rtype: int, rdata: bytes) -> bytes:
    """Return well-formed `rdata` as they are signed: their names in lower case (RFC 4034 section 6.2)."""
    if rtype not in _LOWER_CASE or rdata == rdata.lower():
        return rdata
    out = b""
    at = 0
    for part in SHAPES[rtype]:
        behind = skip_name(rdata, at) if part == NAME else _behind(rdata, at, len(rdata), part)
        out += rdata[at:behind].lower() if part == NAME else rdata[at:behind]
        at = behind
    return out


def rrset_to_text(rrset: RRset) -> list[str]:
    """Return each record's data in presentation format, for people.

    What cannot be read as its type comes in the generic form of RFC 3597 section 5.
    """
    return [_to_text(rrset.rtype, rdata) for rdata in rrset.rdatas]


def rrset_from_text(owner: Name, rtype: int, ttl_s: int, texts: list[str] | tuple[str, ...]) -> RRset:
    """Return an RRset from the presentation format of its records' data; the names in them are absolute.

    Raises:
        BadName: `owner` is no name.
        RdataError: a text is no record data of type `rtype`.
    """
    return RRset(owner=parse_name(owner), rtype=rtype, ttl_s=ttl_s, rdatas=rdatas_from_text(rtype, texts))


def rdatas_from_text(rtype: int, texts: Sequence[str]) -> tuple[bytes, ...]:
    """Return the data of records from their presentation format, each once; the names in them are absolute.

    Raises:
        RdataError: a text is no record data of type `rtype`.
    """
    if len(texts) == 1:  # nearly always
        return (_from_text(rtype, texts[0]),)
    return tuple(dict.fromkeys([_from_text(rtype, text) for text in texts]))


def rrsig_valid_at(rdata: bytes, now: float) -> bool:
    """Say whether `now`, in seconds since the epoch, lies within the times of the signature `rdata`.

    The times are compared in serial arithmetic (RFC 4034 section 3.1.5, RFC 1982).
    """
    if len(rdata) < _RRSIG_OCTETS_MIN:
        return False
    expiration, inception = _RRSIG_TIMES.unpack_from(rdata, _RRSIG_TIMES_AT)
    serial = int(now)
    begun = (serial - inception) % _SERIALS < _SERIALS // 2
    not_over = (expiration - serial) % _SERIALS < _SERIALS // 2
    return bool(begun and not_over)


def _behind(wire: bytes, at: int, end: int, part: int) -> int:
    """Return the offset behind a part that is not a name; beyond `end` when it does not fit."""
    if part > 0:
        return at + part
    if part == REST:
        return max(at, end)
    if at >= end:
        return end + 1  # a string has at least its length octet
    behind = at + 1 + wire[at]
    while part == STRINGS and behind < end:
        behind += 1 + wire[behind]
    return behind


def _to_text(rtype: int, rdata: bytes) -> str:
    plain = PLAIN.get(rtype)
    if plain is not None:
        try:
            return plain(rdata)
        except (IndexError, struct.error, ValueError, WireError):
            pass  # not of its type's shape; below it is shown as it can be
    rdatatype = dns.rdatatype.RdataType.make(rtype)
    try:
        return dns.rdata.from_wire(dns.rdataclass.IN, rdatatype, rdata, 0, len(rdata)).to_text()
    except Exception:  # dnspython's readers raise whatever hostile octets make them raise
        return f"\\# {len(rdata)} {rdata.hex()}".rstrip()


def _from_text(rtype: int, text: str) -> bytes:
    try:
        if rtype == RRType.A:
            return ipv4_octets(text)
        if rtype == RRType.AAAA:
            return ipv6_octets(text)
    except ValueError:
        pass  # below it is told what is wrong
    try:
        rdatatype = dns.rdatatype.RdataType.make(rtype)
        found = dns.rdata.from_text(dns.rdataclass.IN, rdatatype, text, origin=dns.name.root, relativize=False)
        rdata = found.to_wire() or b""
        check_rdata(rtype, rdata)
    except (dns.exception.DNSException, WireError, UnicodeError, ValueError) as error:
        raise RdataError(rtype, text, str(error) or type(error).__name__) from error
    return rdata
