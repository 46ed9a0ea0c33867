"""Queries that are odd: each bit, count, class, type, option and length that can be wrong; what comes back, in a line.

The subjects are those of RFC 8906 section 8 and of what else the field asks servers to find out whether they conform.
"""

import socket
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import dns.opcode
import dns.rcode

from standfast.dns.model import RRType
from standfast.dns.servers import Server
from standfast.dns.wire import name_from_text

WAIT_S: Final = 30.0  # for what takes a millisecond
ZONE: Final = "hard.example."
IN: Final = 1
QR, AA, TC, RD, RA, Z, AD, CD = (0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010)
FLAGS: Final = {"qr": QR, "aa": AA, "tc": TC, "rd": RD, "ra": RA, "z": Z, "ad": AD, "cd": CD}
SENTINEL_ID: Final = 0x5E00


def message(
    *,
    flags: int = 0,
    counts: Sequence[int] | None = None,
    questions: Sequence[bytes] | None = None,
    answers: Sequence[bytes] = (),
    authority: Sequence[bytes] = (),
    additional: Sequence[bytes] = (),
    trailing: bytes = b"",
) -> bytes:
    """Return a message with the ID 0x1234; a query for the zone's SOA unless told otherwise."""
    asked = [question()] if questions is None else questions
    sections = (asked, answers, authority, additional)
    head = struct.pack("!6H", 0x1234, flags, *(counts or map(len, sections)))
    return head + b"".join(b"".join(section) for section in sections) + trailing


def question(qname: str | bytes = ZONE, qtype: int = RRType.SOA, qclass: int = IN) -> bytes:
    """Return a question; `qname` as octets stands as it is."""
    return (qname if isinstance(qname, bytes) else name_from_text(qname)) + struct.pack("!HH", qtype, qclass)


def opt(options: bytes = b"", *, version: int = 0, flags: int = 0, payload: int = 1232, owner: bytes = b"\0") -> bytes:
    """Return an OPT record (RFC 6891 section 6.1.2)."""
    return owner + struct.pack("!HHBBHH", RRType.OPT, payload, 0, version, flags, len(options)) + options


def option(code: int, data: bytes = b"") -> bytes:
    """Return an EDNS option."""
    return struct.pack("!HH", code, len(data)) + data


A_RECORD: Final = name_from_text("x.hard.example.") + struct.pack("!HHIH", RRType.A, IN, 60, 4) + bytes(4)
COOKIE, PADDING, KEEPALIVE, NSID, EXPIRE, SUBNET, CHAIN = 10, 12, 11, 3, 9, 8, 13
DO, UNKNOWN_FLAG = 0x8000, 0x0080
OPCODES: Final = {0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"}


def odd_queries() -> Iterator[tuple[str, bytes]]:
    """Yield each with its name."""
    yield "plain", message()
    for name in ("aa", "tc", "ra", "z", "ad", "cd", "rd"):
        yield f"the bit {name}", message(flags=FLAGS[name])
    yield "a response", message(flags=QR)
    yield "a code in a query", message(flags=3)
    for opcode in (*range(1, 4), *range(6, 16)):
        yield f"opcode {opcode}, bare", message(flags=opcode << 11, questions=[])
        yield f"opcode {opcode}, with a question", message(flags=opcode << 11)
    yield "eleven octets", message()[:11]
    yield "no question", message(questions=[])
    yield "no question, EDNS", message(questions=[], additional=[opt()])
    yield "two questions", message(questions=[question(), question()])
    yield "a question counted that is not there", message(questions=[], counts=(1, 0, 0, 0))
    yield "a question that ends early", message()[:-2]
    yield "octets behind the end", message(trailing=b"\0")
    yield "octets behind the end, EDNS", message(additional=[opt()], trailing=b"\0")
    for name, number in (("CH", 3), ("HS", 4), ("NONE", 254), ("ANY", 255), ("0", 0), ("65535", 65_535)):
        yield f"class {name}", message(questions=[question(qclass=number)])
    for qname in ("version.bind.", "id.server."):
        yield f"{qname} CH TXT", message(questions=[question(qname, RRType.TXT, 3)])
    for name, number in (
        ("0", 0),
        ("OPT", 41),
        ("NXNAME", 128),
        ("TKEY", 249),
        ("TSIG", 250),
        ("MAILB", 253),
        ("MAILA", 254),
        ("RRSIG", 46),
        ("1000", 1000),
        ("65535", 65_535),
    ):
        yield f"type {name}", message(questions=[question(qtype=number)])
    yield "AXFR by UDP", message(questions=[question(qtype=RRType.AXFR)])
    yield "a question compressed onto itself", message(questions=[question(b"\xc0\x0c")])
    yield "a question compressed onto what follows", message(questions=[question(b"\xc0\x20")])
    yield "a question compressed onto the header", message(questions=[question(b"\xc0\x00")])
    yield "a label of 64 octets", message(questions=[question(b"\x40" + b"a" * 64 + b"\0")])
    yield "a label type of RFC 2673", message(questions=[question(b"\x41\x08\xff\0")])
    yield "a name of 256 octets", message(questions=[question((b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0")])
    yield "mixed case", message(questions=[question(b"\x04hArD\x07ExAmPlE\0")])
    yield "another's name", message(questions=[question("other.test.")])
    yield "the root", message(questions=[question(".", RRType.NS)])
    yield "an answer in a query", message(answers=[A_RECORD])
    yield "an authority record in a query", message(authority=[A_RECORD])
    yield "an additional record in a query", message(additional=[A_RECORD])
    yield "a record counted that is not there", message(counts=(1, 0, 0, 1))
    yield "EDNS", message(additional=[opt()])
    for payload in (0, 1, 511, 512, 65_535):
        yield f"EDNS, payload {payload}", message(additional=[opt(payload=payload)])
    for version in (1, 255):
        yield f"EDNS version {version}", message(additional=[opt(version=version)])
    yield "EDNS version 1, unknown option", message(additional=[opt(option(100), version=1)])
    yield "EDNS version 1, unknown flag", message(additional=[opt(version=1, flags=UNKNOWN_FLAG)])
    yield "EDNS version 1, DO", message(additional=[opt(version=1, flags=DO)])
    yield "EDNS, unknown option", message(additional=[opt(option(100, b"abc"))])
    yield "EDNS, unknown flag", message(additional=[opt(flags=UNKNOWN_FLAG)])
    yield "EDNS, DO", message(additional=[opt(flags=DO)])
    yield "EDNS, DO and CD", message(flags=CD, additional=[opt(flags=DO)])
    yield "EDNS behind another record", message(additional=[A_RECORD, opt()])
    yield "EDNS before another record", message(additional=[opt(), A_RECORD])
    yield "two OPTs", message(additional=[opt(), opt()])
    yield "an OPT in the answer", message(answers=[opt()])
    yield "an OPT in the authority section", message(authority=[opt()])
    yield "an OPT of a name", message(additional=[opt(owner=name_from_text("a."))])
    yield "an option that ends early", message(additional=[opt(b"\0\x64\0")])
    yield "an option longer than its OPT", message(additional=[opt(b"\0\x64\0\x05abc")])
    yield "an OPT longer than the message", message(additional=[opt(option(100, b"abc"))[:-1]])
    yield "EDNS, empty NSID", message(additional=[opt(option(NSID))])
    yield "EDNS, EXPIRE", message(additional=[opt(option(EXPIRE))])
    yield "EDNS, client subnet", message(additional=[opt(option(SUBNET, b"\0\x01\x18\0\xc0\0\x02"))])
    yield "EDNS, keepalive by UDP", message(additional=[opt(option(KEEPALIVE))])
    yield "EDNS, padding in clear text", message(additional=[opt(option(PADDING, bytes(20)))])
    yield "EDNS, a cookie of 7 octets", message(additional=[opt(option(COOKIE, bytes(7)))])
    yield "EDNS, a cookie of 41 octets", message(additional=[opt(option(COOKIE, bytes(41)))])
    yield "EDNS, DAU, DHU, N3U", message(additional=[opt(option(5, b"\x0d") + option(6, b"\x02") + option(7, b"\x01"))])
    yield "EDNS, CHAIN", message(additional=[opt(option(CHAIN, b"\0"))])


def odd_streams() -> Iterator[tuple[str, bytes, int]]:
    """Yield what is sent by TCP, each with its name and how many messages may come back."""
    plain = _framed(message())
    yield "one query", plain, 1
    yield "a hundred queries at once", plain * 100, 100
    yield "a message of no octets, then a query", _framed(b"") + plain, 1
    yield "a message of eleven octets, then a query", _framed(message()[:11]) + plain, 1
    yield "a response, then a query", _framed(message(flags=QR)) + plain, 1
    yield "a question that ends early, then a query", _framed(message()[:-2]) + plain, 2
    yield "opcode 15, then a query", _framed(message(flags=15 << 11)) + plain, 2
    yield "ANY", _framed(message(questions=[question(qtype=RRType.ANY)])), 1
    yield "AXFR that is not allowed", _framed(message(questions=[question(qtype=RRType.AXFR)])), 1
    yield "AXFR of another's zone", _framed(message(questions=[question("other.test.", RRType.AXFR)])), 1
    yield "IXFR without an SOA", _framed(message(questions=[question(qtype=RRType.IXFR)])), 1
    yield "keepalive", _framed(message(additional=[opt(option(KEEPALIVE))])), 1
    yield "keepalive of two octets", _framed(message(additional=[opt(option(KEEPALIVE, bytes(2)))])), 1
    yield "EDNS, payload 0", _framed(message(additional=[opt(payload=0)])), 1


def _framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(2, "big") + wire


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one server, and says what came back in a line."""

    server: Server

    def by_udp(self, wire: bytes) -> str:
        """Send `wire`; what did not come before a second plain query is answered, does not come."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(WAIT_S)
            client.connect((self.server.host, self.server.port))
            client.send(wire)
            for number in range(2):
                sentinel = (SENTINEL_ID + number).to_bytes(2, "big")
                client.send(sentinel + message()[2:])
                while (response := client.recv(65_535))[:2] == wire[:2]:
                    return in_a_line(response)
                assert response[:2] == sentinel
        return "silence"

    def by_tcp(self, octets: bytes, count: int) -> str:
        """Send `octets`, and say what came back until `count` messages are in or the connection ends."""
        said: list[str] = []
        with socket.create_connection((self.server.host, self.server.port), timeout=WAIT_S) as client:
            client.sendall(octets)
            stream = client.makefile("rb")
            try:
                client.shutdown(socket.SHUT_WR)
                while len(said) < count and len(size := stream.read(2)) == 2:
                    said.append(in_a_line(stream.read(int.from_bytes(size, "big"))))
            except OSError:  # it was closed already
                pass
        return ", ".join(f"{count} x {line}" for line, count in Counter(said).items()) or "closed"


def in_a_line(wire: bytes) -> str:
    """Say what a response is: its code, opcode, flags and what is in it."""
    _, flags, questions, answers, authorities, additionals = struct.unpack_from("!6H", wire)
    code, parts = flags & 0xF, [name for name, bit in FLAGS.items() if flags & bit and name != "qr"]
    if flags >> 11 & 0xF:
        parts.append(f"opcode{flags >> 11 & 0xF}")
    if not flags & QR:
        parts.append("query")
    if questions != 1:
        parts.append(f"{questions}questions")
    if answers or authorities:
        parts.append("answer" if answers else "authority")
    edns = _opt_of(wire, additionals)
    if edns is not None:
        high, version, edns_flags, options = edns
        code |= high << 4
        parts.append(f"edns{version}{'+do' if edns_flags & DO else ''}{'+flag' if edns_flags & ~DO else ''}")
        parts += [f"option{each}" for each in options]
    return " ".join([dns.rcode.to_text(dns.rcode.Rcode(code)), *parts])


def _opt_of(wire: bytes, additionals: int) -> tuple[int, int, int, list[int]] | None:
    """Return high code, version, flags and options of an OPT record, which these servers send as the last one."""
    if not additionals:
        return None
    for at in range(len(wire) - 11, 11, -1):
        owner, rtype, _, high, version, flags, size = struct.unpack_from("!BHHBBHH", wire, at)
        if owner == 0 and rtype == RRType.OPT and at + 11 + size == len(wire):
            options, here = [], at + 11
            while here < len(wire):
                code, length = struct.unpack_from("!HH", wire, here)
                options.append(code)
                here += 4 + length
            return high, version, flags, options
    return None
