"""What names were at each plan that is still known: read from plans, from either side of them. Pure.

A change says what was there before it as well as after it. So a plan also tells of all the time before it up to the
change of that RRset that precedes it, and a plan that is missing hides only what it alone changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from standfast.control.plan import Content, Node, PlanHead
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A plan, as far as it is about the names that are looked at; and all that was planned of them, where known."""

    head: PlanHead
    base: PlanHead | None
    made_at_s: float  # seconds since the epoch
    changes: tuple[Change, ...]
    whole: Content | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was planned of names at one generation.

    `nodes` has an entry, maybe an empty one, for each name that anything is known of. `complete`: for each of them
    all types are known, so that what it does not have was not planned.
    """

    head: PlanHead
    made_at_s: float  # seconds since the epoch
    nodes: Mapping[Name, Node]
    complete: bool


def past_of(names: Iterable[Name], steps: Iterable[Step]) -> list[Past]:
    """Return what `names` were at each of `steps`, the newest first, as far as it can be told."""
    wanted = frozenset(names)
    found: list[Past] = []
    for run in _unbroken(steps):
        found += _past_of_run(wanted, run)
    return sorted(found, key=lambda past: (past.head.generation, past.made_at_s), reverse=True)


def _unbroken(steps: Iterable[Step]) -> list[list[Step]]:
    """Return runs of plans, each the base of the next, the oldest first."""
    runs: dict[PlanHead, list[Step]] = {}  # by their last
    for step in sorted(steps, key=lambda step: (step.head.generation, step.made_at_s)):
        run = runs.pop(step.base, None) if step.base else None
        run = [] if run is None else run
        run.append(step)
        runs[step.head] = run
    return list(runs.values())


def _past_of_run(names: frozenset[Name], run: Sequence[Step]) -> list[Past]:
    complete = any(step.whole is not None for step in run)
    state: dict[tuple[Name, int], RRset | None] = {}
    for step in reversed(run):  # so that the first to speak of an RRset has the last word on what was before all
        for rrset in _rrsets(step.whole, names):
            state[rrset.owner, rrset.rtype] = rrset
        for change in step.changes:
            if change.key[0] in names:
                state[change.key] = change.before
    known = names if complete else frozenset(owner for owner, _ in state)
    found = []
    for step in run:
        for change in step.changes:
            if change.key[0] in names:
                state[change.key] = change.after
        nodes: dict[Name, dict[int, RRset]] = {owner: {} for owner in known}
        for (owner, rtype), at in state.items():
            if at is not None:
                nodes[owner][rtype] = at
        found.append(Past(head=step.head, made_at_s=step.made_at_s, nodes=nodes, complete=complete))
    return found


def _rrsets(content: Content | None, names: frozenset[Name]) -> Iterable[RRset]:
    return () if content is None else [rrset for name in names for rrset in content.get(name, {}).values()]
