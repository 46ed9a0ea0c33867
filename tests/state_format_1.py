"""State files of format 1, as the first version wrote them: the tables, and the row of an answer."""

import struct
import zlib
from collections.abc import Iterable
from typing import Any, Final

from standfast.dns.model import RRset
from standfast.dns.wire import name_from_text
from standfast.guard.known import KnownGood
from standfast.io.state.store_file import APPLICATION_ID

SCHEMA: Final = (
    """
CREATE TABLE known_good (
  qname TEXT NOT NULL, qtype INTEGER NOT NULL,
  answer BLOB NOT NULL, ad INTEGER NOT NULL,
  first_seen_s REAL NOT NULL, confirmed_at_s REAL NOT NULL, changed_at_s REAL NOT NULL,
  confirmations INTEGER NOT NULL,
  seen TEXT NOT NULL,
  baseline_asked_at_s REAL, baseline_proven_at_s REAL, zone TEXT,
  released_at_s REAL, lost_at_s REAL, proven_at_s REAL, operator_hold_until_s REAL,
  PRIMARY KEY (qname, qtype)
) STRICT, WITHOUT ROWID""",
    "CREATE TABLE switch (id INTEGER PRIMARY KEY CHECK (id = 1), enabled INTEGER NOT NULL) STRICT",
    f"PRAGMA application_id = {APPLICATION_ID}",
    "PRAGMA user_version = 1",
)
INSERT: Final = f"INSERT INTO known_good VALUES ({', '.join('?' * 16)})"


def row(known: KnownGood) -> tuple[Any, ...]:
    """Return the row of `known`, for `INSERT`."""
    baseline = known.baseline
    return (
        *(known.question.qname, known.question.qtype, sealed(body_of(known.answer.rrsets)), known.answer.ad),
        *(known.first_seen_s, known.confirmed_at_s, known.changed_at_s, known.confirmations, " ".join(known.seen)),
        *(baseline and baseline.asked_at_s, baseline and baseline.proven_at_s, known.zone),
        *(known.released_at_s, known.lost_at_s, known.proven_at_s, known.operator_hold_until_s),
    )


def body_of(rrsets: Iterable[RRset]) -> bytes:
    """Return `rrsets` as they were packed, but for the checksum at the end."""
    body = bytearray(b"\x01")
    for rrset in rrsets:
        body += name_from_text(rrset.owner) + struct.pack("!HIH", rrset.rtype, rrset.ttl_s, len(rrset.rdatas))
        for rdata in rrset.rdatas:
            body += len(rdata).to_bytes(2, "big") + rdata
    return bytes(body)


def sealed(body: bytes) -> bytes:
    """Return `body` with its checksum."""
    return body + zlib.crc32(body).to_bytes(4, "big")
