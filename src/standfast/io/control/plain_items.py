"""Items of YAML lists as they are nearly always written, read by a small grammar many times as fast as all of YAML.

A plain item is a table of words, numbers, texts in simple quotes and lists of these, on a line of its own or a key a
line. It leaves nothing open, has no anchor, alias or tag, and what it says depends on nothing around it. So where plain
items follow each other without a gap, all equally far to the right, and the first and the last are in one list, those
between are in it too. Whether that is so is left to whoever reads all of YAML: for them the first and the last stay
where they are, and those between become empty lines. Pure.
"""

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from sys import intern
from typing import Any, Final

from standfast.io.control.yaml_words import meaning_of

BETWEEN: Final = slice(1, -1)  # of the items of a run: all but the first and the last

# Each is a part of what YAML allows there, within brackets and elsewhere alike (YAML 1.2.2 sections 7.3, 7.4 and 8.2).
# What was matched is never tried in another way, so that no text takes long.
_WORD: Final = r"[A-Za-z0-9_.][\w./=+-]*+(?:(?: |::?)[\w./=+-]++)*+"
_SCALAR: Final = rf"""(?:{_WORD}|"[ !#-\[\]-~]*+"|'[ -&(-~]*+')"""
_LIST: Final = rf"\[ *+{_SCALAR}(?: *+, *+{_SCALAR})*+ *+\]"
_KEY: Final = r"[A-Za-z_]\w{0,63}+"
_VALUE: Final = rf"{_KEY}: ++(?:{_SCALAR}|{_LIST})"
_END: Final = r"(?: ++(?:#[ -9;-~]*+)?+)?+\n"  # with a remark, in which no colon is: it holds no key


def _key_of_block(group: int) -> str:
    """Return the expression of a key with its value or with a list below it, whose indent is that `group`."""
    return rf"(?:{_VALUE}{_END}|{_KEY}: *+(?=\n\1( {{2,}}+)- )(?:\n\1\{group}- {_SCALAR} *+)++\n)"


_ITEM: Final = re.compile(
    rf"^( *+)- (?:\{{ *+{_VALUE}(?: *+, *+{_VALUE})*+ *+\}}{_END}|{_key_of_block(2)}(?:\1  {_key_of_block(3)})*+)",
    re.MULTILINE | re.ASCII,
)
# The same once more, of what is an item: a key with a single value, or with a list in brackets or below it.
_PART: Final = re.compile(rf"({_KEY}): *+(?:({_SCALAR})|({_LIST}|(?:\n *+- {_SCALAR} *+)++))", re.ASCII)
_ONE: Final = re.compile(_SCALAR, re.ASCII)
_LAYOUTS_MAX: Final = 64  # of items in one file; each takes a millisecond to learn

Item = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Run:
    """What the items say that are between two others, the line that each begins in, and the line of the last one."""

    items: list[Item]
    lines: Sequence[int]
    last_line: int


def without_plain_items(text: str) -> tuple[str, Mapping[int, Run]]:
    """Return `text` with empty lines for most of its plain items, and these by the line of the item before them.

    Lines are separated by line feeds alone, and counted from 1.
    """
    pieces: list[str] = []
    runs: dict[int, Run] = {}
    done, line = 0, 1
    for starts, items in _runs(text):
        if not items[BETWEEN]:
            continue
        line += text.count("\n", done, starts[0])
        lines = array("L", [line])
        for begin, end in pairwise(starts):
            lines.append(lines[-1] + text.count("\n", begin, end))
        runs[line] = Run(items=items[BETWEEN], lines=lines[BETWEEN], last_line=lines[-1])
        pieces += [text[done : starts[1]], "\n" * (lines[-1] - lines[1])]
        done, line = starts[-1], lines[-1]
    return "".join([*pieces, text[done:]]), runs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How an item in braces is written: which keys, in which order, with a single value each or with a list.

    Nearly all items of a file are written as the one before was. Its values are then found at once: what its expression
    matches is an item, and says what `_said` says of it.
    """

    keys: Sequence[str]
    singles: Sequence[str]
    lists: Sequence[str]
    expression: re.Pattern[str]

    def said(self, values: Sequence[str]) -> Item:
        item: Item = dict(zip(self.keys, values, strict=True))
        for key in self.singles:
            item[key] = _scalar(item[key])
        for key in self.lists:
            item[key] = _listed(item[key])
        return item


def _runs(text: str) -> Iterator[tuple[Sequence[int], list[Item]]]:
    """Yield plain items that follow each other, by where each begins and what it says."""
    starts, items = array("L"), list[Item]()
    indent, end, at = "", 0, 0
    layouts: dict[tuple[str, ...], _Layout] = {}
    layout: _Layout | None = None
    while True:
        item: Item | None
        if layout is not None and (found := layout.expression.match(text, at)) is not None:
            item = layout.said(found.groups()[1:])
        elif (found := _ITEM.search(text, at)) is not None:
            parts = _PART.findall(found[0])
            item = _said(parts)
            layout = None if item is None else _layout_of(found[0], parts, layouts)
        else:
            break
        at = found.end()
        if item is None:
            continue
        if found.start() != end or found[1] != indent:
            yield starts, items
            starts, items = array("L"), []
        starts.append(found.start())
        items.append(item)
        indent, end = found[1], at
    yield starts, items


_Part = tuple[str, str, str]  # a key, and its single value or its list


def _said(parts: Sequence[_Part]) -> Item | None:
    """Return what a plain item of these says; None where it has a key twice, which is not for us to judge."""
    item = {
        intern(key): _scalar(one) if one else [_scalar(each) for each in _ONE.findall(listed)]
        for key, one, listed in parts
    }
    return item if len(item) == len(parts) else None


def _layout_of(text: str, parts: Sequence[_Part], known: dict[tuple[str, ...], _Layout]) -> _Layout | None:
    """Return how a plain item of these, none of them twice, is written, where that is in braces."""
    if not text.lstrip(" -").startswith("{"):
        return None
    written = tuple([key + ": ++(" + (_SCALAR if one else _LIST) + ")" for key, one, _ in parts])
    layout = known.get(written)
    if layout is None and len(known) < _LAYOUTS_MAX:
        expression = re.compile(rf"( *+)- \{{ *+{' *+, *+'.join(written)} *+\}}{_END}", re.ASCII)
        layout = known[written] = _Layout(
            keys=[intern(key) for key, _, _ in parts],
            singles=[intern(key) for key, one, _ in parts if one],
            lists=[intern(key) for key, one, _ in parts if not one],
            expression=expression,
        )
    return layout


def _listed(text: str) -> list[object]:
    """Return the items of a list; of one that has no comma there is one."""
    return [_scalar(text[1:-1].strip(" "))] if "," not in text else [_scalar(each) for each in _ONE.findall(text)]


def _scalar(text: str) -> object:
    return text[1:-1] if text[0] in "\"'" else meaning_of(text)
