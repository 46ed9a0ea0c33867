"""Maps as GraphML, which Gephi, yEd, Cytoscape and NetworkX read: every attribute with its type."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from standfast.depmap.exports.parts import Part
from standfast.depmap.exports.scene import Scene

Value = str | int | float | bool
_NAMESPACE: Final = "http://graphml.graphdrawing.org/xmlns"
_SCHEMA: Final = "http://graphml.graphdrawing.org/xmlns/1.1/graphml.xsd"

# name: type, by what it is of
_OF_NODE: Final = {
    "name": "string",
    "label": "string",
    "kind": "string",
    "fate": "string",
    "gone": "string",
    "unavailability": "double",
    "source": "string",
    "claim": "double",
}
_OF_EDGE: Final = {
    "role": "string",
    "soft": "boolean",
    "need": "int",  # edges of one node with one number are one need
    "number": "int",  # of the parts of that need must work
    "fate": "string",
    "witnesses": "string",
}
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def write_graphml(scene: Scene, title: str, part: Part) -> str:  # noqa: ARG001  it has none
    """Return `scene` as one directed graph. Nodes are n0, n1, ..., as an id must have no colon; `name` says which.

    Source: http://graphml.graphdrawing.org/specification.html
    """
    return "\n".join(_lines(scene, title))


def _lines(scene: Scene, title: str) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<graphml xmlns="{_NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    yield f'    xsi:schemaLocation="{_NAMESPACE} {_SCHEMA}">'
    for of, keys in (("node", _OF_NODE), ("edge", _OF_EDGE)):
        for name, type_ in keys.items():
            yield f'  <key id="{of}-{name}" for="{of}" attr.name="{name}" attr.type="{type_}"/>'
    yield '  <graph id="map" edgedefault="directed">'
    yield f"    <desc>{_text(title)}</desc>"
    ids = {name: f"n{at}" for at, name in enumerate(scene.things)}
    for name, id_ in ids.items():
        yield f'    <node id="{id_}">{_data("node", _node(scene, name))}</node>'
    for edge in scene.edges:
        told: dict[str, Value] = {"role": edge.role, "soft": edge.soft, "number": edge.number, "fate": edge.fate}
        if edge.need is not None:
            told["need"] = edge.need
        told["witnesses"] = "; ".join(map(str, edge.witnesses))
        yield f'    <edge source="{ids[edge.start]}" target="{ids[edge.end]}">{_data("edge", told)}</edge>'
    yield "  </graph>"
    yield "</graphml>\n"


def _node(scene: Scene, name: str) -> dict[str, Value]:
    thing, found = scene.things[name], scene.map
    told: dict[str, Value] = {"name": name, "label": thing.label, "kind": thing.kind, "fate": thing.fate}
    if event := found.events.get(name):
        told |= {"unavailability": event.unavailability, "source": event.source}
    if name in found.claims:
        told["claim"] = found.claims[name]
    return told | ({"gone": found.gone[name]} if name in found.gone else {})


def _data(of: str, told: Mapping[str, Value]) -> str:
    return "".join(f'<data key="{of}-{key}">{_text(value)}</data>' for key, value in told.items() if value != "")


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", str(value)), quote=False)
