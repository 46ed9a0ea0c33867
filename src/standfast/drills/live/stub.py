"""A stub resolver that asks one given DNS server, and behaves as glibc's does.

Each of the drill's clients resolves through a server of its own, on a port of its own. glibc's stub resolver
reads `/etc/resolv.conf` and asks port 53, and both belong to root; so `install` puts this one in the place of
`socket.getaddrinfo`. What it copies of glibc 2.36, as seen on the wire with `options timeout:1 attempts:2`:

- A and AAAA are asked at once from one UDP socket, with RD set, no EDNS, no cache; TCP follows a set TC bit;
- the server is asked up to `attempts` times, each time waiting `timeout_s`; SERVFAIL and REFUSED end an
  attempt at once; one address of either family is a success, whatever became of the other question;
- NXDOMAIN is `EAI_NONAME`, an empty answer `EAI_NODATA`; an answer that never comes, or is empty and neither
  authoritative nor from a recursive server, is `EAI_AGAIN`.

It depends on nothing of the house, so that the clients share no code with the resolver that they judge.
"""

import random
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import chain
from typing import Any, Literal

from standfast.drills.live.loopback import Endpoint

TYPE_A, TYPE_AAAA, CLASS_IN = 1, 28, 1
NXDOMAIN = 3
MESSAGE_MAX = 65535  # bytes; what a TCP length field can say (RFC 1035 section 4.2.2)
CNAME_CHAIN_MAX = 16  # links; no sane chain is longer, so a loop
LABELS_MAX = 127  # labels and pointers in one name: 255 bytes hold no more (RFC 1035 section 2.3.4)

_FLAG_QR, _FLAG_AA, _FLAG_TC, _FLAG_RD, _FLAG_RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_TYPE_CNAME = 5
_system_getaddrinfo = socket.getaddrinfo

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]  # as of socket.getaddrinfo
Lack = Literal["name", "data", "answer"]  # NXDOMAIN, NODATA, or nothing that decides
Found = tuple[str, ...]  # addresses, at least one


@dataclass(frozen=True, slots=True, kw_only=True)
class StubResolver:
    """Looks host names up at `server`; `timeout_s` and `attempts` mean what they do in resolv.conf(5)."""

    server: Endpoint
    timeout_s: float = 5.0
    attempts: int = 2

    def addresses(self, host: str, rtypes: tuple[int, ...] = (TYPE_A, TYPE_AAAA)) -> Found:
        """Return the addresses of `host`, IPv4 first, in the server's order.

        Raises:
            socket.gaierror: EAI_NONAME, EAI_NODATA or EAI_AGAIN, as the module says.
        """
        qname = _encode_name(host)
        outcomes: dict[int, Found | Lack] = dict.fromkeys(rtypes, "answer")
        for _ in range(self.attempts):
            outcomes |= self._attempt(qname, [rtype for rtype in rtypes if outcomes[rtype] == "answer"])
            if "answer" not in outcomes.values():
                break
        found = tuple(chain.from_iterable(outcome for outcome in outcomes.values() if isinstance(outcome, tuple)))
        if not found:
            raise _gaierror([outcome for outcome in outcomes.values() if not isinstance(outcome, tuple)])
        return found

    def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002  as socket.getaddrinfo names it
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Do what `socket.getaddrinfo` does, asking `server` for what is not an address already."""
        name = host.decode("ascii") if isinstance(host, bytes) else host
        numeric: tuple[str | None, ...]
        if name is None or flags & socket.AI_NUMERICHOST or _is_address(name):
            numeric = (name,)
        else:
            rtypes = {socket.AF_INET: (TYPE_A,), socket.AF_INET6: (TYPE_AAAA,)}.get(
                socket.AddressFamily(family), (TYPE_A, TYPE_AAAA)
            )
            numeric = self.addresses(name, rtypes)
        return [
            entry for address in numeric for entry in _system_getaddrinfo(address, port, family, type, proto, flags)
        ]

    def _attempt(self, qname: bytes, rtypes: list[int]) -> dict[int, Found | Lack]:
        """Ask the questions once, together; what is missing in the result was not decided."""
        outcomes: dict[int, Found | Lack] = {}
        ids = random.sample(range(65536), len(rtypes))
        waiting = {ident: (rtype, build_query(ident, qname, rtype)) for ident, rtype in zip(ids, rtypes, strict=True)}
        deadline = time.monotonic() + self.timeout_s
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((self.server.address, self.server.port))  # only its answers arrive
                for _, query in waiting.values():
                    sock.send(query)
                while waiting:
                    sock.settimeout(_left(deadline))
                    message = sock.recv(MESSAGE_MAX)
                    ident = int.from_bytes(message[:2], "big")
                    rtype, query = waiting.get(ident, (0, b""))
                    outcome = read_reply(message, query) if query else None
                    if outcome is None:
                        continue  # not an answer to what was asked
                    del waiting[ident]
                    outcomes[rtype] = self._over_tcp(query, deadline) if outcome == "truncated" else outcome
            except OSError:  # time is up, or nobody listens there
                return outcomes
        return outcomes

    def _over_tcp(self, query: bytes, deadline: float) -> Found | Lack:
        with socket.create_connection((self.server.address, self.server.port), _left(deadline)) as sock:
            sock.sendall(len(query).to_bytes(2, "big") + query)
            with sock.makefile("rb") as stream:
                message = stream.read(int.from_bytes(stream.read(2), "big"))
        outcome = read_reply(message, query)
        return "answer" if outcome is None or outcome == "truncated" else outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a message: its owner in lower-case wire format, and where its data lie in the message."""

    owner: bytes
    rtype: int
    rclass: int
    data: slice


def install(stub: StubResolver) -> None:
    """Make every look-up of this process go to `stub`."""
    socket.getaddrinfo = stub.getaddrinfo  # type: ignore[assignment]


def build_query(ident: int, qname: bytes, rtype: int, rclass: int = CLASS_IN) -> bytes:
    """Return a message with one question and RD set (RFC 1035 section 4.1); `qname` is in wire format."""
    return struct.pack(">6H", ident, _FLAG_RD, 1, 0, 0, 0) + qname + struct.pack(">2H", rtype, rclass)


def read_reply(message: bytes, query: bytes) -> Found | Lack | Literal["truncated"] | None:
    """Judge `message` as the reply to `query`; None when it is none, or cannot be read."""
    try:
        ident, flags, questions, answers, _, additional = struct.unpack_from(">6H", message)
        if not flags & _FLAG_QR or ident != int.from_bytes(query[:2], "big") or questions != 1:
            return None
        if message[12 : len(query)].lower() != query[12:].lower():  # RFC 4343 section 3
            return None
        if flags & _FLAG_TC:
            return "truncated"
        qname, _ = _read_name(message, 12)
        rtype = int.from_bytes(query[-4:-2], "big")
        rcode = flags & 0xF
        if rcode == NXDOMAIN:
            return "name"
        lame = not (answers or additional or flags & (_FLAG_AA | _FLAG_RA))  # as glibc's res_send judges
        if rcode or lame:
            return "answer"
        records = tuple(read_records(message, len(query), answers))
        return tuple(_addresses(records, message, qname, rtype)) or "data"
    except (struct.error, IndexError, ValueError):
        return None


def read_records(message: bytes, offset: int, count: int) -> Iterator[Record]:
    """Yield `count` records from `offset` on (RFC 1035 section 4.1.3).

    Raises `ValueError`, `IndexError` or `struct.error` where the message is malformed.
    """
    for _ in range(count):
        owner, offset = _read_name(message, offset)
        rtype, rclass, _, length = struct.unpack_from(">2HIH", message, offset)
        offset += 10 + length
        if offset > len(message):
            raise ValueError("record data run past the end of the message")
        yield Record(owner=owner, rtype=rtype, rclass=rclass, data=slice(offset - length, offset))


def _addresses(records: Sequence[Record], message: bytes, qname: bytes, rtype: int) -> Iterator[str]:
    """Yield the addresses at the end of the CNAME chain that starts at `qname`."""
    owner = qname
    aliases = {record.owner: record for record in records if record.rtype == _TYPE_CNAME}
    for _ in range(CNAME_CHAIN_MAX):
        if owner not in aliases:
            break
        owner, _ = _read_name(message, aliases[owner].data.start)
    parse = IPv4Address if rtype == TYPE_A else IPv6Address
    for record in records:
        if (record.owner, record.rtype, record.rclass) == (owner, rtype, CLASS_IN):
            yield str(parse(message[record.data]))


def _read_name(message: bytes, offset: int) -> tuple[bytes, int]:
    """Return the name at `offset`, uncompressed and in lower case, and the offset behind it."""
    labels: list[bytes] = []
    behind: int | None = None
    for _ in range(LABELS_MAX):
        length = message[offset]
        if length >= 0xC0:  # a pointer (RFC 1035 section 4.1.4), which must point back
            target = (length & 0x3F) << 8 | message[offset + 1]
            if target >= offset:
                raise ValueError("compression pointer does not point back")
            behind = behind or offset + 2
            offset = target
            continue
        if length > 63:
            raise ValueError("unknown kind of label")
        labels.append(message[offset : offset + 1 + length].lower())
        offset += 1 + length
        if not length:
            return b"".join(labels), behind or offset
    raise ValueError("name of too many labels")


def _encode_name(host: str) -> bytes:
    labels = host.removesuffix(".").encode("idna" if not host.isascii() else "ascii").split(b".")
    wire = b"".join(len(label).to_bytes(1, "big") + label for label in labels) + b"\0"
    if len(wire) > 255 or not all(0 < len(label) < 64 for label in labels):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return wire


def _gaierror(lacks: Sequence[Lack]) -> socket.gaierror:
    # The texts are glibc's gai_strerror(3). For glibc one answer is enough, the one that it reads first; here it
    # is that to the first question, which is what servers answer first.
    if lacks[0] == "answer":
        return socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    if "name" in lacks:
        return socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
