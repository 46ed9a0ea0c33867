"""YAML that people write, as nodes that know their lines; bounded, since a stack has an end. Knows no meaning.

libyaml splits the text, dozens of times as fast as a parser in Python. It was written for YAML 1.1; where what it
takes differs from 1.2 stands in tests/unit/test_yaml_nodes.py. Plain scalars are handed on as they are written: to
PyYAML itself `no` would be false.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import yaml

from standfast.errors import StandfastError

DEPTH_MAX: Final = 64  # of lists, tables and values in each other; what people write has six

# A build without libyaml reads the same with PyYAML's own parser, only slower.
_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_CORE: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({"!", f"{_CORE}str"})  # what has one is a text, whatever it looks like
_SCALAR_TAGS: Final = _TEXT_TAGS | {_CORE + kind for kind in ("null", "bool", "int", "float")}
_LIST_TAGS: Final = frozenset({"!", f"{_CORE}seq"})
_TABLE_TAGS: Final = frozenset({"!", f"{_CORE}map"})
# YAML's unprintable ones (YAML 1.2.2 section 5.1), and those that end a line in YAML 1.1 only (section 5.4).
_UNREADABLE: Final = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_DOCUMENT: Final = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)  # where one begins (YAML 1.2.2 section 9.1.2)


class NotYaml(StandfastError):
    """Octets that are no YAML that can be read. Fields: `reason`, and `line` from 1, None where it has none."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


# Not frozen: of what may be millions, that would take twice as long. What they hold is changed by nobody else.
@dataclass(slots=True)
class ScalarNode:
    """A single value as it is written; `is_plain`: not in quotes, no block and not tagged as a text. `line` from 1."""

    value: str
    is_plain: bool
    line: int


@dataclass(slots=True)
class SequenceNode:
    """A list; `is_block`: its items begin with dashes, and it is not in brackets. `line` from 1."""

    value: "list[YamlNode]"
    line: int
    is_block: bool


@dataclass(slots=True)
class MappingNode:
    """Keys with values, as they are written: a key may be any node, and may be there twice. `line` from 1."""

    value: "list[tuple[YamlNode, YamlNode]]"
    line: int


_Collection: TypeAlias = SequenceNode | MappingNode
YamlNode: TypeAlias = ScalarNode | _Collection


def compose(octets: bytes) -> YamlNode | None:
    """Return the one document in `octets`; None where there is nothing.

    Raises:
        NotYaml: it is none, nested too deep, or has a tag beyond the core schema (YAML 1.2.2 section 10.3).
    """
    return _document(_decoded(octets), 0)


def compose_all(octets: bytes) -> Iterator[YamlNode | NotYaml]:
    """Yield each document in `octets` that says something, and for one that is none what is wrong with it.

    Raises:
        NotYaml: it is no text.
    """
    text = _decoded(octets)
    starts = [0, *(found.start() for found in _DOCUMENT.finditer(text))]
    lines_before = 0
    for begin, end in pairwise([*starts, len(text)]):
        part = text[begin:end]
        try:
            document = None if _is_preface(part) else _document(part, lines_before)
        except NotYaml as error:
            yield error
        else:
            if document is not None and not is_nothing(document):
                yield document
        lines_before += part.count("\n")


def _decoded(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise NotYaml(f"no YAML: {error}", octets.count(b"\n", 0, error.start) + 1) from None


def _is_preface(part: str) -> bool:
    """Say whether there is nothing in `part` but comments, and directives for the document behind it."""
    return all(line[:1] in ("", "#", "%") for line in map(str.lstrip, part.splitlines()))


def _document(text: str, lines_before: int) -> YamlNode | None:
    if found := _UNREADABLE.search(text):
        line = lines_before + text.count("\n", 0, found.start()) + 1
        raise NotYaml(f"no YAML: the character U+{ord(found[0]):04X} must be written with a backslash, in quotes", line)
    try:
        return _composed(yaml.parse(text, Loader=_LOADER), lines_before)
    except yaml.YAMLError as error:
        raise _broken(error, text, lines_before) from None


def line_of(node: YamlNode) -> int:
    """Return the line of `node`, from 1."""
    return node.line


def is_nothing(node: YamlNode) -> bool:
    """Say whether nothing is written there, or that it is nothing."""
    return isinstance(node, ScalarNode) and node.value in ("", "~", "null")


def _composed(events: Iterator[yaml.Event], lines_before: int) -> YamlNode | None:
    top: list[YamlNode] = []
    inside = top  # what the innermost list or table that is open holds so far: of a table, keys and values in turn
    opened: list[tuple[_Collection, list[YamlNode]]] = []
    anchors: dict[str, YamlNode] = {}
    for event in events:
        line = lines_before + event.start_mark.line + 1  # type: ignore[union-attr]  # every event of a text has one
        if isinstance(event, yaml.ScalarEvent):
            scalar = _scalar(event, line)
            inside.append(scalar)
            if event.anchor is not None:
                anchors[event.anchor] = scalar  # the last one of a name counts (YAML 1.2.2 section 3.2.2.2)
        elif isinstance(event, yaml.CollectionEndEvent):
            _fill(*opened.pop())
            inside = opened[-1][1] if opened else top
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(opened) >= DEPTH_MAX:
                raise NotYaml("what it says is nested too deep in itself", line)
            collection = _collection(event, line)
            inside.append(collection)
            if event.anchor is not None:
                anchors[event.anchor] = collection
            inside = []
            opened.append((collection, inside))
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise NotYaml(f'no YAML: found undefined alias "{event.anchor}"', line)
            inside.append(anchors[event.anchor])
        elif isinstance(event, yaml.DocumentStartEvent) and top:
            raise NotYaml("no YAML: but found another document", line)
    return top[0] if top else None


def _scalar(event: yaml.ScalarEvent, line: int) -> ScalarNode:
    tag: str | None = event.tag
    if tag is None:
        return ScalarNode(event.value, not event.style, line)
    _check_tag(tag, _SCALAR_TAGS, line)
    return ScalarNode(event.value, tag not in _TEXT_TAGS, line)


def _collection(event: yaml.CollectionStartEvent, line: int) -> _Collection:
    """Return the list or table that begins with `event`; what is in it is not there yet."""
    is_list = isinstance(event, yaml.SequenceStartEvent)
    if event.tag is not None:
        _check_tag(event.tag, _LIST_TAGS if is_list else _TABLE_TAGS, line)
    return SequenceNode([], line, not event.flow_style) if is_list else MappingNode([], line)


def _check_tag(tag: str, known: frozenset[str], line: int) -> None:
    if tag not in known:
        raise NotYaml(f'the tag "{tag}" is none for what is here', line)


def _fill(node: _Collection, parts: list[YamlNode]) -> None:
    if isinstance(node, MappingNode):
        turns = iter(parts)
        node.value.extend(zip(turns, turns, strict=True))
    else:
        node.value.extend(parts)


def _broken(error: yaml.YAMLError, text: str, lines_before: int) -> NotYaml:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return NotYaml(f"no YAML: {error}")
    lines = f"{text}.".splitlines()
    line = min(error.problem_mark.line + 1, len(lines))  # at its end, libyaml stands a line further
    hint = " - within [ ] and { }, an address that begins or ends with :: goes in quotes"
    return NotYaml(f"no YAML: {error.problem}{hint if '::' in lines[line - 1] else ''}", lines_before + line)
