"""Signs the zones that are to be signed: each new version before it is served, and what falls due in between.

Decides nothing of keys and signatures: `authority.keyroll` and `authority.signing` do. Here are their clock, their
files, and the order of a round: decide, keep, publish, note what is served, keep.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from standfast.authority.compact import compact
from standfast.authority.diff import apply
from standfast.authority.keyroll import KeyId, KeyRing, decide, ds_seen, duties, first, phase, served
from standfast.authority.keys import Key, Role, key_tag
from standfast.authority.signing import (
    NOT_IN_SOURCE,
    Signing,
    SigningPolicy,
    due_signatures,
    is_signed,
    not_in_source,
    resign,
    sign,
    unfit_source,
)
from standfast.authority.zone import Zone
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRType
from standfast.dns.servers import Server
from standfast.errors import StandfastError
from standfast.io.authority.key_files import KeyFileError, KeyFiles

ROUND_S: Final = 5.0  # between two looks at the keys of all zones: soon enough for who has just ordered a roll
BATCH_MAX: Final = 2_000  # signatures made anew in one version of a zone, some 0.2 s of work
SOON_S: Final = 0.05  # between two batches
PARENT_S: Final = 60.0  # between two looks at the parent's DS, while one is waited for
FAILED_S: Final = 60.0  # until a zone that could not be signed is tried again

log = structlog.get_logger("standfast.authority")


class CannotSign(StandfastError):
    """A zone that is to be signed, and cannot be. Fields: `origin`, `reason`."""

    def __init__(self, origin: Name, reason: str) -> None:
        super().__init__(f"{origin} cannot be signed: {reason}")
        self.origin = origin
        self.reason = reason


class Publish(Protocol):
    """What makes a version of a zone the one that is served."""

    async def __call__(self, new: Zone, *, base: Zone, changes: Sequence[Change]) -> bool:
        """Serve `new`, which is `base` with `changes`; False where something else than `base` is served by now."""
        ...


AskParent = Callable[[Name, Sequence[Server]], Awaitable[Collection[bytes] | None]]


@dataclass(slots=True)
class _Watch:
    """When a zone is to be looked at, and what is left to do."""

    due: list[tuple[Name, int]] = field(default_factory=list)  # signatures that are to be made anew
    signers: tuple[KeyId, ...] = ()  # the keys that these were looked for with
    clean: bool = False  # the last look found nothing: no signature of a key that signs no more is served
    look_s: float = 0.0
    parent_s: float = 0.0
    again_s: float = 0.0  # after a failure


class Signer:
    """Signs every zone that has a policy."""

    def __init__(
        self,
        files: KeyFiles,
        policies: Mapping[Name, SigningPolicy],
        *,
        wall: Callable[[], float],
        ask_parent: AskParent,
    ) -> None:
        """Sign nothing yet. `wall` tells the seconds since the epoch."""
        self.on_look: list[Callable[[Name], None]] = []  # told now and then that answers are to be signed anew
        self.failures = 0  # of versions that could not be signed, and of rounds
        self._files = files
        self._policies = policies
        self._wall = wall
        self._ask_parent = ask_parent
        self._watches = {origin: _Watch() for origin in policies}
        self._keys: dict[Name, tuple[frozenset[KeyId], Mapping[KeyId, Key]]] = {}

    @property
    def due(self) -> int:
        """How many signatures are to be made anew, and are not yet."""
        return sum(len(watch.due) for watch in self._watches.values())

    def signs(self, origin: Name) -> bool:
        """Say whether the zone is to be signed."""
        return origin in self._policies

    def sign(self, new: Zone, base: Zone | None, changes: Sequence[Change]) -> tuple[Zone, tuple[Change, ...]]:
        """Return what is to be served for `new`, and all that it changes. It takes a while: call it in a thread.

        Args:
            new: a version as its source makes it, or, where nothing is served yet, as this signer once signed it.
            base: what is served, if anything is.
            changes: what `new` differs in from `base`.

        Raises:
            CannotSign: the source brings what a signer makes, or the keys cannot be used.
        """
        origin = new.origin
        before = new if base is None else base
        try:
            with self._files.locked():
                ring = self._files.ring(origin) or self._first_ring(before)
                keys = self._keys_of(origin, ring)
            is_ours = _is_ours(before, keys.values())
            _see_to_fit(new, changes, is_ours=is_ours, is_first=base is None)
            signing = self._signing(origin, ring, keys)
            was_served = base is not None or is_ours
            made = sign(before, changes, signing, served_serial=before.serial if was_served else None)
            self._keep_ttls(origin, before if base is None else None, made)
        except (KeyFileError, CannotSign) as error:
            self.failures += 1
            raise CannotSign(origin, error.reason if isinstance(error, CannotSign) else str(error)) from error
        return self._finished(apply(before, made), signing), tuple(made)

    async def rounds(self, zones: Callable[[], Mapping[Name, Zone]], publish: Publish) -> None:
        """See to keys and signatures of all zones, for ever."""
        while True:
            for origin, watch in self._watches.items():
                zone = zones().get(origin)
                if zone is None or not is_signed(zone) or self._wall() < watch.again_s:
                    continue
                try:
                    await self.round(zone, publish)
                except Exception as error:  # whatever it is: the signatures of other zones must not end for it
                    watch.again_s = self._wall() + FAILED_S
                    self.failures += 1
                    trace = not isinstance(error, StandfastError)
                    log.error("signing.failed", zone=origin, reason=str(error), exc_info=trace)
            await asyncio.sleep(SOON_S if any(watch.due for watch in self._watches.values()) else ROUND_S)

    async def round(self, zone: Zone, publish: Publish) -> None:
        """Take every step that is due by now for one zone, of its signatures no more than BATCH_MAX.

        Raises:
            StandfastError: of the files of keys, or of `publish`.
        """
        origin, watch = zone.origin, self._watches[zone.origin]
        before, ring, keys = await asyncio.to_thread(self._decided, origin)
        signing = self._signing(origin, ring, keys)
        await self._look(zone, signing, watch)
        batch, rest = watch.due[:BATCH_MAX], watch.due[BATCH_MAX:]
        changes = await asyncio.to_thread(resign, zone, batch, signing)
        if changes:
            after = self._finished(apply(zone, changes), signing)
            if not await publish(after, base=zone, changes=changes):
                return  # from the start, in the next round
            log.info("zone.resigned", zone=origin, serial=after.serial, signatures=len(batch), left=len(rest))
            zone = after
        watch.due = rest
        if batch and not rest:
            watch.look_s = 0.0  # an update may have come in between, signed by the key from before
        at_parent = await self._at_parent(origin, ring, keys, watch)
        await asyncio.to_thread(self._note, zone, before, at_parent, clean=watch.clean)

    def _decided(self, origin: Name) -> tuple[KeyRing, KeyRing, Mapping[KeyId, Key]]:
        """Return the ring as it was and as it is from now on, and the keys in it."""
        with self._files.locked():
            before = self._files.ring(origin)
            if before is None:
                path = self._files.ring_path(origin)
                raise KeyFileError(path, "is gone, and the zone is signed", "Bring it back from a backup.")
            ring = decide(before, self._policies[origin].timing, self._wall())
            keys = self._keys_of(origin, ring)
            if ring != before:
                self._files.save(origin, ring)
        return before, ring, keys

    async def _look(self, zone: Zone, signing: Signing, watch: _Watch) -> None:
        """Find what is due, now and then, and whenever other keys sign."""
        signers = tuple(key.tag for key in (*signing.keys.sign_keys, *signing.keys.sign_data))
        if watch.signers == signers and (watch.due or signing.now < watch.look_s):
            return
        watch.clean = False
        due = await asyncio.to_thread(due_signatures, zone, signing)
        watch.due, watch.look_s, watch.signers = list(due.now), due.next_at_s, signers
        watch.clean = not watch.due
        for tell in self.on_look:
            tell(zone.origin)

    async def _at_parent(
        self, origin: Name, ring: KeyRing, keys: Mapping[KeyId, Key], watch: _Watch
    ) -> Collection[KeyId] | None:
        """Return of which keys the parent has a DS, where one is waited for; None where nobody said."""
        servers = self._policies[origin].parent
        waiting = any(state.offered and state.ds_seen_s is None for state in ring.keys)
        if not servers or not waiting or self._wall() < watch.parent_s:
            return None
        watch.parent_s = self._wall() + PARENT_S
        found = await self._ask_parent(origin, servers)
        return None if found is None else [id_ for id_, key in keys.items() if key.is_in(origin, found)]

    def _note(self, zone: Zone, before: KeyRing, at_parent: Collection[KeyId] | None, *, clean: bool) -> None:
        """Keep what has happened by now: what is served, and what was seen. The ring may have changed meanwhile."""
        origin = zone.origin
        with self._files.locked():
            ring = self._files.ring(origin)
            if ring is None:
                return
            published = {key_tag(rdata) for rdata in zone.nodes[origin][RRType.DNSKEY].rdatas}
            signing = {state.id for state in ring.keys if state.signs or not clean}
            noted = served(ring, published, signing, self._wall())
            if at_parent is not None:
                noted = ds_seen(noted, at_parent, self._wall())
            if noted != ring:
                self._files.save(origin, noted)
            for gone in {state.id for state in before.keys} - {state.id for state in noted.keys} - published:
                self._files.discard(origin, gone)
        if noted != before:
            keys = ", ".join(
                f"{state.id} {phase(noted, self._policies[origin].timing, state)[0]}" for state in noted.keys
            )
            log.info("zone.keys", zone=origin, keys=keys)

    def _first_ring(self, zone: Zone) -> KeyRing:
        """Make the first keys of a zone that was never signed."""
        origin, policy = zone.origin, self._policies[zone.origin]
        if is_signed(zone):
            path = self._files.ring_path(origin)
            raise CannotSign(
                origin,
                f"it is signed already; by others: take sign = true away. By this server: {path} is "
                "gone - bring it back from a backup. Without one have the parent take the DS away, wait until its TTL "
                "is over, and serve it with sign = false before it is signed again",
            )
        made: list[Key] = []
        roles: Sequence[Role] = ("ksk", "zsk") if policy.split else ("csk",)
        for role in roles:
            made.append(self._files.make(origin, role, policy.algorithm, frozenset(key.tag for key in made)))
        ring = first({key.tag: key.role for key in made})
        self._files.save(origin, ring)
        log.info("zone.keys", zone=origin, keys=", ".join(f"{key.tag} new" for key in made))
        return ring

    def _keys_of(self, origin: Name, ring: KeyRing) -> Mapping[KeyId, Key]:
        ids = frozenset(state.id for state in ring.keys)
        found = self._keys.get(origin)
        if found is None or found[0] != ids:
            found = self._keys[origin] = ids, self._files.keys(origin, ring)
        return found[1]

    def _signing(self, origin: Name, ring: KeyRing, keys: Mapping[KeyId, Key]) -> Signing:
        return Signing(keys=duties(ring, keys), policy=self._policies[origin], now=self._wall())

    def _finished(self, zone: Zone, signing: Signing) -> Zone:
        return compact(zone, signing, self._wall) if signing.policy.denial == "compact" else zone

    def _keep_ttls(self, origin: Name, whole: Zone | None, made: Sequence[Change]) -> None:
        """Keep the largest TTL that is served from now on."""
        ttls = [change.after.ttl_s for change in made if change.after is not None]
        if whole is not None:
            ttls += [rrset.ttl_s for rrset in whole.rrsets()]
        with self._files.locked():
            ring = self._files.ring(origin)
            if ring is None:
                return
            after = ring.with_ttls(max(ttls, default=0), self._policies[origin].dnskey_ttl_s)
            if after != ring:
                self._files.save(origin, after)


def _is_ours(zone: Zone, keys: Collection[Key]) -> bool:
    """Say whether `zone` was signed with one of `keys`; others in it may have left the ring before it was published."""
    dnskeys = zone.rrset(zone.origin, RRType.DNSKEY)
    return dnskeys is not None and not {key.dnskey for key in keys}.isdisjoint(dnskeys.rdatas)


def _see_to_fit(new: Zone, changes: Sequence[Change], *, is_ours: bool, is_first: bool) -> None:
    """See that the source brings nothing that only a signer makes.

    Raises:
        CannotSign: it does.
    """
    if is_first:
        wrong = None if is_ours else next(unfit_source(new), None)
    else:
        brought = (change.after for change in changes if change.after is not None)
        wrong = next((not_in_source(rrset) for rrset in brought if rrset.rtype in NOT_IN_SOURCE), None)
    if wrong is not None:
        raise CannotSign(new.origin, f"{wrong} - take it out, or sign = true away")
