"""Plans in a real etcd, and what comes when it is killed, compacted, partly there, or wants a password."""

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from control_world import ZONE, a, content, shown
from etcd_server import EtcdServer
from standfast.control.plan import Content, Plan, PlanHead, make_plan
from standfast.control.store import PlanStore, PlanStoreError
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType
from standfast.io.control.stores.etcd import PART_OCTETS, EtcdPlanStore
from standfast.io.control.stores.etcd_gateway import EtcdGateway, octets_of, text_of
from standfast.io.roots import Roots

pytestmark = pytest.mark.peers
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("etcd"), free_port) as server:
        yield server


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}/"


def gateway(*urls: str, user: tuple[str, str] | None = None) -> EtcdGateway:
    return EtcdGateway(urls, context=Roots().probes, user=user)


def store(url: str, prefix: str) -> EtcdPlanStore:
    return EtcdPlanStore(gateway(url), prefix=prefix)


def planned(generation: int, whole: Content, base: PlanHead | None = None) -> Plan:
    changes = [Change(before=None, after=rrset) for node in whole.values() for rrset in node.values()]
    return make_plan(zone=ZONE, generation=generation, base=base, changes=changes, made_at_s=1.0)


def large(octets: int, seed: int) -> Content:
    """Return a content of so many octets that no compression makes smaller."""
    rng = random.Random(seed)
    rdatas = [bytes((250,)) + rng.randbytes(250) for _ in range(octets // 251)]
    rrsets = [
        RRset(owner=f"n{at}.{ZONE}", rtype=RRType.TXT, ttl_s=60, rdatas=tuple(rdatas[at : at + 100]))
        for at in range(0, len(rdatas), 100)
    ]
    return content(*rrsets)


async def keys(asked: EtcdGateway, prefix: str) -> list[dict[str, Any]]:
    begin = prefix.encode()
    end = begin[:-1] + bytes((begin[-1] + 1,))
    found = await asked.read("/v3/kv/range", {"key": text_of(begin), "range_end": text_of(end), "keys_only": True})
    return list(found.get("kvs", ()))


def test_a_plan_larger_than_a_request_appears_whole_and_stays(etcd: EtcdServer, prefix: str) -> None:
    async def run() -> None:
        whole = large(3 * PART_OCTETS, 1)
        plan = planned(1, whole)
        assert await store(etcd.url, prefix).add(plan, whole, after=None)
        other = store(etcd.url, prefix)
        assert await other.plan(ZONE, 1) == plan
        found = await store(etcd.url, prefix).content(plan.head)
        assert found is not None
        assert shown(found) == shown(whole)
        parts = await keys(gateway(etcd.url), f"{prefix}parts/")
        assert len(parts) >= 3
        assert not any(int(part.get("lease", 0)) for part in parts), "nothing takes them away later"

    asyncio.run(run())


def test_parts_of_a_planner_that_crashed_before_the_end_are_seen_by_nobody_and_go_by_themselves(
    etcd: EtcdServer, prefix: str
) -> None:
    async def run() -> None:
        crashed = store(etcd.url, prefix)
        await crashed._kept(random.Random(2).randbytes(2 * PART_OCTETS))
        assert await store(etcd.url, prefix).newest(ZONE) is None
        left = await keys(gateway(etcd.url), f"{prefix}parts/")
        assert len(left) >= 2
        (lease,) = {part["lease"] for part in left}
        asked = gateway(etcd.url)
        told = await asked.read("/v3/lease/timetolive", {"ID": lease})
        assert 0 < int(told["TTL"]) <= 600
        await asked.write("/v3/lease/revoke", {"ID": lease})  # as when its time is over
        assert not await keys(asked, f"{prefix}parts/")

    asyncio.run(run())


def test_of_large_plans_that_are_added_at_once_one_is_kept_and_forgotten_ones_leave_nothing(
    etcd: EtcdServer, prefix: str
) -> None:
    async def run() -> None:
        one, other = large(PART_OCTETS, 3), large(PART_OCTETS, 4)
        added = await asyncio.gather(
            *(store(etcd.url, prefix).add(planned(1, whole), whole, after=None) for whole in (one, other))
        )
        assert sorted(added) == [False, True]
        first = planned(1, one if added[0] else other)
        small = content(a(f"www.{ZONE}", 1))
        second = planned(2, small)
        kept = store(etcd.url, prefix)
        assert await kept.add(second, small, after=first.head)
        await kept.collect(ZONE, [1])
        stays = [part for part in await keys(gateway(etcd.url), f"{prefix}parts/") if not int(part.get("lease", 0))]
        assert len(stays) == 1, "that of the newest"
        assert list(await kept.generations(ZONE)) == [2]

    asyncio.run(run())


def test_a_member_that_is_not_there_is_passed_over(etcd: EtcdServer, prefix: str, free_port: Callable[[], int]) -> None:
    async def run() -> None:
        nobody = f"http://127.0.0.1:{free_port()}"
        urls = (nobody, etcd.url)
        asked = EtcdPlanStore(gateway(*urls), prefix=prefix)
        whole = content(a(f"www.{ZONE}", 1))
        assert await asked.add(planned(1, whole), whole, after=None)
        seen = await asked.changed(0, PATIENCE_S)
        assert await EtcdPlanStore(gateway(*urls), prefix=prefix).changed(seen - 1, PATIENCE_S) == seen
        with pytest.raises(PlanStoreError, match=f"{nobody}: connection refused.*See that etcd runs there"):
            await EtcdPlanStore(gateway(nobody), prefix=prefix).newest(ZONE)

    asyncio.run(run())


def test_a_change_is_not_missed_though_it_was_compacted_meanwhile(etcd: EtcdServer, prefix: str) -> None:
    async def run() -> None:
        asked = store(etcd.url, prefix)
        seen = await asked.changed(0, PATIENCE_S)
        for at_s in (1.0, 2.0, 3.0):
            await asked.report("eu-1", {}, at_s=at_s)
        now = await asked.changed(0, PATIENCE_S)
        await gateway(etcd.url).write("/v3/kv/compaction", {"revision": str(now)})
        assert await asked.changed(seen, PATIENCE_S) == now

    asyncio.run(run())


def test_a_killed_etcd_is_told_and_what_it_had_is_there_again_afterwards(
    tmp_path: Path, free_port: Callable[[], int], prefix: str
) -> None:
    async def run(server: EtcdServer) -> None:
        asked: PlanStore = store(server.url, prefix)
        whole = content(a(f"www.{ZONE}", 1))
        plan = planned(1, whole)
        assert await asked.add(plan, whole, after=None)
        seen = await asked.changed(0, PATIENCE_S)
        waiting = asyncio.create_task(asked.changed(seen, PATIENCE_S))
        await asyncio.sleep(0)
        server.kill()
        with pytest.raises(PlanStoreError, match="etcd cannot be used"):
            await waiting
        with pytest.raises(PlanStoreError, match="etcd cannot be used"):
            await asked.lease("plan", "a", 10.0)
        await asyncio.to_thread(server.start)
        assert await asked.newest(ZONE) == plan.head
        assert await asked.lease("plan", "a", 10.0)

    with EtcdServer(tmp_path, free_port) as server:
        asyncio.run(run(server))


def test_with_a_user_and_a_role_for_the_prefix_alone(tmp_path: Path, free_port: Callable[[], int]) -> None:
    async def run(server: EtcdServer) -> None:
        asked = gateway(server.url)
        for name in ("root", "standfast"):
            await asked.write("/v3/auth/user/add", {"name": name, "password": "secret"})
        await asked.write("/v3/auth/role/add", {"name": "plans"})
        await asked.write(
            "/v3/auth/role/grant",
            {
                "name": "plans",
                "perm": {"permType": "READWRITE", "key": text_of(b"standfast/"), "range_end": text_of(b"standfast0")},
            },
        )
        await asked.write("/v3/auth/user/grant", {"user": "standfast", "role": "plans"})
        await asked.write("/v3/auth/user/grant", {"user": "root", "role": "root"})
        await asked.write("/v3/auth/enable", {})
        user = ("standfast", "secret")
        whole = content(a(f"www.{ZONE}", 1))
        async with EtcdPlanStore(gateway(server.url, user=user)).opened() as mine:
            assert await mine.add(planned(1, whole), whole, after=None)
            seen = await mine.changed(0, PATIENCE_S)
            assert await mine.changed(seen - 1, PATIENCE_S) == seen
            assert await mine.lease("plan", "a", 10.0)
            mine._etcd._token = "gone.1"  # as after a restart of etcd
            assert await mine.newest(ZONE) is not None
        with pytest.raises(PlanStoreError, match=r"permission denied\. Give its user the role"):
            await EtcdPlanStore(gateway(server.url, user=user), prefix="others/").newest(ZONE)
        for wrong in (None, ("standfast", "wrong")):
            with pytest.raises(PlanStoreError, match="refuses"):
                await EtcdPlanStore(gateway(server.url, user=wrong)).newest(ZONE)

    with EtcdServer(tmp_path, free_port) as server:
        asyncio.run(run(server))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", b"SSH-2.0\r\n\r\n", b""])
def test_what_is_no_etcd_is_told_and_of_a_write_that_nothing_is_known(answer: bytes, prefix: str) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(other, "127.0.0.1", 0)
        async with server:
            asked = store(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", prefix)
            with pytest.raises(PlanStoreError, match="etcd cannot be used"):
                await asked.newest(ZONE)
            with pytest.raises(PlanStoreError, match="Whether it was done is not known"):
                await asked.report("eu-1", {}, at_s=1.0)

    asyncio.run(run())


def test_keys_hold_any_name(etcd: EtcdServer, prefix: str) -> None:
    async def run() -> None:
        asked = store(etcd.url, prefix)
        await asked.report("a/b ü", {"k": "v"}, at_s=1.0)
        assert await asked.reports() == {"a/b ü": (1.0, {"k": "v"})}
        (kept,) = await keys(gateway(etcd.url), prefix)
        assert octets_of(kept["key"]).decode() == f"{prefix}data/reports/a%2Fb%20%C3%BC"

    asyncio.run(run())
