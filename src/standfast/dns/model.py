"""Names, questions, record sets and messages as the rest of the house sees them.

Data only. Names are absolute, lower-case text in presentation format (`www.example.org.`); record data are
wire-format bytes without compression, so that they can be compared, stored and sent without another look.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple

import dns.exception
import dns.rdatatype

from standfast.values import value

Name = str

ADDRESSES_MAX = 16_384  # whose text is kept: an answer's addresses are asked for again and again
CNAME_CHAIN_MAX = 16  # links; longer than any sane chain (RFC 1034 section 3.6.2 sets no number), so a loop


class RRType(IntEnum):
    """The record types that the house speaks of by name; any other is carried as its number."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    DNAME = 39
    OPT = 41
    DS = 43
    RRSIG = 46
    NSEC = 47
    DNSKEY = 48
    NSEC3 = 50
    NSEC3PARAM = 51
    CDS = 59
    CDNSKEY = 60
    SVCB = 64
    HTTPS = 65
    NXNAME = 128
    TSIG = 250
    IXFR = 251
    AXFR = 252
    MAILB = 253
    MAILA = 254
    ANY = 255


class Rcode(IntEnum):
    """Response codes (RFC 1035 section 4.1.1, RFC 6895 section 2.3)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    YXRRSET = 7  # this and those up to NOTZONE: RFC 2136 section 2.2
    NXRRSET = 8
    NOTAUTH = 9
    NOTZONE = 10
    BADVERS = 16
    BADCOOKIE = 23  # RFC 7873 section 8


class Ede(IntEnum):
    """Extended DNS error codes (RFC 8914 section 4)."""

    OTHER = 0
    STALE_ANSWER = 3
    FORGED_ANSWER = 4
    DNSSEC_INDETERMINATE = 5
    DNSSEC_BOGUS = 6
    SIGNATURE_EXPIRED = 7
    SIGNATURE_NOT_YET_VALID = 8
    DNSKEY_MISSING = 9
    RRSIGS_MISSING = 10
    NO_ZONE_KEY_BIT_SET = 11
    NSEC_MISSING = 12
    CACHED_ERROR = 13
    NOT_READY = 14
    PROHIBITED = 18
    STALE_NXDOMAIN_ANSWER = 19
    NOT_AUTHORITATIVE = 20
    NOT_SUPPORTED = 21
    NO_REACHABLE_AUTHORITY = 22
    NETWORK_ERROR = 23
    INVALID_DATA = 24


class Question(NamedTuple):
    """What is asked; the class is always IN. A tuple, since it is hashed dozens of times for each query."""

    qname: Name
    qtype: int

    def __str__(self) -> str:
        return f"{self.qname} {type_name(self.qtype)}"


@value
class RRset:
    """Records of one owner and type. `rdatas` are uncompressed wire format; signatures are an RRset of type RRSIG."""

    owner: Name
    rtype: int
    ttl_s: int
    rdatas: tuple[bytes, ...]


@value
class ExtendedError:
    """One extended DNS error (RFC 8914): its code and a text for people."""

    code: int
    text: str = ""


@value
class Query:
    """A client's question. `cased_qname` keeps the letters as they came; they are sent back unchanged.

    `cookie` is what its COOKIE option held, 8 octets or 16 to 40 (RFC 7873 section 4); no octets where it had none.
    """

    id: int
    question: Question
    cased_qname: str
    rd: bool = True
    ad: bool = False
    cd: bool = False
    edns: bool = False
    do: bool = False
    compact_ok: bool = False  # takes NXDOMAIN beside a compact denial (RFC 9824 section 5.1)
    payload_max: int = 512  # octets; RFC 6891 section 6.2.3, 512 without EDNS
    padded: bool = False  # carries the padding option (RFC 7830)
    nsid: bool = False  # asks which of several servers answers (RFC 5001)
    cookie: bytes = b""


@value
class Reply:
    """The part of a response that means something: what upstreams say and what clients get.

    `glue` must reach the client with the rest (RFC 9471), `additional` goes along where there is room.
    `compact` says that the zone denies compactly, for clients that said that they know of it. `nsid` is what this
    server calls itself, for those who ask (RFC 5001).
    """

    rcode: int
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    glue: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()
    aa: bool = False
    ad: bool = False
    ra: bool = True
    errors: tuple[ExtendedError, ...] = ()
    compact: bool = False
    nsid: bytes = b""


def addresses_of(rrsets: tuple[RRset, ...]) -> tuple[str, ...]:
    """Return the A and AAAA addresses in `rrsets` as text, in order, each once."""
    return tuple(dict.fromkeys(_addresses(rrsets)))


def type_name(rtype: int) -> str:
    """Return the mnemonic of a record type, or `TYPE123` (RFC 3597 section 5)."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rtype))


def rcode_name(rcode: int) -> str:
    """Return the mnemonic of a response code, or `RCODE123`."""
    try:
        return Rcode(rcode).name
    except ValueError:
        return f"RCODE{rcode}"


def type_from_name(text: str) -> int | None:
    """Return the record type that `text` is the mnemonic of, or says as `TYPE123`; None where it is none."""
    try:
        return int(dns.rdatatype.from_text(text))
    except (dns.exception.DNSException, ValueError):
        return None


def _addresses(rrsets: tuple[RRset, ...]) -> Iterator[str]:
    for rrset in rrsets:
        if rrset.rtype in (RRType.A, RRType.AAAA):
            yield from map(_address, rrset.rdatas)


@lru_cache(maxsize=ADDRESSES_MAX)
def _address(rdata: bytes) -> str:
    return "{}.{}.{}.{}".format(*rdata) if len(rdata) == 4 else str(IPv6Address(rdata))
