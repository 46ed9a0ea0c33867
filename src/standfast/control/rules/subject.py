"""What the rules look at: the names that a plan changes, those that change alike put together.

Half a million names often change in a dozen ways; a rule looks at the ways, and at names only where it has something
to say of them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

from standfast.control.facts import Facts
from standfast.control.finding import Finding, Severity
from standfast.control.members import ENDPOINT_TYPES, Pools, Target
from standfast.control.plan import Content, Node
from standfast.control.zone_index import Shape
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.name import ROOT, parents
from standfast.dns.rdata import rrset_to_text
from standfast.values import value

Form = tuple[tuple[int, int, tuple[bytes, ...]], ...]  # a node without its name: type, TTL in seconds, data of each

_NOBODY: Final = frozenset[Target]()
_CNAME: Final = int(RRType.CNAME)
SHOWN_MAX: Final = 5  # endpoints that a finding names; it says how many there are


@value
class Group:
    """Names that are alike before, alike after, and promised alike. `shape` is None where they are not managed.

    `stood` and `stands` are the endpoints before and after. Plain names that come anew with one RRset are alike in its
    type and TTL, and `differ` in its data: `after` has none of it, and `stands` are the endpoints of all of them.
    """

    shape: Shape | None
    before: Form
    after: Form
    names: Sequence[Name]
    stood: frozenset[Target]
    stands: frozenset[Target]
    differ: bool = False

    @property
    def lost(self) -> frozenset[Target]:
        """The endpoints that go."""
        return self.stood - self.stands

    @property
    def gained(self) -> frozenset[Target]:
        """The endpoints that come."""
        return self.stands - self.stood

    @property
    def only_gains(self) -> bool:
        """Whether it had endpoints, and keeps them all."""
        return bool(self.stood) and self.stood <= self.stands

    @property
    def pools(self) -> Sequence[str]:
        """The pools that serve it, in order."""
        return () if self.shape is None else self.shape.policy.order

    def names_with(self, targets: Collection[Target], after: Content) -> Mapping[Target, Sequence[Name]]:
        """Return those of its names that have each of these endpoints `after`."""
        if not self.differ or not targets:
            return dict.fromkeys(targets, self.names)
        found: dict[Target, list[Name]] = {target: [] for target in targets}
        for name in self.names:
            for rtype, rrset in after[name].items():
                for rdata in rrset.rdatas:
                    if (rtype, rdata) in found:
                        found[rtype, rdata].append(name)
        return found

    def findings(
        self,
        rule: str,
        text: str,
        advice: str,
        severity: Severity = Severity.REFUSE,
        *,
        names: Iterable[Name] | None = None,
    ) -> Iterator[Finding]:
        """Yield the same finding of each name, or of some of them."""
        for name in self.names if names is None else names:
            yield Finding(rule=rule, severity=severity, name=name, text=text, advice=advice)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Groups whose names have records of the same types and TTLs, whatever their data."""

    before: Sequence[tuple[int, int]]  # type and TTL in seconds
    after: Sequence[tuple[int, int]]
    is_managed: bool
    groups: Sequence[Group]

    @cached_property
    def names(self) -> Sequence[Name]:
        """All names of the groups."""
        return list(chain.from_iterable([group.names for group in self.groups]))

    @cached_property
    def parents(self) -> Set[Name]:
        """The names one label above those, of which there are few."""
        return parents(self.names)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A plan's changes, and what is planned before and after them."""

    before: Content
    after: Content
    changes: Sequence[Change]
    facts: Facts
    pools: Pools
    groups: Sequence[Group]  # of every name that changes: each name in one of them

    @cached_property
    def kinds(self) -> Sequence[Kind]:
        """The groups again, for rules that data say nothing to."""
        found: dict[tuple[bool, Sequence[tuple[int, int]], Sequence[tuple[int, int]]], list[Group]] = {}
        for group in self.groups:
            alike = group.shape is not None, _kind_of(group.before), _kind_of(group.after)
            found.setdefault(alike, []).append(group)
        return [
            Kind(before=before, after=after, is_managed=is_managed, groups=groups)
            for (is_managed, before, after), groups in found.items()
        ]

    @cached_property
    def managed(self) -> Sequence[Group]:
        """Those that are planned from pools."""
        return [group for group in self.groups if group.shape is not None]

    @cached_property
    def pools_told(self) -> Sequence[str]:
        """The pools whose state is to be told, in order."""
        told = self.facts.pools_told
        return sorted(self.facts.zone.pools if told is None else told)


def group_of(shape: Shape | None, before: Form, after: Form, names: Sequence[Name]) -> Group:
    """Return the group of names that are so before and after."""
    return Group(shape=shape, before=before, after=after, names=names, stood=_targets(before), stands=_targets(after))


def groups_of(
    changes: Iterable[Change], before: Content, after: Content, shapes: Mapping[Name, Shape]
) -> Sequence[Group]:
    """Return the groups of all names that `changes` change, which lead from one content to the other."""
    coming: dict[tuple[int, int], list[RRset]] = {}
    others: list[Name] = []
    for change in changes:
        rrset, owner = change.after, owner_of(change)
        if rrset is None or owner in shapes or rrset.rtype == _CNAME or before.get(owner) or len(after[owner]) > 1:
            others.append(owner)
        else:
            coming.setdefault((rrset.rtype, rrset.ttl_s), []).append(rrset)
    found: dict[tuple[Shape | None, Form, Form], list[Name]] = {}
    for name in dict.fromkeys(others):
        alike = shapes.get(name), form_of(before.get(name)), form_of(after.get(name))
        found.setdefault(alike, []).append(name)
    return [
        *(_coming(rtype, ttl_s, rrsets) for (rtype, ttl_s), rrsets in coming.items()),
        *(group_of(*alike, names) for alike, names in found.items()),
    ]


def _coming(rtype: int, ttl_s: int, rrsets: Sequence[RRset]) -> Group:
    endpoints = [(rtype, rdata) for rrset in rrsets for rdata in rrset.rdatas] if rtype in ENDPOINT_TYPES else ()
    return Group(
        shape=None,
        before=(),
        after=((rtype, ttl_s, ()),),
        names=[rrset.owner for rrset in rrsets],
        stood=_NOBODY,
        stands=frozenset(endpoints),
        differ=True,
    )


def form_of(node: Node | None) -> Form:
    """Return what a node is, whatever it is called."""
    return tuple([(rtype, rrset.ttl_s, rrset.rdatas) for rtype, rrset in node.items()]) if node else ()


def _kind_of(form: Form) -> Sequence[tuple[int, int]]:
    return tuple([(rtype, ttl_s) for rtype, ttl_s, _ in form])


def _targets(form: Form) -> frozenset[Target]:
    if not form:
        return _NOBODY
    return frozenset([(rtype, rdata) for rtype, _, rdatas in form if rtype in ENDPOINT_TYPES for rdata in rdatas])


def owner_of(change: Change) -> Name:
    """Return the name that a change is of."""
    rrset = change.after or change.before
    assert rrset is not None
    return rrset.owner


def shown(targets: Iterable[Target]) -> str:
    """Return the endpoints in words, the first few of many."""
    in_order = sorted(targets)
    text = ", ".join(
        rrset_to_text(RRset(owner=ROOT, rtype=rtype, ttl_s=0, rdatas=(rdata,)))[0]
        for rtype, rdata in in_order[:SHOWN_MAX]
    )
    return text if len(in_order) <= SHOWN_MAX else f"{text} and {len(in_order) - SHOWN_MAX} more"
