"""State files of format 1, as they were until November 2026: reads their rows, for the present format to carry over."""

import sqlite3
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

from standfast.dns.model import Question, RRset
from standfast.dns.rdata import check_rdata
from standfast.dns.wire import name_to_text, read_name
from standfast.guard.known import Answer, Baseline, KnownGood

_COLUMNS: Final = (
    "qname, qtype, answer, ad, first_seen_s, confirmed_at_s, changed_at_s, confirmations, seen, "
    "baseline_asked_at_s, baseline_proven_at_s, zone, released_at_s, lost_at_s, proven_at_s, operator_hold_until_s"
)
_ANSWER_VERSION: Final = b"\x01"
_CRC: Final = struct.Struct("!I")
_RRSET: Final = struct.Struct("!HIH")  # type, TTL, number of records
_LENGTH: Final = struct.Struct("!H")
_TTL_MAX: Final = (1 << 31) - 1  # RFC 2181 section 8

Row = tuple[Any, ...]


def rows(connection: sqlite3.Connection, table: str, *, in_key_order: bool = False) -> Iterator[Row]:
    """Return the rows of `table`; in the order of the present format's keys, that takes room on the disk.

    Raises:
        sqlite3.Error: there is no such table, or it is not of this format.
    """
    order = ""
    if in_key_order:
        connection.create_function("crc", 1, zlib.crc32, deterministic=True)
        order = "ORDER BY crc(CAST(qname AS BLOB)), qtype"
    return connection.execute(f"SELECT {_COLUMNS} FROM {table} {order}")  # noqa: S608  all of it is written here


def known_in(row: Row) -> KnownGood:
    """Return the answer in `row`.

    Raises:
        ValueError, TypeError, AttributeError, struct.error, StandfastError: it is not whole.
    """
    (qname, qtype, answer, ad, first, confirmed, changed, confirmations, seen, *rest) = row
    asked, proven, zone, released, lost, proven_at, hold_until = rest
    name = qname.decode("ascii")
    rrsets = _unpack(answer)
    if not any(rrset.owner == name for rrset in rrsets):  # the checksum guards the answer, this the name
        raise ValueError("the answer is to another name")
    return KnownGood(
        question=Question(name, qtype),
        answer=Answer(rrsets=rrsets, ad=bool(ad)),
        first_seen_s=first,
        confirmed_at_s=confirmed,
        changed_at_s=changed,
        confirmations=confirmations,
        seen=tuple(seen.decode("ascii").split()),
        baseline=None if asked is None else Baseline(asked_at_s=asked, proven_at_s=proven),
        zone=zone and zone.decode("ascii"),
        released_at_s=released,
        lost_at_s=lost,
        proven_at_s=proven_at,
        operator_hold_until_s=hold_until,
    )


def _unpack(data: bytes) -> tuple[RRset, ...]:
    body, crc = data[: -_CRC.size], data[-_CRC.size :]
    if body[:1] != _ANSWER_VERSION or _CRC.pack(zlib.crc32(body)) != crc:
        raise ValueError("the checksum of the answer is wrong")
    found = []
    at = len(_ANSWER_VERSION)
    while at < len(body):
        rrset, at = _unpack_one(body, at)
        found.append(rrset)
    return tuple(found)


def _unpack_one(body: bytes, at: int) -> tuple[RRset, int]:
    start = at
    owner, at = read_name(body, at, {})
    if body[start:at] != owner.lower():
        raise ValueError("an owner is compressed or not in lower case")
    rtype, ttl_s, number = _RRSET.unpack_from(body, at)
    at += _RRSET.size
    if ttl_s > _TTL_MAX or not number:
        raise ValueError("an RRset without records, or with a TTL that cannot be")
    rdatas = []
    for _ in range(number):
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(body, at)[0]
        if at > len(body):
            raise ValueError("the octets end within a record")
        check_rdata(rtype, body[start:at])
        rdatas.append(body[start:at])
    return RRset(owner=name_to_text(owner), rtype=rtype, ttl_s=ttl_s, rdatas=tuple(rdatas)), at
