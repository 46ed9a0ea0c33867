"""A planner running: what is known is gathered, plans are kept, proposed or refused, and old ones collected.

Decides nothing about names: `control.planner` and its rules do. Of several planners one leads, by a lease, which saves
work; two at once are harmless, since a plan is kept only after the very one that it was made from.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import structlog

from standfast.control.cleanup import collectable
from standfast.control.facts import Inputs, recent
from standfast.control.fence import Fence, Seen
from standfast.control.finding import Finding, Severity, Verdict
from standfast.control.intent import Endpoint, Intent
from standfast.control.plan import Plan
from standfast.control.planner import Planned, plan_names, plan_zone
from standfast.control.pool_states import PoolStates
from standfast.control.publishing import Publisher, PublisherError
from standfast.control.rules.bounds import Bounds
from standfast.control.store import Override, PlanStore, PlanStoreError, Proposal
from standfast.control.zone_index import ZoneIndex, index_zone
from standfast.dns.model import Name
from standfast.io.bulk import in_a_thread
from standfast.io.control.desk import Desk
from standfast.io.control.journal import ControlJournal
from standfast.io.control.standing import fences_of, foreign_delegations, found_at, left_lately
from standfast.ports import Random

LEASE_S: Final = 10.0  # how long planning waits for another planner when the one that led is gone
KEEP: Final = 100  # plans of each zone, whatever happens: what there is to go back to
LOOK_EVERY_S: Final = 30.0  # at fences, and at what waits for time alone
LOOK_SHARE_S: Final = 0.25  # of that, for each zone there is: providers allow a few requests in a second
RETRY_S: Final = 5.0
WATCH_S: Final = 60.0
TAKE_IN_PAUSE_S: Final = 0.1  # reports of many vantages come together
WINDOW_S: Final = 60.0  # of the rules that speak of a minute
WHOLE_AT_ONCE_MAX: Final = 2  # zones that are planned whole; plans of a few names wait for none of them
INLINE_NAMES_MAX: Final = 2_000  # planned in the event loop; more, some 10 ms of work, in a thread

log = structlog.get_logger("standfast.control")


class PlannerService:
    """The planner of this process, from when its context is entered until it ends. Use it within one event loop."""

    def __init__(
        self,
        store: PlanStore,
        publishers: Mapping[str, Publisher],
        *,
        journal: ControlJournal,
        name: str,
        quorum: int,
        bounds: Bounds,
        always_asks: bool,
        now: Callable[[], float],
        rng: Random,
    ) -> None:
        """Plan nothing yet.

        Args:
            store: of plans.
            publishers: by the name that zones call them; they are only read.
            journal: gets all that is planned, proposed and refused.
            name: of this process.
            quorum: how many vantages must agree that an endpoint is ill.
            bounds: of the rules.
            always_asks: every plan waits until it is approved.
            now: the time, in seconds since the epoch.
            rng: spreads what would be done at once.
        """
        self.desks: dict[Name, Desk] = {}
        self.verdicts: Counter[str] = Counter()  # of plans, by `Verdict`
        self.collected = 0  # plans
        self.on_planned: list[Callable[[Plan], None]] = []
        self.states = PoolStates(quorum=quorum)
        self._store = store
        self._publishers = publishers
        self._journal = journal
        self._holder = f"{name}.{secrets.token_hex(6)}"
        self._bounds = bounds
        self._always_asks = always_asks
        self._now = now
        self._rng = rng
        self._overrides: Sequence[Override] = ()
        self._leads = asyncio.Event()
        self._leads_until_s = 0.0
        self._catching_up = asyncio.Lock()
        self._asked = self._caught_up = 0  # how often it was asked for, and up to which of these it is done
        self._doubted: set[str] = set()  # pools whose measurement is not believed
        self._whole = asyncio.Semaphore(WHOLE_AT_ONCE_MAX)
        self._tasks: list[asyncio.Task[None]] = []
        self._notes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._tasks = [self._begun(turn) for turn in (self._lead, self._watch_store, self._judge)]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        tasks = [*self._tasks, *(task for desk in self.desks.values() for task in desk.tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._notes, return_exceptions=True)

    @property
    def leads(self) -> bool:
        """Whether this planner is the one that plans."""
        return self._leads.is_set()

    def assign(self, intent: Intent, indexed: Mapping[Name, ZoneIndex] | None = None) -> None:
        """Want this from now on. Zones that it does not name are left as they are.

        `indexed` are its zones in order, where that took place elsewhere: it takes time with the names.
        """
        self.states.assign(intent.pools, self._now())
        desks = {}
        for origin, wanted in intent.zones.items():
            zone = indexed[origin] if indexed else index_zone(wanted)
            old = self.desks.pop(origin, None)
            desk = desks[origin] = old or Desk(zone=zone)
            desk.zone = zone
            desk.load()
            if old is None:
                desk.tasks = (self._begun(partial(self._plan_on, desk)), self._begun(partial(self._look_on, desk)))
        for desk in self.desks.values():
            for task in desk.tasks:
                task.cancel()
        self.desks = desks

    def reported(self, vantage: str, report: Mapping[str, str], at_s: float) -> None:
        """Take in what a vantage sees, at once; `at_s` is by its clock."""
        self._touch(self.states.report(vantage, report, at_s=at_s, now_s=self._now()))

    def sourced(self, pool: str, endpoints: Iterable[Endpoint], failed: str) -> None:
        """Take in what a pool's source listed last, and why that is not of now."""
        self._touch(self.states.source(pool, endpoints, failed, self._now()))

    def settled(self, zone: Name, publisher: str, fence: Fence) -> None:
        """Know that this fence stands: an enactor of this process says so."""
        if zone in self.desks:
            self.desks[zone].published[publisher] = fence

    def look(self, zone: Name) -> None:
        """Read anew what stands: an enactor found what was not planned."""
        if zone in self.desks:
            self.desks[zone].load()

    # What is to be planned.

    def _touch(self, pools: Iterable[str]) -> None:
        for pool, turn in self.states.turns():
            what = f"{pool}/{turn.endpoint.address}:{turn.endpoint.port}"
            log.info("planner.health", endpoint=what, before=turn.before, now=turn.now, why=turn.why)
            self._journal.health_turned(what, turn.before, turn.now, why=turn.why)
        for pool in pools:
            self._doubt(pool, self.states.views[pool].broken)
            for desk in self.desks.values():
                if pool in desk.zone.pools:
                    desk.plan(pool)

    def _doubt(self, pool: str, why: str) -> None:
        """Tell when the measurement of a pool is not believed any more, or is again."""
        if bool(why) == (pool in self._doubted):
            return
        if why:
            self._doubted.add(pool)
            log.error("planner.disbelieves", pool=pool, why=why)
            self._journal.health_turned(f"{pool}/", "believed", "not believed", why=why)
            self._journal.alarm("mass-failure", None, f"pool {pool}: {why}")
        else:
            self._doubted.discard(pool)
            log.warning("planner.believes", pool=pool)
            self._journal.health_turned(f"{pool}/", "not believed", "believed", why="")

    async def _plan_on(self, desk: Desk) -> None:
        """Plan a zone whenever it is due. One whose publishers are silent holds up no other."""
        while True:
            await desk.due.wait()
            await self._leads.wait()
            if self._now() >= self._leads_until_s:  # it slept: somebody else may lead by now, who knows more
                self._leads.clear()
                continue
            desk.due.clear()
            try:
                await self._plan(desk)
            except (PlanStoreError, PublisherError) as error:
                log.warning("planner.waits", zone=desk.origin, detail=str(error))
                desk.load()
                await asyncio.sleep(self._about(RETRY_S))
            except Exception:
                desk.load()
                raise

    async def _plan(self, desk: Desk) -> None:
        if desk.stale:
            desk.stale = False  # before it is read: what changes meanwhile makes it so again
            await self._load(desk)
        pools, whole = frozenset(desk.pools), desk.whole
        desk.pools.clear()
        desk.whole = False
        now_s = self._now()
        desk.left = recent(desk.left, now_s, WINDOW_S)
        inputs = Inputs(
            pools=self.states.views, now_s=now_s, bounds=self._bounds, left=desk.left, overrides=self._overrides
        )
        whole |= not desk.base.is_known
        if whole:
            async with self._whole:
                many = len(desk.zone.shapes) + len(desk.zone.records) > INLINE_NAMES_MAX
                planned = (
                    await in_a_thread(plan_zone, desk.zone, inputs, desk.base)
                    if many
                    else plan_zone(desk.zone, inputs, desk.base)
                )
        else:
            planned = plan_names(desk.zone, desk.zone.touched(pools), inputs, desk.base)
        await (self._decided(desk, planned) if whole else self._decided_in_part(desk, planned))

    async def _decided_in_part(self, desk: Desk, planned: Planned) -> None:
        """Publish what nothing is said against; anything else is for a plan of the whole zone."""
        if planned.verdict is not Verdict.PUBLISH or (planned.plan is not None and self._always_asks):
            desk.plan()
        elif planned.plan is not None:
            await self._add(desk, planned.plan, planned)

    async def _decided(self, desk: Desk, planned: Planned) -> None:
        plan = planned.plan
        against = [finding for finding in planned.findings if finding.severity is not Severity.WARN]
        desk.is_open = bool(against) or bool(planned.held)
        if plan is None:
            await self._withdraw(desk)
            self._tell(desk, planned.findings)
            return
        asks = planned.verdict is Verdict.ASK or (planned.verdict is Verdict.PUBLISH and self._always_asks)
        if planned.verdict is Verdict.REFUSE:
            await self._withdraw(desk)
            if self._tell(desk, planned.findings):
                self.verdicts[Verdict.REFUSE] += 1
                self._journal.refused(desk.origin, planned.findings, plan)
        elif not asks:
            self._tell(desk, planned.findings)
            if not planned.held:
                await self._withdraw(desk)
            await self._add(desk, plan, planned)
        elif approved := await self._approved(desk, plan, planned.findings):
            self._journal.approved(plan.head, person=approved.approved_by or "", reason=approved.reason)
            await self._add(desk, plan, planned)
            if desk.head == plan.head:  # else another planner was faster, and what was approved still is
                await self._withdraw(desk)

    async def _approved(self, desk: Desk, plan: Plan, findings: tuple[Finding, ...]) -> Proposal | None:
        """Return the proposal if somebody approved what `plan` changes; else have it be the one to approve."""
        standing = await self._store.proposal(desk.origin)
        if standing is not None and standing.plan.changes == plan.changes:
            desk.proposed = standing.plan  # another number is no other plan to whoever approves it
            return standing if standing.approved_by is not None else None
        await self._store.propose(desk.origin, Proposal(plan=plan, findings=findings))
        desk.proposed = plan
        desk.is_open = True
        self.verdicts[Verdict.ASK] += 1
        self._tell(desk, findings)
        log.warning("planner.asks", zone=desk.origin, plan=plan.hash, changes=len(plan.changes))
        self._journal.proposed(plan, findings)
        return None

    async def _add(self, desk: Desk, plan: Plan, planned: Planned) -> None:
        desk.adding = True
        try:
            added = await self._store.add(plan, planned.content, after=desk.head)
        finally:
            desk.adding = False
        if not added:  # another planner was faster
            desk.load()
            return
        self.verdicts[Verdict.PUBLISH] += 1
        desk.head, desk.content, desk.found = plan.head, planned.content, False
        desk.left = (*desk.left, *planned.left)
        for tell in self.on_planned:
            tell(plan)
        log.info("planner.planned", zone=desk.origin, generation=plan.generation, changes=len(plan.changes))
        if planned.held:
            desk.plan()
        note = asyncio.create_task(self._journal.planned(plan, planned.content, planned.findings))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)
        await asyncio.shield(note)  # what is planned is written down even if this is the end

    async def _withdraw(self, desk: Desk) -> None:
        if desk.proposed is not None or await self._store.proposal(desk.origin) is not None:
            await self._store.propose(desk.origin, None)
        desk.proposed = None

    def _tell(self, desk: Desk, findings: tuple[Finding, ...]) -> bool:
        """Tell what is found, once; say whether it is other than before."""
        if {(each.rule, each.name) for each in findings} == {(each.rule, each.name) for each in desk.said}:
            return False
        desk.said = findings
        for finding in findings:
            if finding.severity is not Severity.WARN:
                log.warning(
                    "planner.finding", zone=desk.origin, rule=finding.rule, name=finding.name, text=finding.text
                )
        return True

    # What is known.

    async def _load(self, desk: Desk) -> None:
        """Read what was planned last and what stands; where the one is not the other, plan from what stands.

        What is wanted is read last: a plan is of nothing older than the one that it follows, though this process slept
        while another one planned. To whoever publishes it is but the next one.
        """
        head = await self._store.newest(desk.origin)
        desk.published = await fences_of(desk.zone.intent, self._publishers)
        desk.head, desk.found = head, False
        content = await self._store.content(head) if head is not None and desk.base.is_known else None
        desk.found = content is None
        if content is None:
            content = await found_at(desk.zone.intent, desk.base, self._publishers)
        desk.content = content
        foreign = await foreign_delegations(desk.zone, desk.base, self._publishers)
        if foreign is not None:  # else what was found before still is the best that is known
            desk.delegations = foreign
        desk.left = await left_lately(self._store, desk.origin, self._now() - WINDOW_S)
        if desk.proposed is None and (proposal := await self._store.proposal(desk.origin)):
            desk.proposed = proposal.plan
        await self._catch_up()

    async def _catch_up(self) -> None:
        """Have the health of all pools be what it is by reports read from now on; zones that ask meanwhile share it."""
        asked = self._asked = self._asked + 1
        async with self._catching_up:
            if self._caught_up < asked:
                up_to = self._asked
                await self._hear()
                self._touch(self.states.look(self._now()))
                self._caught_up = up_to

    # What goes on beside.

    async def _lead(self) -> None:
        while True:
            asked_s = self._now()
            try:
                held = await self._store.lease("plan", self._holder, LEASE_S)
            except PlanStoreError as error:
                log.warning("planner.waits", zone=None, detail=str(error))
                held = False
            if held:
                self._leads_until_s = asked_s + LEASE_S
            if held and not self.leads:
                for desk in self.desks.values():
                    desk.load()
                self._leads.set()
            elif not held:
                self._leads.clear()
            await asyncio.sleep(LEASE_S / 3)

    async def _watch_store(self) -> None:
        seen = 0
        while True:
            try:
                seen = await self._store.changed(seen, WATCH_S)
                await self._take_in()
                await asyncio.sleep(TAKE_IN_PAUSE_S)
            except PlanStoreError as error:
                seen = 0  # what was to be taken in still is, though nothing changes any more
                log.warning("planner.waits", zone=None, detail=str(error))
                await asyncio.sleep(self._about(RETRY_S))

    async def _take_in(self) -> None:
        """Take in what others keep in the store: reports, overrides, approvals, and plans of other planners."""
        await self._hear()
        for desk in list(self.desks.values()):
            newest = await self._store.newest(desk.origin)
            if newest != desk.head and not desk.adding:
                desk.load()
            if desk.proposed is not None:
                proposal = await self._store.proposal(desk.origin)
                if proposal is None or proposal.approved_by is not None:
                    desk.plan()

    async def _hear(self) -> None:
        """Take in what vantages and people say."""
        for vantage, (at_s, report) in (await self._store.reports()).items():
            self.reported(vantage, report, at_s)
        overrides = await self._store.overrides()
        if list(overrides) != list(self._overrides):
            self._overrides = overrides
            for desk in self.desks.values():
                desk.plan()

    async def _judge(self) -> None:
        """Judge the health of all pools anew, now and then: vantages may have fallen silent."""
        while True:
            await asyncio.sleep(self._about(LOOK_EVERY_S))
            self._touch(self.states.look(self._now()))

    async def _look_on(self, desk: Desk) -> None:
        """Look at a zone's fences, plan anew what waits for time alone, and collect what nobody needs."""
        while True:
            await asyncio.sleep(self._about(max(LOOK_EVERY_S, LOOK_SHARE_S * len(self.desks))))
            await self._leads.wait()
            published = await fences_of(desk.zone.intent, self._publishers)
            strangers = desk.base.strangers
            desk.published = published
            if desk.base.strangers != strangers or not desk.base.is_known:
                desk.load()
            elif desk.is_open:
                desk.plan()
            with suppress(PlanStoreError):  # it is told where it is needed
                await self._collect(desk, published)

    async def _collect(self, desk: Desk, published: Mapping[str, Seen]) -> None:
        gone = collectable(await self._store.generations(desk.origin), published, KEEP)
        if gone:
            await self._store.collect(desk.origin, gone)
            self.collected += len(gone)
            log.info("planner.collected", zone=desk.origin, plans=len(gone), up_to=gone[-1])

    def _begun(self, turn: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        return asyncio.create_task(self._kept_running(turn))

    async def _kept_running(self, turn: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await turn()
            except Exception:  # a fault of ours must not end what keeps names right
                log.exception("planner.failed")
                await asyncio.sleep(self._about(RETRY_S))

    def _about(self, pause_s: float) -> float:
        return pause_s * self._rng.uniform(0.5, 1.0)
