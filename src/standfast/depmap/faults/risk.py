"""How probable the top event is, and by what: exactly where that fits the budget, else between two proven bounds.

The order of it: the tree as a circuit, made smaller, taken apart into modules; each module as a diagram, in several
orders of its variables and with ever more room, until one fits; then the walks that answer each question. For modules
that did not fit, two diagrams that enclose them, ever larger, until the time is over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from standfast.depmap.faults.budget import Limits, OverBudget
from standfast.depmap.faults.circuit import ALWAYS, NEVER, circuit_of
from standfast.depmap.faults.cutsets import CutSets, count, most_probable
from standfast.depmap.faults.enclosure import Interval, enclose, interval_of
from standfast.depmap.faults.exact import solve
from standfast.depmap.faults.measures import Importance, importances, probabilities
from standfast.depmap.faults.model import FaultTree, Source
from standfast.depmap.faults.order import orders
from standfast.depmap.faults.parts import Module, Part, modules_of, turned_of
from standfast.depmap.faults.rewrite import simplify

_SIZES: Final = tuple(256 * 4**step for step in range(7))  # nodes of an enclosing diagram


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCutSet:
    """Events that together make the top event happen, and how probable it is that all of them happen."""

    events: tuple[str, ...]
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedImportance:
    """How much the top event hangs on `event`; see `measures.Importance`."""

    event: str
    unavailability: float
    birnbaum: float
    raw: float
    rrw: float | None
    fussell_vesely: float
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What is known of a tree. Of what did not fit the budget: an interval, None instead of a number, no list.

    `nodes` are those of all diagrams in the end, `modules_open` how many modules did not fit.
    """

    top: str
    gates: int
    events: int
    modules: int
    modules_open: int
    nodes: int
    probability_low: float
    probability_high: float
    minimal_cut_sets: int | None
    cut_sets: tuple[NamedCutSet, ...]
    importances: tuple[NamedImportance, ...]

    @property
    def is_exact(self) -> bool:
        """Whether the probability is a number, and not an interval."""
        return self.modules_open == 0 and self.probability_low == self.probability_high

    @property
    def by_source(self) -> dict[Source, float]:
        """How much of the probability rests on what was claimed, measured and assumed: shares by Fussell-Vesely, sum 1.

        Empty where no importance is known.
        """
        weights = dict.fromkeys(Source, 0.0)
        for each in self.importances:
            weights[each.source] += max(0.0, each.fussell_vesely)
        total = sum(weights.values())
        return {source: weight / total for source, weight in weights.items()} if total else {}


def assess(
    tree: FaultTree,
    limits: Limits | None = None,
    *,
    cut_sets_max: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Risk:
    """Return how probable the top event of `tree` is, and by what.

    Args:
        tree: the model.
        limits: what it may take.
        cut_sets_max: how many minimal cut sets to list, the most probable first.
        tell: is told now and then what is being done.

    Raises:
        ModelError: a gate hangs on itself, or on what is not there.
    """
    return _Assessment(tree, limits or Limits(), tell).risk(cut_sets_max)


class _Assessment:
    def __init__(self, tree: FaultTree, limits: Limits, tell: Callable[[str], None]) -> None:
        self._tree = tree
        self._limits = limits
        self._tell = tell
        self._circuit, top = circuit_of(tree)
        self._top = simplify(self._circuit, top)
        self._basic = {node: tree.events[name].unavailability for node, name in self._circuit.names.items()}

    def risk(self, cut_sets_max: int) -> Risk:
        if self._top in (NEVER, ALWAYS):
            always = self._top == ALWAYS
            by_nothing = (NamedCutSet(events=(), probability=1.0),)
            sure = Interval(float(always), float(always))
            return self._risk([], [], sure, number=int(always), sets=by_nothing if always else ())
        modules = modules_of(self._circuit, self._top)
        exact = solve(self._circuit, modules, self._limits, self._tell)
        parts = [exact.parts[module.node] for module in modules if module.node in exact.parts]
        cut_sets = [exact.sets[module.node] for module in modules if module.node in exact.sets]
        number: int | None = None
        sets: tuple[NamedCutSet, ...] = ()
        if len(cut_sets) == len(modules):
            number, sets = count(cut_sets), self._named_sets(cut_sets, cut_sets_max)
        if len(parts) < len(modules):
            return self._risk(modules, parts, self._enclosed(modules, exact.parts), number=number, sets=sets)
        value = probabilities(parts, self._basic)
        interval = Interval(value[modules[-1].node], value[modules[-1].node])
        weights = tuple(self._named(each) for each in importances(parts, value))
        return self._risk(modules, parts, interval, number=number, sets=sets, weights=weights)

    def _risk(
        self,
        modules: Sequence[Module],
        parts: Sequence[Part],
        interval: Interval,
        *,
        number: int | None,
        sets: tuple[NamedCutSet, ...],
        weights: tuple[NamedImportance, ...] = (),
    ) -> Risk:
        return Risk(
            top=self._tree.top,
            gates=len(self._tree.in_order()),
            events=len(self._circuit.names),
            modules=len(modules),
            modules_open=len(modules) - len(parts),
            nodes=sum(len(part.graph) for part in parts),
            probability_low=interval.low,
            probability_high=interval.high,
            minimal_cut_sets=number,
            cut_sets=sets,
            importances=weights,
        )

    def _enclosed(self, modules: Sequence[Module], parts: Mapping[int, Part]) -> Interval:
        """Enclose what is left by ever larger diagrams, and return what all of them agree on."""
        turned = turned_of(modules)
        budget = self._limits.budget(room=1, share=1)
        value = {node: Interval(each, each) for node, each in self._basic.items()}
        value |= {module.node: Interval(0.0, 1.0) for module in modules}
        for size in _SIZES:
            self._tell(f"enclosing what does not fit between diagrams of {size} nodes")
            try:
                for module in modules:
                    if part := parts.get(module.node):
                        found = interval_of(part, value)
                    else:
                        order = next(orders(self._circuit, module.node, module.leaves))
                        found = enclose(self._circuit, module, order, turned, value, size, budget)
                    value[module.node] = value[module.node].narrowed(found.widened(len(module.leaves)))
            except (OverBudget, RecursionError):
                break
            if value[modules[-1].node].is_narrow:
                break
        return value[modules[-1].node]

    def _named_sets(self, cut_sets: Sequence[CutSets], number: int) -> tuple[NamedCutSet, ...]:
        self._tell("listing minimal cut sets")
        names = self._circuit.names
        return tuple(
            NamedCutSet(events=tuple(sorted(names[node] for node in each.nodes)), probability=each.probability)
            for each in islice(most_probable(cut_sets, self._basic), number)
        )

    def _named(self, importance: Importance) -> NamedImportance:
        event = self._circuit.names[importance.node]
        return NamedImportance(
            event=event,
            unavailability=self._basic[importance.node],
            birnbaum=importance.birnbaum,
            raw=importance.raw,
            rrw=importance.rrw,
            fussell_vesely=importance.fussell_vesely,
            source=self._tree.events[event].source,
        )
