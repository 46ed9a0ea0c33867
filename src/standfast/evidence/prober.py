"""Probing under a budget: who is looked at next, never more than one probe a name in flight. Sends nothing itself.

A round asks the addresses of one name one after the other. Rounds for lost names go before rounds that only learn
what normal looks like. Bounds hold for all together, for each destination, and for the queue.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from standfast.dns.model import Name
from standfast.evidence.aim import may_probe
from standfast.evidence.model import ProbeResult, ProbeSpec

PROBES_IN_FLIGHT_MAX = 32
PROBES_PER_S = 20.0
PROBES_BURST = 40.0
DESTINATION_PROBES_PER_S = 1.0  # what one address gets from us at most, whoever's names point there
DESTINATION_BURST = 8.0
DESTINATIONS_MAX = 4096  # budgets remembered; the longest unused is forgotten
ROUNDS_WAITING_MAX = 1024  # of each kind
ROUND_ADDRESSES_MAX = 8
LOOK_AHEAD_MAX = 64  # rounds looked at for one that may go now
PROBE_TIMEOUT_S = 2.0


@dataclass(slots=True, kw_only=True)
class Round:
    """One name's addresses, to be asked one after the other."""

    purpose: Hashable
    qname: Name
    spec: ProbeSpec
    addresses: deque[str]


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a second, at most `burst`."""

    rate: float
    burst: float
    tokens: float
    at_s: float

    def ready_at_s(self, now: float) -> float:
        """Return when the next token is there."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at_s) * self.rate)
        self.at_s = max(self.at_s, now)
        return now if self.tokens >= 1 - 1e-9 else now + (1 - self.tokens) / self.rate

    def take(self) -> None:
        """Take one token, which must be there."""
        self.tokens -= 1


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


@dataclass(slots=True)
class _Flight:
    round: Round
    address: str
    urgent: bool


@dataclass(slots=True)
class _Queues:
    urgent: deque[Round] = field(default_factory=deque)
    calm: deque[Round] = field(default_factory=deque)


class Prober:
    """All rounds, waiting and in flight."""

    def __init__(self, now: float) -> None:
        self._budget = Bucket(PROBES_PER_S, PROBES_BURST, PROBES_BURST, now)
        self._destinations: OrderedDict[str, Bucket] = OrderedDict()
        self._queues = _Queues()
        self._flights: dict[int, _Flight] = {}
        self._names_in_flight: set[Name] = set()
        self._next_probe = 0
        self.sent = 0

    @property
    def in_flight(self) -> int:
        """How many probes are on their way."""
        return len(self._flights)

    @property
    def waiting(self) -> bool:
        """Whether a round waits for its next probe."""
        return bool(self._queues.urgent or self._queues.calm)

    def want(
        self, *, purpose: Hashable, qname: Name, spec: ProbeSpec, addresses: tuple[str, ...], urgent: bool
    ) -> bool:
        """Queue a round. Returns False, and does nothing, where nothing may be asked or the queue is full."""
        allowed = [address for address in addresses if may_probe(address)][:ROUND_ADDRESSES_MAX]
        queue = self._queues.urgent if urgent else self._queues.calm
        if spec.kind == "none" or not allowed or len(queue) >= ROUNDS_WAITING_MAX:
            return False
        queue.append(Round(purpose=purpose, qname=qname, spec=spec, addresses=deque(allowed)))
        return True

    def shots(self, now: float) -> list[Shot]:
        """Return the probes that may go out now."""
        out: list[Shot] = []
        for urgent, queue in ((True, self._queues.urgent), (False, self._queues.calm)):
            for _ in range(min(len(queue), LOOK_AHEAD_MAX)):
                if len(self._flights) >= PROBES_IN_FLIGHT_MAX or self._budget.ready_at_s(now) > now:
                    return out
                waiting = queue.popleft()
                if waiting.qname in self._names_in_flight or self._destination(waiting, now) > now:
                    queue.append(waiting)
                    continue
                out.append(self._shoot(waiting, urgent=urgent))
        return out

    def landed(self, probe: int, result: ProbeResult) -> Landed | None:
        """Take in the result of `probe`; None when it is not ours. The next address of the round is queued first."""
        flight = self._flights.pop(probe, None)
        if flight is None:
            return None
        self._names_in_flight.discard(flight.round.qname)
        if flight.round.addresses:
            (self._queues.urgent if flight.urgent else self._queues.calm).appendleft(flight.round)
        return Landed(purpose=flight.round.purpose, result=result, round_over=not flight.round.addresses)

    def drop(self, purpose: Hashable) -> None:
        """Forget the waiting rounds of `purpose`."""
        for queue in (self._queues.urgent, self._queues.calm):
            kept = [waiting for waiting in queue if waiting.purpose != purpose]
            if len(kept) < len(queue):
                queue.clear()
                queue.extend(kept)

    def next_time(self, now: float) -> float | None:
        """Return when the budget lets another waiting round go, or None when nothing waits on time."""
        if len(self._flights) >= PROBES_IN_FLIGHT_MAX:
            return None
        budget_s = self._budget.ready_at_s(now)
        times = [
            max(budget_s, self._destination(waiting, now))
            for queue in (self._queues.urgent, self._queues.calm)
            for waiting in list(queue)[:LOOK_AHEAD_MAX]
            if waiting.qname not in self._names_in_flight
        ]
        return min(times, default=None)

    def _shoot(self, waiting: Round, *, urgent: bool) -> Shot:
        address = waiting.addresses.popleft()
        self._budget.take()
        self._destinations[address].take()
        self._names_in_flight.add(waiting.qname)
        self._next_probe += 1
        self.sent += 1
        self._flights[self._next_probe] = _Flight(waiting, address, urgent)
        return Shot(probe=self._next_probe, qname=waiting.qname, address=address, spec=waiting.spec)

    def _destination(self, waiting: Round, now: float) -> float:
        address = waiting.addresses[0]
        bucket = self._destinations.get(address)
        if bucket is None:
            bucket = Bucket(DESTINATION_PROBES_PER_S, DESTINATION_BURST, DESTINATION_BURST, now)
            self._destinations[address] = bucket
            if len(self._destinations) > DESTINATIONS_MAX:
                self._destinations.popitem(last=False)
        self._destinations.move_to_end(address)
        return bucket.ready_at_s(now)
