"""The endpoints of pools as the records that stand for them, with what is known of each."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from standfast.control.intent import Endpoint
from standfast.control.plan import Node
from standfast.control.pool_view import Health, PoolView
from standfast.dns.address_text import ipv4_octets
from standfast.dns.model import RRType
from standfast.dns.wire import name_from_text
from standfast.values import value

Target = tuple[int, bytes]  # type and data of the one record that stands for an endpoint
Targets = tuple[tuple[int, tuple[bytes, ...]], ...]  # of a name, by type in the order of ENDPOINT_TYPES

ENDPOINT_TYPES: Final = (int(RRType.A), int(RRType.CNAME), int(RRType.AAAA))  # in order: so they are kept
ADDRESS_OCTETS: Final = {int(RRType.A): 4, int(RRType.AAAA): 16}  # RFC 1035 section 3.4.1, RFC 3596 section 2.2
TARGETS_MAX: Final = 1_000_000  # whose data are kept: twice the endpoints of the largest zone that is measured


@value
class Member:
    """One record that stands for an endpoint, or for several that share an address."""

    target: Target
    health: Health
    drained: bool
    weight: int
    capacity: int


class Pools:
    """Views of pools, each looked through when it is first asked for."""

    def __init__(self, views: Mapping[str, PoolView]) -> None:
        self.views = views
        self._members: dict[str, dict[Target, Member]] = {}

    def members(self, pool: str) -> Mapping[Target, Member]:
        """Return the members of `pool`; none where there is no such pool."""
        found = self._members.get(pool)
        if found is None:
            found = self._members[pool] = _members(self.views.get(pool, PoolView(endpoints={})))
        return found

    def together(self, order: Iterable[str]) -> Mapping[Target, Member]:
        """Return the members of all of these pools."""
        found: dict[Target, Member] = {}
        for pool in order:
            for target, member in self.members(pool).items():
                found[target] = joined(member, found[target]) if target in found else member
        return found

    def is_broken(self, pool: str) -> bool:
        """Say whether nothing that is measured of `pool` is to be believed."""
        view = self.views.get(pool)
        return view is not None and bool(view.broken)

    def is_blind(self, pool: str) -> bool:
        """Say whether nobody knows who belongs to `pool`: it is gone, or its source fails and never told."""
        view = self.views.get(pool)
        return view is None or (not view.endpoints and bool(view.source_failed))


@lru_cache(maxsize=TARGETS_MAX)
def target_of(address: str) -> Target:
    """Return the record for an endpoint's address: A, AAAA, or CNAME where it is a name."""
    with suppress(ValueError):
        return int(RRType.A), ipv4_octets(address)
    try:
        return int(RRType.AAAA), IPv6Address(address).packed
    except AddressValueError:
        return int(RRType.CNAME), name_from_text(address)


def targets_of(node: Node) -> Targets:
    """Return the endpoints that stand at a name."""
    if len(node) <= 1:  # nearly always, and of half a million names
        return tuple([(rtype, rrset.rdatas) for rtype, rrset in node.items() if rtype in ENDPOINT_TYPES])
    return tuple([(rtype, node[rtype].rdatas) for rtype in ENDPOINT_TYPES if rtype in node])


def each_of(targets: Targets) -> list[Target]:
    """Return the endpoints one by one."""
    return [(rtype, rdata) for rtype, rdatas in targets for rdata in rdatas]


def grouped(targets: Iterable[Target]) -> Targets:
    """Return the endpoints by type and in order, so that what is alike is equal."""
    by_type: dict[int, list[bytes]] = {}
    for rtype, rdata in sorted(targets):
        by_type.setdefault(rtype, []).append(rdata)
    return tuple((rtype, tuple(by_type[rtype])) for rtype in ENDPOINT_TYPES if rtype in by_type)


def joined(one: Member, other: Member) -> Member:
    """Return the member that stands for both: one record leads to both, so it is as ill as the worse of them."""
    healths = {one.health, other.health}
    return Member(
        target=one.target,
        health=next(health for health in (Health.ILL, Health.UNKNOWN, Health.WELL) if health in healths),
        drained=one.drained or other.drained,
        weight=max(one.weight, other.weight),
        capacity=max(one.capacity, other.capacity),
    )


def _members(view: PoolView) -> dict[Target, Member]:
    found: dict[Target, Member] = {}
    for endpoint, health in view.endpoints.items():
        member = _member(endpoint, Health.UNKNOWN if view.broken else health)
        other = found.get(member.target)
        found[member.target] = member if other is None else joined(member, other)
    return found


def _member(endpoint: Endpoint, health: Health) -> Member:
    return Member(
        target=target_of(endpoint.address),
        health=health,
        drained=endpoint.drained,
        weight=endpoint.weight,
        capacity=endpoint.capacity,
    )
