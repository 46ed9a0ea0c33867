"""What the rules look at: the names that a plan changes, those that change alike put together.

Half a million names often change in a dozen ways; a rule looks at the ways, and at names only where it has something
to say of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from standfast.control.facts import Facts
from standfast.control.finding import Finding, Severity
from standfast.control.members import ENDPOINT_TYPES, Pools, Target
from standfast.control.plan import Content, Node
from standfast.control.zone_index import Shape
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset
from standfast.dns.name import ROOT
from standfast.dns.rdata import rrset_to_text
from standfast.values import value

Form = tuple[tuple[int, int, tuple[bytes, ...]], ...]  # a node without its name: type, TTL in seconds, data of each
_Look = tuple[object, ...] | None

_NOBODY: Final = frozenset[Target]()
SHOWN_MAX: Final = 5  # endpoints that a finding names; it says how many there are


@value
class Group:
    """Names that are alike before, alike after, and promised alike. `shape` is None where they are not managed.

    `stood` and `stands` are the endpoints before and after.
    """

    shape: Shape | None
    before: Form
    after: Form
    names: Sequence[Name]
    stood: frozenset[Target]
    stands: frozenset[Target]

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

    def findings(self, rule: str, text: str, advice: str, severity: Severity = Severity.REFUSE) -> Iterator[Finding]:
        """Yield the same finding of each name."""
        for name in self.names:
            yield Finding(rule=rule, severity=severity, name=name, text=text, advice=advice)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A plan's changes, and what is planned before and after them."""

    before: Content
    after: Content
    changes: Sequence[Change]
    facts: Facts
    pools: Pools

    @cached_property
    def groups(self) -> Sequence[Group]:
        """Every name that changes, in the order of the first of each group."""
        before, after, shape_of = self.before.get, self.after.get, self.facts.zone.shapes.get
        found: dict[tuple[Shape | None, Form, Form], list[Name]] = {}
        alike: dict[tuple[Shape | None, _Look, _Look], list[Name]] = {}  # the same, by what costs less to compare
        for name in self.touched:
            shape, old, new = shape_of(name), before(name), after(name)
            look = shape, _look(old), _look(new)
            names = alike.get(look)
            if names is None:
                names = alike[look] = found.setdefault((shape, _form(old), _form(new)), [])
            names.append(name)
        return [
            Group(shape=shape, before=old, after=new, names=names, stood=_targets(old), stands=_targets(new))
            for (shape, old, new), names in found.items()
        ]

    @cached_property
    def touched(self) -> Mapping[Name, None]:
        """The names that change, in order."""
        return dict.fromkeys(
            [rrset.owner for change in self.changes if (rrset := change.after or change.before) is not None]
        )

    @cached_property
    def managed(self) -> Sequence[Group]:
        """Those that are planned from pools."""
        return [group for group in self.groups if group.shape is not None]

    @cached_property
    def pools_told(self) -> Sequence[str]:
        """The pools whose state is to be told, in order."""
        told = self.facts.pools_told
        return sorted(self.facts.zone.pools if told is None else told)


def _form(node: Node | None) -> Form:
    return tuple([(rtype, rrset.ttl_s, rrset.rdatas) for rtype, rrset in node.items()]) if node else ()


def _look(node: Node | None) -> _Look:
    """Return what tells nodes apart that do not have the very same data, as those have that a plan made alike."""
    if not node:
        return None
    if len(node) == 1:  # nearly always
        (rrset,) = node.values()
        return rrset.rtype, rrset.ttl_s, id(rrset.rdatas)
    return tuple([(rtype, rrset.ttl_s, id(rrset.rdatas)) for rtype, rrset in node.items()])


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
