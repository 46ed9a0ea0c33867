"""What two snapshots of a zone differ in, and a snapshot with such differences applied: two inverse laws.

A difference is told per owner and type, as an incremental transfer and a person want it (RFC 1995 section 2).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from standfast.authority.denial import Denial, Nsec3Denial, NsecDenial, canonical, hash_of, is_of_chain, merged
from standfast.authority.zone import EMPTY, Node, Zone, denial_of, targets_of
from standfast.dns.changes import Change, key_of, same
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.name import parent
from standfast.layered import Edits, changed

_RRSIG: Final = int(RRType.RRSIG)  # plain numbers are compared faster, and that is done for every change
_NSEC3: Final = int(RRType.NSEC3)
_RARE: Final = frozenset(map(int, (RRType.NS, RRType.CNAME, RRType.DNAME, RRType.RRSIG, RRType.NSEC3)))


def difference(old: Zone, new: Zone) -> list[Change]:
    """Return what changes from `old` to `new`. The order of an RRset's records is no difference."""
    return [
        *_differences(old.nodes, new.nodes),
        *_differences(old.signatures, new.signatures),
        *(
            Change(before=before, after=after)
            for owner in dict.fromkeys((*old.nsec3, *new.nsec3))
            if not same(before := old.nsec3.get(owner), after := new.nsec3.get(owner))
        ),
    ]


def _differences(old: Mapping[Name, Node], new: Mapping[Name, Node]) -> Iterator[Change]:
    for owner, before in old.items():
        after = new.get(owner, EMPTY)
        if before is after:
            continue
        for key, rrset in before.items():
            if not same(rrset, after.get(key)):
                yield Change(before=rrset, after=after.get(key))
        yield from (Change(before=None, after=rrset) for key, rrset in after.items() if key not in before)
    for owner, after in new.items():
        if owner not in old:
            yield from (Change(before=None, after=rrset) for rrset in after.values())


def apply(zone: Zone, changes: Iterable[Change]) -> Zone:
    """Return `zone` with `changes` made, which takes time with them and not with the zone.

    What they say was there before is not looked at.
    """
    nodes: dict[Name, dict[int, RRset]] = {}
    signatures: dict[Name, dict[int, RRset]] = {}
    nsec3: dict[Name, RRset | None] = {}
    leading: set[Name] = set()
    for change in changes:
        rrset = change.before or change.after
        assert rrset is not None
        owner, key = rrset.owner, rrset.rtype
        edited, there = nodes, zone.nodes
        if key in _RARE:
            if key == _NSEC3:
                nsec3[owner] = change.after
                continue
            if key == _RRSIG:
                edited, there, key = signatures, zone.signatures, key_of(rrset)[2]
            else:
                leading.add(owner)
        node, after = edited.get(owner), change.after
        if node is None:
            before = there.get(owner)
            if not before and after is not None:
                edited[owner] = {key: after}
                continue
            node = edited[owner] = dict(before or EMPTY)
        if after is None:
            node.pop(key, None)
        else:
            node[key] = after
    made = _with_nodes(zone, nodes, leading) if nodes else zone
    if signatures:
        made = replace(
            made, signatures=changed(zone.signatures, {owner: node or None for owner, node in signatures.items()})
        )
    if nsec3:
        made = replace(made, nsec3=changed(zone.nsec3, nsec3))
    return replace(made, denial=_denial(zone, made, nodes, nsec3))


def _with_nodes(zone: Zone, edited: Mapping[Name, Node], leading: Collection[Name]) -> Zone:
    """Return `zone` with these nodes in the place of theirs, and all that is known of names as it is with them.

    `leading` are those of them where an NS, CNAME or DNAME was or is.
    """
    cuts, dnames = (_Members(there) for there in (zone.cuts, zone.dnames))
    leads = Edits(zone.leads)
    for owner in leading:
        node = edited[owner]
        cuts.put(owner, there=RRType.NS in node and owner != zone.origin)
        dnames.put(owner, there=RRType.DNAME in node)
        old, new = targets_of(zone.nodes.get(owner, EMPTY), zone.origin), targets_of(node, zone.origin)
        for target in old - new:
            leads.put(target, tuple(each for each in leads.get(target) or () if each != owner) or None)
        for target in new - old:
            leads.put(target, (*(leads.get(target) or ()), owner))
    gone = [owner for owner, node in edited.items() if not node]
    names = _Names(zone, {owner: node for owner, node in edited.items() if node} if gone else {**edited})
    for owner in gone:
        names.go(owner)
    return replace(names.done(), leads=leads.done(), cuts=cuts.done(), dnames=dnames.done())


class _Names:
    """Changes to which names there are: those that have records, or any below them (RFC 4592 section 2.2.2)."""

    def __init__(self, zone: Zone, nodes: dict[Name, Node | None]) -> None:
        """Have `nodes`, none of which is empty, be there too."""
        self._zone = zone
        self._nodes = nodes
        self._children: dict[Name, int] = {}
        self._wildcards = _Members(zone.wildcards)
        there = zone.nodes
        new: Collection[Name] = [owner for owner in nodes if owner not in there]
        while new:  # and so may be those above them, for their sake
            for owner in new:
                if owner.startswith("*."):
                    self._wildcards.put(parent(owner), there=True)
            above = Counter(map(parent, new))
            for owner, more in above.items():
                self._count(owner, more)
            new = [owner for owner in above if owner not in there and owner not in nodes]
            nodes.update(dict.fromkeys(new, EMPTY))

    def go(self, owner: Name) -> None:
        """Have no records be at `owner`."""
        if self._at(owner) is None:
            return
        if owner == self._zone.origin or self._count(owner, 0):
            self._nodes[owner] = EMPTY
            return
        while True:
            self._nodes[owner] = None
            if owner.startswith("*."):
                self._wildcards.put(parent(owner), there=False)
            owner = parent(owner)
            if self._count(owner, -1) or self._at(owner) or owner == self._zone.origin:
                return

    def done(self) -> Zone:
        """Return the zone with all changes."""
        children = {owner: number or None for owner, number in self._children.items()}
        return replace(
            self._zone,
            nodes=changed(self._zone.nodes, self._nodes),
            children=changed(self._zone.children, children),
            wildcards=self._wildcards.done(),
        )

    def _at(self, owner: Name) -> Node | None:
        return self._nodes[owner] if owner in self._nodes else self._zone.nodes.get(owner)

    def _count(self, owner: Name, more: int) -> int:
        number = self._children.get(owner)
        if number is None:
            number = self._zone.children.get(owner, 0)
        self._children[owner] = number = number + more
        return number


def _denial(zone: Zone, made: Zone, nodes: Collection[Name], nsec3: Collection[Name]) -> Denial | None:
    """Return what `made`, which differs from `zone` in these nodes and NSEC3 records, proves denials by."""
    before, after = (each.nodes[zone.origin] for each in (zone, made))
    turned = (RRType.NSEC in before) != (RRType.NSEC in after)
    if not turned and same(before.get(RRType.NSEC3PARAM), after.get(RRType.NSEC3PARAM)):
        match zone.denial:
            case NsecDenial(chain=chain) if not nsec3:
                were, are = ({owner for owner in nodes if each.rrset(owner, RRType.NSEC)} for each in (zone, made))
                keys = merged(chain, set(map(canonical, are - were)), set(map(canonical, were - are)))
                return NsecDenial(made.nodes, keys)
            case Nsec3Denial(chain=chain, parameters=parameters) if len(before[RRType.NSEC3PARAM].rdatas) == 1:
                were, are = ({owner for owner in nsec3 if _is_link(each, owner, parameters)} for each in (zone, made))
                keys = merged(chain, set(map(hash_of, are - were)), set(map(hash_of, were - are)))
                if keys:
                    return Nsec3Denial(parameters, made.nsec3, zone.origin, keys)
    return denial_of(made.nodes, made.nsec3, zone.origin)


def _is_link(zone: Zone, owner: Name, parameters: bytes) -> bool:
    rrset = zone.nsec3.get(owner)
    return rrset is not None and is_of_chain(rrset, parameters)


class _Members:
    """Changes to a set that is small against the zone: who is in it, and who not."""

    def __init__(self, base: frozenset[Name]) -> None:
        self._base = base
        self._come: set[Name] = set()
        self._gone: set[Name] = set()

    def put(self, name: Name, *, there: bool) -> None:
        """Have `name` in it or not."""
        if there != (name in self._base):
            (self._come if there else self._gone).add(name)
        (self._gone if there else self._come).discard(name)

    def done(self) -> frozenset[Name]:
        """Return the set with all changes."""
        return (self._base - self._gone) | self._come if self._come or self._gone else self._base
