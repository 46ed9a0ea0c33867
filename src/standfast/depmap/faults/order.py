"""Orders of variables to try: nothing decides more how large a diagram is, and no rule is the best for all trees."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from standfast.depmap.faults.circuit import Circuit


def orders(circuit: Circuit, top: int, leaves: Collection[int]) -> Iterator[list[int]]:
    """Yield orders of the leaves that the gate `top` hangs on, the most promising first.

    All are walks in depth, which keep together what is in one gate. They differ in the part of a gate that comes first.

    Args:
        circuit: where all this is.
        top: a gate.
        leaves: the nodes not to look below of: variables, and modules other than `top`.
    """
    nodes = circuit.below(2 * top, leaves)
    uses = dict.fromkeys(nodes, 0)
    size: dict[int, int] = {}
    height: dict[int, int] = {}
    for node in nodes:
        below = () if node in leaves else [part >> 1 for part in circuit.parts[node]]
        size[node] = sum(size[each] for each in below) or 1
        height[node] = max((height[each] for each in below), default=-1) + 1
        for each in below:
            uses[each] += 1
    weight = dict.fromkeys(nodes, 0.0)
    weight[top] = 1.0
    for node in reversed(nodes):
        if node not in leaves:
            for part in circuit.parts[node]:
                weight[part >> 1] += weight[node] / len(circuit.parts[node])
    for key in (
        lambda node: -weight[node],  # what a gate hangs on the most, where each gives its weight to its parts
        lambda node: (size[node], -uses[node]),
        lambda node: height[node],
        lambda _: 0,  # as whoever wrote it down had it
        lambda node: -size[node],
    ):
        yield _depth_first(circuit, top, leaves, key)


def _depth_first(circuit: Circuit, top: int, leaves: Collection[int], key: Callable[[int], Any]) -> list[int]:
    """Order leaves as a walk meets them that goes into the parts of a gate by `key`, else as they stand there."""
    found: dict[int, None] = {}
    seen: set[int] = set()
    todo = [top]
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if node in leaves:
            found[node] = None
        else:
            todo += sorted((part >> 1 for part in circuit.parts[node]), key=key)[::-1]
    return list(found)
