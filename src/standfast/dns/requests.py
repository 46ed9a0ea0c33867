"""Messages that are no plain query: transfers, NOTIFY, UPDATE, and whatever is signed. Read and written whole.

What they hold stays record by record and in its class, as UPDATE means something by classes and by data that are
missing (RFC 2136 section 2). Right on any octets, as the codec is.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from standfast.dns.codec import (
    MESSAGE_MAX,
    PAYLOAD_MIN,
    QR,
    RD,
    Edns,
    OptError,
    Rejected,
    encode_rejected,
    opt_record,
    read_edns,
)
from standfast.dns.model import ExtendedError, Name, Rcode, RRset, RRType
from standfast.dns.rdata import read_rdata, write_rdata
from standfast.dns.tsig import TsigError, TsigFault, TsigKey, Verified, is_signed, sign, tell_fault, verify
from standfast.dns.wire import (
    HEADER_OCTETS,
    Offsets,
    Seen,
    WireError,
    name_from_text,
    name_to_text,
    read_name,
    skip_name,
    write_name,
)
from standfast.values import value

CLASS_IN: Final = 1
CLASS_NONE: Final = 254  # RFC 2136 section 1.3
CLASS_ANY: Final = 255

TRANSFERS: Final = frozenset({RRType.AXFR, RRType.IXFR})

_HEADER = struct.Struct("!6H")
_UINT16_PAIR = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, length of the data
_RECORD_HEAD = struct.Struct("!HHI")
_WITHOUT_DATA: Final = frozenset({CLASS_NONE, CLASS_ANY})  # classes in which no data may mean something


class Opcode(IntEnum):
    """What a message is about (RFC 1035 section 4.1.1, RFC 1996, RFC 2136)."""

    QUERY = 0
    NOTIFY = 4
    UPDATE = 5


class Raw(NamedTuple):
    """One record as it stands in a message; its data are uncompressed, and may be empty."""

    owner: Name
    rtype: int
    rclass: int
    ttl_s: int
    rdata: bytes


@value
class Message:
    """A whole message. `question` is its only question as it came, read in the next three; an OPT is in `edns`."""

    id: int
    flags: int
    question: bytes = b""
    qname: Name = "."
    qtype: int = 0
    qclass: int = 0
    answer: tuple[Raw, ...] = ()  # of an UPDATE, the prerequisites
    authority: tuple[Raw, ...] = ()  # the changes
    additional: tuple[Raw, ...] = ()
    edns: Edns | None = None

    @property
    def opcode(self) -> int:
        """What it is about."""
        return self.flags >> 11 & 0xF

    @property
    def rcode(self) -> int:
        """What came of it, the high bits of EDNS included (RFC 6891 section 6.1.3)."""
        return self.flags & 0xF | (self.edns.rcode_high << 4 if self.edns else 0)

    @property
    def payload_max(self) -> int:
        """How many octets its sender takes in a datagram."""
        return PAYLOAD_MIN if self.edns is None else max(PAYLOAD_MIN, self.edns.payload)


@value
class Request(Message):
    """A message to us with one question. `wire` is without its signature; `key` is the proven one, None without any."""

    wire: bytes
    key: TsigKey | None = None
    mac: bytes = b""

    @property
    def signer(self) -> Name | None:
        """The name of the key that it is proven to be signed with."""
        return None if self.key is None else self.key.name


@value
class Faulty:
    """A request that goes no further: the response to send, its code, and what was wrong with a signature."""

    wire: bytes
    rcode: int
    error: TsigError | None = None
    key: TsigKey | None = None


def is_request(wire: bytes) -> bool:
    """Say whether a message is more than a plain query: another opcode, a transfer, or signed. Cheap, as all pass."""
    if len(wire) < HEADER_OCTETS or wire[2] & 0x80:
        return False
    if wire[2] & 0x78:
        return True
    try:
        at = skip_name(wire, HEADER_OCTETS)
    except WireError:
        return False
    return wire[at : at + 2] in _TRANSFER_TYPES or is_signed(wire)


def read_request(wire: bytes, keys: Mapping[Name, TsigKey], *, now: float) -> Request | Faulty | None:
    """Read a request, its signature first (RFC 8945 section 5.2).

    Args:
        wire: the message as it came.
        keys: those that clients may use, by name.
        now: in seconds since the epoch.

    Returns:
        The request; what to answer in its stead; None for what must not be answered: a response, less than a header.
    """
    if len(wire) < HEADER_OCTETS or wire[2] & 0x80:
        return None
    verified = verify(wire, keys, now=now)
    if isinstance(verified, TsigFault):
        rcode = Rcode.FORMERR if verified.error is TsigError.FORMERR else Rcode.NOTAUTH
        told = tell_fault(_rejected(wire, rcode, question=_question_of(wire)), verified, now=now)
        return Faulty(wire=told, rcode=rcode, error=verified.error, key=verified.key)
    found = _read(wire if verified is None else verified.wire, verified)
    if isinstance(found, Faulty) and verified is not None:
        signed = sign(found.wire, verified.key, now=now, request_mac=verified.mac)
        return Faulty(wire=signed.wire, rcode=found.rcode, key=verified.key)
    return found


def read_message(wire: bytes) -> Message:
    """Read a message, of whatever kind, that has no signature any more.

    Raises:
        OptError: its OPT record is malformed.
        WireError: it is malformed elsewhere.
    """
    try:
        return _read_message(wire)
    except struct.error:
        raise WireError("the octets end within a record") from None


def response(
    request: Message,
    rcode: int,
    *,
    flags: int = 0,
    answer: Iterable[Raw] = (),
    authority: Iterable[Raw] = (),
    additional: Iterable[Raw] = (),
    errors: Sequence[ExtendedError] = (),
) -> bytes:
    """Write the response to `request`, its question and opcode as they came; `flags` beside QR and RD, as AA.

    The `errors` are told to who speaks EDNS.

    Raises:
        WireError: it would be longer than a message can be.
    """
    return message(
        id_=request.id,
        flags=QR | request.flags & RD | request.opcode << 11 | flags | rcode & 0xF,
        question=request.question,
        answer=answer,
        authority=authority,
        additional=additional,
        opt=opt_record(do=request.edns.do, rcode=rcode, errors=errors) if request.edns else b"",
    )


def sealed(request: Request, wire: bytes, *, now: float) -> bytes:
    """Return the only message of a response, signed where the request was.

    Raises:
        WireError: it would be longer than a message can be.
    """
    return wire if request.key is None else sign(wire, request.key, now=now, request_mac=request.mac).wire


def message(
    *,
    id_: int,
    flags: int,
    question: bytes = b"",
    answer: Iterable[Raw] = (),
    authority: Iterable[Raw] = (),
    additional: Iterable[Raw] = (),
    opt: bytes = b"",
) -> bytes:
    """Write a message; `flags` are the second two octets, opcode and response code included.

    Raises:
        WireError: it would be longer than a message can be.
    """
    writer = MessageWriter(id_=id_, flags=flags, question=question, octets_max=MESSAGE_MAX - len(opt))
    for section, records in enumerate((answer, authority, additional)):
        for record in records:
            if not writer.add(record, section):
                raise WireError("a message of more octets than one can have")
    return writer.finish(opt)


class MessageWriter:
    """A message in the making: takes records, names compressed, as long as they fit."""

    def __init__(self, *, id_: int, flags: int, question: bytes = b"", octets_max: int = MESSAGE_MAX) -> None:
        """Begin with header and question; `octets_max` leaves room for what comes after, an OPT or a signature."""
        self._id = id_
        self._flags = flags
        self._out = bytearray(HEADER_OCTETS)
        self._offsets: Offsets = {}
        self._counts = [0, 0, 0]
        self._questions = question != b""
        self._octets_max = octets_max
        if question:
            write_name(self._out, question[:-4], self._offsets)
            self._out += question[-4:]

    @property
    def count(self) -> int:
        """How many records are in."""
        return sum(self._counts)

    def add(self, record: Raw, section: int = 0) -> bool:
        """Append `record` to a section, 0 answer, 1 authority, 2 additional, in this order; False: it does not fit."""
        at = len(self._out)
        if at + len(record.rdata) > self._octets_max:
            return False
        write_name(self._out, name_from_text(record.owner), self._offsets)
        self._out += _RECORD_HEAD.pack(record.rtype, record.rclass, record.ttl_s)
        write_rdata(self._out, record.rtype if record.rdata else 0, record.rdata, self._offsets)
        if len(self._out) > self._octets_max:
            del self._out[at:]  # names that were remembered in there are too: nothing may be added any more
            self._octets_max = 0
            return False
        self._counts[section] += 1
        return True

    def finish(self, opt: bytes = b"") -> bytes:
        """Return the message, with `opt` as its last record."""
        answers, authorities, additionals = self._counts
        _HEADER.pack_into(
            self._out, 0, self._id, self._flags, self._questions, answers, authorities, additionals + (opt != b"")
        )
        return bytes(self._out) + opt


def question_octets(qname: Name, qtype: int, qclass: int = CLASS_IN) -> bytes:
    """Return a question as it stands in a message."""
    return name_from_text(qname) + _UINT16_PAIR.pack(qtype, qclass)


def raws(rrset: RRset) -> Iterator[Raw]:
    """Yield the records of `rrset` as they stand in a message."""
    return (Raw(rrset.owner, rrset.rtype, CLASS_IN, rrset.ttl_s, rdata) for rdata in rrset.rdatas)


def _read(wire: bytes, verified: Verified | None) -> Request | Faulty:
    if wire[2] >> 3 & 0xF not in _OPCODES:
        return Faulty(wire=_rejected(wire, Rcode.NOTIMP), rcode=Rcode.NOTIMP)
    try:
        found = read_message(wire)
    except WireError as error:
        speaks_edns = isinstance(error, OptError)
        told = _rejected(wire, Rcode.FORMERR, question=_question_of(wire), edns=speaks_edns)
        return Faulty(wire=told, rcode=Rcode.FORMERR)
    rcode = None
    if not found.question:
        rcode = Rcode.FORMERR
    elif found.edns is not None and found.edns.version:
        rcode = Rcode.BADVERS
    if rcode is not None:
        return Faulty(wire=response(found, rcode), rcode=rcode)
    return Request(
        id=found.id,
        flags=found.flags,
        question=found.question,
        qname=found.qname,
        qtype=found.qtype,
        qclass=found.qclass,
        answer=found.answer,
        authority=found.authority,
        additional=found.additional,
        edns=found.edns,
        wire=wire,
        key=verified.key if verified else None,
        mac=verified.mac if verified else b"",
    )


def _read_message(wire: bytes) -> Message:
    id_, flags, questions, *counts = _HEADER.unpack_from(wire)
    seen: Seen = {}
    at = HEADER_OCTETS
    question, qname, qtype, qclass = b"", b"\0", 0, 0
    if questions > 1:  # RFC 9619, and RFC 2136 section 2.3
        raise WireError(f"{questions} questions")
    if questions:
        qname, at = read_name(wire, at, seen)
        qtype, qclass = _UINT16_PAIR.unpack_from(wire, at)
        at += 4
        question = wire[HEADER_OCTETS:at]
    sections: list[tuple[Raw, ...]] = []
    edns: Edns | None = None
    for number, count in enumerate(counts):
        records: list[Raw] = []
        for _ in range(count):
            owner, at = read_name(wire, at, seen)
            rtype, rclass, ttl_s, size = _RECORD.unpack_from(wire, at)
            at += _RECORD.size
            end = at + size
            if end > len(wire):
                raise WireError("the octets end within a record")
            if rtype == RRType.OPT:
                if edns is not None or number != 2 or owner != b"\0":
                    raise OptError("a second OPT record, or one in a wrong place")  # RFC 6891 section 6.1.1
                edns = read_edns(rclass, ttl_s, wire[at:end])
            else:
                is_bare = not size and rclass in _WITHOUT_DATA
                rdata = b"" if is_bare else read_rdata(wire, at, end, rtype, seen)
                records.append(Raw(name_to_text(owner).lower(), rtype, rclass, ttl_s, rdata))
            at = end
        sections.append(tuple(records))
    if at != len(wire):
        raise WireError(f"{len(wire) - at} octets follow the message")
    answer, authority, additional = sections
    return Message(
        id=id_,
        flags=flags,
        question=question,
        qname=name_to_text(qname).lower(),
        qtype=qtype,
        qclass=qclass,
        answer=answer,
        authority=authority,
        additional=additional,
        edns=edns,
    )


def _rejected(wire: bytes, rcode: int, *, question: bytes = b"", edns: bool = False) -> bytes:
    rejected = Rejected(
        id=int.from_bytes(wire[:2], "big"),
        rcode=rcode,
        opcode=wire[2] >> 3 & 0xF,
        rd=wire[2] & 1 != 0,
        question=question,
        edns=edns,
    )
    return encode_rejected(rejected, recursion=False)


def _question_of(wire: bytes) -> bytes:
    """Return the question of a message that may be malformed elsewhere; none where it is itself."""
    if wire[4:6] != b"\0\1":
        return b""
    try:
        _, at = read_name(wire, HEADER_OCTETS, {})
    except WireError:
        return b""
    return wire[HEADER_OCTETS : at + 4] if at + 4 <= len(wire) else b""


_OPCODES: Final = frozenset(Opcode)
_TRANSFER_TYPES: Final = frozenset(rtype.to_bytes(2, "big") for rtype in TRANSFERS)
