"""A zone as it comes from a primary: messages in, and out a whole zone or what changes in ours.

Reads what may come by RFC 5936 section 3 and RFC 1995 section 4, and takes nothing that is not whole: of a transfer
that is broken in any way nothing remains. Whether what came may be served is judged elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from standfast.authority.record_edits import RecordEdits
from standfast.authority.serials import later
from standfast.authority.zone import Draft, Zone, draft_of, serial_of
from standfast.dns.changes import Change
from standfast.dns.codec import QR
from standfast.dns.master_text import TTL_MAX_S
from standfast.dns.masterfile import Record
from standfast.dns.model import Name, RRType, rcode_name, type_name
from standfast.dns.name import is_below
from standfast.dns.rdata import canonical_rdata, check_known
from standfast.dns.requests import CLASS_IN, Message, Opcode, Raw, read_message
from standfast.dns.wire import WireError

RECORDS_MAX: Final = 8_000_000  # of one transfer; more would not fit the memory of the machines that this runs on
OCTETS_MAX: Final = 1 << 30  # of all its messages: what so many records have in practice
_NO_RECORDS: Final = frozenset({0, RRType.OPT, RRType.NXNAME, *range(249, 256)})


@dataclass(frozen=True, slots=True)
class More:
    """The transfer goes on."""


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The primary's zone, with this `serial`, is not later than ours."""

    serial: int


@dataclass(frozen=True, slots=True)
class Whole:
    """All of the zone came, not judged yet."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class Changed:
    """What changes in the zone that is held, by all deltas that came taken together (RFC 1995 section 6)."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """Nothing may be taken of it; `why` in words."""

    why: str


Finished = UpToDate | Whole | Changed | Broken
Progress = More | Finished


class TransferIn:
    """One transfer, message by message. After anything but `More` it is over."""

    def __init__(self, origin: Name, *, id_: int, held: Zone | None, incremental: bool, source: str) -> None:
        """Wait for the first message.

        Args:
            origin: the zone's name.
            id_: of the query.
            held: the zone that we have, which only a later one may replace; None: any may come.
            incremental: IXFR was asked for, from the serial of `held`; else AXFR.
            source: where it comes from, for the words of faults.
        """
        self._origin = origin
        self._id = id_
        self._held = held
        self._qtype = RRType.IXFR if incremental else RRType.AXFR
        self._source = source
        self._messages = 0
        self._octets = 0
        self._count = 0  # of records
        self._next: Callable[[Record], Finished | None] = self._first
        self._last: Record | None = None  # the SOA that it begins with, and must end with
        self._records: list[Record] = []
        self._edits: RecordEdits | None = None
        self._serial = 0  # that deltas have led to

    def take(self, wire: bytes) -> Progress:
        """Take in the next message, without the TSIG that it may have had."""
        self._messages += 1
        self._octets += len(wire)
        try:
            message = read_message(wire)
            self._check(message)
            return self._read(message)
        except (WireError, _Fault) as error:
            return Broken(f"message {self._messages}: {error}")

    def cut(self) -> Broken:
        """Return what it is when no more messages come."""
        return Broken(f"it ended after {self._count} records, without the SOA at its end")

    def _check(self, message: Message) -> None:
        """RFC 5936 section 2.2: later messages may leave the question out; TC and AA mean nothing here."""
        if message.id != self._id or not message.flags & QR or message.opcode != Opcode.QUERY:
            raise _Fault("it is no response to the query")
        if message.rcode:
            raise _Fault(f"the primary says {rcode_name(message.rcode)}")
        asked = (message.qname, message.qtype, message.qclass)
        if asked != (self._origin, self._qtype, CLASS_IN) and (message.question or self._messages == 1):
            raise _Fault("it has another question than the query")
        if not message.answer:
            raise _Fault("it has no records")

    def _read(self, message: Message) -> Progress:
        finished: Finished | None = None
        for raw in message.answer:
            if finished is not None:
                raise _Fault(f"{_shown(raw)} follows the SOA at its end")
            finished = self._next(self._record(raw))
            if isinstance(finished, UpToDate):
                return finished  # nobody needs what follows
        self._count += len(message.answer)
        if finished is None and (self._count > RECORDS_MAX or self._octets > OCTETS_MAX):
            raise _Fault(f"it has more than {RECORDS_MAX} records or {OCTETS_MAX} octets")
        return finished or More()

    def _record(self, raw: Raw) -> Record:
        if raw.rclass != CLASS_IN:
            raise _Fault(f"{_shown(raw)} is of class {raw.rclass}, not IN")
        if raw.rtype in _NO_RECORDS:
            raise _Fault(f"{_shown(raw)} is of a type that stands in no zone")
        if raw.rtype == RRType.SOA and raw.owner != self._origin:
            raise _Fault(f"an SOA at {raw.owner}; the zone begins at {self._origin}")
        check_known(raw.rtype, raw.rdata)
        ttl_s = raw.ttl_s if raw.ttl_s <= TTL_MAX_S else 0  # RFC 2181 section 8
        return Record(raw.owner, raw.rtype, ttl_s, raw.rdata, self._source, self._messages)

    # What a record means by where it stands: each takes one, and sets which takes the next --------------------------

    def _first(self, record: Record) -> Finished | None:
        if record.rtype != RRType.SOA:
            raise _Fault(f"it begins with {_shown(record)}, not with the SOA")
        serial = serial_of(record.rdata)
        if self._held is not None and not later(serial, self._held.serial):
            return UpToDate(serial)
        self._last = record
        self._records.append(record)
        self._next = self._second if self._qtype == RRType.IXFR else self._whole
        return None

    def _second(self, record: Record) -> Finished | None:
        """Find whether an IXFR is answered by deltas: they begin with the SOA that we have (RFC 1995 section 4)."""
        assert self._held is not None
        if record.rtype != RRType.SOA or self._is_last(record):
            self._next = self._whole
            return self._whole(record)
        self._edits = RecordEdits(self._held)
        self._serial = self._held.serial
        return self._delta(record)

    def _whole(self, record: Record) -> Finished | None:
        if record.rtype != RRType.SOA:
            self._records.append(record)
            return None
        self._check_last(record)
        draft = draft_of(self._records, origin=self._origin, file=self._source)
        if draft.faults:
            raise _Fault(draft.faults[0].text)
        return Whole(draft)

    def _delta(self, record: Record) -> Finished | None:
        """Begin with the SOA of the version that this delta leads away from."""
        if (serial := serial_of(record.rdata)) != self._serial:
            raise _Fault(f"a delta leads away from serial {serial}, and those before it lead to {self._serial}")
        self._next = self._removed
        return None

    def _removed(self, record: Record) -> Finished | None:
        assert self._edits is not None
        if record.rtype != RRType.SOA:
            self._inside(record)
            if not self._edits.remove(record):
                raise _Fault(f"it removes a record of {_shown(record)} that is not there")
            return None
        serial = serial_of(record.rdata)
        if not later(serial, self._serial):
            raise _Fault(f"a delta leads from serial {self._serial} back to {serial}")
        self._serial = serial
        self._next = self._added
        return None

    def _added(self, record: Record) -> Finished | None:
        assert self._edits is not None
        if record.rtype != RRType.SOA:
            self._inside(record)
            if not self._edits.add(record):
                raise _Fault(f"it adds a record of {_shown(record)} that is there already")
            return None
        assert self._last is not None
        if self._serial != serial_of(self._last.rdata):
            return self._delta(record)
        self._check_last(record)
        self._edits.replace(record)
        return Changed(self._edits.changes())

    # ----------------------------------------------------------------------------------------------------------------

    def _is_last(self, record: Record) -> bool:
        assert self._last is not None
        return serial_of(record.rdata) == serial_of(self._last.rdata)

    def _check_last(self, record: Record) -> None:
        """RFC 5936 section 2.2: first and last are the same, or the zone changed under way."""
        assert self._last is not None
        if canonical_rdata(RRType.SOA, record.rdata) != canonical_rdata(RRType.SOA, self._last.rdata):
            first, last = serial_of(self._last.rdata), serial_of(record.rdata)
            raise _Fault(f"the SOA at its end (serial {last}) is not that of its beginning (serial {first})")

    def _inside(self, record: Record) -> None:
        if not is_below(record.owner, self._origin):
            raise _Fault(f"{record.owner} is not in the zone {self._origin}")


def _shown(record: Record | Raw) -> str:
    return f"{record.owner} {type_name(record.rtype)}"


class _Fault(Exception):
    """What is wrong with a transfer, in words; it never leaves this module."""
