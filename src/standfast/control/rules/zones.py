"""Rules on the zone: what is not ours in it, what holds it up, and what somebody else published there."""

from collections.abc import Iterator
from itertools import chain
from operator import itemgetter
from typing import Final

from standfast.control.cuts import AT_CUT, GLUE, Cuts, servers_in
from standfast.control.fence import Unreadable, fence_name
from standfast.control.finding import Finding, Severity
from standfast.control.rules.subject import Kind, Subject
from standfast.dns.model import Name, RRType, type_name
from standfast.dns.name import is_below

DELEGATION: Final = frozenset({RRType.NS, RRType.DS})
DNSSEC: Final = frozenset(
    {RRType.RRSIG, RRType.NSEC, RRType.NSEC3, RRType.NSEC3PARAM, RRType.DNSKEY, RRType.CDS, RRType.CDNSKEY}
)
PROTECTED: Final = DELEGATION | DNSSEC | {RRType.SOA}
_TYPE: Final = itemgetter(0)


def apex_and_delegation(subject: Subject) -> Iterator[Finding]:
    """What holds the zone up is not planned: SOA, its NS, its keys; and delegations only where the intent says so.

    Nor is what belongs to the zones below.
    """
    yield from _protected(subject)
    yield from _below_cuts(subject)


def _protected(subject: Subject) -> Iterator[Finding]:
    intent = subject.facts.zone.intent
    kinds = (kind for kind in subject.kinds if not PROTECTED.isdisjoint(map(_TYPE, (*kind.before, *kind.after))))
    for group in chain.from_iterable(kind.groups for kind in kinds):
        changed = set(group.before) ^ set(group.after)
        types = sorted({rtype for rtype, _, _ in changed if rtype in PROTECTED})
        for rtype in types:
            for name in group.names:
                if rtype in DELEGATION and name in intent.delegated and name != intent.origin:
                    continue
                yield Finding(
                    rule="apex-and-delegation",
                    severity=Severity.REFUSE,
                    name=name,
                    text=f"would change {type_name(rtype)}, which "
                    + ("leads to the zone below" if rtype in DELEGATION else "holds the zone up"),
                    advice="name it in the zone's delegated, where another zone begins there; else change it by hand",
                )


def _below_cuts(subject: Subject) -> Iterator[Finding]:
    """What comes or changes where another zone begins, or below: servers refuse or hide it."""
    intent, after = subject.facts.zone.intent, subject.after
    found = subject.facts.base.delegations

    def is_delegated(name: Name) -> bool:
        return name != intent.origin and (name in found or RRType.NS in after.get(name, ()))

    cuts = Cuts(intent.origin, lambda name: name in intent.delegated or is_delegated(name))
    servers: frozenset[Name] | None = None

    def may_be_refused(kind: Kind) -> bool:
        types = set(map(_TYPE, kind.after))
        return bool(types) and (not types <= AT_CUT or any(map(cuts.at_or_above, kind.parents)))

    for group in chain.from_iterable(kind.groups for kind in subject.kinds if may_be_refused(kind)):
        types = {rtype for rtype, _, _ in set(group.after) - set(group.before)}
        not_at_cut = types - AT_CUT
        for name in group.names if types else ():
            cut = cuts.above(name)
            if cut is not None:
                servers = servers_in(intent.records) if servers is None else servers
                bad = types - GLUE if name in servers else types
            elif not_at_cut:
                bad, cut = not_at_cut, name if is_delegated(name) else None
            else:  # nearly always
                continue
            if cut is not None and bad:
                yield Finding(
                    rule="apex-and-delegation",
                    severity=Severity.REFUSE,
                    name=name,
                    text=f"would get {', '.join(map(type_name, sorted(bad)))}, which belongs to {cut}, another zone",
                    advice=f"take it out of the intent, and plan it where {cut} is served; or end the delegation",
                )


def not_our_zone(subject: Subject) -> Iterator[Finding]:
    """Every name that changes lies in the zone, and is not the fence's."""
    origin = subject.facts.zone.intent.origin
    fence = fence_name(origin)
    advice = "move the name to the zone that it lies in, or take it out of the intent"
    for kind in subject.kinds:
        if all(is_below(above, origin) for above in kind.parents):  # nearly always
            continue
        for name in kind.names:
            if not is_below(name, origin):
                text = f"does not lie in {origin}"
                yield Finding(rule="not-our-zone", severity=Severity.REFUSE, name=name, text=text, advice=advice)
    if any(fence in kind.names for kind in subject.kinds):
        text = f"is the fence of {origin}, which says what is published"
        yield Finding(rule="not-our-zone", severity=Severity.REFUSE, name=fence, text=text, advice=advice)


def unknown_publication(subject: Subject) -> Iterator[Finding]:
    """What was not planned here is not written over unasked."""
    base = subject.facts.base
    unread = sorted(name for name, seen in base.published.items() if isinstance(seen, Unreadable))
    if base.strangers:
        text = f"at {', '.join(base.strangers)} stands what was not planned here: a store was lost, or it was restored"
    elif base.head is None and unread:
        text = f"nothing is known of what was planned, and {', '.join(unread)} cannot be read"
    elif base.head is None and any(group.before for group in subject.groups):
        text = "the zone is planned for the first time, and something stands already"
    else:
        return
    found = sum(len(node) for node in subject.before.values())
    changes = sum(change.before is not None for change in subject.changes)
    yield Finding(
        rule="unknown-publication",
        severity=Severity.ASK if subject.changes else Severity.WARN,
        name=subject.facts.zone.intent.origin,
        text=f"{text}; {changes} of {found} RRsets of planned names would change or go",
        advice="look at the changes, and approve the plan if what stands is to give way to it",
    )
