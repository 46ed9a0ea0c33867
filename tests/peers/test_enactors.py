"""Real enactors and a real authority, and between them what really happens: stalls, kills, writes that come late."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from control_processes import PATIENCE_S, Gate, Hold, Running, authority, publisher_at, write_control
from control_world import ZONE, Plans, a, content, shown
from standfast.control.difference import repair
from standfast.control.fence import Fence
from standfast.control.plan import Content
from standfast.control.publishing import PublisherError, Reading
from standfast.dns.model import Name
from standfast.io.control import enactor_service
from standfast.io.control.enactor_service import EnactorService
from standfast.io.control.journal import ControlJournal
from standfast.io.control.stores.sqlite import FILE_NAME, SqlitePlanStore

pytestmark = pytest.mark.peers

INTENT: Final = """
zones: {example.org: {publishers: [wire]}}
pools: {here: {check: {kind: none}, endpoints: [{address: 192.0.2.1}]}}
names: {www.example.org: {pools: [here]}}
"""
WWW: Final[Name] = "www.example.org."
NAMES: Final = 2_500  # more than two updates hold


def wide(host: int) -> Content:
    """Return the addresses of many names: several writes."""
    return content(a(WWW, host), *(a(f"n{number}.example.org.", host, host + 1) for number in range(NAMES)))


@dataclass(kw_only=True)
class World:
    """An authority, the gate before it, and the store of those who publish there."""

    folder: Path
    port: int
    gate: Gate
    plans: Plans = field(default_factory=Plans)
    store: SqlitePlanStore

    async def plan(self, wanted: Content) -> None:
        """Plan, and keep it."""
        before = self.plans.newest
        head = self.plans.plan(wanted)
        assert await self.store.add(self.plans.plans[head.generation], wanted, after=before)

    def enactor(self, name: str) -> Running:
        """Return an enactor in a process of its own, behind the gate."""
        return Running("enactor", write_control(self.folder, name, self.gate.port, INTENT))

    @asynccontextmanager
    async def own_enactor(self) -> AsyncIterator[EnactorService]:
        """Run an enactor in this process, straight at the authority. It waits for nobody's lease to lapse."""
        with closing(sqlite3.connect(self.folder / "state" / FILE_NAME, isolation_level=None)) as kept:
            kept.execute("UPDATE leases SET until_s = 0")
        with ControlJournal.open(self.folder / "own") as journal:
            async with EnactorService(
                self.store,
                {"wire": publisher_at(self.port)},
                journal=journal,
                name="own",
                look_every_s=60.0,
                reads_whole=False,
                rng=random.Random(1),
            ) as service:
                service.assign({ZONE: ("wire",)})
                yield service

    async def reading(self) -> Reading:
        """Return what is published."""
        return await publisher_at(self.port).read(ZONE)

    async def until_published(self, wanted: Content) -> None:
        """Wait until that is what stands, by a fence that is done."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    reading = await self.reading()
                except PublisherError:
                    continue
                if (
                    isinstance(reading.fence, Fence)
                    and reading.fence.done
                    and repair(wanted, {}, reading.content) == ()
                ):
                    return
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return where an authority answers. It is one for all: each test goes on from what the others left."""
    with authority(tmp_path_factory.mktemp("authority") / "authority") as running:
        yield running.port


@pytest.fixture
def play(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    """Return what plays a scene, in which enactors of this process are quick to take over."""
    monkeypatch.setattr(enactor_service, "LEASE_S", 0.4)

    def run(scene: Callable[[World], Awaitable[None]]) -> None:
        async def played() -> None:
            folder = tmp_path / "control"
            async with SqlitePlanStore(folder / "state").opened() as store:
                with Gate(port) as gate:
                    world = World(folder=folder, port=port, gate=gate, store=store)
                    await begin(world)
                    await scene(world)

        asyncio.run(played())

    return run


async def begin(world: World) -> None:
    """Have a first plan published, later than all that other tests left."""
    reading = await world.reading()
    generation = reading.fence.generation + 1 if isinstance(reading.fence, Fence) else 1
    head = world.plans.plan(wide(1), generation=generation)
    assert await world.store.add(world.plans.plans[head.generation], wide(1), after=None)
    async with world.own_enactor():
        await world.until_published(wide(1))


@pytest.mark.parametrize(
    ("what", "after"),
    [(Hold.QUERY, 0), (Hold.UPDATE, 0), (Hold.ANSWER, 0), (Hold.UPDATE, 1), (Hold.ANSWER, 1)],
    ids=[
        "before-it-looks",
        "first-write-on-its-way",
        "first-write-done",
        "second-write-on-its-way",
        "second-write-done",
    ],
)
def test_an_enactor_that_is_killed_is_followed_by_another_wherever_it_was(
    play: Callable[[Callable[[World], Awaitable[None]]], None], what: Hold, after: int
) -> None:
    async def scene(world: World) -> None:
        with world.enactor("a") as one:
            world.gate.hold(what, after=after)
            await world.plan(wide(2))
            await asyncio.to_thread(world.gate.until_held)
            one.kill()
        async with world.own_enactor():
            await world.plan(wide(3))
            await world.until_published(wide(3))
            world.gate.let_go()  # what the dead one sent arrives after all
            await asyncio.sleep(0.2)
            reading = await world.reading()
            assert repair(wide(3), {}, reading.content) == ()
            assert "hand.example.org." in reading.content

    play(scene)


def test_the_incident_a_stalled_enactor_comes_back_when_newer_plans_stand_and_its_own_is_collected(
    play: Callable[[Callable[[World], Awaitable[None]]], None],
) -> None:
    async def scene(world: World) -> None:
        with world.enactor("a") as stalled:
            world.gate.hold(Hold.UPDATE)
            await world.plan(wide(2))
            await asyncio.to_thread(
                world.gate.until_held
            )  # its look at the fence was long ago, its write is on its way
            stalled.stall()
            async with world.own_enactor():
                await world.plan(wide(3))
                await world.until_published(wide(3))
            newest = world.plans.newest
            assert newest is not None
            await world.store.collect(ZONE, [each for each in world.plans.plans if each < newest.generation])
            before = await world.reading()
            world.gate.let_go()
            stalled.go_on()
            async with asyncio.timeout(PATIENCE_S):
                while "enactor.not_written" not in stalled.events():
                    await asyncio.sleep(0.05)
            found = await world.reading()
            assert found.fence == before.fence
            assert shown(found.content) == shown(before.content)
            await world.plan(wide(4))  # and it is as good as any other from then on
            await world.until_published(wide(4))
            assert stalled.stop() == 0

    play(scene)
