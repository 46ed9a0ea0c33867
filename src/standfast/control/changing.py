"""What is to change at names: those that stand alike and want the same are thought through once. Decides only."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from standfast.control.desired import desired
from standfast.control.members import ENDPOINT_TYPES, Pools, Targets, targets_of
from standfast.control.plan import Content, Node
from standfast.control.rules.subject import Form, Group, form_of, group_of
from standfast.control.zone_index import Shape, ZoneIndex
from standfast.dns.changes import Change, same
from standfast.dns.model import Name, RRset
from standfast.values import value

_EMPTY: Final[Node] = {}

_Alike = Mapping[tuple[Shape, Form], Sequence[Name]]  # managed names by how they stand, but for those apart


@value
class Changing:
    """What is to change: at names by group, and at those `apart`, each of which may be like no other.

    `waiting` names hold nothing yet, since too little is known of their endpoints.
    """

    together: Sequence[Change]
    groups: Sequence[Group]  # of the names of `together`
    apart: Sequence[Change]
    waiting: tuple[Name, ...]

    @property
    def changes(self) -> Sequence[Change]:
        """All of them."""
        return [*self.together, *self.apart] if self.apart else self.together


def changing(zone: ZoneIndex, names: Iterable[Name], content: Content, pools: Pools) -> Changing:
    """Return what is to change at `names`, each of which comes once."""
    shapes, records = zone.shapes, zone.records
    alike: defaultdict[tuple[Shape, Form], list[Name]] = defaultdict(list)
    apart: list[Name] = []
    for name in names:
        shape = shapes.get(name)
        if shape is None or name in records:
            apart.append(name)
        else:
            alike[shape, form_of(content.get(name))].append(name)
    return _changing(zone, alike, apart, content, pools)


def beginning(zone: ZoneIndex, pools: Pools) -> Changing:
    """Return the same of all names of a zone of which nothing stands yet: they are alike who want the same."""
    shapes, written = zone.shapes, zone.records.keys()
    alike: dict[tuple[Shape, Form], Sequence[Name]] = {
        (shape, ()): names if written.isdisjoint(names) else [name for name in names if name not in written]
        for shape, names in zone.alike.items()
    }
    plain = [
        Change(before=None, after=rrset)
        for name, node in zone.records.items()
        if name not in shapes
        for rrset in node.values()
    ]
    return _changing(zone, alike, shapes.keys() & written, {}, pools, plain)


def _changing(
    zone: ZoneIndex, alike: _Alike, apart: Iterable[Name], content: Content, pools: Pools, plain: Sequence[Change] = ()
) -> Changing:
    thoughts = _Thoughts(pools)
    together: list[Change] = []
    groups: list[Group] = []
    waiting: list[Name] = []
    for (shape, before), names in alike.items():
        wanted = thoughts.wanted(shape, targets_of(content.get(names[0], _EMPTY))) if names else ()
        if not wanted:
            waiting.extend(names)
        after = _after(before, wanted, shape.ttl_s)
        if after != before:
            _change(names, before, after, content, together)
            groups.append(group_of(shape, before, after, names))
    others = [*plain]
    for name in apart:
        node, written, shape_ = content.get(name, _EMPTY), zone.records.get(name, _EMPTY), zone.shapes.get(name)
        if shape_ is None:
            _follow(node, written, others)
            continue
        wanted = thoughts.wanted(shape_, targets_of(node))
        if not wanted:
            waiting.append(name)
        _follow(_beside(node), _beside(written), others)
        form = form_of(_endpoints(node))
        _change([name], form, _after(form, wanted, shape_.ttl_s), content, others)
    return Changing(together=together, groups=groups, apart=others, waiting=tuple(sorted(waiting)))


class _Thoughts:
    """What names of a shape should hold by what stands there, thought of once."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._known: dict[tuple[Shape, Targets], Targets] = {}

    def wanted(self, shape: Shape, standing: Targets) -> Targets:
        key = shape, standing
        wanted = self._known.get(key)
        if wanted is None:
            wanted = self._known[key] = desired(shape, standing, self._pools)
        return wanted


def _after(before: Form, wanted: Targets, ttl_s: int) -> Form:
    """Return how a name stands that stood as `before` and shall hold `wanted` and nothing else."""
    comes = {rtype: (rtype, ttl_s, rdatas) for rtype, rdatas in wanted}
    stays = [comes.pop(rtype) for rtype, _, _ in before if rtype in comes]  # where they were
    return (*stays, *comes.values())


def _change(names: Sequence[Name], before: Form, after: Form, content: Content, changes: list[Change]) -> None:
    """Add what leads from the one to the other at each of `names`."""
    stood = {part[0]: part for part in before}
    for part in after:
        if stood.pop(part[0], None) == part:
            continue
        rtype, ttl_s, rdatas = part
        rrsets = [RRset(owner=name, rtype=rtype, ttl_s=ttl_s, rdatas=rdatas) for name in names]
        if before:
            olds = [content[name].get(rtype) for name in names]
            changes.extend([Change(before=old, after=rrset) for old, rrset in zip(olds, rrsets, strict=True)])
        else:
            changes.extend([Change(before=None, after=rrset) for rrset in rrsets])
    for rtype in stood:
        changes.extend([Change(before=content[name][rtype], after=None) for name in names])


def _endpoints(node: Node) -> Node:
    return {rtype: rrset for rtype, rrset in node.items() if rtype in ENDPOINT_TYPES}


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
