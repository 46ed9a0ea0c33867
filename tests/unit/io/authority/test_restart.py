"""Zones over restarts: what clients changed goes on, and a file takes its place only if it knows of it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import pytest
import structlog.testing

from standfast.authority.access import Access, ZoneRules
from standfast.authority.diff import apply, difference
from standfast.authority.remote import Remote
from standfast.authority.serials import later
from standfast.authority.signing import SigningPolicy, is_signed
from standfast.authority.zone import SERIAL_AT, Zone
from standfast.dns.changes import Change
from standfast.dns.codec import rrset_from_text
from standfast.dns.model import RRType
from standfast.dns.servers import Server
from standfast.io.authority.service import AuthorityService
from standfast.io.authority.store import FILE_NAME, ZoneStore
from standfast.io.authority.zone_files import read_zone
from standfast.io.authority.zones import ServedZones
from standfast.io.clients.cookies import Cookies
from standfast.io.settings.authority import AuthorityConfig
from standfast.io.state.state_dir import StoreError, claim

ORIGIN: Final = "example.org."
WWW: Final = "www.example.org."
ZONE: Final = "$TTL 300\n@ SOA ns h {} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.{}\n"
RULES: Final = ZoneRules(allow_update=Access(keys=frozenset({"updater.example."})))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "example.org.zone"
    path.write_text(ZONE.format(1, 1))
    return path


@asynccontextmanager
async def serving(file: Path) -> AsyncIterator[AuthorityService]:
    config = AuthorityConfig(listen=(), zones=(file,), state_dir=file.parent / "state", default_rules=RULES)
    async with AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time) as service:
        yield service


async def change(service: AuthorityService, name: str, cause: str = "update") -> Zone:
    """Add a name as an update does, and the serial goes up by one."""
    return await change_in(service._served, name, cause)


async def change_in(served: ServedZones, name: str, cause: str = "update") -> Zone:
    zone = served.zones[ORIGIN]
    soa = zone.soa.rdatas[0]
    serial = (zone.serial + 1).to_bytes(4, "big")
    after = type(zone.soa)(
        owner=ORIGIN, rtype=RRType.SOA, ttl_s=300, rdatas=(soa[:SERIAL_AT] + serial + soa[SERIAL_AT + 4 :],)
    )
    added = rrset_from_text(f"{name}.example.org.", RRType.A, 60, ["192.0.2.77"])
    changes = (Change(before=zone.soa, after=after), Change(before=None, after=added))
    published = await served.publish(
        apply(zone, changes), base=zone, cause="update" if cause == "update" else "transfer", changes=changes
    )
    return published.after


def said(file: Path, *scenes: Callable[[AuthorityService], object]) -> tuple[int, set[str], str]:
    """Start and end the service once for each scene; return serial, names below the zone and the address of www."""

    async def play() -> tuple[int, set[str], str]:
        for scene in scenes:
            async with serving(file) as service:
                found = scene(service)
                if asyncio.iscoroutine(found):
                    await found
        async with serving(file) as service:
            zone = service.zones[ORIGIN]
            names = {owner.removesuffix(".example.org.") for owner in zone.nodes} - {ORIGIN, "ns"}
            www = zone.rrset(WWW, RRType.A)
            assert www is not None
            return zone.serial, names, ".".join(map(str, www.rdatas[0]))

    return asyncio.run(play())


def rewrite(file: Path, serial: int, address: int) -> Callable[[AuthorityService], object]:
    return lambda _service: file.write_text(ZONE.format(serial, address))


def add(name: str) -> Callable[[AuthorityService], object]:
    return lambda service: change(service, name)


def test_what_clients_changed_goes_on_with_the_steps_that_led_to_it(file: Path) -> None:
    assert said(file, add("one"), add("two")) == (3, {"www", "one", "two"}, "192.0.2.1")

    async def history() -> None:
        async with serving(file) as service:
            steps = service._served.journal(ORIGIN).since(1)
            assert steps is not None
            assert [step.after for step in steps] == [2, 3]

    asyncio.run(history())


def test_a_file_with_a_later_serial_takes_the_place_of_what_clients_changed(file: Path) -> None:
    assert said(file, add("one"), rewrite(file, 9, 2), add("two")) == (10, {"www", "two"}, "192.0.2.2")


@pytest.mark.parametrize("serial", [1, 2])
def test_a_file_without_a_later_serial_is_refused_and_what_clients_changed_goes_on(file: Path, serial: int) -> None:
    with structlog.testing.capture_logs() as logs:
        assert said(file, add("one"), rewrite(file, serial, 2)) == (2, {"www", "one"}, "192.0.2.1")
    (refused,) = [each for each in logs if each["event"] == "zone.refused"]
    assert refused["stays"]
    assert f"serial {serial} is not later than 2" in refused["first"]


def test_a_file_that_says_what_clients_changed_is_taken_whatever_its_serial(file: Path) -> None:
    def export(_service: AuthorityService) -> None:
        file.write_text(ZONE.format(2, 1) + "one 60 A 192.0.2.77\n")

    with structlog.testing.capture_logs() as logs:
        assert said(file, add("one"), export, rewrite(file, 2, 5)) == (2, {"www"}, "192.0.2.5")
    assert not [each for each in logs if each["event"] == "zone.refused"]


def test_a_file_that_cannot_be_read_leaves_what_clients_changed(file: Path) -> None:
    assert said(file, add("one"), lambda _: file.write_text("nonsense")) == (2, {"www", "one"}, "192.0.2.1")
    file.unlink()
    assert said(file) == (2, {"www", "one"}, "192.0.2.1")


def test_a_file_that_comes_back_after_the_start_does_not_undo_what_clients_changed(tmp_path: Path) -> None:
    file = tmp_path / "zone.of.ours"  # which does not say what the zone is called
    text = ZONE.format(1, 1).replace("$TTL 300", "$TTL 300\n$ORIGIN example.org.")
    file.write_text(text)
    said(file, add("one"))
    file.unlink()

    async def play() -> None:
        async with serving(file) as service:
            assert not service.zones
            file.write_text(text)
            await service.files.load()
            await service._served.settle()
            await change(service, "two")

    asyncio.run(play())
    assert said(file) == (3, {"www", "one", "two"}, "192.0.2.1")


def test_a_change_of_what_a_file_says_now_is_not_put_on_what_it_said_before(file: Path) -> None:
    said(file)
    file.write_text(ZONE.format(5, 2) + "new A 192.0.2.9\n")

    async def play() -> None:
        async with ZoneStore(file.parent / "state").opened() as store:
            served = ServedZones(store=store)  # which was not yet able to write the whole, as on a disk that was full
            read = read_zone(file)
            await served.publish(read.zone, base=None, cause="file", judged=True, source=read.source)
            await change_in(served, "one")

    asyncio.run(play())
    assert said(file) == (6, {"www", "new", "one"}, "192.0.2.2")


def test_a_zone_that_nobody_changed_is_as_its_file_says(file: Path) -> None:
    assert said(file, rewrite(file, 1, 2)) == (1, {"www"}, "192.0.2.2")


def test_a_signed_zone_goes_on_with_its_signatures_and_its_serial(file: Path) -> None:
    rules = ZoneRules(signing=SigningPolicy(algorithm=13))

    async def play() -> list[Zone]:
        found = []
        for address in (1, 1, 2):
            file.write_text(ZONE.format(1, address))
            config = AuthorityConfig(listen=(), zones=(file,), state_dir=file.parent / "state", rules={ORIGIN: rules})
            async with AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time) as service:
                found.append(service.zones[ORIGIN])
        return found

    first, again, changed = asyncio.run(play())
    assert is_signed(first)
    assert not difference(first, again)
    assert later(changed.serial, first.serial)  # though the serial of the file is what it was
    assert changed.signature(WWW, RRType.A) != first.signature(WWW, RRType.A)
    assert changed.signature("ns.example.org.", RRType.A) == first.signature("ns.example.org.", RRType.A)


def test_what_clients_changed_goes_on_whole_when_signing_is_turned_off_on_and_changed(file: Path) -> None:
    off = ZoneRules(allow_update=RULES.allow_update)
    on = replace(off, signing=SigningPolicy(algorithm=13))
    compact = replace(off, signing=SigningPolicy(algorithm=13, denial="compact"))

    async def play() -> list[tuple[Zone, Zone]]:
        """Return each time the zone as it is at the start and after a change."""
        found = []
        for number, rules in enumerate((on, off, on, compact, on, off)):
            config = AuthorityConfig(listen=(), zones=(file,), state_dir=file.parent / "state", rules={ORIGIN: rules})
            async with AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time) as service:
                found.append((service.zones[ORIGIN], await change(service, f"n{number}")))
        return found

    found = asyncio.run(play())
    for number, (begun, after) in enumerate(found):
        for zone in (begun, after):
            signs = number not in (1, 5)
            assert is_signed(zone) is signs
            assert (zone.denial is not None) is signs
            assert set(zone.signatures) == (set(zone.nodes) if signs else set())
        assert {f"n{each}.{ORIGIN}" for each in range(number + 1)} <= set(after.nodes)
        assert later(after.serial, begun.serial)
    assert all(later(begun.serial, after.serial) for (_, after), (begun, _) in pairwise(found))


def test_a_signed_zone_is_served_as_it_was_from_a_disk_that_takes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError(file, "the disk is full", "Free it.")

    async def play(denial: Literal["nsec", "compact"]) -> Zone:
        rules = ZoneRules(signing=SigningPolicy(algorithm=13, denial=denial))
        config = AuthorityConfig(listen=(), zones=(file,), state_dir=file.parent / "state", rules={ORIGIN: rules})
        async with AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time) as service:
            return service.zones[ORIGIN]

    first = asyncio.run(play("nsec"))
    monkeypatch.setattr(ZoneStore, "commit", full)
    assert not difference(first, asyncio.run(play("compact")))


def test_a_file_that_says_what_it_said_is_not_refused_for_the_names_that_clients_added(file: Path) -> None:
    async def grow(service: AuthorityService) -> None:
        for number in range(9):
            await change(service, f"n{number}")

    with structlog.testing.capture_logs() as logs:
        said(file, grow)
    assert not [each for each in logs if each["event"] == "zone.refused"]


@pytest.mark.parametrize(("heard_before_s", "answers"), [(10, True), (86_400 + 10, False)])
def test_a_secondary_goes_on_without_its_primary_until_it_expires(
    file: Path, free_port: Callable[[], int], heard_before_s: int, answers: bool
) -> None:
    primary = Remote(server=Server("127.0.0.1", free_port()))
    config = AuthorityConfig(
        listen=(), zones=(), state_dir=file.parent / "state", rules={ORIGIN: ZoneRules(primaries=(primary,))}
    )

    async def play() -> None:
        async with ZoneStore(file.parent / "state").opened() as store:
            zone = read_zone(file).zone
            store.commit(zone, None, source=None, changed=True, records=4)
            store.keep_heard(ORIGIN, time.time() - heard_before_s)
        async with AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time) as service:
            assert not difference(service.zones[ORIGIN], zone)
            assert (ORIGIN in service._served.answering) is answers

    asyncio.run(play())


def test_a_state_file_that_cannot_be_used_keeps_the_authority_from_starting(file: Path) -> None:
    state = file.parent / "state"
    state.mkdir(mode=0o700)
    (state / FILE_NAME).write_bytes(b"these are no zones, " * 1000)

    async def play() -> None:
        async with serving(file):
            pass

    with pytest.raises(StoreError, match="is damaged"):
        asyncio.run(play())


def test_a_zone_that_clients_may_change_is_kept_before_they_do_and_a_change_writes_its_step_alone(file: Path) -> None:
    async def play() -> None:
        async with serving(file) as service:
            await service._served.settle()
            assert service._store is not None
            assert service._store._one("SELECT changed, number FROM zones") == (0, 0)
            await change(service, "one")
            assert service._store._one("SELECT changed, number FROM zones") == (1, 0)
            assert service._store._one("SELECT count(*) FROM steps") == (1,)

    asyncio.run(play())
    assert said(file) == (2, {"www", "one"}, "192.0.2.1")


def test_a_change_that_the_disk_does_not_take_is_not_made(file: Path) -> None:
    async def play() -> None:
        async with serving(file) as service:
            await service._served.settle()
            assert service._store is not None
            connection = service._store._connection
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
            served = []

            async def fill() -> None:
                for number in range(1000):  # until the last page is full
                    served.append(service.zones[ORIGIN])
                    await change(service, f"n{number}")

            with pytest.raises(StoreError, match="full"):
                await fill()
            before = service.zones[ORIGIN]
            assert before is served[-1]
            connection.execute("PRAGMA max_page_count = 100000")
            assert (await change(service, "after")).serial == before.serial + 1

    asyncio.run(play())


def test_what_clients_changed_is_served_on_when_none_may_change_it_any_more(file: Path) -> None:
    said(file, add("new"))

    async def play() -> tuple[int, set[str]]:
        config = AuthorityConfig(listen=(), zones=(file,), state_dir=file.parent / "state")
        async with AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time) as service:
            zone = service.zones[ORIGIN]
            return zone.serial, {owner for owner in zone.nodes if owner.startswith("new")}

    assert asyncio.run(play()) == (2, {"new.example.org."})


def test_changes_that_another_process_holds_are_told_where_nothing_has_to_be_kept(file: Path) -> None:
    said(file, add("new"))
    config = AuthorityConfig(listen=(), zones=(file,), state_dir=file.parent / "state")
    assert config.state_dir is not None
    with claim(config.state_dir), structlog.testing.capture_logs() as events:
        AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time)
    assert [(each["event"], each["log_level"]) for each in events] == [("zone.state_unread", "warning")]


def test_without_anything_to_keep_no_directory_is_made(file: Path) -> None:
    async def play() -> None:
        config = AuthorityConfig(listen=(), zones=(file,), state_dir=file.parent / "state")
        async with AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time):
            pass

    asyncio.run(play())
    assert not (file.parent / "state").exists()


def edited(file: Path) -> None:
    file.write_text(ZONE.format(1, 2))


@pytest.mark.parametrize("meanwhile", [None, edited, Path.unlink])
def test_kill_9_at_any_moment_loses_no_change_that_was_promised(
    file: Path, meanwhile: Callable[[Path], None] | None
) -> None:
    for _ in range(2):
        worker = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, Path(__file__), file], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert worker.stdout is not None
        promised = [worker.stdout.readline() for _ in range(5)][-1].strip()
        worker.send_signal(signal.SIGKILL)
        promised = (worker.stdout.read().split() or [promised])[-1]  # a line is whole, or it was not promised
        worker.wait()
        if meanwhile is not None:
            meanwhile(file)
            meanwhile = None
        serial, names, _ = said(file)
        assert serial >= int(promised)
        assert len(names) == serial  # every change is whole


ENDLESS: Final = """
import asyncio, importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("restart", sys.argv[1])
restart = importlib.util.module_from_spec(spec)
spec.loader.exec_module(restart)

async def play():
    async with restart.serving(Path(sys.argv[2])) as service:
        while True:
            after = await restart.change(service, f"n{service.zones[restart.ORIGIN].serial}")
            print(after.serial, flush=True)

asyncio.run(play())
"""
