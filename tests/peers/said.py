"""What servers say to the same questions, ours among them, in a form that can be compared."""

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from standfast.authority.finding import Zones
from standfast.authority.lookup import answer
from standfast.dns.codec import decode_query, encode_response
from standfast.dns.model import Name, Query, Question, RRType, type_name
from standfast.dns.rdata import read_rdata
from standfast.dns.servers import Server
from standfast.dns.wire import HEADER_OCTETS, Seen, name_from_text, name_to_text, read_name, skip_name

WINDOW = 200  # queries under way at once on a connection; what a server and the kernel keep for it without a word
TIMEOUT_S = 60.0  # of what takes a few milliseconds
AA = 0x0400
DO = 0x8000

Records = frozenset[tuple[Name, int, int, bytes]]  # owner, type, TTL, data


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer, its records in no order and its letters in lower case."""

    rcode: int
    aa: bool
    answer: Records
    authority: Records
    additional: Records


def told(we: Said, they: Said) -> str:
    """Say in a line what the two differ in: our side, theirs."""
    parts = [
        f"{name} {getattr(we, name)} | {getattr(they, name)}"
        for name in ("rcode", "aa")
        if getattr(we, name) != getattr(they, name)
    ]
    for name in ("answer", "authority", "additional"):
        ours, theirs = getattr(we, name), getattr(they, name)
        if ours != theirs:
            parts.append(f"{name} {_short(ours - theirs)} | {_short(theirs - ours)}")
    return "; ".join(parts)


def _short(records: Records) -> str:
    return ", ".join(sorted(f"{owner} {type_name(rtype)}" for owner, rtype, _, _ in records)) or "-"


def query(question: Question, number: int, *, do: bool) -> bytes:
    """Return the query for `question` with the ID `number`, with EDNS and without RD."""
    opt = struct.pack("!BHHIH", 0, RRType.OPT, 65_535, DO if do else 0, 0)
    asked = name_from_text(question.qname) + struct.pack("!HH", question.qtype, 1)
    return struct.pack("!6H", number, 0, 1, 0, 0, 1) + asked + opt


def ours(zones: Zones, queries: Iterable[bytes]) -> list[Said]:
    """Return what the code under test answers to each by TCP, out to the octets and back."""
    said = []
    for wire in queries:
        read = decode_query(wire)
        assert isinstance(read, Query)
        said.append(_said(encode_response(read, answer(zones, read), tcp=True, recursion=False)))
    return said


def theirs(server: Server, queries: Sequence[bytes]) -> list[Said]:
    """Return what `server` answers to each, asked by TCP, many at once; the ID of each is its place."""
    found: dict[int, Said] = {}
    with socket.create_connection((server.host, server.port), timeout=TIMEOUT_S) as connection:
        stream = connection.makefile("rb")
        for at in range(0, len(queries), WINDOW):
            window = queries[at : at + WINDOW]
            connection.sendall(b"".join(len(wire).to_bytes(2, "big") + wire for wire in window))
            for _ in window:
                wire = stream.read(int.from_bytes(stream.read(2), "big"))
                found[int.from_bytes(wire[:2], "big")] = _said(wire)
    return [found[number] for number in range(len(queries))]


def _said(wire: bytes) -> Said:
    _, flags, questions, *counts = struct.unpack_from("!6H", wire)
    at, seen = HEADER_OCTETS, Seen()
    for _ in range(questions):
        at = skip_name(wire, at) + 4
    sections: list[Records] = []
    for count in counts:
        records = []
        for _ in range(count):
            owner, at = read_name(wire, at, seen)
            rtype, _, ttl_s, size = struct.unpack_from("!HHIH", wire, at)
            at += 10
            if rtype != RRType.OPT:
                records.append(
                    (name_to_text(owner).lower(), rtype, ttl_s, read_rdata(wire, at, at + size, rtype, seen).lower())
                )
            at += size
        sections.append(frozenset(records))
    return Said(
        rcode=flags & 0xF, aa=flags & AA != 0, answer=sections[0], authority=sections[1], additional=sections[2]
    )
