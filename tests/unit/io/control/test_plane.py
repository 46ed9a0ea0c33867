"""The control plane of one process: what is wanted is read anew, whatever happens meanwhile."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import pytest

from standfast.control.intent import Intent, Pool, Source, SourceKind
from standfast.dns.model import Name
from standfast.io.control.intent_reader import IntentReader
from standfast.io.control.plane import ControlPlane
from standfast.io.control.sources import Sources
from standfast.io.control.vantage_service import VantageService
from standfast.io.control.verifier_service import VerifierService
from standfast.io.settings.control import ControlConfig

PATIENCE_S: Final = 20.0
NOTHING: Final = Intent(zones={}, pools={})


def sourced(path: Path, *names: str) -> Intent:
    source = Source(kind=SourceKind.FILE, where=str(path), every_s=3600.0)
    return Intent(zones={}, pools={name: Pool(name=name, source=source) for name in names})


def plane_of(tmp_path: Path, intent: Intent) -> ControlPlane:
    config = ControlConfig(intent=(), state_dir=tmp_path / "state")
    sources = Sources(intent.pools, config, wall=time.time)
    reader = IntentReader(config)
    return ControlPlane(config=config, reader=reader, intent=intent, roles=frozenset(), publishers={}, sources=sources)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene()

    asyncio.run(run())


def test_what_is_written_while_the_intent_is_read_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [sourced(tmp_path / "list", "first"), sourced(tmp_path / "list", "second")]
    is_read, go_on = threading.Event(), threading.Event()

    def load(_reader: IntentReader) -> Intent:
        intent = wanted.pop(0)
        is_read.set()
        assert go_on.wait(PATIENCE_S)
        return intent

    monkeypatch.setattr(IntentReader, "read", load)

    async def scene() -> None:
        plane = plane_of(tmp_path, NOTHING)
        plane.reload()
        assert await asyncio.to_thread(is_read.wait, PATIENCE_S)
        plane.reload()
        go_on.set()
        assert plane.reloading is not None
        await plane.reloading
        assert list(plane.intent.pools) == ["second"]

    play(scene)


def test_a_fault_while_the_intent_is_read_leaves_what_was_wanted_and_is_no_end_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [RecursionError("it is too deep")]

    def load(_reader: IntentReader) -> Intent:
        if failures:
            raise failures.pop()
        return sourced(tmp_path / "list", "second")

    monkeypatch.setattr(IntentReader, "read", load)

    async def scene() -> None:
        plane = plane_of(tmp_path, sourced(tmp_path / "list", "first"))
        for wanted in ("first", "second"):
            plane.reload()
            assert plane.reloading is not None
            await plane.reloading
            assert list(plane.intent.pools) == [wanted]

    play(scene)


def test_a_source_that_turns_while_another_intent_is_taken_up_finds_all_of_one(tmp_path: Path) -> None:
    before, after = sourced(tmp_path / "list", "first"), sourced(tmp_path / "list", "first", "second")
    looked_at: list[list[str]] = []

    class Turning:
        """In the place of a verifier: a source turns while it ends what it watched."""

        async def assign(self, zones: Mapping[Name, Iterable[str]]) -> None:
            plane.sourced("first")

    class Watching:
        """In the place of a vantage."""

        def assign(self, intent: Intent, endpoints: Mapping[str, object]) -> None:
            looked_at.append(list(endpoints))

    plane = plane_of(tmp_path, before)
    plane.verifier, plane.vantage = cast("VerifierService", Turning()), cast("VantageService", Watching())
    play(lambda: plane.adopt(after))
    assert looked_at == [["first"], ["first", "second"]]
