"""Messages on the wire: clients' queries in, our queries out, upstreams' responses in, our responses out.

Right on any octets: what cannot be read is a value (`Rejected`, `Unreadable`, `NotOurs`, None), never an
exception, and takes time linear in its size.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from standfast.dns.cookies import CLIENT_OCTETS, LENGTHS
from standfast.dns.exchange import CaseChanged, Heard, Incoming, NotOurs, Outbound, Unreadable
from standfast.dns.model import ExtendedError, Query, Question, Rcode, Reply, RRset, RRType
from standfast.dns.rdata import (
    RdataError,
    read_rdata,
    rrset_from_text,
    rrset_to_text,
    rrsig_valid_at,
    write_rdata,
)
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

__all__ = [  # all that other rooms need of the wire, records as text included
    "RdataError",
    "Rejected",
    "decode_incoming",
    "decode_query",
    "encode_outbound",
    "encode_rejected",
    "encode_response",
    "encode_truncated",
    "rrset_from_text",
    "rrset_to_text",
    "rrsig_valid_at",
]

PAYLOAD_OURS: Final = 1232  # octets; fits the smallest IPv6 path, 1280, without fragments (RFC 9715)
PAYLOAD_MIN: Final = 512  # octets; RFC 1035 section 4.2.1, and the least that EDNS can say (RFC 6891 section 6.2.3)
MESSAGE_MAX: Final = 65_535  # octets; what the length before a message in TCP can say (RFC 1035 section 4.2.2)
ERRORS_MAX: Final = 8  # extended errors read or written a message; more than one is already rare
PADDING_BLOCK: Final = 468  # octets; responses are padded to a multiple of it (RFC 8467 section 4.1)
QUERY_PADDING_BLOCK: Final = 128  # octets; and so are queries of ours (the same section)
ERROR_TEXT_MAX: Final = 256  # octets of an extended error's text; it "should be kept short" (RFC 8914 section 2)

QR: Final = 0x8000
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
AD: Final = 0x0020
CD: Final = 0x0010
_DO: Final = 0x8000
_CO: Final = 0x4000  # compact answers are fine (RFC 9824 section 5.1)
_OPCODE_MASK: Final = 0xF
_CLASS_IN: Final = 1
_TTL_MAX: Final = (1 << 31) - 1  # RFC 2181 section 8
_NSID: Final = 3  # option codes: of the server's name for itself (RFC 5001 section 2.3)
_COOKIE: Final = 10  # of cookies (RFC 7873 section 4)
_PADDING: Final = 12  # of padding (RFC 7830 section 3)
_EDE: Final = 15  # of extended errors (RFC 8914 section 2)
_ROOT: Final = b"\0"

_HEADER = struct.Struct("!6H")
_UINT16_PAIR = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, length of the data
_RECORD_HEAD = struct.Struct("!HHI")
_OPT = struct.Struct("!BHHBBHH")  # owner, type, payload, high bits of the response code, version, flags, length

_DNSSEC_TYPES = frozenset({RRType.RRSIG, RRType.NSEC, RRType.NSEC3})
_NEVER_ASKED_FOR = frozenset({RRType.OPT, RRType.NXNAME})  # RFC 6891 section 6.1.1, RFC 9824 section 3.5
_TRANSFERS = frozenset({RRType.AXFR, RRType.IXFR})
_QUESTION_OPTIONAL = frozenset({Rcode.FORMERR, Rcode.NOTIMP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A query that is answered without a look at any name. `question` is the question section as it came.

    `cookie` is what its COOKIE option held, as in `Query`. Where that is all that there was, as in a query for a cookie
    (RFC 7873 section 5.4), the code is FORMERR, and `asks_for_cookie` tells it from one that is malformed.
    """

    id: int
    rcode: int
    opcode: int = 0
    rd: bool = False
    question: bytes = b""
    edns: bool = False
    do: bool = False
    padded: bool = False
    cookie: bytes = b""

    @property
    def asks_for_cookie(self) -> bool:
        """Whether it has no question and a cookie."""
        return self.rcode == Rcode.FORMERR and self.cookie != b""


@dataclass(frozen=True, slots=True)
class Edns:
    """An OPT record (RFC 6891 section 6.1). `payload` is in octets."""

    payload: int
    rcode_high: int
    version: int
    do: bool
    compact_ok: bool
    cookie: bytes | None
    padded: bool
    nsid: bool
    errors: tuple[ExtendedError, ...]


class OptError(WireError):
    """The OPT record itself is broken: its sender speaks EDNS, and so must the error (RFC 6891 section 7)."""


def decode_query(wire: bytes) -> Query | Rejected | None:
    """Read a client's query.

    Returns:
        The query; or what to answer in its stead: FORMERR, NOTIMP (another opcode), REFUSED (another class,
        a zone transfer) or BADVERS (RFC 6891 section 6.1.3); or None for what must not be answered: a
        response, or less than a header.
    """
    if len(wire) < HEADER_OCTETS:
        return None
    id_, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    if flags & QR:
        return None
    opcode = flags >> 11 & _OPCODE_MASK
    rd = flags & RD != 0
    if opcode:
        return Rejected(id=id_, opcode=opcode, rcode=Rcode.NOTIMP, rd=rd)
    if questions != 1:  # RFC 9619
        edns = _edns_alone(wire, answers + authorities, additionals) if not questions else None
        cookie = edns.cookie or b"" if edns else b""
        return Rejected(id=id_, rcode=Rcode.FORMERR, rd=rd, edns=edns is not None, cookie=cookie)
    question = b""
    try:
        qname, at = read_name(wire, HEADER_OCTETS, {})
        qtype, qclass = _UINT16_PAIR.unpack_from(wire, at)
        question = wire[HEADER_OCTETS : at + 4]
        edns = _read_query_edns(wire, at + 4, answers + authorities, additionals)
    except (WireError, struct.error) as error:
        speaks_edns = isinstance(error, OptError)
        return Rejected(id=id_, rcode=Rcode.FORMERR, rd=rd, question=question, edns=speaks_edns)
    rcode = _refusal(qtype, qclass, edns)
    cookie, padded = (edns.cookie or b"", edns.padded) if edns else (b"", False)
    if rcode is not None:
        return Rejected(
            id=id_,
            rcode=rcode,
            rd=rd,
            question=question,
            edns=edns is not None,
            do=edns is not None and edns.do,
            padded=padded,
            cookie=cookie,
        )
    cased_qname = name_to_text(qname)
    return Query(
        id=id_,
        question=Question(cased_qname.lower(), qtype),
        cased_qname=cased_qname,
        rd=rd,
        ad=flags & AD != 0,
        cd=flags & CD != 0,
        edns=edns is not None,
        do=edns is not None and edns.do,
        compact_ok=edns is not None and edns.compact_ok,
        payload_max=PAYLOAD_MIN if edns is None else max(PAYLOAD_MIN, edns.payload),
        padded=padded,
        nsid=edns is not None and edns.nsid,
        cookie=cookie,
    )


def encode_rejected(
    rejected: Rejected, *, encrypted: bool = False, cookie: bytes = b"", recursion: bool = True
) -> bytes:
    """Write the answer to a query that was rejected; all but it as in `encode_response`."""
    flags = QR | rejected.opcode << 11 | (RA if recursion else 0) | rejected.rcode & 0xF
    if rejected.rd:
        flags |= RD
    opt = opt_record(do=rejected.do, rcode=rejected.rcode, cookie=cookie) if rejected.edns else b""
    head = _HEADER.pack(rejected.id, flags, rejected.question != b"", 0, 0, opt != b"") + rejected.question
    if encrypted and rejected.padded:
        opt = _padded(opt, len(head), PADDING_BLOCK)
    return head + opt


def encode_outbound(outbound: Outbound, *, padded: bool = False) -> bytes:
    """Write a query of ours: RD and AD set (RFC 6840 section 5.7), an OPT record where `edns` says so.

    `padded` is for encrypted transports alone (RFC 7830 section 6), and needs an OPT record.
    """
    flags = RD | AD | (CD if outbound.cd else 0)
    opt = opt_record(do=outbound.do, cookie=outbound.cookie) if outbound.edns else b""
    head = _HEADER.pack(outbound.id, flags, 1, 0, 0, opt != b"") + _question(outbound)
    if padded and opt:
        opt = _padded(opt, len(head), QUERY_PADDING_BLOCK)
    return head + opt


def decode_incoming(wire: bytes, outbound: Outbound) -> Incoming:
    """Read what came in on the socket that `outbound` was sent from.

    The question must come back letter for letter. It may be missing from FORMERR and NOTIMP, which come from
    servers that did not understand it. OPT and the additional section do not become part of the reply, and
    records of another class than IN are dropped. Where the TTLs of an RRset differ, the smallest holds (RFC
    2181 section 5.2). A cookie must be for the one that was sent (RFC 7873 section 5.3).
    """
    if len(wire) < HEADER_OCTETS:
        return NotOurs()
    id_, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    if id_ != outbound.id or not flags & QR or flags >> 11 & _OPCODE_MASK:
        return NotOurs()
    at = HEADER_OCTETS
    seen: Seen = {}
    if questions == 1:
        asked = _question(outbound)
        at += len(asked)
        if wire[HEADER_OCTETS:at] != asked:
            return CaseChanged() if wire[HEADER_OCTETS:at].lower() == asked.lower() else NotOurs()
        _foresee(seen, asked[:-4].lower())
    elif questions or flags & 0xF not in _QUESTION_OPTIONAL:
        return NotOurs()
    try:
        answer, at = _read_rrsets(wire, at, answers, seen)
        authority, at = _read_rrsets(wire, at, authorities, seen)
        edns = _read_additional(wire, at, additionals)
    except (WireError, struct.error) as error:
        if flags & TC:  # some servers cut anywhere; a truncated answer is not read anyhow (RFC 2181 section 9)
            return Heard(reply=Reply(rcode=flags & 0xF, ra=flags & RA != 0), truncated=True, edns=outbound.edns)
        return Unreadable(detail=str(error) if isinstance(error, WireError) else "the octets end within a record")
    cookie = edns.cookie if edns and outbound.cookie else None
    if cookie is not None and (len(cookie) not in LENGTHS or cookie[:CLIENT_OCTETS] != outbound.cookie[:CLIENT_OCTETS]):
        return NotOurs()
    reply = Reply(
        rcode=flags & 0xF | (edns.rcode_high << 4 if edns else 0),
        answer=answer,
        authority=authority,
        ad=flags & AD != 0,
        ra=flags & RA != 0,
        errors=edns.errors if edns else (),
    )
    return Heard(reply=reply, truncated=flags & TC != 0, edns=edns is not None, cookie=cookie or b"")


def encode_response(
    query: Query,
    reply: Reply,
    *,
    size_max: int = PAYLOAD_OURS,
    tcp: bool = False,
    encrypted: bool = False,
    cookie: bytes = b"",
    recursion: bool = True,
) -> bytes:
    """Write the response to `query`, at most `size_max` octets and what the client takes; 65,535 over TCP.

    Signatures and denial records are for those who asked for them (RFC 4035 section 3.2.1), and so is AD (RFC
    6840 section 5.8). What does not fit goes whole: first the texts of the extended errors, then all records,
    with TC set (RFC 2181 section 9), and by TCP with SERVFAIL; AA speaks of an answer (RFC 1035 section 4.1.1), and
    there it has none. Glue counts as part of the rest (RFC 9471), while of what goes along there is as much as fits.

    `encrypted` is for what nobody on the way can read: where the query was padded, so is the response, whose length
    would tell what it says (RFC 7830 section 4). In clear text that would only be waste (section 6). `cookie` is for a
    client that sent one (RFC 7873 section 5.2). `recursion` says whether this server offers it.
    """
    limit = MESSAGE_MAX if tcp else min(max(PAYLOAD_MIN, query.payload_max), size_max)
    rcode = reply.rcode if reply.rcode <= 0xF or query.edns else Rcode.SERVFAIL  # an extended code needs the OPT
    flags = QR | (RA if recursion else 0) | (AA if reply.aa else 0) | rcode & 0xF
    if query.rd:
        flags |= RD
    if query.cd and recursion:  # who validates nothing clears it (RFC 4035 section 3.1.6)
        flags |= CD
    if reply.ad and (query.ad or query.do):
        flags |= AD
    name = name_from_text(query.cased_qname)
    out = bytearray(HEADER_OCTETS)
    offsets: Offsets = {}
    write_name(out, name, offsets)
    out += _UINT16_PAIR.pack(query.question.qtype, _CLASS_IN)
    records_at = len(out)
    answers = _write_rrsets(out, query, reply.answer, offsets)
    authorities = _write_rrsets(out, query, reply.authority, offsets)
    additionals = _write_rrsets(out, query, reply.glue, offsets)
    compact = query.compact_ok and reply.compact
    nsid = reply.nsid if query.nsid else b""
    write_opt = partial(opt_record, do=query.do, compact=compact, rcode=rcode, cookie=cookie, nsid=nsid)
    opt = write_opt(errors=reply.errors) if query.edns else b""
    if len(out) + len(opt) > limit and opt:
        textless = (ExtendedError(code=error.code) for error in reply.errors)
        opt = write_opt(errors=textless)
    if len(out) + len(opt) > limit:
        del out[records_at:]
        answers = authorities = additionals = 0
        flags = flags & ~(AA | AD | 0xF) | Rcode.SERVFAIL if tcp else flags & ~AD | TC
    elif reply.additional:
        additionals += _write_what_fits(out, query, reply.additional, offsets, limit - len(opt))
    if encrypted and query.padded:
        opt = _padded(opt, len(out), PADDING_BLOCK)
    _HEADER.pack_into(out, 0, query.id, flags, 1, answers, authorities, additionals + (opt != b""))
    return bytes(out + opt)


def encode_truncated(query: Query, *, cookie: bytes = b"", recursion: bool = True) -> bytes:
    """Write an answer of no records with TC set: the client is to come by TCP.

    It is no larger than `query` was, or by 16 octets where that had no server cookie and gets `cookie`.
    """
    flags = QR | (RA if recursion else 0) | TC | (RD if query.rd else 0) | (CD if query.cd and recursion else 0)
    question = name_from_text(query.cased_qname) + _UINT16_PAIR.pack(query.question.qtype, _CLASS_IN)
    opt = opt_record(do=query.do, cookie=cookie) if query.edns else b""
    return _HEADER.pack(query.id, flags, 1, 0, 0, opt != b"") + question + opt


def _refusal(qtype: int, qclass: int, edns: Edns | None) -> Rcode | None:
    if edns and edns.version:
        return Rcode.BADVERS
    if qtype in _NEVER_ASKED_FOR:
        return Rcode.FORMERR
    return Rcode.REFUSED if qclass != _CLASS_IN or qtype in _TRANSFERS else None


def _edns_alone(wire: bytes, others: int, additionals: int) -> Edns | None:
    """Return the OPT record of a query without a question; None where it has none of ours, or is malformed."""
    try:
        edns = _read_query_edns(wire, HEADER_OCTETS, others, additionals)
    except (WireError, struct.error):
        return None
    return edns if edns and not edns.version else None


def _read_query_edns(wire: bytes, at: int, others: int, additionals: int) -> Edns | None:
    """Return the OPT record of a query, whose message must end with its last record."""
    for _ in range(others):
        rtype, _, _, _, at = _read_record_head(wire, skip_name(wire, at))
        if rtype == RRType.OPT:
            raise OptError("an OPT record outside the additional section")
    edns, at = _read_opt(wire, at, additionals)
    if at != len(wire):
        raise WireError(f"{len(wire) - at} octets follow the message")
    if edns and edns.cookie is not None and len(edns.cookie) not in LENGTHS:
        raise OptError(f"a COOKIE option of {len(edns.cookie)} octets")  # RFC 7873 section 5.2.2
    return edns


def _read_additional(wire: bytes, at: int, additionals: int) -> Edns | None:
    return _read_opt(wire, at, additionals)[0]  # what follows a response does no harm


def _read_opt(wire: bytes, at: int, additionals: int) -> tuple[Edns | None, int]:
    edns = None
    for _ in range(additionals):
        owner_at = at
        rtype, rclass, ttl, data_at, at = _read_record_head(wire, skip_name(wire, at))
        if rtype != RRType.OPT:
            continue
        if edns is not None or wire[owner_at]:
            raise OptError("a second OPT record, or one that is not the root's")  # RFC 6891 section 6.1.1
        edns = read_edns(rclass, ttl, wire[data_at:at])
    return edns, at


def _read_record_head(wire: bytes, at: int) -> tuple[int, int, int, int, int]:
    """Return type, class, TTL of the record whose owner ends at `at`, and where its data start and end."""
    rtype, rclass, ttl, size = _RECORD.unpack_from(wire, at)
    at += _RECORD.size
    if at + size > len(wire):
        raise WireError("the octets end within a record")
    return rtype, rclass, ttl, at, at + size


def _read_rrsets(wire: bytes, at: int, count: int, seen: Seen) -> tuple[tuple[RRset, ...], int]:
    """Return the next `count` records as RRsets in order of appearance, and the offset behind them."""
    if not count:
        return (), at
    ttls: dict[tuple[bytes, int], int] = {}
    rdatas: dict[tuple[bytes, int], dict[bytes, None]] = {}
    for _ in range(count):
        owner, at = read_name(wire, at, seen)
        rtype, rclass, ttl, data_at, at = _read_record_head(wire, at)
        if rtype == RRType.OPT:
            raise WireError("an OPT record outside the additional section")
        if rclass != _CLASS_IN:
            continue
        key = (owner.lower(), rtype)
        rdata = read_rdata(wire, data_at, at, rtype, seen)
        ttl_s = ttl if ttl <= _TTL_MAX else 0
        ttls[key] = min(ttl_s, ttls.get(key, ttl_s))
        rdatas.setdefault(key, {})[rdata] = None
    found = (
        RRset(owner=name_to_text(owner), rtype=rtype, ttl_s=ttls[owner, rtype], rdatas=tuple(each))
        for (owner, rtype), each in rdatas.items()
    )
    return tuple(found), at


def read_edns(payload: int, ttl: int, options: bytes) -> Edns:
    """Return an OPT record by its class, its TTL and its data (RFC 6891 section 6.1.2).

    Raises:
        OptError: the options are malformed.
    """
    cookie: bytes | None = None
    padded = nsid = False
    errors: list[ExtendedError] = []
    at = 0
    while at < len(options):
        if at + 4 > len(options):
            raise OptError("the octets end within an option")
        code, size = _UINT16_PAIR.unpack_from(options, at)
        data = options[at + 4 : at + 4 + size]
        at += 4 + size
        if at > len(options) or (code == _EDE and size < 2):
            raise OptError("an option is shorter than it says")
        if code == _EDE and len(errors) < ERRORS_MAX:
            text = data[2 : 2 + ERROR_TEXT_MAX].decode("utf-8", "replace").rstrip("\0")
            errors.append(ExtendedError(code=int.from_bytes(data[:2], "big"), text=text))
        elif code == _COOKIE and cookie is None:  # the first one counts (RFC 7873 section 5.2)
            cookie = data
        elif code == _PADDING:
            padded = True
        elif code == _NSID:
            nsid = True
    return Edns(
        payload=payload,
        rcode_high=ttl >> 24,
        version=ttl >> 16 & 0xFF,
        do=ttl & _DO != 0,
        compact_ok=ttl & _CO != 0,
        cookie=cookie,
        padded=padded,
        nsid=nsid,
        errors=tuple(errors),
    )


def _write_rrsets(out: bytearray, query: Query, rrsets: tuple[RRset, ...], offsets: Offsets) -> int:
    """Append what the client wants of `rrsets`; return the number of records."""
    count = 0
    for rrset in rrsets:
        if rrset.rtype in _DNSSEC_TYPES and not query.do and query.question.qtype not in (rrset.rtype, RRType.ANY):
            continue
        owner = name_from_text(rrset.owner)
        head = _RECORD_HEAD.pack(rrset.rtype, _CLASS_IN, rrset.ttl_s)
        for rdata in rrset.rdatas:
            write_name(out, owner, offsets)
            out += head
            write_rdata(out, rrset.rtype, rdata, offsets)
        count += len(rrset.rdatas)
    return count


def _write_what_fits(out: bytearray, query: Query, rrsets: tuple[RRset, ...], offsets: Offsets, octets_max: int) -> int:
    """Append `rrsets`, each whole, until one does not fit; return the number of records."""
    count = 0
    for rrset in rrsets:
        at = len(out)
        more = _write_rrsets(out, query, (rrset,), offsets)
        if len(out) > octets_max:
            del out[at:]
            break
        count += more
    return count


def _foresee(seen: Seen, qname: bytes) -> None:
    """Have names that point into the question read in lower case.

    Its random letters are ours, and must not end up in the records of the answer.
    """
    at = 0
    while length := qname[at]:
        seen[HEADER_OCTETS + at] = qname[at:]
        at += 1 + length


def _question(outbound: Outbound) -> bytes:
    return name_from_text(outbound.cased_qname) + _UINT16_PAIR.pack(outbound.question.qtype, _CLASS_IN)


def opt_record(
    *,
    do: bool,
    compact: bool = False,
    rcode: int = 0,
    errors: Iterable[ExtendedError] = (),
    cookie: bytes = b"",
    nsid: bytes = b"",
) -> bytes:
    """Return our OPT record (RFC 6891 section 6.1.2)."""
    options = _UINT16_PAIR.pack(_COOKIE, len(cookie)) + cookie if cookie else b""
    options += _UINT16_PAIR.pack(_NSID, len(nsid)) + nsid if nsid else b""
    options += b"".join(_error_option(error) for _, error in zip(range(ERRORS_MAX), errors, strict=False))
    flags = (_DO if do else 0) | (_CO if compact else 0)
    return _OPT.pack(0, RRType.OPT, PAYLOAD_OURS, rcode >> 4, 0, flags, len(options)) + options


def _padded(opt: bytes, before: int, block: int) -> bytes:
    """Return `opt` with a padding option (RFC 7830), so that with `before` octets it is a multiple of `block`.

    A message that cannot grow so far becomes as large as can be (RFC 8467 section 4.1).
    """
    size = before + len(opt) + _UINT16_PAIR.size
    if size > MESSAGE_MAX:
        return opt
    padding = min(-size % block, MESSAGE_MAX - size)
    options = opt[_OPT.size :] + _UINT16_PAIR.pack(_PADDING, padding) + bytes(padding)
    return opt[: _OPT.size - 2] + len(options).to_bytes(2, "big") + options


def _error_option(error: ExtendedError) -> bytes:
    text = error.text.encode("utf-8", "replace")[:ERROR_TEXT_MAX].decode("utf-8", "ignore").encode("utf-8")
    return struct.pack("!HHH", _EDE, 2 + len(text), error.code) + text
