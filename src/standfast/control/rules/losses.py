"""Rules on what goes: how fast endpoints leave, whether a measurement or a source can be believed, and whole names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from standfast.control.facts import Left, recent
from standfast.control.finding import Finding, Severity
from standfast.control.members import ENDPOINT_TYPES, Target
from standfast.control.pool_view import Health
from standfast.control.rules.subject import Group, Subject, shown

LEAVE_WINDOW_S: Final = 60.0  # over which what leaves is counted: the bounds are per minute
ALONE: Final = 1  # one endpoint that leaves is never too many of a ratio, or a pool of one could not be mended


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What each name of a group loses, less what comes in its place."""

    group: Group
    count: int


def leave_velocity(subject: Subject) -> Iterator[Finding]:
    """No more endpoints leave within a minute than the bounds allow, of the zone and of each name."""
    lost = losses(subject)
    earlier = recent(subject.facts.inputs.left, subject.facts.inputs.now_s, LEAVE_WINDOW_S)
    for loss in lost:
        yield from _name_velocity(subject, loss, earlier)
    yield from _zone_velocity(subject, lost, earlier)


def mass_unhealthy(subject: Subject) -> Iterator[Finding]:
    """Where too many are ill at once it is the measurement that is ill: nobody leaves for it."""
    zone, views = subject.facts.zone.intent.origin, subject.pools.views
    for pool in subject.pools_told:
        view = views.get(pool)
        if view is None:
            continue
        healths = [health for endpoint, health in view.endpoints.items() if not endpoint.drained]
        ill = healths.count(Health.ILL)
        if view.broken or (ill and Health.WELL not in healths):
            why = f"its measurement is not believed: {view.broken}" if view.broken else "none is well"
            yield Finding(
                rule="mass-unhealthy",
                severity=Severity.WARN,
                name=zone,
                text=f"pool {pool}: {ill} of {len(healths)} endpoints are ill; {why}",
                advice="its endpoints stay where no other pool can take their place; look at what measures them first",
            )
    for group in subject.managed:
        for pool in group.pools:
            if group.lost and subject.pools.is_broken(pool):
                members = subject.pools.members(pool)
                lost = [target for target in group.lost if target in members and not members[target].drained]
                if lost:
                    text = f"would lose {shown(lost)} of pool {pool}, whose measurement is not believed"
                    advice = "mend what measures the pool; drain an endpoint that is to leave all the same"
                    yield from group.findings("mass-unhealthy", text, advice)


def source_failed(subject: Subject) -> Iterator[Finding]:
    """A source that fails, or names nobody, is never a deletion."""
    zone, views = subject.facts.zone.intent.origin, subject.pools.views
    for pool in subject.pools_told:
        view = views.get(pool)
        if view is not None and view.source_failed:
            yield Finding(
                rule="source-failed",
                severity=Severity.WARN,
                name=zone,
                text=f"pool {pool}: its source fails: {view.source_failed}; {len(view.endpoints)} endpoints are known",
                advice="its endpoints stay as the source last told them; mend the source",
            )
    for group in subject.managed:
        blind = [pool for pool in group.pools if subject.pools.is_blind(pool)]
        lost = group.lost - subject.pools.together(group.pools).keys() if blind else None
        if lost:
            text = f"would lose {shown(lost)}, which may be of pool {blind[0]}: nobody knows who belongs to it"
            advice = "mend the pool's source, or list its endpoints in the intent"
            yield from group.findings("source-failed", text, advice)


def name_removed(subject: Subject) -> Iterator[Finding]:
    """A name that goes whole goes when somebody said so."""
    gone = [group for group in subject.groups if group.before and not group.after and group.shape is None]
    count = sum(len(group.names) for group in gone)
    for group in gone:
        records = sum(len(rdatas) for _, _, rdatas in group.before)
        text = f"would go with all of its records ({records}); {count} of {len(subject.before)} names go"
        advice = "approve the plan if nobody uses the name any more; else put it back into the intent"
        yield from group.findings("name-removed", text, advice, Severity.ASK)


def losses(subject: Subject) -> Sequence[Loss]:
    """Return which names shrink, and by how many. A name that goes whole, or to another pool, is for other rules."""
    found = []
    for group in subject.groups:
        if not group.before:  # as all are of a first plan
            continue
        count = len(group.stood) - len(group.stands)
        moves = enters(group, subject) and group.stands.isdisjoint(group.stood)
        if count > 0 and (group.stands or group.shape is not None) and not moves:
            found.append(Loss(group=group, count=count))
    return found


def enters(group: Group, subject: Subject) -> bool:
    """Say whether a name gets an endpoint of a pool that had none there before."""
    members = [subject.pools.members(pool) for pool in group.pools]
    old = [each for each in members if not group.stood.isdisjoint(each)]
    return bool(group.stood) and any(not any(target in each for each in old) for target in group.gained)


def left_by(subject: Subject) -> tuple[Left, ...]:
    """Return what leaves with the subject's changes, for the rules on plans after it."""
    return tuple(
        Left(
            at_s=subject.facts.inputs.now_s,
            names=frozenset(loss.group.names),
            targets=loss.group.lost,
            count=loss.count,
        )
        for loss in losses(subject)
    )


def _name_velocity(subject: Subject, loss: Loss, earlier: Sequence[Left]) -> Iterator[Finding]:
    bounds = subject.facts.inputs.bounds
    for name in loss.group.names:
        before = sum(left.count for left in earlier if name in left.names)
        count, of = loss.count + before, len(loss.group.stood) + before
        by_ratio = count > ALONE and count > bounds.name_leave_ratio_max * of
        if by_ratio or count > bounds.name_leave_per_minute_max:
            yield Finding(
                rule="leave-velocity",
                severity=Severity.ASK,
                name=name,
                text=f"would lose {count} of {of} endpoints within a minute, {before} of them already gone: "
                f"{shown(loss.group.lost)}",
                advice="approve the plan if they are to go; else look at why so many do at once",
            )


def _zone_velocity(subject: Subject, lost: Sequence[Loss], earlier: Sequence[Left]) -> Iterator[Finding]:
    if not lost:
        return
    bounds = subject.facts.inputs.bounds
    now = frozenset[Target]().union(*(loss.group.lost for loss in lost))
    gone = now.union(*(left.targets for left in earlier))
    by_count = len(gone) > bounds.leave_per_minute_max
    if by_count or (len(gone) > ALONE and not _is_small_part(gone, bounds.leave_ratio_max, subject)):
        names = sum(len(loss.group.names) for loss in lost)
        yield Finding(
            rule="leave-velocity",
            severity=Severity.ASK,
            name=subject.facts.zone.intent.origin,
            text=f"{len(gone)} endpoints would leave within a minute, {len(gone - now)} of them already gone, "
            f"now from {names} names: {shown(gone)}",
            advice="approve the plan if they are to go; else look at why so many do at once",
        )


def _is_small_part(gone: frozenset[Target], ratio: float, subject: Subject) -> bool:
    """Say whether the zone has so many endpoints that `gone` are no more than `ratio` of them; looks no further."""
    known = set(gone)
    for _, node in subject.before.items():  # noqa: PERF102  read one by one, of a mapping in layers too
        if len(gone) <= ratio * len(known):
            return True
        known.update(
            (rtype, rdata) for rtype, rrset in node.items() if rtype in ENDPOINT_TYPES for rdata in rrset.rdatas
        )
    return len(gone) <= ratio * len(known)
