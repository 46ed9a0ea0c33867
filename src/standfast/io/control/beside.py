"""A control plane beside what is served: it begins as soon as it can, and takes nothing with it while it cannot.

A store of plans that is damaged or far away keeps plans from being made; no name, and no client, has to wait for it.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Final, Self

import structlog

from standfast.errors import StandfastError
from standfast.io.control.plane import ControlPlane
from standfast.io.settings.places import ConfigError

RETRY_S: Final = 5.0  # between two tries to begin: what is in the way is mended by hand, or comes back by itself

log = structlog.get_logger("standfast.control")


class ControlBeside:
    """The control plane of a process that serves. Use it as an async context within one event loop."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[ControlPlane]]) -> None:
        """`make` gives the context of a whole control plane, anew for each try."""
        self.plane: ControlPlane | None = None  # None while it cannot begin
        self._make = make
        self._why = ""
        self._tried = asyncio.Event()
        self._ends = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Try to begin, and go on trying.

        Raises:
            ConfigError: what is wanted is wrong, which no trying mends.
        """
        self._task = asyncio.create_task(self._run())
        tried = asyncio.create_task(self._tried.wait())
        await asyncio.wait({self._task, tried}, return_when=asyncio.FIRST_COMPLETED)
        if not self._tried.is_set():
            tried.cancel()
            await self._task
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        if self._task is not None:
            await self._task

    def reload(self) -> None:
        """Have what is wanted read anew; one that has yet to begin reads it then."""
        if self.plane is not None:
            self.plane.reload()

    def __str__(self) -> str:
        return str(self.plane) if self.plane is not None else f"control plane not running yet: {self._why}"

    async def _run(self) -> None:
        while not self._ends.is_set():
            try:
                async with self._make() as plane:
                    self.plane = plane
                    if self._why:
                        log.info("control.begins", control=str(plane))
                    self._tried.set()
                    await self._ends.wait()
            except Exception as error:  # a task that ends in silence would never try again
                is_foreseen = isinstance(error, StandfastError | OSError)
                if not self._tried.is_set() and (isinstance(error, ConfigError) or not is_foreseen):
                    raise
                self._why = str(error)
                log.error("control.waits", detail=self._why, retry_s=RETRY_S, exc_info=not is_foreseen)
            finally:
                self.plane = None
            self._tried.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ends.wait(), RETRY_S)
