"""What must be written so that managed names are as planned, whatever was found. Nothing to repair is no drift."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from standfast.control.plan import Content, Node, Plan
from standfast.dns.changes import Change, same
from standfast.dns.model import Name, RRset, RRType

ADDRESS_TYPES: Final = frozenset((RRType.A, RRType.AAAA, RRType.CNAME))  # where one is planned, the others are strays
_EMPTY: Final[Node] = MappingProxyType({})


def repair(planned: Content, before: Content, found: Content) -> tuple[Change, ...]:
    """Return what must be written so that every managed name is as planned.

    Managed are the names of `planned` and `before`, at each the types that are planned or were. Where addresses are
    planned, all types that lead to addresses are managed; a CNAME stands alone (RFC 2181 section 10.1), so one that is
    planned takes all else away, and one that was found gives way to what is planned. Nothing else is ever touched.

    Args:
        planned: all that should be there.
        before: what was planned earlier and may still be there.
        found: all that is there, without what `Reading` leaves out.
    """
    changes: list[Change] = []
    for owner, node in planned.items():
        there = found.get(owner)
        if not there:
            changes.extend([Change(before=None, after=rrset) for rrset in node.values()])
            continue
        if there == node:  # nearly always
            continue
        changes.extend(
            Change(before=there.get(rtype), after=rrset)
            for rtype, rrset in node.items()
            if not same(there.get(rtype), rrset)
        )
        was = before.get(owner, _EMPTY)
        changes.extend(
            Change(before=rrset, after=None)
            for rtype, rrset in there.items()
            if rtype not in node and (rtype in was or _gives_way(rtype, node))
        )
    for owner, was in before.items():
        if owner not in planned:
            there = found.get(owner, _EMPTY)
            changes.extend(Change(before=rrset, after=None) for rtype, rrset in there.items() if rtype in was)
    return tuple(changes)


def removed_by(plans: Iterable[Plan]) -> Content:
    """Return all that any of the plans takes away, which may still be there where they are not published whole."""
    nodes: dict[Name, dict[int, RRset]] = {}
    for plan in plans:
        for change in plan.changes:
            if change.after is None and change.before is not None:
                nodes.setdefault(change.before.owner, {})[change.before.rtype] = change.before
    return nodes


def _gives_way(rtype: int, planned: Mapping[int, RRset]) -> bool:
    if rtype == RRType.CNAME or RRType.CNAME in planned:
        return True
    return rtype in ADDRESS_TYPES and not ADDRESS_TYPES.isdisjoint(planned)
