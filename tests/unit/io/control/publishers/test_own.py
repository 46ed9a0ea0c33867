"""Our authority as a publisher: the fence is compared in the write, and nothing that is planned is lost."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import dns.asyncquery
import dns.message
import pytest
import structlog.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.authority.access import NO_RULES, ZoneRules
from standfast.authority.checks import Promise
from standfast.authority.diff import apply
from standfast.authority.remote import Remote
from standfast.authority.signing import SigningPolicy
from standfast.control.fence import Fence, Garbage, Standing, fence_name
from standfast.control.publishing import Batch, Late, Outcome, PublisherError, Refused, Written
from standfast.dns.changes import Change
from standfast.dns.codec import rrset_from_text
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.servers import Server
from standfast.io.authority import answers
from standfast.io.authority.service import AuthorityService
from standfast.io.authority.zones import Published, StaleZone
from standfast.io.clients.cookies import Cookies
from standfast.io.control.publishers.own import ATTEMPTS_MAX, OwnPublisher
from standfast.io.settings.authority import AuthorityConfig

WAIT_S: Final = 60.0
ORIGIN: Final = "example.org."
WWW: Final = "www.example.org."
ZONE: Final = (
    "$TTL 300\n@ SOA ns h {} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\nmail A 192.0.2.25\nx.y A 192.0.2.9\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "example.org.zone"
    path.write_text(ZONE.format(1))
    return path


@asynccontextmanager
async def serving(
    file: Path, rules: ZoneRules = NO_RULES, *, listen: tuple[Server, ...] = ()
) -> AsyncIterator[tuple[AuthorityService, OwnPublisher]]:
    config = AuthorityConfig(
        listen=listen, zones=(file,), state_dir=file.parent / "state", rules={ORIGIN: rules}, planned=True
    )
    async with AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time) as service:
        yield service, OwnPublisher("own", service.parts.zones)


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, WAIT_S))


def a(owner: Name, *hosts: int, ttl_s: int = 60) -> RRset:
    return rrset_from_text(owner, RRType.A, ttl_s, [f"192.0.2.{host}" for host in hosts])


def fence(generation: int, *, step: int = 1, done: bool = True, writer: str = "one.1.1") -> Fence:
    return Fence(generation=generation, step=step, done=done, plan="0" * 16, writer=writer)


def setting(*rrsets: RRset) -> tuple[Change, ...]:
    return tuple(Change(before=None, after=rrset) for rrset in rrsets)


def batch(expect: Standing, to: Fence, *rrsets: RRset, changes: Iterable[Change] = ()) -> Batch:
    return Batch(zone=ORIGIN, expect=expect, fence=to, changes=(*setting(*rrsets), *changes))


def hosts(service: AuthorityService, owner: Name = WWW) -> list[int]:
    rrset = service.zones[ORIGIN].rrset(owner, RRType.A)
    return [] if rrset is None else sorted(rdata[3] for rdata in rrset.rdatas)


def test_a_write_replaces_each_rrset_whole_and_the_serial_advances(file: Path) -> None:
    async def scene() -> None:
        async with serving(file) as (service, own):
            assert await own.fence(ORIGIN) is None
            assert await own.write(batch(None, fence(1), a(WWW, 1, 2), a("mail.example.org.", 7))) == Written()
            assert (hosts(service), hosts(service, "mail.example.org."), service.zones[ORIGIN].serial) == (
                [1, 2],
                [7],
                2,
            )
            gone = Change(before=a(WWW, 99), after=None)
            assert await own.write(batch(fence(1), fence(2), changes=[gone])) == Written()
            assert (hosts(service), service.zones[ORIGIN].serial) == ([], 3)
            assert await own.fence(ORIGIN) == fence(2)
            assert service.parts.zones.published["plan"] == 2

    run(scene())


def test_something_else_in_the_fences_place_is_replaced_by_who_saw_it_and_by_no_late_writer(file: Path) -> None:
    file.write_text(f'{ZONE.format(1)}_standfast 60 TXT "hello"\n')

    async def scene() -> None:
        async with serving(file) as (service, own):
            found = await own.fence(ORIGIN)
            assert found == Garbage(ttl_s=60, rdatas=(b"\x05hello",))
            assert await own.write(batch(None, fence(1), a(WWW, 1))) == Late(found=found), "it expected none"
            assert hosts(service) == []
            assert await own.write(batch(found, fence(1), a(WWW, 1))) == Written()
            assert (hosts(service), await own.fence(ORIGIN)) == ([1], fence(1))

    run(scene())


def test_a_reading_has_what_others_put_there_and_nothing_that_is_the_authoritys_own(file: Path) -> None:
    async def scene() -> None:
        for rules in (NO_RULES, *(ZoneRules(signing=SigningPolicy(algorithm=13, denial=each)) for each in DENIALS)):
            async with serving(file, rules) as (service, own):
                await own.write(batch(await own.fence(ORIGIN), fence(service.zones[ORIGIN].serial + 1), a(WWW, 1)))
                reading = await own.read(ORIGIN)
                assert {owner: set(node) for owner, node in reading.content.items()} == {
                    f"{label}.example.org.": {RRType.A} for label in ("ns", "mail", "x.y", "www")
                }
                assert reading.content[WWW][RRType.A] is service.zones[ORIGIN].rrset(WWW, RRType.A)
                assert reading.fence == await own.fence(ORIGIN)

    run(scene())


DENIALS: Final = ("nsec", "compact")


def test_a_late_writer_changes_nothing_and_is_told_what_stands(file: Path) -> None:
    async def scene() -> None:
        async with serving(file) as (service, own):
            await own.write(batch(None, fence(5), a(WWW, 5)))
            for expect in (None, fence(4), fence(5, writer="two.1.1"), fence(6)):
                assert await own.write(batch(expect, fence(7), a(WWW, 7))) == Late(found=fence(5))
            assert (hosts(service), service.zones[ORIGIN].serial) == ([5], 2)

    run(scene())


def test_a_signed_zone_stays_signed_where_a_plan_changes_it(file: Path) -> None:
    async def scene() -> None:
        async with serving(file, ZoneRules(signing=SigningPolicy(algorithm=13))) as (service, own):
            await own.write(batch(None, fence(1), a(WWW, 1)))
            zone = service.zones[ORIGIN]
            for owner, rtype in ((WWW, RRType.A), (fence_name(ORIGIN), RRType.TXT), (ORIGIN, RRType.SOA)):
                assert zone.signature(owner, rtype) is not None
            assert zone.rrset(WWW, RRType.NSEC) is not None

    run(scene())


def test_what_breaks_a_promise_is_refused_with_all_that_is_wrong_and_nothing_changes(file: Path) -> None:
    rules = ZoneRules(promises=(Promise(name=WWW),))
    file.write_text(ZONE.format(1) + "www A 192.0.2.1\n")

    async def scene() -> None:
        async with serving(file, rules) as (service, own):
            before = service.zones[ORIGIN]
            changes = [Change(before=a(owner, 1), after=None) for owner in (WWW, "ns.example.org.")]
            refused = await own.write(batch(None, fence(1), changes=changes))
            assert isinstance(refused, Refused)
            assert refused.retry_s is None
            assert "www.example.org. was promised never to be empty" in refused.why
            assert "ns.example.org., and that has no address here" in refused.why
            assert service.zones[ORIGIN] is before

    run(scene())


def test_a_zone_that_is_not_served_or_is_a_copy_of_anothers_takes_no_plan(file: Path) -> None:
    async def scene() -> None:
        rules = ZoneRules(primaries=(Remote(server=Server("127.0.0.1", 1)),))
        async with serving(file, rules) as (_, own):
            assert isinstance(await own.write(batch(None, fence(1), a(WWW, 1))), Refused)
            with pytest.raises(PublisherError, match="is not served here"):
                await own.fence(ORIGIN)
            elsewhere = await own.write(replace(batch(None, fence(1)), zone="example.net."))
            assert isinstance(elsewhere, Refused)
            assert elsewhere.retry_s is not None

    run(scene())


def test_who_else_changes_the_zone_meanwhile_loses_nothing_and_neither_does_the_plan(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with serving(file) as (service, own):
            zones, publish = service.parts.zones, service.parts.zones.publish
            others = iter(range(3))

            async def after_another(*args: Any, **kwargs: Any) -> Published:
                number = next(others, None)
                if number is not None:
                    base = zones.zones[ORIGIN]
                    change = Change(before=None, after=a(f"n{number}.example.org.", number))
                    await publish(apply(base, [change]), base=base, cause="update", changes=[change])
                return await publish(*args, **kwargs)

            monkeypatch.setattr(zones, "publish", after_another)
            assert await own.write(batch(None, fence(1), a(WWW, 1))) == Written()
            assert [hosts(service, f"n{number}.example.org.") for number in range(3)] == [[0], [1], [2]]
            assert hosts(service) == [1]

            async def always_late(*_: object, **__: object) -> Published:
                asked.append(1)
                raise StaleZone(ORIGIN, held=1, current=2)

            asked: list[int] = []
            monkeypatch.setattr(zones, "publish", always_late)
            assert isinstance(await own.write(batch(fence(1), fence(2), a(WWW, 2))), Refused)
            assert len(asked) == ATTEMPTS_MAX

    run(scene())


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(1, 7)))
def test_of_many_that_write_at_once_from_one_fence_one_comes_through(order: list[int]) -> None:
    async def scene() -> None:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "example.org.zone"
            file.write_text(ZONE.format(1))
            async with serving(file) as (service, own):
                writes = [own.write(batch(None, fence(each, writer=f"w.{each}.1"), a(WWW, each))) for each in order]
                outcomes: list[Outcome] = await asyncio.gather(*writes)
                (first,) = (each for each, outcome in zip(order, outcomes, strict=True) if outcome == Written())
                stands = fence(first, writer=f"w.{first}.1")
                assert hosts(service) == [first]
                assert all(outcome in (Written(), Late(found=stands)) for outcome in outcomes)

    run(scene())


def test_over_a_restart_fence_and_plan_are_there_again(file: Path) -> None:
    async def scene() -> None:
        async with serving(file) as (_, own):
            await own.write(batch(None, fence(1), a(WWW, 1, 2)))
            await own.write(batch(fence(1), fence(2), a(WWW, 2)))
        async with serving(file) as (service, own):
            assert (await own.fence(ORIGIN), hosts(service)) == (fence(2), [2])
            assert await own.write(batch(fence(1), fence(3), a(WWW, 3))) == Late(found=fence(2))

    run(scene())


def exported(service: AuthorityService, serial: int, *, but: Name = "") -> str:
    """Return the zone as a transfer shows it, with another serial."""
    lines = []
    for rrset in service.zones[ORIGIN].rrsets():
        if rrset.owner == fence_name(ORIGIN):
            lines.append(f'{rrset.owner} 60 TXT "{rrset.rdatas[0][1:].decode()}"')
        elif rrset.rtype == RRType.A and rrset.owner != but:
            lines += [f"{rrset.owner} 60 A {'.'.join(map(str, rdata))}" for rdata in rrset.rdatas]
    return f"$TTL 300\n@ SOA ns h {serial} 3600 600 86400 60\n@ NS ns\n" + "\n".join(lines) + "\n"


def test_a_file_that_does_not_know_of_the_plan_is_refused_whatever_its_serial(file: Path) -> None:
    async def scene() -> None:
        async with serving(file) as (service, own):
            await own.write(batch(None, fence(1), a(WWW, 1)))
            late = exported(service, 50)
            await own.write(batch(fence(1), fence(2), a(WWW, 2)))
            for text in (ZONE.format(99), late, ZONE.format(3), "nonsense"):
                file.write_text(text)
                with structlog.testing.capture_logs() as logs:
                    await service.files.load()
                (refused,) = (each for each in logs if each["event"] == "zone.refused")
                assert refused["stays"]
                assert (hosts(service), await own.fence(ORIGIN)) == ([2], fence(2))
            file.write_text(ZONE.format(99))
        for _ in range(2):
            async with serving(file) as (service, own):  # nor at a start
                assert (hosts(service), await own.fence(ORIGIN)) == ([2], fence(2))
            file.unlink(missing_ok=True)  # nor without any

    run(scene())


def test_a_file_that_knows_of_the_plan_takes_the_place_of_the_rest(file: Path) -> None:
    async def scene() -> None:
        async with serving(file) as (service, own):
            await own.write(batch(None, fence(1), a(WWW, 1)))
            file.write_text(exported(service, 50, but="mail.example.org.") + "new A 192.0.2.77\n")
            await service.files.load()
            assert service.zones[ORIGIN].serial == 50
            assert [hosts(service, f"{each}.example.org.") for each in ("www", "new", "mail")] == [[1], [77], []]
            assert await own.write(batch(fence(1), fence(2), a(WWW, 2))) == Written()
        async with serving(file) as (service, own):
            assert (hosts(service), await own.fence(ORIGIN), service.zones[ORIGIN].serial) == ([2], fence(2), 51)

    run(scene())


def test_a_disk_that_is_full_takes_nothing_and_is_tried_again(file: Path) -> None:
    async def scene() -> None:
        async with serving(file) as (service, own):
            await own.write(batch(None, fence(1), a(WWW, 1)))
            assert service._store is not None
            connection = service._store._connection
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
            many = [a(f"n{number}.example.org.", 1) for number in range(5_000)]
            refused = await own.write(batch(fence(1), fence(2), a(WWW, 2), *many))
            assert isinstance(refused, Refused)
            assert "full" in refused.why
            assert refused.retry_s is not None
            assert (hosts(service), await own.fence(ORIGIN)) == ([1], fence(1))
            connection.execute("PRAGMA max_page_count = 1000000")
            assert await own.write(batch(fence(1), fence(2), a(WWW, 2), *many)) == Written()
        async with serving(file) as (service, own):
            assert (hosts(service), hosts(service, "n4999.example.org."), await own.fence(ORIGIN)) == (
                [2],
                [1],
                fence(2),
            )

    run(scene())


def test_kill_9_at_any_moment_leaves_a_fence_and_what_was_published_with_it(file: Path) -> None:
    for _ in range(2):
        worker = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, Path(__file__), file], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert worker.stdout is not None
        told = [worker.stdout.readline() for _ in range(5)][-1]
        worker.send_signal(signal.SIGKILL)
        told = (worker.stdout.read().split() or [told])[-1]
        worker.wait()

        async def scene(written: int) -> None:
            async with serving(file) as (service, own):
                stands = await own.fence(ORIGIN)
                assert isinstance(stands, Fence)
                assert stands.generation >= written
                for owner in (WWW, f"n{stands.generation % 3}.example.org."):
                    assert hosts(service, owner) == [stands.generation % 256]

        run(scene(int(told)))


async def endless(file: Path) -> None:
    """Publish one generation after the other, and tell each once it is written."""
    async with serving(file) as (_, own):
        stands = await own.fence(ORIGIN)
        while True:
            following = fence(stands.generation + 1 if isinstance(stands, Fence) else 1)
            number = following.generation
            rrsets = (a(WWW, number % 256), a(f"n{number % 3}.example.org.", number % 256))
            assert await own.write(batch(stands, following, *rrsets)) == Written()
            stands = following
            print(number, flush=True)  # noqa: T201  who waits for it reads that


ENDLESS: Final = """
import asyncio, importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("own", sys.argv[1])
own = importlib.util.module_from_spec(spec)
spec.loader.exec_module(own)
asyncio.run(own.endless(Path(sys.argv[2])))
"""


def test_answers_go_on_while_a_large_plan_is_published(file: Path) -> None:
    async def scene() -> None:
        async with serving(file) as (service, own):
            many = [a(f"n{number}.example.org.", number % 256) for number in range(20_000)]
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await asyncio.sleep(0)
                    ticks += 1

            ticking = asyncio.create_task(tick())
            assert await own.write(batch(None, fence(1), *many)) == Written()
            ticking.cancel()
            assert service.parts.zones.journal(ORIGIN).since(1) is None  # a transfer of the whole is as short
            assert ticks > 10
            assert hosts(service, "n19999.example.org.") == [19_999 % 256]

    run(scene())


@pytest.mark.parametrize("voided_max", [0, 1_000])
def test_who_asks_again_gets_what_a_plan_has_changed_however_much_that_was(
    file: Path, voided_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "VOIDED_MAX", voided_max)

    async def scene() -> None:
        async with serving(file, listen=(Server("127.0.0.1", 0),)) as (service, own):
            (bound,) = service.bound
            for generation, host in enumerate((1, 2, 3)):
                expect = fence(generation) if generation else None
                await own.write(batch(expect, fence(generation + 1), a(WWW, host)))
                for _ in range(3):
                    query = dns.message.make_query(WWW, "A")
                    reply = await dns.asyncquery.udp(query, bound.host, port=bound.port, timeout=WAIT_S)
                    assert [str(rdata) for rdata in reply.answer[0]] == [f"192.0.2.{host}"]

    run(scene())
