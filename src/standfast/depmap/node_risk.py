"""How probable it is that a node of a map fails: of its tree, or between the two that enclose it."""

from collections.abc import Callable
from dataclasses import replace

from standfast.depmap.faults.budget import Limits
from standfast.depmap.faults.model import FaultTree, Source
from standfast.depmap.faults.risk import Risk, assess
from standfast.depmap.merging import DependencyMap
from standfast.depmap.trees import tree_of


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
    upper = assess(_as_assumed(tree.upper, assumed_times), limits, cut_sets_max=cut_sets_max, tell=tell)
    if tree.lower is tree.upper:
        return upper
    lower = assess(_as_assumed(tree.lower, assumed_times), limits, cut_sets_max=cut_sets_max, tell=tell)
    # What fails the lower tree does fail the node; of the upper one that is not sure.
    return replace(
        upper, probability_low=lower.probability_low, minimal_cut_sets=None, cut_sets=lower.cut_sets, importances=()
    )


def _as_assumed(tree: FaultTree, times: float) -> FaultTree:
    events = {
        name: replace(event, unavailability=min(1.0, times * event.unavailability))
        if event.source is Source.ASSUMED
        else event
        for name, event in tree.events.items()
    }
    return replace(tree, events=events)
