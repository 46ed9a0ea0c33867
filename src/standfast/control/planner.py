"""The planner: from what is wanted and what is known to the next plan, and what the rules say of it. Decides only.

A name that must wait, for a person or for good, holds up no other: where the rules have something against a plan, what
is left of it without the names they speak of is published first.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from standfast.control.changing import Changing, beginning, changing
from standfast.control.facts import Base, Facts, Inputs, Left
from standfast.control.finding import Finding, Verdict, verdict
from standfast.control.generations import next_generation
from standfast.control.members import ENDPOINT_TYPES, Pools
from standfast.control.overrides import overridden
from standfast.control.plan import Content, Node, Plan, applied, make_plan
from standfast.control.rules.losses import left_by
from standfast.control.rules.subject import Subject, groups_of, owner_of
from standfast.control.rules.table import findings_on, names_held, told
from standfast.control.zone_index import ZoneIndex
from standfast.dns.changes import Change
from standfast.dns.model import Name

_EMPTY: Final[Node] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The next plan, all that is planned with it, and what is to become of it.

    `plan` is None where nothing is to change; `content` is all that is planned with it. `findings` speak of all that
    was wanted, so of names in `held` too: those that have to wait while the rest is published, and come again with
    the next plan. `waiting` names hold nothing yet, since too little is known of their endpoints. `left` is what the
    plan takes away, for the inputs of those after it once it is published.
    """

    plan: Plan | None
    content: Content
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    held: frozenset[Name] = frozenset()
    waiting: tuple[Name, ...] = ()
    left: tuple[Left, ...] = ()


def plan_zone(zone: ZoneIndex, inputs: Inputs, base: Base) -> Planned:
    """Return the next plan of a whole zone."""
    content = base.content if base.is_known else _wanted_of(zone, base.content)
    pools = Pools(inputs.pools)
    if not content:
        return _plan(zone, beginning(zone, pools), content, Facts(zone=zone, inputs=inputs, base=base), pools)
    gone = [name for name in content if name not in zone.shapes and name not in zone.records]
    plain = [name for name in zone.records if name not in zone.shapes]
    made = changing(zone, chain(zone.shapes, plain, gone), content, pools)
    return _plan(zone, made, content, Facts(zone=zone, inputs=inputs, base=base), pools)


def plan_names(zone: ZoneIndex, names: Iterable[Name], inputs: Inputs, base: Base) -> Planned:
    """Return the next plan where nothing but `names` can have changed since the newest; the whole where it is unknown.

    `ZoneIndex.touched` gives the names of the pools whose health has turned.
    """
    if not base.is_known:
        return plan_zone(zone, inputs, base)
    names, pools = dict.fromkeys(names), Pools(inputs.pools)
    made = changing(zone, names, base.content, pools)
    facts = Facts(zone=zone, inputs=inputs, base=base, pools_told=_pools_of(zone, names))
    return _plan(zone, made, base.content, facts, pools)


def _plan(zone: ZoneIndex, made: Changing, content: Content, facts: Facts, pools: Pools) -> Planned:
    inputs, base = facts.inputs, facts.base
    after = applied(content, made.changes)
    subject = Subject(
        before=content,
        after=after,
        changes=made.changes,
        facts=facts,
        pools=pools,
        groups=[*made.groups, *groups_of(made.apart, content, after, zone.shapes)],
    )
    findings = tuple(overridden(findings_on(subject), inputs.overrides, inputs.now_s))
    worst, held = verdict(findings), frozenset[Name]()
    if worst is not Verdict.PUBLISH and (waits := names_held(findings, subject)):
        others = _without(waits, subject)
        if others.changes and (
            verdict(overridden(findings_on(others), inputs.overrides, inputs.now_s)) is Verdict.PUBLISH
        ):
            subject, worst, held = others, Verdict.PUBLISH, waits
    planned = bool(subject.changes) or not base.is_known
    return Planned(
        plan=_numbered(subject, base, inputs) if planned else None,
        content=subject.after,
        verdict=worst,
        findings=tuple(told(findings, zone.intent.origin)),
        held=held,
        waiting=made.waiting,
        left=left_by(subject),
    )


def _without(names: Collection[Name], subject: Subject) -> Subject:
    """Return what is left of it where these stay as they are."""
    changes = [change for change in subject.changes if owner_of(change) not in names]
    after = applied(subject.before, changes)
    groups = groups_of(changes, subject.before, after, subject.facts.zone.shapes)
    return replace(subject, after=after, changes=changes, groups=groups)


def _numbered(subject: Subject, base: Base, inputs: Inputs) -> Plan:
    return make_plan(
        zone=subject.facts.zone.intent.origin,
        generation=next_generation(base.head, base.published.values()),
        base=base.head if base.is_known else None,
        changes=subject.changes if base.is_known else _whole(subject),
        made_at_s=inputs.now_s,
    )


def _whole(subject: Subject) -> list[Change]:
    """Return all that is planned, and what goes for it: a plan without a base says all itself, and so does its hash."""
    after = subject.after
    stays = (
        rrset
        for owner, node in subject.before.items()
        for rtype, rrset in node.items()
        if after.get(owner, _EMPTY).get(rtype) is rrset
    )
    return [*subject.changes, *(Change(before=rrset, after=rrset) for rrset in stays)]


def _wanted_of(zone: ZoneIndex, found: Content) -> Content:
    """Return what of the records found is planned here: no other name, and of a managed one no type that is not."""
    ours: dict[Name, Node] = {}
    for name, node in found.items():
        if name in zone.shapes or name in zone.records:
            types = zone.records.get(name, _EMPTY).keys() | (ENDPOINT_TYPES if name in zone.shapes else ())
            if kept := {rtype: rrset for rtype, rrset in node.items() if rtype in types}:
                ours[name] = kept
    return ours


def _pools_of(zone: ZoneIndex, names: Iterable[Name]) -> frozenset[str]:
    shapes = {zone.shapes[name] for name in names if name in zone.shapes}
    return frozenset(pool for shape in shapes for pool in shape.policy.order)
