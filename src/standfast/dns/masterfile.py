"""Master files: the text form of zones (RFC 1035 section 5), read record by record.

Reading goes on after a fault, so that all faults of a file are told at once. Besides RFC 1035: `$TTL` (RFC 2308
section 4), unknown types and classes (RFC 3597 section 5), and of BIND's additions `$GENERATE` and times with units.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from standfast.dns.address_text import ipv4_octets, ipv6_octets
from standfast.dns.master_text import TTL_MAX_S, Wrong, counted, plain_strings, read_ttl, scan
from standfast.dns.model import Name, RRType, type_from_name, type_name
from standfast.dns.name import BadName, parse_name
from standfast.dns.rdata import check_rdata
from standfast.dns.wire import LABEL_OCTETS_MAX, NAME_OCTETS_MAX, name_from_text
from standfast.errors import StandfastError

INCLUDE_DEPTH_MAX: Final = 8  # files within files; deeper is a file that includes itself
GENERATE_MAX: Final = 1 << 20  # records of one $GENERATE, so that a slip of the hand does not fill the memory
FAULTS_MAX: Final = 100  # told of one reading: by then the file is another format
LINES_MAX: Final = 1_000  # between two parentheses; a longer record is a parenthesis that was forgotten

_SPECIAL = re.compile(r'[();"\\]')
# Labels of at most 63 octets (RFC 1035 section 2.3.4)
_PLAIN_NAME = re.compile(r"(?:[A-Za-z0-9_*-]{1,63}\.)*[A-Za-z0-9_*-]{1,63}\.?")
_RANGE = re.compile(r"(\d{1,10})-(\d{1,10})(?:/(\d{1,10}))?", re.ASCII)
_UINT16_MAX: Final = 65_535
_BYTE_ORDER_MARK: Final = "\ufeff"
_SHOWN_MAX: Final = 100  # letters of data that are wrong
_CLASSES = frozenset({"IN", "CLASS1"})
_OTHER_CLASSES = frozenset({"CH", "HS", "CS", "ANY", "NONE"})
_NO_DATA = frozenset({RRType.OPT, 249, 250, RRType.IXFR, RRType.AXFR, RRType.MAILB, RRType.MAILA, RRType.ANY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong in a file, on which line, in words; line 0 is the file as a whole."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


class Record(NamedTuple):
    """One record, and where it stands; `rdata` is wire format without compression."""

    owner: Name
    rtype: int
    ttl_s: int
    rdata: bytes
    file: str
    line: int


class MasterFileError(StandfastError):
    """A file that cannot be had: a reader given to `MasterFile` raises it. Field: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Include = Callable[[str, str], tuple[str, str]]  # (name, file that includes it) -> (its own name, its text)


class MasterFile:
    """The records of one master file and of those that it includes. Iterate once, then look at `faults`."""

    def __init__(self, text: str, *, file: str, origin: Name | None, include: Include) -> None:
        """Read `text` of the file called `file`.

        Args:
            text: all of it.
            file: how it is called in faults.
            origin: what relative names end with until `$ORIGIN` says otherwise; None: nothing may be relative.
            include: gets what `$INCLUDE` names; raises MasterFileError where it cannot.
        """
        self.faults: list[Fault] = []
        self.origin_said: Name | None = None  # the first $ORIGIN
        self.soa_owner: Name | None = None  # of the first SOA, also where its data are wrong
        self._text = text
        self._include = include
        self._start = _State(file=file, origin=origin)
        self._types: dict[str, int] = {}
        self._names: dict[tuple[str, Name | None], bytes] = {}
        self._ttls_s: dict[str, int | None] = {}

    def __iter__(self) -> Iterator[Record]:
        state = self._start
        yield from self._records(self._text, state, depth=0)

    def _records(self, text: str, state: "_State", depth: int) -> Iterator[Record]:
        if text.startswith(_BYTE_ORDER_MARK):
            self._fault(state.file, 1, "the file begins with a byte order mark (U+FEFF); save it without")
            text = text[1:]
        lines = enumerate(text.split("\n"), 1)
        for number, line in lines:
            state.line = number
            record = self._plain(line, state)
            if record is not None:
                yield record
                continue
            try:
                tokens = self._tokens(line, number, lines, state.file)
                starts_blank = line[:1] in (" ", "\t")
                if tokens and tokens[0][0] == "$" and not starts_blank:
                    yield from self._directive(tokens, state, depth)
                elif tokens:
                    yield self._record(tokens, state, starts_blank=starts_blank)
            except Wrong as wrong:
                self._fault(state.file, number, str(wrong))
            if len(self.faults) >= FAULTS_MAX:
                self._fault(state.file, number, f"{FAULTS_MAX} faults, and no look at the rest of the file")
                return

    def _fault(self, file: str, line: int, text: str) -> None:
        self.faults.append(Fault(file=file, line=line, text=text))

    # Lines ------------------------------------------------------------------------------------------------------

    def _plain(self, line: str, state: "_State") -> Record | None:
        """Read a line as nearly all are: an owner, perhaps a TTL and the class, a type, and data of one word.

        None where anything about it is unusual, or wrong: then it is read again, by `_tokens` and `_record`, which know
        what else there is. What is read here, they would read as the same.
        """
        words = line.split()
        if len(words) < 2 or (read := _ONE_WORD.get(words[-2])) is None or not line.isascii():
            return None
        rtype, data = read
        if line[0] in " \t":
            text, owner, between = state.owner_text, state.owner, words[:-2]
        else:
            text = words[0]
            owner = state.owner if text == state.owner_text else _plain_name(text, state.origin)
            between = words[1:-2]
        ttl_s = state.ttl_last_s if state.ttl_default_s is None else state.ttl_default_s
        try:
            if between:
                said_s = self._ttl_among(" ".join(between))
                ttl_s = ttl_s if said_s is None else said_s
            rdata = data(self, words[-1], state)
        except (Wrong, ValueError):
            return None
        if owner is None or ttl_s is None or rdata is None:
            return None
        state.owner_text, state.owner, state.ttl_last_s = text, owner, ttl_s
        return _new_record(Record, (owner, rtype, ttl_s, rdata, state.file, state.line))

    def _ttl_among(self, between: str) -> int | None:
        """Return the TTL that stands between owner and type, None where that is the class alone. Few differ in a file.

        Raises:
            Wrong: anything else stands there.
        """
        if between not in self._ttls_s:
            words = [word for word in between.split() if word.upper() not in _CLASSES]
            if len(words) > 1 or not all(word[0].isdigit() for word in words):
                raise Wrong(between)
            self._ttls_s[between] = read_ttl(words[0]) if words else None
        return self._ttls_s[between]

    def _tokens(self, line: str, number: int, lines: Iterator[tuple[int, str]], file: str) -> list[str]:
        """Return the tokens of an entry: those of its first line, and of the `lines` within its parentheses.

        Raises:
            Wrong: there is a fault in the first one.
        """
        if line.isascii() and not _SPECIAL.search(line):
            return line.split()
        tokens: list[str] = []
        open_line = scan(line, tokens, number, 0)
        while open_line:
            at, line = next(lines, (0, ""))
            try:
                if not at:
                    at = open_line
                    raise Wrong("this parenthesis is never closed")
                open_line = scan(line, tokens, at, open_line)
                if open_line and at - open_line >= LINES_MAX:
                    raise Wrong(f"no parenthesis closes within {LINES_MAX} lines")
            except Wrong as wrong:
                self._fault(file, at, str(wrong))
                return []
        return tokens

    # Directives -------------------------------------------------------------------------------------------------

    def _directive(self, tokens: list[str], state: "_State", depth: int) -> Iterator[Record]:
        match tokens[0].upper(), tokens[1:]:
            case "$ORIGIN", [text]:
                state.origin = self._name(text, state)
                state.owner_text = None
                self.origin_said = self.origin_said or state.origin
            case "$TTL", [text]:
                state.ttl_default_s = read_ttl(text)
            case "$INCLUDE", [text, *rest] if len(rest) <= 1:
                yield from self._included(text, rest, state, depth)
            case "$GENERATE", [span, owner, *rest] if len(rest) >= 2:
                yield from self._generated(span, owner, rest, state)
            case ("$ORIGIN" | "$TTL" | "$INCLUDE" | "$GENERATE") as known, _:
                raise Wrong(f"{known} is written {_USAGE[known]}")
            case unknown, _:
                raise Wrong(f"the directive {unknown} is not known; {', '.join(_USAGE)} are")

    def _included(self, name: str, origin: list[str], state: "_State", depth: int) -> Iterator[Record]:
        """Read another file; origin and last owner are afterwards as before it (RFC 1035 section 5.1).

        Its `$TTL` is not: that holds for all records that come after it (RFC 2308 section 4).
        """
        if depth == INCLUDE_DEPTH_MAX:
            raise Wrong(f"{INCLUDE_DEPTH_MAX} files include each other already")
        try:
            file, text = self._include(name.strip('"'), state.file)
        except MasterFileError as error:
            raise Wrong(error.reason) from error
        inner = replace(state, file=file)
        if origin:
            inner.origin = self._name(origin[0], state)
            inner.owner_text = None
        yield from self._records(text, inner, depth + 1)
        state.ttl_default_s, state.ttl_last_s = inner.ttl_default_s, inner.ttl_last_s

    def _generated(self, span: str, owner: str, rest: list[str], state: "_State") -> Iterator[Record]:
        found = _RANGE.fullmatch(span)
        if not found:
            raise Wrong(f'the range "{span}" is not written START-STOP or START-STOP/STEP')
        start, stop, step = (int(each or 1) for each in found.groups())
        if stop < start or not step or (stop - start) // step >= GENERATE_MAX:
            raise Wrong(f'the range "{span}" is empty, or of more than {GENERATE_MAX} records')
        for number in range(start, stop + 1, step):
            tokens = [counted(text, number) for text in (owner, *rest)]
            yield self._record(tokens, state, starts_blank=False)

    # Records ----------------------------------------------------------------------------------------------------

    def _record(self, tokens: list[str], state: "_State", *, starts_blank: bool) -> Record:
        """Read `[owner] [TTL] [class] type data`, TTL and class in either order."""
        if starts_blank:
            if state.owner is None:
                raise Wrong("there is no owner above to repeat")
            at = 0
        else:
            state.owner = state.owner_text = (
                None  # until this one proves to be a name; the lines below belong to no other
            )
            state.owner = self._name(tokens[0], state)
            at = 1
        ttl_s = None
        while True:
            if at == len(tokens):
                raise Wrong("the record has no type")
            token = tokens[at]
            rtype = self._types.get(token)
            if rtype is not None:
                break
            upper = token.upper()
            if token[0].isdigit() and ttl_s is None:
                ttl_s = read_ttl(token)
            elif upper in _OTHER_CLASSES or (upper.startswith("CLASS") and upper not in _CLASSES):
                raise Wrong(f"class {upper}: only IN is served")
            elif upper not in _CLASSES:
                rtype = self._types[token] = _type(upper)
                break
            at += 1
        if ttl_s is None:
            ttl_s = state.ttl_default_s if state.ttl_default_s is not None else state.ttl_last_s
        rdata = self._rdata(rtype, tokens[at + 1 :], state)
        if ttl_s is None:
            if rtype != RRType.SOA:
                raise Wrong("no TTL: the record has none, and no $TTL stands above")
            ttl_s = min(
                int.from_bytes(rdata[-4:], "big"), TTL_MAX_S
            )  # what servers did before $TTL was (RFC 2308 section 4)
        state.ttl_last_s = ttl_s
        return Record(state.owner, rtype, ttl_s, rdata, state.file, state.line)

    def _rdata(self, rtype: int, tokens: list[str], state: "_State") -> bytes:
        if rtype == RRType.SOA:
            self.soa_owner = self.soa_owner or state.owner
        try:
            match rtype, len(tokens):
                case RRType.A, 1:
                    return self._a(tokens[0], state)
                case RRType.AAAA, 1:
                    return self._aaaa(tokens[0], state)
                case RRType.MX, 2:
                    return self._mx(tokens, state)
                case _, 1 if rtype in _NAMES:
                    return self._wire_name(tokens[0], state)
            if rtype == RRType.TXT and (found := plain_strings(tokens)):
                return found
            return self._any_rdata(rtype, tokens, state)
        except Wrong:
            raise
        except Exception as error:  # dnspython's readers raise whatever the text makes them raise
            text = " ".join(tokens)
            shown = f'"{text[:_SHOWN_MAX]}"' if text else "nothing"
            said = str(error) or type(error).__name__
            raise Wrong(f"{shown} is no data of type {type_name(rtype)}: {said}") from error

    def _any_rdata(self, rtype: int, tokens: list[str], state: "_State") -> bytes:
        origin = dns.name.from_text(state.origin) if state.origin else None
        text = " ".join(tokens)
        if rtype in (RRType.SVCB, RRType.HTTPS):
            text = text.replace('= "', '="')  # a value in quotes is one with its key (RFC 9460 section 2.1)
        read = dns.rdata.from_text(
            dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), text, origin=origin, relativize=False
        )
        rdata = read.to_wire() or b""
        check_rdata(rtype, rdata)
        return rdata

    def _name(self, text: str, state: "_State") -> Name:
        """Return the absolute name that `text` stands for."""
        origin = state.origin
        if text == "@":
            if origin is None:
                raise Wrong("@ stands for the origin, and no $ORIGIN stands above")
            return origin
        if text[-1] != ".":
            if origin is None:
                raise Wrong(f'the name "{text}" has no dot at its end, and no $ORIGIN stands above')
            absolute = f"{text}." if origin == "." else f"{text}.{origin}"
        else:
            absolute = text
        if len(absolute) <= NAME_OCTETS_MAX - 1 and _PLAIN_NAME.fullmatch(text):
            return absolute.lower()
        try:
            return parse_name(_relative_to(text, origin))
        except BadName as error:
            raise Wrong(str(error)) from error

    def _wire_name(self, text: str, state: "_State") -> bytes:
        """Return the name that `text` stands for as octets, letters in their case. Most names in data come again."""
        key = (text, state.origin)
        found = self._names.get(key)
        if found is None:
            self._name(text, state)  # raises where it is none
            absolute = state.origin if text == "@" else _relative_to(text, state.origin)
            assert absolute is not None
            found = self._names[key] = name_from_text(absolute)
        return found

    # Data of the types that most records are of, without a detour -----------------------------------------------

    def _a(self, text: str, state: "_State") -> bytes:  # noqa: ARG002
        return ipv4_octets(text)

    def _aaaa(self, text: str, state: "_State") -> bytes:  # noqa: ARG002
        return ipv6_octets(text)

    def _plain_target(self, text: str, state: "_State") -> bytes | None:
        found = self._names.get((text, state.origin))
        return self._wire_name(text, state) if found is None and _PLAIN_NAME.fullmatch(text) else found

    def _mx(self, tokens: list[str], state: "_State") -> bytes:
        preference, text = tokens
        if not preference.isdecimal() or int(preference) > _UINT16_MAX:
            raise ValueError(f'"{preference}" is no preference; 0 to {_UINT16_MAX} are')
        return int(preference).to_bytes(2, "big") + self._wire_name(text, state)


@dataclass(slots=True, kw_only=True)
class _State:
    """What a line means depends on those above it."""

    file: str
    origin: Name | None
    line: int = 0
    owner: Name | None = None
    owner_text: str | None = None  # how a plain line wrote it
    ttl_default_s: int | None = None
    ttl_last_s: int | None = None


# What reads data of one word, as plain lines have them: None or an exception where that is not plain, or no such data.
_Reader = Callable[[MasterFile, str, _State], bytes | None]
_ONE_WORD: Final[dict[str, tuple[int, _Reader]]] = {
    "A": (int(RRType.A), MasterFile._a),
    "AAAA": (int(RRType.AAAA), MasterFile._aaaa),
    **{
        rtype.name: (int(rtype), MasterFile._plain_target)
        for rtype in (RRType.NS, RRType.CNAME, RRType.PTR, RRType.DNAME)
    },
}
_NAMES: Final = frozenset({RRType.NS, RRType.CNAME, RRType.PTR, RRType.DNAME})
_new_record: Final = tuple.__new__  # a third of the time of `Record(...)`, for each of a million records

_USAGE = {
    "$ORIGIN": "$ORIGIN NAME",
    "$TTL": "$TTL TTL",
    "$INCLUDE": "$INCLUDE FILE [ORIGIN]",
    "$GENERATE": "$GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA",
}


def _plain_name(text: str, origin: Name | None) -> Name | None:
    """Return the absolute name that `text` stands for, where there is nothing in it to think about."""
    if text == "@":
        return origin
    is_label = text.isalnum() and text.isascii() and len(text) <= LABEL_OCTETS_MAX
    if not is_label and not _PLAIN_NAME.fullmatch(text):
        return None
    if text[-1] == ".":
        absolute = text
    elif origin is None:
        return None
    else:
        absolute = f"{text}." if origin == "." else f"{text}.{origin}"
    return absolute.lower() if len(absolute) < NAME_OCTETS_MAX else None


def _type(text: str) -> int:
    rtype = type_from_name(text)
    if rtype is None:
        raise Wrong(f'"{text}" is no record type, TTL or class')
    if rtype in _NO_DATA or not rtype:
        raise Wrong(f"{text} is asked for, and never stands in a zone")
    return rtype


def _relative_to(text: str, origin: Name | None) -> str:
    """Return `text` as an absolute name; a dot at its end that is escaped is part of its last label."""
    before = text[:-1]
    escapes = len(before) - len(before.rstrip("\\"))
    if text.endswith(".") and escapes % 2 == 0:
        return text
    if origin is None:
        raise Wrong(f'the name "{text}" has no dot at its end, and no $ORIGIN stands above')
    return f"{text}." if origin == "." else f"{text}.{origin}"
