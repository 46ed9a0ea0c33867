"""How one endpoint is as one vantage sees it: so many looks in a row turn it, and what turns too often stays ill.

Damping is that of routes (RFC 2439 section 4.2): every turn to ill costs a penalty, which halves with time; above one
bound the endpoint counts as ill whatever looks say, until the penalty has fallen below a lower one.
"""

from enum import StrEnum
from math import isfinite, log2
from typing import Final, TypeAlias

from standfast.control.intent import HealthCheck
from standfast.values import value

PENALTY_HALF_LIFE_S: Final = 600.0
PENALTY_SUPPRESS: Final = 3.5  # the fourth turn within minutes: two are a restart, three a restart that went wrong
PENALTY_REUSE: Final = 1.0
PENALTY_MAX: Final = 8.0  # so that an endpoint is steady for 30 min at most until it is taken back
DAMPED_MAX_S: Final = PENALTY_HALF_LIFE_S * log2(PENALTY_MAX / PENALTY_REUSE)
UNTOLD_MIN_S: Final = 60.0  # for so long at least a verdict stands while looks cannot be taken
WHY_MAX: Final = 160  # letters of a reason: a report holds one for each endpoint


@value
class Well:
    """The look says well."""


@value
class Ill:
    """The look says ill."""

    why: str


@value
class NotLooked:
    """The look could not be taken from here, so it says nothing of who is there."""

    why: str


Look: TypeAlias = Well | Ill | NotLooked


class State(StrEnum):
    """What a vantage says of an endpoint."""

    UNKNOWN = "unknown"
    WELL = "well"
    ILL = "ill"  # and was well before
    NEVER = "never"  # ill, and was never well by this check
    UNSTEADY = "unsteady"  # ill, and has turned too often
    DAMPED = "damped"  # looks well, and has turned too often


@value
class Reading:
    """What a report holds of an endpoint: `since_s` is by the clock of the vantage."""

    state: State
    since_s: float
    why: str = ""


@value
class Standing:
    """All that one vantage remembers of an endpoint. `told_s` is when a look last said anything."""

    reading: Reading
    told_s: float
    well: bool | None = None  # by rise and fall alone
    was_well: bool = False
    said: bool | None = None  # by the last look that said anything
    run: int = 0  # looks in a row that say the same, and other than `well`
    penalty: float = 0.0  # as it was at `told_s`
    damped: bool = False


def unknown(now_s: float) -> Standing:
    """Return what is known of an endpoint at first."""
    return Standing(reading=Reading(state=State.UNKNOWN, since_s=now_s), told_s=now_s)


def after(standing: Standing, look: Look, check: HealthCheck, *, now_s: float) -> Standing:
    """Return what is known after one more look, which ended at `now_s`."""
    if isinstance(look, NotLooked):
        return _untold(standing, look, check, now_s)
    says = isinstance(look, Well)
    run = 0 if says is standing.well else standing.run + 1 if says is standing.said else 1
    turned = run >= (check.rise if says else check.fall)
    penalty = standing.penalty * 0.5 ** (max(0.0, now_s - standing.told_s) / PENALTY_HALF_LIFE_S)
    if turned and not says and standing.well:
        penalty = min(PENALTY_MAX, penalty + 1.0)
    well = says if turned else standing.well
    was_well = standing.was_well or well is True
    damped = penalty > (PENALTY_REUSE if standing.damped else PENALTY_SUPPRESS)
    return Standing(
        reading=_reading(standing.reading, _state(well, was_well=was_well, damped=damped), look, now_s),
        told_s=now_s,
        well=well,
        was_well=was_well,
        said=says,
        run=0 if turned else run,
        penalty=penalty,
        damped=damped,
    )


def resumed(reading: Reading, now_s: float) -> Standing:
    """Return what a vantage knows that begins anew with what it reported last; how often it turned is forgotten."""
    well = None if reading.state is State.UNKNOWN else reading.state in (State.WELL, State.DAMPED)
    state = {State.DAMPED: State.WELL, State.UNSTEADY: State.ILL}.get(reading.state, reading.state)
    since_s = reading.since_s if state is reading.state else now_s
    was_well = state in (State.WELL, State.ILL)
    resumed_ = Reading(state=state, since_s=since_s, why=reading.why if state is reading.state else "")
    return Standing(reading=resumed_, told_s=now_s, well=well, was_well=was_well)


def write_reading(reading: Reading) -> str:
    """Return the text of a reading in a report: state, since when (seconds since the epoch), why."""
    return f"{reading.state} {reading.since_s:.3f} {reading.why}".rstrip()


def read_reading(text: str) -> Reading | None:
    """Return the reading that a text says; None where it says none."""
    state, _, rest = text.partition(" ")
    since, _, why = rest.partition(" ")
    try:
        reading = Reading(state=State(state), since_s=float(since), why=why)
    except ValueError:
        return None
    return reading if isfinite(reading.since_s) else None


def _untold(standing: Standing, look: NotLooked, check: HealthCheck, now_s: float) -> Standing:
    """A verdict outlives looks that could not be taken, for a while; a run of looks does as well."""
    worth_s = max(UNTOLD_MIN_S, (check.fall + 1) * check.interval_s)
    known = standing.reading.state is not State.UNKNOWN
    if known and now_s - standing.told_s <= worth_s:
        return standing
    since_s = now_s if known else standing.reading.since_s
    return Standing(
        reading=Reading(state=State.UNKNOWN, since_s=since_s, why=look.why[:WHY_MAX]),
        told_s=standing.told_s,
        was_well=standing.was_well,
        said=None if known else standing.said,
        run=0 if known else standing.run,
        penalty=standing.penalty,
        damped=standing.damped,
    )


def _state(well: bool | None, *, was_well: bool, damped: bool) -> State:
    match well:
        case None:
            return State.UNKNOWN
        case True:
            return State.DAMPED if damped else State.WELL
        case False if damped:
            return State.UNSTEADY
        case False:
            return State.ILL if was_well else State.NEVER


def _reading(before: Reading, state: State, look: Well | Ill, now_s: float) -> Reading:
    if state is State.DAMPED:
        why = "looks well, and turned too often: ill until it is steady"
    else:
        why = look.why[:WHY_MAX] if isinstance(look, Ill) and state is not State.WELL else ""
    if state is before.state:
        return before
    return Reading(state=state, since_s=now_s, why=why)
