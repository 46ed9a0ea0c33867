"""The picture: well formed, all of it told by its colours, and refused where nobody could see anything."""

from xml.etree import ElementTree as ET

import pytest

from standfast.depmap.errors import ModelError
from standfast.depmap.exports.drawing import THINGS_MAX, shortened
from standfast.depmap.exports.scene import scene_of
from standfast.depmap.exports.svg import write_svg
from standfast.depmap.graph import Kind
from standfast.depmap.statements import Is
from standfast.io.depmap.parts import part
from unit.depmap.exports.maps import REGION, map_that_says, shop

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_well_formed_and_shows_each_thing_as_it_fares() -> None:
    scene = scene_of(shop(), [REGION])
    root = ET.fromstring(write_svg(scene, "A shop", part))
    drawn = {
        group.findtext(f"{SVG}text[@class='label']"): group.attrib["class"].split()
        for group in root.iter(f"{SVG}g")
        if group.attrib.get("class", "").startswith("thing")
    }
    assert len(drawn) == len(scene.things)
    assert (drawn["table"], drawn["shop"]) == (["thing", "resource", "down"], ["thing", "service", "degraded"])
    assert drawn["aws/us-east-1"] == ["thing", "cause", "lost"]


def test_the_picture_says_in_words_what_fell() -> None:
    text = write_svg(scene_of(shop(), [REGION]), "A shop", part)
    assert f"{REGION}, old.example.com lost: 5 of 14 down, 1 degraded" in text
    assert "advice hangs on table hangs on region:aws/us-east-1" in text


def test_the_picture_asks_nobody_for_anything() -> None:
    text = write_svg(scene_of(shop()), "A shop", part).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not any(word in text for word in ("http", "url(", "@import", "<script", "<image", "<use"))


def test_more_than_can_be_seen_is_refused_with_what_to_do() -> None:
    many = map_that_says(*(Is(f"n{at}", Kind.SERVICE) for at in range(THINGS_MAX + 1)))
    with pytest.raises(ModelError, match="name a node"):
        write_svg(scene_of(many), "many", part)


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert shortened("a" * 30 + "b" * 30) == "a" * 17 + "…" + "b" * 16
