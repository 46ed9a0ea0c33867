"""The sources of pools: each asked again and again, what was good kept over restarts, and told on where it changes."""

import asyncio
import hashlib
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from standfast.control.intent import Endpoint, Pool, Source
from standfast.control.sources import SourceState, heard, packed, unpacked
from standfast.io.control.source_readers import Ways, read_source
from standfast.io.roots import roots_of_probes
from standfast.io.settings.control import ControlConfig
from standfast.io.whole_files import write_whole
from standfast.ports import Random

JITTER: Final = 0.1  # of the time between two readings, so that many who ask one server do not ask it at once
FOLDER: Final = "sources"
KEPT_OCTETS_MAX: Final = 4 << 20  # of one file; a list of ten thousand is below that

log = structlog.get_logger("standfast.control")


class Sources:
    """The sources of all pools that have one. `states` says by the pool's name what is known of each.

    A context: it reads while it is open. `read_all` asks each once, and works without.
    """

    def __init__(
        self,
        pools: Mapping[str, Pool],
        control: ControlConfig,
        *,
        wall: Callable[[], float],
        rng: Random | None = None,
        changed: Callable[[str], None] = lambda _: None,
        keep: bool = True,
    ) -> None:
        """Begin with what was good before the start.

        Args:
            pools: all of them; those without a source are not looked at.
            control: whom to ask, whom to trust, and where to keep what was good.
            wall: the time of the world, in seconds since the epoch.
            rng: for jitter and queries.
            changed: is told a pool's name when what is known of its source is another.
            keep: whether what is good is kept.

        Raises:
            OSError: the file of certificate authorities cannot be read.
        """
        self.states: dict[str, SourceState] = {}
        self._sources: dict[str, Source] = {}
        self._folder = control.state_dir / FOLDER
        self._rng = rng or random.SystemRandom()
        self._ways = Ways(resolvers=control.resolvers, tls=roots_of_probes(control.ca_file), rng=self._rng, wall=wall)
        self._changed = changed
        self._keep = keep
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_open = False
        self.adopt(pools)

    def adopt(self, pools: Mapping[str, Pool]) -> None:
        """Take these pools for the ones before; a source that is as it was goes on as if nothing were."""
        sources = {name: pool.source for name, pool in pools.items() if pool.source is not None}
        for name in [name for name, source in self._sources.items() if sources.get(name) != source]:
            del self._sources[name], self.states[name]
            if name in self._tasks:
                self._tasks.pop(name).cancel()
        for name, source in sources.items():
            if name not in self._sources:
                self._sources[name] = source
                self.states[name] = _kept(self._path(source))
                if self._is_open:
                    self._tasks[name] = asyncio.create_task(self._read_on(name, source))

    def endpoints(self, pool: Pool) -> tuple[Endpoint, ...]:
        """Return the endpoints of `pool`: its own, or those that its source listed last."""
        return pool.endpoints if pool.source is None else self.states[pool.name].endpoints

    def failed(self, pool: Pool) -> str:
        """Return why the source of `pool` is not to be believed now; nothing where it is, or there is none."""
        return "" if pool.source is None else self.states[pool.name].failed

    async def read_all(self) -> None:
        """Ask each source once, all at the same time."""
        await asyncio.gather(*(self._read(name, source) for name, source in list(self._sources.items())))

    async def __aenter__(self) -> Self:
        """Begin to read."""
        self._is_open = True
        for name, source in self._sources.items():
            self._tasks[name] = asyncio.create_task(self._read_on(name, source))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all reading."""
        self._is_open = False
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _read_on(self, name: str, source: Source) -> None:
        while True:
            try:
                await self._read(name, source)
            except Exception as error:  # a fault of ours must not end what is known of a pool
                log.exception("source.failed", pool=name, source=source.where, why=f"{type(error).__name__}: {error}")
            await asyncio.sleep(source.every_s * (1 + JITTER * (2 * self._rng.random() - 1)))

    async def _read(self, name: str, source: Source) -> None:
        reading = await read_source(source, self._ways)
        before = self.states.get(name)
        if before is None or self._sources.get(name) is not source:
            return
        state = self.states[name] = heard(before, reading, self._ways.wall())
        if state.failed != before.failed and self._is_open:
            self._tell(name, source, state)
        if state.endpoints != before.endpoints and self._keep:
            await asyncio.to_thread(self._write, source, state)
        if (state.endpoints, state.failed) != (before.endpoints, before.failed):
            self._changed(name)

    def _tell(self, name: str, source: Source, state: SourceState) -> None:
        if state.failed:
            log.warning("source.failed", pool=name, source=source.where, why=state.failed)
        else:
            log.info("source.read", pool=name, source=source.where, endpoints=len(state.endpoints))

    def _write(self, source: Source, state: SourceState) -> None:
        path = self._path(source)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, packed(state).encode(), mode=0o600)
        except OSError as error:  # what is known is in force; a restart would know less
            log.warning("source.unkept", path=str(path), why=str(error))

    def _path(self, source: Source) -> Path:
        """One file for each source, not for each pool: a pool that gets another one has not read that yet."""
        key = hashlib.sha256(f"{source.kind} {source.where} {source.qtype}".encode()).hexdigest()[:32]
        return self._folder / f"{key}.json"


def _kept(path: Path) -> SourceState:
    try:
        with path.open("rb") as file:
            octets = file.read(KEPT_OCTETS_MAX + 1)
    except OSError:
        return SourceState()
    return unpacked(octets.decode(errors="replace"))
