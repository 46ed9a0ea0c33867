"""What must hold in every world, whatever chance brings. In words only; `conduct` and `promises` watch for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

INVARIANTS: Final[Mapping[str, str]] = {
    # what the guard says: `promises`
    "answer.stranger": "no held answer has an address that was given to somebody else, once that could be seen",
    "answer.denied": (
        "no negative answer and no SERVFAIL for a name that is lost by mistake "
        "while a quorum of its known-good addresses proves identity"
    ),
    "answer.failed": "no SERVFAIL for a known-good name while upstreams fail, unless its addresses were given away",
    "answer.invented": "no address that was never said for the name, no record of a type it never had",
    "answer.waited": "no client's answer waits for a probe",
    "answer.late": "every client is answered within its time",
    "held.ttl": "no TTL of a held answer above the policy's or the original",
    "held.ad": "no held answer says AD",
    "negative.ttl": "no negative answer for a name with a known-good one lives longer in caches than the policy says",
    # how the guard behaves: `conduct`
    "verdict.reason": "every recorded verdict has its rule and its reason in words",
    "probe.single": "never more than one probe a name in flight",
    "probe.aim": "no probe of an address that must not be probed, or was never said for the name",
    "probe.budget": "the budget of probes is kept, in all and for each destination",
    "ask.single": "no question is asked of a server again and again while it is under way there",
    "memory.bounded": "no cache and no memory grows beyond its bound",
    "guard.stands": "no exception leaves the guard",
    "time.passes": "the guard does not want to be called for ever at one instant",
}

BROKEN_MAX = 3  # of each invariant a world; more of the same says nothing new


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A broken invariant: its id, when (seconds since the epoch), and what was seen."""

    invariant: str
    at_s: float
    detail: str


class Findings:
    """The broken invariants of one world."""

    def __init__(self) -> None:
        self.all: list[Broken] = []

    def add(self, invariant: str, at_s: float, detail: str) -> None:
        """Take one in. Raises `KeyError` for an invariant that is not in the list."""
        if invariant not in INVARIANTS:
            raise KeyError(invariant)
        if sum(broken.invariant == invariant for broken in self.all) < BROKEN_MAX:
            self.all.append(Broken(invariant=invariant, at_s=at_s, detail=detail))
