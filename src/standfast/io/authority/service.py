"""The authority running: its zones on their sockets, read anew and replaced whole. Decides nothing.

What is asked again is given as prepared octets, by the same fast path as the guard's; `answers` keeps them.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from standfast.authority.zone import Zone
from standfast.dns.changes import Change
from standfast.dns.codec import PAYLOAD_OURS
from standfast.dns.model import Name
from standfast.dns.servers import Server
from standfast.io.authority.answers import Answers
from standfast.io.authority.file_zones import FileZones
from standfast.io.authority.key_files import FOLDER, KeyFiles
from standfast.io.authority.notifier import Notifier
from standfast.io.authority.parent import ds_at_parent
from standfast.io.authority.requests import Desk
from standfast.io.authority.secondaries import HeardHere, Secondaries
from standfast.io.authority.signer import Signer
from standfast.io.authority.store import ZoneStore
from standfast.io.authority.transfers import Transfers
from standfast.io.authority.updates import Updates
from standfast.io.authority.zones import ServedZones, StaleZone
from standfast.io.clients.cookies import Cookies
from standfast.io.clients.limits import Gate
from standfast.io.clients.listener import Listener
from standfast.io.clients.requests import Requests
from standfast.io.settings.authority import AuthorityConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Who does what in the authority, and counts it."""

    zones: ServedZones
    desk: Desk
    transfers: Transfers
    notifier: Notifier
    updates: Updates
    secondaries: Secondaries
    signer: Signer | None  # None where no zone is signed
    requests: Requests


class AuthorityService:
    """Serves the zones of files. Use it as an async context within one event loop."""

    def __init__(
        self,
        config: AuthorityConfig,
        *,
        cookies: Cookies,
        now: Callable[[], float],
        wall: Callable[[], float] = time.time,
        size_max: int = PAYLOAD_OURS,
    ) -> None:
        """Read and bind nothing yet.

        Args:
            config: which zones, where, for whom.
            cookies: makes and knows those of clients.
            now: the time, in seconds.
            wall: the time that other machines have too, in seconds since the epoch.
            size_max: the largest datagram that is sent, in octets.
        """
        self._signer = _signer(config, wall)
        self._store = _store_of(config)
        self._served = ServedZones(
            config.rules,
            default=config.default_rules,
            loss_max=config.loss_max,
            signer=self._signer,
            store=self._store,
        )
        self.files = FileZones(config, self._served, wall=wall)
        self._answers = Answers(self._served, now, nsid=config.nsid)
        if self._signer is not None:
            self._signer.on_look.append(lambda _origin: self._answers.begin())
        gate = Gate(config.limits)
        self._desk = Desk(
            self._served, keys=config.keys, answer=self._answers.answer, cookies=cookies, wall=wall, size_max=size_max
        )
        self._transfers = Transfers(self._served, wall=wall, size_max=size_max)
        self._desk.on_transfer = self._transfers.answer
        self._notifier = Notifier(self._served, config.keys, rng=random.SystemRandom(), wall=wall)
        updates = Updates(self._served, wall=wall)
        self._desk.on_update = updates.serve
        secondaries = {origin: rules.primaries for origin, rules in config.rules.items() if rules.primaries}
        self._secondaries = Secondaries(
            self._served,
            secondaries,
            keys=config.keys,
            heard=self._store or HeardHere(),
            rng=random.SystemRandom(),
            now=now,
            wall=wall,
        )
        self._desk.on_notify = self._secondaries.on_notify
        self._requests = Requests(self._desk.take)
        self.parts = Parts(
            zones=self._served,
            desk=self._desk,
            transfers=self._transfers,
            notifier=self._notifier,
            updates=updates,
            secondaries=self._secondaries,
            signer=self._signer,
            requests=self._requests,
        )
        self._running = AsyncExitStack()
        self._listeners = [
            Listener(
                server,
                self._answers.on_query,
                size_max=size_max,
                fast=self._answers.fast,
                gate=gate,
                cookies=cookies,
                recursion=False,
                requests=self._requests,
            )
            for server in config.listen
        ]

    @property
    def bound(self) -> tuple[Server, ...]:
        """The addresses that are listened on, with their real ports."""
        return tuple(listener.bound for listener in self._listeners)

    @property
    def zones(self) -> Mapping[Name, Zone]:
        """What is served, by origin."""
        return self._served.zones

    async def __aenter__(self) -> Self:
        """Read the zones, and serve from now on.

        Raises:
            ListenError: an address cannot be listened on; then none is.
            StoreError: what was served before cannot be read.
        """
        async with AsyncExitStack() as stack:  # what was begun is ended in reverse
            if self._store is not None:
                await stack.enter_async_context(self._store.opened())
                await self.files.restore(self._store)
            stack.push_async_callback(self._served.settle)
            stack.push_async_callback(self._secondaries.stop)
            self._secondaries.start()
            stack.callback(self.files.stop)
            await self.files.load()
            stack.push_async_callback(self._requests.stop)
            for listener in self._listeners:
                stack.callback(listener.stop)
                await listener.start()
            stack.callback(self._notifier.stop)
            self._notifier.start()  # who is told comes at once
            if self._signer is not None:
                rounds = asyncio.create_task(self._signer.rounds(lambda: self.zones, self._publish_signed))
                stack.callback(rounds.cancel)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()
        await asyncio.sleep(0)  # lets the event loop close what was told to

    async def _publish_signed(self, new: Zone, *, base: Zone, changes: Sequence[Change]) -> bool:
        try:
            await self._served.publish(new, base=base, cause="signing", changes=changes, judged=True)
        except StaleZone:
            return False
        return True


def _signer(config: AuthorityConfig, wall: Callable[[], float]) -> Signer | None:
    """Return what signs zones; None where none is to be signed."""
    policies = {origin: rules.signing for origin, rules in config.rules.items() if rules.signing is not None}
    if not policies or config.state_dir is None:
        return None
    ask = partial(ds_at_parent, rng=random.SystemRandom())
    return Signer(KeyFiles(config.state_dir / FOLDER), policies, wall=wall, ask_parent=ask)


def _store_of(config: AuthorityConfig) -> ZoneStore | None:
    """Return what keeps zones; none where there is nothing to keep, and clients changed nothing before."""
    if config.state_dir is None:
        return None
    store = ZoneStore(config.state_dir)
    return store if config.needs_state or store.holds_changes() else None
