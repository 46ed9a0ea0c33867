"""Probing under a budget: who is looked at next, never more than one probe a name in flight. Sends nothing itself.

A round asks the addresses of one name one after the other. Rounds for lost names go before rounds that only learn
what normal looks like. Bounds hold for all together, for each destination, and for the queue.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count, islice
from math import inf

from standfast.dns.model import Name
from standfast.evidence.aim import may_probe
from standfast.evidence.model import ROUND_ADDRESSES_MAX as ROUND_ADDRESSES_MAX  # noqa: PLC0414 - found here as well
from standfast.evidence.model import ProbeResult, ProbeSpec

PROBES_IN_FLIGHT_MAX = 32
CALM_IN_FLIGHT_MAX = 16  # so that a lost name never waits for those that are well to time out
PROBES_PER_S = 20.0
PROBES_BURST = 40.0
DESTINATION_PROBES_PER_S = 1.0  # what one address gets from us at most, whoever's names point there
DESTINATION_BURST = 8.0
DESTINATIONS_MAX = 4096  # budgets remembered; the longest unused is forgotten
URGENT_WAITING_MAX = 16_384  # rounds; about as many as names are looked after at once when a whole provider is lost
CALM_WAITING_MAX = 1024  # rounds; what is left out is asked when the name is next confirmed
LOOK_AHEAD_MAX = 64  # rounds looked at for one that may go now
PROBE_TIMEOUT_S = 2.0
TOKEN_SLACK = 1e-4  # of a token: seconds since the epoch are floats, and a timer set for a token must find it


@dataclass(slots=True, kw_only=True)
class Round:
    """One name's addresses, to be asked one after the other. `turn` says that the first may be asked, or will be."""

    purpose: Hashable
    qname: Name
    spec: ProbeSpec
    addresses: deque[str]
    urgent: bool
    turn: bool = False


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a second, at most `burst`; tokens may be taken ahead of time."""

    rate: float
    burst: float
    tokens: float
    at_s: float

    def ready_at_s(self, now: float) -> float:
        """Return when the next token is there."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at_s) * self.rate)
        self.at_s = max(self.at_s, now)
        return now if self.tokens >= 1 - TOKEN_SLACK else now + (1 - self.tokens) / self.rate

    def take(self, now: float) -> float:
        """Take the next token, and return when it is there."""
        at_s = self.ready_at_s(now)
        self.tokens -= 1
        return at_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One probe to be sent."""

    probe: int
    qname: Name
    address: str
    spec: ProbeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """One probe that came back, and whether it was the last of its round."""

    purpose: Hashable
    result: ProbeResult
    round_over: bool


@dataclass(frozen=True, slots=True)
class _Flight:
    round: Round
    address: str


class _Queue:
    """Rounds that wait: `ready` ones for the budget of all, `parked` ones until it is their turn at an address."""

    def __init__(self, waiting_max: int) -> None:
        self.ready: OrderedDict[Hashable, Round] = OrderedDict()
        self.parked: dict[Hashable, Round] = {}
        self.waiting_max = waiting_max

    def __len__(self) -> int:
        return len(self.ready) + len(self.parked)


class Prober:
    """All rounds, waiting and in flight."""

    def __init__(self, now: float) -> None:
        self._budget = Bucket(PROBES_PER_S, PROBES_BURST, PROBES_BURST, now)
        self._destinations: OrderedDict[str, Bucket] = OrderedDict()
        self._urgent = _Queue(URGENT_WAITING_MAX)
        self._calm = _Queue(CALM_WAITING_MAX)
        self._turns: list[tuple[float, int, Round]] = []
        self._order = count()
        self._flights: dict[int, _Flight] = {}
        self._names_in_flight: set[Name] = set()
        self._calm_in_flight = 0
        self._asleep_until_s = inf
        self.sent = 0

    @property
    def in_flight(self) -> int:
        """How many probes are on their way."""
        return len(self._flights)

    @property
    def waiting(self) -> int:
        """How many rounds wait for their next probe."""
        return len(self._urgent) + len(self._calm)

    @property
    def next_time(self) -> float:
        """When `shots` wants to be called next; infinity where nothing waits on time."""
        return self._asleep_until_s

    def want(
        self, *, purpose: Hashable, qname: Name, spec: ProbeSpec, addresses: tuple[str, ...], urgent: bool
    ) -> bool:
        """Queue a round; no other round may have the same `purpose` until it is over or dropped.

        Returns False, and does nothing, where nothing may be asked or the queue is full.
        """
        allowed = [address for address in addresses if may_probe(address)][:ROUND_ADDRESSES_MAX]
        queue = self._urgent if urgent else self._calm
        if spec.kind == "none" or not allowed or len(queue) >= queue.waiting_max:
            return False
        queue.ready[purpose] = Round(purpose=purpose, qname=qname, spec=spec, addresses=deque(allowed), urgent=urgent)
        self._asleep_until_s = -inf
        return True

    def shots(self, now: float) -> list[Shot]:
        """Return the probes that may go out now."""
        if now < self._asleep_until_s:
            return []
        self._unpark(now)
        out: list[Shot] = []
        for queue in (self._urgent, self._calm):
            for waiting in list(islice(queue.ready.values(), LOOK_AHEAD_MAX)):
                if not self._has_slot(waiting) or self._budget.ready_at_s(now) > now:
                    break
                if waiting.qname in self._names_in_flight:
                    queue.ready.move_to_end(waiting.purpose)
                    continue
                del queue.ready[waiting.purpose]
                if self._is_its_turn(waiting, now):
                    out.append(self._shoot(waiting, now))
                else:
                    queue.parked[waiting.purpose] = waiting
        self._asleep_until_s = self._ready_at_s(now)
        return out

    def landed(self, probe: int, result: ProbeResult) -> Landed | None:
        """Take in the result of `probe`; None when it is not ours. The next address of the round is queued first."""
        flight = self._flights.pop(probe, None)
        if flight is None:
            return None
        self._asleep_until_s = -inf
        shot = flight.round
        self._names_in_flight.discard(shot.qname)
        self._calm_in_flight -= not shot.urgent
        if shot.addresses:
            ready = self._queue_of(shot).ready
            ready[shot.purpose] = shot
            ready.move_to_end(shot.purpose, last=False)
        return Landed(purpose=shot.purpose, result=result, round_over=not shot.addresses)

    def drop(self, purpose: Hashable) -> None:
        """Forget the round of `purpose`: what of it waits, and what would follow the probe that is in flight."""
        for queue in (self._urgent, self._calm):
            gone = queue.ready.pop(purpose, None) or queue.parked.pop(purpose, None)
            if gone is not None and gone.turn:
                gone.turn = False
                if bucket := self._destinations.get(gone.addresses[0]):
                    bucket.tokens += 1  # what it took ahead of time is free again
        for flight in self._flights.values():
            if flight.round.purpose == purpose:
                flight.round.addresses.clear()

    def _unpark(self, now: float) -> None:
        while self._turns and self._turns[0][0] <= now:
            waiting = heappop(self._turns)[2]
            queue = self._queue_of(waiting)
            if queue.parked.get(waiting.purpose) is waiting:
                del queue.parked[waiting.purpose]
                queue.ready[waiting.purpose] = waiting
                queue.ready.move_to_end(waiting.purpose, last=False)

    def _is_its_turn(self, waiting: Round, now: float) -> bool:
        """Say whether `waiting` may ask its next address now; where not, a turn is kept for it."""
        if waiting.turn:
            return True
        address = waiting.addresses[0]
        bucket = self._destinations.get(address)
        if bucket is None:
            bucket = Bucket(DESTINATION_PROBES_PER_S, DESTINATION_BURST, DESTINATION_BURST, now)
            self._destinations[address] = bucket
            if len(self._destinations) > DESTINATIONS_MAX:
                self._destinations.popitem(last=False)
        self._destinations.move_to_end(address)
        waiting.turn = True
        at_s = bucket.take(now)
        if at_s > now:
            heappush(self._turns, (at_s, next(self._order), waiting))
            if len(self._turns) > 64 + 4 * (len(self._urgent.parked) + len(self._calm.parked)):
                self._turns = [turn for turn in self._turns if turn[2].turn]  # without those of dropped rounds
                heapify(self._turns)
        return at_s <= now

    def _ready_at_s(self, now: float) -> float:
        """Return when a waiting round could go."""
        at_s = self._turns[0][0] if self._turns else inf
        for queue in (self._urgent, self._calm):
            for waiting in islice(queue.ready.values(), LOOK_AHEAD_MAX):
                if not self._has_slot(waiting):
                    break
                if waiting.qname not in self._names_in_flight:
                    return min(at_s, self._budget.ready_at_s(now))
        return at_s

    def _has_slot(self, waiting: Round) -> bool:
        calm_slot = waiting.urgent or self._calm_in_flight < CALM_IN_FLIGHT_MAX
        return calm_slot and len(self._flights) < PROBES_IN_FLIGHT_MAX

    def _shoot(self, waiting: Round, now: float) -> Shot:
        self._budget.take(now)
        self.sent += 1
        address = waiting.addresses.popleft()
        waiting.turn = False
        self._names_in_flight.add(waiting.qname)
        self._calm_in_flight += not waiting.urgent
        self._flights[self.sent] = _Flight(waiting, address)
        return Shot(probe=self.sent, qname=waiting.qname, address=address, spec=waiting.spec)

    def _queue_of(self, waiting: Round) -> _Queue:
        return self._urgent if waiting.urgent else self._calm
