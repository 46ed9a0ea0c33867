"""Two enactors publish plan after plan at real servers, over paths on which nearly everything goes wrong."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path

import boto3
import pytest

from control_world import ZONE, Plans, a, cname, content, shown
from faulty_path import Fault, dns_message, faulty_path, http_message
from peers.aws import BUSY_ANSWER, ENVIRON, ministack
from peers.updatable import KEY_NAME, SECRET_OCTETS, UPDATABLE, ours
from standfast.control.fence import Fence
from standfast.control.plan import Content
from standfast.control.publishing import Batch, BatchLimits, Outcome, Publisher, PublisherFacts
from standfast.dns.model import RRType
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.authority.primaries import Primary
from standfast.io.control import enactor_service
from standfast.io.control.enactor_service import EnactorService
from standfast.io.control.journal import ControlJournal
from standfast.io.control.publishers.rfc2136 import Rfc2136Publisher
from standfast.io.control.publishers.route53 import Route53Publisher
from standfast.io.control.stores.sqlite import SqlitePlanStore

pytestmark = pytest.mark.peers

PLANS = 4
NAMES = 24
RECORDS_MAX = 16  # of a write, so that a plan takes several
ANSWER_S = 0.5  # of what takes milliseconds: who waits longer has lost something
PATIENCE_S = 60.0
FAULTS = 8  # of each path, one after the other; then all is well
KEY = TsigKey(name=f"{KEY_NAME}.", algorithm="hmac-sha256", secret=SECRET_OCTETS)
TEXT = "$ORIGIN example.org.\n@ 60 SOA ns h 1 3600 600 86400 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
ALWAYS = f"always.{ZONE}"


class SmallWrites:
    """A publisher whose writes hold little, and over the path, as the reading of fences goes; of zones, beside it."""

    def __init__(self, inner: Publisher, beside: Publisher) -> None:
        self.facts = PublisherFacts(name="there", limits=BatchLimits(records_max=RECORDS_MAX))
        self.fence = inner.fence
        self.read = beside.read  # a path hands on one message of an answer, a transfer may have more
        self._inner = inner

    async def write(self, batch: Batch) -> Outcome:
        return await self._inner.write(batch)


def updates(server: Server) -> Publisher:
    primary = Primary(server=server, key=KEY)
    return Rfc2136Publisher("there", primary, rng=random.SystemRandom(), wall=time.time, answer_s=ANSWER_S)


def route53(server: Server) -> Publisher:
    return Route53Publisher("there", endpoint_url=f"http://{server}", answer_s=ANSWER_S)


@contextmanager
def updatable(kind: str, folder: Path, port: int) -> Iterator[Server]:
    with UPDATABLE[kind](folder, port, TEXT) as run:
        yield run.server


@contextmanager
def hosted(folder: Path, port: int) -> Iterator[Server]:
    with ministack(folder, port, "route53") as server:
        api = boto3.session.Session().client("route53", endpoint_url=f"http://{server}", region_name="us-east-1")
        api.create_hosted_zone(Name=ZONE, CallerReference="1")
        yield server


KINDS: dict[str, tuple[Callable[[Path, int], AbstractContextManager[Server]], Callable[[Server], Publisher]]] = {
    **{kind: (partial(updatable, kind), updates) for kind in ("bind", "knot", "pdns")},
    "route53": (hosted, route53),
}


def wanted(number: int) -> Content:
    """Return what a plan plans: names that move, come and go, and turn into aliases and back."""
    addresses = [a(f"n{name}.{ZONE}", number, name) for name in range(NAMES) if name % PLANS != number]
    turning = cname(f"turn.{ZONE}", "far.example.net.") if number % 2 else a(f"turn.{ZONE}", number)
    return content(a(ALWAYS, number), turning, *addresses)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have retries and leases take no time that a test must wait for; and nobody ask AWS."""
    monkeypatch.setattr(enactor_service, "LEASE_S", 0.4)
    monkeypatch.setattr(enactor_service, "RETRY_MIN_S", 0.01)
    monkeypatch.setattr(enactor_service, "RETRY_MAX_S", 0.05)
    for key, text in ENVIRON.items():
        monkeypatch.setenv(key, text)


@pytest.mark.parametrize("kind", KINDS)
def test_all_plans_arrive_in_order_and_what_is_promised_is_always_there(
    kind: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    start, publisher = KINDS[kind]
    rng = random.Random(kind)
    faults = [*Fault] if kind == "route53" else [fault for fault in Fault if fault is not Fault.BUSY]
    reads = http_message if kind == "route53" else dns_message

    async def run(server: Server, there: Publisher) -> None:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(SqlitePlanStore(tmp_path).opened())
            journal = stack.enter_context(ControlJournal.open(tmp_path))
            plans, paths = Plans(), []
            for name in ("eu-1", "us-1"):
                script = [rng.choice(faults) for _ in range(FAULTS)]
                path = await stack.enter_async_context(faulty_path(server, *script, reads=reads, busy=BUSY_ANSWER))
                paths.append(path)
                path.let_go.set()  # what is held up comes a moment later
                enactor = EnactorService(
                    store,
                    {"there": SmallWrites(publisher(path.server), there)},
                    journal=journal,
                    name=name,
                    look_every_s=0.5,
                    reads_whole=False,
                    rng=rng,
                )
                await stack.enter_async_context(enactor)
                enactor.assign({ZONE: ("there",)})
            last: Fence | None = None
            for number in range(1, PLANS + 1):
                before = plans.newest
                head = plans.plan(wanted(number))
                assert await store.add(plans.plans[head.generation], wanted(number), after=before)
                async with asyncio.timeout(PATIENCE_S):
                    while last is None or not (last.generation == head.generation and last.done):
                        found = await there.read(ZONE)
                        assert last is None or (isinstance(found.fence, Fence) and found.fence.order >= last.order)
                        assert last is None or RRType.A in found.content[ALWAYS]
                        last = found.fence if isinstance(found.fence, Fence) else None
            ours = {key: each for key, each in shown(found.content).items() if key[0] != f"ns.{ZONE}"}
            assert ours == shown(wanted(PLANS))
            assert not all(path.script for path in paths), "all that can go wrong on one path did"

    with start(tmp_path / kind, free_port()) as server:
        asyncio.run(run(server, publisher(server)))


def test_a_plan_that_a_server_refuses_does_not_hold_up_the_next(tmp_path: Path) -> None:
    promised = f"{TEXT}always 60 A 192.0.2.1\n"
    promise = f'[[authority.promise]]\nname = "{ALWAYS.rstrip(".")}"\n'

    async def run(server: Server) -> None:
        there, plans = updates(server), Plans()
        with ControlJournal.open(tmp_path) as journal:
            async with (
                SqlitePlanStore(tmp_path).opened() as store,
                EnactorService(
                    store,
                    {"there": there},
                    journal=journal,
                    name="eu-1",
                    look_every_s=0.5,
                    reads_whole=False,
                    rng=random.Random(1),
                ) as enactor,
            ):
                enactor.assign({ZONE: ("there",)})

                async def planned(wanted: Content) -> None:
                    before = plans.newest
                    head = plans.plan(wanted)
                    assert await store.add(plans.plans[head.generation], wanted, after=before)

                await planned(content(a(ALWAYS, 1)))
                async with asyncio.timeout(PATIENCE_S):
                    while not (isinstance(fence := await there.fence(ZONE), Fence) and fence.done):
                        await asyncio.sleep(0.02)
                    await planned(content())
                    while not enactor.outcomes["refused"]:
                        await asyncio.sleep(0.02)
                    assert await there.fence(ZONE) == fence
                    await planned(content(a(ALWAYS, 3)))
                    while not (isinstance(fence := await there.fence(ZONE), Fence) and fence.generation == 3):
                        await asyncio.sleep(0.02)
                found = await there.read(ZONE)
        assert found.content[ALWAYS][RRType.A] == a(ALWAYS, 3)

    with ours(tmp_path / "ours", 0, promised, promise) as served:
        asyncio.run(run(served.server))
