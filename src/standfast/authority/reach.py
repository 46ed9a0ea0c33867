"""Judges a change by what it can break, so that it costs what it changes and not what the zone holds.

The law: of a zone without faults, `judge_changes` finds a fault exactly where `judge` of the whole successor finds one.
Each rule of `_names` says which names a change can make wrong, and why no others.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from standfast.authority.checks import ADDRESSES, CHECKS, Promise, Subject
from standfast.authority.zone import EMPTY, Draft, Node, Zone
from standfast.dns.changes import Change
from standfast.dns.masterfile import Fault
from standfast.dns.model import CNAME_CHAIN_MAX, Name, RRType
from standfast.dns.name import ROOT, ancestors, name_from_wire, parent

_ADDRESSES: Final = frozenset(map(int, ADDRESSES))
_FIT: Final = 1_000  # of 16 octets each, and their RRset fits into any message


def judge_changes(
    before: Zone, after: Zone, changes: Sequence[Change], promises: Sequence[Promise] = (), *, loss_max: float = 1.0
) -> list[Fault]:
    """Return what forbids to serve `after`, which is `before` with `changes` made. Warnings are not looked for.

    Args:
        before: a zone without faults, by the same promises.
        after: the same, changed.
        changes: every RRset that is not the same in both.
        promises: all that there are, of other zones too.
        loss_max: which part of the names may go; all of them, where whoever changes a zone says which.
    """
    only = _names(before, after, set(_reaching(before, after, changes)))
    if promises:
        touched = set(map(_owner, changes))
        promises = [promise for promise in promises if not touched.isdisjoint(_chain(after, promise.name))]
    subject = Subject(draft=Draft.of(after), promises=promises, before=before, loss_max=loss_max, only=only)
    return [fault for check in CHECKS if check.forbids for fault in check.look(subject)]


def _reaching(before: Zone, after: Zone, changes: Sequence[Change]) -> Iterator[Name]:
    """Yield the owners whose changes can make any name wrong, their own included.

    That is nearly none of half a million where addresses come or are replaced: at a name without a CNAME, in an RRset
    that fits, at or below no cut and DNAME, and not new where a wildcard spoke for names.
    """
    nodes, cname = after.nodes, int(RRType.CNAME)
    hiding, below = after.cuts | after.dnames, dict[Name, bool]()
    bare = not hiding and not before.wildcards
    for change in changes:
        rrset = change.after
        if rrset is None or rrset.rtype not in _ADDRESSES or len(rrset.rdatas) > _FIT or cname in nodes[rrset.owner]:
            yield _owner(change)
        elif not bare:
            above = parent(rrset.owner)
            if above not in below:
                hides = above not in before.nodes or above in before.wildcards
                below[above] = hides or not hiding.isdisjoint(ancestors(above))
            if below[above] or rrset.owner in hiding:
                yield rrset.owner


def _names(before: Zone, after: Zone, touched: Collection[Name]) -> Collection[Name] | None:
    """Return the names that can be wrong now; None where that can be any."""
    found = set(touched)
    for owner in touched:
        old, new = before.nodes.get(owner, EMPTY), after.nodes.get(owner, EMPTY)
        for rtype in (RRType.NS, RRType.DNAME):
            if rtype in new and rtype not in old and owner in before.children:
                return None  # it hides what was there below it
        if RRType.NS in old and old.get(RRType.NS) is not new.get(RRType.NS):
            found.update(map(name_from_wire, old[RRType.NS].rdatas))  # glue of nobody any more, below another cut
            if RRType.NS not in new:
                found.update(_leading_below(after, owner))  # what was below another zone's cut must be there itself
        if _has_addresses(old) and not _has_addresses(new):
            found.update(after.leads.get(owner, ()))
            if owner.startswith("*."):
                found.update(_leading_below(after, parent(owner)))  # it gave the addresses of names that are not there
        if owner not in before.nodes and _has_wildcard_above(before, owner):
            found.update(_leading_below(after, _highest_missing(before, owner)))  # it hides that wildcard from those
        if owner not in after.nodes and _has_wildcard_above(after, owner):
            found.update(_chains_below(after, _highest_missing(after, owner)))  # of which it is the wildcard's again
        if new.get(RRType.CNAME) is not old.get(RRType.CNAME):
            found.update(_longest_chain(after, owner))
            if owner.startswith("*."):
                found.update(_chains_below(after, parent(owner)))
    return found


def _chains_below(zone: Zone, name: Name) -> Iterator[Name]:
    """Yield whose NS or CNAME leads to `name` or below it, and where the longest chain through each begins."""
    for owner in _leading_below(zone, name):
        yield owner
        yield from _longest_chain(zone, owner)


def _longest_chain(zone: Zone, name: Name) -> Sequence[Name]:
    """Return where the longest chain of CNAMEs begins that leads to `name`; nothing where none does."""
    return list(_aliases_of(zone, name))[-1:]


def _highest_missing(zone: Zone, name: Name) -> Name:
    """Return the highest name at or above `name` that is not there, not even for the sake of others."""
    while (above := parent(name)) not in zone.nodes:
        name = above
    return name


def _leading_below(zone: Zone, name: Name) -> Iterator[Name]:
    """Yield whose NS or CNAME leads to `name` or below it, there or not. It takes a look at all that any lead to."""
    end = "" if name == ROOT else f".{name}"
    for target, owners in zone.leads.items():
        if target == name or target.endswith(end):
            yield from owners


def _has_addresses(node: Node) -> bool:
    return any(rtype in node for rtype in ADDRESSES)


def _has_wildcard_above(zone: Zone, name: Name) -> bool:
    """Say whether the closest name that there is above `name` has a wildcard."""
    encloser = parent(name)
    while encloser not in zone.nodes:
        encloser = parent(encloser)
    return encloser in zone.wildcards


def _owner(change: Change) -> Name:
    rrset = change.after or change.before
    assert rrset is not None
    return rrset.owner


def _chain(zone: Zone, name: Name) -> Iterator[Name]:
    """Yield `name` and what its CNAMEs lead to, no farther than chains may be long."""
    for _ in range(CNAME_CHAIN_MAX + 1):
        yield name
        alias = zone.rrset(name, RRType.CNAME)
        if alias is None:
            return
        name = name_from_wire(alias.rdatas[0])


def _aliases_of(zone: Zone, name: Name) -> Iterator[Name]:
    """Yield all whose chain of CNAMEs leads to `name`, the farthest last; no farther than chains may be long."""
    found = {name}
    ring = [name]
    for _ in range(CNAME_CHAIN_MAX):
        ring = [
            owner
            for target in ring
            for owner in zone.leads.get(target, ())
            if owner not in found and RRType.CNAME in zone.nodes[owner]
        ]
        found.update(ring)
        yield from ring
