"""Deliberate bugs of the control plane, each with the small world that brings it out and the promise that it breaks.

A checker that nothing can set off proves nothing. So each sabotage is the real thing with one decision replaced, from
outside, and a test sees it caught, while the honest functions keep every promise in the same world.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from standfast.control.cleanup import collectable
from standfast.control.enacting import (
    Action,
    AskingNewest,
    AskingPlans,
    AskWhole,
    Cause,
    Event,
    FenceRead,
    NewestRead,
    ReadingBack,
    Rest,
    Resting,
    State,
    WholeRead,
    Write,
    Writing,
)
from standfast.control.enactor import step
from standfast.control.fence import Fence, Seen
from standfast.control.plan import make_plan
from standfast.control.publishing import Batch, Late, Unclear, Written
from standfast.dns.changes import Change
from standfast.sim.control.configurations import CLEARS, MAIL, ONE, ONE_NAME, ONE_RECORD, STRANGERS, THREE, TURNING, TWO
from standfast.sim.control.explorer import Machine, Move, Process
from standfast.sim.control.invariants import machine_of
from standfast.sim.control.original import original
from standfast.sim.control.parts import Node, Setting, Zone
from standfast.sim.control.planner_bugs import (
    KnowingBefore,
    Renumbering,
    TakingFoundForPlanned,
    numbers_from_the_store,
    trusts_an_empty_source,
    whatever_is_newest,
)
from standfast.sim.control.world import Decisions, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """One bug. `catches` is the promise that it must be seen to break; without a setting the machine is its own."""

    name: str
    what: str
    catches: str
    setting: Setting | None
    make: Callable[[Setting], World] = World

    @property
    def machine(self) -> Machine:
        """What is explored."""
        return original() if self.setting is None else machine_of(self.make(self.setting))


def bent(**decisions: Any) -> Callable[[Setting], World]:
    """Return the maker of a world in which these decisions are replaced."""
    return lambda setting: World(setting, Decisions(**decisions))


# The fence ---------------------------------------------------------------------------------------------------


def whatever_stands(standing: Fence | None, batch: Batch) -> bool:
    """Accept every write: only the enactor looked at the fence, when it began."""
    del standing, batch
    return True


def last_write_only(standing: Fence | None, batch: Batch) -> bool:
    """Compare the fence in the last write of a plan alone; the names before it are written one by one."""
    return standing == batch.expect or not batch.fence.done


def any_later_plan(standing: Fence | None, batch: Batch) -> bool:
    """Accept what is of no older plan, instead of comparing the fence that was read."""
    return standing is None or batch.fence.generation >= standing.generation


class Locked(World):
    """A publisher that compares nothing; whoever writes holds a lock. It lapses while its holder sleeps."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, Decisions(accepts=whatever_stands))
        self.parts = (*self.parts, "lock")

    def initial(self) -> tuple[Any, ...]:
        return *super().initial(), None

    def processes(self) -> tuple[Process, ...]:
        return *super().processes(), Process(parts=("lock",), moves=_lapses)

    def enactor(self, who: str) -> tuple[Process, ...]:
        *others, writes = super().enactor(who)

        def moves(node: Node, zone: Zone, lock: str | None) -> Iterator[Move]:
            if not isinstance(node.action, Write):
                yield from (replace(move, after=(*move.after, lock)) for move in writes.moves(node, zone))
            elif lock is None:
                yield Move(words=f"{who} takes the lock", after=(node, zone, who))
            elif lock == who:
                for move in writes.moves(node, zone):
                    still = who if isinstance(move.after[0].action, Write) else None  # type: ignore[attr-defined]
                    yield replace(move, after=(*move.after, still))

        return *others, Process(parts=(*writes.parts, "lock"), moves=moves)


def _lapses(lock: str | None) -> Iterator[Move]:
    if lock is not None:
        yield Move(words=f"the lock of {lock} lapses, while it sleeps", after=(None,))


# The enactor -------------------------------------------------------------------------------------------------


def believes_it_is_done(state: State, event: Event) -> tuple[State, Action]:
    """Take a write of which nobody knows what became for done, and read nothing back."""
    return step(state, Written() if isinstance(event, Unclear) else event)


def believes_others_did_it(state: State, event: Event) -> tuple[State, Action]:
    """Take a write that came too late for done: somebody else will have done the same."""
    return step(state, Written() if isinstance(event, Late) else event)


def refuses_without_rollback(state: State, event: Event) -> tuple[State, Action]:
    """Refuse to go on from a plan that is gone, since one could not go back to it."""
    after, action = step(state, event)
    if isinstance(state.phase, AskingPlans) and isinstance(action, AskWhole):
        why = f"plan {state.phase.fence.generation}, to which one would roll back, is gone"
        return replace(state, phase=Resting()), Rest(cause=Cause.REFUSED, why=why)
    return after, action


def refuses_an_empty_zone(state: State, event: Event) -> tuple[State, Action]:
    """Refuse to touch a zone in which no fence stands: something must be wrong with it."""
    if isinstance(state.phase, AskingNewest) and state.phase.fence is None and isinstance(event, NewestRead):
        return replace(state, phase=Resting()), Rest(cause=Cause.REFUSED, why="no fence stands there")
    return step(state, event)


def writes_over_what_it_found(state: State, event: Event) -> tuple[State, Action]:
    """Send a write that was late again, over the fence that was found instead."""
    match state.phase, event:
        case ReadingBack(writing=Writing() as writing, late=True), FenceRead(fence=fence):
            batch = replace(writing.batch, expect=fence)
            return replace(state, phase=replace(writing, batch=batch)), Write(batch=batch)
        case _:
            return step(state, event)


def done_at_once(state: State, event: Event) -> tuple[State, Action]:
    """Say with the first write of a plan that it is done."""
    return _with_batch(step(state, event), lambda batch: replace(batch, fence=replace(batch.fence, done=True)))


def removes_nothing(state: State, event: Event) -> tuple[State, Action]:
    """Leave what goes for a day when there is more time."""
    return _with_batch(
        step(state, event),
        lambda batch: replace(batch, changes=tuple(change for change in batch.changes if change.after is not None)),
    )


def owns_the_zone(state: State, event: Event) -> tuple[State, Action]:
    """Take all that is found in the zone for something that a plan once put there."""
    if not isinstance(event, WholeRead):
        return step(state, event)
    found = [rrset for node in event.reading.content.values() for rrset in node.values()]
    gone = [Change(before=rrset, after=None) for rrset in found]
    plan = make_plan(zone=state.job.zone, generation=1, base=None, changes=gone, made_at_s=0.0)
    return step(state, replace(event, plans=(*event.plans, plan)))


def _with_batch(stepped: tuple[State, Action], bend: Callable[[Batch], Batch]) -> tuple[State, Action]:
    state, action = stepped
    if not isinstance(action, Write) or not isinstance(state.phase, Writing):
        return stepped
    batch = bend(action.batch)
    return replace(state, phase=replace(state.phase, batch=batch)), Write(batch=batch)


# Clean-up ----------------------------------------------------------------------------------------------------


def collects_all_older(generations: Sequence[int], fences: Mapping[str, Seen], keep: int) -> tuple[int, ...]:
    """Collect all but the newest, whoever stands where."""
    del fences, keep
    return tuple(sorted(generations)[:-1])


def collects_where_nothing_stands(generations: Sequence[int], fences: Mapping[str, Seen], keep: int) -> tuple[int, ...]:
    """Take a publisher without a fence for one that needs nothing."""
    return collectable(generations, {name: fence for name, fence in fences.items() if fence is not None}, keep)


SABOTAGES: Final = (
    Sabotage(
        name="original-design",
        what="the design of October 2025: one check at the start, a lock, names that stand on plans, open clean-up",
        catches="no-promised-name-empty",
        setting=None,
    ),
    Sabotage(
        name="check-once-at-start",
        what="an enactor looks at the fence when it begins, and its writes are taken whatever stands",
        catches="generation-never-goes-back",
        setting=Setting(wants=THREE),
        make=bent(accepts=whatever_stands),
    ),
    Sabotage(
        name="lock-instead-of-fence",
        what="whoever writes holds a lock, and no fence is compared",
        catches="generation-never-goes-back",
        setting=Setting(wants=THREE),
        make=Locked,
    ),
    Sabotage(
        name="names-one-by-one-without-fence",
        what="only the last write of a plan compares the fence",
        catches="generation-never-goes-back",
        setting=Setting(wants=THREE, records_max=ONE_RECORD),
        make=bent(accepts=last_write_only),
    ),
    Sabotage(
        name="fence-by-number",
        what="a write is taken where no later plan stands, though another fence does than was read",
        catches="fence-only-grows",
        setting=Setting(wants=THREE, records_max=ONE_RECORD),
        make=bent(accepts=any_later_plan),
    ),
    Sabotage(
        name="fence-may-go-back",
        what="a write that was late is sent again, over the fence that was found",
        catches="generation-never-goes-back",
        setting=Setting(wants=THREE),
        make=bent(step=writes_over_what_it_found),
    ),
    Sabotage(
        name="done-with-the-first-write",
        what="the first write of a plan says that it is done",
        catches="one-plan-one-content",
        setting=Setting(wants=TWO, records_max=ONE_RECORD),
        make=bent(step=done_at_once),
    ),
    Sabotage(
        name="drop-the-read-back",
        what="a write of which nobody knows what became is taken for done",
        catches="settled-means-installed",
        setting=Setting(wants=TWO, message_faults=1),
        make=bent(step=believes_it_is_done),
    ),
    Sabotage(
        name="late-is-done",
        what="a write that came too late is taken for done by somebody else",
        catches="settled-means-installed",
        setting=Setting(wants=THREE),
        make=bent(step=believes_others_did_it),
    ),
    Sabotage(
        name="rollback-that-refuses",
        what="an enactor refuses to go on from a plan that is gone",
        catches="newest-plan-installable",
        setting=Setting(wants=TWO, store_losses=1),
        make=bent(step=refuses_without_rollback),
    ),
    Sabotage(
        name="refuses-an-empty-zone",
        what="an enactor refuses a zone without a fence",
        catches="newest-plan-installable",
        setting=Setting(wants=TWO, hands=(CLEARS,)),
        make=bent(step=refuses_an_empty_zone),
    ),
    Sabotage(
        name="unguarded-clean-up",
        what="clean-up collects all plans but the newest",
        catches="nothing-in-use-collected",
        setting=Setting(wants=TWO),
        make=bent(collectable=collects_all_older),
    ),
    Sabotage(
        name="absent-fence-collects-all",
        what="clean-up takes a publisher without a fence for one that needs no plan",
        catches="nothing-in-use-collected",
        setting=Setting(wants=TWO, installed=False),
        make=bent(collectable=collects_where_nothing_stands),
    ),
    Sabotage(
        name="trust-an-empty-source",
        what="a source that names nobody is taken at its word",
        catches="no-promised-name-empty",
        setting=Setting(wants=TWO, source_fails=True),
        make=bent(plan=trusts_an_empty_source),
    ),
    Sabotage(
        name="numbers-from-the-store",
        what="plans are numbered by the store alone, which may be a new one",
        catches="newest-plan-installable",
        setting=Setting(wants=TWO, store_losses=1),
        make=bent(plan=numbers_from_the_store),
    ),
    Sabotage(
        name="last-planner-wins",
        what="of two planners the one that keeps its plan last wins: the store compares nothing",
        catches="nothing-in-use-collected",
        setting=Setting(wants=THREE, enactors=1, planners=2),
        make=bent(follows=whatever_is_newest),
    ),
    Sabotage(
        name="refused-plan-renumbered",
        what="a plan that came too late is kept under the next number, and nothing is read again",
        catches="generation-never-goes-back",
        setting=Setting(wants=THREE, enactors=1, planners=2),
        make=lambda setting: World(setting, desks=Renumbering),
    ),
    Sabotage(
        name="wanted-before-newest",
        what="a planner reads what is wanted before the newest plan",
        catches="generation-never-goes-back",
        setting=Setting(wants=TWO, enactors=1, planners=2),
        make=lambda setting: World(setting, desks=KnowingBefore),
    ),
    Sabotage(
        name="found-for-planned",
        what="a planner whose newest plan is gone takes what is published for what that planned",
        catches="no-foreign-name-touched",
        setting=Setting(wants=ONE, installed=False, foreign=STRANGERS, enactors=1, planners=2, store_losses=1),
        make=lambda setting: World(setting, desks=TakingFoundForPlanned),
    ),
    Sabotage(
        name="owns-the-zone",
        what="all that is found in the zone is taken for our own",
        catches="no-foreign-name-touched",
        setting=Setting(wants=TWO, foreign=STRANGERS, store_losses=1),
        make=bent(step=owns_the_zone),
    ),
    Sabotage(
        name="removals-later",
        what="what a plan takes away is left for later",
        catches="cname-stands-alone",
        setting=Setting(wants=TURNING, foreign=frozenset({MAIL}), records_max=ONE_NAME),
        make=bent(step=removes_nothing),
    ),
)
