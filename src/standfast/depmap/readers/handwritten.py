"""Dependency maps that people write in YAML, for what no file says. Unknown keys and names fail, with their line."""

from collections.abc import Iterator
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import DependencyGraph, Need, Node, all_of, any_of, graph_of_nodes
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

NODE_KEYS: Final = ("needs", "causes")
NEED_KEYS: Final = ("all", "any", "at-least", "of", "soft")
NUMBER_DIGITS_MAX: Final = 6


def read_map(octets: bytes, *, file: str) -> DependencyGraph:
    """Return the graph that the YAML document `octets` describes; `file` is what errors call it.

    Raises:
        ModelError: it is no YAML, or means nothing; with the line.
    """
    return _Reader(file).read(octets)


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file

    def read(self, octets: bytes) -> DependencyGraph:
        try:
            root = compose(octets)
        except NotYaml as error:
            raise ModelError(error.reason, file=self._file, line=error.line or 0) from None
        if root is None:
            raise ModelError('there is no "nodes" in it', file=self._file)
        top = dict(self._pairs(root, ("nodes",)))
        if "nodes" not in top:
            raise self._fault(root, 'there is no "nodes" in it')
        described = list(self._pairs(top["nodes"], None))
        names = {name for name, _ in described}
        nodes = [self._node(name, body, names) for name, body in described]
        try:
            return graph_of_nodes(nodes)
        except ModelError as error:
            raise ModelError(error.reason, file=self._file) from None

    def _node(self, name: str, body: YamlNode, names: set[str]) -> Node:
        if is_nothing(body):
            return Node(name=name)
        said = dict(self._pairs(body, NODE_KEYS))
        needs = [self._need(each, names) for each in self._items(said.get("needs"))]
        causes = tuple(self._text(each) for each in self._items(said.get("causes")))
        return Node(name=name, needs=tuple(needs), causes=causes)

    def _need(self, body: YamlNode, names: set[str]) -> Need:
        if isinstance(body, ScalarNode):
            return all_of(self._name(body, names))
        said = dict(self._pairs(body, NEED_KEYS))
        soft = "soft" in said and self._truth(said["soft"])
        match sorted(said.keys() - {"soft"}):
            case ["all"]:
                return all_of(*self._names(said["all"], names), soft=soft)
            case ["any"]:
                return any_of(*self._names(said["any"], names), soft=soft)
            case ["at-least", "of"]:
                parts = self._names(said["of"], names)
                return Need(parts=parts, number=self._number(said["at-least"]), soft=soft)
            case _:
                raise self._fault(body, 'a need is a name, or has "all", or "any", or "at-least" and "of"')

    def _names(self, body: YamlNode, names: set[str]) -> tuple[str, ...]:
        return tuple(self._name(each, names) for each in self._items(body))

    def _name(self, body: YamlNode, names: set[str]) -> str:
        name = self._text(body)
        if name not in names:
            raise self._fault(body, f'there is no node "{name}"')
        return name

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
