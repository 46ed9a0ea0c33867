"""What is known of every pool, put together: who is in it by intent and source, and how each is by all vantages."""

from collections.abc import Iterable, Mapping
from typing import Final

from standfast.control.intent import CheckKind, Endpoint, Pool
from standfast.control.panel import Panel, Turn
from standfast.control.pool_view import Health, PoolView

TURNS_MAX: Final = 10_000  # that wait to be told; a shell takes them after every call

PoolTurn = tuple[str, Turn]


class PoolStates:
    """Views of the pools of an intent. What changes them says which pools look other than before."""

    def __init__(self, *, quorum: int) -> None:
        """Know nothing yet; `quorum` is how many vantages must agree that an endpoint is ill."""
        self.views: Mapping[str, PoolView] = {}  # another one with every change
        self._panel = Panel(quorum=quorum)
        self._pools: Mapping[str, Pool] = {}
        self._sourced: dict[str, tuple[tuple[Endpoint, ...], str]] = {}  # what a source lists, and why it fails
        self._turns: list[PoolTurn] = []

    def assign(self, pools: Mapping[str, Pool], now_s: float) -> frozenset[str]:
        """Know of these pools from now on, and of no others."""
        self._pools = pools
        self._sourced = {name: said for name, said in self._sourced.items() if name in pools and pools[name].source}
        self._panel.forget(pools)
        self.views = {name: view for name, view in self.views.items() if name in pools}
        return self._judge(pools, now_s)

    def report(self, vantage: str, report: Mapping[str, str], *, at_s: float, now_s: float) -> frozenset[str]:
        """Take in what a vantage sees; `at_s` is by its own clock. The same report twice is none."""
        return self._judge(self._panel.hear(vantage, report, at_s=at_s, now_s=now_s), now_s)

    def source(self, pool: str, endpoints: Iterable[Endpoint], failed: str, now_s: float) -> frozenset[str]:
        """Take in what a pool's source listed last; `failed` says why that is not of now, and is empty where it is."""
        self._sourced[pool] = tuple(endpoints), failed
        return self._judge((pool,), now_s)

    def look(self, now_s: float) -> frozenset[str]:
        """Judge all pools anew: what was reported may be too old by now."""
        return self._judge(self._pools, now_s)

    def turns(self) -> list[PoolTurn]:
        """Return whose health is believed to be another than before, once."""
        turns, self._turns = self._turns, []
        return turns

    def _judge(self, names: Iterable[str], now_s: float) -> frozenset[str]:
        changed = {}
        for name in names:
            pool = self._pools.get(name)
            if pool is not None and (view := self._view(pool, now_s)) != self.views.get(name):
                changed[name] = view
        if changed:
            self.views = {**self.views, **changed}
        return frozenset(changed)

    def _view(self, pool: Pool, now_s: float) -> PoolView:
        listed, failed = self._sourced.get(pool.name, ((), "it was not read yet")) if pool.source else ((), "")
        endpoints = dict.fromkeys((*pool.endpoints, *listed))
        if pool.check.kind is CheckKind.NONE:
            return PoolView(endpoints=dict.fromkeys(endpoints, Health.WELL), source_failed=failed)
        judged = self._panel.judge(pool.name, endpoints, now_s)
        self._turns.extend((pool.name, turn) for turn in judged.turns[: TURNS_MAX - len(self._turns)])
        return PoolView(
            endpoints={endpoint: judged.health[endpoint] for endpoint in endpoints},
            source_failed=failed,
            broken=judged.broken,
        )
