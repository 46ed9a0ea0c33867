"""The rules, in the order in which they speak. All of them look at every plan, and all findings are told at once.

To change what is demanded, change a line of `RULES`; docs/rules has a page for each.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Final

from standfast.control.facts import Facts
from standfast.control.finding import Finding, Severity
from standfast.control.members import Pools
from standfast.control.plan import Content, Plan, applied
from standfast.control.rules.losses import leave_velocity, losses, mass_unhealthy, name_removed, source_failed
from standfast.control.rules.promises import capacity_min, endpoints_min, never_empty
from standfast.control.rules.records import cname_alone, replica_unproven, ttl_bounds, unknown_address
from standfast.control.rules.subject import Subject, groups_of
from standfast.control.rules.zones import apex_and_delegation, not_our_zone, unknown_publication
from standfast.dns.model import Name

FINDINGS_MAX: Final = 100  # of one rule that are told one by one: nobody reads more, and a zone may have a million


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `severity` is that of its worst finding."""

    id: str
    severity: Severity
    find: Callable[[Subject], Iterator[Finding]]
    title: str


RULES: Final = (
    Rule("never-empty", Severity.REFUSE, never_empty, "a managed name never loses its last endpoint"),
    Rule("endpoints-min", Severity.REFUSE, endpoints_min, "a name keeps as many endpoints as were promised"),
    Rule("capacity-min", Severity.REFUSE, capacity_min, "a name keeps as much capacity as was promised"),
    Rule("leave-velocity", Severity.ASK, leave_velocity, "only so much leaves a name, and a zone, within a minute"),
    Rule("mass-unhealthy", Severity.REFUSE, mass_unhealthy, "where too many turn ill at once, nobody leaves for it"),
    Rule("source-failed", Severity.REFUSE, source_failed, "a source that fails or names nobody deletes nothing"),
    Rule("unknown-address", Severity.REFUSE, unknown_address, "only endpoints of the intent are published"),
    Rule("apex-and-delegation", Severity.REFUSE, apex_and_delegation, "apex, keys and delegations are not planned"),
    Rule("replica-unproven", Severity.REFUSE, replica_unproven, "a name moves only to a copy that is proven"),
    Rule("ttl-bounds", Severity.REFUSE, ttl_bounds, "no time to live is too short to serve or too long to repair"),
    Rule("cname-alone", Severity.REFUSE, cname_alone, "an alias stands alone, and never at the apex"),
    Rule("not-our-zone", Severity.REFUSE, not_our_zone, "every name lies in the zone, and is not the fence's"),
    Rule("unknown-publication", Severity.ASK, unknown_publication, "what was not planned here is not written over"),
    Rule("name-removed", Severity.ASK, name_removed, "a whole name goes only when somebody says so"),
)


def check(published: Content, plan: Plan, facts: Facts) -> list[Finding]:
    """Return all that the rules have to say of `plan` where `published` stands; overrides are not looked at."""
    after = applied(published, plan.changes)
    groups = groups_of(plan.changes, published, after, facts.zone.shapes)
    return findings_on(
        Subject(
            before=published,
            after=after,
            changes=plan.changes,
            facts=facts,
            pools=Pools(facts.inputs.pools),
            groups=groups,
        )
    )


def findings_on(subject: Subject) -> list[Finding]:
    """Return all that the rules have to say, in their order and by name."""
    found = (sorted(rule.find(subject), key=lambda finding: (finding.name, finding.text)) for rule in RULES)
    return list(chain.from_iterable(found))


def told(findings: Iterable[Finding], zone: Name) -> Iterator[Finding]:
    """Yield the findings, those beyond the first `FINDINGS_MAX` of a rule as one, as bad as the worst of them."""
    for rule, found in groupby(findings, key=lambda finding: finding.rule):
        of_rule = list(found)
        yield from of_rule[:FINDINGS_MAX]
        if rest := of_rule[FINDINGS_MAX:]:
            severities = {finding.severity for finding in rest}
            worst = next(severity for severity in Severity if severity in severities)
            text = f"and {len(rest)} more like these"
            yield Finding(rule=rule, severity=worst, name=zone, text=text, advice=rest[0].advice)


def names_held(findings: Iterable[Finding], subject: Subject) -> frozenset[Name]:
    """Return the names without which nothing would keep the plan back; none where it is the plan as a whole."""
    origin = subject.facts.zone.intent.origin
    names: set[Name] = set()
    for finding in findings:
        if finding.severity is Severity.WARN:
            continue
        if finding.rule == "unknown-publication":
            return frozenset()
        names.add(finding.name)
        if finding.rule == "leave-velocity" and finding.name == origin:
            names.update(name for loss in losses(subject) for name in loss.group.names)
    return frozenset(names.intersection(chain.from_iterable(group.names for group in subject.groups)))
