"""Rules on what was promised of a name: never empty, endpoints enough, capacity enough."""

from collections.abc import Iterable, Iterator

from standfast.control.finding import Finding, Severity
from standfast.control.members import Target
from standfast.control.rules.subject import Group, Subject


def never_empty(subject: Subject) -> Iterator[Finding]:
    """A managed name keeps at least one endpoint, whatever happens."""
    for group in subject.managed:
        if group.stood and not group.stands:
            text = f"would lose all of its endpoints ({len(group.stood)})"
            advice = "give one of its pools an endpoint that is well, or take the name out of the intent"
            yield from group.findings("never-empty", text, advice)


def endpoints_min(subject: Subject) -> Iterator[Finding]:
    """A managed name has the endpoints that were promised; one that is only added to is told of, not stopped."""
    for group in subject.managed:
        assert group.shape is not None
        least = group.shape.promise.endpoints_min
        if group.stands and len(group.stands) < least:
            text = f"would have {len(group.stands)} of {least} endpoints promised, after {len(group.stood)}"
            advice = "wait until more are well, add endpoints to its pools, or lower promise.endpoints_min"
            yield from group.findings("endpoints-min", text, advice, _severity(group))


def capacity_min(subject: Subject) -> Iterator[Finding]:
    """A managed name has the capacity that was promised, counted over the endpoints of its pools."""
    for group in subject.managed:
        assert group.shape is not None
        least = group.shape.promise.capacity_min
        if group.stands and least and (capacity := _capacity(group, group.stands, subject)) < least:
            text = f"would have {capacity} of {least} capacity promised, after {_capacity(group, group.stood, subject)}"
            advice = "wait until more endpoints are well, add some to its pools, or lower promise.capacity_min"
            yield from group.findings("capacity-min", text, advice, _severity(group))


def _severity(group: Group) -> Severity:
    return Severity.WARN if group.only_gains else Severity.REFUSE


def _capacity(group: Group, targets: Iterable[Target], subject: Subject) -> int:
    members = subject.pools.together(group.pools)
    return sum(members[target].capacity for target in targets if target in members)
