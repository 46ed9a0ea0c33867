"""Maps written by hand: what they say is the graph, and what is wrong is told with its line."""

import re
from pathlib import Path

import pytest

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Need, Node, all_of, any_of
from standfast.depmap.loss import single_points
from standfast.depmap.readers.handwritten import read_map

PAGE = (Path(__file__).parents[4] / "docs" / "dependency-map.md").read_text()
DOCUMENTED = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0].encode()


def test_the_documented_map_is_read_as_it_says() -> None:
    graph = read_map(DOCUMENTED, file="map.yaml")
    assert graph.nodes["shop"].needs == (
        all_of("checkout"),
        any_of("cache-1", "cache-2"),
        all_of("recommendations", soft=True),
    )
    assert graph.nodes["table"] == Node(
        name="table", needs=(Need(parts=("ns-1", "ns-2"), number=1),), causes=("us-east-1",)
    )
    assert single_points(graph, "shop") == ["shop", "checkout", "table", "us-east-1", "one-dns"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'm.yaml: there is no "nodes" in it'),
        ("{}", 'm.yaml:1: there is no "nodes" in it'),
        ("- a", "m.yaml:1: here must be keys with values"),
        ("nodes: [", "m.yaml:1: no YAML: "),
        ("nodes:\n  a: [b]", "m.yaml:2: here must be keys with values"),
        ("nodes:\n  a:\n    wants: [a]", 'm.yaml:3: unknown key "wants" - one of these is: needs, causes'),
        ("nodes:\n  a:\n  a:", 'm.yaml:3: "a" is there twice'),
        ("nodes:\n  a: {needs: [b]}", 'm.yaml:2: there is no node "b"'),
        ("nodes:\n  a: {needs: b}", "m.yaml:2: here must be a list"),
        ("nodes:\n  a: {needs: [{at-least: 1}]}", "m.yaml:2: a need is a name, or has"),
        ("nodes:\n  a: {needs: [{at-least: two, of: [a]}]}", 'm.yaml:2: "two" is no number'),
        ("nodes:\n  a: {needs: [{at-least: 2, of: [a]}]}", 'm.yaml: "a" needs 2 of 1'),
        ("nodes:\n  a: {needs: [{any: [a], soft: maybe}]}", 'm.yaml:2: "maybe" is neither true nor false'),
        ("nodes:\n  a: {needs: [{any: []}]}", 'm.yaml: "a" needs 1 of 0'),
        ("nodes:\n  a: {causes: [b]}\n  b:", 'm.yaml: "b" is a shared cause of "a", and a node as well'),
        ("nodes: " + "[" * 5000, "m.yaml:1: what it says is nested too deep in itself"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ModelError) as raised:
        read_map(text.encode(), file="m.yaml")
    assert said in str(raised.value)


def test_what_is_no_text_is_no_map() -> None:
    with pytest.raises(ModelError, match="no YAML"):
        read_map(b"\xff\xfe\x00", file="m.yaml")
