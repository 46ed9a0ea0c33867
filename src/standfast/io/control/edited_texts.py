"""A YAML text in which some items of one list were edited: they are read alone, where the rest says what it said.

Items stand on lines of their own, and nothing but an anchor reaches from one into another. So what they say alone is
what they say within the whole, if they are as many as before, as far to the right, and end where an item ends. Where
any of this is not plain to see, nothing is told, and the whole is to be read. Pure.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from standfast.io.control.keyed_texts import YAML_OCTETS_MAX, BadText, Listing, items_alone

BLOCK_OCTETS: Final = 1 << 16  # compared at once: larger ones come with memory of their own, for a multiple of the time

_ITEM: Final = re.compile(rb"( *)- ")
# What reaches beyond an item: an anchor, a tag by its handle; and a line that is neither an item's first, nor within
# one, nor a remark: the end of the list or of the document.
_REACHES: Final = re.compile(rb"[&!]|^(?![ #\n]|- |\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What the edited items said, what they say now, as plain data and in order, and the list as it is now."""

    before: list[Any]
    after: list[Any]
    listing: Listing


def edit_of(listing: Listing, octets: bytes) -> Edit | None:
    """Return what became of a list in a text that is `octets` now; None where that is to be found by reading all."""
    old, lines = listing.octets, listing.lines
    if b"\r" in old or b"\r" in octets:  # which ends a line for some, so that lines were counted otherwise
        return None
    most = min(len(old), len(octets))
    same = _alike(most, lambda at, end: old[at:end] == octets[at:end])
    all_old, all_now = len(old), len(octets)
    same_end = _alike(
        most - same, lambda at, end: old[all_old - end : all_old - at] == octets[all_now - end : all_now - at]
    )
    line = old.count(b"\n", 0, same) + 1
    line_end = line + old.count(b"\n", same, len(old) - same_end)
    first, behind = bisect_right(lines, line) - 1, bisect_right(lines, line_end)
    if first < 0 or (behind == len(lines) and not listing.is_last) or len(octets) > YAML_OCTETS_MAX:
        return None
    begin = _line_start(old, same, line - lines[first])
    end = len(old) if behind == len(lines) else _line_after(old, len(old) - same_end, lines[behind] - line_end)
    end_now = len(octets) - (len(old) - end)
    before, after = _read(old[begin:end]), _read(octets[begin:end_now])
    if before is None or after is None or before.indent != after.indent:
        return None
    if not len(before.items) == len(after.items) == behind - first:
        return None
    moved = octets.count(b"\n", begin, end_now) - old.count(b"\n", begin, end)
    numbers = array("L", lines[:first])
    numbers.extend(lines[first] + each - 1 for each in after.lines)
    numbers.extend(lines[behind:] if not moved else array("L", (each + moved for each in lines[behind:])))
    now = Listing(octets=octets, lines=numbers, is_last=listing.is_last)
    return Edit(before=before.items, after=after.items, listing=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alone:
    indent: bytes
    items: list[Any]
    lines: list[int]


def _read(octets: bytes) -> _Alone | None:
    item = _ITEM.match(octets)
    if item is None or _REACHES.search(octets):
        return None
    try:
        found = items_alone(octets)
    except BadText:
        return None
    return None if found is None else _Alone(indent=item[1], items=found[0], lines=found[1])


def _alike(most: int, is_alike: Callable[[int, int], bool]) -> int:
    """Return how much from 0 on, up to `most`, is alike; `is_alike` says it of what is from one place to another."""
    same, step = 0, BLOCK_OCTETS
    while step:
        while same + step <= most and is_alike(same, same + step):
            same += step
        step //= 2
    return same


def _line_start(octets: bytes, at: int, back: int) -> int:
    """Return where the line begins that is `back` lines before the one of `at`."""
    for _ in range(back + 1):
        at = octets.rfind(b"\n", 0, at)
    return at + 1


def _line_after(octets: bytes, at: int, on: int) -> int:
    """Return where the line begins that is `on` lines after the one of `at`."""
    for _ in range(on):
        at = octets.index(b"\n", at) + 1
    return at
