"""Maps as a page to explore: lose anything and see what falls, and why. One file, which asks nobody for anything.

Its policy lets no script run but its own, known by its hash, whatever a name in the map says.
"""

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from string import Template
from typing import Any

from standfast.depmap.exports.drawing import THINGS_MAX, draw
from standfast.depmap.exports.parts import PAGE, PAGE_STYLE, SCRIPTS, STYLE, Part
from standfast.depmap.exports.scene import Scene
from standfast.depmap.exports.svg import path_of
from standfast.depmap.loss import reach


def write_html(scene: Scene, title: str, part: Part) -> str:
    """Return the page that shows `scene` under `title` and begins with its loss; `part` gives the files of the page."""
    script = "\n".join(map(part, SCRIPTS))
    styles = part(STYLE) + part(PAGE_STYLE)
    policy = f"default-src 'none'; script-src 'sha256-{_hash(script)}'; style-src 'sha256-{_hash(styles)}'"
    # In JSON "<" stands in strings alone, and there it may be written so: nothing in it ends the script element.
    data = json.dumps(_data(scene), separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return Template(part(PAGE)).substitute(
        title=escape(title), policy=escape(policy), style=styles, script=script, data=data
    )


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _data(scene: Scene) -> dict[str, Any]:
    """Return what the scripts show: things by their places in the list, witnesses by theirs, as names would be long."""
    places = {name: at for at, name in enumerate(scene.things)}
    witnesses = {each: at for at, each in enumerate(dict.fromkeys(by for edge in scene.edges for by in edge.witnesses))}
    takes = reach(scene.map.graph)
    told_by = {
        (edge.start, edge.end): [witnesses[each] for each in edge.witnesses] for edge in scene.edges if edge.witnesses
    }

    def thing(name: str) -> dict[str, Any]:
        found, each = scene.map, scene.things[name]
        node = found.graph.nodes.get(name)
        told: dict[str, Any] = {
            "name": name,
            "label": each.label,
            "caption": each.caption,
            "kind": each.kind,
            "reach": takes[name],
            "needs": [
                {
                    "parts": [places[part] for part in need.parts],
                    "number": need.number,
                    "soft": need.soft,
                    "by": [told_by.get((name, part), []) for part in need.parts],
                }
                for need in (node.needs if node else ())
            ],
            "causes": [places[cause] for cause in (node.causes if node else ())],
            "causes_by": [told_by.get((name, cause), []) for cause in (node.causes if node else ())],
        }
        if event := found.events.get(name):
            told["fails"] = {"unavailability": event.unavailability, "source": event.source}
        if name in found.claims:
            told["claim"] = found.claims[name]
        return told | ({"gone": found.gone[name]} if name in found.gone else {})

    return {
        "things": [thing(name) for name in scene.things],
        "witnesses": [str(each) for each in witnesses],
        "lost": [places[name] for name in scene.lost],
        "drawing": _drawing(scene) if len(scene.things) <= THINGS_MAX else None,
    }


def _drawing(scene: Scene) -> dict[str, Any]:
    drawing = draw(scene)
    boxes = [drawing.boxes[name] for name in scene.things]
    return {
        "size": drawing.size,
        "boxes": [(box.x, box.y, box.width, box.height) for box in boxes],
        "routes": [path_of(route) for route in drawing.routes],
        "badges": [(badge.node, badge.text, *badge.at) for badge in drawing.badges],
    }
