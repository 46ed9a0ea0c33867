"""etcd as it is run: three members, by TLS with certificates on both sides, a user with a role for our keys alone.

Members are killed, stall, or are too few: who asks goes on at another, or says clearly that it cannot.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeVar

import pytest

from control_processes import PATIENCE_S, Running, authority, publisher_at, write_control
from control_world import ZONE
from etcd_server import EtcdCluster, EtcdMember, etcd_cluster
from standfast.control.store import PlanStoreError
from standfast.dns.model import RRType
from standfast.io.control.stores import etcd as etcd_store
from standfast.io.control.stores import etcd_gateway
from standfast.io.control.stores.etcd import EtcdPlanStore
from standfast.io.control.stores.etcd_gateway import EtcdGateway, text_of
from standfast.io.control.stores.opening import ETCD_USER

pytestmark = pytest.mark.peers

Answer = TypeVar("Answer")

USER: Final = ("standfast", "secret")
WWW: Final = f"www.{ZONE}"
INTENT: Final = """
zones: {{example.org: {{publishers: [wire]}}}}
pools: {{here: {{check: {{kind: none}}, endpoints: [{endpoints}]}}}}
names: {{www.example.org: {{pools: [here]}}}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[EtcdCluster]:
    """Run three members. The tests of this module leave them as they found them, but for the last, which kills one."""
    with etcd_cluster(tmp_path_factory.mktemp("etcd"), free_port) as running:
        asyncio.run(
            with_roles(EtcdGateway([each.url for each in running.members], context=running.context(running.client)))
        )
        yield running


async def with_roles(asked: EtcdGateway) -> None:
    """Have etcd let in nobody without a password, and our user to the keys of plans alone."""
    for name in ("root", USER[0]):
        await asked.write("/v3/auth/user/add", {"name": name, "password": USER[1]})
    await asked.write("/v3/auth/role/add", {"name": "plans"})
    allowed = {"permType": "READWRITE", "key": text_of(b"standfast/"), "range_end": text_of(b"standfast0")}
    await asked.write("/v3/auth/role/grant", {"name": "plans", "perm": allowed})
    await asked.write("/v3/auth/user/grant", {"user": USER[0], "role": "plans"})
    await asked.write("/v3/auth/user/grant", {"user": "root", "role": "root"})
    await asked.write("/v3/auth/enable", {})


def gateway(cluster: EtcdCluster, *members: EtcdMember, context: ssl.SSLContext | None = None) -> EtcdGateway:
    urls = [each.url for each in members or cluster.members]
    return EtcdGateway(urls, context=context or cluster.context(cluster.client), user=USER)


def store(cluster: EtcdCluster, *members: EtcdMember) -> EtcdPlanStore:
    return EtcdPlanStore(gateway(cluster, *members))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have members that say nothing given up sooner; the machine may be busy."""
    monkeypatch.setattr(etcd_gateway, "CALL_S", 1.0)
    monkeypatch.setattr(etcd_store, "QUIET_S", 0.5)


async def until_answered(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Return what is answered once most members are there again and have found a leader."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await ask()
            except PlanStoreError:
                await asyncio.sleep(0.1)


def test_who_shows_no_certificate_or_knows_no_authority_is_told_so(cluster: EtcdCluster) -> None:
    async def run() -> None:
        with pytest.raises(PlanStoreError, match=r"TLS: .*certificate.*store_certificate"):
            await EtcdPlanStore(gateway(cluster, context=cluster.context(None))).newest(ZONE)
        with pytest.raises(PlanStoreError, match=r"refuses: CommonName .* one without a common name"):
            await EtcdPlanStore(gateway(cluster, context=cluster.context(cluster.named_client))).newest(ZONE)
        with pytest.raises(PlanStoreError, match=r"no trust in its certificate.*ca_file") as told:
            await EtcdPlanStore(gateway(cluster, context=ssl.create_default_context())).report("eu-1", {}, at_s=1.0)
        assert "not known" not in str(told.value), "nothing was sent to a stranger"
        with pytest.raises(PlanStoreError, match=r"permission denied\. Give its user the role"):
            await EtcdPlanStore(gateway(cluster), prefix="others/").newest(ZONE)

    asyncio.run(run())


def test_a_member_that_stalls_is_left_by_a_watch_and_of_a_write_nothing_is_known(
    cluster: EtcdCluster, impatient: None
) -> None:
    async def run() -> None:
        stalled, *others = cluster.members
        waiting, writing = store(cluster, stalled, *others), store(cluster, stalled, *others)
        seen = await waiting.changed(0, PATIENCE_S)
        await writing.reports()  # both have a token
        changed = asyncio.create_task(until_answered(lambda: waiting.changed(seen, PATIENCE_S)))
        await asyncio.sleep(0.2)  # for the watch to stand; where it does not yet, it begins at the stalled one
        stalled.stall()
        try:
            with pytest.raises(PlanStoreError, match=r"no answer in time.*Whether it was done is not known"):
                await writing.report("eu-1", {}, at_s=2.0)
            await until_answered(lambda: writing.report("eu-1", {}, at_s=3.0))  # at another member
            assert (await until_answered(writing.reports))["eu-1"][0] == 3.0
            assert await changed > seen
        finally:
            stalled.go_on()

    asyncio.run(run())


def test_a_member_alone_takes_no_write_and_reads_nothing_that_may_be_old(cluster: EtcdCluster, impatient: None) -> None:
    async def run() -> None:
        alone, *others = cluster.members
        asked = store(cluster, alone)
        await asked.report("eu-2", {}, at_s=4.0)
        for each in others:
            each.stall()
        try:
            with pytest.raises(PlanStoreError, match=r"etcd cannot be used: .*Whether it was done is not known"):
                await asked.report("eu-2", {}, at_s=5.0)
            with pytest.raises(PlanStoreError, match=r"etcd cannot be used: .*has a leader"):
                await asked.reports()
        finally:
            for each in others:
                each.go_on()
        found = await until_answered(asked.reports)
        assert found["eu-2"][0] in {4.0, 5.0}, "whether it was done is for etcd to say, once it can"

    asyncio.run(run())


def test_a_watch_that_stands_while_all_before_is_compacted_misses_nothing(cluster: EtcdCluster) -> None:
    async def run() -> None:
        one, other, _ = cluster.members
        root = EtcdGateway([other.url], context=cluster.context(cluster.client), user=("root", USER[1]))
        waiting, writing = store(cluster, one), store(cluster, other)
        seen = await waiting.changed(0, PATIENCE_S)
        standing = asyncio.create_task(waiting.changed(seen, PATIENCE_S))
        await asyncio.sleep(0.2)  # for the watch to stand; where it does not yet, it begins behind what is compacted
        for at_s in (5.0, 6.0, 7.0):
            await writing.report("eu-1", {}, at_s=at_s)
        now = await writing.changed(0, PATIENCE_S)
        await root.write("/v3/kv/compaction", {"revision": str(now)})
        assert seen < await standing <= now
        assert await store(cluster, one).changed(seen, PATIENCE_S) == now  # a later one, of what is gone

    asyncio.run(run())


def test_planner_and_enactor_go_on_when_a_member_is_killed(
    cluster: EtcdCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ETCD_USER, ":".join(USER))
    more = (
        f'store = "etcd:{",".join(each.url for each in cluster.members)}"\n'
        f'ca_file = "{cluster.ca_file}"\n'
        f'store_certificate = "{cluster.client.cert_file}"\nstore_key = "{cluster.client.key_file}"\n'
    )
    with ExitStack() as stack:
        port = stack.enter_context(authority(tmp_path / "authority")).port
        planner, enactor = (
            stack.enter_context(Running(verb, write_control(tmp_path / verb, verb, port, intent(1), more=more)))
            for verb in ("planner", "enactor")
        )
        until_published(1, port, planner, enactor)
        cluster.members[0].kill()  # at which all of them ask first
        (tmp_path / "planner" / "intent.yaml").write_text(intent(2))
        planner.reload()
        until_published(2, port, planner, enactor)


def intent(hosts: int) -> str:
    """Return what is wanted: a name that leads to so many hosts."""
    return INTENT.format(endpoints=", ".join(f"{{address: 192.0.2.{host + 1}}}" for host in range(hosts)))


def until_published(hosts: int, port: int, *processes: Running) -> None:
    """Wait until the name leads to so many hosts."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        node = asyncio.run(publisher_at(port).read(ZONE)).content.get(WWW, {})
        if RRType.A in node and len(node[RRType.A].rdatas) == hosts:
            return
        assert time.monotonic() < deadline_s, (node, *(each.events() for each in processes))
        time.sleep(0.05)
