"""Planners beside each other, each at a desk of its own, as `io.control.planner_service` has one for each zone.

A planner reads the newest plan, then the fences, then what was planned, and what is wanted last; it plans, and keeps
the plan. What it kept stays before it for the next one, until somebody else was faster. Between any two of these it
may stall for as long as it likes, or begin anew. What is wanted is of the world, and no planner's own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from standfast.control.facts import Base
from standfast.control.finding import Verdict
from standfast.control.plan import Plan, PlanHead
from standfast.control.planner import Planned
from standfast.sim.control.explorer import Move, Process
from standfast.sim.control.intents import records_of
from standfast.sim.control.parts import Desk, Records, Setting, Store, Zone, content_of
from standfast.sim.control.told import fence_told, head_told

WANTED: Final = "wanted"  # the part that says, by its number in `Setting.wants`, what is wanted now


class Desks:
    """What planners at desks do."""

    def __init__(
        self,
        plan: Callable[[int, Base], Planned],
        *,
        setting: Setting,
        zones: Sequence[str],
        planned: dict[str, Records],
        follows: Callable[[Plan, PlanHead | None, PlanHead | None], bool],
    ) -> None:
        """Have planners decide by `plan`, of what is wanted by its number, and the store by `follows`.

        `planned` is what each plan plans, by its hash; it is added to.
        """
        self.planned = planned
        self._plan = plan
        self._wants = len(setting.wants)
        self._zones = zones
        self._follows = follows

    def beside(self) -> tuple[Process, ...]:
        """Return what moves beside planners: what is wanted, and plans on their way to the store."""
        return Process(parts=(WANTED,), moves=self._turns), Process(parts=("store",), moves=self._arrives)

    def planner(self, who: str) -> tuple[Process, ...]:
        """Return one planner."""
        return (
            Process(parts=(who,), moves=self._begins(who)),
            Process(parts=(who, "store"), moves=self.asks_store(who)),
            Process(parts=(who, WANTED), moves=self.thinks(who)),
            *(Process(parts=(who, zone), moves=self._looks(who, at)) for at, zone in enumerate(self._zones)),
        )

    def asks_store(self, who: str) -> Callable[[Desk, Store], Iterator[Move]]:
        """Return what a planner asks of the store, one thing after the other."""

        def moves(desk: Desk, store: Store) -> Iterator[Move]:
            if desk.plan is not None:
                yield self._keeps(who, desk, desk.plan, store)
                if store.plans_late:
                    words = f"{who} begins anew; its plan {desk.plan.generation} is still under way to the store"
                    under_way = (*store.under_way, (desk.head, desk.plan))
                    late = replace(store, under_way=under_way, plans_late=store.plans_late - 1)
                    yield Move(words=words, after=(Desk(), late))
            elif desk.fences is None:
                words = f"{who} reads the newest plan: {head_told(store.newest)}"
                yield Move(words=words, after=(replace(desk, head=store.newest, fences=()), store))
            elif desk.content is None and self._is_planned(desk):
                assert desk.head is not None
                there = any(plan.head == desk.head for plan in store.plans)
                words = f"{who} reads what plan {desk.head.generation} plans" + ("" if there else ": it is gone")
                read = replace(desk, content=self.planned[desk.head.hash]) if there else replace(desk, found=True)
                yield Move(words=words, after=(read, store))

        return moves

    def thinks(self, who: str) -> Callable[[Desk, int], Iterator[Move]]:
        """Return what a planner makes of all that it has read, and of what is wanted now."""

        def moves(desk: Desk, wanted: int) -> Iterator[Move]:
            if (made := self.made(desk, wanted)) is not None:
                words = f"{who} reads what is wanted, {wanted_told(wanted)}, and makes {plan_told(made)} of it"
                yield Move(words=words, after=(made, wanted))

        return moves

    def made(self, desk: Desk, wanted: int) -> Desk | None:
        """Return the desk with the plan that is made of it, if all is read, and there is anything to plan.

        One that has to be approved is: the proof is about what may happen, and somebody may approve it.
        """
        if desk.content is None or desk.plan is not None:
            return None
        planned = self._plan(wanted, self.base(desk))
        if planned.plan is None or planned.verdict is Verdict.REFUSE:
            return None
        self.learn(planned.plan, records_of(planned.content))
        return replace(desk, plan=planned.plan)

    def base(self, desk: Desk) -> Base:
        """Return what is planned from."""
        published = dict(zip(self._zones, desk.fences or (), strict=False))
        return Base(head=desk.head, content=content_of(desk.content or ()), published=published, found=desk.found)

    def learn(self, plan: Plan, content: Records) -> None:
        """Know what a plan plans."""
        assert self.planned.setdefault(plan.hash, content) == content, "two plans of one hash differ"

    def refused(self, who: str, desk: Desk, store: Store) -> Move:
        """Return what a planner does whose plan was made after another one than the newest: it reads all again."""
        words = f"{who} cannot keep {plan_told(desk)}: {head_told(store.newest)} is the newest, and it begins anew"
        return Move(words=words, after=(Desk(), store))

    def _keeps(self, who: str, desk: Desk, plan: Plan, store: Store) -> Move:
        if not self._follows(plan, desk.head, store.newest):
            return self.refused(who, desk, store)
        after = Desk(head=plan.head, fences=desk.fences, content=self.planned[plan.hash])
        return Move(words=f"{who} keeps plan {plan.generation}", after=(after, _with(store, plan)))

    def _arrives(self, store: Store) -> Iterator[Move]:
        for after, plan in store.under_way:
            left = replace(store, under_way=tuple(each for each in store.under_way if each != (after, plan)))
            taken = self._follows(plan, after, store.newest)
            words = f"the late plan {plan.generation} arrives at the store" + ("" if taken else ", and is refused")
            yield Move(words=words, after=(_with(left, plan) if taken else left,))

    def _turns(self, wanted: int) -> Iterator[Move]:
        if wanted + 1 < self._wants:
            yield Move(words=f"health turns: {wanted_told(wanted + 1)} is wanted from now on", after=(wanted + 1,))

    def _begins(self, who: str) -> Callable[[Desk], Iterator[Move]]:
        def moves(_desk: Desk) -> Iterator[Move]:
            yield Move(words=f"{who} begins anew, with nothing before it", after=(Desk(),))

        return moves

    def _looks(self, who: str, at: int) -> Callable[[Desk, Zone], Iterator[Move]]:
        def moves(desk: Desk, zone: Zone) -> Iterator[Move]:
            if desk.fences is None or desk.content is not None:
                return
            if len(desk.fences) == at:
                words = f"{who} reads the fence: {fence_told(zone.fence)}"
                yield Move(words=words, after=(replace(desk, fences=(*desk.fences, zone.fence)), zone))
            elif at == 0 and len(desk.fences) == len(self._zones) and not self._is_planned(desk):
                words = f"{who} reads all that is published"
                yield Move(words=words, after=(replace(desk, content=zone.records, found=True), zone))

        return moves

    def _is_planned(self, desk: Desk) -> bool:
        """Say whether all fences are read, and the store is to be asked for what was planned."""
        return len(desk.fences or ()) == len(self._zones) and self.base(desk).is_known


def wanted_told(wanted: int) -> str:
    """Return what is wanted: `version 2`."""
    return f"version {wanted + 1}"


def plan_told(desk: Desk) -> str:
    """Return which plan is about to be kept."""
    return "no plan" if desk.plan is None else f"plan {desk.plan.generation}"


def _with(store: Store, plan: Plan) -> Store:
    """Return the store with a plan more, the newest. A number is there once: another plan of it is gone."""
    others = tuple(each for each in store.plans if each.generation != plan.generation)
    gone = frozenset(each.generation for each in store.plans if each not in others and each != plan)
    return replace(store, newest=plan.head, plans=(*others, plan), collected=store.collected | gone)
