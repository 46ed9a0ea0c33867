"""Which answers a change ends: those that were made of a name that it touches.

The law: an answer that was made of other names, as `lookup.trace` tells them, is the same before and after.
"""

from collections.abc import Iterable
from typing import Final

from standfast.authority.zone import Zone
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.name import parent

_CUTTING: Final = frozenset({RRType.NS, RRType.DNAME})  # decide over all names below


def names_touched(before: Zone, after: Zone, changes: Iterable[Change]) -> frozenset[Name] | None:
    """Return the names whose answers `changes` end; None: all answers of the zone, since its structure changes.

    Besides the owners these are the names that come and go with them, as empty non-terminals do, and for a record of a
    chain of NSEC that comes or goes the one before it.
    """
    if type(before.denial) is not type(after.denial):
        return None
    names: set[Name] = set()
    for change in changes:
        rrset = change.before or change.after
        assert rrset is not None
        if _is_structural(before, after, change, rrset):
            return None
        name = rrset.owner
        names.add(name)
        while name != after.origin and (name in before.nodes) != (name in after.nodes):
            name = parent(name)
            names.add(name)
        if rrset.rtype == RRType.NSEC:
            for zone, there in ((before, change.before), (after, change.after)):
                if there is None and zone.denial is not None:
                    names.update(each.owner for each in zone.denial.no_data(rrset.owner))
    return frozenset(names)


def _is_structural(before: Zone, after: Zone, change: Change, rrset: RRset) -> bool:
    """Say whether `change` decides over names that it does not touch."""
    comes_or_goes = (change.before is None) != (change.after is None)
    if rrset.rtype in _CUTTING and rrset.owner != after.origin:
        return comes_or_goes and rrset.owner in before.nodes and rrset.owner in after.nodes
    return rrset.rtype == RRType.NSEC3PARAM or (comes_or_goes and rrset.rtype == RRType.NSEC3)
