"""One record of the ledger: its fields, its one canonical form, its hash. Computes only.

A ledger is a text of lines, one record each, in the JSON Canonicalization Scheme of RFC 8785. The `hash` of a
record is the SHA-256 of the same record without it, and the next record repeats it as its `prev`:

    {"at_ms":1761000000,"body":{"qname":"example.org."},"hash":"9c","kind":"verdict","prev":"4f","seq":7}

There are no floats: every number is an integer that a double holds exactly, so its canonical form is its
digits (RFC 8785 section 3.2.2.3 has an algorithm for the others). Give shares in per mille, times in ms.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import NoReturn, TypeAlias

from standfast.errors import StandfastError

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"

INTEGER_MAX = 2**53 - 1  # beyond it other readers' doubles lose digits (RFC 7493 section 2.2)
DEPTH_MAX = 16  # of lists and objects in each other; a body needs three or four, a bomb needs thousands
LINE_BYTES_MAX = 256 * 1024  # holds the largest DNS message written out, and fits any reader's memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a chain stands: the number and the hash of its last record."""

    seq: int
    hash: str


GENESIS = Head(seq=0, hash="0" * 64)  # what the first record of all is chained to


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry of the ledger.

    `seq` counts from 1 without gaps and is the order. `at_ms` (Unix time in milliseconds) is what the clock
    said, and goes back where the clock did. `prev` and `hash` are 64 hexadecimal digits in lower case.
    """

    seq: int
    at_ms: int
    kind: str
    body: dict[str, JsonValue]
    prev: str
    hash: str


def chain(head: Head, *, at_ms: int, kind: str, body: Mapping[str, JsonValue]) -> Record:
    """Return the record that comes after `head`. What `body` holds must not be changed afterwards.

    Raises `UnfitValue` for what has no canonical form (a float, a lone surrogate, an integer beyond
    `INTEGER_MAX`, more than `DEPTH_MAX` levels) and for a record that would be longer than `LINE_BYTES_MAX`.
    """
    return chain_line(head, at_ms=at_ms, kind=kind, body=body)[0]


def chain_line(head: Head, *, at_ms: int, kind: str, body: Mapping[str, JsonValue]) -> tuple[Record, bytes]:
    """Return the record of `chain` and its line, which come cheaper together."""
    seq = head.seq + 1
    content = dict(body)
    front, back = _halves(at_ms=at_ms, body=content, kind=kind, prev=head.hash, seq=seq)
    digest = _seal(front, back)
    line = _line(front, digest, back)
    if len(line) > LINE_BYTES_MAX:
        raise UnfitValue(f"a record of more than {LINE_BYTES_MAX} bytes")
    return Record(seq=seq, at_ms=at_ms, kind=kind, body=content, prev=head.hash, hash=digest), line


def canonical(value: JsonValue) -> bytes:
    """Return `value` in the one form that RFC 8785 gives it: no spaces, members sorted, in UTF-8.

    Two values have the same form only if they are the same value. Raises `UnfitValue` as `chain` does.
    """
    try:
        return _render(value, 0).encode()
    except UnicodeEncodeError:
        raise UnfitValue("a text with a lone surrogate, which has no UTF-8 form") from None


def encode_line(record: Record) -> bytes:
    r"""Return the record as its line of the ledger, `\n` included. Raises `UnfitValue` as `chain` does."""
    front, back = _halves(at_ms=record.at_ms, body=record.body, kind=record.kind, prev=record.prev, seq=record.seq)
    return _line(front, record.hash, back)


def decode_line(line: bytes) -> Record:
    r"""Return the record that a line of the ledger, `\n` included, stands for.

    `line` may be anything at all. Raises `MalformedRecord` for what is not a record, and its subclass
    `ChangedRecord` for what is one, but not byte for byte the one that was written.
    """
    if not line.endswith(b"\n"):
        raise MalformedRecord("the line has no end")
    if len(line) > LINE_BYTES_MAX:
        raise MalformedRecord(f"the line is longer than {LINE_BYTES_MAX} bytes")
    try:
        match _READER.decode(line.decode()):
            case {
                "at_ms": int(at_ms),
                "body": dict(body),
                "hash": str(digest),
                "kind": str(kind),
                "prev": str(prev),
                "seq": int(seq),
                **others,
            } if not others and bool not in (type(at_ms), type(seq)):
                pass
            case _:
                raise MalformedRecord("the line is JSON, but not a record")
    except (ValueError, RecursionError):
        raise MalformedRecord("the line is not JSON") from None
    if seq < 1 or not (_DIGEST.fullmatch(digest) and _DIGEST.fullmatch(prev)):
        raise MalformedRecord("the number or a hash cannot be one")
    try:
        front, back = _halves(at_ms=at_ms, body=body, kind=kind, prev=prev, seq=seq)
    except UnfitValue as unfit:
        raise ChangedRecord(str(unfit), seq) from None
    if _line(front, digest, back) != line:
        raise ChangedRecord("the line is not in canonical form", seq)
    if _seal(front, back) != digest:
        raise ChangedRecord("the hash is not that of the content", seq)
    return Record(seq=seq, at_ms=at_ms, kind=kind, body=body, prev=prev, hash=digest)


def encode_head(head: Head) -> bytes:
    r"""Return the head as the one line of a head file, `\n` included."""
    return canonical({"hash": head.hash, "seq": head.seq}) + b"\n"


def decode_head(text: bytes) -> Head:
    """Return the head that a head file names. Raises `MalformedRecord` if it is anything else."""
    try:
        match _READER.decode(text.decode()):
            case {"hash": str(digest), "seq": int(seq)} if seq >= 0 and not isinstance(seq, bool):
                head = Head(seq=seq, hash=digest)
                if _DIGEST.fullmatch(digest) and encode_head(head) == text:
                    return head
    except (ValueError, RecursionError, UnfitValue):
        pass
    raise MalformedRecord("the head file does not name a record")


class LedgerError(StandfastError):
    """A ledger cannot be read or written. Says what, where, and what to do."""


class UnfitValue(LedgerError):
    """A value has no place in a record: `what` it is."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} has no place in the ledger")
        self.what = what


class MalformedRecord(LedgerError):
    """A line is not a record: the `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ChangedRecord(MalformedRecord):
    """A line is a record, but not the one that was written; `seq` is the number that it claims to have."""

    def __init__(self, reason: str, seq: int) -> None:
        super().__init__(reason)
        self.seq = seq


def _halves(*, at_ms: int, body: dict[str, JsonValue], kind: str, prev: str, seq: int) -> tuple[bytes, bytes]:
    """Return the canonical record before and after its `hash`, which sorts between `body` and `kind`."""
    # The line and the hash both need the body, by far the widest member; so it is rendered once.
    front = canonical({"at_ms": at_ms, "body": body})
    back = canonical({"kind": kind, "prev": prev, "seq": seq})
    return front[:-1], back[1:]


def _line(front: bytes, digest: str, back: bytes) -> bytes:
    return b'%b,"hash":"%b",%b\n' % (front, digest.encode(), back)


def _seal(front: bytes, back: bytes) -> str:
    return hashlib.sha256(b"%b,%b" % (front, back)).hexdigest()


def _render(value: JsonValue, depth: int) -> str:
    if isinstance(value, str):
        # It escapes as RFC 8785 section 3.2.2.2 asks: the short forms, \\u00xx in lower case, nothing else.
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return _LITERALS[value]
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise UnfitValue(f"an integer beyond +-{INTEGER_MAX}")
        return int.__repr__(value)
    if depth == DEPTH_MAX:
        raise UnfitValue(f"more than {DEPTH_MAX} lists and objects in each other")
    if isinstance(value, list):
        return f"[{','.join([_render(item, depth + 1) for item in value])}]"
    if isinstance(value, dict):
        keys = sorted(value)
        if not "".join(keys).isascii():  # beyond it, Python's order is not that of RFC 8785 section 3.2.3
            keys.sort(key=_utf16_units)
        return f"{{{','.join([f'{encode_basestring(key)}:{_render(value[key], depth + 1)}' for key in keys])}}}"
    raise UnfitValue(f"a {type(value).__name__} ({value!r:.40})")


def _utf16_units(key: str) -> bytes:
    return key.encode("utf-16-be")


def _refuse(number: str) -> NoReturn:
    raise ValueError(number)


_DIGEST = re.compile(r"[0-9a-f]{64}")
_LITERALS = {None: "null", False: "false", True: "true"}
_READER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)
