"""RRsets and their changes as octets, as they are kept on a disk and hashed: whole, or told to be broken. Pure.

An RRset is its owner, type, TTL and data, each with its length; what is kept begins with a checksum over all the rest.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset
from standfast.dns.name import ROOT
from standfast.dns.wire import LABEL_OCTETS_MAX, NAME_OCTETS_MAX, WireError, name_from_text, name_to_text

_CHECKSUM_OCTETS: Final = 4
_HEAD = struct.Struct("!HII")  # type, TTL, number of records
_pack_head = struct.Struct("!HIIH").pack  # and the length of the first
_LENGTH = struct.Struct("!H")
TAILS_MAX: Final = 16_384  # data that names share and are kept as octets meanwhile: more than a large zone has pools
_BEFORE: Final = 1  # which of the two a change has
_AFTER: Final = 2


def pack_rrsets(rrsets: Iterable[RRset]) -> bytes:
    """Return RRsets as octets."""
    pages = _Pages()
    for rrset in rrsets:
        pages.add(rrset)
    return _sealed(pages.out)


def unpack_rrsets(octets: bytes) -> Iterator[RRset]:
    """Yield the RRsets that `pack_rrsets` packed.

    Raises:
        WireError: the octets are not what they were.
    """
    body = _opened(octets)
    at = 0
    while at < len(body):
        rrset, at = _read(body, at)
        yield rrset


def pack_changes(changes: Iterable[Change]) -> bytes:
    """Return changes as octets."""
    pages = _Pages()
    for change in changes:
        before, after = change.before, change.after
        pages.out.append((_BEFORE if before else 0) | (_AFTER if after else 0))
        if before is not None:
            pages.add(before)
        if after is not None:
            pages.add(after)
    return _sealed(pages.out)


def unpack_changes(octets: bytes) -> Iterator[Change]:
    """Yield the changes that `pack_changes` packed.

    Raises:
        WireError: the octets are not what they were.
    """
    body = _opened(octets)
    at = 0
    while at < len(body):
        which = body[at]
        at += 1
        before = after = None
        if which & _BEFORE:
            before, at = _read(body, at)
        if which & _AFTER:
            after, at = _read(body, at)
        yield Change(before=before, after=after)


class _Pages:
    """Octets in the making.

    Of half a million names nearly all are a label below one that was there before, and share their data with others
    where they have more than one record.
    """

    __slots__ = ("_above", "_tails", "out")

    def __init__(self) -> None:
        self.out = bytearray()
        self._above: dict[Name, bytes] = {}  # the octets of names that others are directly below
        self._tails: dict[tuple[int, int, tuple[bytes, ...]], bytes] = {}  # all that follows an owner

    def add(self, rrset: RRset) -> None:
        """Append one RRset."""
        owner, rdatas = rrset.owner, rrset.rdatas
        if len(rdatas) == 1:  # made as soon as found
            (rdata,) = rdatas
            tail = _pack_head(rrset.rtype, rrset.ttl_s, 1, len(rdata)) + rdata
        else:
            tail = self._tail(rrset)
        label, _, above = owner.partition(".")
        size = len(label)
        if label and size <= LABEL_OCTETS_MAX and "\\" not in label:
            octets = self._above.get(above) or self._above.setdefault(above, name_from_text(above or ROOT))
            length = size + 1 + len(octets)
            if length <= NAME_OCTETS_MAX:
                self.out += b"%c%c%b%b%b" % (length, size, label.encode("ascii"), octets, tail)
                return
        octets = name_from_text(owner)
        self.out += b"%c%b%b" % (len(octets), octets, tail)

    def _tail(self, rrset: RRset) -> bytes:
        key = rrset.rtype, rrset.ttl_s, rrset.rdatas
        tail = self._tails.get(key)
        if tail is None:
            if len(self._tails) >= TAILS_MAX:
                self._tails.clear()
            first, *others = rrset.rdatas
            head = _pack_head(rrset.rtype, rrset.ttl_s, len(rrset.rdatas), len(first))
            tail = b"".join([head, first, *[_LENGTH.pack(len(rdata)) + rdata for rdata in others]])
            self._tails[key] = tail
        return tail


def _read(body: bytes, at: int) -> tuple[RRset, int]:
    try:
        start = at + 1
        at = start + body[at]
        owner = name_to_text(body[start:at])
        rtype, ttl_s, count = _HEAD.unpack_from(body, at)
        at += _HEAD.size
        rdatas = []
        for _ in range(count):
            (size,) = _LENGTH.unpack_from(body, at)
            start = at + _LENGTH.size
            at = start + size
            rdatas.append(body[start:at])
    except (IndexError, struct.error):
        raise WireError("the octets end within an RRset") from None
    if at > len(body) or not rdatas:
        raise WireError("the octets end within an RRset")
    return RRset(owner=owner, rtype=rtype, ttl_s=ttl_s, rdatas=tuple(rdatas)), at


def _sealed(body: bytearray) -> bytes:
    return zlib.crc32(body).to_bytes(_CHECKSUM_OCTETS, "big") + body


def _opened(octets: bytes) -> bytes:
    body = octets[_CHECKSUM_OCTETS:]
    if zlib.crc32(body).to_bytes(_CHECKSUM_OCTETS, "big") != octets[:_CHECKSUM_OCTETS]:
        raise WireError("the checksum is wrong")
    return body
