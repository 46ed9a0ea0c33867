"""The page: it needs nothing but itself, lets no script run but its own, and trusts no name in it."""

import json
import re
from base64 import b64encode
from hashlib import sha256

from standfast.depmap.exports.drawing import THINGS_MAX
from standfast.depmap.exports.page import write_html
from standfast.depmap.exports.scene import scene_of
from standfast.depmap.graph import Kind, all_of
from standfast.depmap.loss import reach
from standfast.depmap.statements import Is, Needs, Statement
from standfast.io.depmap.parts import part
from unit.depmap.exports.maps import NASTY, REGION, map_that_says, shop


def data_of(page: str) -> dict[str, object]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match
    found: dict[str, object] = json.loads(match[1])
    return found


def test_the_policy_lets_only_the_page_s_own_script_and_style_run() -> None:
    page = write_html(scene_of(shop()), "A shop", part)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (script,), (style,) = (
        [b64encode(sha256(each.encode()).digest()).decode() for each in found] for found in (scripts, styles)
    )
    assert (
        policy.replace("&#x27;", "'") == f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'"
    )


def test_the_page_asks_nobody_for_anything() -> None:
    page = write_html(scene_of(shop()), "A shop", part).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//[a-z]+\.|url\(|@import|\bsrc=|<link|<img|<iframe|fetch\(|XMLHttp", page)


def test_no_name_ends_the_element_that_it_stands_in() -> None:
    page = write_html(scene_of(shop()), NASTY, part)
    assert page.count("</script>") == 2
    assert "<script>alert" not in page
    assert NASTY in {thing["name"] for thing in data_of(page)["things"]}  # type: ignore[attr-defined]


def test_the_page_begins_with_the_loss_that_it_was_made_with() -> None:
    data = data_of(write_html(scene_of(shop(), [REGION]), "A shop", part))
    things: list[dict[str, object]] = data["things"]  # type: ignore[assignment]
    assert [things[at]["name"] for at in data["lost"]] == [REGION, "old.example.com"]  # type: ignore[attr-defined]
    assert {str(thing["name"]): thing["reach"] for thing in things} == reach(shop().graph)


def test_a_large_map_is_a_page_without_the_whole_of_it_drawn() -> None:
    names = [f"n{at}" for at in range(THINGS_MAX + 1)]
    told: list[Statement] = [Is(names[0], Kind.SERVICE), *(Needs(name, all_of(names[0])) for name in names[1:])]
    data = data_of(write_html(scene_of(map_that_says(*told)), "many", part))
    assert data["drawing"] is None
    assert len(data["things"]) == THINGS_MAX + 1  # type: ignore[arg-type]
