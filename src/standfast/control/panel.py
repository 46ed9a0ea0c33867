"""What all vantages say together: who is ill by how many of them, and when it is the measurement that is.

An endpoint is ill when as many vantages as the quorum say so. Three things are not believed, and what was believed
before stays (docs/decisions/0018-when-health-is-not-believed.md):

- a vantage that loses more than half of its pools at once: its own network is cut;
- a pool of which more than half, and no fewer than three, turn ill at once: its health checks fail, not its endpoints;
- a pool that is lost whole, until the vantages who say so have seen most other pools well since then. When they have,
  it is lost, and names go elsewhere.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from standfast.control.health import Reading, State, read_reading
from standfast.control.intent import Endpoint
from standfast.control.pool_view import Health
from standfast.values import value

REPORT_WORTH_S: Final = 45.0  # nine reports of a vantage: a process that starts anew is back within that
MASS_SHARE: Final = 0.5  # of what was well until then; as Envoy's panic threshold is by default
MASS_LEAST: Final = 3  # endpoints of a pool: of two, both may well be ill
MASS_WINDOW_S: Final = 600.0
POOLS_LEAST: Final = 2  # pools of a vantage: of one alone nothing can be told
_LOOKS_ILL: Final = (State.ILL, State.NEVER, State.UNSTEADY)
VANTAGES_MAX: Final = 64  # that are listened to; the longest unheard is forgotten


@value
class Turn:
    """An endpoint that is believed to be another than before."""

    endpoint: Endpoint
    before: Health
    now: Health
    why: str


@value
class PoolHealth:
    """How the endpoints of a pool are; `broken` says why its measurement is not believed, empty where it is."""

    health: Mapping[Endpoint, Health]
    broken: str = ""
    turns: tuple[Turn, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Heard:
    """The last report of one vantage: its times by its own clock, but for `heard_s`."""

    at_s: float
    heard_s: float
    texts: Mapping[str, str] = field(default_factory=dict)
    pools: dict[str, dict[str, Reading]] = field(default_factory=dict)
    well_s: dict[str, float] = field(default_factory=dict)  # when the last look began that said well, by pool
    down_s: dict[str, float] = field(default_factory=dict)  # since when more than the share of a pool is ill
    cut_s: float = inf  # what turned ill since then is not believed

    def ours(self, their_s: float) -> float:
        """Return what time it was here, by our clock."""
        return self.heard_s - (self.at_s - their_s)


@dataclass(slots=True, kw_only=True)
class _Belief:
    """What is believed of an endpoint, what was before it last turned ill, and since when a quorum says ill.

    `told` is what was believed when that was last asked for.
    """

    place: str
    health: Health = Health.UNKNOWN
    before: Health = Health.UNKNOWN
    ill_s: float | None = None
    lost: bool = False  # it is ill with all of its pool, and that is believed
    why: str = ""
    told: Health = Health.UNKNOWN


@value
class _Vote:
    """What the vantages say of one endpoint that a quorum calls ill."""

    since_s: float  # by our clock
    unsteady: bool  # ill only to those who see that it turns too often
    damped: bool  # of these, only to those to whom it looks well
    doubted: bool  # ill only to vantages whose network is cut
    fell: bool  # was seen well by this check before
    why: str


class Panel:
    """What is believed of all endpoints, from what vantages report."""

    def __init__(self, *, quorum: int) -> None:
        self._quorum = quorum
        self._heard: dict[str, _Heard] = {}
        self._beliefs: dict[str, dict[Endpoint, _Belief]] = {}
        self._unproven: set[str] = set()  # pools that wait for another to be seen well

    def cut(self, now_s: float) -> tuple[str, ...]:
        """Return the vantages that report and lost most pools at once, in order."""
        return tuple(sorted(name for name, heard in self._live(now_s).items() if heard.cut_s < inf))

    def live(self, now_s: float) -> tuple[str, ...]:
        """Return the vantages that report, in order."""
        return tuple(sorted(self._live(now_s)))

    def hear(self, vantage: str, report: Mapping[str, str], *, at_s: float, now_s: float) -> frozenset[str]:
        """Take in a report that was made at `at_s` by the clock of the vantage; return the pools to judge anew.

        How old a report is tells our own clock, by when it was first seen here; only of the first one it is theirs.
        """
        heard = self._heard.get(vantage)
        if heard is None:
            heard = self._heard[vantage] = _Heard(at_s=at_s, heard_s=now_s - max(0.0, now_s - at_s))
            if len(self._heard) > VANTAGES_MAX:
                del self._heard[min(self._heard, key=lambda name: self._heard[name].heard_s)]
        elif at_s == heard.at_s or (at_s < heard.at_s and now_s - heard.heard_s <= REPORT_WORTH_S):
            return frozenset()  # heard before by a shorter way; a clock that was set back is believed when that is old
        else:
            heard.at_s, heard.heard_s = at_s, now_s
        was_cut_s = heard.cut_s
        changed = _take_in(heard, report)
        if heard.cut_s != was_cut_s:
            changed |= heard.pools.keys()
        return frozenset(changed | self._unproven)

    def judge(self, pool: str, endpoints: Collection[Endpoint], now_s: float) -> PoolHealth:
        """Say how the endpoints of a pool are, and remember it."""
        live = [heard for heard in self._live(now_s).values() if pool in heard.pools]
        beliefs = self._beliefs.get(pool, {})
        beliefs = self._beliefs[pool] = {
            endpoint: beliefs.get(endpoint) or _Belief(place=f"{endpoint.address}:{endpoint.port}")
            for endpoint in endpoints
        }
        ill = self._count(beliefs.values(), [(heard, heard.pools[pool]) for heard in live])
        broken = self._mass(pool, beliefs, ill, live, now_s)
        health: dict[Endpoint, Health] = {}
        turns: list[Turn] = []
        for endpoint, belief in beliefs.items():
            health[endpoint] = belief.health
            if belief.health is not belief.told:
                turns.append(Turn(endpoint=endpoint, before=belief.told, now=belief.health, why=belief.why))
                belief.told = belief.health
        if len(live) < self._quorum and any(each is not Health.UNKNOWN for each in health.values()):
            broken = f"{len(live)} of {self._quorum} vantages that it takes report: nothing turns ill"
        return PoolHealth(health=health, broken=broken, turns=tuple(turns))

    def forget(self, pools: Collection[str]) -> None:
        """Forget what is believed of all pools but these."""
        self._beliefs = {pool: beliefs for pool, beliefs in self._beliefs.items() if pool in pools}
        self._unproven &= set(pools)

    def _live(self, now_s: float) -> dict[str, _Heard]:
        return {name: heard for name, heard in self._heard.items() if now_s - heard.heard_s <= REPORT_WORTH_S}

    def _count(
        self, beliefs: Iterable[_Belief], live: Sequence[tuple[_Heard, Mapping[str, Reading]]]
    ) -> list[tuple[_Belief, _Vote]]:
        """Take in what the vantages say of each endpoint, and return those that a quorum calls ill."""
        ill: list[tuple[_Belief, _Vote]] = []
        for belief in beliefs:
            well = 0
            against: list[tuple[_Heard, Reading]] = []
            for heard, readings in live:
                reading = readings.get(belief.place)
                if reading is None:
                    continue
                if reading.state is State.WELL:
                    well += 1
                else:
                    against.append((heard, reading))
            if len(against) >= self._quorum:
                vote = self._vote(against)
                if belief.ill_s is None:
                    belief.ill_s, belief.before = vote.since_s, belief.health
                ill.append((belief, vote))
            elif well:
                belief.health, belief.ill_s, belief.lost, belief.why = Health.WELL, None, False, ""
        return ill  # of all others nobody says anything: what was believed stays

    def _vote(self, against: Iterable[tuple[_Heard, Reading]]) -> _Vote:
        said = sorted(((heard.ours(each.since_s), heard, each) for heard, each in against), key=lambda each: each[0])
        since_s, _, reading = said[self._quorum - 1]
        unsteady = sum(each.state in (State.UNSTEADY, State.DAMPED) for _, _, each in said)
        damped = sum(each.state is State.DAMPED for _, _, each in said)
        doubted = sum(each.since_s > heard.cut_s for _, heard, each in said)
        return _Vote(
            since_s=since_s,
            unsteady=len(said) - unsteady < self._quorum,
            damped=len(said) - damped < self._quorum,
            doubted=len(said) - doubted < self._quorum,
            fell=any(each.state is not State.NEVER for _, _, each in said),
            why=reading.why,
        )

    def _mass(
        self,
        pool: str,
        beliefs: Mapping[Endpoint, _Belief],
        ill: Sequence[tuple[_Belief, _Vote]],
        live: Collection[_Heard],
        now_s: float,
    ) -> str:
        """Believe who is ill, but for those whose illness is not believed; return why, empty where all is."""
        self._unproven.discard(pool)
        if not ill:
            return ""
        in_use = [belief for endpoint, belief in beliefs.items() if not endpoint.drained]
        used = {belief.place for belief in in_use}
        ill_in_use = [(belief, vote) for belief, vote in ill if belief.place in used]
        new = sorted(
            (now_s if vote.unsteady else _ill_s(belief), belief.place) for belief, vote in ill_in_use if not belief.lost
        )
        lost_before = sum(belief.lost for belief in in_use)
        hit = bursts([at_s for at_s, _ in new], of=len(in_use) - lost_before, least=MASS_LEAST)
        mass = {new[index][1] for index in hit}
        doubted = {belief.place for belief, vote in ill if vote.doubted}
        if new and len(ill_in_use) == len(in_use) and not doubted:
            if self._is_lost(pool, ill_in_use, live):
                for belief in in_use:
                    belief.lost = True
                mass = set()
            else:
                self._unproven.add(pool)
                mass |= {belief.place for belief, _ in ill_in_use if belief.health is not Health.ILL}
        for belief, vote in ill:
            _believe(belief, vote, doubted=belief.place in mass or belief.place in doubted, now_s=now_s)
        if doubted:
            return f"{len(doubted)} are ill only to vantages that lost most of their pools at once"
        if not mass:
            return ""
        if pool in self._unproven:
            return f"all {len(in_use)} turned ill, and nothing shows that it is not the measurement"
        return f"{len(mass)} of {len(in_use)} turned ill, or turn too often, at once"

    def _is_lost(self, pool: str, ill: Sequence[tuple[_Belief, _Vote]], live: Collection[_Heard]) -> bool:
        """Say whether a pool whose endpoints are all ill is truly lost.

        A vantage vouches for it if looks that it began after the last of them turned ill said well of more than half
        of the other pools. Where there is no other pool to look at, two vantages have to agree. A pool that was never
        well by its check is asked wrongly.
        """
        if any(vote.damped for _, vote in ill) or not any(vote.fell for _, vote in ill):
            return False
        vouch = alone = 0
        for heard in live:
            readings = [heard.pools[pool].get(belief.place) for belief, _ in ill]
            since = [each.since_s for each in readings if each is not None and each.state in _LOOKS_ILL]
            if len(since) < len(readings) or heard.cut_s < inf:
                continue
            others = [at_s for other, at_s in heard.well_s.items() if other != pool and other not in heard.down_s]
            if others:
                vouch += sum(at_s >= max(since) for at_s in others) > MASS_SHARE * len(others)
            elif heard.pools.keys() == {pool}:
                alone += 1
        return vouch >= self._quorum or vouch + alone >= max(2, self._quorum)


def bursts(times_s: Sequence[float], *, of: int, least: int) -> set[int]:
    """Return which of `times_s`, in order, belong to a burst.

    That is a window in which more than `MASS_SHARE` of those that were well until then, and at least `least`, turned
    ill. `of` is how many there are in all.
    """
    members: set[int] = set()
    begin = told = 0
    for end, at_s in enumerate(times_s):
        while times_s[begin] <= at_s - MASS_WINDOW_S:
            begin += 1
        size = end - begin + 1
        if size >= least and size > MASS_SHARE * (of - begin):
            members.update(range(max(begin, told), end + 1))
            told = end + 1
    return members


def _take_in(heard: _Heard, report: Mapping[str, str]) -> set[str]:
    """Read what is new in a report; return the pools of which anything is."""
    changed: set[str] = set()
    for key, text in report.items():
        if heard.texts.get(key) == text:
            continue
        pool, _, place = key.rpartition("/")
        if place:
            reading = read_reading(text)
            readings = heard.pools.setdefault(pool, {})
            if reading is None or reading.state is State.UNKNOWN:
                readings.pop(place, None)
            else:
                readings[place] = reading
            changed.add(pool)
        else:
            heard.well_s[pool] = _seconds(text)
    for key in heard.texts.keys() - report.keys():
        pool, _, place = key.rpartition("/")
        if place:
            heard.pools.get(pool, {}).pop(place, None)
            changed.add(pool)
        else:
            heard.well_s.pop(pool, None)
    heard.texts = dict(report)
    _look_for_cut(heard, changed)
    return changed


def _look_for_cut(heard: _Heard, changed: Iterable[str]) -> None:
    """See whether the vantage lost most of its pools at once; readings from before that still count."""
    for pool in changed:
        readings = heard.pools.get(pool)
        if not readings:
            heard.pools.pop(pool, None)
            heard.down_s.pop(pool, None)
            continue
        since = sorted(each.since_s for each in readings.values() if each.state is not State.WELL)
        if len(since) > MASS_SHARE * len(readings):
            heard.down_s[pool] = since[int(MASS_SHARE * len(readings))]
        else:
            heard.down_s.pop(pool, None)
    downs = sorted(heard.down_s.values())
    lost = bursts(downs, of=len(heard.pools), least=POOLS_LEAST)
    heard.cut_s = downs[min(lost)] - MASS_WINDOW_S if lost else inf


def _believe(belief: _Belief, vote: _Vote, *, doubted: bool, now_s: float) -> None:
    """Believe that an endpoint is ill; where that is doubted, what was believed before it turned is again."""
    if not doubted:
        belief.health, belief.why = Health.ILL, vote.why
    elif not belief.lost and (vote.unsteady or _ill_s(belief) > now_s - MASS_WINDOW_S):
        belief.health, belief.why = belief.before, ""


def _ill_s(belief: _Belief) -> float:
    assert belief.ill_s is not None
    return belief.ill_s


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -inf
