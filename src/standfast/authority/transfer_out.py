"""What answers AXFR (RFC 5936) and IXFR (RFC 1995): which records, and in which messages. Pure.

A stream is of the snapshot that it was begun with, whatever becomes of the zone meanwhile, and each message is made
when it is asked for: half a million records take no more memory than one message.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Final

from standfast.authority.journal import Delta, Journal
from standfast.authority.serials import later
from standfast.authority.zone import SERIAL_AT, Zone
from standfast.dns.changes import Change
from standfast.dns.codec import AA, MESSAGE_MAX, QR, RD, opt_record
from standfast.dns.model import RRset, RRType
from standfast.dns.packing import pack
from standfast.dns.requests import Request

# What a pointer reaches, so that all names can be compressed; and a millisecond of work, before others have a turn.
MESSAGE_OCTETS: Final = 1 << 14


class Form(StrEnum):
    """What an answer is."""

    ZONE = "zone"  # all of it, also where the differences that were asked for are not known any more
    DIFFERENCES = "differences"
    SOA = "soa"  # there is nothing newer; or, by UDP, "come by TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An answer: what it is, and its messages, unsigned."""

    form: Form
    messages: Iterator[bytes]


def whole(request: Request, zone: Zone) -> Outgoing:
    """Answer AXFR.

    Raises:
        WireError: while it is read; a record does not fit in any message.
    """
    return _stream(Form.ZONE, request, _whole(zone))


def since(serial: int, request: Request, zone: Zone, journal: Journal) -> Outgoing:
    """Answer IXFR by TCP from a client that has the zone with `serial` (RFC 1995 section 4).

    Who has the same or a newer one gets the SOA, who has one that the journal does not know the whole zone.

    Raises:
        WireError: while it is read; a record does not fit in any message.
    """
    if serial == zone.serial or later(serial, zone.serial):
        return _stream(Form.SOA, request, (zone.soa,))
    deltas = _known(serial, zone, journal)
    if deltas is None:
        return whole(request, zone)
    return _stream(Form.DIFFERENCES, request, _differences(zone, deltas))


def since_by_datagram(serial: int, request: Request, zone: Zone, journal: Journal, size_max: int) -> Outgoing:
    """Answer IXFR by UDP: the differences where they fit, else the SOA (RFC 1995 section 2).

    `size_max` is the largest datagram, in octets, that we send.
    """
    deltas = _known(serial, zone, journal) if later(zone.serial, serial) else None
    if deltas is not None:
        room = min(request.payload_max, size_max) - _signature_octets(request)
        messages = _pack(request, _differences(zone, deltas), room)
        first = next(messages)
        if len(first) <= room and next(messages, None) is None:
            return Outgoing(form=Form.DIFFERENCES, messages=iter((first,)))
    return _stream(Form.SOA, request, (zone.soa,))


def serial_asked_for(request: Request) -> int | None:
    """Return the serial of the zone that a client of IXFR has; None where it does not say (RFC 1995 section 3)."""
    for record in request.authority:
        if record.rtype == RRType.SOA and record.owner == request.qname and len(record.rdata) >= -SERIAL_AT:
            return int.from_bytes(record.rdata[SERIAL_AT : SERIAL_AT + 4], "big")
    return None


def _stream(form: Form, request: Request, records: Iterable[RRset]) -> Outgoing:
    return Outgoing(form=form, messages=_pack(request, records, MESSAGE_OCTETS))


def _pack(request: Request, records: Iterable[RRset], octets: int) -> Iterator[bytes]:
    """Yield the messages; header and OPT are as RFC 5936 sections 2.2.1 and 2.2.5 have them."""
    return pack(
        records,
        head=(request.id, QR | AA | request.flags & RD),
        question=request.question,
        opt=opt_record(do=request.edns.do) if request.edns else b"",
        octets=octets,
        octets_max=MESSAGE_MAX - _signature_octets(request),
    )


def _signature_octets(request: Request) -> int:
    return request.key.octets if request.key else 0


def _known(serial: int, zone: Zone, journal: Journal) -> Sequence[Delta] | None:
    """Return what leads from `serial` to the zone as it is; None where that is not known."""
    deltas = journal.since(serial)
    return deltas if deltas and deltas[-1].after == zone.serial else None


def _whole(zone: Zone) -> Iterator[RRset]:
    """Yield every record, names that a cut or a DNAME hides too, between two SOAs (RFC 5936 sections 2.2 and 3)."""
    soa = zone.soa
    return chain((soa,), (rrset for rrset in zone.rrsets() if rrset is not soa), (soa,))


def _differences(zone: Zone, deltas: Iterable[Delta]) -> Iterator[RRset]:
    """Yield what goes and what comes, one delta after the other, each part behind its SOA (RFC 1995 section 4)."""
    yield zone.soa
    for delta in deltas:
        soa = next(change for change in delta.changes if _is_soa(change))
        others = [change for change in delta.changes if change is not soa]
        assert soa.before is not None
        assert soa.after is not None
        yield soa.before
        for change in others:
            if change.before is not None and (rdatas := change.removed):
                yield _with(change.before, rdatas)
        yield soa.after
        for change in others:
            if change.after is not None and (rdatas := change.added):
                yield _with(change.after, rdatas)
    yield zone.soa


def _is_soa(change: Change) -> bool:
    rrset = change.before or change.after
    return rrset is not None and rrset.rtype == RRType.SOA


def _with(rrset: RRset, rdatas: tuple[bytes, ...]) -> RRset:
    return RRset(owner=rrset.owner, rtype=rrset.rtype, ttl_s=rrset.ttl_s, rdatas=rdatas)
