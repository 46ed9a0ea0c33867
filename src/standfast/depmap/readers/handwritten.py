"""Dependency maps that people write in YAML, for what no file says. Unknown keys and names fail, with their line."""

import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.faults.model import Event, Source
from standfast.depmap.graph import Kind, Need, all_of
from standfast.depmap.merging import HANDWRITTEN, kind_by_name
from standfast.depmap.statements import Claims, Fails, Is, Needs, Reading, Shares, Statement, Told, Witness
from standfast.yaml_nodes import (
    MappingNode,
    NotYaml,
    ScalarNode,
    SequenceNode,
    YamlNode,
    compose,
    is_nothing,
    line_of,
)

TOP_KEYS: Final = ("nodes", "causes")
NODE_KEYS: Final = ("kind", "needs", "causes", "unavailability", "claim")
NEED_KEYS: Final = ("all", "any", "at-least", "of", "soft", "role")
CAUSE_KEYS: Final = ("unavailability",)
EVENT_KEYS: Final = ("value", "source")
NUMBER_DIGITS_MAX: Final = 6


def suits(head: bytes, file: str) -> bool:  # noqa: ARG001  its name tells nothing
    """Say whether a file that begins with `head` has "nodes" at its top."""
    return re.search(rb"^(?:\{ *)?nodes *:", head, re.MULTILINE) is not None


def read(octets: bytes, *, file: str) -> Reading:
    """Return what the YAML document `octets` says; `file` is what errors and witnesses call it.

    Raises:
        ModelError: it is no YAML, or means nothing; with the line.
    """
    return _Reader(file).read(octets)


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self._nodes: set[str] = set()
        self._told: list[Told] = []

    def read(self, octets: bytes) -> Reading:
        try:
            root = compose(octets)
        except NotYaml as error:
            raise ModelError(error.reason, file=self._file, line=error.line or 0) from None
        if root is None:
            raise ModelError('there is no "nodes" in it', file=self._file)
        top = dict(self._pairs(root, TOP_KEYS))
        if "nodes" not in top:
            raise self._fault(root, 'there is no "nodes" in it')
        nodes = list(self._pairs(top["nodes"], None))
        self._nodes = {name for name, _ in nodes}
        for name, body in nodes:
            self._node(name, body)
        if "causes" in top:
            for cause, body in self._pairs(top["causes"], None):
                self._cause(cause, body)
        return Reading(told=tuple(self._told))

    def _node(self, name: str, body: YamlNode) -> None:
        said = {} if is_nothing(body) else dict(self._pairs(body, NODE_KEYS))
        kind = self._kind(said["kind"]) if "kind" in said else kind_by_name(name)
        self._tell(Is(name, kind), said.get("kind", body))
        for each in self._items(said.get("needs")):
            self._tell(Needs(name, self._need(each)), each)
        for each in self._items(said.get("causes")):
            if (cause := self._text(each)) in self._nodes:
                raise self._fault(each, f'"{cause}" is a shared cause of "{name}", and a node as well')
            self._tell(Shares(name, cause), each)
        if "unavailability" in said:
            self._tell(Fails(name, self._event(said["unavailability"])), said["unavailability"])
        if "claim" in said:
            self._tell(Claims(name, self._percent(said["claim"])), said["claim"])

    def _cause(self, cause: str, body: YamlNode) -> None:
        if cause in self._nodes:
            raise self._fault(body, f'"{cause}" is among the causes, and a node as well')
        said = dict(self._pairs(body, CAUSE_KEYS))
        if "unavailability" in said:
            self._tell(Fails(cause, self._event(said["unavailability"])), said["unavailability"])

    def _tell(self, statement: Statement, at: YamlNode) -> None:
        self._told.append(Told(statement, Witness(reader=HANDWRITTEN, where=self._file, line=line_of(at))))

    def _need(self, body: YamlNode) -> Need:
        if isinstance(body, ScalarNode):
            return all_of(self._name(body))
        said = dict(self._pairs(body, NEED_KEYS))
        match sorted(said.keys() - {"soft", "role"}):
            case ["all"]:
                parts = self._names(said["all"])
                number = len(parts)
            case ["any"]:
                parts, number = self._names(said["any"]), 1
            case ["at-least", "of"]:
                parts, number = self._names(said["of"]), self._number(said["at-least"])
            case _:
                raise self._fault(body, 'a need is a name, or has "all", or "any", or "at-least" and "of"')
        if not 1 <= number <= len(set(parts)) == len(parts):
            raise self._fault(body, f"a need of {number} of {len(parts)}: at least 1, at most all, each named once")
        soft = "soft" in said and self._truth(said["soft"])
        return Need(parts=parts, number=number, soft=soft, role=self._text(said["role"]) if "role" in said else "")

    def _names(self, body: YamlNode) -> tuple[str, ...]:
        return tuple(self._name(each) for each in self._items(body))

    def _name(self, body: YamlNode) -> str:
        name = self._text(body)
        if name not in self._nodes:
            raise self._fault(body, f'there is no node "{name}"')
        return name

    def _kind(self, body: YamlNode) -> Kind:
        text = self._text(body)
        if text not in set(Kind):
            raise self._fault(body, f'unknown kind "{text}" - one of these is: {", ".join(Kind)}')
        return Kind(text)

    def _event(self, body: YamlNode) -> Event:
        if isinstance(body, ScalarNode):
            return Event(unavailability=self._share(body))
        said = dict(self._pairs(body, EVENT_KEYS))
        if "value" not in said:
            raise self._fault(body, 'an unavailability is a number from 0 to 1, or has it as "value"')
        source = self._text(said["source"]) if "source" in said else Source.CLAIMED.value
        if source not in set(Source):
            raise self._fault(said["source"], f'unknown source "{source}" - one of these is: {", ".join(Source)}')
        return Event(unavailability=self._share(said["value"]), source=Source(source))

    def _share(self, body: YamlNode) -> float:
        return float(self._decimal(body, most=1, what="share of time from 0 to 1"))

    def _percent(self, body: YamlNode) -> float:
        return float(self._decimal(body, most=100, what="percentage from 0 to 100") / 100)

    def _decimal(self, body: YamlNode, *, most: int, what: str) -> Decimal:
        text = self._text(body)
        if re.fullmatch(r"[0-9]{0,9}\.?[0-9]{0,30}([eE][+-]?[0-9]{1,3})?", text):
            with suppress(InvalidOperation):
                if (value := Decimal(text)) <= most:
                    return value
        raise self._fault(body, f'"{text}" is no {what}')

    def _pairs(self, body: YamlNode, keys: tuple[str, ...] | None) -> Iterator[tuple[str, YamlNode]]:
        """Yield what a mapping has; `keys` are those that it may have, None: any."""
        if not isinstance(body, MappingNode):
            raise self._fault(body, "here must be keys with values")
        seen = set()
        for key, value in body.value:
            text = self._text(key)
            if keys is not None and text not in keys:
                raise self._fault(key, f'unknown key "{text}" - one of these is: {", ".join(keys)}')
            if text in seen:
                raise self._fault(key, f'"{text}" is there twice')
            seen.add(text)
            yield text, value

    def _items(self, body: YamlNode | None) -> list[YamlNode]:
        if body is None or is_nothing(body):
            return []
        if not isinstance(body, SequenceNode):
            raise self._fault(body, "here must be a list")
        return list(body.value)

    def _text(self, body: YamlNode) -> str:
        if not isinstance(body, ScalarNode) or not body.value:
            raise self._fault(body, "here must be a name")
        return body.value

    def _truth(self, body: YamlNode) -> bool:
        text = self._text(body)
        if text not in ("true", "false"):
            raise self._fault(body, f'"{text}" is neither true nor false')
        return text == "true"

    def _number(self, body: YamlNode) -> int:
        text = self._text(body)
        if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX):
            raise self._fault(body, f'"{text}" is no number')
        return int(text)

    def _fault(self, body: YamlNode, reason: str) -> ModelError:
        return ModelError(reason, file=self._file, line=line_of(body))
