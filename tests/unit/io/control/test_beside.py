"""A control plane beside what is served: it waits for what it needs, and whoever serves does not wait for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from standfast.control.store import PlanStoreError
from standfast.io.control import beside
from standfast.io.control.beside import ControlBeside
from standfast.io.control.plane import ControlPlane
from standfast.io.settings.places import ConfigError, Finding


class Plane:
    def __init__(self) -> None:
        self.reloads = 0

    def reload(self) -> None:
        self.reloads += 1


def made(*tries: Plane | Exception) -> Callable[[], AbstractAsyncContextManager[ControlPlane]]:
    """Return what makes a control plane at one try after the other, or fails to."""
    left: Iterable[Any] = iter(tries)

    @asynccontextmanager
    async def make() -> AsyncIterator[ControlPlane]:
        found = next(iter(left))
        if isinstance(found, Exception):
            raise found
        yield cast(ControlPlane, found)

    return make


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "RETRY_S", 0.01)


async def begun(control: ControlBeside) -> None:
    async with asyncio.timeout(20):
        while control.plane is None:
            await asyncio.sleep(0.005)


def test_it_begins_at_the_first_try_that_it_can() -> None:
    async def scene() -> None:
        plane = Plane()
        control = ControlBeside(made(PlanStoreError("etcd is not there"), PlanStoreError("nor now"), plane))
        async with control:
            assert control.plane is None
            assert str(control) == "control plane not running yet: etcd is not there"
            control.reload()
            await begun(control)
            control.reload()
        assert plane.reloads == 1
        assert control.plane is None

    asyncio.run(scene())


def test_what_ends_before_it_could_begin_ends_at_once() -> None:
    async def scene() -> None:
        async with asyncio.timeout(20), ControlBeside(made(*[PlanStoreError("gone")] * 10_000)):
            pass

    asyncio.run(scene())


def test_a_wrong_configuration_is_told_at_once(tmp_path: Path) -> None:
    wrong = ConfigError(Finding(file=str(tmp_path / "intent.yaml"), text="unknown key"))

    async def scene() -> None:
        with pytest.raises(ConfigError, match="unknown key"):
            async with ControlBeside(made(wrong)):
                pass

    asyncio.run(scene())
