"""Overrides: rules that a person set aside, for some names and some time. What one takes away, and when it ends."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from standfast.control.finding import Finding, Severity
from standfast.control.store import Override
from standfast.dns.name import is_below

OVERRIDE_MAX_S: Final = 86_400.0  # a day: longer than any repair that one person watches; what lasts belongs in bounds
BY_NAME_ALONE: Final = frozenset({"never-empty"})  # no zone, and not all the world, is emptied by one word


def overridden(findings: Iterable[Finding], overrides: Sequence[Override], now_s: float) -> Iterator[Finding]:
    """Yield the findings, those that an override covers as warnings that say whose it is, why, and until when."""
    standing = [override for override in overrides if is_in_force(override, now_s)]
    for finding in findings:
        by = next((override for override in standing if covers(override, finding)), None)
        yield finding if by is None or finding.severity is Severity.WARN else _warning(finding, by)


def is_in_force(override: Override, now_s: float) -> bool:
    """Say whether it has not ended. One that would last longer than any may is none: a clock was set back, say."""
    return 0 < override.until_s - now_s <= OVERRIDE_MAX_S


def covers(override: Override, finding: Finding) -> bool:
    """Say whether the finding is of that rule, and of a name in its scope."""
    if override.rule != finding.rule:
        return False
    if override.rule in BY_NAME_ALONE:
        return override.scope == finding.name
    return is_below(finding.name, override.scope)


def _warning(finding: Finding, by: Override) -> Finding:
    until = datetime.fromtimestamp(by.until_s, UTC).isoformat(timespec="seconds")
    return Finding(
        rule=finding.rule,
        severity=Severity.WARN,
        name=finding.name,
        text=finding.text,
        advice=f"set aside by {by.person} until {until}: {by.reason}",
    )
