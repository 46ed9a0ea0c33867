"""How probable the top event is, and by what: exactly where that fits the budget, else between two proven bounds.

The order of it: the tree as a circuit, made smaller, taken apart into modules; each module as a diagram, in several
orders of its variables and with ever more room, until one fits; then the walks that answer each question. For modules
that did not fit, two diagrams that enclose them, ever larger, until the time is over.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod
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
_ENCLOSED_SHARE: Final = 0.9  # of the time; the rest is for such a list
_LOOKED_AT: Final = 20  # times as many sets as are wanted: some become the same when they are made minimal


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
    """What is known of a tree. Of what did not fit the budget: an interval, None instead of a number, not all cut sets.

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
    cut_sets_may_lack: bool  # such as belong before or between those that are listed
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
        lower: dict[int, Part] = {}
        weights: tuple[NamedImportance, ...] = ()
        if len(parts) < len(modules):
            interval, lower = self._enclosed(modules, exact.parts)
        else:
            value = probabilities(parts, self._basic)
            interval = Interval(value[modules[-1].node], value[modules[-1].node])
            weights = tuple(self._named(each) for each in importances(parts, value))
        number: int | None = None
        if whole := len(exact.sets) == len(modules):
            cut_sets = [exact.sets[module.node] for module in modules]
            number, sets = count(cut_sets), self._named_sets(cut_sets, cut_sets_max)
        else:
            sets = self._some_sets(modules, {**lower, **exact.parts}, cut_sets_max)
        return self._risk(modules, parts, interval, number=number, sets=sets, lacks=not whole, weights=weights)

    def _risk(
        self,
        modules: Sequence[Module],
        parts: Sequence[Part],
        interval: Interval,
        *,
        number: int | None,
        sets: tuple[NamedCutSet, ...],
        lacks: bool = False,
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
            cut_sets_may_lack=lacks,
            importances=weights,
        )

    def _enclosed(self, modules: Sequence[Module], parts: Mapping[int, Part]) -> tuple[Interval, dict[int, Part]]:
        """Enclose what is left by ever larger diagrams, and return what all of them agree on.

        With it, of the last of them, those that are true nowhere where the module is not.
        """
        turned = turned_of(modules)
        budget = self._limits.budget(room=1, share=_ENCLOSED_SHARE)
        value = {node: Interval(each, each) for node, each in self._basic.items()}
        value |= {module.node: Interval(0.0, 1.0) for module in modules}
        lower: dict[int, Part] = {}
        for size in _SIZES:
            self._tell(f"enclosing what does not fit between diagrams of {size} nodes")
            try:
                for module in modules:
                    if part := parts.get(module.node):
                        found = interval_of(part, value)
                    else:
                        order = next(orders(self._circuit, module.node, module.leaves))
                        held = enclose(self._circuit, module, order, turned, value, size, budget)
                        found, lower[module.node] = held.interval, held.lower
                    value[module.node] = value[module.node].narrowed(found.widened(len(module.leaves)))
            except (OverBudget, RecursionError):
                break
            if value[modules[-1].node].is_narrow:
                break
        return value[modules[-1].node], lower

    def _some_sets(self, modules: Sequence[Module], parts: Mapping[int, Part], number: int) -> tuple[NamedCutSet, ...]:
        """Return cut sets by parts that are true nowhere where their modules are not: a way to "true" in it is one.

        Each is made minimal, by leaving out what it does not need. Not in a non-coherent tree, where what does not
        happen matters as well.
        """
        if not number or len(parts) < len(modules):
            return ()
        self._tell("listing cut sets")
        budget = self._limits.budget(room=1, share=1)
        ways = [
            CutSets(module=module.node, order=parts[module.node].order, graph=parts[module.node].graph)
            for module in modules
        ]
        order = self._circuit.below(self._top)
        is_coherent = all(module.is_coherent for module in modules)
        found: dict[frozenset[int], None] = {}
        for each in islice(most_probable(ways, self._basic), number * _LOOKED_AT):
            nodes = set(each.nodes)
            for node in each.nodes if is_coherent else ():
                if self._circuit.true_with(nodes - {node}, order)[self._top >> 1] != bool(self._top & 1):
                    nodes.remove(node)
            found[frozenset(nodes)] = None
            if len(found) >= number or budget.spent():
                break
        named = [self._named_set(nodes) for nodes in found]
        return tuple(sorted(named, key=lambda each: (-each.probability, each.events)))

    def _named_sets(self, cut_sets: Sequence[CutSets], number: int) -> tuple[NamedCutSet, ...]:
        self._tell("listing minimal cut sets")
        return tuple(self._named_set(each.nodes) for each in islice(most_probable(cut_sets, self._basic), number))

    def _named_set(self, nodes: Collection[int]) -> NamedCutSet:
        return NamedCutSet(
            events=tuple(sorted(self._circuit.names[node] for node in nodes)),
            probability=prod(self._basic[node] for node in sorted(nodes)),
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
