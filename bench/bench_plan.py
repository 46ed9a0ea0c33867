"""The control plane at scale: a whole zone planned, judged, kept, published and compared; and one endpoint lost.

The planner, the enactor, their store and our authority run in one process, as under `standfast up`; each world has a
process of its own, whose peak memory counts. The clock of one change begins with a vantage's report that an endpoint
is ill, and ends when a client has the new answer by UDP.
"""

import asyncio
import json
import logging
import random
import resource
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
import dns.message
import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import machine, report

from standfast.authority.access import ZoneRules
from standfast.control import planner as planning
from standfast.control.difference import repair
from standfast.control.health import Reading, State, write_reading
from standfast.control.intent import Endpoint, Intent, ManagedName, Policy, PolicyKind, Pool, ZoneIntent
from standfast.control.rules.bounds import Bounds
from standfast.control.vantage import pool_key
from standfast.dns.servers import Server
from standfast.io.authority.service import AuthorityService
from standfast.io.clients.cookies import Cookies
from standfast.io.control import planner_service
from standfast.io.control.enactor_service import EnactorService
from standfast.io.control.journal import ControlJournal
from standfast.io.control.planner_service import PlannerService
from standfast.io.control.publishers.own import OwnPublisher
from standfast.io.control.stores.sqlite import SqlitePlanStore
from standfast.io.settings.authority import AuthorityConfig

ORIGIN: Final = "example.org."
RECORDS: Final = (5_000, 50_000, 500_000)
RECORDS_QUICK: Final = (5_000, 50_000)
PER_NAME: Final = (5, 1)  # records of each name
NAMES_PER_POOL: Final = 100
ENDPOINTS: Final = 8  # of each pool
CHANGES: Final = 100
PORT: Final = 443
HEAD: Final = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n"
VANTAGE: Final = "here"
WAIT_S: Final = 600.0
BESIDE_S: Final = 5.0  # for what goes on beside a first plan: its file, and another look at all of it
TOTAL_S_MAX: Final = 2.0  # targets, at half a million records
RSS_MAX: Final = 1.5e9
CHANGE_MS_MAX: Final = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one world took: seconds of each stage of the whole, milliseconds of those of a change, octets at most."""

    records: int
    per_name: int
    whole_s: dict[str, float]
    total_s: float
    rss_bytes: int
    changes: int
    change_ms: dict[str, float]  # medians
    seen_ms: float  # of the whole, the median
    seen_worst_ms: float


@click.command()
@click.option("--quick", is_flag=True, help="Up to 50,000 records.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.option(
    "--world", nargs=2, type=int, hidden=True, help="Measure one, in this process: records, and of each name."
)
def main(quick: bool, as_json: bool, world: tuple[int, int] | None) -> None:
    """Measure plan, rules, store, publish and verify of a whole zone, and the time of one change."""
    if world is not None:
        print(json.dumps(asdict(asyncio.run(_measure(*world)))))
        return
    out, where = report.console(as_json=as_json), machine.describe()
    measured = []
    for per_name in PER_NAME:
        for records in RECORDS_QUICK if quick else RECORDS:
            with out.status(f"{records:,} records, {per_name} a name"):
                command = [sys.executable, __file__, "--world", str(records), str(per_name)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                measured.append(Measured(**json.loads(done.stdout)))
    if as_json:
        report.print_json({"machine": where, "measured": measured})
        return
    stages = list(measured[0].whole_s)
    table = report.table("a whole zone, seconds", "records", "a name", *stages, "total", "us a record", "peak MB")
    for each in measured:
        row = [f"{each.whole_s[stage]:.2f}" for stage in stages]
        per_record = f"{each.total_s / each.records * 1e6:.1f}"
        rss = f"{each.rss_bytes * 1e-6:.0f}"
        table.add_row(f"{each.records:,}", str(each.per_name), *row, f"{each.total_s:.2f}", per_record, rss)
    out.print(table)
    stages = list(measured[0].change_ms)
    title = f"an endpoint of {NAMES_PER_POOL} names lost, ms"
    table = report.table(title, "records", "a name", *stages, "seen", "worst", "of")
    for each in measured:
        row = [f"{each.change_ms[stage]:.1f}" for stage in stages]
        seen = f"{each.seen_ms:.1f}", f"{each.seen_worst_ms:.1f}", str(each.changes)
        table.add_row(f"{each.records:,}", str(each.per_name), *row, *seen)
    out.print(table)
    for each in measured:
        if each.records == RECORDS[-1]:
            out.print(_remark(each))
    out.print(where)


def _remark(each: Measured) -> str:
    met = each.total_s <= TOTAL_S_MAX and each.rss_bytes <= RSS_MAX and each.seen_ms <= CHANGE_MS_MAX
    return (
        f"{each.records:,} records, {each.per_name} a name: targets {TOTAL_S_MAX:.0f} s, {RSS_MAX * 1e-6:,.0f} MB and "
        f"{CHANGE_MS_MAX:.0f} ms: {'met' if met else 'not met'}"
    )


class Stages:
    """How long parts of the product took, which are timed where they are called."""

    def __init__(self) -> None:
        self.taken_s: defaultdict[str, float] = defaultdict(float)

    def timed(self, owner: Any, name: str, stage: str) -> None:
        """Add what every call of this function or method takes to `stage`."""
        plain = getattr(owner, name)

        @wraps(plain)
        def call(*args: Any, **kwargs: Any) -> Any:
            began_s = time.perf_counter()
            try:
                return plain(*args, **kwargs)
            finally:
                self.taken_s[stage] += time.perf_counter() - began_s

        setattr(owner, name, call)

    def timed_async(self, owner: Any, name: str, stage: str) -> None:
        """Do the same for a coroutine function."""
        plain = getattr(owner, name)

        @wraps(plain)
        async def call(*args: Any, **kwargs: Any) -> Any:
            began_s = time.perf_counter()
            try:
                return await plain(*args, **kwargs)
            finally:
                self.taken_s[stage] += time.perf_counter() - began_s

        setattr(owner, name, call)


@dataclass(slots=True, kw_only=True)
class World:
    """All that runs, and what is said of every endpoint."""

    intent: Intent
    authority: AuthorityService
    own: OwnPublisher
    store: SqlitePlanStore
    planner: PlannerService
    settled: asyncio.Event
    seen: dict[str, str]
    began_s: float
    reports: int = 0

    def tell(self) -> None:
        """Have the planner know what the vantage sees now."""
        self.reports += 1
        self.planner.reported(VANTAGE, dict(self.seen), at_s=time.time() + self.reports * 1e-3)

    def turn(self, pool: str, address: str, state: State) -> None:
        """Have the vantage see an endpoint so."""
        self.seen[f"{pool}/{address}:{PORT}"] = write_reading(Reading(state=state, since_s=time.time(), why="refused"))


async def _measure(records: int, per_name: int) -> Measured:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    stages = Stages()
    stages.timed(planner_service, "plan_zone", "plan")
    stages.timed(planner_service, "plan_names", "plan")
    stages.timed(planning, "findings_on", "rules")
    stages.timed_async(SqlitePlanStore, "add", "store")
    async with asyncio.timeout(WAIT_S), _running(_intent(records, per_name)) as world:
        whole = await _whole(world, stages)
        world.tell()  # whose health is known now is told once
        await asyncio.sleep(BESIDE_S)
        changes = await _changes(world, stages)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    parts = {
        stage: median(each[stage] for each in changes) for stage in ("plan", "rules", "store", "publish", "answer")
    }
    seen_ms = [sum(each.values()) for each in changes]
    return Measured(
        records=records,
        per_name=per_name,
        whole_s=whole,
        total_s=sum(whole.values()),
        rss_bytes=rss,
        changes=len(changes),
        change_ms=parts,
        seen_ms=median(seen_ms),
        seen_worst_ms=max(seen_ms),
    )


async def _whole(world: World, stages: Stages) -> dict[str, float]:
    """Plan and publish everything for the first time, and compare all that is published; return seconds by stage."""
    planned_s: list[float] = []
    world.planner.on_planned.append(lambda _plan: planned_s.append(time.perf_counter()))
    world.tell()
    world.planner.assign(world.intent)
    await world.settled.wait()
    settled_s = time.perf_counter()
    head = await world.store.newest(ORIGIN)
    assert head is not None
    planned = await world.store.content(head)
    began_s = time.perf_counter()
    reading = await world.own.read(ORIGIN)
    assert planned is not None
    assert repair(planned, {}, reading.content) == ()
    verify_s = time.perf_counter() - began_s
    taken = dict(stages.taken_s)
    return {
        "plan": taken["plan"] - taken["rules"],
        "rules": taken["rules"],
        "store": taken["store"],
        "publish": settled_s - planned_s[0],
        "verify": verify_s,
    }


async def _changes(world: World, stages: Stages) -> list[dict[str, float]]:
    """Lose one endpoint after the other; return milliseconds by stage of each."""
    changes: list[dict[str, float]] = []
    pools = list(world.intent.pools)
    planned_s: list[float] = []
    world.planner.on_planned.append(lambda _plan: planned_s.append(time.perf_counter()))
    for number in range(min(CHANGES, len(pools))):
        pool = pools[number]
        name = f"n{number * NAMES_PER_POOL}.{ORIGIN}"
        before = await _answer(world, name)
        world.turn(pool, min(before), State.ILL)
        stages.taken_s.clear()
        planned_s.clear()
        world.settled.clear()
        began_s = time.perf_counter()
        world.tell()
        await world.settled.wait()
        settled_s = time.perf_counter()
        after = await _answer(world, name)
        seen_s = time.perf_counter()
        assert min(before) not in after, (before, after)
        assert len(after) == len(before)
        rules_s, store_s = stages.taken_s["rules"], stages.taken_s["store"]
        parts = {
            "plan": planned_s[0] - began_s - store_s - rules_s,  # with what the report says, taken in and believed
            "rules": rules_s,
            "store": store_s,
            "publish": settled_s - planned_s[0],
            "answer": seen_s - settled_s,
        }
        changes.append({stage: taken_s * 1e3 for stage, taken_s in parts.items()})
        await asyncio.sleep(0.02)  # what goes on beside, the plan's file, is done
    return changes


async def _answer(world: World, name: str) -> set[str]:
    """Return the addresses that a client gets by UDP."""
    (bound,) = world.authority.bound
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((bound.host, bound.port))
        await loop.sock_sendall(client, dns.message.make_query(name, "A").to_wire())
        reply = dns.message.from_wire(await loop.sock_recv(client, 4096))
    return {str(rdata) for rrset in reply.answer for rdata in rrset}


@asynccontextmanager
async def _running(intent: Intent) -> AsyncIterator[World]:
    with TemporaryDirectory(prefix="standfast-bench-") as scratch:
        folder = Path(scratch)
        file = folder / "example.org.zone"
        file.write_text(HEAD)
        config = AuthorityConfig(
            listen=(Server("127.0.0.1", 0),),
            zones=(file,),
            state_dir=folder / "authority",
            rules={ORIGIN: ZoneRules()},
            planned=True,
        )
        store = SqlitePlanStore(folder / "control")
        journal = ControlJournal.open(folder / "control")
        rng = random.Random(1)
        async with (
            store.opened(),
            AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.time) as served,
        ):
            own = OwnPublisher("own", served.parts.zones)
            publishers = {"own": own}
            common: dict[str, Any] = {"journal": journal, "name": "bench", "rng": rng}
            enactor = EnactorService(store, publishers, look_every_s=60.0, reads_whole=False, **common)
            bounds = Bounds(leave_per_minute_max=1_000_000, leave_ratio_max=1.0, networks=("10.0.0.0/8",))
            planner = PlannerService(
                store, publishers, quorum=1, bounds=bounds, always_asks=False, now=time.time, **common
            )
            async with enactor, planner:
                settled = asyncio.Event()
                planner.on_planned.append(lambda plan: enactor.look(plan.zone))
                enactor.on_settled.append(planner.settled)
                enactor.on_settled.append(lambda *_: settled.set())
                enactor.assign({ORIGIN: ("own",)})
                world = World(
                    intent=intent,
                    authority=served,
                    own=own,
                    store=store,
                    planner=planner,
                    settled=settled,
                    seen={},
                    began_s=time.time(),
                )
                for name, pool in intent.pools.items():
                    world.seen[pool_key(name)] = f"{time.time():.3f}"
                    for endpoint in pool.endpoints:
                        world.turn(name, endpoint.address, State.WELL)
                yield world
        await served.parts.zones.settle()


def _intent(records: int, per_name: int) -> Intent:
    """Return names of `per_name` records each, which a hundred at a time share a pool of eight endpoints."""
    pools: dict[str, Pool] = {}
    names: list[ManagedName] = []
    for number in range(records // per_name // NAMES_PER_POOL):
        pool = f"pool-{number}"
        addresses = (f"10.{number >> 8}.{number & 255}.{host}" for host in range(1, ENDPOINTS + 1))
        pools[pool] = Pool(name=pool, endpoints=tuple(Endpoint(address=each, port=PORT) for each in addresses))
        policy = Policy(kind=PolicyKind.WEIGHTED, pools=((pool, 1),), answers_max=per_name)
        first = number * NAMES_PER_POOL
        names.extend(
            ManagedName(name=f"n{each}.{ORIGIN}", policy=policy) for each in range(first, first + NAMES_PER_POOL)
        )
    zone = ZoneIntent(origin=ORIGIN, publishers=("own",), names=tuple(names))
    return Intent(zones={ORIGIN: zone}, pools=pools)


if __name__ == "__main__":
    main()
