"""A planner in a process: what is known becomes plans, and what a rule has something against waits."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from control_world import ZONE, a, content, shown
from publishers_in_memory import InMemoryPublisher
from standfast.control.fence import Fence, Standing
from standfast.control.health import Reading, State, write_reading
from standfast.control.intent import (
    CheckKind,
    Endpoint,
    HealthCheck,
    Intent,
    ManagedName,
    Policy,
    PolicyKind,
    Pool,
    ZoneIntent,
)
from standfast.control.plan import Content, PlanHead
from standfast.control.rules.bounds import Bounds
from standfast.control.store import Override, PlanStore, PlanStoreError
from standfast.dns.model import Name
from standfast.io.control import planner_service
from standfast.io.control.journal import ControlJournal
from standfast.io.control.planner_service import PlannerService
from standfast.io.control.stores.sqlite import SqlitePlanStore

WWW, API = "www.example.org.", "api.example.org."
PATIENCE_S: Final = 20.0
NOW_S: Final = 1_800_000_000.0


def intent(*names: str, hosts: tuple[int, ...] = (1, 2, 3), check: CheckKind = CheckKind.TCP) -> Intent:
    endpoints = tuple(Endpoint(address=f"192.0.2.{host}") for host in hosts)
    other = tuple(Endpoint(address=f"192.0.2.{host}") for host in (101, 102))
    pools = {
        name: Pool(name=name, endpoints=each, check=HealthCheck(kind=check))
        for name, each in (("pool", endpoints), ("other", other))
    }
    policy = Policy(kind=PolicyKind.ALL_HEALTHY, pools=(("pool", 1),))
    managed = tuple(ManagedName(name=name, policy=policy) for name in names)
    return Intent(zones={ZONE: ZoneIntent(origin=ZONE, publishers=("memory",), names=managed)}, pools=pools)


def report(**ill: int) -> Mapping[str, str]:
    """Return what a vantage says: all are well, but for these hosts of the pool."""
    said = {}
    for pool, hosts in (("pool", (1, 2, 3)), ("other", (101, 102))):
        for host in hosts:
            state = State.ILL if host in ill.values() else State.WELL
            said[f"{pool}/192.0.2.{host}:443"] = write_reading(Reading(state=state, since_s=NOW_S, why="refused"))
        said[f"{pool}/"] = f"{NOW_S:.3f}"
    return said


@dataclass(kw_only=True)
class World:
    """A store and a publisher, and planners beside them."""

    store: SqlitePlanStore
    publisher: InMemoryPublisher
    journal: ControlJournal
    clock: float = NOW_S

    @asynccontextmanager
    async def planner(self, wanted: Intent, *, always_asks: bool = False) -> AsyncIterator[PlannerService]:
        """Run one."""
        async with PlannerService(
            self.store,
            {"memory": self.publisher},
            journal=self.journal,
            name="eu-1",
            quorum=1,
            bounds=Bounds(),
            always_asks=always_asks,
            now=lambda: self.clock,
            rng=random.Random(1),
        ) as planner:
            planner.assign(wanted)
            yield planner

    async def until_planned(self, wanted: Content) -> PlanHead:
        """Wait until that is what is planned."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                head = await self.store.newest(ZONE)
                found = await self.store.content(head) if head else None
                if head and found is not None and shown(found) == shown(wanted):
                    return head
                await asyncio.sleep(0.01)

    async def until_proposed(self) -> str:
        """Wait until a plan waits for its approval; return its hash."""
        async with asyncio.timeout(PATIENCE_S):
            while (proposal := await self.store.proposal(ZONE)) is None:
                await asyncio.sleep(0.01)
        return proposal.plan.hash


class Delegated(InMemoryPublisher):
    """One that knows its delegations."""

    def __init__(self, owners: Collection[Name]) -> None:
        super().__init__()
        self._owners = frozenset(owners)

    async def delegations(self, _zone: Name) -> frozenset[Name]:
        """Return them."""
        return self._owners


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what comes around come soon."""
    for name, pause_s in (("LEASE_S", 0.3), ("LOOK_EVERY_S", 0.05), ("LOOK_SHARE_S", 0.0), ("RETRY_S", 0.05)):
        monkeypatch.setattr(planner_service, name, pause_s)


def play(path: Path, scene: Callable[[World], Awaitable[None]]) -> str:
    """Play a scene; return the ledger."""

    async def run() -> None:
        async with SqlitePlanStore(path).opened() as store:
            with ControlJournal.open(path) as journal:
                await scene(World(store=store, publisher=InMemoryPublisher(), journal=journal))

    asyncio.run(run())
    return (path / "ledger.jsonl").read_text()


def test_what_is_wanted_is_planned_and_an_endpoint_that_turns_ill_leaves(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        async with world.planner(intent(WWW, API)) as planner:
            planner.reported("eu-1", report(), NOW_S)
            await world.until_planned(content(a(WWW, 1, 2, 3), a(API, 1, 2, 3)))
            planner.reported("eu-1", report(one=2), NOW_S + 1)
            head = await world.until_planned(content(a(WWW, 1, 3), a(API, 1, 3)))
            assert head.generation == 2

    ledger = play(tmp_path, scene)
    assert ledger.count('"planned"') == 2
    assert '"health"' in ledger


def test_when_all_turn_ill_at_once_the_plan_stays_and_the_ledger_has_an_alarm_until_it_is_over(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        async with world.planner(intent(WWW)) as planner:
            planner.reported("eu-1", report(), at_s=NOW_S)
            head = await world.until_planned(content(a(WWW, 1, 2, 3)))
            everything = {key: text.replace("well", "ill") for key, text in report().items()}
            planner.reported("eu-1", everything, at_s=NOW_S + 1)
            assert all(planner.states.views[pool].broken for pool in ("pool", "other"))
            planner.reported("eu-1", report(one=2), at_s=NOW_S + 2)
            after = await world.until_planned(content(a(WWW, 1, 3)))
            assert after.generation == head.generation + 1, "no plan was made in between"

    ledger = play(tmp_path, scene)
    assert ledger.count("mass-failure") == 2
    assert ledger.count('"after":"not believed"') == ledger.count('"before":"not believed"') == 2


def test_what_vantages_of_other_processes_report_is_heard_by_the_store(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        async with world.planner(intent(WWW)):
            await world.store.report("us-1", report(), at_s=NOW_S)
            await world.until_planned(content(a(WWW, 1, 2, 3)))
            await world.store.report("us-1", report(one=1), at_s=NOW_S + 1)
            await world.until_planned(content(a(WWW, 2, 3)))

    play(tmp_path, scene)


def test_what_could_not_be_taken_in_from_the_store_is_taken_in_though_nothing_changes_any_more(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        reports = world.store.reports
        failures = [PlanStoreError("it is busy")]

        async def failing() -> Mapping[str, tuple[float, Mapping[str, str]]]:
            found = await reports()
            if found["us-1"][0] > NOW_S and failures:
                raise failures.pop()
            return found

        async with world.planner(intent(WWW)):
            await world.store.report("us-1", report(), at_s=NOW_S)
            await world.until_planned(content(a(WWW, 1, 2, 3)))
            world.store.reports = failing  # type: ignore[method-assign]
            await world.store.report("us-1", report(one=1), at_s=NOW_S + 1)
            await world.until_planned(content(a(WWW, 2, 3)))
        assert not failures

    play(tmp_path, scene)


def test_a_name_that_goes_waits_for_its_approval_and_holds_up_no_other(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        async with world.planner(intent(WWW, API, check=CheckKind.NONE)) as planner:
            await world.until_planned(content(a(WWW, 1, 2, 3), a(API, 1, 2, 3)))
            planner.assign(intent(WWW, hosts=(1, 2, 3, 4), check=CheckKind.NONE))
            await world.until_planned(content(a(WWW, 1, 2, 3, 4), a(API, 1, 2, 3)))
            hash_ = await world.until_proposed()
            planner.assign(intent(WWW, hosts=(1, 2, 3, 4, 5), check=CheckKind.NONE))
            await world.until_planned(content(a(WWW, 1, 2, 3, 4, 5), a(API, 1, 2, 3)))
            assert await world.until_proposed() == hash_  # what waits is the same, whatever came meanwhile
            assert await world.store.approve(ZONE, hash_, person="ada", reason="nobody asks for it")
            await world.until_planned(content(a(WWW, 1, 2, 3, 4, 5)))
            async with asyncio.timeout(PATIENCE_S):
                while await world.store.proposal(ZONE) is not None:
                    await asyncio.sleep(0.01)

    ledger = play(tmp_path, scene)
    assert '"proposed"' in ledger
    assert '"person":"ada"' in ledger


def test_a_name_below_a_delegation_that_was_found_stays_out_after_the_first_plan_too(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        below = f"x.{API}"
        world.publisher = Delegated({API})
        async with world.planner(intent(WWW)) as planner:
            planner.reported("eu-1", report(), NOW_S)
            await world.until_planned(content(a(WWW, 1, 2, 3)))
            planner.assign(intent(WWW, below))
            planner.reported("eu-1", report(one=2), NOW_S + 1)
            await world.until_planned(content(a(WWW, 1, 3)))
            said = {(each.rule, each.name) for each in planner.desks[ZONE].said}
            assert ("apex-and-delegation", below) in said

    play(tmp_path, scene)


def test_an_override_lets_pass_what_a_rule_refuses(tmp_path: Path) -> None:
    wanted = intent(WWW, check=CheckKind.NONE)
    zone = wanted.zones[ZONE]
    short = replace(wanted, zones={ZONE: replace(zone, names=(replace(zone.names[0], ttl_s=0),))})

    async def scene(world: World) -> None:
        async with world.planner(wanted) as planner:
            await world.until_planned(content(a(WWW, 1, 2, 3)))
            planner.assign(short)
            async with asyncio.timeout(PATIENCE_S):
                while planner.verdicts["refuse"] == 0:
                    await asyncio.sleep(0.01)
            override = Override(rule="ttl-bounds", scope=ZONE, person="ada", reason="drill", until_s=NOW_S + 60)
            await world.store.override(override)
            await world.until_planned(content(a(WWW, 1, 2, 3, ttl_s=0)))

    assert '"refused"' in play(tmp_path, scene)


def test_every_plan_waits_where_that_is_asked_for(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        async with world.planner(intent(WWW, check=CheckKind.NONE), always_asks=True):
            hash_ = await world.until_proposed()
            assert await world.store.newest(ZONE) is None
            assert await world.store.approve(ZONE, hash_, person="ada", reason="seen")
            await world.until_planned(content(a(WWW, 1, 2, 3)))

    play(tmp_path, scene)


def test_after_a_lost_store_the_next_plan_is_later_than_what_stands_and_waits(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        fence = Fence(generation=41, step=1, done=True, plan="0" * 16, writer="lost.1.1")
        world.publisher.put(ZONE, content(a(WWW, 1, 2)), fence=fence)
        async with world.planner(intent(WWW, check=CheckKind.NONE)):
            hash_ = await world.until_proposed()
            assert await world.store.approve(ZONE, hash_, person="ada", reason="the store was lost")
            head = await world.until_planned(content(a(WWW, 1, 2, 3)))
            assert head.generation == 42

    play(tmp_path, scene)


def test_of_two_planners_one_leads_and_another_takes_over_when_it_ends(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        wanted = intent(WWW, check=CheckKind.NONE)
        async with world.planner(wanted) as second:
            async with asyncio.timeout(PATIENCE_S):
                while not second.leads:
                    await asyncio.sleep(0.01)
            async with world.planner(wanted) as other:
                await world.until_planned(content(a(WWW, 1, 2, 3)))
                assert not other.leads
                second.assign(intent(WWW, hosts=(1, 2), check=CheckKind.NONE))
                other.assign(intent(WWW, hosts=(1, 2), check=CheckKind.NONE))
                await world.until_planned(content(a(WWW, 1, 2)))

    play(tmp_path, scene)


def test_a_zone_whose_publisher_is_silent_holds_up_no_other(tmp_path: Path) -> None:
    wanted = intent(WWW, check=CheckKind.NONE)
    other = ManagedName(name="www.example.net.", policy=wanted.zones[ZONE].names[0].policy)
    silent = ZoneIntent(origin="example.net.", publishers=("memory",), names=(other,))
    both = replace(wanted, zones={"example.net.": silent, **wanted.zones})

    async def scene(world: World) -> None:
        fence = world.publisher.fence
        never = asyncio.Event()

        async def silent(zone: str) -> Standing:
            if zone == "example.net.":
                await never.wait()
            return await fence(zone)

        world.publisher.fence = silent  # type: ignore[method-assign]
        async with world.planner(both):
            await world.until_planned(content(a(WWW, 1, 2, 3)))

    play(tmp_path, scene)


def test_two_planners_at_once_make_one_line_of_plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(world: World) -> None:
        async def granted(what: str, holder: str, ttl_s: float) -> bool:
            return True

        monkeypatch.setattr(world.store, "lease", granted)
        wanted = intent(WWW, check=CheckKind.NONE)
        async with world.planner(wanted) as one, world.planner(wanted) as other:
            for hosts in ((1, 2), (1, 2, 3), (2, 3), (1, 2, 3)):
                for planner in (one, other):
                    planner.assign(intent(WWW, hosts=hosts, check=CheckKind.NONE))
                await world.until_planned(content(a(WWW, *hosts)))
        await is_one_line(world.store)

    play(tmp_path, scene)


def test_a_planner_that_slept_past_its_lease_plans_nothing_until_it_leads_again(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        lease, may_ask = world.store.lease, asyncio.Event()
        may_ask.set()

        async def stalling(what: str, holder: str, ttl_s: float) -> bool:
            await may_ask.wait()
            return await lease(what, holder, ttl_s)

        world.store.lease = stalling  # type: ignore[method-assign]
        async with world.planner(intent(WWW)) as planner:
            planner.reported("eu-1", report(), NOW_S)
            head = await world.until_planned(content(a(WWW, 1, 2, 3)))
            may_ask.clear()
            world.clock += planner_service.LEASE_S
            planner.reported("eu-1", report(one=2), NOW_S + 1)
            async with asyncio.timeout(PATIENCE_S):
                while planner.leads:
                    await asyncio.sleep(0.01)
            assert await world.store.newest(ZONE) == head
            may_ask.set()
            await world.until_planned(content(a(WWW, 1, 3)))

    play(tmp_path, scene)


def test_what_is_wanted_is_read_after_the_newest_plan_so_that_no_plan_follows_one_that_knew_more(
    tmp_path: Path,
) -> None:
    async def scene(world: World) -> None:
        async def never(since: int, timeout_s: float) -> int:
            await asyncio.Event().wait()
            raise AssertionError

        world.store.changed = never  # type: ignore[method-assign]
        async with world.planner(intent(WWW)) as planner:
            planner.reported("us-1", report(), NOW_S)
            await world.until_planned(content(a(WWW, 1, 2, 3)))
            await world.store.report("us-1", report(one=1), at_s=NOW_S + 1)  # which nobody tells it of
            planner.look(ZONE)
            await world.until_planned(content(a(WWW, 2, 3)))

    play(tmp_path, scene)


def test_what_is_published_is_not_taken_for_planned_where_the_newest_plan_is_gone_meanwhile(tmp_path: Path) -> None:
    foreign = a(API, 9)

    async def scene(world: World) -> None:
        async with world.planner(intent(WWW, check=CheckKind.NONE)):
            first = await world.until_planned(content(a(WWW, 1, 2, 3)))
        fence = Fence(generation=first.generation, step=1, done=True, plan=first.hash[:16], writer="a.1.1")
        world.publisher.put(ZONE, content(a(WWW, 1, 2, 3), foreign), fence=fence)
        kept = world.store.content

        async def gone(head: PlanHead) -> Content | None:
            return None if head == first else await kept(head)

        world.store.content = gone  # type: ignore[method-assign]
        async with world.planner(intent(WWW, hosts=(1, 2), check=CheckKind.NONE)):
            head = await world.until_planned(content(a(WWW, 1, 2)))
        plan = await world.store.plan(ZONE, head.generation)
        assert plan is not None
        assert plan.base is None, "it says all itself"
        assert foreign.owner not in {(change.after or change.before or foreign).owner for change in plan.changes}

    play(tmp_path, scene)


async def is_one_line(store: PlanStore) -> None:
    before = None
    for generation in await store.generations(ZONE):
        plan = await store.plan(ZONE, generation)
        assert plan is not None
        assert plan.base == before
        before = plan.head


def test_old_plans_are_collected_once_everything_published_is_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner_service, "KEEP", 2)

    async def scene(world: World) -> None:
        async with world.planner(intent(WWW, check=CheckKind.NONE)) as planner:
            head = None
            for hosts in ((1, 2, 3), (1, 2, 3, 4), (1, 2, 3), (1, 2, 3, 4)):
                planner.assign(intent(WWW, hosts=hosts, check=CheckKind.NONE))
                head = await world.until_planned(content(a(WWW, *hosts)))
            assert head is not None
            assert planner.collected == 0  # no fence stands
            fence = Fence(generation=head.generation, step=1, done=True, plan=head.hash[:16], writer="a.1.1")
            world.publisher.put(ZONE, content(a(WWW, 1, 2, 3, 4)), fence=fence)
            async with asyncio.timeout(PATIENCE_S):
                while planner.collected == 0:
                    await asyncio.sleep(0.01)
            assert list(await world.store.generations(ZONE)) == [head.generation - 1, head.generation]

    play(tmp_path, scene)
