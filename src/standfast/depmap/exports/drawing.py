"""How a scene is drawn: a box for each thing, a bent line for each edge, a badge where some of many are enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.exports.layout import Box, Layout, Point, Size, lay_out
from standfast.depmap.exports.scene import Edge, Scene, Thing

THINGS_MAX: Final = 600  # that are drawn at once; more than that nobody can see
BOX_HEIGHT: Final = 38.0
_LETTER: Final = 8.4  # of a label: as wide as any usual font has it, as the reader's cannot be measured here
_PADDING: Final = 30.0
_BADGE: Final = 10.0  # what a badge takes of its box
_LETTERS_MAX: Final = 34
_WIDTH_MIN: Final = 96.0
_PORT_GAP: Final = 13.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """What stands where the edges of a need leave its node: "1 of 2"."""

    node: str
    text: str
    at: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The boxes by name, and in the order of the scene's edges the way of each, from where it leaves its box."""

    size: Size
    boxes: Mapping[str, Box]
    routes: tuple[tuple[Point, ...], ...]
    badges: tuple[Badge, ...]


def draw(scene: Scene) -> Drawing:
    """Return the drawing of `scene`.

    Raises:
        ModelError: there is more than can be seen at once.
    """
    if len(scene.things) > THINGS_MAX:
        raise ModelError(
            f"{len(scene.things):,} nodes and causes are too many for one picture ({THINGS_MAX} at the most): "
            "name a node, and what it hangs on is drawn; the page of --format html shows any part of it"
        )
    choosing = {edge.start for edge in scene.edges if edge.choice}
    sizes = {
        thing.name: (_width(thing) + (_BADGE if thing.name in choosing else 0), BOX_HEIGHT)
        for thing in scene.things.values()
    }
    layout = lay_out(sizes, [(edge.start, edge.end) for edge in scene.edges])
    ports = _ports(scene, layout)
    routes = tuple(
        ((route[0][0], ports[edge.start, _port(edge)]), *route[1:]) if route else ()
        for edge, route in zip(scene.edges, layout.routes, strict=True)
    )
    badges: dict[tuple[str, int | None], Badge] = {}
    for edge, route in zip(scene.edges, routes, strict=True):
        if edge.choice and route:
            badges.setdefault((edge.start, edge.need), Badge(node=edge.start, text=edge.choice, at=route[0]))
    return Drawing(size=layout.size, boxes=layout.boxes, routes=routes, badges=tuple(badges.values()))


def shortened(label: str) -> str:
    """Return `label` as it fits a box: of a long one the beginning and the end."""
    half = _LETTERS_MAX // 2
    return label if len(label) <= _LETTERS_MAX else f"{label[:half]}\N{HORIZONTAL ELLIPSIS}{label[1 - half :]}"


def _width(thing: Thing) -> float:
    return max(_WIDTH_MIN, round(len(shortened(thing.label)) * _LETTER + _PADDING))


def _port(edge: Edge) -> int | None:
    """Return which way out of its box an edge takes: needs of some of many have one each, all others share one."""
    return edge.need if edge.choice else None


def _ports(scene: Scene, layout: Layout) -> dict[tuple[str, int | None], float]:
    """Return how far down each port is: around the middle of its box, in the order of what they lead to."""
    led_to: dict[str, dict[int | None, list[float]]] = {}
    for edge, route in zip(scene.edges, layout.routes, strict=True):
        if route:
            led_to.setdefault(edge.start, {}).setdefault(_port(edge), []).append(route[1][1])
    found: dict[tuple[str, int | None], float] = {}
    for name, ports in led_to.items():
        means = {port: fmean(ys) for port, ys in ports.items()}
        for at, port in enumerate(sorted(means, key=means.__getitem__)):
            found[name, port] = layout.boxes[name].middle + (at - (len(means) - 1) / 2) * _PORT_GAP
    return found
