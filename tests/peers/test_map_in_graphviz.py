"""Graphviz reads a map in DOT as it was written."""

import subprocess

import pytest

from peers.servers import program
from standfast.depmap.exports.dot import write_dot
from standfast.depmap.exports.scene import CAUSE, scene_of
from standfast.io.depmap.parts import part
from unit.depmap.exports.maps import REGION, shop

pytestmark = pytest.mark.peers

TIMEOUT_S = 60.0
ASKED = r"""
N{printf("node\t%s\t%s\t%s\n", $.name, $.kind, $.fate)}
E{printf("edge\t%s\t%s\t%s\n", $.tail.name, $.head.name, $.role)}
"""


def test_graphviz_finds_every_thing_and_every_edge() -> None:
    scene = scene_of(shop(), [REGION])
    command = [program("gvpr"), ASKED]
    ended = subprocess.run(
        command, input=write_dot(scene, 'A "shop"', part), capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    assert ended.stderr == ""
    rows = [line.split("\t") for line in ended.stdout.splitlines()]
    nodes = {name.replace("\\\\", "\\"): (kind, fate) for what, name, kind, fate in rows if what == "node" and kind}
    assert nodes == {name: (thing.kind, thing.fate.value) for name, thing in scene.things.items()}
    plain = [(edge.start, edge.end) for edge in scene.edges if not edge.choice]
    edges = [(start, end) for what, start, end, _ in rows if what == "edge"]
    assert set(plain) <= set(edges)
    circles = {name for what, name, kind, _ in rows if what == "node" and not kind}
    chosen = {(edge.start, edge.end) for edge in scene.edges if edge.choice}
    led = {(start, circle) for start, circle in edges if circle in circles}
    assert {(start, end) for start, circle in led for one, end in edges if one == circle} == chosen
    assert {role for what, *_, role in rows if what == "edge"} >= {CAUSE, "address"}
