"""Texts of keys and values, in YAML, JSON or TOML, as plain data. Where something stands is looked up when it is asked.

That is so because files of half a million records are read at every start, and their lines are asked for only where
something is wrong.
"""

import json
import re
import tomllib
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import Any, Final

from standfast.io.control.plain_items import Run, without_plain_items
from standfast.io.control.yaml_words import meaning_of
from standfast.io.settings.toml_lines import Where, find_lines
from standfast.yaml_nodes import (
    DEPTH_MAX,
    MappingNode,
    NotYaml,
    ScalarNode,
    SequenceNode,
    YamlNode,
    compose,
    is_nothing,
    line_of,
)

MEBIBYTE: Final = 1 << 20
YAML_OCTETS_MAX: Final = 64 * MEBIBYTE  # nearly a million records; if none is plain, most of a minute and 2.5 GB
TOML_OCTETS_MAX: Final = 16 * MEBIBYTE  # 200 000 records: its parser is Python, and takes twice as long
JSON_OCTETS_MAX: Final = 512 * MEBIBYTE  # several million records
REPEATED_MAX: Final = 100_000  # values that aliases of YAML stand for: ten lines can stand for a billion

_JSON: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')

Lines = Callable[[Collection[Where]], Mapping[Where, int]]


class BadText(ValueError):
    """A text that cannot be read at all. Fields: `reason`, and `line` from 1, None where it has none."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list right below the top of a YAML text: the line of each item. `is_last`: nothing comes after it."""

    octets: bytes
    lines: Sequence[int]
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedText:
    """What a text says; which of its keys are there twice; and `lines`, which finds the lines of some of its parts.

    `listings` are lists by their keys, where it is YAML and their items stand on lines of their own.
    """

    content: Mapping[str, Any]
    lines: Lines
    twice: tuple[Where, ...] = ()
    listings: Mapping[str, Listing] = field(default_factory=dict)


def read_keyed_text(octets: bytes, suffix: str) -> KeyedText:
    """Return what `octets` say, of a file whose name ends with `suffix`: `.json`, `.toml`, and all others YAML.

    Raises:
        BadText: they are nothing of the kind, too many, or nested too deep.
    """
    most = {".json": JSON_OCTETS_MAX, ".toml": TOML_OCTETS_MAX}.get(suffix, YAML_OCTETS_MAX)
    if len(octets) > most:
        hint = "" if suffix == ".json" else " - write the same keys as JSON, in a file called .json"
        raise BadText(f"it has more than {most // MEBIBYTE} MiB{hint}")
    found = {".json": _read_json, ".toml": _read_toml}.get(suffix, _read_yaml)(octets)
    if not isinstance(found.content, dict):
        raise BadText("here must be keys with values", 1)
    return found


def lines_around(text: KeyedText, places: Collection[Where]) -> Mapping[Where, int | None]:
    """Return the line of each of `places`, or of what it is in; None where that is the text as a whole."""
    wanted = {where[:size] for where in places for size in range(1, len(where) + 1)}
    found = text.lines(wanted) if wanted else {}

    def around(where: Where) -> int | None:
        sizes = range(len(where), 0, -1)
        return next((found[where[:size]] for size in sizes if where[:size] in found), None)

    return {where: around(where) for where in places}


# JSON (RFC 8259) ----------------------------------------------------------------------------------------------------


def _read_json(octets: bytes) -> KeyedText:
    repeated = False

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        found = dict(pairs)
        repeated = repeated or len(found) < len(pairs)
        return found

    try:
        text = octets.decode()
        content = json.loads(text, object_pairs_hook=table)
    except json.JSONDecodeError as error:
        raise BadText(f"no JSON: {error.msg}", error.lineno) from None
    except UnicodeDecodeError as error:
        raise BadText(f"no UTF-8 text (octet {error.start})") from None
    except ValueError:
        raise BadText("a number in it has thousands of digits") from None
    except RecursionError:
        raise BadText("what it says is nested too deep in itself") from None
    twice = tuple(_JsonPlaces(text, None).twice) if repeated else ()
    return KeyedText(content=content, lines=lambda wanted: _JsonPlaces(text, wanted).found, twice=twice)


class _JsonPlaces:
    """The lines of the `wanted` places of the valid JSON `text`, and which keys of a table are there twice.

    What is in a place that is not wanted is passed over: whoever wants a part wants all that it is in. None: all of it
    is looked at, and no line is kept.
    """

    def __init__(self, text: str, wanted: Collection[Where] | None) -> None:
        self.found: dict[Where, int] = {}
        self.twice: list[Where] = []
        self._words = _JSON.finditer(text)
        self._text = text
        self._wanted = wanted
        self._line = 1
        self._at = 0
        self._value(self._next(), ())

    def _next(self) -> str:
        match = next(self._words)
        self._line += self._text.count("\n", self._at, match.start())
        self._at = match.start()
        return match[0]

    def _value(self, word: str, where: Where | None) -> None:
        if where is None or len(where) > DEPTH_MAX:
            self._pass(word)
        elif word == "{":
            keys = set()
            while (word := self._next()) != "}":
                if word == ",":
                    continue
                key = json.loads(word)
                place = self._note(where, key)
                if key in keys and place is not None:
                    self.twice.append(place)
                keys.add(key)
                self._next()  # the colon
                self._value(self._next(), place)
        elif word == "[":
            at = 0
            while (word := self._next()) != "]":
                if word == ",":
                    at += 1
                else:
                    self._value(word, self._note(where, at))

    def _pass(self, word: str) -> None:
        depth = 0
        while True:
            depth += (word in ("[", "{")) - (word in ("]", "}"))
            if not depth:
                return
            word = self._next()

    def _note(self, where: Where, part: str | int) -> Where | None:
        """Return the place of `part`, if it is wanted."""
        place = (*where, part)
        if self._wanted is None:
            return place
        if place not in self._wanted:
            return None
        self.found[place] = self._line  # of a key that is there twice, the last one's: that is what was read
        return place


# TOML ---------------------------------------------------------------------------------------------------------------


def _read_toml(octets: bytes) -> KeyedText:
    try:
        text = octets.decode()
        content = tomllib.loads(text)
        lines = find_lines(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+)", str(error))
        raise BadText(f"no TOML: {error}", int(at[1]) if at else None) from None
    except UnicodeDecodeError as error:
        raise BadText(f"no UTF-8 text (octet {error.start})") from None
    except (ValueError, RecursionError):
        raise BadText("a number in it has thousands of digits, or its brackets go too deep") from None
    return KeyedText(content=content, lines=lambda _: lines)


# YAML 1.2 (yaml.org/spec/1.2.2) ------------------------------------------------------------------------------------
# Of its core schema (section 10.3): the words in small letters, and decimal numbers. All else is a text.


def _read_yaml(octets: bytes) -> KeyedText:
    with suppress(UnicodeDecodeError, BadText):
        text = octets.decode()
        thin, runs = (text, {}) if "\r" in text else without_plain_items(text)  # which ends a line as well
        if runs and (found := _yaml(octets, thin.encode(), runs)) is not None:
            return found
    whole = _yaml(octets, octets, {})
    assert whole is not None
    return whole


def _yaml(octets: bytes, thin: bytes, runs: Mapping[int, Run]) -> KeyedText | None:
    """Return what `octets` say, which are `thin` where the items of `runs` stood; None where not all are items."""
    try:
        root = compose(thin)
    except NotYaml as error:
        raise BadText(error.reason, error.line) from None
    reader = _YamlReader(runs=runs)
    content = {} if root is None or is_nothing(root) else reader.value(root, ())
    if runs and (reader.twice or reader.joined != len(runs)):
        return None
    if isinstance(content, dict):  # what is below a heading may be commented out
        content = {key: value for key, value in content.items() if value is not None}
    return KeyedText(
        content=content,
        lines=lambda wanted: _yaml_lines(octets, wanted),
        twice=tuple(reader.twice),
        listings=dict(_listings(root, runs, octets)),
    )


def items_alone(octets: bytes) -> tuple[list[Any], list[int]] | None:
    """Return what the items of the list that a piece of YAML is say, and their lines; None where it is none.

    Raises:
        BadText: it cannot be read, or a key is there twice.
    """
    try:
        root = compose(octets)
    except NotYaml as error:
        raise BadText(error.reason, error.line) from None
    if not isinstance(root, SequenceNode):
        return None
    reader = _YamlReader()
    items = reader.value(root, ())
    if reader.twice:
        raise BadText("a key is there twice")
    return items, [line_of(each) for each in root.value]


def _listings(root: YamlNode | None, runs: Mapping[int, Run], octets: bytes) -> Iterator[tuple[str, Listing]]:
    """Yield the lists right below the top, each item of which is written on lines of its own and is no alias."""
    parts = root.value if isinstance(root, MappingNode) else []
    for at, (key, below) in enumerate(parts):
        if isinstance(key, ScalarNode) and isinstance(below, SequenceNode):
            lines = array("L")
            for each, run in _with_runs(below, runs):
                lines.append(line_of(each))
                lines.extend(run.lines if run is not None else ())
            if all(one < next_ for one, next_ in pairwise(lines)):  # an alias stands where its anchor does
                yield key.value, Listing(octets=octets, lines=lines, is_last=at == len(parts) - 1)


@dataclass(slots=True, kw_only=True)
class _YamlReader:
    """Makes plain data of nodes; `runs` are items that the text was read without, by the line of the one before."""

    runs: Mapping[int, Run] = field(default_factory=dict)
    twice: list[Where] = field(default_factory=list)
    joined: int = 0  # times that one of `runs` was found between two items of a list
    _seen: set[int] = field(default_factory=set)
    _repeated: int = 0  # values that aliases stand for

    def value(self, node: YamlNode, where: Where) -> Any:
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if id(node) in self._seen:
            self._repeated += 1 + len(node.value)
        self._seen.add(id(node))
        if self._repeated > REPEATED_MAX or len(where) > DEPTH_MAX:
            raise BadText("its aliases stand for too much, or for themselves", line_of(node))
        if isinstance(node, SequenceNode):
            items = [
                _scalar(each) if isinstance(each, ScalarNode) else self.value(each, (*where, at))
                for at, each in enumerate(node.value)
            ]
            return self._joined(node, items) if self.runs else items
        table: dict[str, Any] = {}
        for key, below in node.value:
            if not isinstance(key, ScalarNode):
                raise BadText("a key must be a text", line_of(key))
            text = key.value
            if text in table:
                self.twice.append((*where, text))
            table[text] = _scalar(below) if isinstance(below, ScalarNode) else self.value(below, (*where, text))
        return table

    def _joined(self, node: SequenceNode, items: list[Any]) -> list[Any]:
        """Return `items`, which `node` says, with those that are between them."""
        joined = []
        for item, (_, run) in zip(items, _with_runs(node, self.runs), strict=True):
            joined.append(item)
            if run is not None:
                joined += run.items
                self.joined += 1
        return joined


def _with_runs(node: SequenceNode, runs: Mapping[int, Run]) -> Iterator[tuple[YamlNode, Run | None]]:
    """Yield each item of a list, and the run between it and the next."""
    for one, next_ in zip_longest(node.value, node.value[1:]):
        run = runs.get(line_of(one)) if node.is_block and isinstance(one, MappingNode) else None
        is_between = run is not None and isinstance(next_, MappingNode) and line_of(next_) == run.last_line
        yield one, run if is_between else None


def _scalar(node: ScalarNode) -> object:
    return meaning_of(node.value) if node.is_plain else node.value


def _yaml_lines(octets: bytes, wanted: Collection[Where]) -> Mapping[Where, int]:
    """Return the lines of the `wanted` places; whoever wants a part wants all that it is in."""
    found: dict[Where, int] = {}

    def look(node: YamlNode, where: Where) -> None:
        if isinstance(node, ScalarNode):
            return
        parts: Iterable[tuple[str | int, YamlNode, YamlNode]]
        if isinstance(node, MappingNode):
            parts = ((key.value, key, below) for key, below in node.value if isinstance(key, ScalarNode))
        else:
            parts = ((at, each, each) for at, each in enumerate(node.value))
        for part, at, below in parts:
            place = (*where, part)
            if place in wanted:
                found[place] = line_of(at)
                look(below, place)

    root = compose(octets)
    if root is not None:
        look(root, ())
    return found
