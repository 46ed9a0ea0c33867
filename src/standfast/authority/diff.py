"""What two snapshots of a zone differ in, and a snapshot with such differences applied: two inverse laws.

A difference is told per owner and type, as an incremental transfer and a person want it (RFC 1995 section 2).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from standfast.authority.denial import Denial, Nsec3Denial, NsecDenial, canonical, hash_of, is_of_chain, merged
from standfast.authority.zone import EMPTY, Node, Zone, denial_of, targets_of
from standfast.dns.changes import Change, key_of, same
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.name import parent
from standfast.layered import Edits, changed


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
    for change in changes:
        rrset = change.before or change.after
        assert rrset is not None
        owner, rtype, covered = key_of(rrset)
        if rtype == RRType.NSEC3:
            nsec3[owner] = change.after
            continue
        edited, there, key = (
            (signatures, zone.signatures, covered) if rtype == RRType.RRSIG else (nodes, zone.nodes, rtype)
        )
        node = edited.get(owner)
        if node is None:
            node = edited[owner] = dict(there.get(owner, EMPTY))
        if change.after is None:
            node.pop(key, None)
        else:
            node[key] = change.after
    made = _with_nodes(zone, nodes) if nodes else zone
    if signatures:
        made = replace(
            made, signatures=changed(zone.signatures, {owner: node or None for owner, node in signatures.items()})
        )
    if nsec3:
        made = replace(made, nsec3=changed(zone.nsec3, nsec3))
    return replace(made, denial=_denial(zone, made, nodes, nsec3))


def _with_nodes(zone: Zone, edited: Mapping[Name, Node]) -> Zone:
    """Return `zone` with these nodes in the place of theirs, and all that is known of names as it is with them."""
    origin = zone.origin
    nodes, children, leads = Edits(zone.nodes), Edits(zone.children), Edits(zone.leads)
    cuts, dnames, wildcards = (_Members(there) for there in (zone.cuts, zone.dnames, zone.wildcards))

    def count(owner: Name, more: int) -> int:
        number = (children.get(owner) or 0) + more
        children.put(owner, number or None)
        return number

    for owner, node in edited.items():
        before = zone.nodes.get(owner, EMPTY)
        at = owner
        if node or owner == origin or children.get(owner):
            is_new = nodes.get(owner) is None
            nodes.put(owner, node or EMPTY)
            while is_new:  # and so may be those above it, for its sake
                if at.startswith("*."):
                    wildcards.put(parent(at), there=True)
                at = parent(at)
                count(at, 1)
                is_new = nodes.get(at) is None
                if is_new:
                    nodes.put(at, EMPTY)
        elif nodes.get(owner) is not None:
            while True:
                nodes.put(at, None)
                if at.startswith("*."):
                    wildcards.put(parent(at), there=False)
                at = parent(at)
                if count(at, -1) or nodes.get(at) or at == origin:
                    break
        cuts.put(owner, there=RRType.NS in node and owner != origin)
        dnames.put(owner, there=RRType.DNAME in node)
        old, new = targets_of(before, origin), targets_of(node, origin)
        for target in old - new:
            leads.put(target, tuple(each for each in leads.get(target) or () if each != owner) or None)
        for target in new - old:
            leads.put(target, (*(leads.get(target) or ()), owner))
    return replace(
        zone,
        nodes=nodes.done(),
        children=children.done(),
        leads=leads.done(),
        cuts=cuts.done(),
        dnames=dnames.done(),
        wildcards=wildcards.done(),
    )


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
