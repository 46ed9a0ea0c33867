"""The zones that are served, and the one place where a snapshot takes the place of another: `ServedZones.publish`.

Whoever has a new version of a zone comes here, be it from a file, an update, a transfer or the signer. It is compared
with what it was made from, judged, signed, made durable, and only then served; then all who need to know are told.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal, TypeVar

import structlog

from standfast.authority.access import NO_RULES, NOBODY, ZoneRules
from standfast.authority.checks import judge
from standfast.authority.defaults import LOSS_MAX
from standfast.authority.diff import apply, difference
from standfast.authority.journal import Delta, Journal, worth_a_step
from standfast.authority.reach import judge_changes
from standfast.authority.serials import later
from standfast.authority.signing import unsigned
from standfast.authority.source import Offer, Source, offer_of
from standfast.authority.zone import Draft, Zone
from standfast.control.fence import Fence, Standing, fence_name, standing_in
from standfast.dns.changes import Change, counted
from standfast.dns.masterfile import Fault
from standfast.dns.model import ExtendedError, Name, RRType
from standfast.errors import StandfastError
from standfast.io.authority.signer import CannotSign, Signer
from standfast.io.authority.store import Stored, ZoneStore
from standfast.io.state.state_dir import StoreError

INLINE_MAX: Final = 1_000  # changes that are made and judged in the event loop; more, over 10 ms of work, in a thread
_T = TypeVar("_T")

Cause = Literal["state", "file", "update", "plan", "transfer", "signing"]

log = structlog.get_logger("standfast.authority")


class StaleZone(StandfastError):
    """A version of a zone that was not made from what is served. Fields: `origin`, `held`, `current`, both serials."""

    def __init__(self, origin: Name, *, held: int | None, current: int | None) -> None:
        super().__init__(f"the version of {origin} is made from serial {held}, and {current} is served")
        self.origin = origin
        self.held = held
        self.current = current


class UnfitZone(StandfastError):
    """A version of a zone that must not be served. Fields: `origin`, `faults`, all of them."""

    def __init__(self, origin: Name, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(fault.text for fault in faults))
        self.origin = origin
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A zone that is served from now on. `before` is None for its first version, of which there are no changes."""

    origin: Name
    before: Zone | None
    after: Zone
    changes: tuple[Change, ...]
    cause: Cause


@dataclass(slots=True)
class _History:
    """What goes along with a zone that is served. `changed`: it holds what its source has not."""

    journal: Journal = field(default_factory=Journal)
    records: int = 0
    source: Source | None = None  # the file that it began from
    changed: bool = False
    kept: bool = False  # on the disk
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # one version after the other


class ServedZones:
    """Every zone that is served, with its rules and its history."""

    def __init__(
        self,
        rules: Mapping[Name, ZoneRules] | None = None,
        *,
        default: ZoneRules = NO_RULES,
        loss_max: float = LOSS_MAX,
        signer: Signer | None = None,
        store: ZoneStore | None = None,
    ) -> None:
        """Begin with none.

        Args:
            rules: those of single zones.
            default: those of all others.
            loss_max: which part of a zone's names may go by one transfer.
            signer: signs some of them.
            store: keeps what is more than what a file says; None: that ends with the process.
        """
        self.on_published: list[Callable[[Published], None]] = []  # told in this order, before anything else happens
        self.on_withheld: list[Callable[[Name], None]] = []  # told when a zone is withheld, or is not any more
        self.published: Counter[str] = Counter()  # versions, by cause
        self.refused: Counter[str] = Counter()  # versions that must not be served, by cause
        self._loss_max = loss_max
        self._store = store
        self._answering: dict[Name, Zone] = {}
        self._withheld: dict[Name, ExtendedError] = {}
        self._rules = dict(rules or {})
        self._default = default
        self._signer = signer
        self._zones: dict[Name, Zone] = {}
        self._histories: dict[Name, _History] = {}
        self._under_way: set[asyncio.Task[Any]] = set()
        self._ahead = asyncio.Lock()  # kept as a whole one after the other: threads are few, and the store is one

    @property
    def zones(self) -> Mapping[Name, Zone]:
        """What is served, by origin."""
        return self._zones

    @property
    def answering(self) -> Mapping[Name, Zone]:
        """The zones but for those that are withheld."""
        return self._answering

    @property
    def withheld(self) -> Mapping[Name, ExtendedError]:
        """Why questions about these zones get no answer for now; some of them may not be there at all."""
        return self._withheld

    def withhold(self, origin: Name, why: ExtendedError | None) -> None:
        """Answer nothing about the zone from now on, and say why; None: answer again, if it is there."""
        if self._withheld.get(origin) == why:
            return
        if why is None:
            del self._withheld[origin]
        else:
            self._withheld[origin] = why
        self._gather()
        for tell in self.on_withheld:
            tell(origin)

    def _gather(self) -> None:
        self._answering = {origin: zone for origin, zone in self._zones.items() if origin not in self._withheld}

    @property
    def began(self) -> Mapping[Name, bytes]:
        """The digests of the files that zones began from, by origin."""
        return {origin: each.source.digest for origin, each in self._histories.items() if each.source is not None}

    def rules(self, origin: Name) -> ZoneRules:
        """Return what holds for the zone."""
        return self._rules.get(origin, self._default)

    def journal(self, origin: Name) -> Journal:
        """Return the steps that led to what is served."""
        return self._history(origin).journal

    async def offer(self, read: Zone, source: Source) -> Offer:
        """Say what a file, as it is now, has to say about its zone."""
        history, served = self._history(read.origin), self._zones.get(read.origin)
        stands = None if served is None else fence_of(served)
        fenced = not isinstance(stands, Fence) or stands == fence_of(read)
        offer = offer_of(source, began=history.source, changed=history.changed, served=_serial(served), fenced=fenced)
        if offer is Offer.BEHIND and not await _changes(served, read):
            return Offer.NEW  # it says what is served: somebody has brought it up to date
        return offer

    async def restore(self, stored: Stored) -> None:
        """Serve again what was served when the process before ended. It was judged then; what signs it looks anew.

        Raises:
            StoreError: it is to be signed no more, and that cannot be kept.
        """
        zone = stored.zone
        history = self._history(zone.origin)
        history.records = records_of(zone)
        history.journal = Journal(stored.steps, zone_records=history.records)
        history.source, history.changed, history.kept = stored.source, stored.changed, True
        made: tuple[Change, ...] = ()
        signs, source = self._signs(zone.origin), stored.source
        if signs:
            with suppress(UnfitZone):  # it is told already, and the signatures from before hold for a while
                zone, made = await self._sign(zone, zone, ())
        elif stored.changed and source is not None and source.signed:  # nobody would keep its signatures right
            made = tuple(unsigned(zone))
            zone = apply(zone, made)
        if made:
            again = Published(origin=zone.origin, before=stored.zone, after=zone, changes=made, cause="signing")
            try:
                await self._keep(history, again, source and replace(source, signed=signs))
            except StoreError as error:
                if not signs:
                    raise
                log.warning("store.write_failed", detail=str(error))
                zone = stored.zone  # whose signatures hold for a while: a full disk is no reason not to answer
        self._swap(Published(origin=zone.origin, before=None, after=zone, changes=(), cause="state"))

    async def publish(
        self,
        new: Zone,
        *,
        base: Zone | None,
        cause: Cause,
        changes: Sequence[Change] | None = None,
        judged: bool = False,
        source: Source | None = None,
    ) -> Published:
        """Serve `new` from now on. What was begun is ended, even when who waits for it is gone.

        Args:
            new: the version to be served.
            base: what it was made from, which must be what is served; None: nothing is served yet.
            cause: where it comes from.
            changes: what it differs in from `base`; None: that is found out.
            judged: it was judged before, as is what comes from a file, with its lines.
            source: the file that it comes from, if it does.

        Returns:
            What is served. Without a change that is `base` itself, and nobody is told.

        Raises:
            StaleZone: something else is served than `base`.
            UnfitZone: it must not be served.
            StoreError: it cannot be kept.
        """
        work = self._publish(new, base, cause, changes, judged=judged, source=source)
        return await asyncio.shield(self._begin(work))

    async def settle(self) -> None:
        """Wait until all that was begun is ended."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _publish(
        self,
        new: Zone,
        base: Zone | None,
        cause: Cause,
        changes: Sequence[Change] | None,
        *,
        judged: bool,
        source: Source | None,
    ) -> Published:
        """Do it all, in this order."""
        history = self._history(new.origin)
        async with history.lock:
            self._compare(new, base)
            made = await _changes(base, new) if changes is None else tuple(changes)
            if (base is None or made) and not judged:
                await self._judge(new, base, cause, changes)
            if (base is None or made) and self._signs(new.origin) and cause != "signing":
                new, made = await self._sign(new, base, made)
            if base is not None and not made:
                await self._rebase(history, new.origin, source)
                return Published(origin=new.origin, before=base, after=base, changes=(), cause=cause)
            changes = made if base is not None else ()
            published = Published(origin=new.origin, before=base, after=new, changes=changes, cause=cause)
            await self._keep(history, published, source)
            self._swap(published)
        if self._store is not None and not history.kept and self.rules(new.origin).allow_update != NOBODY:
            self._begin(self._keep_whole(self._store, history, new.origin))
        return published

    def _swap(self, published: Published) -> None:
        self.published[published.cause] += 1
        self._zones[published.origin] = published.after
        self._gather()
        for tell in self.on_published:
            tell(published)

    async def _rebase(self, history: _History, origin: Name, source: Source | None) -> None:
        """Have the zone as it is begin from another file, which says the same."""
        if source is None:
            return
        if self._store is not None and history.kept:
            await asyncio.to_thread(self._store.rebase, origin, source)
        history.source, history.changed = source, False

    async def _keep(self, history: _History, published: Published, source: Source | None) -> None:
        """Put the step into the history, but first on the disk where there is more to a zone than its file."""
        new, before, is_file = published.after, published.before, published.cause == "file"
        source = source or history.source
        changed = not is_file and (history.changed or published.cause != "signing")
        kept = self._store is not None and (history.kept or not is_file or self._signs(new.origin))

        def keep() -> tuple[int, Delta | None]:
            records, step = _step(published, history.records)
            if self._store is not None and kept:
                after_kept = step if history.kept else None  # else what is on the disk, if anything, is not before it
                self._store.commit(new, after_kept, source=source, changed=changed, records=records)
            return records, step

        records, step = await asyncio.to_thread(keep) if kept else keep()
        history.records, history.source, history.changed, history.kept = records, source, changed, kept
        if step is not None:
            history.journal.add(step, zone_records=records)
        else:
            history.journal.clear()
        if before is not None and not later(new.serial, before.serial):
            log.warning("zone.serial", zone=new.origin, serial=new.serial, before=before.serial)

    async def _keep_whole(self, store: ZoneStore, history: _History, origin: Name) -> None:
        """Put a zone that clients may change on the disk, so that not the first of them has to wait for all of it."""
        async with self._ahead, history.lock:
            if history.kept:
                return
            commit = partial(store.commit, source=history.source, changed=history.changed, records=history.records)
            try:
                await asyncio.to_thread(commit, self._zones[origin], None)
            except StoreError as error:  # the first change will try again, and tell
                log.warning("store.write_failed", detail=str(error))
            else:
                history.kept = True

    def _compare(self, new: Zone, base: Zone | None) -> None:
        served = self._zones.get(new.origin)
        if served is not base:
            raise StaleZone(new.origin, held=_serial(base), current=_serial(served))

    async def _judge(self, new: Zone, base: Zone | None, cause: Cause, changes: Sequence[Change] | None) -> None:
        """Judge a version: by what it says that it changes, or else the whole of it, which takes seconds.

        Only a transfer may take too many names: what is changed here says itself what is to go.
        """
        promises = self.rules(new.origin).promises
        loss_max = self._loss_max if cause == "transfer" else 1.0
        if base is None or changes is None:
            whole = partial(judge, Draft.of(new), promises, before=base, loss_max=loss_max)
            faults = (await asyncio.to_thread(whole))[0]
        elif len(changes) > INLINE_MAX:
            faults = await asyncio.to_thread(judge_changes, base, new, changes, promises, loss_max=loss_max)
        else:
            faults = judge_changes(base, new, changes, promises, loss_max=loss_max)
        if faults:
            self.refused[cause] += 1
            log.error(
                "zone.refused",
                zone=new.origin,
                cause=cause,
                faults=len(faults),
                first=faults[0].text,
                stays=base is not None,
            )
            raise UnfitZone(new.origin, faults)

    def _signs(self, origin: Name) -> bool:
        return self._signer is not None and self._signer.signs(origin)

    async def _sign(self, new: Zone, base: Zone | None, changes: tuple[Change, ...]) -> tuple[Zone, tuple[Change, ...]]:
        """Return what is served for `new`, and what it differs in from `base`, or without one from `new`."""
        assert self._signer is not None
        try:
            return await asyncio.to_thread(self._signer.sign, new, base, changes)
        except CannotSign as error:
            log.error("zone.unsigned", zone=new.origin, reason=error.reason, stays=base is not None)
            raise UnfitZone(new.origin, [Fault(file="", line=0, text=str(error))]) from error

    def _history(self, origin: Name) -> _History:
        return self._histories.setdefault(origin, _History())


def records_of(zone: Zone) -> int:
    """Return how many records there are in `zone`."""
    return sum(len(rrset.rdatas) for rrset in zone.rrsets())


def _step(published: Published, records: int) -> tuple[int, Delta | None]:
    """Return how many records the zone has now, of `records` before, and the step that led there, if it is kept."""
    before, after = published.before, published.after
    if before is None:
        return records_of(after), None
    go, come = counted(published.changes)
    records += come - go
    if not later(after.serial, before.serial) or not worth_a_step(go + come, zone_records=records):
        return records, None
    return records, Delta(before=before.serial, after=after.serial, changes=published.changes, records=go + come)


def fence_of(zone: Zone) -> Standing:
    """Return what stands in `zone` at its fence's place."""
    return standing_in(zone.rrset(fence_name(zone.origin), RRType.TXT))


def _serial(zone: Zone | None) -> int | None:
    return None if zone is None else zone.serial


async def _changes(base: Zone | None, new: Zone) -> tuple[Change, ...]:
    return () if base is None else tuple(await asyncio.to_thread(difference, base, new))
