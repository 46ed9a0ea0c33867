"""Every state that a machine of parts can reach, breadth first: all of them, or an honest "not all".

A state is one value for each part. A process looks at a few parts and says what may happen to them; that is worked out
once for each combination of those parts, not once for each state. Values are numbered, and a state is one integer with
a field for each part, so that a move is an addition: a million states take seconds. The path to a state is found
again from the levels of the search, which keeps no predecessors.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

PART_BITS: Final = 20  # of a state for each part: a million values of one part are no small configuration any more
ATTEMPT_MAX: Final = 30  # moves that are told of those who cannot recover
STATES_MAX: Final = 10_000_000  # some 1.5 GB; what is larger is left to the simulation

Values = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One thing that may happen: in plain words, and what the parts of its process are after it."""

    words: str
    after: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Whatever moves: `moves` is given the values of `parts`, and depends on nothing else."""

    parts: tuple[str, ...]
    moves: Callable[..., Iterable[Move]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """What holds in every state. `broken` is given the values of `parts`, and says what is wrong, if anything is."""

    name: str
    parts: tuple[str, ...]
    broken: Callable[..., str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """What holds of every move of processes that have all of `parts`: `broken` is given these before and after."""

    name: str
    parts: tuple[str, ...]
    broken: Callable[[Any, Any], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What can be reached from every state by these processes alone; `done` is given the values of `parts`."""

    name: str
    who: str  # in plain words
    processes: tuple[Process, ...]
    parts: tuple[str, ...]
    done: Callable[..., bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Parts by name, the values that they begin with, all that may happen, and what must hold."""

    parts: tuple[str, ...]
    initial: tuple[Values, ...]
    processes: tuple[Process, ...]
    invariants: tuple[Invariant, ...] = ()
    laws: tuple[Law, ...] = ()
    recoveries: tuple[Recovery, ...] = ()

    @property
    def promises(self) -> tuple[str, ...]:
        """The names of all that must hold, each once."""
        promises: tuple[Invariant | Law | Recovery, ...] = (*self.invariants, *self.laws, *self.recoveries)
        return tuple(dict.fromkeys(promise.name for promise in promises))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What came of a search. `broken` holds a shortest trace, in plain words, for each promise that was broken."""

    states: int
    exhaustive: bool
    depth: int  # moves to the farthest state
    broken: Mapping[str, tuple[str, ...]]


def explore(
    machine: Machine,
    *,
    states_max: int = STATES_MAX,
    until: str | None = None,
    on_progress: Callable[[int], None] = lambda _states: None,
) -> Explored:
    """Visit every state of `machine` that can be reached.

    Args:
        states_max: about when to give up; the level that is then being searched is finished.
        until: the name of a promise; the search ends when it is found broken.
        on_progress: is told after each level how many states there are.
    """
    return _Search(machine).run(states_max, until, on_progress)


class _Search:
    """One search. A state is packed: the number of each part's value, `PART_BITS` wide, the first part lowest."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._codec = _Codec(machine.parts)
        self._breaches: list[_Breach] = []
        self._groups = self._grouped(machine.processes, machine.laws)
        self._levels: list[list[int]] = []
        self._broken: dict[str, tuple[str, ...]] = {}

    def run(self, states_max: int, until: str | None, on_progress: Callable[[int], None]) -> Explored:
        seen = {self._codec.pack(values) for values in self._machine.initial}
        level = list(seen)
        views = _by_parts(self._machine.invariants, self._codec)
        checked: dict[int, set[int]] = {mask: set() for mask in views}
        while level:
            self._levels.append(level)
            for mask, invariants in views.items():
                fresh = {state & mask for state in level} - checked[mask]
                checked[mask] |= fresh
                self._check(invariants, mask, fresh)
            on_progress(len(seen))
            if until in self._broken or len(seen) >= states_max:
                break
            reached = {s + delta for s in level for mask, group in self._groups for delta in group[s & mask]}
            self._check_moves()
            if until in self._broken:
                break
            reached -= seen
            seen |= reached
            level = list(reached)
        complete = not level
        if until is None or until not in self._broken:
            for recovery in self._machine.recoveries:
                self._check_recovery(recovery, seen)
        return Explored(states=len(seen), exhaustive=complete, depth=len(self._levels) - 1, broken=self._broken)

    # What must hold

    def _check(self, invariants: Sequence[Invariant], mask: int, projections: Iterable[int]) -> None:
        for invariant in invariants:
            if invariant.name in self._broken:
                continue
            for key in projections:
                wrong = invariant.broken(*self._codec.values(key, invariant.parts))
                if wrong is not None:
                    state = next(state for state in self._levels[-1] if state & mask == key)
                    self._broken[invariant.name] = (*self._path(state), wrong)
                    break

    def _check_moves(self) -> None:
        for breach in self._breaches:
            if breach.name not in self._broken:
                state = next(state for state in self._levels[-1] if state & breach.mask == breach.key)
                self._broken[breach.name] = (*self._path(state), breach.words, breach.wrong)
        self._breaches.clear()

    def _check_recovery(self, recovery: Recovery, seen: Collection[int]) -> None:
        """Find the states from which `recovery` cannot succeed: backward from where it has."""
        if recovery.name in self._broken:
            return
        groups = self._grouped(recovery.processes, ())
        mask = self._codec.mask({*recovery.parts, *(part for process in recovery.processes for part in process.parts)})
        begins = {state & mask for state in seen}
        sources: dict[int, list[int]] = {}
        safe: list[int] = []
        known = set(begins)
        frontier = list(begins)
        while frontier:
            node = frontier.pop()
            if recovery.done(*self._codec.values(node, recovery.parts)):
                safe.append(node)
                continue
            for group_mask, group in groups:
                for delta in group[node & group_mask]:
                    after = node + delta
                    sources.setdefault(after, []).append(node)
                    if after not in known:
                        known.add(after)
                        frontier.append(after)
        doomed = known.difference(safe)
        while safe:
            for source in sources.pop(safe.pop(), ()):
                if source in doomed:
                    doomed.discard(source)
                    safe.append(source)
        doomed &= begins
        if doomed:
            state = next(state for level in self._levels for state in level if state & mask in doomed)
            alone = f"from here on {recovery.who} alone never gets there"
            self._broken[recovery.name] = (*self._path(state), alone, *self._attempt(groups, state & mask))

    # Words

    def _path(self, state: int) -> Iterator[str]:
        """Yield what happened from the start to a state of the last level that has it, by one shortest path."""
        depth = next(depth for depth, level in enumerate(self._levels) if state in level)
        backward: list[str] = []
        for level in reversed(self._levels[:depth]):
            state, words = next(self._arrivals(level, state))
            backward.append(words)
        yield from reversed(backward)

    def _arrivals(self, level: Iterable[int], target: int) -> Iterator[tuple[int, str]]:
        for state in level:
            for mask, group in self._groups:
                if target - state in group[state & mask]:
                    yield from ((state, words) for words, delta in group.told(state & mask) if state + delta == target)

    def _attempt(self, groups: "_Groups", node: int) -> Iterator[str]:
        """Yield what those alone do, always something that leads to where they were not yet, until nothing does."""
        been = {node}
        for _ in range(ATTEMPT_MAX):
            moves = [move for mask, group in groups for move in group.told(node & mask)]
            ahead = [(words, node + delta) for words, delta in moves if node + delta not in been]
            if not ahead:
                yield from [words for words, delta in moves if not delta] or ["nothing else can happen any more"]
                return
            words, node = ahead[0]
            been.add(node)
            yield words
        yield "and so on"

    def _grouped(self, processes: Iterable[Process], laws: Sequence[Law]) -> "_Groups":
        """Return the processes by the parts that they look at: those with the same are looked up as one."""
        by_parts: dict[tuple[str, ...], list[Process]] = {}
        for process in processes:
            by_parts.setdefault(process.parts, []).append(process)
        return [
            (
                self._codec.mask(parts),
                _Group(self._codec, parts, group, [law for law in laws if {*law.parts} <= {*parts}], self._breaches),
            )
            for parts, group in by_parts.items()
        ]


class _Group(dict[int, tuple[int, ...]]):
    """For each combination of some parts, packed, what all moves add to it; worked out when it is first looked up."""

    def __init__(
        self,
        codec: "_Codec",
        parts: tuple[str, ...],
        processes: Sequence[Process],
        laws: Sequence[Law],
        breaches: "list[_Breach]",
    ) -> None:
        super().__init__()
        self._codec = codec
        self._parts = parts
        self._processes = processes
        self._laws = laws
        self._breaches = breaches

    def __missing__(self, key: int) -> tuple[int, ...]:
        before = self._codec.values(key, self._parts)
        deltas: dict[int, None] = {}
        for move in self._moves(before):
            deltas[self._codec.difference(self._parts, before, move.after)] = None
            for law in self._laws:
                wrong = law.broken(self._pick(law, before), self._pick(law, move.after))
                if wrong is not None:
                    mask = self._codec.mask(self._parts)
                    self._breaches.append(_Breach(name=law.name, mask=mask, key=key, words=move.words, wrong=wrong))
        deltas.pop(0, None)  # what changes nothing leads nowhere
        self[key] = found = tuple(deltas)
        return found

    def told(self, key: int) -> Iterator[tuple[str, int]]:
        """Yield every move in words, with what it adds."""
        before = self._codec.values(key, self._parts)
        for move in self._moves(before):
            yield move.words, self._codec.difference(self._parts, before, move.after)

    def _moves(self, before: Values) -> Iterator[Move]:
        for process in self._processes:
            yield from process.moves(*before)

    def _pick(self, law: Law, values: Values) -> Values:
        return tuple(values[self._parts.index(part)] for part in law.parts)


_Groups = list[tuple[int, _Group]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Breach:
    """A move that breaks a law, in every state that has `key` in the fields of `mask`."""

    name: str
    mask: int
    key: int
    words: str
    wrong: str


class _Codec:
    """Numbers the values of each part, and packs them."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        self._shift = {part: index * PART_BITS for index, part in enumerate(parts)}
        self._numbers: dict[str, dict[Hashable, int]] = {part: {} for part in parts}
        self._values: dict[str, list[Hashable]] = {part: [] for part in parts}

    def pack(self, values: Values) -> int:
        """Return the state that has `values`, one for each part."""
        pairs = zip(self._shift.items(), values, strict=True)
        return sum(self._number(part, value) << shift for (part, shift), value in pairs)

    def mask(self, parts: Iterable[str]) -> int:
        """Return what leaves of a packed state only the fields of `parts`."""
        return sum(((1 << PART_BITS) - 1) << self._shift[part] for part in set(parts))

    def values(self, packed: int, parts: tuple[str, ...]) -> Values:
        """Return the values that some parts of a packed state have."""
        ones = (1 << PART_BITS) - 1
        return tuple(self._values[part][packed >> self._shift[part] & ones] for part in parts)

    def difference(self, parts: tuple[str, ...], before: Values, after: Values) -> int:
        """Return what is to be added to a packed state in which `parts` go from `before` to `after`."""
        return sum(
            (self._number(part, new) - self._number(part, old)) << self._shift[part]
            for part, old, new in zip(parts, before, after, strict=True)
            if new is not old
        )

    def _number(self, part: str, value: Hashable) -> int:
        numbers = self._numbers[part]
        number = numbers.get(value)
        if number is None:
            number = numbers[value] = len(numbers)
            if number >> PART_BITS:
                raise OverflowError(f"more than {1 << PART_BITS} values of {part}")
            self._values[part].append(value)
        return number


def _by_parts(invariants: Iterable[Invariant], codec: _Codec) -> dict[int, list[Invariant]]:
    views: dict[int, list[Invariant]] = {}
    for invariant in invariants:
        views.setdefault(codec.mask(invariant.parts), []).append(invariant)
    return views
