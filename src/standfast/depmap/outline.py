"""What a node hangs on as a tree that people read, with who says so: each node is opened once, and circles are cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from standfast.depmap.graph import Need
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Witness

DEPTH_MAX: Final = 64  # levels; what is deeper is read with `map export`
BRANCHES_MAX: Final = 5_000  # of one tree: a hundred screens


class Cut(StrEnum):
    """Why what is below is not shown."""

    CIRCLE = "a circle: it is above"
    ELSEWHERE = "as shown elsewhere"
    DEEPER = "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A node, a shared cause, or a need of several parts, whose `text` says how many; `cut` where more is below."""

    text: str
    witnesses: tuple[Witness, ...] = ()
    cut: Cut | None = None
    branches: tuple["Branch", ...] = ()


def outline(found: DependencyMap, name: str, *, depth: int) -> Branch:
    """Return what the node `name` hangs on, `depth` nodes below each other at the most."""
    return _Outline(found).node(name, (), depth, ())


class _Outline:
    def __init__(self, found: DependencyMap) -> None:
        self._map = found
        self._opened: set[str] = set()
        self._branches = 0

    def node(
        self, name: str, witnesses: tuple[Witness, ...], depth: int, above: tuple[str, ...], *, soft: bool = False
    ) -> Branch:
        node = self._map.graph.nodes[name]
        gone = f" [{how}]" if (how := self._map.gone.get(name)) else ""
        text = f"{name}{gone}{' (degraded without)' if soft else ''}"
        self._branches += 1
        cut = None
        if node.needs or node.causes:
            if name in above:
                cut = Cut.CIRCLE
            elif name in self._opened:
                cut = Cut.ELSEWHERE
            elif depth == 0 or self._branches > BRANCHES_MAX:
                cut = Cut.DEEPER
        if cut:
            return Branch(text=text, witnesses=witnesses, cut=cut)
        self._opened.add(name)
        below = tuple(self._below(name, depth - 1, (*above, name)))
        return Branch(text=text, witnesses=witnesses, branches=below)

    def _below(self, name: str, depth: int, above: tuple[str, ...]) -> Iterator[Branch]:
        node = self._map.graph.nodes[name]
        for need in node.needs:
            if len(need.parts) == 1:
                yield self._part(name, need.parts[0], depth, above, soft=need.soft)
            else:
                parts = tuple(self._part(name, part, depth, above) for part in need.parts)
                yield Branch(text=_how_many(need), branches=parts)
        for cause in node.causes:
            yield Branch(text=f"shares {cause}", witnesses=self._map.witnesses[name, cause])

    def _part(self, name: str, part: str, depth: int, above: tuple[str, ...], *, soft: bool = False) -> Branch:
        return self.node(part, self._map.witnesses[name, part], depth, above, soft=soft)


def _how_many(need: Need) -> str:
    number = "all" if need.number == len(need.parts) else "one" if need.number == 1 else str(need.number)
    role = f", {need.role}" if need.role else ""
    return f"{number} of {len(need.parts)}{role}{' (degraded without)' if need.soft else ''}"
