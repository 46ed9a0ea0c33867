"""The signer beside zones that are served: what is signed when, through restarts, lost keys and whole rolls."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path

import pytest

from signed import NOW, validate
from standfast.authority.compact import CompactDenial
from standfast.authority.keyroll import KeyRing, Timing, begin
from standfast.authority.keys import ED25519
from standfast.authority.signatures import tags_of
from standfast.authority.signing import SigningPolicy
from standfast.authority.zone import Zone
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.dns.servers import Server
from standfast.io.authority import signer as module
from standfast.io.authority.key_files import KeyFiles
from standfast.io.authority.signer import Signer
from standfast.io.authority.zones import ServedZones, StaleZone, UnfitZone
from zones import zone

ORIGIN = "example.org."


def in_a_loop(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Run a test that waits."""

    @wraps(test)
    def run(**fixtures: object) -> None:
        asyncio.run(test(**fixtures))

    return run


SOURCE = "www A 192.0.2.1\nftp A 192.0.2.2\ncut NS ns\n*.w A 192.0.2.3\n"
POLICY = SigningPolicy(
    algorithm=ED25519,
    lifetime_s=1_000_000,
    timing=Timing(propagation_s=600, parent_propagation_s=600, ds_ttl_s=7_200),
    parent=(Server("127.0.0.1", 53),),
)
STEP_S = 600.0


@dataclass
class World:
    """A server with one signed zone, its parent, and a clock that is set."""

    folder: Path
    policy: SigningPolicy = POLICY
    now_s: float = NOW
    at_parent: Collection[bytes] | None = ()
    looks: list[Name] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin anew, with what is on the disk."""
        self.files = KeyFiles(self.folder / "keys")
        self.signer = Signer(self.files, {ORIGIN: self.policy}, wall=lambda: self.now_s, ask_parent=self.ask)
        self.signer.on_look.append(self.looks.append)
        self.served = ServedZones(signer=self.signer)

    async def ask(self, origin: Name, servers: Sequence[Server]) -> Collection[bytes] | None:
        return self.at_parent

    async def publish(self, new: Zone) -> Zone:
        await self.served.publish(new, base=self.served.zones.get(ORIGIN), cause="file", judged=True)
        return self.zone

    @property
    def zone(self) -> Zone:
        return self.served.zones[ORIGIN]

    async def round(self) -> None:
        async def publish(new: Zone, *, base: Zone, changes: Sequence[Change]) -> bool:
            try:
                await self.served.publish(new, base=base, cause="signing", changes=changes, judged=True)
            except StaleZone:
                return False
            return True

        await self.signer.round(self.zone, publish)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@in_a_loop
async def test_what_is_served_is_signed_and_a_change_signs_what_it_touches(world: World) -> None:
    first = await world.publish(zone(SOURCE))
    validate(first)
    assert first.serial == 1
    again = await world.publish(zone(SOURCE))
    assert again is first  # nothing changed
    after = await world.publish(zone(SOURCE.replace("192.0.2.1\n", "192.0.2.9\n")))
    validate(after)
    assert after.serial == 2
    changed = {
        (owner, covered)
        for owner, node in after.signatures.items()
        for covered, rrset in node.items()
        if first.signature(owner, covered) != rrset
    }
    assert changed == {(ORIGIN, RRType.SOA), (f"www.{ORIGIN}", RRType.A)}


@in_a_loop
async def test_after_a_restart_signatures_are_used_again(world: World) -> None:
    first = await world.publish(zone(SOURCE))
    world.start()
    world.now_s += 1_000
    again = await world.publish(first)  # as the store kept it
    assert (again.signatures, again.serial) == (first.signatures, 1)
    assert again.nodes == first.nodes


@in_a_loop
async def test_a_zone_that_was_served_unsigned_advances_when_it_is_signed(world: World) -> None:
    unsigned = zone(SOURCE)
    after, made = world.signer.sign(unsigned, unsigned, ())
    validate(after)
    assert made
    assert after.serial == unsigned.serial + 1


@in_a_loop
async def test_lost_keys_are_not_made_anew_and_what_was_served_stays(world: World) -> None:
    first = await world.publish(zone(SOURCE))
    for path in world.files.folder.iterdir():
        path.unlink()
    world.start()
    with pytest.raises(UnfitZone, match=r"is gone - bring it back from a backup\. Without one have the parent"):
        await world.publish(first)
    assert not list(world.files.folder.glob("*.pem"))


@in_a_loop
async def test_a_key_that_is_gone_is_told_and_nothing_is_signed(world: World) -> None:
    await world.publish(zone(SOURCE))
    next(world.files.folder.glob("*.pem")).unlink()
    world.start()
    with pytest.raises(UnfitZone, match="is not there, and the zone is signed by it"):
        await world.publish(zone(SOURCE))
    assert not world.served.zones
    assert world.signer.failures == 1


@in_a_loop
async def test_a_source_that_brings_keys_of_its_own_is_refused(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    signed = await other.publish(zone(SOURCE))
    first = await world.publish(zone(SOURCE))
    with pytest.raises(UnfitZone, match="has a DNSKEY record, which is made by who signs the zone"):
        await world.publish(signed)
    assert world.zone is first


@in_a_loop
async def test_an_update_cannot_bring_a_signature(world: World) -> None:
    first = await world.publish(zone(SOURCE))
    cds = first.rrset(ORIGIN, RRType.CDS)
    assert cds is None  # not before every cache has seen the zone signed
    bad = rrset_from_text(ORIGIN, RRType.CDS, 60, ["0 0 0 00"])
    with pytest.raises(UnfitZone, match="has a CDS record"):
        await world.served.publish(
            first, base=first, cause="update", changes=[Change(before=None, after=bad)], judged=True
        )


@in_a_loop
async def test_signatures_never_end_while_the_server_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_MAX", 10)
    await world.publish(zone(SOURCE + "".join(f"n{number} A 192.0.2.7\n" for number in range(10))))
    serials = [world.zone.serial]
    for _ in range(60):
        world.now_s += 40_000
        for _ in range(6):
            await world.round()
        validate(world.zone, world.now_s)
        serials.append(world.zone.serial)
    assert serials == sorted(serials)
    assert len(set(serials)) > 20


@in_a_loop
async def test_a_version_that_came_in_between_is_signed_in_the_next_round(world: World) -> None:
    await world.publish(zone(SOURCE))
    world.now_s += 900_000
    stale = world.zone
    await world.publish(zone(SOURCE + "new A 192.0.2.8\n"))

    async def publish(new: Zone, *, base: Zone, changes: Sequence[Change]) -> bool:
        return False

    await world.signer.round(stale, publish)
    await world.round()
    await world.round()
    validate(world.zone, world.now_s)


@pytest.mark.parametrize("split", [False, True])
@in_a_loop
async def test_a_whole_roll_through_restarts(world: World, split: bool) -> None:
    world.policy = replace(POLICY, split=split)
    world.start()
    await world.publish(zone(SOURCE))
    old = {state.id for state in ring(world).keys}
    told = await steps(world, 30)
    assert len(told) == 1  # the parent knows of the first key
    roles = ["ksk", "zsk"] if split else ["csk"]
    for role in roles:
        with world.files.locked():
            before = ring(world)
            key = world.files.make(ORIGIN, role, ED25519, frozenset(old))  # type: ignore[arg-type]
            world.files.save(ORIGIN, begin(before, key.tag, role))  # type: ignore[arg-type]
    told = await steps(world, 120, restart_each=7)
    assert len(told) == 2  # and then of the other
    assert not old & {state.id for state in ring(world).keys}
    assert len(ring(world).keys) == len(old)
    assert len(list(world.files.folder.glob("*.pem"))) == len(old)
    used = {tag for node in world.zone.signatures.values() for each in node.values() for tag in tags_of(each)}
    assert used == {state.id for state in ring(world).keys}


@in_a_loop
async def test_a_crash_between_the_ring_and_the_zone_leaves_no_key_behind(world: World) -> None:
    kept = await world.publish(zone(SOURCE))
    left = ring(world)
    key = world.files.make(ORIGIN, "csk", ED25519, frozenset(state.id for state in left.keys))
    world.files.save(ORIGIN, replace(left, keys=tuple(replace(state, id=key.tag) for state in left.keys)))
    world.start()
    with pytest.raises(UnfitZone):  # of a zone that no key of the ring has signed nobody knows whose it is
        await world.publish(kept)
    world.files.save(ORIGIN, begin(left, key.tag, "csk"))
    world.start()
    both = await world.publish(kept)
    assert len(both.nodes[ORIGIN][RRType.DNSKEY].rdatas) == 2
    world.files.save(ORIGIN, left)
    world.start()
    after = await world.publish(both)
    validate(after)
    assert len(after.nodes[ORIGIN][RRType.DNSKEY].rdatas) == 1
    assert after.serial == both.serial + 1


def ring(world: World) -> KeyRing:
    found = world.files.ring(ORIGIN)
    assert found is not None
    return found


async def steps(world: World, count: int, restart_each: int = 0) -> list[RRset]:
    """Let time pass; the parent takes what CDS says after an hour. Return what it took, each once."""
    taken: list[RRset] = []
    since_s = world.now_s
    for step in range(count):
        world.now_s += STEP_S
        if restart_each and step % restart_each == 0:
            kept = world.zone
            world.start()
            await world.publish(kept)
        await world.round()
        validate(world.zone, world.now_s)
        cds = world.zone.rrset(ORIGIN, RRType.CDS)
        if cds is None or cds in taken:
            since_s = world.now_s
        elif world.now_s - since_s > 3_600:
            taken.append(cds)
            world.at_parent = cds.rdatas
    return taken


@in_a_loop
async def test_answers_that_are_signed_when_asked_are_signed_anew_in_time(world: World) -> None:
    world.policy = replace(POLICY, denial="compact")
    world.start()
    await world.publish(zone(SOURCE))
    assert isinstance(world.zone.denial, CompactDenial)
    for _ in range(3):
        world.now_s += POLICY.lifetime_s / 50
        await world.round()
    assert world.looks == [ORIGIN] * 3
    assert isinstance(world.zone.denial, CompactDenial)


@in_a_loop
async def test_rounds_go_on_when_one_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUND_S", 0.01)
    await world.publish(zone(SOURCE))
    path = next(world.files.folder.glob("*.json"))
    good = path.read_text()
    path.write_text("{")

    async def publish(new: Zone, *, base: Zone, changes: Sequence[Change]) -> bool:
        return True

    task = asyncio.create_task(world.signer.rounds(lambda: world.served.zones, publish))
    while not world.signer._watches[ORIGIN].again_s:
        await asyncio.sleep(0.01)
    assert world.signer.failures == 1
    path.write_text(good)
    world.now_s += 10 * module.FAILED_S
    while not world.looks:
        await asyncio.sleep(0.01)
    task.cancel()
