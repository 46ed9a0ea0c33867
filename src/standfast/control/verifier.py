"""What servers answer beside what is planned: right, not yet, wrong, missing, foreign; and since when. Judges only."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeAlias

from standfast.control.difference import repair
from standfast.control.fence import Fence, Garbage
from standfast.control.finding import Finding, Severity
from standfast.control.generations import stands_whole
from standfast.control.plan import Content, Plan, PlanHead
from standfast.control.publishing import Reading
from standfast.dns.changes import Change, same
from standfast.dns.model import Name, RRset, type_name
from standfast.dns.rdata import rrset_to_text
from standfast.values import value

ASKED_MAX: Final = 16  # RRsets of one plan that servers are asked for; all of them are compared on schedule
RULE: Final = "published-differs"

Asked: TypeAlias = tuple[Name, int]  # owner and type


class Sight(StrEnum):
    """What an answer is, beside the plan."""

    RIGHT = "right"
    NOT_YET = "not-yet"  # what an earlier plan said
    WRONG = "wrong"  # other data than were ever planned
    MISSING = "missing"  # nothing, where something is planned
    FOREIGN = "foreign"  # something, where nothing is planned
    SILENT = "silent"  # no answer


@value
class Seen:
    """What a server said of one RRset: it, None for none, or in words why there is no answer."""

    server: str
    asked: Asked
    rrset: RRset | None = None
    failure: str = ""


def look_at(seen: Seen, planned: RRset | None, earlier: Collection[RRset | None], *, cached: bool = False) -> Sight:
    """Say what an answer is.

    Args:
        seen: the answer.
        planned: what it should be; None: nothing.
        earlier: what it was meant to be before, where that may still be seen.
        cached: the server is a resolver, whose TTLs count down.
    """
    if seen.failure:
        return Sight.SILENT
    if _alike(seen.rrset, planned, cached=cached):
        return Sight.RIGHT
    if any(_alike(seen.rrset, each, cached=cached) for each in earlier):
        return Sight.NOT_YET
    if seen.rrset is None:
        return Sight.MISSING
    return Sight.FOREIGN if planned is None else Sight.WRONG


def to_ask(plan: Plan) -> Mapping[Asked, Change]:
    """Return what of a plan servers are asked for: its first changes and its last, as a large one takes many writes."""
    changes = plan.changes
    if len(changes) > ASKED_MAX:
        changes = (*changes[: ASKED_MAX // 2], *changes[-ASKED_MAX // 2 :])
    return {change.key: change for change in changes}


def finding_of(seen: Seen, sight: Sight, planned: RRset | None) -> Finding | None:
    """Return what is to be told of an answer; None of one that is right."""
    name, rtype = seen.asked
    should = f"{_in_words(planned)} is planned"
    match sight:
        case Sight.RIGHT:
            return None
        case Sight.NOT_YET:
            text = f"still answers {_in_words(seen.rrset)}; {should}"
            advice = "see that it is told of changes (NOTIFY), and that transfers to it work"
        case Sight.WRONG | Sight.FOREIGN:
            text = f"answers {_in_words(seen.rrset)}, which was never planned; {should}"
            advice = "see who else writes there; enactors write over it"
        case Sight.MISSING:
            text = f"answers nothing; {should}"
            advice = "see who took it away; enactors write it again"
        case Sight.SILENT:
            text = f"does not answer ({seen.failure}); {should}"
            advice = "see that it runs, and that it serves the zone"
    where = f"{seen.server}: {type_name(rtype)}"
    return Finding(rule=RULE, severity=Severity.WARN, name=name, text=f"{where} {text}", advice=advice)


@value
class Drift:
    """What is published is not what is planned. `repairs` would mend it."""

    why: str
    repairs: tuple[Change, ...]


def drift(reading: Reading, head: PlanHead, planned: Content) -> Drift | None:
    """Return how what is published differs from the plan that its fence says it is; None where it does not.

    A fence that is of another plan, or of one that is half written, is no drift: enactors are at it, or the planner.
    """
    fence = reading.fence
    if isinstance(fence, Fence) and not stands_whole(fence, head):
        return None
    repairs = repair(planned, {}, reading.content)
    if fence is None:
        return Drift(why="no fence stands: never published, or taken away", repairs=repairs)
    if isinstance(fence, Garbage):
        return Drift(why=f"{fence} stands in its place", repairs=repairs)
    if not repairs:
        return None
    empty = [name for name in dict.fromkeys(change.key[0] for change in repairs) if not reading.content.get(name)]
    if empty:
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        return Drift(why=f"empty: {empty[0]}{more}", repairs=repairs)
    differs = "1 RRset is" if len(repairs) == 1 else f"{len(repairs)} RRsets are"
    return Drift(why=f"{differs} not as planned", repairs=repairs)


class Visibility:
    """When each server came to show all that a plan changed; it only takes in what was seen."""

    def __init__(self, plan: Plan, servers: Iterable[str], *, since_s: float) -> None:
        """`since_s` is when it was published."""
        self.changes = to_ask(plan)
        self.after_s: dict[str, float] = {}
        self._since_s = since_s
        self._left: dict[str, set[Asked]] = {server: set(self.changes) for server in servers}

    def see(self, seen: Seen, at_s: float) -> None:
        """Take in one answer."""
        change = self.changes[seen.asked]
        left = self._left[seen.server]
        if look_at(seen, change.after, (change.before,)) is Sight.RIGHT:
            left.discard(seen.asked)
        if not left and seen.server not in self.after_s:
            self.after_s[seen.server] = max(0.0, at_s - self._since_s)

    @property
    def left(self) -> Sequence[tuple[str, Asked]]:
        """What is still to be asked, and whom."""
        return [(server, asked) for server, left in self._left.items() for asked in left]


def _alike(one: RRset | None, other: RRset | None, *, cached: bool) -> bool:
    if cached and one is not None and other is not None:
        return one.ttl_s <= other.ttl_s and set(one.rdatas) == set(other.rdatas)
    return same(one, other)


def _in_words(rrset: RRset | None) -> str:
    return " ".join(sorted(rrset_to_text(rrset))) + f" ({rrset.ttl_s} s)" if rrset else "nothing"
