"""Maps as JSON: every node with its needs, causes and figures, who says so, and how it fares in the loss."""

import json
from typing import Any

from standfast.depmap.exports.parts import Part
from standfast.depmap.exports.scene import CAUSE, Scene, Thing
from standfast.depmap.graph import Node
from standfast.depmap.statements import Witness

VERSION = 1  # of the form; a reader refuses one that it does not know


def write_json(scene: Scene, title: str, part: Part) -> str:  # noqa: ARG001  it has none
    """Return `scene` as one JSON document, the same for the same map."""
    return json.dumps({"title": title, **document(scene)}, indent=1, ensure_ascii=False) + "\n"


def document(scene: Scene) -> dict[str, Any]:
    """Return `scene` as a document: `nodes`, `causes`, `contradictions`, `remarks`, `lost` and the `version`."""
    things = scene.things.values()
    return {
        "version": VERSION,
        "lost": scene.lost,
        "nodes": [_node(scene, thing) for thing in things if thing.kind != CAUSE],
        "causes": [_thing(scene, thing) for thing in things if thing.kind == CAUSE],
        "contradictions": [
            {
                "name": each.name,
                "said": [{"text": text, **_witness(witness)} for text, witness in each.said],
                "taken": each.taken,
            }
            for each in scene.map.contradictions
        ],
        "remarks": [{"text": remark.text, **_witness(remark.by)} for remark in scene.map.remarks],
    }


def _node(scene: Scene, thing: Thing) -> dict[str, Any]:
    node = scene.map.graph.nodes[thing.name]
    told = _thing(scene, thing) | {"needs": _needs(scene, node), "causes": _parts(scene, node, node.causes)}
    if thing.name in scene.map.claims:
        told["claim"] = scene.map.claims[thing.name]
    if thing.name in scene.map.gone:
        told["gone"] = scene.map.gone[thing.name]
    return told


def _thing(scene: Scene, thing: Thing) -> dict[str, Any]:
    told: dict[str, Any] = {"name": thing.name, "kind": thing.kind, "fate": thing.fate}
    if thing.because:
        told["because"] = thing.because
    if event := scene.map.events.get(thing.name):
        told["fails"] = {"unavailability": event.unavailability, "source": event.source}
    return told


def _needs(scene: Scene, node: Node) -> list[dict[str, Any]]:
    return [
        {"number": need.number, "soft": need.soft, "role": need.role, "parts": _parts(scene, node, need.parts)}
        for need in node.needs
    ]


def _parts(scene: Scene, node: Node, names: tuple[str, ...]) -> list[dict[str, Any]]:
    witnesses = scene.map.witnesses
    return [{"name": name, "by": [_witness(each) for each in witnesses.get((node.name, name), ())]} for name in names]


def _witness(witness: Witness) -> dict[str, Any]:
    return {"reader": witness.reader, "where": witness.where} | ({"line": witness.line} if witness.line else {})
