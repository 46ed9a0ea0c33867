"""Deliberate bugs of planners and of the store that keeps their plans: each takes the place of one decision."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from standfast.control.difference import repair
from standfast.control.facts import Base, Inputs
from standfast.control.finding import Verdict
from standfast.control.generations import next_generation
from standfast.control.plan import Plan, PlanHead, applied, make_plan
from standfast.control.planner import Planned, plan_zone
from standfast.control.zone_index import ZoneIndex
from standfast.dns.changes import Change
from standfast.sim.control.desks import Desks, plan_told, wanted_told
from standfast.sim.control.explorer import Move
from standfast.sim.control.intents import records_of
from standfast.sim.control.parts import Desk, Records, Store, content_of
from standfast.sim.control.told import head_told
from standfast.values import value


def trusts_an_empty_source(zone: ZoneIndex, inputs: Inputs, base: Base) -> Planned:
    """Take a source that names nobody at its word, and ask no rule."""
    planned = plan_zone(zone, inputs, base)
    silent = {pool for pool, view in inputs.pools.items() if not view.endpoints}
    changes = [
        Change(before=rrset, after=None)
        for pool in sorted(silent)
        for name in zone.touched([pool])
        for rrset in planned.content.get(name, {}).values()
    ]
    if not changes:
        return planned
    content = applied(planned.content, changes)
    plan = make_plan(
        zone=zone.intent.origin,
        generation=next_generation(base.head, base.published.values()),
        base=base.head if base.is_known else None,
        changes=repair(content, base.content, base.content),
        made_at_s=0.0,
    )
    return replace(planned, plan=plan, content=content, verdict=Verdict.PUBLISH)


def numbers_from_the_store(zone: ZoneIndex, inputs: Inputs, base: Base) -> Planned:
    """Number plans by the store alone: what is published is not looked at."""
    return plan_zone(zone, inputs, replace(base, published={}))


def whatever_is_newest(plan: Plan, after: PlanHead | None, newest: PlanHead | None) -> bool:
    """Keep every plan as the newest, whatever was planned meanwhile."""
    del plan, after, newest
    return True


class Renumbering(Desks):
    """A planner whose plan is refused gives it the next number, and keeps it without reading anything again."""

    def refused(self, who: str, desk: Desk, store: Store) -> Move:
        """Return the plan with the next number, about to be kept."""
        plan, newest = desk.plan, store.newest
        assert plan is not None
        if newest is None:
            return super().refused(who, desk, store)
        number = newest.generation + 1
        again = make_plan(zone=plan.zone, generation=number, base=newest, changes=plan.changes, made_at_s=0.0)
        content = applied(content_of(self.planned[newest.hash]), again.changes)
        self.planned.setdefault(again.hash, records_of(content))
        words = (
            f"{who} cannot keep plan {plan.generation}: {head_told(newest)} is the newest; it makes it plan {number}"
        )
        return Move(words=words, after=(replace(desk, head=newest, plan=again), store))


@value
class _Knowing(Desk):
    """A desk at which it was known what is wanted before anything else was read."""

    wanted: int


class KnowingBefore(Desks):
    """A planner that reads what is wanted first, and the newest plan after it."""

    def asks_store(self, who: str) -> Callable[[Desk, Store], Iterator[Move]]:
        """Return what a planner asks of the store, once it knows what is wanted."""
        honest = super().asks_store(who)

        def moves(desk: Desk, store: Store) -> Iterator[Move]:
            if desk != Desk():
                yield from honest(desk, store)

        return moves

    def thinks(self, who: str) -> Callable[[Desk, int], Iterator[Move]]:
        """Return what a planner makes of what it knew to be wanted."""
        honest = super().thinks(who)

        def moves(desk: Desk, wanted: int) -> Iterator[Move]:
            if desk == Desk():
                words = f"{who} reads what is wanted: {wanted_told(wanted)}"
                yield Move(words=words, after=(_Knowing(wanted=wanted), wanted))
            elif not isinstance(desk, _Knowing):
                yield from honest(desk, wanted)
            elif (made := self.made(desk, desk.wanted)) is not None:
                words = f"{who} makes {plan_told(made)} of {wanted_told(desk.wanted)}"
                yield Move(words=words, after=(made, wanted))

        return moves


class TakingFoundForPlanned(Desks):
    """A planner that takes what is published, where the newest plan is gone, for what that had planned."""

    def base(self, desk: Desk) -> Base:
        """Return what it plans from."""
        return replace(super().base(desk), found=False) if desk.content is not None else super().base(desk)

    def learn(self, plan: Plan, content: Records) -> None:
        """Know what a plan plans, by the first of its hash: here there may be others."""
        self.planned.setdefault(plan.hash, content)
