"""Enactors in a process: what is planned is published, whatever the publisher and the store do meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from control_world import ZONE, Plans, a, content, shown
from publishers_in_memory import Fault, InMemoryPublisher
from standfast.control.enacting import Cause, Rest
from standfast.control.fence import Fence, Garbage
from standfast.control.plan import Content
from standfast.control.publishing import Batch, BatchLimits, PublisherFacts
from standfast.control.store import PlanStoreError
from standfast.io.control import enactor_service
from standfast.io.control.enactor_service import EnactorService
from standfast.io.control.journal import ControlJournal
from standfast.io.control.stores.sqlite import SqlitePlanStore

WWW, API = "www.example.org.", "api.example.org."
FIRST, SECOND = content(a(WWW, 1)), content(a(WWW, 2), a(API, 3))
PATIENCE_S: Final = 20.0
SELDOM_S: Final = 3_600.0


@dataclass(kw_only=True)
class World:
    """A store, a publisher, and what they hold."""

    path: Path
    store: SqlitePlanStore
    plans: Plans
    publisher: InMemoryPublisher
    journal: ControlJournal

    async def plan(self, wanted: Content) -> None:
        """Plan, and keep it."""
        before = self.plans.newest
        head = self.plans.plan(wanted)
        assert await self.store.add(self.plans.plans[head.generation], wanted, after=before)

    @asynccontextmanager
    async def enactor(
        self, name: str = "eu-1", *, look_every_s: float = SELDOM_S, reads_whole: bool = False
    ) -> AsyncIterator[EnactorService]:
        """Run one."""
        async with EnactorService(
            self.store,
            {"memory": self.publisher},
            journal=self.journal,
            name=name,
            look_every_s=look_every_s,
            reads_whole=reads_whole,
            rng=random.Random(1),
        ) as service:
            service.assign({ZONE: ("memory",)})
            yield service

    async def until_published(self, wanted: Content) -> None:
        """Wait until that is what stands, by a fence that is done."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                reading = self.publisher.reading(ZONE) if not self.publisher.unreadable else None
                if (
                    reading
                    and isinstance(reading.fence, Fence)
                    and reading.fence.done
                    and shown(reading.content) == shown(wanted)
                ):
                    return
                await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have retries and leases take no time that a test must wait for."""
    monkeypatch.setattr(enactor_service, "LEASE_S", 0.4)
    monkeypatch.setattr(enactor_service, "RETRY_MIN_S", 0.01)
    monkeypatch.setattr(enactor_service, "STORE_RETRY_S", 0.01)


def play(path: Path, scene: Callable[[World], Awaitable[None]], *faults: Fault) -> None:
    async def run() -> None:
        async with SqlitePlanStore(path).opened() as store:
            with ControlJournal.open(path) as journal:
                publisher = InMemoryPublisher(faults=faults)
                await scene(World(path=path, store=store, plans=Plans(), publisher=publisher, journal=journal))

    asyncio.run(run())


def test_a_plan_is_published_as_soon_as_it_is_kept_and_written_down(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        told: list[Fence] = []
        async with world.enactor() as service:
            service.on_settled.append(lambda zone, publisher, fence: told.append(fence))
            await world.plan(FIRST)
            await world.until_published(FIRST)
            await world.plan(SECOND)
            await world.until_published(SECOND)
        assert service.outcomes == {"written": 2}
        assert [fence.generation for fence in told] == [1, 2]
        assert told[-1].writer.startswith("eu-1.")

    play(tmp_path, scene)
    ledger = (tmp_path / "ledger.jsonl").read_text()
    assert ledger.count('"published"') == 2


class Foreseeing(InMemoryPublisher):
    """Writes down what it is told to expect."""

    def __init__(self) -> None:
        super().__init__(limits=BatchLimits(records_max=3))
        self.foreseen: list[Batch] = []

    def foresee(self, batch: Batch) -> None:
        self.foreseen.append(batch)


def test_a_publisher_knows_each_write_before_the_one_before_it_is_done(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        publisher = world.publisher = Foreseeing()
        wanted = content(*(a(f"{label}.example.org.", 1) for label in "abcd"))
        async with world.enactor():
            await world.plan(wanted)
            await world.until_published(wanted)
        assert len(publisher.batches) == 4
        assert publisher.foreseen == publisher.batches[1:]

    play(tmp_path, scene)


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.DONE_UNSAID, Fault.THROTTLED, Fault.REFUSED])
def test_what_goes_wrong_at_a_publisher_is_tried_again(tmp_path: Path, fault: Fault) -> None:
    async def scene(world: World) -> None:
        world.publisher.unreadable = 2
        await world.plan(FIRST)
        async with world.enactor():
            await world.until_published(FIRST)
        assert len(world.publisher.batches) == 1

    play(tmp_path, scene, fault, fault)


def test_a_publisher_that_raises_what_it_should_not_is_tried_again(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        write = world.publisher.write
        failures = [RuntimeError("a fault of the publisher"), OSError("and another")]

        async def raising(batch: object) -> object:
            if failures:
                raise failures.pop()
            return await write(batch)  # type: ignore[arg-type]

        world.publisher.write = raising  # type: ignore[method-assign, assignment]
        await world.plan(FIRST)
        async with world.enactor():
            await world.until_published(FIRST)

    play(tmp_path, scene)


def test_a_newer_plan_is_noticed_after_the_store_raised_what_it_should_not(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        changed = world.store.changed
        failures = [RuntimeError("a fault of the store")]

        async def raising(since: int, timeout_s: float) -> int:
            if failures:
                raise failures.pop()
            return await changed(since, timeout_s)

        world.store.changed = raising  # type: ignore[method-assign]
        async with world.enactor():
            async with asyncio.timeout(PATIENCE_S):
                while failures:
                    await asyncio.sleep(0.01)
            await world.plan(FIRST)
            await world.until_published(FIRST)

    play(tmp_path, scene)


def test_a_zone_that_was_emptied_is_healed_when_the_verifier_says_so(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.plan(FIRST)
        async with world.enactor() as service:
            await world.until_published(FIRST)
            world.publisher.put(ZONE, {}, fence=world.publisher.reading(ZONE).fence)
            service.heal(ZONE, "memory")
            await world.until_published(FIRST)

    play(tmp_path, scene)


def test_an_enactor_without_a_verifier_looks_itself(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.plan(FIRST)
        async with world.enactor(look_every_s=0.05, reads_whole=True):
            await world.until_published(FIRST)
            world.publisher.put(ZONE, {}, fence=world.publisher.reading(ZONE).fence)
            await world.until_published(FIRST)

    play(tmp_path, scene)


def test_a_fence_that_was_taken_away_is_noticed_and_set_again(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.plan(FIRST)
        async with world.enactor(look_every_s=0.05):
            await world.until_published(FIRST)
            world.publisher.put(ZONE, {}, fence=None)
            await world.until_published(FIRST)

    play(tmp_path, scene)


def test_something_else_in_the_fences_place_is_told_once_and_replaced(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.plan(FIRST)
        garbage = Garbage(ttl_s=60, rdatas=(b"\x05hello",))
        world.publisher.put(ZONE, {}, fence=garbage)
        async with world.enactor(look_every_s=0.05):
            await world.until_published(FIRST)

    play(tmp_path, scene)
    ledger = (tmp_path / "ledger.jsonl").read_text()
    assert ledger.count('"no-fence"') == 1
    assert "hello" in ledger


def test_of_two_enactors_one_works_and_the_other_takes_over_when_it_ends(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.plan(FIRST)
        async with world.enactor("eu-2") as other:
            async with world.enactor("eu-1") as first:
                await world.until_published(FIRST)
            await world.plan(SECOND)
            await world.until_published(SECOND)
        assert first.outcomes + other.outcomes == {"written": 2}  # nobody was late: they took turns

    play(tmp_path, scene)


def test_without_a_lease_the_fence_decides_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(world: World) -> None:
        async def broken(what: str, holder: str, ttl_s: float) -> bool:
            raise PlanStoreError("no lease can be had")

        monkeypatch.setattr(world.store, "lease", broken)
        await world.plan(FIRST)
        async with world.enactor("eu-1") as one, world.enactor("eu-2") as other:
            await world.until_published(FIRST)
            await world.plan(SECOND)
            await world.until_published(SECOND)
        assert (one.outcomes + other.outcomes)["written"] == 2
        await world.plan(FIRST)
        world.publisher.facts = PublisherFacts(name="memory", fenced=False)
        async with world.enactor("eu-1"):
            await asyncio.sleep(0.1)
        assert len(world.publisher.batches) == 2

    play(tmp_path, scene)


def test_what_only_a_new_plan_can_mend_is_told_and_then_mended(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        stuck: list[Rest] = []
        await world.plan(FIRST)
        ahead = Fence(generation=7, step=1, done=True, plan="0" * 16, writer="a.1.1")
        world.publisher.put(ZONE, {}, fence=ahead)
        async with world.enactor() as service:
            service.on_stuck.append(lambda zone, publisher, rest: stuck.append(rest))
            async with asyncio.timeout(PATIENCE_S):
                while not stuck:
                    await asyncio.sleep(0.01)
            assert stuck[0].cause is Cause.AHEAD
            before = world.plans.newest
            head = world.plans.plan(SECOND, generation=8)
            assert await world.store.add(world.plans.plans[head.generation], SECOND, after=before)
            await world.until_published(SECOND)

    play(tmp_path, scene)


def test_a_zone_that_is_no_longer_ours_is_left_as_it_is(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.plan(FIRST)
        async with world.enactor() as service:
            await world.until_published(FIRST)
            service.assign({})
            await world.plan(SECOND)
            await asyncio.sleep(0.1)
            assert len(world.publisher.batches) == 1
            service.assign({ZONE: ("memory",)})
            await world.until_published(SECOND)

    play(tmp_path, scene)
