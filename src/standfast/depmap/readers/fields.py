"""What YAML nodes hold, for readers of files that others made: what is not as expected is simply not there."""

import re
from typing import Final

from standfast.yaml_nodes import MappingNode, ScalarNode, SequenceNode, YamlNode, is_nothing

MERGE: Final = "<<"  # a key whose value stands for keys of its own (YAML 1.1's merge key, as compose files use it)


def fields(node: YamlNode | None) -> dict[str, YamlNode]:
    """Return the keys and values of a table; of a key that is there twice the last. Its own come before merged ones."""
    found: dict[str, YamlNode] = {}
    seen: set[int] = set()  # tables may hold themselves
    todo = [node]
    while todo:
        table = todo.pop()
        if table is None or id(table) in seen:
            continue
        seen.add(id(table))
        if isinstance(table, SequenceNode):
            todo += reversed(table.value)
        elif isinstance(table, MappingNode):
            own = {text(key): value for key, value in table.value}
            todo.append(own.pop(MERGE, None))
            found = own | found
    return found


def items(node: YamlNode | None) -> list[YamlNode]:
    """Return what a list holds."""
    return list(node.value) if isinstance(node, SequenceNode) else []


def text(node: YamlNode | None) -> str:
    """Return a single value as it is written; "" for nothing."""
    return node.value if isinstance(node, ScalarNode) and not (node.is_plain and is_nothing(node)) else ""


def texts(node: YamlNode | None) -> dict[str, str]:
    """Return the keys and single values of a table."""
    return {key: text(value) for key, value in fields(node).items() if isinstance(value, ScalarNode)}


def at(node: YamlNode | None, *path: str) -> YamlNode | None:
    """Return what stands behind the keys `path`, one in the other."""
    for key in path:
        node = fields(node).get(key)
    return node


def without_values(reason: str) -> str:
    """Return why something is no YAML, without what the file says there: it may be a secret."""
    return re.sub(r'"[^"]*"', "...", reason)
