"""Scores: what each contestant's answers cost those who asked. Counts only; used by the simulator and the live drill.

A look-up at time t speaks for the seconds until the next look-up of the same name through the same contestant. Its
answer is judged against the truth at the moment it arrives:

outage seconds
    The service is up and meant to be (the owner has not retired the name, and at least one of the owner's servers for
    it is alive), and the answer is negative, an error, no answer within `PATIENCE_S`, or holds no address at which a
    server of the owner for this name is alive. One live address among dead ones is no outage: clients try the next.
wrong-hold seconds
    The answer holds an address although the owner has retired the name, or holds one that was given to a stranger.
attack seconds
    The answer holds an address that belongs to an attacker.

They do not exclude each other: an answer of nothing but an attacker's addresses, while the service is up, is an
outage and an attack. Nothing is subtracted for ordinary caching. An answer whose TTL has not run out when the world
changes costs everybody who caches by the RFCs. That is why `obey` has wrong-hold seconds after every removal, and an
outage after every fix of a lost name: its score *is* that cost, and what a contestant has above it is its own.

first bad answer
    When the first answer of any of these three kinds arrived.
recovery
    From the moment at which everything published is right again (`fixed`) to the first look-up that is answered
    without an outage, where the look-up before the fix was not; the longest of them where there were several.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

PATIENCE_S = 5.0  # what a stub resolver waits for an answer (resolv.conf(5), `timeout`)


class Kind(StrEnum):
    """What a look-up ended in."""

    ADDRESSES = "addresses"
    NEGATIVE = "negative"
    FAILURE = "failure"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client saw. `addresses` is empty unless `kind` is ADDRESSES."""

    kind: Kind
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one question at one moment.

    `intended`: the owner means the name to be there. `alive`: addresses at which a server of the owner serves it.
    `strangers` and `attackers`: addresses that belong to them.
    """

    intended: bool
    alive: frozenset[str]
    strangers: frozenset[str] = frozenset()
    attackers: frozenset[str] = frozenset()

    @property
    def up(self) -> bool:
        """The service is there and meant to be."""
        return self.intended and bool(self.alive)


@dataclass(frozen=True, slots=True)
class Marks:
    """What is wrong with one answer."""

    outage: bool = False
    wrong_hold: bool = False
    attack: bool = False

    @property
    def bad(self) -> bool:
        """Anything is wrong."""
        return self.outage or self.wrong_hold or self.attack


def mark(truth: Truth, seen: Seen) -> Marks:
    """Judge one answer; the module says how."""
    addresses = seen.addresses
    outage = truth.up and truth.alive.isdisjoint(addresses)
    if not addresses:
        return _OUTAGE if outage else _WELL
    if not outage and truth.intended and not truth.strangers and not truth.attackers:
        return _WELL
    return Marks(
        outage=outage,
        wrong_hold=not truth.intended or not truth.strangers.isdisjoint(addresses),
        attack=not truth.attackers.isdisjoint(addresses),
    )


_WELL = Marks()
_OUTAGE = Marks(outage=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one contestant's answers cost for one name, or for several. Times in seconds of the script."""

    outage_s: float = 0.0
    wrong_hold_s: float = 0.0
    attack_s: float = 0.0
    first_bad_at_s: float | None = None
    recovery_s: float | None = None
    lookups: int = 0
    bad_lookups: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            outage_s=self.outage_s + other.outage_s,
            wrong_hold_s=self.wrong_hold_s + other.wrong_hold_s,
            attack_s=self.attack_s + other.attack_s,
            first_bad_at_s=_earlier(self.first_bad_at_s, other.first_bad_at_s),
            recovery_s=_longer(self.recovery_s, other.recovery_s),
            lookups=self.lookups + other.lookups,
            bad_lookups=self.bad_lookups + other.bad_lookups,
        )


@dataclass(slots=True)
class Lookup:
    """One look-up under way or done."""

    asked_at_s: float
    marks: Marks | None = None


class Tally:
    """Adds up one contestant's look-ups of one name, in the order of asking; answers may come in any order."""

    def __init__(self) -> None:
        self.last = _WELL  # the newest answer's marks
        self._open: deque[Lookup] = deque()
        self._fixed_at_s: float | None = None
        self._outage_s = self._wrong_hold_s = self._attack_s = 0.0
        self._first_bad_at_s: float | None = None
        self._recovery_s: float | None = None
        self._lookups = self._bad_lookups = 0

    def asked(self, at_s: float) -> Lookup:
        """Begin a look-up; the one before speaks for the time until now."""
        lookup = Lookup(at_s)
        self._open.append(lookup)
        self._settle()
        return lookup

    def answered(self, lookup: Lookup, marks: Marks, at_s: float) -> None:
        """End a look-up whose answer came, or was given up, at `at_s`."""
        lookup.marks = self.last = marks
        self._lookups += 1
        if marks.bad:
            self._bad_lookups += 1
            self._first_bad_at_s = _earlier(self._first_bad_at_s, at_s)
        if self._fixed_at_s is not None and not marks.outage and lookup.asked_at_s >= self._fixed_at_s:
            self._recovery_s = _longer(self._recovery_s, at_s - self._fixed_at_s)
            self._fixed_at_s = None

    def fixed(self, at_s: float) -> None:
        """Note that everything published is right again from `at_s` on."""
        if self.last.outage and self._fixed_at_s is None:
            self._fixed_at_s = at_s

    def broken(self) -> None:
        """Note that something published is wrong: a fix that nobody felt yet did not last."""
        self._fixed_at_s = None

    def score(self, at_s: float) -> Score:
        """Return the score up to `at_s`; the newest answered look-up speaks for the time until then."""
        self._settle()
        marks, since_s = self._head(at_s)
        return Score(
            outage_s=self._outage_s + since_s * marks.outage,
            wrong_hold_s=self._wrong_hold_s + since_s * marks.wrong_hold,
            attack_s=self._attack_s + since_s * marks.attack,
            first_bad_at_s=self._first_bad_at_s,
            recovery_s=self._recovery_s,
            lookups=self._lookups,
            bad_lookups=self._bad_lookups,
        )

    def _head(self, at_s: float) -> tuple[Marks, float]:
        if not self._open or self._open[0].marks is None:
            return _WELL, 0.0
        return self._open[0].marks, max(0.0, at_s - self._open[0].asked_at_s)

    def _settle(self) -> None:
        """Count every answered look-up that has a successor."""
        while len(self._open) > 1 and (marks := self._open[0].marks) is not None:
            seconds = self._open[1].asked_at_s - self._open[0].asked_at_s
            self._open.popleft()
            if marks.bad:
                self._outage_s += seconds * marks.outage
                self._wrong_hold_s += seconds * marks.wrong_hold
                self._attack_s += seconds * marks.attack


def _earlier(one: float | None, other: float | None) -> float | None:
    return min((at_s for at_s in (one, other) if at_s is not None), default=None)


def _longer(one: float | None, other: float | None) -> float | None:
    return max((seconds for seconds in (one, other) if seconds is not None), default=None)
