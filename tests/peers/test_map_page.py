"""The page of a map in Chromium: what falls by a click or a key, and its fixpoint beside ours."""

import json
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peers.browser import Browser, chromium
from peers.servers import program
from standfast.depmap.exports.drawing import THINGS_MAX
from standfast.depmap.exports.page import write_html
from standfast.depmap.exports.scene import scene_of
from standfast.depmap.graph import DependencyGraph, all_of
from standfast.depmap.loss import blast_radius, single_points
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Needs, Shares
from standfast.io.depmap.parts import part
from unit.depmap.exports.maps import NASTY, REGION, map_that_says, random_maps, shop

pytestmark = pytest.mark.peers

NODE_TIMEOUT_S = 60.0
ASKED = """
const told = JSON.parse(require("fs").readFileSync(0, "utf8")).map(({ things, lost, target }) => {
  const dependents = dependentsOf(things);
  const { fates, because } = blastRadius(things, dependents, new Set(lost));
  return { fates, because: [...because], singles: singlePoints(things, dependents, target, 1000) };
});
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


def opened(browser: Browser, folder: Path, found: DependencyMap, fragment: str = "") -> None:
    page = folder / "map.html"
    page.write_text(write_html(scene_of(found), "A shop", part))
    browser.said.clear()
    browser.asked.clear()
    browser.open(f"{page.as_uri()}{fragment}")


def fates(browser: Browser) -> dict[str, str]:
    """Return how each thing that is drawn fares, by what its label for screen readers says."""
    labels = browser.evaluate("[...document.querySelectorAll('#map .thing')].map((each) => each.ariaLabel)")
    return {name: fate for name, _, fate in (label.rsplit(", ", 2) for label in labels)}


def place(found: DependencyMap, name: str) -> str:
    return f'#map [data-at="{list(scene_of(found).things).index(name)}"]'


def test_what_is_clicked_is_lost_and_what_hangs_on_it_falls(browser: Browser, tmp_path: Path) -> None:
    found = shop()
    opened(browser, tmp_path, found)
    assert fates(browser)["table"] == "works"
    browser.click(place(found, REGION))
    expected = {name: thing.fate.value for name, thing in scene_of(found, [REGION]).things.items()}
    assert fates(browser) == expected
    assert "5of 14 nodes down, 1 degraded" in browser.evaluate("document.getElementById('outcome').textContent")
    browser.click(place(found, REGION))
    assert fates(browser)["table"] == "works"


def test_it_can_be_explored_from_the_keyboard(browser: Browser, tmp_path: Path) -> None:
    found = shop()
    opened(browser, tmp_path, found)
    for key in ("/", *"table", "Enter"):
        browser.press(key)
    assert browser.evaluate("document.activeElement.ariaLabel") == "table, resource, works"
    browser.press("Enter")
    assert (fates(browser)["table"], fates(browser)["advice"]) == ("lost", "down")
    browser.press("ArrowLeft")
    assert browser.evaluate("document.activeElement.ariaLabel") == "advice, service, down"
    browser.press("f")
    assert set(fates(browser)) == {"advice", "shop", "table", REGION}
    browser.press("Escape")
    assert set(fates(browser).values()) == {"works"}


def test_what_is_lost_is_in_the_address_and_comes_back_with_it(browser: Browser, tmp_path: Path) -> None:
    found = shop()
    opened(browser, tmp_path, found)
    browser.click(place(found, REGION))
    fragment = browser.evaluate("location.hash")
    opened(browser, tmp_path, found, fragment)
    assert fates(browser)[REGION] == "lost"


def test_the_page_throws_nothing_and_asks_for_nothing_but_itself(browser: Browser, tmp_path: Path) -> None:
    found = shop()
    opened(browser, tmp_path, found)
    for name in ("shop", NASTY, REGION):
        browser.click(place(found, name))
    assert NASTY in fates(browser)
    assert browser.said == []
    assert {address for address in browser.asked if address != "about:blank"} == {(tmp_path / "map.html").as_uri()}


def test_ten_thousand_nodes_are_shown_by_their_neighbourhoods(browser: Browser, tmp_path: Path) -> None:
    names = [f"n{at}" for at in range(10_000)]
    needs = [Needs(name, all_of(*{names[at // 2], names[at // 3]} - {name})) for at, name in enumerate(names) if at]
    found = map_that_says(*needs, Shares(names[0], REGION))
    assert len(names) > THINGS_MAX
    opened(browser, tmp_path, found)
    assert 2 < len(fates(browser)) < 200
    browser.click(place(found, names[0]))
    assert "10,000of 10,000 nodes down" in browser.evaluate("document.getElementById('outcome').textContent")
    took_ms = browser.evaluate(
        "(() => { const begin = performance.now(); judge(); return performance.now() - begin; })()"
    )
    assert took_ms < 5_000  # a tenth of a second where nothing else runs
    assert browser.said == []


def things_of(graph: DependencyGraph) -> tuple[list[str], list[dict[str, object]]]:
    """Return the names of all things and what the script sees of each."""
    names = [*graph.nodes, *graph.causes]
    places = {name: at for at, name in enumerate(names)}
    things: list[dict[str, object]] = [
        {
            "needs": [
                {"parts": [places[part] for part in need.parts], "number": need.number, "soft": need.soft}
                for need in node.needs
            ],
            "causes": [places[cause] for cause in node.causes],
        }
        for node in graph.nodes.values()
    ]
    return names, things + [{"needs": [], "causes": []} for _ in graph.causes]


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_the_script_finds_what_python_finds(data: st.DataObject) -> None:
    graphs = [found.graph for found in data.draw(st.lists(random_maps(), min_size=10, max_size=30))]
    losses = [data.draw(st.sets(st.sampled_from([*graph.nodes, *graph.causes]), max_size=3)) for graph in graphs]
    told = []
    for graph, lost in zip(graphs, losses, strict=True):
        names, things = things_of(graph)
        told.append({"things": things, "lost": [names.index(name) for name in lost], "target": 0})
    answers = _by_node(told)
    for graph, lost, answer in zip(graphs, losses, answers, strict=True):
        names, _ = things_of(graph)
        blast = blast_radius(graph, lost)
        fate = dict(zip(names, answer["fates"], strict=True))
        down = {name for name in graph.nodes if fate[name] == "down"}
        assert down == set(blast.down) - lost
        assert {name for name in graph.nodes if fate[name] == "degraded"} == set(blast.degraded)
        assert {name for name in graph.nodes if fate[name] == "never"} == set(blast.never_up) - lost
        ways = {names[at]: [names[each] for each in way] for at, way in answer["because"]}
        assert down <= set(ways)
        for way in ways.values():
            assert way[-1] in lost
            for upper, lower in pairwise(way):
                node = graph.nodes[upper]
                assert lower in node.causes or any(lower in need.parts and not need.soft for need in node.needs)
        assert {names[at] for at in answer["singles"]} == set(single_points(graph, names[0])) - {names[0]}


def _by_node(told: list[dict[str, object]]) -> list[dict[str, list]]:  # type: ignore[type-arg]
    ended = subprocess.run(
        [program("node"), "-e", part("losses.js") + ASKED],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        timeout=NODE_TIMEOUT_S,
        check=True,
    )
    found: list[dict[str, list]] = json.loads(ended.stdout)  # type: ignore[type-arg]
    return found
