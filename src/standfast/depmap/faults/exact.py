"""The diagrams and minimal cut sets of all modules that fit their budget: several orders, and ever more room."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from standfast.depmap.faults.budget import Limits, OverBudget
from standfast.depmap.faults.circuit import Circuit
from standfast.depmap.faults.cutsets import CutSets, cut_sets_of
from standfast.depmap.faults.order import orders
from standfast.depmap.faults.parts import Module, Part, part_of, turned_of

_ROOMS: Final = tuple(8.0**step for step in range(-3, 1))  # of the nodes that may be: a better order is cheaper
_WORTH_IT: Final = 2  # another order is tried for so many times fewer nodes than one that fits took
_SMALL: Final = 256  # nodes that no other order is worth trying for
_SHARE: Final = 0.6  # of the time, for diagrams; the rest is for bounds where one did not fit, else for cut sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """What fits, by the gate of each module: its diagram, and its minimal cut sets."""

    parts: dict[int, Part]
    sets: dict[int, CutSets]


def solve(circuit: Circuit, modules: Sequence[Module], limits: Limits, tell: Callable[[str], None]) -> Exact:
    """Return what of `modules` fits `limits`. Small ones come first, so that one that does not fit costs no other.

    Cut sets are looked for where all diagrams fit.
    """
    found = Exact(parts={}, sets={})
    turned = turned_of(modules)
    for room in _ROOMS:
        budget = limits.budget(room=room, share=_SHARE)
        for module in modules:
            if module.node in found.parts:
                continue
            tell(f"a module of {len(module.leaves)} leaves, up to {budget.nodes_max} nodes")
            for order in orders(circuit, module.node, module.leaves):
                best = found.parts.get(module.node)
                if best is not None and best.built <= _SMALL:
                    break
                bounded = budget if best is None else replace(budget, nodes_max=best.built // _WORTH_IT)
                with suppress(OverBudget, RecursionError):  # too deep is too large
                    found.parts[module.node] = part_of(circuit, module, order, turned, bounded)
    if len(found.parts) < len(modules):
        return found
    budget = limits.budget(room=1, share=1)
    for module in modules:
        part = found.parts[module.node]
        tell(f"cut sets of a module of {len(module.leaves)} leaves and {len(part.graph)} nodes")
        with suppress(OverBudget, RecursionError):
            found.sets[module.node] = cut_sets_of(part, budget)
    return found
