"""Maps for other programs: what is read back is what was there, whatever it is called."""

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from standfast.depmap.exports.formats import FORMATS, format_of
from standfast.depmap.exports.scene import Scene, scene_of
from standfast.depmap.graph import Kind
from standfast.depmap.statements import Is
from standfast.io.depmap.parts import part
from unit.depmap.exports.maps import NASTY, REGION, map_that_says, shop

GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"
OF_TYPE: dict[str, Callable[[str], object]] = {
    "string": str,
    "int": int,
    "double": float,
    "boolean": {"true": True, "false": False}.__getitem__,
}


def written(form: str, scene: Scene, title: str = "A shop") -> str:
    return FORMATS[form].write(scene, title, part)


def graphml(scene: Scene) -> tuple[dict[str, dict[str, object]], list[tuple[str, str, dict[str, object]]]]:
    """Return the nodes by name with their attributes, and the edges, as a reader of GraphML finds them."""
    root = ET.fromstring(written("graphml", scene))
    keys = {key.attrib["id"]: key.attrib for key in root.iter(f"{GRAPHML}key")}

    def data(element: ET.Element, of: str) -> dict[str, object]:
        found = {}
        for each in element.iter(f"{GRAPHML}data"):
            key = keys[each.attrib["key"]]
            assert key["for"] == of
            found[key["attr.name"]] = OF_TYPE[key["attr.type"]](each.text or "")
        return found

    nodes = {node.attrib["id"]: data(node, "node") for node in root.iter(f"{GRAPHML}node")}
    names = {id_: str(found["name"]) for id_, found in nodes.items()}
    edges = [
        (names[edge.attrib["source"]], names[edge.attrib["target"]], data(edge, "edge"))
        for edge in root.iter(f"{GRAPHML}edge")
    ]
    return {names[id_]: found for id_, found in nodes.items()}, edges


def test_graphml_has_every_thing_and_every_edge_with_typed_attributes() -> None:
    scene = scene_of(shop(), [REGION])
    nodes, edges = graphml(scene)
    assert {name: found["fate"] for name, found in nodes.items()} == {
        name: thing.fate.value for name, thing in scene.things.items()
    }
    assert (nodes["table"]["unavailability"], nodes["table"]["source"]) == (0.001, "measured")
    assert (nodes["shop"]["claim"], nodes["old.example.com"]["gone"]) == (0.999, "emptied")
    assert [(start, end) for start, end, _ in edges] == [(edge.start, edge.end) for edge in scene.edges]
    (cache,) = [found for start, end, found in edges if (start, end) == ("checkout", "cache-1")]
    assert (cache["number"], cache["soft"], cache["witnesses"]) == (1, False, "handwritten map.yaml:7")
    assert [found["need"] for start, _, found in edges if start == "checkout"].count(cache["need"]) == 2


def test_graphml_is_well_formed_whatever_a_name_holds() -> None:
    found = map_that_says(Is("a\x00b\x1f<&>\ud800", Kind.SERVICE))
    nodes, _ = graphml(scene_of(found))
    assert list(nodes) == ["a\ufffdb\ufffd<&>\ufffd"]


def test_json_has_all_that_is_known_of_each_node() -> None:
    document = json.loads(written("json", scene_of(shop(), [REGION])))
    nodes = {node["name"]: node for node in document["nodes"]}
    assert (document["version"], document["title"], document["lost"]) == (1, "A shop", [REGION, "old.example.com"])
    assert nodes["table"] == {
        "name": "table",
        "kind": "resource",
        "fate": "down",
        "because": ["table", REGION],
        "fails": {"unavailability": 0.001, "source": "measured"},
        "needs": [],
        "causes": [{"name": REGION, "by": [{"reader": "handwritten", "where": "map.yaml", "line": 7}]}],
    }
    assert [cause["name"] for cause in document["causes"]] == [REGION, "region:aws/eu-west-1"]
    assert NASTY in nodes


def test_dot_quotes_what_would_end_a_name() -> None:
    text = written("dot", scene_of(map_that_says(Is('a"b\\', Kind.SERVICE))))
    assert r'"a\"b\\" [label="a\"b\\"' in text


def test_a_need_of_some_of_many_is_a_circle_of_its_own_in_dot() -> None:
    text = written("dot", scene_of(shop()))
    assert text.count('shape="circle"') == 2
    assert 'label="1 of 2"' in text


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_map_is_written_the_same(form: str) -> None:
    assert written(form, scene_of(shop(), [REGION])) == written(form, scene_of(shop(), [REGION]))


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_map_is_written_too(form: str) -> None:
    assert written(form, scene_of(map_that_says()))


def test_a_file_is_known_by_how_its_name_ends() -> None:
    assert [format_of(file) for file in ("a.html", "a.gv", "a.b.json", "json", "a.png")] == [
        *("html", "dot", "json"),
        None,
        None,
    ]
