"""Endpoints of many pools that fall ill and rise, and what the product believes of them by three vantages' looks."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Final

from standfast.control import health
from standfast.control.health import Ill, Standing, Well, write_reading
from standfast.control.intent import (
    CheckKind,
    Endpoint,
    HealthCheck,
    ManagedName,
    Policy,
    PolicyKind,
    Promise,
    ZoneIntent,
)
from standfast.control.panel import Panel
from standfast.control.pool_view import PoolView
from standfast.sim.control.parts import ZONE

POOLS: Final = 10
ENDPOINTS: Final = 8  # of each pool
VANTAGES: Final = ("v1", "v2", "v3")
QUORUM: Final = 2
CHECK: Final = HealthCheck(kind=CheckKind.TCP, interval_s=10.0)
WAYS: Final = 40  # of serving a name: which pools, by which policy, with which promise
LOOKS_S: Final = (10.0, 20.0, 30.0, 900.0, 1_800.0, 2_700.0)  # after a turn: until it counts, until damping ends


def intent_of(names: int, rng: Random) -> ZoneIntent:
    """Return so many names, each served in one of a few dozen ways."""
    ways = [(_policy(rng), Promise(endpoints_min=rng.choice((1, 1, 2)))) for _ in range(WAYS)]
    managed = []
    for number in range(names):
        policy, promise = rng.choice(ways)
        managed.append(ManagedName(name=f"n{number}.{ZONE}", policy=policy, promise=promise))
    return ZoneIntent(origin=ZONE, names=tuple(managed))


def _policy(rng: Random) -> Policy:
    pools = rng.sample(range(POOLS), k=rng.randint(1, 3))
    return Policy(kind=rng.choice(list(PolicyKind)), pools=tuple((pool_name(pool), 1) for pool in pools))


def pool_name(number: int) -> str:
    """Return what a pool is called."""
    return f"pool-{number}"


class Regions:
    """How endpoints are, how they look from each vantage, and what is believed of them."""

    def __init__(self) -> None:
        self.endpoints: dict[str, tuple[Endpoint, ...]] = {
            pool_name(pool): tuple(Endpoint(address=f"192.0.2.{pool * ENDPOINTS + n + 1}") for n in range(ENDPOINTS))
            for pool in range(POOLS)
        }
        self.ill: set[Endpoint] = set()
        self.cut: set[str] = set()  # vantages whose network is cut: everything looks ill to them
        self.failed: set[str] = set()  # pools whose source names nobody
        self.views: dict[str, PoolView] = {}
        self._panel = Panel(quorum=QUORUM)
        self._standing: dict[tuple[str, Endpoint], Standing] = {}
        self._reports: dict[str, dict[str, str]] = {vantage: {} for vantage in VANTAGES}

    def look_at_all(self, now_s: float) -> None:
        """Look at everything often enough that all is known."""
        for _ in range(CHECK.fall):
            for pool, endpoint in self.each():
                self.look(pool, endpoint, now_s)

    def each(self) -> Iterator[tuple[str, Endpoint]]:
        """Yield every endpoint with its pool."""
        for pool, endpoints in self.endpoints.items():
            for endpoint in endpoints:
                yield pool, endpoint

    def look(self, pool: str, endpoint: Endpoint, now_s: float) -> None:
        """Have every vantage look at an endpoint."""
        for vantage in VANTAGES:
            before = self._standing.get((vantage, endpoint)) or health.unknown(now_s)
            look = Ill(why="no answer") if endpoint in self.ill or vantage in self.cut else Well()
            after = self._standing[vantage, endpoint] = health.after(before, look, CHECK, now_s=now_s)
            self._reports[vantage][f"{pool}/{endpoint.address}:{endpoint.port}"] = write_reading(after.reading)

    def report(self, now_s: float) -> frozenset[str]:
        """Have every vantage report; return the pools of which something else is believed now."""
        heard: set[str] = set()
        for vantage in VANTAGES:
            heard |= self._panel.hear(vantage, self._reports[vantage], at_s=now_s, now_s=now_s)
        turned = set()
        for pool in sorted(heard & self.endpoints.keys()) if self.views else self.endpoints:
            turned |= {pool} if self._believe(pool, now_s) else set()
        return frozenset(turned)

    def source(self, pool: str, *, fails: bool, now_s: float) -> None:
        """Have the source of a pool name nobody, or everybody again."""
        (self.failed.add if fails else self.failed.discard)(pool)
        self._believe(pool, now_s)

    def believed(self) -> Mapping[str, PoolView]:
        """Return what the planner is told."""
        return dict(self.views)

    def _believe(self, pool: str, now_s: float) -> bool:
        endpoints = () if pool in self.failed else self.endpoints[pool]
        judged = self._panel.judge(pool, self.endpoints[pool], now_s)
        believed = {endpoint: judged.health[endpoint] for endpoint in endpoints}
        failed = "it names nobody" if pool in self.failed else ""
        view = PoolView(endpoints=believed, source_failed=failed, broken=judged.broken)
        if self.views.get(pool) == view:
            return False
        self.views[pool] = view
        return True
