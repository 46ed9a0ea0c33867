"""Maps as a picture in SVG, light or dark as the reader's eyes have it. Needs no font, script or file of anybody's."""

from collections import Counter
from collections.abc import Iterator
from html import escape
from typing import Final

from standfast.depmap.exports.drawing import Badge, Drawing, draw, shortened
from standfast.depmap.exports.layout import Box, Point
from standfast.depmap.exports.parts import STYLE, Part
from standfast.depmap.exports.scene import CAUSE, Edge, Fate, Scene, Thing

_MARGIN: Final = 28.0
_HEAD: Final = 82.0  # what is told above the picture
_RADIUS: Final = 7
_BADGE_WIDTH: Final = 30.0
_BADGE_HEIGHT: Final = 12.0


def write_svg(scene: Scene, title: str, part: Part) -> str:
    """Return the picture of `scene`; what is down is red, and what lacks something that it would rather have amber.

    Args:
        scene: what to draw.
        title: what stands above it.
        part: gives the style sheet.

    Raises:
        ModelError: there is more than can be seen at once.
    """
    return "\n".join(_lines(scene, draw(scene), title, part(STYLE))) + "\n"


def class_of(kind: str) -> str:
    """Return what the style sheet calls `kind`."""
    return kind.rpartition(" ")[2]


def path_of(points: tuple[Point, ...]) -> str:
    """Return the path through `points`: a bend, then level, and so in turn."""
    if not points:
        return ""
    (x, y), parts = points[0], []
    for at, (to_x, to_y) in enumerate(points[1:]):
        bend = (x + to_x) / 2
        parts.append(f"H{to_x:g}" if at % 2 else f"C{bend:g} {y:g} {bend:g} {to_y:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
    return f"M{points[0][0]:g} {points[0][1]:g}{''.join(parts)}"


def in_a_word(scene: Scene) -> str:
    """Return what the loss takes with it, in a line."""
    nodes = [thing for thing in scene.things.values() if thing.kind != CAUSE]
    fates = Counter(thing.fate for thing in nodes)
    if not scene.lost:
        return f"{len(nodes)} nodes and {len(scene.things) - len(nodes)} shared causes; nothing is lost"
    down = fates[Fate.DOWN] + fates[Fate.LOST]
    degraded = f", {fates[Fate.DEGRADED]} degraded" if fates[Fate.DEGRADED] else ""
    return f"{', '.join(scene.lost)} lost: {down} of {len(nodes)} down{degraded}"


def _lines(scene: Scene, drawing: Drawing, title: str, style: str) -> Iterator[str]:
    width, height = (round(side + 2 * _MARGIN) for side in drawing.size)
    height += round(_HEAD - _MARGIN)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" class="map" viewBox="0 0 {width} {height}" role="img">'
    yield f"<title>{_text(title)}: {_text(in_a_word(scene))}</title>"
    yield f"<style>\n{style}</style>"
    yield f'<rect width="{width}" height="{height}" rx="12" class="page"/>'
    yield f'<text x="{_MARGIN:g}" y="36" class="title">{_text(title)}</text>'
    yield f'<text x="{_MARGIN:g}" y="58" class="said">{_text(in_a_word(scene))}</text>'
    yield f'<g transform="translate({_MARGIN:g} {_HEAD:g})">'
    order = sorted(zip(scene.edges, drawing.routes, strict=True), key=lambda pair: pair[0].fate is not Fate.WORKS)
    for edge, route in order:  # what is broken is drawn above the rest
        yield f'<path class="{_classes(edge)}" d="{path_of(route)}"/>'
    for name, box in drawing.boxes.items():
        yield from _thing(scene.things[name], box)
    for badge in drawing.badges:
        yield _badge(badge)
    yield "</g></svg>"


def _classes(edge: Edge) -> str:
    kinds = {"soft": edge.soft, "cause": edge.need is None, edge.fate.value: edge.fate is not Fate.WORKS}
    return " ".join(["edge", *(kind for kind, is_so in kinds.items() if is_so)])


def _thing(thing: Thing, box: Box) -> Iterator[str]:
    fate = thing.fate.value.split()[0]
    yield f'<g class="thing {class_of(thing.kind)} {fate}" transform="translate({box.x:g} {box.y:g})">'
    why = f": {' hangs on '.join(thing.because)}" if len(thing.because) > 1 else ""
    yield f"<title>{_text(f'{thing.name} ({thing.kind}), {thing.fate.value}{why}')}</title>"
    yield f'<rect class="box" width="{box.width:g}" height="{box.height:g}" rx="{_RADIUS}"/>'
    yield f'<rect class="stripe" x="7" y="8" width="3" height="{box.height - 16:g}" rx="1.5"/>'
    yield f'<text class="caption" x="17" y="14">{_text(thing.caption)}</text>'
    yield f'<text class="label" x="17" y="29">{_text(shortened(thing.label))}</text></g>'


def _badge(badge: Badge) -> str:
    x, y = badge.at
    return (
        f'<g class="badge"><rect x="{x - _BADGE_WIDTH / 2:g}" y="{y - _BADGE_HEIGHT / 2:g}" width="{_BADGE_WIDTH:g}" '
        f'height="{_BADGE_HEIGHT:g}" rx="6"/><text x="{x:g}" y="{y + 3:g}" text-anchor="middle">{badge.text}</text></g>'
    )


def _text(text: str) -> str:
    """Return `text` escaped; it never holds what XML has no way to write."""
    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))
