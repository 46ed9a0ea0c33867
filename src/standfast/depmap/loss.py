"""What a loss takes with it: all losses at once, a bit for each. Exact at any size; knows no probabilities.

A loss is a set of nodes and shared causes. What works is an integer for each node, with a one for each loss in which
it does, so that one step of the walk is one step for ten thousand losses.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, islice
from operator import and_, or_
from typing import Final, TypeVar

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import DependencyGraph, Need, Node

Bits = int  # a one for each loss in which it is so
_PAIRS_AT_ONCE: Final = 20_000  # 2.5 kB for each node, whatever the number of pairs
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blast:
    """What one loss takes with it.

    `down` has each node that does not work, with the path that explains it: from the node to what was lost. `degraded`
    are those that work without something that they would rather have. `never_up` do not work even if nothing is lost:
    they need each other in a circle, and none could be the first.
    """

    down: Mapping[str, tuple[str, ...]]
    degraded: tuple[str, ...]
    never_up: tuple[str, ...]


def blast_radius(graph: DependencyGraph, lost: Collection[str]) -> Blast:
    """Return what the loss of all of `lost`, which are nodes or shared causes, takes with it.

    Raises:
        ModelError: there is nothing of that name.
    """
    works = _works(graph, [lost, ()])
    down = {name for name, bits in works.items() if bits == 0b10}
    return Blast(
        down=_explained(graph, lost, down, works),
        degraded=tuple(name for name, bits in works.items() if bits & 1 and _is_degraded(graph.nodes[name], works)),
        never_up=tuple(name for name, bits in works.items() if not bits & 0b10),
    )


def single_points(graph: DependencyGraph, target: str) -> list[str]:
    """Return every node and shared cause whose loss alone takes `target` down, itself included."""
    losses = [*graph.nodes, *graph.causes]
    return _fatal(graph, target, [(loss,) for loss in losses], losses)


def fatal_pairs(graph: DependencyGraph, target: str, among: Sequence[str]) -> list[tuple[str, str]]:
    """Return every pair of `among` (nodes or shared causes) that takes `target` down while neither does alone."""
    alone = set(_fatal(graph, target, [(loss,) for loss in among], among))
    pairs = combinations([loss for loss in among if loss not in alone], 2)
    found: list[tuple[str, str]] = []
    while some := list(islice(pairs, _PAIRS_AT_ONCE)):
        found += _fatal(graph, target, some, some)
    return found


def reach(graph: DependencyGraph) -> dict[str, int]:
    """Return for each node and shared cause how many nodes its loss alone takes down, itself included."""
    losses = [*graph.nodes, *graph.causes]
    digits: list[Bits] = []  # of all counts: the ones, twos, fours ...
    for bits in fallen(graph, [(loss,) for loss in losses]).values():
        carry = bits
        for place, digit in enumerate(digits):
            if not carry:
                break
            digits[place], carry = digit ^ carry, digit & carry
        if carry:
            digits.append(carry)
    rows = [f"{digit:0{len(losses)}b}"[::-1] for digit in digits]
    return {loss: sum((row[at] == "1") << place for place, row in enumerate(rows)) for at, loss in enumerate(losses)}


def fallen(graph: DependencyGraph, losses: Sequence[Collection[str]]) -> dict[str, Bits]:
    """Return for each node in which of `losses` it does not work, though it does if nothing is lost.

    Raises:
        ModelError: there is nothing of a name in them.
    """
    nothing_lost = 1 << len(losses)
    works = _works(graph, [*losses, ()])
    return {name: ~bits & (nothing_lost - 1) if bits & nothing_lost else 0 for name, bits in works.items()}


def _fatal(graph: DependencyGraph, target: str, losses: Sequence[Collection[str]], told: Sequence[_T]) -> list[_T]:
    """Return those of `told`, one for each of `losses`, in whose loss `target` does not work, though it else does."""
    if target not in graph.nodes:
        raise ModelError(f'there is no "{target}"')
    works = _works(graph, [*losses, ()])[target]
    if not works >> len(losses):
        return []
    return [each for at, each in enumerate(told) if not works >> at & 1]


def _works(graph: DependencyGraph, losses: Sequence[Collection[str]]) -> dict[str, Bits]:
    """Return for each node in which of `losses` it works: the least fixpoint, from "nothing works" upwards."""
    everywhere = (1 << len(losses)) - 1
    lost: dict[str, Bits] = {}  # of each node and cause that is in a loss: in which
    for at, loss in enumerate(losses):
        for name in loss:
            if name not in graph.nodes and name not in graph.causes:
                raise ModelError(f'there is no "{name}"')
            lost[name] = lost.get(name, 0) | 1 << at
    works = dict.fromkeys(graph.nodes, 0)
    waiting = deque(graph.bottom_up)
    queued = set(waiting)
    while waiting:  # ends: each turn gives a node more losses in which it works, or takes it off the queue for good
        name = waiting.popleft()
        queued.discard(name)
        node = graph.nodes[name]
        gone = reduce(or_, [lost.get(each, 0) for each in node.causes], lost.get(name, 0))
        hard = [_met(need, works, everywhere) for need in node.needs if not need.soft]
        now = reduce(and_, hard, everywhere & ~gone)
        if now != works[name]:
            works[name] = now
            for dependent in graph.dependents[name]:
                if dependent not in queued:
                    queued.add(dependent)
                    waiting.append(dependent)
    return works


def _met(need: Need, works: Mapping[str, Bits], everywhere: Bits) -> Bits:
    parts = [works[part] for part in need.parts]
    if need.number == 1:
        return reduce(or_, parts)
    if need.number == len(parts):
        return reduce(and_, parts)
    so_many = [everywhere] + [0] * need.number  # at least 0, 1, ... of the parts so far
    for bits in parts:
        for count in range(need.number, 0, -1):
            so_many[count] |= so_many[count - 1] & bits
    return so_many[need.number]


def _is_degraded(node: Node, works: Mapping[str, Bits]) -> bool:
    return any(need.soft and not _met(need, works, 1) & 1 for need in node.needs)


def _explained(
    graph: DependencyGraph, lost: Collection[str], down: Collection[str], works: Mapping[str, Bits]
) -> dict[str, tuple[str, ...]]:
    """Return for each of `down` the shortest path of unmet hard needs that ends at something lost."""
    paths: dict[str, tuple[str, ...]] = {}
    for name in graph.bottom_up:
        if name in down and (why := [each for each in lost if each == name or each in graph.nodes[name].causes]):
            paths[name] = (name,) if name in why else (name, why[0])
    waiting = deque(paths)
    while waiting:
        below = waiting.popleft()
        for name in graph.dependents[below]:
            if name in down and name not in paths and _fell_by(graph.nodes[name], below, works):
                paths[name] = (name, *paths[below])
                waiting.append(name)
    return paths


def _fell_by(node: Node, part: str, works: Mapping[str, Bits]) -> bool:
    return any(part in need.parts and not need.soft and not _met(need, works, 1) & 1 for need in node.needs)
