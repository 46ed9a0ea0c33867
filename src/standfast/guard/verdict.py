"""What the judge says: an action, a cause, the reason in words, and what a client is answered with."""

from enum import StrEnum

from standfast.evidence.model import Evidence
from standfast.values import value


class Action(StrEnum):
    """What is done with the name."""

    FRESH = "fresh"
    HOLD = "hold"
    RELEASE = "release"


class Cause(StrEnum):
    """What the loss is taken for."""

    NONE = "none"
    MISTAKE = "mistake"
    ATTACK = "attack"
    FAILURE = "failure"
    REMOVAL = "removal"
    UNKNOWN = "unknown"


class Serve(StrEnum):
    """What a client is answered with."""

    OUTCOME = "outcome"  # what upstream said; SERVFAIL where it failed
    KNOWN_GOOD = "known-good"
    OPINION = "second opinion"
    SERVFAIL = "servfail"


@value
class Verdict:
    """One judgement. `rule` is the stable id of the row of the table that gave it.

    `look_again_at_s` is when it must be judged again even if nothing new comes in; infinity where never.
    """

    action: Action
    cause: Cause
    rule: str
    reason: str
    serve: Serve
    evidence: Evidence
    look_again_at_s: float
    provisional: bool = False
    alarm: bool = False
