"""Maps as DOT, the language of Graphviz: `dot -Tsvg map.dot > map.svg`. A need of some of many is a small circle."""

from collections.abc import Iterator
from typing import Final

from standfast.depmap.exports.parts import Part
from standfast.depmap.exports.scene import CAUSE, Edge, Fate, Scene, Thing
from standfast.depmap.graph import Kind

_SHAPES: Final = {
    Kind.SERVICE: "box",
    Kind.NAME: "note",
    Kind.ADDRESS: "cds",
    Kind.ZONE: "folder",
    Kind.NAME_SERVER: "component",
    Kind.RESOURCE: "cylinder",
    CAUSE: "octagon",
}
_COLOURS: Final = {
    Fate.WORKS: "#1f9d73",
    Fate.DEGRADED: "#b96a00",
    Fate.DOWN: "#d6403f",
    Fate.LOST: "#d6403f",
    Fate.NEVER: "#5d6875",
}


def write_dot(scene: Scene, title: str, part: Part) -> str:  # noqa: ARG001  it has none
    """Return `scene` as one directed graph; nodes are called as in the map, and their `label` is what is shown.

    Source: https://graphviz.org/doc/info/lang.html
    """
    return "\n".join([f"digraph {_quoted(title)} {{", *(f"  {line}" for line in _lines(scene)), "}", ""])


def _lines(scene: Scene) -> Iterator[str]:
    yield "rankdir=LR"
    yield 'node [fontname="Helvetica,Arial,sans-serif", fontsize=11, height=0.3]'
    yield "edge [arrowsize=0.6]"
    for thing in scene.things.values():
        yield f"{_quoted(thing.name)} [{_attributes(**_of_thing(thing, scene))}]"
    circles: set[str] = set()
    for edge in scene.edges:
        start = _quoted(edge.start)
        if edge.choice:
            circle = _quoted(f"{edge.start} need {edge.need}")
            if circle not in circles:
                circles.add(circle)
                yield f"{circle} [{_attributes(shape='circle', label=edge.choice, fontsize='8', width='0.2')}]"
                yield f"{start} -> {circle} [{_attributes(arrowhead='none', style=_line(edge))}]"
            start = circle
        yield f"{start} -> {_quoted(edge.end)} [{_attributes(**_of_edge(edge))}]"


def _of_thing(thing: Thing, scene: Scene) -> dict[str, str]:
    gone = scene.map.gone.get(thing.name)
    shown = {
        "label": thing.label,
        "shape": _SHAPES[thing.kind],
        "kind": thing.kind,
        "fate": thing.fate,
        "color": _COLOURS[thing.fate],
    }
    if thing.fate is Fate.LOST:
        shown |= {"style": "filled", "fillcolor": _COLOURS[Fate.LOST], "fontcolor": "white"}
    return shown | ({"gone": gone} if gone else {})


def _of_edge(edge: Edge) -> dict[str, str]:
    shown = {"style": _line(edge)}
    if edge.role:
        shown["role"] = edge.role
    if edge.fate is not Fate.WORKS:
        shown["color"] = _COLOURS[edge.fate]
    return shown


def _line(edge: Edge) -> str:
    return "dashed" if edge.soft else "dotted" if edge.role == CAUSE else "solid"


def _attributes(**given: str) -> str:
    return ", ".join(f"{key}={_quoted(value)}" for key, value in given.items())


def _quoted(text: str) -> str:
    """Return `text` as a quoted string; a backslash is doubled, which a label shows as one, and an ID as two."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\N{REPLACEMENT CHARACTER}") + '"'
