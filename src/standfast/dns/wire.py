"""Names on the wire: read, skipped, written, and turned into text and back (RFC 1035 sections 3.1 and 4.1.4).

A name on the wire is its uncompressed octets, letter case as it came. Reading takes time linear in what is
read, whatever it says.
"""

import struct
from functools import lru_cache
from typing import Final

import dns.name

from standfast.dns.model import Name
from standfast.errors import StandfastError

HEADER_OCTETS: Final = 12  # RFC 1035 section 4.1.1; no name starts in there
NAME_OCTETS_MAX: Final = 255  # RFC 1035 section 2.3.4
LABEL_OCTETS_MAX: Final = 63
POINTERS_MAX: Final = 127  # a name has at most 127 labels, and an honest pointer leads to at least one of them
POINTER: Final = 0xC0  # the two high bits that mark a compression pointer
NAMES_MAX: Final = 1024  # kept in both forms: of one query, the same few are read and written several times
POINTER_REACH: Final = 0x4000  # what comes later in a message cannot be pointed to

_PLAIN = bytes(octet for octet in range(0x21, 0x7F) if octet not in b'"().;\\@$')  # dnspython escapes the others
_UINT16 = struct.Struct("!H")

Seen = dict[int, bytes]  # names by the offset at which they start in the message
Offsets = dict[bytes, bytes]  # pointers by the lower-case name that they lead to


class WireError(StandfastError):
    """Octets that are not what they should be. Field: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_name(wire: bytes, at: int, seen: Seen) -> tuple[bytes, int]:
    """Return the name at offset `at`, uncompressed, and the offset behind it.

    `seen` is kept from call to call within one message: it spares the second look at what is pointed to.

    Raises:
        WireError: the octets end, a pointer does not lead backwards, a label type is unknown, the name is too
            long.
    """
    start, lowest, behind = at, at, -1
    parts: list[bytes] = []
    passed: list[tuple[int, int]] = []  # the offsets that pointers led to, and how many labels were read before
    try:
        while True:
            length = wire[at]
            if not length:
                tail = b"\0"
                behind = at + 1 if behind < 0 else behind
                break
            if length <= LABEL_OCTETS_MAX:
                parts.append(wire[at : at + 1 + length])
                at += 1 + length
                continue
            if length < POINTER:
                raise WireError(f"label type {length >> 6} at octet {at} is not known")
            target = (length & ~POINTER) << 8 | wire[at + 1]
            behind = at + 2 if behind < 0 else behind
            if not HEADER_OCTETS <= target < lowest or len(passed) == POINTERS_MAX:
                raise WireError(f"the compression pointer at octet {at} does not lead backwards to a name")
            if target in seen:
                tail = seen[target]
                break
            at = lowest = target
            passed.append((target, len(parts)))
    except IndexError:
        raise WireError("the octets end within a name") from None
    name = b"".join(parts) + tail if parts else tail
    if len(name) > NAME_OCTETS_MAX:
        raise WireError(f"the name at octet {start} is longer than {NAME_OCTETS_MAX} octets")
    seen[start] = name
    for target, labels in passed:
        seen[target] = b"".join(parts[labels:]) + tail
    return name, behind


def skip_name(wire: bytes, at: int) -> int:
    """Return the offset behind the name at `at`, without a look at where its pointer leads.

    Raises:
        WireError: the octets end, or a label type is unknown.
    """
    try:
        while length := wire[at]:
            if length >= POINTER:
                wire[at + 1]
                return at + 2
            if length > LABEL_OCTETS_MAX:
                raise WireError(f"label type {length >> 6} at octet {at} is not known")
            at += 1 + length
    except IndexError:
        raise WireError("the octets end within a name") from None
    return at + 1


def write_name(out: bytearray, name: bytes, offsets: Offsets) -> None:
    """Append the uncompressed `name` to the message `out`, compressed by and remembered in `offsets`."""
    at, start, lower = (
        0,
        len(out),
        name.lower(),
    )  # a length octet is below any letter, so `lower` leaves it alone
    while length := name[at]:
        suffix = lower[at:]
        pointer = offsets.get(suffix)
        if pointer is not None:
            out += name[:at]
            out += pointer
            return
        if start + at < POINTER_REACH:
            offsets[suffix] = _UINT16.pack(POINTER << 8 | start + at)
        at += 1 + length
    out += name


@lru_cache(maxsize=NAMES_MAX)
def name_to_text(name: bytes) -> str:
    """Return an uncompressed name as absolute text, letter case kept, escaped as dnspython escapes it."""
    labels = []
    at = 0
    while length := name[at]:
        at += 1 + length
        labels.append(name[at - length : at])
    if b"".join(labels).translate(None, _PLAIN):
        return "".join([_escape(label) + "." for label in labels])
    return b".".join(labels).decode("ascii") + "."


def label_to_text(label: bytes) -> str:
    """Return one label as it stands in an absolute name, without the dot."""
    return _escape(label) if label.translate(None, _PLAIN) else label.decode("ascii")


@lru_cache(maxsize=NAMES_MAX)
def name_from_text(text: Name) -> bytes:
    """Return the uncompressed octets of an absolute name in text, letter case kept.

    Raises:
        WireError: a label or the name is too long.
    """
    if text == ".":
        return b"\0"
    if "\\" in text:
        return dns.name.from_text(text).to_wire() or b""
    labels = text.encode("ascii").split(b".")
    if len(text) >= NAME_OCTETS_MAX or max(map(len, labels)) > LABEL_OCTETS_MAX:
        raise WireError(f'"{text}" is too long for a name')
    return b"".join([_LENGTHS[len(label)] + label for label in labels])


def _escape(label: bytes) -> str:
    return dns.name.Name((label,)).to_text(omit_final_dot=True)


_LENGTHS = [bytes((length,)) for length in range(LABEL_OCTETS_MAX + 1)]
