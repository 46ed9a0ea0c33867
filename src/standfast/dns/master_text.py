"""What master files are made of, below records: tokens, times, strings, and the counters of `$GENERATE`."""

import re
from typing import Final

TTL_MAX_S: Final = (1 << 31) - 1  # RFC 2181 section 8

_TOKEN = re.compile(r'([ \t\r\f\v]+)|(;.*)|([()])|("(?:[^"\\]|\\.)*")|((?:[^\s;()"\\]|\\.)+)', re.ASCII)
_SECONDS = re.compile(r"\d{1,10}", re.ASCII)  # ten digits say more than is allowed
_TIME = re.compile(r"(?:\d{1,10}[smhdwSMHDW]){1,5}\d{0,10}", re.ASCII)
_TIME_PART = re.compile(r"(\d+)([smhdwSMHDW]?)")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_COUNTER = re.compile(r"\\\$|\$\$|\$(?:\{(-?\d{1,10})(?:,(\d{1,3})(?:,([doxXnN]))?)?\})?")
_STRING_OCTETS_MAX: Final = 255  # of a character-string (RFC 1035 section 3.3)


class Wrong(Exception):
    """What is wrong with the present line, in words; the reader makes a fault of it, and goes on."""


def scan(line: str, tokens: list[str], number: int, open_line: int) -> int:
    """Append the tokens of `line`; return the line on which a parenthesis was opened that is open at its end, or 0.

    Raises:
        Wrong: a quote, a parenthesis or a backslash has no partner; or a letter beyond ASCII stands outside of quotes,
            which others take for octets, or for another name.
    """
    at = 0
    line = line.rstrip("\r")
    while at < len(line):
        found = _TOKEN.match(line, at)
        if found is None:
            raise Wrong("a quote is never closed" if line[at] == '"' else "a backslash stands before nothing")
        at = found.end()
        if parenthesis := found[3]:
            if (parenthesis == "(") == bool(open_line):
                raise Wrong("a parenthesis within parentheses" if open_line else "a parenthesis closes none")
            open_line = 0 if open_line else number
        elif token := found[4]:
            tokens.append(token)
        elif token := found[5]:
            if odd := next((letter for letter in token if not letter.isascii()), None):
                raise Wrong(
                    f'"{token}" has a letter beyond ASCII (U+{ord(odd):04X}); text is put into quotes, and a name '
                    "written with xn--"
                )
            tokens.append(token)
    return open_line


def read_ttl(text: str) -> int:
    """Return the seconds of a TTL, a number or a time with units.

    Raises:
        Wrong: it is neither, or too large.
    """
    if _SECONDS.fullmatch(text):
        ttl_s = int(text)
    elif _TIME.fullmatch(text):
        ttl_s = sum(int(count) * _UNITS_S[unit.lower()] for count, unit in _TIME_PART.findall(text))
    else:
        raise Wrong(f'"{text}" is no TTL; seconds are, or a time like 1h30m')
    if ttl_s > TTL_MAX_S:
        raise Wrong(f"the TTL {text} is more than {TTL_MAX_S} seconds (RFC 2181 section 8)")
    return ttl_s


def plain_strings(tokens: list[str]) -> bytes | None:
    """Return the data of a TXT record; None where a string is not plain, or too long."""
    out = b""
    for token in tokens:
        octets = (token[1:-1] if token[0] == '"' else token).encode("utf-8")
        if b"\\" in octets or len(octets) > _STRING_OCTETS_MAX or not octets.isascii():
            return None
        out += bytes((len(octets),)) + octets
    return out


def counted(text: str, number: int) -> str:
    """Return `text` with `number` for each `$`, or for `${offset,width,base}`."""

    def value(found: re.Match[str]) -> str:
        if found[0] in ("\\$", "$$"):
            return "$"
        offset, width, base = found[1], found[2], found[3] or "d"
        shown = number + int(offset or 0)
        if base in "nN":  # the digits of a reverse name, in hexadecimal, the last one first
            digits = format(shown, "x" if base == "n" else "X")[::-1]
            return ".".join(digits.ljust((int(width or 0) + 1) // 2, "0"))
        return format(shown, f"0{width or 1}{base}")

    return _COUNTER.sub(value, text)
