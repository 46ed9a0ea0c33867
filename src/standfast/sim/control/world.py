"""A small world of the control plane: planner, enactors, clean-up, store and publishers, and all that goes wrong there.

Whatever decides in it is the product's own function (`Decisions`), with nothing between. What is modelled is what the
product does not decide: who moves when, what becomes of messages, who crashes, what is lost, what people do by hand.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from standfast.control import cleanup, enactor, planner
from standfast.control.enacting import (
    Action,
    AskFence,
    AskNewest,
    AskPlans,
    AskWhole,
    Event,
    Failed,
    FenceRead,
    Job,
    NewestRead,
    PlansRead,
    Rest,
    Settled,
    State,
    Wake,
    WholeRead,
    Write,
)
from standfast.control.facts import Base, Inputs
from standfast.control.fence import Fence, Seen
from standfast.control.finding import Verdict
from standfast.control.generations import digits_of, follows
from standfast.control.plan import Plan, PlanHead
from standfast.control.planner import Planned, plan_zone
from standfast.control.publishing import Batch, BatchLimits, Late, Outcome, Reading, Refused, Unclear, Written
from standfast.control.zone_index import ZoneIndex, index_zone
from standfast.dns.changes import key_of
from standfast.sim.control.desks import WANTED, Desks
from standfast.sim.control.explorer import Move, Process
from standfast.sim.control.intents import inputs_of, intent_of, records_of
from standfast.sim.control.parts import (
    ENACTORS,
    ZONE,
    Cleaner,
    Desk,
    Node,
    Planner,
    Records,
    Setting,
    Store,
    Zone,
    content_of,
)
from standfast.sim.control.taking import taken
from standfast.sim.control.told import action_told, batch_told, fence_told, head_told

UNDER_WAY_MAX: Final = 2  # writes that are late at once; one more is lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The functions that decide: the product's. A sabotage replaces one."""

    begin: Callable[[Job], tuple[State, Action]] = enactor.begin
    step: Callable[[State, Event], tuple[State, Action]] = enactor.step
    collectable: Callable[[Sequence[int], Mapping[str, Seen], int], tuple[int, ...]] = cleanup.collectable
    plan: Callable[[ZoneIndex, Inputs, Base], Planned] = planner.plan_zone
    follows: Callable[[Plan, PlanHead | None, PlanHead | None], bool] = follows
    accepts: Callable[[Fence | None, Batch], bool] = lambda standing, batch: standing == batch.expect


class World:
    """All that moves in a world of one setting, and the plans that were ever made in it."""

    def __init__(self, setting: Setting, decisions: Decisions | None = None, *, desks: type[Desks] = Desks) -> None:
        self.setting = setting
        self.decide = decisions or Decisions()
        self.planned: dict[str, Records] = {}  # by the hash of a plan: a function of it, so no part of a state
        self._index = index_zone(intent_of(setting))
        self.zones = tuple(f"publisher {number + 1}" for number in range(setting.publishers))
        self.nodes = tuple(f"enactor {name}" for name in ENACTORS[: setting.enactors])
        self.planners = (
            tuple(f"planner {number + 1}" for number in range(setting.planners)) if setting.planners > 1 else ()
        )
        self.desks = desks(
            self._plan_of, setting=setting, zones=self.zones, planned=self.planned, follows=self.decide.follows
        )
        planning = (WANTED, *self.planners) if self.planners else ("planner",)
        self.parts = ("store", *planning, "clean-up", *self.zones, *self.nodes)

    def initial(self) -> tuple[object, ...]:
        """Return the state that it begins with."""
        setting = self.setting
        store, fence, records = Store(losses=setting.store_losses, plans_late=setting.plans_late), None, setting.foreign
        if setting.installed:
            plan = plan_zone(self._index, inputs_of(setting.wants[0]), Base()).plan
            assert plan is not None
            self.planned[plan.hash] = setting.wants[0]
            store = replace(store, newest=plan.head, plans=(plan,))
            fence = Fence(generation=1, step=1, done=True, plan=digits_of(plan.head), writer="first.1")
            records |= setting.wants[0]
        zones = [
            Zone(
                records=records,
                fence=fence,
                faults=setting.message_faults,
                refusals=setting.refusals,
                hands=() if number else setting.hands,
            )
            for number in range(setting.publishers)
        ]
        planning: tuple[object, ...] = (Planner(wanted=0 if setting.installed else -1),)
        if self.planners:
            planning = (0, *(Desk() for _ in self.planners))
        return store, *planning, Cleaner(), *zones, *(self._booted(who, 1, setting.crashes) for who in self.nodes)

    def processes(self) -> tuple[Process, ...]:
        """Return everything that moves."""
        return (
            *self.planning(),
            *(process for who in self.nodes for process in (*self.enactor(who), *self._failing(who))),
            *self._clean_up(),
            *(Process(parts=(zone,), moves=self._happens) for zone in self.zones),
            Process(parts=("store",), moves=self._lost),
        )

    def zone_of(self, who: str) -> str:
        """Return the publisher that an enactor works at."""
        return self.zones[self.nodes.index(who) % len(self.zones)]

    # The planner

    def planning(self) -> tuple[Process, ...]:
        """Return all that plans."""
        if self.planners:
            return (*self.desks.beside(), *(each for who in self.planners for each in self.desks.planner(who)))
        return self.planner()

    def planner(self) -> tuple[Process, ...]:
        """Return the planner: it reads what there is, one thing after the other, plans, and keeps the plan."""
        return (
            Process(parts=("planner", "store"), moves=self._plans),
            *(Process(parts=("planner", zone), moves=self._looks(number)) for number, zone in enumerate(self.zones)),
        )

    def _plans(self, planner: Planner, store: Store) -> Iterator[Move]:
        if planner.plan is not None:
            plan = planner.plan
            if not self.decide.follows(plan, planner.head, store.newest):
                yield Move(
                    words=f"the planner cannot keep plan {plan.generation}: {head_told(store.newest)} is newer",
                    after=(Planner(wanted=planner.wanted), store),
                )
                return
            assert planner.goal is not None
            wanted = planner.goal if planner.has_source else planner.wanted
            kept = replace(store, newest=plan.head, plans=(*store.plans, plan))
            words = f"the planner makes plan {plan.generation}"
            yield Move(words=words, after=(Planner(wanted=wanted), kept))
        elif planner.goal is None:
            last = len(self.setting.wants) - 1
            for goal in dict.fromkeys((min(planner.wanted + 1, last), max(planner.wanted, 0))):
                words = f"the planner reads the newest plan: {head_told(store.newest)}"
                read = replace(planner, goal=goal, head=store.newest)
                yield Move(words=words, after=(read, store))
                if self.setting.source_fails:
                    blind = replace(read, has_source=False)
                    yield Move(words=f"{words}; the source of its endpoints names nobody", after=(blind, store))

    def _looks(self, number: int) -> Callable[[Planner, Zone], Iterator[Move]]:
        def moves(planner: Planner, zone: Zone) -> Iterator[Move]:
            if planner.goal is None or planner.plan is not None or len(planner.fences) != number:
                return
            found = planner.found
            if found is None and not Base(head=planner.head, published={"": zone.fence}).is_known:
                found = zone.records
            read = replace(planner, fences=(*planner.fences, zone.fence), found=found)
            words = f"the planner reads the fence: {fence_told(zone.fence)}"
            yield Move(words=words, after=(self._planned(read) if len(read.fences) == len(self.zones) else read, zone))

        return moves

    def _plan_of(self, wanted: int, base: Base) -> Planned:
        return self.decide.plan(self._index, inputs_of(self.setting.wants[wanted]), base)

    def _planned(self, read: Planner) -> Planner:
        """Return the planner with the plan that it makes of what it has read, if it makes one.

        One that has to be approved is: the proof is about what may happen, and somebody may approve it.
        """
        assert read.goal is not None
        known = self.planned[read.head.hash] if read.head and read.found is None else read.found or ()
        published = dict(zip(self.zones, read.fences, strict=True))
        base = Base(head=read.head, content=content_of(known), published=published)
        inputs = inputs_of(self.setting.wants[read.goal], has_source=read.has_source)
        planned = self.decide.plan(self._index, inputs, base)
        if planned.plan is None or planned.verdict is Verdict.REFUSE:
            return Planner(wanted=read.wanted if planned.plan or not read.has_source else read.goal)
        content = records_of(planned.content)
        assert self.planned.setdefault(planned.plan.hash, content) == content, "two plans of one hash differ"
        return replace(read, fences=(), found=None, plan=planned.plan)

    # Enactors

    def enactor(self, who: str) -> tuple[Process, ...]:
        """Return an enactor that nothing happens to."""
        return (
            Process(parts=(who,), moves=self._wakes(who)),
            Process(parts=(who, "store"), moves=self._asks_store(who)),
            Process(parts=(who, self.zone_of(who)), moves=self._asks_publisher(who)),
        )

    def _booted(self, who: str, boot: int, crashes: int) -> Node:
        limits = BatchLimits(records_max=self.setting.records_max)
        name = who.removeprefix("enactor ")
        machine, action = self.decide.begin(Job(zone=ZONE, writer=f"{name}.{boot}", limits=limits))
        return Node(machine=machine, action=action, crashes=crashes, boot=boot)

    def _stepped(self, node: Node, event: Event) -> Node:
        machine, action = self.decide.step(node.machine, event)
        return Node(machine=machine, action=action, crashes=node.crashes, boot=node.boot)

    def _wakes(self, who: str) -> Callable[[Node], Iterator[Move]]:
        def moves(node: Node) -> Iterator[Move]:
            if isinstance(node.action, Settled | Rest):
                yield Move(words=f"{who} looks again", after=(self._stepped(node, Wake()),))
                if self.setting.hands:
                    woken = self._stepped(node, Wake(whole=True))
                    yield Move(words=f"the verifier has {who} look at everything again", after=(woken,))

        return moves

    def _asks_store(self, who: str) -> Callable[[Node, Store], Iterator[Move]]:
        def moves(node: Node, store: Store) -> Iterator[Move]:
            match node.action:
                case AskNewest():
                    words = f"{who} reads the newest plan: {head_told(store.newest)}"
                    after = self._stepped(node, NewestRead(head=store.newest))
                case AskPlans(after=since, to=to):
                    plans = tuple(plan for plan in store.plans if since < plan.generation <= to)
                    words = f"{who} reads the plans after {since} up to {to}: {len(plans)} of them are there"
                    after = self._stepped(node, PlansRead(plans=plans))
                case AskWhole(plan=plan, after=since) if node.half is None:
                    plans = tuple(each for each in store.plans if since < each.generation <= plan.generation)
                    kept = next((each.head for each in store.plans if each.head == plan), None)
                    words = f"{who} reads what plan {plan.generation} plans" + ("" if kept else ": it is gone")
                    after = replace(node, half=(kept, plans))
                case _:
                    return
            yield Move(words=words + action_told(after.action), after=(after, store))

        return moves

    def _asks_publisher(self, who: str) -> Callable[[Node, Zone], Iterator[Move]]:
        def moves(node: Node, zone: Zone) -> Iterator[Move]:
            match node:
                case Node(action=AskFence()):
                    words = f"{who} reads the fence: {fence_told(zone.fence)}"
                    after = self._stepped(node, FenceRead(fence=zone.fence))
                case Node(action=AskWhole(), half=(kept, plans)):
                    planned = content_of(self.planned[kept.hash]) if kept else None
                    reading = Reading(fence=zone.fence, content=content_of(zone.records))
                    words = f"{who} reads all that is published: {fence_told(zone.fence)}"
                    after = self._stepped(node, WholeRead(reading=reading, planned=planned, plans=plans))
                case Node(action=Write(batch=batch)):
                    outcome, zone = self._applied(zone, batch)
                    words = f"{who} writes {batch_told(batch)}" + _outcome_told(outcome)
                    after = self._stepped(node, outcome)
                case _:
                    return
            yield Move(words=words + action_told(after.action), after=(after, zone))

        return moves

    def _applied(self, zone: Zone, batch: Batch) -> tuple[Outcome, Zone]:
        """Return what a publisher does: it compares and writes as one."""
        if not self.decide.accepts(zone.fence, batch):
            return Late(found=zone.fence), zone
        records = {key_of(rrset): rrset for rrset in zone.records}
        for change in taken(batch, lambda name: content_of(zone.records).get(name, {})):
            for rrset in (change.before, change.after):
                if rrset is not None:
                    records.pop(key_of(rrset), None)
            if change.after is not None:
                records[key_of(change.after)] = change.after
        return Written(), replace(zone, records=frozenset(records.values()), fence=batch.fence)

    # What goes wrong

    def _failing(self, who: str) -> tuple[Process, ...]:
        return (
            Process(parts=(who,), moves=self._breaks(who)),
            Process(parts=(who, self.zone_of(who)), moves=self._goes_astray(who)),
        )

    def _breaks(self, who: str) -> Callable[[Node], Iterator[Move]]:
        def moves(node: Node) -> Iterator[Move]:
            if node.crashes:
                after = self._booted(who, node.boot + 1, node.crashes - 1)
                yield Move(words=f"{who} crashes and starts again", after=(after,))
            if self.setting.unreadable and isinstance(node.action, AskFence | AskNewest | AskPlans | AskWhole):
                after = self._stepped(node, Failed(why="it does not answer"))
                yield Move(words=f"{who} cannot read what it asks for", after=(after,))

        return moves

    def _goes_astray(self, who: str) -> Callable[[Node, Zone], Iterator[Move]]:
        def moves(node: Node, zone: Zone) -> Iterator[Move]:
            if not isinstance(node.action, Write):
                return
            batch = node.action.batch
            told = f"{who}'s write of {batch_told(batch)}"
            can_be_late = len(zone.under_way) < UNDER_WAY_MAX
            if node.crashes and can_be_late:
                after = self._booted(who, node.boot + 1, node.crashes - 1)
                yield Move(words=f"{who} crashes; {told} is still under way", after=(after, _late(zone, batch)))
            if zone.refusals:
                for refused in (Refused(why="too often", retry_s=1.0), Refused(why="not like this")):
                    left = replace(zone, refusals=zone.refusals - 1)
                    yield Move(words=f"{told} is refused: {refused.why}", after=(self._stepped(node, refused), left))
            if not zone.faults:
                return
            less = replace(zone, faults=zone.faults - 1)
            unclear = self._stepped(node, Unclear(why="no answer"))
            yield Move(words=f"{told} is lost, which {who} cannot know", after=(unclear, less))
            outcome, written = self._applied(less, batch)
            if written is not less:
                yield Move(words=f"{told} is done, and the answer is lost", after=(unclear, written))
            if can_be_late:
                late = _late(less, batch)
                yield Move(words=f"{told} is under way for so long that {who} gives it up", after=(unclear, late))
                twice = (self._stepped(node, outcome), _late(written, batch))
                yield Move(words=f"{told} arrives{_outcome_told(outcome)}; a copy is still under way", after=twice)

        return moves

    def _happens(self, zone: Zone) -> Iterator[Move]:
        for batch in sorted(zone.under_way, key=lambda batch: (*batch.fence.order, batch.fence.writer)):
            outcome, after = self._applied(replace(zone, under_way=zone.under_way - {batch}), batch)
            told = f"the late write of {batch_told(batch)} by {batch.fence.writer.partition('.')[0]} arrives"
            yield Move(words=told + _outcome_told(outcome), after=(after,))
        for hand in zone.hands:
            kept = zone.records if hand.keeps is None else zone.records & hand.keeps
            left = tuple(other for other in zone.hands if other is not hand)
            after = replace(zone, records=kept, fence=zone.fence if hand.fence else None, hands=left)
            yield Move(words=hand.words, after=(after,))

    def _lost(self, store: Store) -> Iterator[Move]:
        if store.losses:
            left = Store(losses=store.losses - 1, under_way=store.under_way, plans_late=store.plans_late)
            yield Move(words="the store of plans is lost", after=(left,))

    # Clean-up

    def _clean_up(self) -> tuple[Process, ...]:
        return (
            Process(parts=("clean-up", "store"), moves=self._collects),
            *(Process(parts=("clean-up", zone), moves=_sees(number)) for number, zone in enumerate(self.zones)),
        )

    def _collects(self, cleaner: Cleaner, store: Store) -> Iterator[Move]:
        if cleaner.doomed:
            doomed = frozenset(cleaner.doomed)
            plans = tuple(plan for plan in store.plans if plan.generation not in doomed)
            gone = doomed.intersection(plan.generation for plan in store.plans)
            words = f"clean-up collects {', '.join(f'plan {each}' for each in cleaner.doomed)}"
            kept = replace(store, plans=plans, collected=store.collected | gone)
            yield Move(words=words, after=(Cleaner(), kept))
        elif len(cleaner.fences) == len(self.zones):
            kept_generations = [plan.generation for plan in store.plans]
            seen: dict[str, Seen] = dict(zip(self.zones, cleaner.fences, strict=True))
            doomed_now = self.decide.collectable(kept_generations, seen, self.setting.keep)
            words = f"clean-up finds {', '.join(f'plan {each}' for each in doomed_now) or 'nothing'} to collect"
            yield Move(words=words, after=(Cleaner(doomed=doomed_now), store))


def _sees(number: int) -> Callable[[Cleaner, Zone], Iterator[Move]]:
    def moves(cleaner: Cleaner, zone: Zone) -> Iterator[Move]:
        if not cleaner.doomed and len(cleaner.fences) == number:
            words = f"clean-up reads the fence: {fence_told(zone.fence)}"
            yield Move(words=words, after=(Cleaner(fences=(*cleaner.fences, zone.fence)), zone))

    return moves


def _late(zone: Zone, batch: Batch) -> Zone:
    return replace(zone, under_way=zone.under_way | {batch})


def _outcome_told(outcome: Outcome) -> str:
    match outcome:
        case Late(found=found):
            return f": too late, {fence_told(found)} stands"
        case _:
            return ""
