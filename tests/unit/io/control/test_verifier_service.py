"""The verifier running: it sees when servers show a plan, and what differs is written down and mended."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from standfast.control.fence import Fence
from standfast.control.plan import Content, Plan, applied, make_plan
from standfast.control.publishing import Batch, Outcome, PublisherError, PublisherFacts, Reading, Written
from standfast.control.verifier import Asked, Seen
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.servers import Server
from standfast.io.control import verifier_service
from standfast.io.control.journal import ControlJournal, control_ledgers
from standfast.io.control.stores.sqlite import SqlitePlanStore
from standfast.io.control.verifier_service import VerifierService
from standfast.io.state.ledger_file import read_records
from standfast.ledger.record import Record

ZONE, DB = "example.org.", "db.example.org."
PRIMARY, SECONDARY = Server("127.0.0.1", 1053), Server("127.0.0.1", 2053)
SOON_S = 20.0  # for what takes no time on a machine that has nothing else to do


def a(owner: str, *hosts: int) -> RRset:
    return RRset(owner=owner, rtype=RRType.A, ttl_s=60, rdatas=tuple(bytes((192, 0, 2, host)) for host in hosts))


class Shelf:
    """A publisher in memory, with servers that show what is on it, or what they are told to."""

    facts = PublisherFacts(name="there")

    def __init__(self) -> None:
        self.stands: Fence | None = None
        self.content: Content = {}
        self.shows: dict[Server, Content] = {}
        self.silent: set[Server] = set()

    async def fence(self, zone: Name) -> Fence | None:
        return self.stands

    async def read(self, zone: Name) -> Reading:
        return Reading(fence=self.stands, content=self.content)

    async def write(self, batch: Batch) -> Outcome:
        self.stands, self.content = batch.fence, applied(self.content, batch.changes)
        return Written()

    async def look(self, server: Server, asked: Asked) -> Seen:
        if server in self.silent:
            return Seen(server=str(server), asked=asked, failure="it is silent")
        content = self.shows.get(server, self.content)
        return Seen(server=str(server), asked=asked, rrset=content.get(asked[0], {}).get(asked[1]))


class Stage:
    """A store with plans, the shelf, and a verifier that watches it."""

    def __init__(self, store: SqlitePlanStore, journal: ControlJournal, every_s: float, shelf: Shelf) -> None:
        self.store = store
        self.shelf = shelf
        self.healed: list[tuple[Name, str]] = []
        self.verifier = VerifierService(
            store,
            {"there": (shelf, (PRIMARY, SECONDARY))},
            journal=journal,
            look=shelf.look,
            heal=lambda zone, publisher: self.healed.append((zone, publisher)),
            every_s=every_s,
            now=time.monotonic,
            rng=random.Random(1),
        )

    async def publish(self, *hosts: int) -> Plan:
        head = await self.store.newest(ZONE)
        content = await self.store.content(head) if head else {}
        assert content is not None
        before = content.get(DB, {}).get(RRType.A)
        changes = [Change(before=before, after=a(DB, *hosts))]
        generation = head.generation + 1 if head else 1
        plan = make_plan(zone=ZONE, generation=generation, base=head, changes=changes, made_at_s=0)
        assert await self.store.add(plan, applied(content, changes), after=head)
        fence = Fence(generation=generation, step=1, done=True, plan=plan.hash[:16], writer="eu.1.1")
        await self.shelf.write(Batch(zone=ZONE, expect=None, fence=fence, changes=plan.changes))
        self.verifier.settled(ZONE, "there", fence)
        return plan


def play(
    tmp_path: Path,
    story: Callable[[Stage], Coroutine[Any, Any, None]],
    *,
    every_s: float = 3600.0,
    shelf: Shelf | None = None,
) -> list[Record]:
    """Let `story` happen, and return what was written down."""

    async def run() -> None:
        with ControlJournal.open(tmp_path / "control") as journal:
            async with SqlitePlanStore(tmp_path / "control").opened() as store:
                stage = Stage(store, journal, every_s, shelf or Shelf())
                async with stage.verifier:
                    await stage.verifier.assign({ZONE: ["there"]})
                    await story(stage)

    asyncio.run(run())
    return list(read_records(control_ledgers(tmp_path / "control")[0]))


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON_S):
        while not is_so():
            await asyncio.sleep(0.005)


def test_it_is_seen_when_each_server_shows_what_was_published(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.shelf.shows[SECONDARY] = {}
        await stage.publish(1)
        watched = stage.verifier.watched[ZONE, "there"]
        await until(lambda: str(PRIMARY) in watched.visible_after_s)
        assert str(SECONDARY) not in watched.visible_after_s
        stage.shelf.shows.clear()
        await until(lambda: str(SECONDARY) in watched.visible_after_s)
        assert watched.visible_after_s[str(SECONDARY)] >= watched.visible_after_s[str(PRIMARY)]

    records = play(tmp_path, story)
    assert [(each.kind, each.body["server"]) for each in records] == [
        ("visible", str(PRIMARY)),
        ("visible", str(SECONDARY)),
    ]


def test_a_newer_plan_is_looked_for_as_soon_as_it_is_published(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.shelf.silent.add(SECONDARY)
        await stage.publish(1)
        await until(lambda: stage.verifier.watched[ZONE, "there"].visible_after_s)
        stage.shelf.silent.clear()
        stage.shelf.shows[SECONDARY] = {DB: {RRType.A: a(DB, 2)}}
        await stage.publish(2)
        await until(lambda: str(SECONDARY) in stage.verifier.watched[ZONE, "there"].visible_after_s)

    generations = [each.body["generation"] for each in play(tmp_path, story) if each.body["server"] == str(SECONDARY)]
    assert generations == [2]


def test_a_server_that_never_shows_it_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier_service, "VISIBLE_MAX_S", 0.2)

    async def story(stage: Stage) -> None:
        stage.shelf.shows[SECONDARY] = {DB: {RRType.A: a(DB, 66)}}
        await stage.publish(1)
        await until(lambda: stage.verifier.late["there"])
        assert stage.healed == [(ZONE, "there")]

    (alarm,) = [each for each in play(tmp_path, story) if each.kind == "alarm"]
    assert alarm.body["event"] == "not-visible"
    assert "127.0.0.1:2053: A answers 192.0.2.66 (60 s), which was never planned" in str(alarm.body["text"])


def test_what_somebody_changed_is_found_on_schedule_and_mended(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.publish(1)
        stage.shelf.content = {}
        await until(lambda: len(stage.healed) >= 2)  # every time that it is seen
        assert stage.verifier.drifts["there"] == 1  # but it is one drift
        stage.shelf.content = {DB: {RRType.A: a(DB, 1)}}
        await until(lambda: stage.verifier.watched[ZONE, "there"].differs is None)
        stage.shelf.content = {}
        await until(lambda: stage.verifier.drifts["there"] == 2)

    drifts = [each.body for each in play(tmp_path, story, every_s=0.02) if each.kind == "drift"]
    assert [(each["why"], each["changes"], each["names"]) for each in drifts] == [(f"empty: {DB}", 1, [DB])] * 2


def test_a_look_that_fails_as_it_should_not_does_not_end_the_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier_service, "RETRY_S", 0.01)

    class Faulty(Shelf):
        reads = looks = 0

        async def read(self, zone: Name) -> Reading:
            self.reads += 1
            if self.reads == 1:
                raise RuntimeError("a fault of the publisher")
            return await super().read(zone)

        async def look(self, server: Server, asked: Asked) -> Seen:
            self.looks += 1
            if self.looks == 1:
                raise RuntimeError("a fault of the look")
            return await super().look(server, asked)

    shelf = Faulty()

    async def story(stage: Stage) -> None:
        await stage.publish(1)
        await until(lambda: shelf.looks)
        await stage.publish(2)
        await until(lambda: stage.verifier.watched[ZONE, "there"].visible_after_s)
        stage.shelf.content = {}
        await until(lambda: stage.healed)

    play(tmp_path, story, every_s=0.02, shelf=shelf)


def test_a_zone_that_is_watched_no_more_is_left_alone(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.publish(1)
        await stage.verifier.assign({})
        stage.shelf.content = {}
        await asyncio.sleep(0.1)  # in which it would be seen, were it watched
        assert not stage.healed

    play(tmp_path, story, every_s=0.02)


class Spread(Shelf):
    """A publisher that says after a while that all of its servers have what was written."""

    def __init__(self, looks: int | None) -> None:
        super().__init__()
        self.looks = looks  # until it says so; None: it knows of nothing that was written

    async def is_everywhere(self, zone: Name) -> bool | None:
        if self.looks is None:
            return None
        self.looks -= 1
        if self.looks % 2:
            raise PublisherError("there", zone, "it is busy")
        return self.looks <= 0


def test_a_publisher_that_spreads_is_visible_when_it_is_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier_service, "SPREAD_POLL_S", 0.01)

    async def story(stage: Stage) -> None:
        await stage.publish(1)
        await until(lambda: "everywhere" in stage.verifier.watched[ZONE, "there"].visible_after_s)

    records = play(tmp_path, story, shelf=Spread(5))
    assert {str(each.body["server"]) for each in records} == {str(PRIMARY), str(SECONDARY), "everywhere"}


def test_a_publisher_that_never_says_so_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier_service, "SPREAD_POLL_S", 0.01)
    monkeypatch.setattr(verifier_service, "SPREAD_MAX_S", 0.1)

    async def story(stage: Stage) -> None:
        await stage.publish(1)
        await until(lambda: stage.verifier.late["there"])

    (alarm,) = [each for each in play(tmp_path, story, shelf=Spread(10**9)) if each.kind == "alarm"]
    assert "not at all of its servers" in str(alarm.body["text"])


def test_a_publisher_that_wrote_nothing_here_is_not_waited_for(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.publish(1)
        await until(lambda: len(stage.verifier.watched[ZONE, "there"].visible_after_s) == 2)
        await stage.publish(2)
        await until(lambda: len(stage.verifier.watched[ZONE, "there"].visible_after_s) == 2)

    assert "everywhere" not in {str(each.body["server"]) for each in play(tmp_path, story, shelf=Spread(None))}
