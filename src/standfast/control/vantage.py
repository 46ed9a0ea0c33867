"""One vantage: which endpoint is looked at when, and what it reports of all of them. Sends nothing itself.

Looks are spread over the interval of each check, and jittered ones stay so: nothing that was begun together goes on
together. A pause is never longer than the interval, so that what is lost turns ill within `fall` of them.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Final, NamedTuple

from standfast.control.health import (
    Look,
    NotLooked,
    Reading,
    Standing,
    State,
    Well,
    after,
    read_reading,
    resumed,
    unknown,
    write_reading,
)
from standfast.control.intent import CheckKind, Endpoint, HealthCheck, Intent
from standfast.ports import Random
from standfast.values import value

LOOKS_IN_FLIGHT_MAX: Final = 256
DESTINATION_IN_FLIGHT_MAX: Final = 8  # at one address: who is ill is not to be drowned by those who look
JITTER: Final = 0.1  # of the interval; always earlier, never later
LATE_FACTOR: Final = 2.0  # a look that took this much of its time-out, and
LATE_S: Final = 1.0  # this much more, was held up here: by a machine that slept, or has too much to do


class Target(NamedTuple):
    """What is looked at: a place of a pool. The same place in two pools is looked at by the check of each."""

    pool: str
    address: str
    port: int


@value
class Shot:
    """One look that is to be taken now."""

    number: int
    target: Target
    check: HealthCheck


@value
class Turned:
    """An endpoint is another than before, to this vantage."""

    target: Target
    before: State
    reading: Reading


def wanted(intent: Intent, endpoints: Mapping[str, Collection[Endpoint]]) -> dict[Target, HealthCheck]:
    """Return what is to be looked at, given the endpoints of each pool; the check says all that a look needs.

    A check without a host asks for the first name, in the order of the alphabet, that its pool serves.
    """
    hosts: dict[str, str] = {}
    for zone in intent.zones.values():
        for managed in zone.names:
            for served, _ in managed.policy.pools:
                hosts[served] = min(hosts.get(served, managed.name), managed.name)
    found: dict[Target, HealthCheck] = {}
    for name, pool in intent.pools.items():
        if pool.check.kind is CheckKind.NONE:
            continue
        check = replace(pool.check, host=pool.check.host or hosts.get(name))
        for endpoint in endpoints.get(name, ()):
            port = check.port or endpoint.port
            found[Target(name, endpoint.address, endpoint.port)] = replace(check, port=port)
    return found


def key_of(target: Target) -> str:
    """Return what a target is called in a report."""
    return f"{target.pool}/{target.address}:{target.port}"


def pool_key(pool: str) -> str:
    """Return what stands for a whole pool in a report: when the last look began that said well of one of it."""
    return f"{pool}/"


@dataclass(slots=True, kw_only=True)
class _Seat:
    """What is known of one target, and when it is looked at next."""

    target: Target
    check: HealthCheck
    standing: Standing
    due_s: float


@dataclass(slots=True, kw_only=True)
class _Flight:
    seat: _Seat
    began_s: float


class Vantage:
    """All endpoints that this vantage looks at."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._seats: dict[Target, _Seat] = {}
        self._queue: list[tuple[float, int, _Seat]] = []
        self._waiting: defaultdict[str, deque[_Seat]] = defaultdict(deque)  # by address, for one of its places
        self._flights: dict[int, _Flight] = {}
        self._at: Counter[str] = Counter()  # looks in flight by address
        self._order = count()
        self._well_s: dict[str, float] = {}  # by pool
        self._texts: dict[str, str] = {}  # of the report, but for pools
        self.looks = 0

    @property
    def in_flight(self) -> int:
        """How many looks are on their way."""
        return len(self._flights)

    @property
    def standings(self) -> Mapping[Target, Standing]:
        """What is known of each target."""
        return {target: seat.standing for target, seat in self._seats.items()}

    @property
    def next_s(self) -> float:
        """When `due` wants to be called next; infinity where nothing waits on time."""
        if not self._queue or len(self._flights) >= LOOKS_IN_FLIGHT_MAX:
            return inf
        return self._queue[0][0]

    def watch(self, targets: Mapping[Target, HealthCheck], now_s: float) -> None:
        """Look at these from now on, and at no others; what is known of an unchanged target and check stays."""
        self._seats = {t: seat for t, seat in self._seats.items() if targets.get(t) == seat.check}
        pools = {target.pool for target in targets}
        self._well_s = {pool: at_s for pool, at_s in self._well_s.items() if pool in pools}
        kept = {key_of(target) for target in self._seats}
        self._texts = {key: text for key, text in self._texts.items() if key in kept}
        self._queue = [entry for entry in self._queue if self._is_current(entry[2])]
        for target, check in targets.items():
            if target not in self._seats:
                due_s = now_s + self._rng.uniform(0.0, check.interval_s)
                seat = _Seat(target=target, check=check, standing=unknown(now_s), due_s=due_s)
                self._seats[target] = seat
                self._queue.append((due_s, next(self._order), seat))
        heapify(self._queue)

    def resume(self, report: Mapping[str, str], now_s: float) -> None:
        """Go on from the last report of this vantage, which is not long ago: nothing turns by a restart alone."""
        for target, seat in self._seats.items():
            reading = read_reading(report.get(key_of(target), ""))
            if reading is not None and seat.standing.well is None:
                seat.standing = resumed(reading, now_s)
                self._texts[key_of(target)] = write_reading(seat.standing.reading)

    def due(self, now_s: float) -> list[Shot]:
        """Return the looks that are to be taken now."""
        shots: list[Shot] = []
        while self._queue and self._queue[0][0] <= now_s and len(self._flights) < LOOKS_IN_FLIGHT_MAX:
            seat = heappop(self._queue)[2]
            if self._at[seat.target.address] >= DESTINATION_IN_FLIGHT_MAX:
                self._waiting[seat.target.address].append(seat)
            elif self._is_current(seat):
                shots.append(self._shoot(seat, now_s))
        return shots

    def landed(self, number: int, look: Look, now_s: float) -> Turned | None:
        """Take in what a look said; tell if the endpoint turned by it."""
        flight = self._flights.pop(number)
        seat = flight.seat
        self._free(seat.target.address)
        if not self._is_current(seat):
            return None
        took_s = now_s - flight.began_s
        if took_s > LATE_FACTOR * seat.check.timeout_s + LATE_S:
            look = NotLooked(why=f"the look took {took_s:.0f} s: this machine slept, or has too much to do")
        elif isinstance(look, Well):
            self._well_s[seat.target.pool] = max(flight.began_s, self._well_s.get(seat.target.pool, -inf))
        pause_s = seat.check.interval_s * (1.0 - JITTER * self._rng.random())
        seat.due_s = max(now_s, flight.began_s + pause_s)
        heappush(self._queue, (seat.due_s, next(self._order), seat))
        before = seat.standing.reading.state
        seat.standing = after(seat.standing, look, seat.check, now_s=now_s)
        reading = seat.standing.reading
        if reading.state is before:
            return None
        key = key_of(seat.target)
        if reading.state is State.UNKNOWN:
            self._texts.pop(key, None)
        else:
            self._texts[key] = write_reading(reading)
        return Turned(target=seat.target, before=before, reading=reading)

    def report(self) -> dict[str, str]:
        """Return what is seen of all targets of which anything can be said, and of each pool."""
        return self._texts | {pool_key(pool): f"{at_s:.3f}" for pool, at_s in self._well_s.items()}

    def _is_current(self, seat: _Seat) -> bool:
        return self._seats.get(seat.target) is seat

    def _shoot(self, seat: _Seat, now_s: float) -> Shot:
        self.looks += 1
        self._at[seat.target.address] += 1
        self._flights[self.looks] = _Flight(seat=seat, began_s=now_s)
        return Shot(number=self.looks, target=seat.target, check=seat.check)

    def _free(self, address: str) -> None:
        """Give the place of a look that ended to the next that waits for one at that address."""
        self._at[address] -= 1
        waiting = self._waiting.get(address)
        while waiting:
            seat = waiting.popleft()
            if self._is_current(seat):
                heappush(self._queue, (seat.due_s, next(self._order), seat))
                break
        if not waiting:
            self._waiting.pop(address, None)
        if not self._at[address]:
            del self._at[address]
