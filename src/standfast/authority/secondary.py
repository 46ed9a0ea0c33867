"""When a secondary asks which primary for what, and until when it believes what it has (RFC 1034 section 4.3.5).

Decides only; the shell asks and fetches, one thing at a time for each zone, and reports what came of it. A round asks
the primaries one after the other for their serial, and fetches the zone from the first that has a later one.

The zone expires when no primary was heard for the time in its SOA. Heard is one that says that it has no later zone, or
whose zone came whole, be it taken or refused: it is there, and ours is what is meant to be served. Who only says that
he has a later one, and cannot give it, is not.
"""

from dataclasses import dataclass
from math import inf
from typing import Final, Literal, assert_never

from standfast.authority.serials import later
from standfast.authority.zone import SERIAL_AT
from standfast.ports import Random

# A slip in an SOA makes no secondary ask day and night, nor never again. RFC 1912 section 2.2 has 20 minutes to 12
# hours for refresh, less for retry, and 2 to 4 weeks for expire; what operators write on purpose lies further apart.
REFRESH_MIN_S: Final = 2.0
REFRESH_MAX_S: Final = 86_400.0
RETRY_MIN_S: Final = 1.0
RETRY_MAX_S: Final = 7_200.0
EXPIRE_MAX_S: Final = 24 * 604_800.0
JITTER: Final = 0.1  # of a time to wait, by which it is shortened at random: zones that came together go apart
FIRST_RETRY_MIN_S: Final = 2.0  # of a zone that never came, whose SOA nobody knows; doubled each time
FIRST_RETRY_MAX_S: Final = 300.0
NOTIFY_GAP_S: Final = 0.2  # between rounds that NOTIFY begins: its sender may be forged (RFC 1996 section 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What the SOA of a zone says of its secondaries, in seconds, within bounds."""

    refresh_s: float
    retry_s: float
    expire_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The zone that we have: its serial and timing, and when a primary was heard last, in seconds since the epoch."""

    serial: int
    timing: Timing
    heard_at_s: float


@dataclass(frozen=True, slots=True)
class AskSerial:
    """Ask `primary`, by its place in the configuration, for its SOA; report by `on_serial`."""

    primary: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Have the zone transferred from `primary`; report by `on_fetched`."""

    primary: int
    incremental: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Tell the operator; `event` is a stable name, an error is what must be looked at."""

    event: str
    primary: int | None = None
    serial: int | None = None
    why: str = ""
    level: Literal["info", "warning", "error"] = "warning"


Action = AskSerial | Fetch | Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The zone came, and is served now."""

    serial: int
    timing: Timing


@dataclass(frozen=True, slots=True)
class NotLater:
    """The primary has no later zone than ours."""

    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The zone came whole, and must not be served: it breaks a promise, or has other faults."""

    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Nothing came that could be looked at. `silent`: the primary was not reached, or is not who he should be."""

    why: str
    silent: bool


Fetched = Taken | NotLater | Refused | Failed


class Secondary:
    """One zone. All times are seconds since the epoch; after each call, look at `wake_at_s` and `expired` again."""

    def __init__(self, primaries: int, rng: Random, *, held: Held | None, now: float) -> None:
        """Know of `primaries` in their order; `held` is what was kept from before, None where there is nothing."""
        self._primaries = range(primaries)
        self._rng = rng
        self._held = held
        self._heard_at_s = min(held.heard_at_s, now) if held else 0.0  # a clock that was ahead grants no longer life
        self._expired = False
        self._next_round_s = now
        self._last_notified_s = -inf
        self._failures = 0  # rounds in a row
        self._refused: dict[int, int] = {}  # serials, by primary, that need not come again
        self._to_ask: list[int] | None = None  # in this round; None: no round is under way
        self._under_way: AskSerial | Fetch | None = None
        self._was_heard = False  # in this round
        self._notified_by: int | None = None  # since it began

    @property
    def heard_at_s(self) -> float:
        """When a primary was heard last: this must survive a restart."""
        return self._heard_at_s

    @property
    def expired(self) -> bool:
        """Whether the zone must not be served any more, until a primary is heard."""
        return self._expired

    @property
    def wake_at_s(self) -> float:
        """When `on_time` is to be called next; infinity where a report comes first."""
        round_s = self._next_round_s if self._to_ask is None else inf
        return min(round_s, inf if self._expired else self._expires_at_s)

    @property
    def _expires_at_s(self) -> float:
        return self._heard_at_s + self._held.timing.expire_s if self._held else inf

    def on_time(self, now: float) -> list[Action]:
        """Do what is due."""
        actions: list[Action] = []
        if not self._expired and now >= self._expires_at_s:
            self._expired = True
            actions.append(Tell(event="zone.expired", serial=self._held.serial if self._held else None, level="error"))
        if self._to_ask is None and now >= self._next_round_s:
            actions += self._begin(now)
        return actions

    def on_notify(self, primary: int, serial: int | None, now: float) -> list[Action]:
        """Take in that `primary` may have a later zone, with `serial` if it told (RFC 1996 section 3.7)."""
        if serial is not None and self._held is not None and not later(serial, self._held.serial):
            return []
        self._notified_by = primary
        if self._to_ask is None:
            self._next_round_s = min(self._next_round_s, max(now, self._last_notified_s + NOTIFY_GAP_S))
        return self.on_time(now)

    def on_serial(self, answer: int | Failed, now: float) -> list[Action]:
        """Take in what the primary said that was asked: its serial, or nothing."""
        assert isinstance(self._under_way, AskSerial)
        primary = self._under_way.primary
        if isinstance(answer, Failed):
            return [_failed(primary, answer), *self._go_on(now)]
        if self._held is not None and not later(answer, self._held.serial):
            return self._not_later(primary, answer, now)
        if self._refused.get(primary) == answer:
            return self._heard(now)
        return self._fetch(primary, incremental=self._held is not None)

    def on_fetched(self, fetched: Fetched, now: float) -> list[Action]:
        """Take in what came of a transfer."""
        assert isinstance(self._under_way, Fetch)
        primary, incremental = self._under_way.primary, self._under_way.incremental
        match fetched:
            case Taken(serial=serial, timing=timing):
                self._held = Held(serial=serial, timing=timing, heard_at_s=now)
                self._refused.clear()
                self._to_ask = []
                return self._heard(now)
            case NotLater(serial):
                return self._not_later(primary, serial, now)
            case Refused(serial=serial):
                self._refused[primary] = serial
                return self._heard(now)
            case Failed(silent=silent):
                told = _failed(primary, fetched)
                if incremental and not silent:  # RFC 1995 section 4: what does not come in pieces may come whole
                    return [told, *self._fetch(primary, incremental=False)]
                return [told, *self._go_on(now)]
            case _:
                assert_never(fetched)

    def _begin(self, now: float) -> list[Action]:
        """Ask all primaries, the one that sent a NOTIFY first."""
        first = self._notified_by
        self._to_ask = sorted(self._primaries, key=lambda primary: primary != first)
        self._was_heard = False
        if first is not None:
            self._last_notified_s = now
        self._notified_by = None
        return self._go_on(now)

    def _heard(self, now: float) -> list[Action]:
        """Believe in the zone from `now` on, again where it had expired, and go on."""
        told: list[Action] = [Tell(event="zone.renewed", level="info")] if self._expired else []
        self._was_heard, self._expired, self._heard_at_s = True, False, now
        return [*told, *self._go_on(now)]

    def _go_on(self, now: float) -> list[Action]:
        """Ask the next primary of this round, or end it."""
        assert self._to_ask is not None
        if self._to_ask:
            self._under_way = AskSerial(self._to_ask.pop(0))
            return [self._under_way]
        self._under_way = self._to_ask = None
        self._next_round_s = now + self._pause_s() * (1 - JITTER * self._rng.random())
        if self._notified_by is not None:
            self._next_round_s = min(self._next_round_s, max(now, self._last_notified_s + NOTIFY_GAP_S))
        return self.on_time(now)

    def _pause_s(self) -> float:
        """Return how long to wait after a round, and count those that failed."""
        if self._was_heard and self._held is not None:
            self._failures = 0
            return self._held.timing.refresh_s
        self._failures += 1
        if self._held is not None:
            return self._held.timing.retry_s
        return min(FIRST_RETRY_MIN_S * 2.0 ** min(self._failures - 1, 20), FIRST_RETRY_MAX_S)

    def _fetch(self, primary: int, *, incremental: bool) -> list[Action]:
        self._under_way = Fetch(primary=primary, incremental=incremental)
        return [self._under_way]

    def _not_later(self, primary: int, serial: int, now: float) -> list[Action]:
        assert self._held is not None
        told: list[Action] = []
        if serial != self._held.serial:
            why = f"its serial {serial} is behind {self._held.serial}, which is served"
            told.append(Tell(event="zone.primary_behind", primary=primary, serial=serial, why=why, level="error"))
        return [*told, *self._heard(now)]


def timing_of(soa: bytes) -> Timing:
    """Return what the data of an SOA say, within bounds; a zone lives at least until it was looked for once more."""
    start = len(soa) + SERIAL_AT + 4
    refresh, retry, expire = (int.from_bytes(soa[at : at + 4], "big") for at in range(start, start + 12, 4))
    refresh_s = min(max(float(refresh), REFRESH_MIN_S), REFRESH_MAX_S)
    retry_s = min(max(float(retry), RETRY_MIN_S), RETRY_MAX_S)
    expire_s = min(max(float(expire), refresh_s + retry_s), EXPIRE_MAX_S)
    return Timing(refresh_s=refresh_s, retry_s=retry_s, expire_s=expire_s)


def _failed(primary: int, failed: Failed) -> Tell:
    return Tell(event="zone.primary_failed", primary=primary, why=failed.why)
