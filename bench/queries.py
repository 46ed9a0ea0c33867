"""What is asked, and what must come back: query messages in a file, and the zone that answers them."""

import random
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

ZONE = "bench.example.org."
TYPE_A, TYPE_OPT, CLASS_IN = 1, 41, 1
EDNS_PAYLOAD = 1232  # octets, https://www.dnsflagday.net/2020/
NXDOMAIN = 3
DENIED_NAMES_MAX = 10_000_000
DNSSEC_OK = 1 << 15  # in the TTL field of the OPT record, RFC 6891 section 6.1.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How queries look. Plain ones are what the C library of most systems sends.

    `do` asks for DNSSEC records and needs `edns`; `mixed_case` gives each letter a random case, as resolvers
    do to make forging harder.
    """

    edns: bool = False
    do: bool = False
    mixed_case: bool = False


def name(number: int) -> str:
    """Return the name with this number; all names are equally long."""
    return f"n{number:07d}.{ZONE}"


def denied_name(number: int) -> str:
    """Return the name with this number, below `DENIED_NAMES_MAX`, that no zone has; as long as the others, no order."""
    return f"x{number * 6_180_339 % DENIED_NAMES_MAX:07d}.{ZONE}"  # each comes once: the two have no common divisor


def write_queries(path: Path, numbers: Iterable[int], style: Style) -> None:
    """Write a query of type A for each name, in the form that the load generator reads."""
    rng = random.Random(1)  # the letter case is the same in every run
    path.write_bytes(b"".join(_framed(name(number), style, rng) for number in numbers))


def write_mixture(path: Path, names: int, denied: Iterator[int], *, share: float, count: int, style: Style) -> None:
    """Write `count` queries in random order: all `names` equally often, and for a `share` names that are denied.

    `denied` gives the numbers of those, one after the other.
    """
    rng = random.Random(1)
    framed = [_framed(name(number), style, rng) for number in range(names)]
    picked = (rng.random() < share for _ in range(count))
    path.write_bytes(
        b"".join(
            _framed(denied_name(next(denied)), style, rng, rcode=NXDOMAIN) if is_denied else rng.choice(framed)
            for is_denied in picked
        )
    )


def zone_text(numbers: Iterable[int]) -> str:
    """Return a zone file with every name's right address, for authoritative servers."""
    lines = [f"$ORIGIN {ZONE}", "$TTL 3600", "@ SOA ns hostmaster 1 3600 600 86400 60", "@ NS ns", "ns A 127.0.0.1"]
    lines += [f"{name(number)} A {address_of(name(number))}" for number in numbers]
    return "\n".join(lines) + "\n"


def address_of(qname: str) -> IPv4Address:
    """Return the address that `qname` has in every benchmark; `address_of` of load/dns.h says why and how."""
    hashed = 2166136261
    for octet in _wire(qname.lower()):
        hashed = (hashed ^ octet) * 16777619 & 0xFFFFFFFF
    return IPv4Address(int(IPv4Address("127.128.0.0")) | (hashed ^ hashed >> 22) & 0x3FFFFF)


def _framed(qname: str, style: Style, rng: random.Random, *, rcode: int = 0) -> bytes:
    """Return a query behind its length, its ID the rcode that is expected; the load generator gives it another."""
    if style.mixed_case:
        qname = "".join(rng.choice((letter.lower(), letter.upper())) for letter in qname)
    recursion_desired = 0x0100
    header = struct.pack("!6H", rcode, recursion_desired, 1, 0, 0, int(style.edns))
    message = header + _wire(qname) + struct.pack("!2H", TYPE_A, CLASS_IN)
    if style.edns:
        message += b"\x00" + struct.pack("!HHIH", TYPE_OPT, EDNS_PAYLOAD, DNSSEC_OK if style.do else 0, 0)
    return struct.pack("!H", len(message)) + message


def _wire(qname: str) -> bytes:
    labels = [label.encode("ascii") for label in qname.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"
