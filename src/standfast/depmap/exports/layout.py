"""Where to draw what of a directed graph: columns from left to right, few crossings, nothing on top of another.

As Sugiyama, Tagawa and Toda draw hierarchies (1981): break circles, give each box a column, order the columns by the
median of the neighbours, and move each box towards these. Edges over several columns go through lanes between the
boxes; those to one end share theirs, so that a hundred that hang on one thing are one trunk.
"""

from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from statistics import fmean, median
from typing import Final, TypeAlias

Size: TypeAlias = tuple[float, float]  # width, height
Point: TypeAlias = tuple[float, float]
Edge: TypeAlias = tuple[str, str]  # start, end

GAP_X: Final = 68.0  # between columns, for the bends of edges
GAP_Y: Final = 14.0
LANE_HEIGHT: Final = 6.0  # of an edge that passes through a column
_SWEEPS: Final = 12  # there and back over all columns; crossings hardly ever become fewer after that
_MOVES: Final = 24

_Vertex: TypeAlias = tuple[str, int]  # a box and -1, or what a lane leads to and the column that it passes
_Neighbours: TypeAlias = dict[_Vertex, list[_Vertex]]
_BOX: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box: its left upper corner, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """How far down its middle is."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The boxes by name, and for each edge, in the order given, the points that it passes from its start to its end.

    From the first point to the second it bends, from there to the third it runs level, and so on in turn. An edge from
    a box to itself has no points.
    """

    size: Size
    boxes: Mapping[str, Box]
    routes: tuple[tuple[Point, ...], ...]


def lay_out(sizes: Mapping[str, Size], edges: Sequence[Edge]) -> Layout:
    """Return where to draw boxes of at least `sizes`, starts of `edges` to the left of their ends as far as can be."""
    columns = _columns(sizes, edges)
    chains = [_chain(edge, columns) for edge in edges if edge[0] != edge[1]]
    left: _Neighbours = {(name, _BOX): [] for name in columns}
    left |= {vertex: [] for chain in chains for vertex in chain}
    right: _Neighbours = {vertex: [] for vertex in left}
    for one, other in dict.fromkeys(pair for chain in chains for pair in pairwise(chain)):
        right[one].append(other)
        left[other].append(one)
    rows: list[list[_Vertex]] = [[] for _ in range(1 + max(columns.values(), default=0))]
    for vertex in left:
        rows[_column(vertex, columns)].append(vertex)
    ordered = _ordered(rows, left, right)
    heights = {vertex: sizes[vertex[0]][1] if vertex[1] == _BOX else LANE_HEIGHT for vertex in left}
    return _drawn(ordered, _levelled(ordered, heights, left, right), sizes, edges, columns)


# Columns


def _columns(sizes: Mapping[str, Size], edges: Sequence[Edge]) -> dict[str, int]:
    """Return the column of each box: right of all that lead to it; what nothing leads to stands in the first."""
    ends: dict[str, list[str]] = {name: [] for name in sizes}
    for start, end in edges:
        if start != end:
            ends[start].append(end)
    order, back = _walked(ends)
    starts: dict[str, list[str]] = {name: [] for name in sizes}
    onward: dict[str, list[str]] = {name: [] for name in sizes}
    for start, found in ends.items():
        for end in found:
            one, other = (end, start) if (start, end) in back else (start, end)
            onward[one].append(other)
            starts[other].append(one)
    column = dict.fromkeys(sizes, 0)
    for name in order:
        for end in onward[name]:
            column[end] = max(column[end], column[name] + 1)
    for name in reversed(order):  # whatever has more edges to its right than to its left stands near those
        if starts[name] and len(onward[name]) > len(starts[name]):
            column[name] = min(column[end] for end in onward[name]) - 1
    return column


def _walked(ends: Mapping[str, Sequence[str]]) -> tuple[list[str], set[Edge]]:
    """Return an order in which all edges lead onward but some, and these: they lead back into a circle."""
    done: dict[str, None] = {}
    back: set[Edge] = set()
    on_way: set[str] = set()
    led_to = {end for found in ends.values() for end in found}
    for root in sorted(ends, key=led_to.__contains__):  # first what nothing leads to, so that circles begin there
        todo: list[tuple[str, Iterator[str]]] = []
        if root not in done:
            todo.append((root, iter(ends[root])))
            on_way.add(root)
        while todo:
            name, rest = todo[-1]
            for end in rest:
                if end in on_way:
                    back.add((name, end))
                elif end not in done:
                    todo.append((end, iter(ends[end])))
                    on_way.add(end)
                    break
            else:
                todo.pop()
                on_way.discard(name)
                done[name] = None
    return list(reversed(done)), back


def _chain(edge: Edge, columns: Mapping[str, int]) -> list[_Vertex]:
    """Return what `edge` passes, from the left to the right, wherever it starts."""
    begin, end = sorted(edge, key=columns.__getitem__)
    lanes = [(end, column) for column in range(columns[begin] + 1, columns[end])]
    return [(begin, _BOX), *lanes, (end, _BOX)]


def _column(vertex: _Vertex, columns: Mapping[str, int]) -> int:
    name, lane = vertex
    return columns[name] if lane == _BOX else lane


# Order within the columns


def _ordered(rows: list[list[_Vertex]], left: _Neighbours, right: _Neighbours) -> list[list[_Vertex]]:
    """Return each column from top to bottom, with as few crossings as a few sweeps find."""
    best, fewest = [list(row) for row in rows], _crossings(rows, right)
    place = {vertex: at for row in rows for at, vertex in enumerate(row)}

    def wish(vertex: _Vertex, neighbours: _Neighbours) -> float:
        near = neighbours[vertex]
        return median(place[each] for each in near) if near else place[vertex]

    for sweep in range(_SWEEPS):
        onward = sweep % 2 == 0
        for row in rows if onward else reversed(rows):
            row.sort(key=partial(wish, neighbours=left if onward else right))
            place |= {vertex: at for at, vertex in enumerate(row)}
        crossings = _crossings(rows, right)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _crossings(rows: Sequence[Sequence[_Vertex]], right: _Neighbours) -> int:
    count = 0
    for row, following in pairwise(rows):
        place = {vertex: at for at, vertex in enumerate(following)}
        passed: list[int] = []
        for vertex in row:
            places = sorted(place[end] for end in right[vertex])
            count += sum(len(passed) - bisect_right(passed, at) for at in places)
            for at in places:
                insort(passed, at)
    return count


# Heights


def _levelled(
    rows: Sequence[Sequence[_Vertex]], heights: Mapping[_Vertex, float], left: _Neighbours, right: _Neighbours
) -> dict[_Vertex, float]:
    """Return how far down the middle of each vertex is: near its neighbours, and clear of those above and below."""
    ys: dict[_Vertex, float] = {}
    for row in rows:
        ys |= _apart(row, heights, dict.fromkeys(row, 0.0))
    for move in range(_MOVES):
        onward = move % 2 == 0
        neighbours = left if onward else right
        for row in rows if onward else reversed(rows):
            wishes = {
                vertex: fmean(ys[each] for each in neighbours[vertex]) if neighbours[vertex] else ys[vertex]
                for vertex in row
            }
            ys |= _apart(row, heights, wishes)
    return ys


def _apart(
    row: Sequence[_Vertex], heights: Mapping[_Vertex, float], wishes: Mapping[_Vertex, float]
) -> dict[_Vertex, float]:
    """Return the places nearest to `wishes`, by the sum of squares, that keep the order and the gaps.

    With the gaps taken off it is an isotonic regression: neighbours that would overlap are pooled at their mean.
    """
    gaps = [(heights[above] + heights[below]) / 2 + GAP_Y for above, below in pairwise(row)]
    offsets = list(accumulate(gaps, initial=0.0))[: len(row)]
    pools: list[tuple[float, int]] = []  # the sum of what is pooled, and how many
    for vertex, offset in zip(row, offsets, strict=True):
        total, count = wishes[vertex] - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, others = pools.pop()
            total, count = total + more, count + others
        pools.append((total, count))
    places = [total / count for total, count in pools for _ in range(count)]
    return {vertex: place + offset for vertex, place, offset in zip(row, places, offsets, strict=True)}


# Boxes and routes


def _drawn(
    rows: Sequence[Sequence[_Vertex]],
    ys: Mapping[_Vertex, float],
    sizes: Mapping[str, Size],
    edges: Sequence[Edge],
    columns: Mapping[str, int],
) -> Layout:
    spans: list[tuple[float, float]] = []  # of each column, from left to right
    x = 0.0
    for row in rows:
        width = max((sizes[name][0] for name, lane in row if lane == _BOX), default=0.0)
        spans.append((x, x + width))
        x += width + GAP_X
    tops = {name: ys[name, _BOX] - sizes[name][1] / 2 for name in sizes}
    top = min([*tops.values(), *ys.values()], default=0.0)
    boxes = {}
    for name, (_, height) in sizes.items():
        begin, end = spans[columns[name]]
        boxes[name] = Box(x=begin, y=round(tops[name] - top, 1), width=end - begin, height=height)

    def route(start: str, end: str) -> tuple[Point, ...]:
        if start == end:
            return ()
        passed = _chain((start, end), columns)
        points = [(side, round(ys[each] - top, 1)) for each in passed for side in spans[_column(each, columns)]][1:-1]
        return tuple(points if columns[start] < columns[end] else reversed(points))

    bottom = max([*(box.y + box.height for box in boxes.values()), *(y - top for y in ys.values())], default=0.0)
    return Layout(size=(spans[-1][1], bottom), boxes=boxes, routes=tuple(route(start, end) for start, end in edges))
