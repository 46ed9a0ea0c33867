"""A large world by chance: ten enactors, a thousand names, two days of all that goes wrong, and then quiet.

Health, plans, rules, fences and clean-up are decided by the product's own functions. While faults rage nothing unsafe
may happen; once they have stopped, the newest plan must come to be published. One seed gives one trace.
"""

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from hashlib import sha256
from random import Random
from typing import Final

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
    Wake,
    WholeRead,
    Write,
)
from standfast.control.facts import Base, Inputs, Left, recent
from standfast.control.fence import Fence
from standfast.control.finding import Verdict
from standfast.control.generations import digits_of, is_of, stands_whole
from standfast.control.members import ENDPOINT_TYPES
from standfast.control.plan import Content, Plan, PlanHead, applied
from standfast.control.planner import plan_names
from standfast.control.publishing import Batch, BatchLimits, Late, Outcome, Reading, Refused, Unclear, Written
from standfast.control.rules.bounds import Bounds
from standfast.control.zone_index import index_zone
from standfast.dns.model import Name, RRset, RRType
from standfast.sim.control.parts import ZONE
from standfast.sim.control.regions import LOOKS_S, Regions, intent_of
from standfast.sim.control.taking import taken
from standfast.sim.control.world import Decisions

NAMES: Final = 1_000
ENACTORS: Final = 10
RAGING_S: Final = 2 * 86_400.0
QUIET_S: Final = 12 * 3_600.0  # more than the latest write and the longest stall
LATE_MAX_S: Final = 6 * 3_600.0  # a write that was under way for so long
STALL_MAX_S: Final = 2 * 3_600.0
POLL_S: Final = 60.0
WHOLE_S: Final = 3_600.0  # until a whole zone is planned anew, though nothing is known to have changed
REPORT_S: Final = 20.0
LIMITS: Final = BatchLimits(records_max=200)
KEEP: Final = 3
LINES_KEPT: Final = 60
LEFT_WINDOW_S: Final = 60.0
BOUNDS: Final = Bounds(networks=("192.0.2.0/24",))
MAIL: Final = RRset(owner=f"mail.{ZONE}", rtype=RRType.A, ttl_s=60, rdatas=(bytes((198, 51, 100, 7)),))


class Store:
    """Plans in memory. It can be lost, and is then empty."""

    def __init__(self) -> None:
        self.newest: PlanHead | None = None
        self.plans: dict[int, tuple[Plan, Content]] = {}

    def content(self, head: PlanHead) -> Content | None:
        """Return what that very plan planned."""
        kept = self.plans.get(head.generation)
        return kept[1] if kept and kept[0].head == head else None

    def between(self, after: int, to: int) -> tuple[Plan, ...]:
        """Return the plans of these generations."""
        return tuple(plan for number, (plan, _) in sorted(self.plans.items()) if after < number <= to)


class Process:
    """One enactor's process, and its machine."""

    def __init__(self, name: str, decide: Decisions) -> None:
        self.name = name
        self.boot = 0
        self._decide = decide
        self.restart()

    def restart(self) -> None:
        """Begin anew, as another writer."""
        self.boot += 1
        self.state, self.action = self._decide.begin(Job(zone=ZONE, writer=f"{self.name}.{self.boot}", limits=LIMITS))

    def hear(self, event: Event) -> None:
        """Take in what came of the action."""
        self.state, self.action = self._decide.step(self.state, event)


class LargeWorld:
    """One run. `broken` is empty at its end if all was well."""

    def __init__(
        self, seed: str, *, names: int = NAMES, raging_s: float = RAGING_S, decisions: Decisions | None = None
    ) -> None:
        self.decide = decisions or Decisions()
        self.rng = Random(seed)  # noqa: S311  chance in a game, not a secret
        self.broken: list[str] = []
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.writes = self.plans = 0
        self.now_s = 0.0
        self.raging_s = raging_s
        self._hash = sha256()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._turn = 0
        self._index = index_zone(intent_of(names, self.rng))
        self._regions = Regions()
        self._store = Store()
        self._content: Content = {MAIL.owner: {MAIL.rtype: MAIL}}
        self._fence: Fence | None = None
        self._planned: dict[str, Content] = {}  # by the digits in a fence
        self._left: list[Left] = []
        self._touched: set[str] = set()
        self._planning = False
        # By hand the world was made other than any plan; by hand its memory was taken. Until it has healed:
        self._tampered = False
        self._unfenced = False

    @property
    def digest(self) -> str:
        """What tells this run from any other."""
        return self._hash.hexdigest()

    @property
    def raging(self) -> bool:
        """Whether things still go wrong."""
        return self.now_s < self.raging_s

    def run(self) -> None:
        """Live through it all."""
        self._regions.look_at_all(self.now_s)
        self._regions.report(self.now_s)
        self._begin()
        while self._due:
            at_s, _, act = heapq.heappop(self._due)
            if at_s > self.raging_s + QUIET_S or self.broken:
                break
            self.now_s = at_s
            act()
        if not self.broken:
            self._check_healed()

    # Who acts when

    def _begin(self) -> None:
        for number in range(ENACTORS):
            self._enact(Process(f"e{number}", self.decide))
        self._every(REPORT_S, self._report)
        self._every(POLL_S, self._plan_touched)
        self._every(WHOLE_S, self._plan_whole)
        self._every(5 * POLL_S, self._clean_up)
        for mean_s, act in (
            (900.0, self._endpoint_turns),
            (6 * 3_600.0, self._region_turns),
            (12 * 3_600.0, self._vantage_turns),
            (8 * 3_600.0, self._source_turns),
            (24 * 3_600.0, self._store_is_lost),
            (12 * 3_600.0, self._emptied_by_hand),
            (24 * 3_600.0, self._unfenced_by_hand),
        ):
            self._at_random(mean_s, act)

    def _in(self, delay_s: float, act: Callable[[], object]) -> None:
        self._turn += 1
        heapq.heappush(self._due, (self.now_s + delay_s, self._turn, act))

    def _every(self, period_s: float, act: Callable[[], object]) -> None:
        def again() -> None:
            act()
            self._in(period_s, again)

        self._in(period_s, again)

    def _at_random(self, mean_s: float, act: Callable[[], object]) -> None:
        def again() -> None:
            if self.raging:
                act()
                self._in(self.rng.expovariate(1 / mean_s), again)

        self._in(self.rng.expovariate(1 / mean_s), again)

    def _chance(self, share: float) -> bool:
        return self.raging and self.rng.random() < share

    def _pause(self) -> float:
        """Return how long a step takes: mostly a moment, now and then hours."""
        return self.rng.uniform(60.0, STALL_MAX_S) if self._chance(0.002) else self.rng.expovariate(5.0)

    def _say(self, text: str) -> None:
        line = f"{self.now_s:12.3f}  {text}"
        self._hash.update(line.encode() + b"\n")
        self.lines.append(line)

    def _break(self, invariant: str, text: str) -> None:
        self._say(f"BROKEN {invariant}: {text}")
        self.broken.append(f"{invariant} at {self.now_s:.3f} s: {text}")

    # Health

    def _report(self) -> None:
        if turned := self._regions.report(self.now_s):
            self._say(f"believed anew: {', '.join(sorted(turned))}")
            self._touched |= turned
            self._in(0.0, self._plan_touched)

    def _watch(self) -> None:
        for delay_s in LOOKS_S:
            self._in(delay_s, self._look)

    def _look(self) -> None:
        for pool, endpoint in self._regions.each():
            self._regions.look(pool, endpoint, self.now_s)

    def _endpoint_turns(self) -> None:
        _, endpoint = self.rng.choice(list(self._regions.each()))
        self._regions.ill ^= {endpoint}
        self._say(f"{endpoint.address} turns")
        self._watch()

    def _region_turns(self) -> None:
        pool = self.rng.choice(sorted(self._regions.endpoints))
        self._say(f"{pool} fails as a whole")
        self._regions.ill |= set(self._regions.endpoints[pool])
        self._watch()

        def back() -> None:
            self._regions.ill -= set(self._regions.endpoints[pool])
            self._watch()

        self._in(self.rng.uniform(60.0, 3_600.0), back)

    def _vantage_turns(self) -> None:
        cut = self.rng.sample(("v1", "v2", "v3"), k=self.rng.randint(1, 3))
        self._say(f"the network of {', '.join(cut)} is cut")
        self._regions.cut |= set(cut)
        self._watch()

        def back() -> None:
            self._regions.cut -= set(cut)
            self._watch()

        self._in(self.rng.uniform(60.0, 1_800.0), back)

    def _source_turns(self) -> None:
        pool = self.rng.choice(sorted(self._regions.endpoints))
        self._say(f"the source of {pool} names nobody")
        self._turn_source(pool, fails=True)
        self._in(self.rng.uniform(60.0, 7_200.0), lambda: self._turn_source(pool, fails=False))

    def _turn_source(self, pool: str, *, fails: bool) -> None:
        self._regions.source(pool, fails=fails, now_s=self.now_s)
        self._touched.add(pool)

    # The planner

    def _plan_touched(self) -> None:
        self._plan(whole=False)

    def _plan_whole(self) -> None:
        self._plan(whole=True)

    def _plan(self, *, whole: bool) -> None:
        """Read, think for a while, and keep the plan if nobody was faster."""
        head, fence = self._store.newest, self._fence
        base = Base(head=head, published={"p": fence})
        if self._planning or not (whole or self._touched or not base.is_known):
            return
        known = self._store.content(head) if head and base.is_known else None
        content, found = (self._content, True) if known is None else (known, False)
        base = Base(head=head, content=content, published={"p": fence}, found=found)
        self._left = list(recent(self._left, self.now_s, LEFT_WINDOW_S))
        inputs = Inputs(pools=self._regions.believed(), now_s=self.now_s, bounds=BOUNDS, left=tuple(self._left))
        names = self._index.touched(self._touched)
        planned = self.decide.plan(self._index, inputs, base) if whole else plan_names(self._index, names, inputs, base)
        self._touched.clear()
        plan = planned.plan
        if plan is None or planned.verdict is Verdict.REFUSE:
            return
        asks = planned.verdict is Verdict.ASK
        self._planning = True

        def keep() -> None:
            self._planning = False
            if self._store.newest != head:
                return
            self.plans += 1
            self._say(f"plan {plan.generation}{' is approved' if asks else ''}: {len(plan.changes)} changes")
            self._store.newest = plan.head
            self._store.plans[plan.generation] = (plan, planned.content)
            self._planned[digits_of(plan.head)] = planned.content
            self._left += planned.left

        self._in(self._pause() + (self.rng.uniform(0.0, 600.0) if asks else 0.0), keep)

    # Enactors

    def _enact(self, process: Process) -> None:
        def act() -> None:
            if self._chance(0.003):
                if isinstance(process.action, Write):
                    self._send_late(process.action.batch)
                self._say(f"{process.name} crashes")
                process.restart()
            else:
                process.hear(self._answer(process, process.action))
            self._in(self._wait(process.action), act)

        self._in(self.rng.uniform(0.0, POLL_S), act)

    def _wait(self, action: Action) -> float:
        match action:
            case Rest(retry_s=float(retry_s)):
                return retry_s + self._pause()
            case Settled() | Rest():
                return self.rng.uniform(0.5, 1.5) * POLL_S
            case _:
                return self._pause()

    def _answer(self, process: Process, action: Action) -> Event:
        if not isinstance(action, Write | Settled | Rest) and self._chance(0.01):
            return Failed(why="no answer")
        match action:
            case AskFence():
                return FenceRead(fence=self._fence)
            case AskNewest():
                return NewestRead(head=self._store.newest)
            case AskPlans(after=after, to=to):
                return PlansRead(plans=self._store.between(after, to))
            case AskWhole(plan=plan, after=after):
                reading = Reading(fence=self._fence, content=self._content)
                plans = self._store.between(after, plan.generation)
                return WholeRead(reading=reading, planned=self._store.content(plan), plans=plans)
            case Write(batch=batch):
                return self._send(process, batch)
            case Settled() | Rest():
                return Wake(whole=self.rng.random() < 0.02)

    def _send(self, process: Process, batch: Batch) -> Outcome:
        chance = self.rng.random() if self.raging else 1.0
        told = f"{process.name} writes step {batch.fence.step} of plan {batch.fence.generation}"
        if chance < 0.02:
            return Refused(why="too often", retry_s=self.rng.uniform(1.0, 60.0))
        if chance < 0.03:
            return Refused(why="not like this")
        if chance < 0.06:
            self._say(f"{told}: lost")
            return Unclear(why="no answer")
        if chance < 0.09:
            self._say(f"{told}: late")
            self._send_late(batch)
            return Unclear(why="no answer")
        if chance < 0.11:
            self._send_late(batch)  # and a copy now
        outcome = self._arrive(batch, told)
        return Unclear(why="no answer") if 0.11 <= chance < 0.14 else outcome

    def _send_late(self, batch: Batch) -> None:
        told = f"late: step {batch.fence.step} of plan {batch.fence.generation} by {batch.fence.writer}"
        delay_s = min(self.rng.expovariate(1 / 600.0), LATE_MAX_S)
        self._in(delay_s, lambda: self._arrive(batch, told))

    def _arrive(self, batch: Batch, told: str) -> Outcome:
        """Compare the fence and write, as one."""
        if not self.decide.accepts(self._fence, batch):
            self._say(f"{told}: too late")
            return Late(found=self._fence)
        before, was = self._content, self._fence
        self._content, self._fence = applied(before, taken(batch, lambda name: before.get(name, {}))), batch.fence
        self.writes += 1
        self._say(f"{told}: {len(batch.changes)} changes{', done' if batch.fence.done else ''}")
        self._check_write(batch, before, was)
        return Written()

    # Clean-up

    def _clean_up(self) -> None:
        seen = {"p": self._fence}

        def collect() -> None:
            doomed = self.decide.collectable(sorted(self._store.plans), seen, KEEP)
            for number in doomed:
                if not self._unfenced and (self._fence is None or number >= self._fence.generation):
                    self._break("nothing-in-use-collected", f"plan {number} is collected")
                del self._store.plans[number]

        self._in(self._pause(), collect)

    # By hand

    def _store_is_lost(self) -> None:
        self._say("the store is lost")
        self._store = Store()

    def _emptied_by_hand(self) -> None:
        share = self.rng.choice((1.0, 0.5))
        self._say(f"{share:.0%} of the names are deleted by hand")
        self._content = {
            name: node for name, node in self._content.items() if name == MAIL.owner or self.rng.random() >= share
        }
        self._tampered = True

    def _unfenced_by_hand(self) -> None:
        self._say("the fence is deleted by hand")
        self._fence = None
        self._unfenced = True

    # What must hold

    def _check_write(self, batch: Batch, before: Content, was: Fence | None) -> None:
        if was is not None and batch.fence.order <= was.order:
            self._break("fence-only-grows", f"{was} became {batch.fence}")
        for change in batch.changes:
            rrset = change.after or change.before
            assert rrset is not None
            if rrset.owner not in self._index.shapes:
                self._break("no-foreign-name-touched", rrset.owner)
            if _has_endpoints(before, rrset.owner) and not _has_endpoints(self._content, rrset.owner):
                self._break("no-promised-name-empty", rrset.owner)
        if batch.fence.done:
            self._check_done(batch.fence)

    def _check_done(self, fence: Fence) -> None:
        is_as_planned = self._is_as(self._planned[fence.plan])
        if not is_as_planned and not self._tampered:
            self._break("one-plan-one-content", f"plan {fence.generation} is done, and is not what is published")
        self._tampered = self._tampered and not is_as_planned
        if self._store.newest is not None and is_of(fence, self._store.newest):
            self._unfenced = False

    def _is_as(self, planned: Mapping[Name, Mapping[int, RRset]]) -> bool:
        managed = {name: node for name, node in self._content.items() if name in self._index.shapes}
        return managed.keys() == planned.keys() and all(
            dict(planned[name]) == dict(node) for name, node in managed.items()
        )

    def _check_healed(self) -> None:
        newest = self._store.newest
        if newest is None or not stands_whole(self._fence, newest):
            self._break("newest-plan-installable", f"long after the last fault {self._fence} stands, newest: {newest}")
        elif not self._is_as(self._planned[digits_of(newest)]):
            self._break(
                "newest-plan-installable", "what is published is not the newest plan, long after the last fault"
            )
        elif empty := [name for name in self._index.shapes if not _has_endpoints(self._content, name)]:
            self._break("no-promised-name-empty", f"{empty[0]}, long after the last fault")


def _has_endpoints(content: Content, name: Name) -> bool:
    return any(rtype in content.get(name, {}) for rtype in ENDPOINT_TYPES)
