"""Every store of plans, on what the planner and the enactors rely on. A new one is one more line in `STORES`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from control_world import ZONE, Plans, a, content, shown, txt
from etcd_server import EtcdServer
from standfast.control.finding import Finding, Severity
from standfast.control.plan import Content, Plan, PlanHead, make_plan
from standfast.control.store import Override, PlanStore, Proposal
from standfast.io.control.stores.etcd import EtcdPlanStore
from standfast.io.control.stores.etcd_gateway import EtcdGateway
from standfast.io.control.stores.rows import REPORTS_MAX
from standfast.io.control.stores.sqlite import SqlitePlanStore
from standfast.io.roots import Roots

WWW, API, OLD = "www.example.org.", "api.example.org.", "old.example.org."
CONTENTS: Final = (
    content(a(WWW, 1), a(OLD, 9)),
    content(a(WWW, 1, 2), txt(WWW, "x")),
    content(a(WWW, 2), a(API, 3)),
    content(a(API, 4)),
)
PATIENCE_S: Final = 20.0  # for what takes milliseconds, on a machine that is busy

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[PlanStore]]
Scene: TypeAlias = Callable[[PlanStore], Awaitable[None]]


def in_sqlite(request: pytest.FixtureRequest) -> Open:
    folder: Path = request.getfixturevalue("tmp_path")
    return lambda: SqlitePlanStore(folder / "control").opened()


def in_etcd(request: pytest.FixtureRequest) -> Open:
    server: EtcdServer = request.getfixturevalue("etcd")
    prefix = f"{request.node.name}/"
    return lambda: EtcdPlanStore(EtcdGateway([server.url], context=Roots().probes), prefix=prefix).opened()


STORES: Final[Mapping[str, Callable[[pytest.FixtureRequest], Open]]] = {"sqlite": in_sqlite, "etcd": in_etcd}


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("etcd"), free_port) as server:
        yield server


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest) -> Open:
    """Return what opens the store, each time as another process would."""
    return STORES[request.param](request)


def play(opened: Open, scene: Scene) -> None:
    async def run() -> None:
        async with opened() as store:
            await scene(store)

    asyncio.run(run())


def made(*contents: Content) -> list[tuple[Plan, Content]]:
    plans = Plans()
    for each in contents:
        plans.plan(each)
    return [(plans.plans[number], plans.contents[number]) for number in sorted(plans.plans)]


async def fill(store: PlanStore, *contents: Content) -> list[PlanHead]:
    before = None
    heads = []
    for plan, whole in made(*contents):
        assert await store.add(plan, whole, after=before)
        before = plan.head
        heads.append(plan.head)
    return heads


def head_of(generation: int) -> PlanHead:
    return made(*CONTENTS)[generation - 1][0].head


async def is_as_planned(store: PlanStore, generation: int) -> bool:
    found = await store.content(head_of(generation))
    return found is not None and shown(found) == shown(CONTENTS[generation - 1])


def test_an_empty_store_has_nothing(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        assert await store.newest(ZONE) is None
        assert await store.plan(ZONE, 1) is None
        assert await store.content(head_of(1)) is None
        assert await store.proposal(ZONE) is None
        assert not await store.generations(ZONE)
        assert not await store.overrides()
        assert await store.reports() == {}
        await store.collect(ZONE, [1, 2])

    play(opened, scene)


def test_plans_and_contents_are_given_back_as_they_were_added_by_this_process_and_another(opened: Open) -> None:
    async def keep(store: PlanStore) -> None:
        heads = await fill(store, *CONTENTS)
        assert await store.newest(ZONE) == heads[-1]

    async def give(store: PlanStore) -> None:
        assert list(await store.generations(ZONE)) == [1, 2, 3, 4]
        for plan, _ in made(*CONTENTS):
            assert await store.plan(ZONE, plan.generation) == plan
            assert await is_as_planned(store, plan.generation)
        assert await store.newest("example.net.") is None

    play(opened, keep)
    play(opened, give)


def test_a_plan_is_added_only_after_the_one_that_it_was_planned_after(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        (first, whole), (second, second_whole), _, _ = made(*CONTENTS)
        assert not await store.add(second, second_whole, after=first.head)
        assert await store.add(first, whole, after=None)
        assert not await store.add(first, whole, after=None)
        assert not await store.add(first, whole, after=first.head)  # generations grow
        other = PlanHead(zone=ZONE, generation=1, hash="0" * 64)
        assert not await store.add(second, second_whole, after=other)
        assert await store.add(second, second_whole, after=first.head)
        assert await store.newest(ZONE) == second.head

    play(opened, scene)


def test_of_many_planners_at_once_exactly_one_adds_its_plan(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        plans = [made(content(a(WWW, host)))[0] for host in range(20)]
        async with opened() as other:
            stores = [store, other] * 10
            added = await asyncio.gather(
                *(each.add(*planned, after=None) for each, planned in zip(stores, plans, strict=True))
            )
        assert sorted(added) == [False] * 19 + [True]

    play(opened, scene)


def test_a_plan_that_is_chained_to_nothing_has_its_content_all_the_same(opened: Open) -> None:
    planned = make_plan(zone=ZONE, generation=3, base=None, changes=(), made_at_s=0.0)

    async def keep(store: PlanStore) -> None:
        heads = await fill(store, *CONTENTS[:2])
        assert await store.add(planned, CONTENTS[2], after=heads[-1])

    async def give(store: PlanStore) -> None:
        for generation in (1, 2):
            assert await is_as_planned(store, generation)
        found = await store.content(planned.head)
        assert found is not None
        assert shown(found) == shown(CONTENTS[2])

    play(opened, keep)
    play(opened, give)


def test_another_plan_of_the_same_number_is_not_given_for_the_one_that_was_asked_for(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        (plan, whole), *_ = made(content(a(WWW, 7)))
        assert await store.add(plan, whole, after=None)
        assert await store.content(plan.head) is not None
        assert await store.content(head_of(1)) is None

    play(opened, scene)


def test_what_is_collected_is_gone_and_all_others_can_still_be_given(opened: Open) -> None:
    async def collect(store: PlanStore) -> None:
        await fill(store, *CONTENTS)
        await store.collect(ZONE, [1, 3])

    async def give(store: PlanStore) -> None:
        assert list(await store.generations(ZONE)) == [2, 4]
        assert await store.plan(ZONE, 1) is None
        assert await store.content(head_of(3)) is None
        assert await is_as_planned(store, 2)
        assert await is_as_planned(store, 4)
        await store.collect(ZONE, [2])
        assert await is_as_planned(store, 4)

    play(opened, collect)
    play(opened, give)


def test_the_newest_plan_is_never_collected(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        heads = await fill(store, *CONTENTS)
        await store.collect(ZONE, [1, 2, 3, 4])
        assert await store.newest(ZONE) == heads[-1]
        assert await is_as_planned(store, 4)

    play(opened, scene)


def test_a_lease_is_one_holders_until_it_lapses(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        assert await store.lease("publish", "a", 60.0)
        assert await store.lease("publish", "a", 60.0)
        assert not await store.lease("publish", "b", 60.0)
        assert await store.lease("clean up", "b", 1.0)
        async with asyncio.timeout(PATIENCE_S):
            while not await store.lease("clean up", "a", 60.0):
                await asyncio.sleep(0.1)

    play(opened, scene)


def test_a_proposal_is_approved_by_its_hash_alone_and_gives_way_to_the_next(opened: Open) -> None:
    (first, _), (second, _), _, _ = made(*CONTENTS)
    finding = Finding(rule="name-removed", severity=Severity.ASK, name=OLD, text="it goes", advice="look")

    async def propose(store: PlanStore) -> None:
        await store.propose(ZONE, Proposal(plan=first, findings=(finding,)))
        assert not await store.approve(ZONE, second.hash, person="ada", reason="seen")
        assert await store.approve(ZONE, first.hash, person="ada", reason="seen")

    async def give(store: PlanStore) -> None:
        approved = await store.proposal(ZONE)
        assert approved == Proposal(plan=first, findings=(finding,), approved_by="ada", reason="seen")
        await store.propose(ZONE, Proposal(plan=second, findings=()))
        assert await store.proposal(ZONE) == Proposal(plan=second, findings=())
        await store.propose(ZONE, None)
        assert await store.proposal(ZONE) is None
        assert not await store.approve(ZONE, second.hash, person="ada", reason="seen")

    play(opened, propose)
    play(opened, give)


def test_an_override_takes_the_place_of_that_of_the_same_rule_and_scope(opened: Open) -> None:
    def override(rule: str, scope: str, until_s: float) -> Override:
        return Override(rule=rule, scope=scope, person="ada", reason="drill", until_s=until_s)

    async def scene(store: PlanStore) -> None:
        for each in (
            override("ttl-bounds", ".", 1.0),
            override("ttl-bounds", WWW, 2.0),
            override("ttl-bounds", ".", 3.0),
        ):
            await store.override(each)
        assert list(await store.overrides()) == [override("ttl-bounds", ".", 3.0), override("ttl-bounds", WWW, 2.0)]

    play(opened, scene)


def test_reports_are_the_last_of_each_vantage(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        await store.report("eu-1", {"a": "well"}, at_s=100.0)
        await store.report("us-1", {"a": "ill"}, at_s=101.0)
        await store.report("eu-1", {"b": "well"}, at_s=102.0)
        assert await store.reports() == {"eu-1": (102.0, {"b": "well"}), "us-1": (101.0, {"a": "ill"})}

    play(opened, scene)


def test_a_vantage_with_a_clock_of_its_own_takes_no_report_of_another_away(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        await store.report("eu-1", {"a": "well"}, at_s=100.0)
        await store.report("us-1", {"a": "ill"}, at_s=100.0 + 10 * 86_400.0)
        assert list(await store.reports()) == ["eu-1", "us-1"]
        await store.report("eu-1", {"a": "well"}, at_s=105.0)
        assert list(await store.reports()) == ["eu-1", "us-1"]

    play(opened, scene)


def test_beyond_a_number_of_vantages_the_report_that_was_written_longest_ago_goes(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        names = [f"vantage-{number:04}" for number in range(REPORTS_MAX + 1)]
        for back, name in enumerate(names[:-1]):
            await store.report(name, {}, at_s=1_000_000.0 - back)
        await store.report(names[0], {}, at_s=1.0)  # is of now, whatever its clock says
        await store.report(names[-1], {}, at_s=2.0)
        assert list(await store.reports()) == [names[0], *names[2:]]

    play(opened, scene)


def test_a_change_is_told_to_this_process_and_to_another_and_none_is_missed(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        async with opened() as other:
            for waiting in (store, other):
                seen = await waiting.changed(0, PATIENCE_S)
                seen = await waiting.changed(seen, 0.3)  # nothing has happened, or what came before is heard of late
                task = asyncio.create_task(waiting.changed(seen, PATIENCE_S))
                await asyncio.sleep(0)
                await store.report("eu-1", {}, at_s=1.0)
                later = await task
                assert later != seen
                await store.report("eu-1", {}, at_s=2.0)  # while nobody waits
                assert await waiting.changed(later, PATIENCE_S) != later

    play(opened, scene)


def test_where_nothing_changes_the_wait_ends_by_itself(opened: Open) -> None:
    async def scene(store: PlanStore) -> None:
        seen = await store.changed(0, PATIENCE_S)
        assert await store.changed(seen, 0.01) == seen

    play(opened, scene)
