"""The planner: from what is wanted and what is known to the next plan, and what the rules say of it. Decides only.

A name that must wait, for a person or for good, holds up no other: where the rules have something against a plan, what
is left of it without the names they speak of is published first.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from standfast.control.desired import desired
from standfast.control.facts import Base, Facts, Inputs, Left
from standfast.control.finding import Finding, Verdict, verdict
from standfast.control.generations import next_generation
from standfast.control.members import ENDPOINT_TYPES, Pools, Targets, targets_of
from standfast.control.overrides import overridden
from standfast.control.plan import Content, Node, Plan, applied, make_plan
from standfast.control.rules.losses import left_by
from standfast.control.rules.subject import Subject, owner_of
from standfast.control.rules.table import findings_on, names_held, told
from standfast.control.zone_index import Shape, ZoneIndex
from standfast.dns.changes import Change, same
from standfast.dns.model import Name, RRset

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
    gone = [name for name in content if name not in zone.shapes and name not in zone.records]
    plain = [name for name in zone.records if name not in zone.shapes]
    return _plan(zone, [*zone.shapes, *plain, *gone], content, inputs, base, pools_told=None)


def plan_names(zone: ZoneIndex, names: Iterable[Name], inputs: Inputs, base: Base) -> Planned:
    """Return the next plan where nothing but `names` can have changed since the newest; the whole where it is unknown.

    `ZoneIndex.touched` gives the names of the pools whose health has turned.
    """
    if not base.is_known:
        return plan_zone(zone, inputs, base)
    names = dict.fromkeys(names)
    return _plan(zone, names, base.content, inputs, base, pools_told=_pools_of(zone, names))


def _plan(
    zone: ZoneIndex,
    names: Iterable[Name],
    content: Content,
    inputs: Inputs,
    base: Base,
    *,
    pools_told: Collection[str] | None,
) -> Planned:
    pools = Pools(inputs.pools)
    changes, waiting = _changes(zone, names, content, pools)
    facts = Facts(zone=zone, inputs=inputs, base=base, pools_told=pools_told)
    subject = _subject(changes, content, facts, pools)
    findings = tuple(overridden(findings_on(subject), inputs.overrides, inputs.now_s))
    worst, held = verdict(findings), frozenset[Name]()
    if worst is not Verdict.PUBLISH and (waits := names_held(findings, subject)):
        rest = [change for change in changes if owner_of(change) not in waits]
        others = _subject(rest, content, facts, pools)
        if rest and verdict(overridden(findings_on(others), inputs.overrides, inputs.now_s)) is Verdict.PUBLISH:
            subject, worst, held = others, Verdict.PUBLISH, waits
    planned = bool(subject.changes) or not base.is_known
    return Planned(
        plan=_numbered(subject, base, inputs) if planned else None,
        content=subject.after,
        verdict=worst,
        findings=tuple(told(findings, zone.intent.origin)),
        held=held,
        waiting=waiting,
        left=left_by(subject),
    )


def _subject(changes: Sequence[Change], content: Content, facts: Facts, pools: Pools) -> Subject:
    return Subject(before=content, after=applied(content, changes), changes=changes, facts=facts, pools=pools)


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


def _changes(
    zone: ZoneIndex, names: Iterable[Name], content: Content, pools: Pools
) -> tuple[list[Change], tuple[Name, ...]]:
    """Return what is to change at `names`, and those that hold nothing yet."""
    changes: list[Change] = []
    waiting: list[Name] = []
    thought: dict[tuple[Shape, Targets], tuple[Targets, list[int]]] = {}  # once for all names that are alike
    shapes, records = zone.shapes, zone.records
    for name in names:
        node = content.get(name, _EMPTY)
        shape = shapes.get(name)
        if shape is None:
            _follow(node, records.get(name, _EMPTY), changes)
            continue
        standing = targets_of(node) if node else ()
        key = shape, standing
        known = thought.get(key)
        if known is None:
            known = thought[key] = _thought(shape, standing, pools)
        wanted, gone = known
        if not wanted:
            waiting.append(name)
        if name in records or len(node) > len(standing):
            _follow(_beside(node), _beside(records.get(name, _EMPTY)), changes)
        ttl_s = shape.ttl_s
        for rtype, rdatas in wanted:
            before = node.get(rtype)
            if before is None or before.rdatas != rdatas or before.ttl_s != ttl_s:
                after = RRset(owner=name, rtype=rtype, ttl_s=ttl_s, rdatas=rdatas)
                changes.append(Change(before=before, after=after))
        if gone:
            changes.extend(Change(before=node[rtype], after=None) for rtype in gone)
    return changes, tuple(sorted(waiting))


def _thought(shape: Shape, standing: Targets, pools: Pools) -> tuple[Targets, list[int]]:
    """Return what is wanted, and the types that go for it."""
    wanted = desired(shape, standing, pools)
    stays = [rtype for rtype, _ in wanted]
    return wanted, [rtype for rtype, _ in standing if rtype not in stays]


def _beside(node: Node) -> Node:
    """Return what of a managed name is as it is written."""
    return {rtype: rrset for rtype, rrset in node.items() if rtype not in ENDPOINT_TYPES}


def _follow(node: Node, wanted: Node, changes: list[Change]) -> None:
    """Add what leads from `node` to `wanted`."""
    if node == wanted:  # as most of a zone is, and mostly the very same
        return
    for rtype, after in wanted.items():
        before = node.get(rtype)
        if not same(before, after):
            changes.append(Change(before=before, after=after))
    changes.extend(Change(before=before, after=None) for rtype, before in node.items() if rtype not in wanted)


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
