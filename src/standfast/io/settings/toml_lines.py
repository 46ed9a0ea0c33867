"""Finds the line of every key and list item of a TOML text, which `tomllib` does not tell. Knows no meaning.

Works on texts that `tomllib` has read already, so nothing is checked here.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

Where = tuple[str | int, ...]  # ("guard", "policy", 0, "grace_s")


def find_lines(text: str) -> dict[Where, int]:
    """Return the line, from 1, of every table, key and list item in the valid TOML `text`."""
    return _Scanner(text).scan()


class _Token(NamedTuple):
    kind: str  # "string", "bare", "newline", or the character itself
    text: str
    line: int


_TOKENS = re.compile(
    r'''
      (?P<skipped> [ \t\r]+ | \#[^\n]* )
    | (?P<newline> \n )
    | (?P<string>
          """ (?: \\. | [^\\] )*? "{3,5}
        | \'\'\' .*? \'{3,5}
        | " (?: \\. | [^"\\\n] )* "
        | ' [^'\n]* '
      )
    | (?P<sign> [\[\]{}=,.] )
    | (?P<bare> [^\s\[\]{}=,."'\#]+ )
    ''',
    re.VERBOSE | re.DOTALL,
)
_END = _Token("end", "", 0)


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKENS.finditer(text):
        kind = match.lastgroup or ""
        if kind != "skipped":
            yield _Token(match[0] if kind == "sign" else kind, match[0], line)
        line += match[0].count("\n")
    yield _END


class _Scanner:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._lines: dict[Where, int] = {}
        self._tables: dict[Where, int] = {}  # how many [[tables]] a path has so far

    def scan(self) -> dict[Where, int]:
        table: Where = ()
        while self._next.kind != "end":
            if self._next.kind == "newline":
                self._take()
            elif self._next.kind == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _header(self) -> Where:
        line = self._take().line
        many = self._next.kind == "["
        if many:
            self._take()
        path = self._key((), line)
        while self._next.kind == "]":
            self._take()
        if many:
            self._tables[path] = self._tables.get(path, 0) + 1
            path = self._current(path)
        self._lines[path] = line
        return path

    def _pair(self, table: Where) -> None:
        path = self._key(table, self._next.line)
        self._take()  # the equals sign
        self._value(path)

    def _key(self, path: Where, line: int) -> Where:
        """Read a key, dotted or not, below `path`."""
        while self._next.kind in ("string", "bare", "."):
            token = self._take()
            if token.kind != ".":
                path = (*self._current(path), _plain(token))
                self._lines.setdefault(path, line)
        return path

    def _current(self, path: Where) -> Where:
        """Below an array of tables, its last table is meant."""
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _value(self, path: Where) -> None:
        if self._next.kind == "[":
            self._list(path)
        elif self._next.kind == "{":
            self._inline_table(path)
        else:
            while self._next.kind not in ("newline", ",", "]", "}", "end"):
                self._take()

    def _list(self, path: Where) -> None:
        self._take()
        index = 0
        while self._next.kind != "]":
            if self._next.kind in ("newline", ","):
                self._take()
            else:
                self._lines[(*path, index)] = self._next.line
                self._value((*path, index))
                index += 1
        self._take()

    def _inline_table(self, path: Where) -> None:
        self._take()
        while self._next.kind != "}":
            if self._next.kind in ("newline", ","):
                self._take()
            else:
                self._pair(path)
        self._take()


def _plain(key: _Token) -> str:
    return str(tomllib.loads(f"key = {key.text}")["key"]) if key.kind == "string" else key.text
