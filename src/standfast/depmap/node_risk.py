"""How probable it is that a node of a map fails: of its tree, or between the two that enclose it."""

from collections.abc import Callable, Collection
from dataclasses import replace
from math import prod

from standfast.depmap.faults.budget import Limits
from standfast.depmap.faults.enclosure import ROUNDING
from standfast.depmap.faults.model import FaultTree, Source
from standfast.depmap.faults.risk import Risk, assess
from standfast.depmap.loss import single_points
from standfast.depmap.merging import DependencyMap
from standfast.depmap.trees import hard_part, tree_of
from standfast.depmap.unavailability import own_events


def risk_of(
    found: DependencyMap,
    target: str,
    limits: Limits | None = None,
    *,
    degraded: bool = False,
    assumed_times: float = 1.0,
    cut_sets_max: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Risk:
    """Return how probable it is that `target` fails, and by what; see `assess`.

    Args:
        found: the map.
        target: a node of it.
        limits: what it may take.
        degraded: take it as failed already where it lacks something that it would rather have.
        assumed_times: how many times as long what is only assumed is taken to be failed.
        cut_sets_max: how many minimal cut sets to list.
        tell: is told now and then what is being done.

    Raises:
        ModelError: there is no such node.
    """
    tree = tree_of(found, target, degraded=degraded)
    lower, upper = (_as_assumed(each, assumed_times) for each in (tree.lower, tree.upper))
    risk = assess(upper, limits, cut_sets_max=cut_sets_max, tell=tell)
    if tree.lower is not tree.upper:
        sure = assess(lower, limits, cut_sets_max=cut_sets_max, tell=tell)
        # What fails the lower tree does fail the node; of the upper one that is not sure.
        risk = replace(
            risk, probability_low=sure.probability_low, minimal_cut_sets=None, cut_sets=sure.cut_sets, importances=()
        )
    if risk.is_exact:
        return risk
    points = single_points(hard_part(found.graph, target, degraded=degraded), target)
    return replace(risk, probability_low=max(risk.probability_low, _of_any(found, points, upper)))


def _of_any(found: DependencyMap, points: Collection[str], tree: FaultTree) -> float:
    """Return how probable it is that any of `points` fails: each alone is enough, whatever else could be found out."""
    nodes = found.graph.nodes
    events = {event for name in points for event in (own_events(found, nodes[name]) if name in nodes else (name,))}
    works = prod(1 - tree.events[event].unavailability for event in sorted(events))
    return max(0.0, (1 - works) * (1 - len(events) * ROUNDING) - ROUNDING)


def _as_assumed(tree: FaultTree, times: float) -> FaultTree:
    events = {
        name: replace(event, unavailability=min(1.0, times * event.unavailability))
        if event.source is Source.ASSUMED
        else event
        for name, event in tree.events.items()
    }
    return replace(tree, events=events)
