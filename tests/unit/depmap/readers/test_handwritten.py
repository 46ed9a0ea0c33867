"""Maps written by hand: what they say is the graph, and what is wrong is told with its line."""

import re
from pathlib import Path

import pytest

from standfast.depmap.errors import ModelError
from standfast.depmap.faults.model import Event, Source
from standfast.depmap.graph import Kind, Need, all_of, any_of
from standfast.depmap.loss import single_points
from standfast.depmap.merging import merge
from standfast.depmap.readers.handwritten import read
from standfast.depmap.statements import Claims, Fails, Is, Needs

PAGE = (Path(__file__).parents[4] / "docs" / "dependency-map.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
DOCUMENTED = EXAMPLES[0].encode()


def test_the_documented_map_is_read_as_it_says() -> None:
    graph = merge([read(DOCUMENTED, file="map.yaml")]).graph
    assert graph.nodes["shop"].needs == (
        all_of("checkout"),
        any_of("cache-1", "cache-2"),
        all_of("recommendations", soft=True),
    )
    table = graph.nodes["table"]
    assert (table.needs, table.causes) == ((Need(parts=("ns-1", "ns-2"), number=1),), ("us-east-1",))
    assert single_points(graph, "shop") == ["shop", "checkout", "table", "us-east-1", "one-dns"]


def test_what_a_hand_says_beside_needs_is_told_with_its_line() -> None:
    told = read(
        b"""nodes:
  www.example.com:
    kind: name
    claim: 99.99
    unavailability: {value: 1e-4, source: measured}
    needs:
      - {any: [a, b], role: address}
  a: {unavailability: 0.5}
  b:
causes:
  dns:one: {unavailability: 0.001}
""",
        file="m.yaml",
    ).told
    assert [(each.statement, each.by.line) for each in told] == [
        (Is("www.example.com", Kind.NAME), 3),
        (Needs("www.example.com", any_of("a", "b", role="address")), 7),
        (Fails("www.example.com", Event(unavailability=0.0001, source=Source.MEASURED)), 5),
        (Claims("www.example.com", 0.9999), 4),
        (Is("a", Kind.SERVICE), 8),
        (Fails("a", Event(unavailability=0.5)), 8),
        (Is("b", Kind.SERVICE), 9),
        (Fails("dns:one", Event(unavailability=0.001)), 11),
    ]
    assert {each.by.reader for each in told} == {"handwritten"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'm.yaml: there is no "nodes" in it'),
        ("{}", 'm.yaml:1: there is no "nodes" in it'),
        ("- a", "m.yaml:1: here must be keys with values"),
        ("nodes: [", "m.yaml:1: no YAML: "),
        ("nodes:\n  a: [b]", "m.yaml:2: here must be keys with values"),
        ("nodes:\n  a:\n    wants: [a]", 'm.yaml:3: unknown key "wants" - one of these is: kind, needs, causes, '),
        ("nodes:\n  a:\n  a:", 'm.yaml:3: "a" is there twice'),
        ("nodes:\n  a: {needs: [b]}", 'm.yaml:2: there is no node "b"'),
        ("nodes:\n  a: {needs: b}", "m.yaml:2: here must be a list"),
        ("nodes:\n  a: {needs: [{at-least: 1}]}", "m.yaml:2: a need is a name, or has"),
        ("nodes:\n  a: {needs: [{at-least: two, of: [a]}]}", 'm.yaml:2: "two" is no number'),
        ("nodes:\n  a: {needs: [{at-least: 2, of: [a]}]}", "m.yaml:2: a need of 2 of 1"),
        ("nodes:\n  a: {needs: [{any: [a], soft: maybe}]}", 'm.yaml:2: "maybe" is neither true nor false'),
        ("nodes:\n  a: {needs: [{any: []}]}", "m.yaml:2: a need of 1 of 0"),
        ("nodes:\n  a: {causes: [b]}\n  b:", 'm.yaml:2: "b" is a shared cause of "a", and a node as well'),
        ("nodes:\n  a: {kind: thing}", 'm.yaml:2: unknown kind "thing" - one of these is: service, name, '),
        ("nodes:\n  a: {unavailability: 2}", 'm.yaml:2: "2" is no share of time from 0 to 1'),
        ("nodes:\n  a: {unavailability: -1}", 'm.yaml:2: "-1" is no share of time from 0 to 1'),
        ("nodes:\n  a: {unavailability: nan}", 'm.yaml:2: "nan" is no share of time from 0 to 1'),
        ("nodes:\n  a: {unavailability: {source: measured}}", "m.yaml:2: an unavailability is a number"),
        ("nodes:\n  a: {unavailability: {value: 0, source: x}}", 'm.yaml:2: unknown source "x" - one of these is: '),
        ("nodes:\n  a: {claim: 101}", 'm.yaml:2: "101" is no percentage from 0 to 100'),
        ("nodes:\n  a: {claim: .}", 'm.yaml:2: "." is no percentage from 0 to 100'),
        ("nodes:\n  a:\ncauses:\n  a: {unavailability: 0}", 'm.yaml:4: "a" is among the causes, and a node as well'),
        ("nodes:\n  a:\ncauses:\n  b: {kind: name}", 'm.yaml:4: unknown key "kind" - one of these is: unavailability'),
        ("nodes: " + "[" * 5000, "m.yaml:1: what it says is nested too deep in itself"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ModelError) as raised:
        read(text.encode(), file="m.yaml")
    assert said in str(raised.value)


def test_what_is_no_text_is_no_map() -> None:
    with pytest.raises(ModelError, match="no YAML"):
        read(b"\xff\xfe\x00", file="m.yaml")


def test_every_documented_key_is_read() -> None:
    assert [len(read(example.encode(), file="map.yaml").told) for example in EXAMPLES] == [19, 9]
