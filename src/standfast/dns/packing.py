"""Messages full of records, one after the other: what a zone transfer is made of (RFC 5936 section 3.4).

Names are compressed letter for letter, as a secondary is to have them as they were written, and by their text: that
takes a microsecond a record, where the octets of each name would take several.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from standfast.dns.model import Name, RRset
from standfast.dns.name import ROOT, ancestors, parent
from standfast.dns.rdata import COMPRESSIBLE, NAME, SHAPES
from standfast.dns.wire import (
    HEADER_OCTETS,
    POINTER,
    POINTER_REACH,
    WireError,
    name_from_text,
    name_to_text,
    skip_name,
)

_CLASS_IN: Final = 1
_HEADER = struct.Struct("!6H")
_UINT16 = struct.Struct("!H")
_POINTER = POINTER << 8
_pack_pointer = _UINT16.pack
_pack_record = struct.Struct("!HHIH").pack  # type, class, TTL, length of the data


def pack(
    records: Iterable[RRset], *, head: tuple[int, int], question: bytes, opt: bytes, octets: int, octets_max: int
) -> Iterator[bytes]:
    """Yield messages with all `records`, each made when it is asked for; at least one.

    Args:
        records: the answer section of all messages together; an RRset may go on in the next one.
        head: ID and flags of each message.
        question: the question section, which each has.
        opt: the OPT record of the first one, or nothing.
        octets: how large a message is to become.
        octets_max: how large one may, that has but a single record.

    Raises:
        WireError: a record is larger than that.
    """
    page = _Page(question, len(opt))
    for rrset in records:
        for rdata in rrset.rdatas:
            at = len(page.out)
            page.add(rrset, rdata)
            if len(page.out) + page.opt_octets <= octets:
                continue
            if page.count > 1:
                yield page.close(head, opt, at)
                opt = b""
                page = _Page(question, 0)
                page.add(rrset, rdata)
            if len(page.out) + page.opt_octets > octets_max:
                raise WireError(f"a record of {rrset.owner} does not fit in a message of {octets_max} octets")
    yield page.close(head, opt, None)


class _Page:
    """One message in the making."""

    __slots__ = ("_owner", "_owner_at", "_pointers", "count", "opt_octets", "out")

    def __init__(self, question: bytes, opt_octets: int) -> None:
        self.out = bytearray(HEADER_OCTETS) + question
        self.opt_octets = opt_octets
        self.count = 0
        self._pointers: dict[Name, bytes] = {}
        at = HEADER_OCTETS
        for name in ancestors(name_to_text(question)):
            self._pointers[name] = _pack_pointer(_POINTER | at)
            at += 1 + self.out[at]
        self._pointers[ROOT] = self._pointers[""] = b"\0"  # shorter than any pointer
        self._owner = ""  # of the last record, and where it stands
        self._owner_at = 0

    def add(self, rrset: RRset, rdata: bytes) -> None:
        """Append one record."""
        self.count += 1
        out, owner, rtype = self.out, rrset.owner, rrset.rtype
        if owner == self._owner:
            out += _pack_pointer(_POINTER | self._owner_at)
        else:  # nearly always a label below a name that is there, and nothing else is to point to it
            label, _, above = owner.partition(".")
            pointer = self._pointers.get(above)
            here = len(out)
            if pointer is None or not label or "\\" in label:
                self._spell(owner)
            else:
                out += b"%c%b%b" % (len(label), label.encode(), pointer)
            if here < POINTER_REACH:
                self._owner, self._owner_at = owner, here
        if rtype in COMPRESSIBLE:
            self._add_names(rrset, rdata)
        else:
            out += _pack_record(rtype, _CLASS_IN, rrset.ttl_s, len(rdata)) + rdata

    def close(self, head: tuple[int, int], opt: bytes, without_at: int | None) -> bytes:
        """Return the message; without the last record, which begins at `without_at`, where that is given."""
        if without_at is not None:
            del self.out[without_at:]
            self.count -= 1
        _HEADER.pack_into(self.out, 0, *head, 1, self.count, 0, int(opt != b""))
        return bytes(self.out + opt)

    def _add_names(self, rrset: RRset, rdata: bytes) -> None:
        """Append all but the owner of a record whose data have names that may be compressed."""
        out, at = self.out, 0
        out += _pack_record(rrset.rtype, _CLASS_IN, rrset.ttl_s, 0)
        start = len(out)
        for part in SHAPES[rrset.rtype]:
            behind = skip_name(rdata, at) if part == NAME else at + part
            if part == NAME:
                self._spell(name_to_text(rdata[at:behind]))
            else:
                out += rdata[at:behind]
            at = behind
        _UINT16.pack_into(out, start - _UINT16.size, len(out) - start)

    def _spell(self, name: Name) -> None:
        """Append `name`, letters as they are, up to what a pointer can stand for."""
        out, pointers = self.out, self._pointers
        while (pointer := pointers.get(name)) is None:
            here = len(out)
            if here < POINTER_REACH:
                pointers[name] = _pack_pointer(_POINTER | here)
            if "\\" in name:
                octets = name_from_text(name)
                out += octets[: 1 + octets[0]]
                name = parent(name)
            else:
                label, _, name = name.partition(".")
                out += b"%c%b" % (len(label), label.encode())
        out += pointer
