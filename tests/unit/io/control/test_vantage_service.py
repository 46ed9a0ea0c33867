"""A vantage running: real looks at loopback, real reports in a store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from standfast.control.health import Ill, Look, State, read_reading
from standfast.control.intent import CheckKind, Endpoint, HealthCheck, Intent, Pool
from standfast.control.panel import Panel
from standfast.control.pool_view import Health
from standfast.control.vantage import Target, key_of
from standfast.io.clock import SteadyClock
from standfast.io.control.checks.check import Checker
from standfast.io.control.stores.sqlite import SqlitePlanStore
from standfast.io.control.vantage_service import Looks, VantageService
from standfast.io.roots import Roots

PATIENCE_S = 20.0  # for what takes a tenth of a second, on a machine that is busy
CHECK = HealthCheck(kind=CheckKind.TCP, interval_s=0.1, timeout_s=5.0, rise=1, fall=2)


class Servers:
    """Listeners on loopback that can be taken away and brought back at their ports."""

    def __init__(self, *pools: str) -> None:
        self.ports: dict[str, int] = dict.fromkeys(pools, 0)
        self._open: dict[str, asyncio.Server] = {}

    async def up(self, pool: str) -> None:
        server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", self.ports[pool])
        self._open[pool] = server
        self.ports[pool] = server.sockets[0].getsockname()[1]

    async def down(self, pool: str) -> None:
        server = self._open.pop(pool)
        server.close()
        await server.wait_closed()

    @property
    def endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        return {pool: (Endpoint(address="127.0.0.1", port=port),) for pool, port in self.ports.items()}

    @property
    def intent(self) -> Intent:
        return Intent(zones={}, pools={name: Pool(name=name, check=CHECK) for name in self.ports})

    def key(self, pool: str) -> str:
        return key_of(Target(pool, "127.0.0.1", self.ports[pool]))


@asynccontextmanager
async def servers(*pools: str) -> AsyncIterator[Servers]:
    found = Servers(*pools)
    for pool in pools:
        await found.up(pool)
    yield found
    for pool in list(found._open):
        await found.down(pool)


class CutOff:
    """A vantage's network from which nobody is reached."""

    async def look(self, address: str, check: HealthCheck) -> Look:
        return Ill(why="no answer in time")


class Broken:
    """A checker with a fault of its own."""

    async def look(self, address: str, check: HealthCheck) -> Look:
        raise RuntimeError(address)


def checker() -> Checker:
    return Checker(Roots(), Random(1))


def service(store: SqlitePlanStore, name: str = "v1", looks: Looks | None = None) -> VantageService:
    return VantageService(store, looks or checker(), name=name, now=SteadyClock().now, rng=Random(1))


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await is_so():
            await asyncio.sleep(0.01)


def test_a_turn_is_told_at_once_and_kept_in_the_store(tmp_path: Path) -> None:
    async def run() -> list[State]:
        async with SqlitePlanStore(tmp_path).opened() as store, servers("us", "eu") as world:
            vantage = service(store)
            states: list[State] = []
            turned = asyncio.Event()

            def listen(name: str, report: Mapping[str, str], /, *, at_s: float) -> None:
                reading = read_reading(report.get(world.key("us"), ""))
                if name == "v1" and reading and states[-1:] != [reading.state]:
                    states.append(reading.state)
                    turned.set()

            async def turn() -> None:
                async with asyncio.timeout(PATIENCE_S):
                    await turned.wait()
                turned.clear()

            vantage.on_report.append(listen)
            vantage.assign(world.intent, world.endpoints)
            async with vantage:
                await turn()
                await world.down("us")
                await turn()

                async def is_kept() -> bool:
                    _, report = (await store.reports()).get("v1", (0.0, {}))
                    return report.get(world.key("us"), "").endswith("connection refused")

                await until(is_kept)
                await world.up("us")
                await turn()
            assert vantage.outcomes["well"] >= 2
            assert vantage.outcomes["ill"] >= 2
            return states

    assert asyncio.run(run()) == [State.WELL, State.ILL, State.WELL]


def test_a_restart_goes_on_from_what_was_reported_last(tmp_path: Path) -> None:
    async def run() -> None:
        async with SqlitePlanStore(tmp_path).opened() as store, servers("us") as world:
            now_s = SteadyClock().now()
            await store.report("v1", {world.key("us"): f"ill {now_s - 5_000:.3f} closed"}, at_s=now_s - 60.0)
            await store.report("v2", {world.key("us"): f"ill {now_s - 5_000:.3f} closed"}, at_s=now_s - 6_000.0)
            for name, state in (("v1", State.ILL), ("v2", State.UNKNOWN)):
                vantage = service(store, name)
                vantage.assign(world.intent, world.endpoints)
                async with vantage:
                    (standing,) = vantage.vantage.standings.values()
                    assert standing.reading.state is state

    asyncio.run(run())


def test_of_two_vantages_one_of_which_is_cut_off_the_other_is_not_outvoted(tmp_path: Path) -> None:
    async def run() -> None:
        async with SqlitePlanStore(tmp_path).opened() as store, servers("us", "eu") as world:
            panel = Panel(quorum=2)
            clock = SteadyClock()
            here, there = service(store, "here"), service(store, "there")

            async def believed(pool: str) -> Health:
                for name, (at_s, report) in (await store.reports()).items():
                    panel.hear(name, report, at_s=at_s, now_s=clock.now())
                (endpoint,) = world.endpoints[pool]
                return panel.judge(pool, [endpoint], clock.now()).health[endpoint]

            async def both(us: Health, eu: Health) -> bool:
                return (await believed("us"), await believed("eu")) == (us, eu)

            for vantage in (here, there):
                vantage.assign(world.intent, world.endpoints)
            async with here, there:
                await until(lambda: both(Health.WELL, Health.WELL))
                there._checker = CutOff()

                async def is_cut() -> bool:
                    await believed("us")
                    return panel.cut(clock.now()) == ("there",)

                with capture_logs() as logs:
                    await until(is_cut)
                assert await both(Health.WELL, Health.WELL)
                alarms = [(each["vantage"], each["pool"]) for each in logs if each["event"] == "health.mass_failure"]
                assert ("there", None) in alarms
                there._checker = checker()
                await world.down("us")
                await until(lambda: both(Health.ILL, Health.WELL))

    asyncio.run(run())


def test_a_fault_of_our_own_turns_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        async with SqlitePlanStore(tmp_path).opened() as store, servers("us") as world:
            vantage = service(store, looks=Broken())
            vantage.assign(world.intent, world.endpoints)

            async def has_looked() -> bool:
                return vantage.outcomes["not-looked"] >= 3

            with capture_logs() as logs:
                async with vantage:
                    await until(has_looked)
            assert {each["event"] for each in logs} == {"vantage.failed"}
            assert not vantage.vantage.report()

    asyncio.run(run())
