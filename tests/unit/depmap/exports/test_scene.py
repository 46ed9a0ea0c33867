"""What every export shows: how each thing fares, which edges hand a loss on, and what a node hangs on."""

import pytest

from standfast.depmap.errors import ModelError
from standfast.depmap.exports.scene import Fate, Scene, narrowed, scene_of
from unit.depmap.exports.maps import REGION, shop


def fate_of_edge(scene: Scene, start: str, end: str) -> Fate:
    (edge,) = [edge for edge in scene.edges if (edge.start, edge.end) == (start, end)]
    return edge.fate


def test_each_thing_fares_as_the_loss_has_it() -> None:
    things = scene_of(shop(), [REGION]).things
    fates = {name: thing.fate for name, thing in things.items()}
    assert (fates[REGION], fates["table"], fates["advice"]) == (Fate.LOST, Fate.DOWN, Fate.DOWN)
    assert (fates["shop"], fates["checkout"], fates["cache-1"]) == (Fate.DEGRADED, Fate.WORKS, Fate.DOWN)
    assert (fates["chicken"], fates["egg"]) == (Fate.NEVER, Fate.NEVER)
    assert things["advice"].because == ("advice", "table", REGION)


def test_what_was_found_gone_is_lost_from_the_start() -> None:
    scene = scene_of(shop())
    assert scene.lost == ("old.example.com",)
    assert scene.things["old-shop"].fate is Fate.DOWN


def test_an_edge_is_broken_only_where_it_hands_a_loss_on() -> None:
    scene = scene_of(shop(), [REGION])
    assert fate_of_edge(scene, "cache-1", REGION) is Fate.DOWN
    assert fate_of_edge(scene, "checkout", "cache-1") is Fate.WORKS  # the other cache still meets the need
    assert fate_of_edge(scene, "shop", "advice") is Fate.DEGRADED
    assert fate_of_edge(scene, "shop", "checkout") is Fate.WORKS


def test_names_are_shown_without_what_says_their_kind() -> None:
    things = scene_of(shop()).things
    assert (things[REGION].label, things[REGION].caption) == ("aws/us-east-1", "region")
    assert (things["shop"].label, things["shop"].caption) == ("shop", "service")


def test_a_map_is_narrowed_to_what_a_node_hangs_on() -> None:
    found = narrowed(shop(), ["advice"])
    assert set(found.graph.nodes) == {"advice", "table"}
    assert set(found.graph.causes) == {REGION}
    assert not found.gone


def test_a_map_is_not_narrowed_to_what_is_not_there() -> None:
    with pytest.raises(ModelError, match='no node "nothing"'):
        narrowed(shop(), ["nothing"])
