"""What every export shows: the things of a map, who needs which of them, and how each fares in a loss.

Draws nothing. A thing is a node or a shared cause; an edge leads from a node to a part of one of its needs, or to a
cause that it shares.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Need, Node, graph_of_nodes
from standfast.depmap.loss import blast_radius
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Witness

CAUSE: Final = "cause"  # what a shared cause is, where a node has its kind
_CAPTIONS: Final = {
    "provider": "provider",
    "region": "region",
    "az": "availability zone",
    "dns": "DNS operator",
    "as": "network",
}
_ZONE: Final = "zone:"


class Fate(StrEnum):
    """How a thing fares in a loss."""

    WORKS = "works"
    DEGRADED = "degraded"
    DOWN = "down"
    LOST = "lost"  # by the loss itself, or found gone
    NEVER = "never up"  # it does not work even if nothing is lost

    @property
    def is_up(self) -> bool:
        """Whether it works, well or not."""
        return self in (Fate.WORKS, Fate.DEGRADED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A node or a shared cause; `because` is the way from it to what was lost, itself first, where it is down.

    `label` and `caption` are its name for a picture: "aws/us-east-1", and above that "region".
    """

    name: str
    kind: str
    label: str
    caption: str
    fate: Fate
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`start` needs `end`, as one of `parts` parts of its need number `need`, of which `number` must work.

    Of a shared cause `need` is None. `fate` is what the edge brings to its start: a loss that others of the parts still
    make up for brings nothing.
    """

    start: str
    end: str
    need: int | None
    number: int
    parts: int
    soft: bool
    role: str
    fate: Fate
    witnesses: tuple[Witness, ...]

    @property
    def choice(self) -> str:
        """How many of how many, where it is not all of them: "1 of 2"."""
        return "" if self.number == self.parts else f"{self.number} of {self.parts}"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All things, the nodes in the map's order and then the causes, all edges, and of which map and loss they are."""

    map: DependencyMap
    lost: tuple[str, ...]
    things: Mapping[str, Thing]
    edges: tuple[Edge, ...]


def scene_of(found: DependencyMap, lost: Collection[str] = ()) -> Scene:
    """Return what there is to show of `found` in the loss of all of `lost`, and of what was found gone.

    Raises:
        ModelError: there is nothing of a name in `lost`.
    """
    graph = found.graph
    all_lost = tuple(dict.fromkeys((*lost, *found.gone)))
    blast = blast_radius(graph, all_lost)
    fates = dict.fromkeys(blast.down, Fate.DOWN) | dict.fromkeys(blast.degraded, Fate.DEGRADED)
    fates |= dict.fromkeys(blast.never_up, Fate.NEVER) | dict.fromkeys(all_lost, Fate.LOST)
    kinds = {node.name: node.kind.value for node in graph.nodes.values()} | dict.fromkeys(graph.causes, CAUSE)
    things = {}
    for name, kind in kinds.items():
        label, caption = _words(name, kind)
        things[name] = Thing(
            name=name,
            kind=kind,
            label=label,
            caption=caption,
            fate=fates.get(name, Fate.WORKS),
            because=blast.down.get(name, ()),
        )
    edges = tuple(edge for node in graph.nodes.values() for edge in _edges(found, node, things))
    return Scene(map=found, lost=all_lost, things=things, edges=edges)


def narrowed(found: DependencyMap, names: Collection[str]) -> DependencyMap:
    """Return what of `found` the nodes `names` hang on, themselves with it.

    Raises:
        ModelError: there is no node of such a name.
    """
    graph = found.graph
    kept: dict[str, None] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in graph.nodes:
            raise ModelError(f'there is no node "{name}"')
        if name not in kept:
            kept[name] = None
            todo += [part for need in graph.nodes[name].needs for part in need.parts]
    nodes = graph_of_nodes(node for node in graph.nodes.values() if node.name in kept)
    return replace(found, graph=nodes, gone={name: how for name, how in found.gone.items() if name in nodes.nodes})


def _words(name: str, kind: str) -> tuple[str, str]:
    head, colon, rest = name.partition(":")
    if kind == CAUSE:
        return (rest, _CAPTIONS[head]) if colon and rest and head in _CAPTIONS else (name, "shared cause")
    if name.startswith(_ZONE) and rest:
        return rest, "zone"
    return name, kind


def _edges(found: DependencyMap, node: Node, things: Mapping[str, Thing]) -> Iterator[Edge]:
    sharing = Need(parts=node.causes, number=len(node.causes), role=CAUSE)
    for index, need in [*enumerate(node.needs), (None, sharing)]:
        unmet = sum(things[part].fate.is_up for part in need.parts) < need.number
        for part in need.parts:
            broken = unmet and not things[part].fate.is_up
            yield Edge(
                start=node.name,
                end=part,
                need=index,
                number=need.number,
                parts=len(need.parts),
                soft=need.soft,
                role=need.role,
                fate=Fate.WORKS if not broken else Fate.DEGRADED if need.soft else Fate.DOWN,
                witnesses=found.witnesses.get((node.name, part), ()),
            )
