"""The design that made the outage of 20 October 2025, as its operator told it afterwards; a rival, and no part of ours.

Plans are numbered. An enactor checks once, when it starts, that its plan is newer than what stands; each name is then
pointed at the records of that plan, by a change that takes a lock record and gives it back; a rollback record is
written with it, which cannot be pointed at a plan that is gone. Whoever is done deletes the plans that are older than
its own. Every step is the operator's intended one, but for a stall: enactors may wait between any two steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from standfast.sim.control.explorer import Invariant, Law, Machine, Move, Process, Recovery, Values

NAME: Final = "db.example.com"
ENACTORS: Final = ("A", "B", "C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """The newest plan, and those that were not deleted."""

    newest: int = 1
    kept: frozenset[int] = frozenset({1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The plan that each name points at; its addresses are those of that plan, as long as it is kept."""

    plans: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enactor:
    """What an enactor is at: a plan that it has checked, the next name, and whether only the clean-up is left."""

    plan: int | None = None
    name: int = 0


def original(*, enactors: int = 2, names: int = 1, plans: int = 3) -> Machine:
    """Return the original design with plan 1 standing everywhere, and some more plans to come."""
    who = ENACTORS[:enactors]
    parts = ("plans", "names")
    return Machine(
        parts=(*parts, *who),
        initial=((Plans(), Standing(plans=(1,) * names), *(Enactor() for _ in who)),),
        processes=(
            Process(parts=("plans",), moves=lambda kept: _planner(kept, plans)),
            *(Process(parts=(*parts, each), moves=_Moves(each)) for each in who),
        ),
        invariants=(Invariant(name="no-promised-name-empty", parts=parts, broken=_empty),),
        laws=(Law(name="generation-never-goes-back", parts=("names",), broken=_back),),
        recoveries=tuple(
            Recovery(
                name="newest-plan-installable",
                who=f"enactor {each}",
                processes=(Process(parts=(*parts, each), moves=_Moves(each)),),
                parts=parts,
                done=lambda kept, standing: set(standing.plans) == {kept.newest},
            )
            for each in who
        ),
    )


def _planner(kept: Plans, plans: int) -> Iterator[Move]:
    if kept.newest < plans:
        made = kept.newest + 1
        yield Move(words=f"the planner makes plan {made}", after=(Plans(newest=made, kept=kept.kept | {made}),))


class _Moves:
    """What one enactor does; called with the parts that it looks at."""

    def __init__(self, who: str) -> None:
        self._who = f"enactor {who}"

    def __call__(self, kept: Plans, standing: Standing, enactor: Enactor) -> Iterator[Move]:
        match enactor:
            case Enactor(plan=None):
                yield from self._begin(kept, standing)
            case Enactor(plan=int(plan), name=name) if name < len(standing.plans):
                yield from self._write(kept, standing, enactor, plan)
            case Enactor(plan=int(plan)):
                yield self._clean_up(kept, standing, plan)

    def _begin(self, kept: Plans, standing: Standing) -> Iterator[Move]:
        stands = min(standing.plans)
        if kept.newest > stands:
            words = f"{self._who} takes plan {kept.newest}, and checks, once, that it is newer than plan {stands}"
            yield Move(words=words, after=(kept, standing, Enactor(plan=kept.newest)))

    def _write(self, kept: Plans, standing: Standing, enactor: Enactor, plan: int) -> Iterator[Move]:
        before = standing.plans[enactor.name]
        missing = next((each for each in (before, plan) if each not in kept.kept), None)
        if missing is not None:  # neither the name nor its rollback record can be pointed at a plan that is gone
            words = f"{self._who} refuses to go on with {_name(enactor.name)}: plan {missing} is gone"
            yield Move(words=words, after=(kept, standing, enactor))
            return
        names = list(standing.plans)
        names[enactor.name] = plan
        late = f", whose check was made while plan {before - 1} stood or earlier," if before > plan else ""
        words = f"{self._who}{late} takes the lock, points {_name(enactor.name)} at plan {plan} and gives the lock back"
        yield Move(words=words, after=(kept, Standing(plans=tuple(names)), replace(enactor, name=enactor.name + 1)))

    def _clean_up(self, kept: Plans, standing: Standing, plan: int) -> Move:
        gone = sorted(each for each in kept.kept if each < plan)
        words = f"{self._who} is done, and its clean-up deletes what is older than plan {plan}: {_plans(gone)}"
        return Move(words=words, after=(replace(kept, kept=kept.kept.difference(gone)), standing, Enactor()))


def _empty(kept: Plans, standing: Standing) -> str | None:
    for name, plan in enumerate(standing.plans):
        if plan not in kept.kept:
            return f"{_name(name)} points at plan {plan}, which is gone: it has no address"
    return None


def _back(before: Values, after: Values) -> str | None:
    (was,), (now,) = before, after
    assert isinstance(was, Standing)
    assert isinstance(now, Standing)
    for name, (old, new) in enumerate(zip(was.plans, now.plans, strict=True)):
        if new < old:
            return f"{_name(name)} goes back from plan {old} to plan {new}"
    return None


def _name(number: int) -> str:
    return NAME if number == 0 else f"name {number + 1}"


def _plans(numbers: list[int]) -> str:
    return " and ".join(f"plan {number}" for number in numbers) or "nothing"
