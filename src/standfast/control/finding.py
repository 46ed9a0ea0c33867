"""What a rule has to say about a plan, and what all of it together comes to."""

from collections.abc import Iterable
from enum import StrEnum

from standfast.dns.model import Name
from standfast.values import value


class Severity(StrEnum):
    """What a finding does to a plan."""

    REFUSE = "refuse"  # it is not published, unless the rule is overridden
    ASK = "ask"  # it is not published until somebody approves this very plan, by its hash
    WARN = "warn"  # it is published, and told


class Verdict(StrEnum):
    """What becomes of a plan."""

    PUBLISH = "publish"
    ASK = "ask"
    REFUSE = "refuse"


@value
class Finding:
    """One thing that one rule found. `rule` is its stable id, which overrides and the documentation go by."""

    rule: str
    severity: Severity
    name: Name  # of what it is about; the zone where it is about all of it
    text: str  # what is wrong, with its numbers
    advice: str  # what to do


def verdict(findings: Iterable[Finding]) -> Verdict:
    """Return what the worst of the findings says; what nothing is said against is published."""
    severities = {finding.severity for finding in findings}
    if Severity.REFUSE in severities:
        return Verdict.REFUSE
    return Verdict.ASK if Severity.ASK in severities else Verdict.PUBLISH
