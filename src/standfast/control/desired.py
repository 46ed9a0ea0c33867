"""What a name should hold by its policy: which endpoints, as far as their health is known. Decides only.

Four laws hold whatever the policy. What is not known moves nobody: in it stays in, out it stays out. While those that
are fit cannot keep the promise, nobody leaves. A name whose policy is fail-over holds endpoints of one pool. And what
is asked again is answered alike, so that a plan made twice changes nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from standfast.control.intent import PolicyKind, Promise
from standfast.control.members import Member, Pools, Target, Targets, each_of, grouped
from standfast.control.pool_view import Health
from standfast.control.zone_index import Shape
from standfast.dns.model import RRType

RETURN_RATIO: Final = 0.5  # of a preferred pool that is well before a name goes back: fewer would take all its load
_CNAME: Final = int(RRType.CNAME)
_NOTHING: Final[frozenset[Target]] = frozenset()


def desired(shape: Shape, standing: Targets, pools: Pools) -> Targets:
    """Return the endpoints that a name of this shape should hold, where `standing` are there now.

    `standing` itself where nothing is to change.
    """
    now = frozenset(each_of(standing))
    chosen = _POLICIES[shape.policy.kind](shape, now, pools)
    mixed = len(chosen) > 1 and any(rtype == _CNAME for rtype, _ in chosen)
    return standing if mixed or chosen == now else grouped(chosen)


def pool_of(targets: Collection[Target], order: Iterable[str], pools: Pools) -> str | None:
    """Return the pool that most of `targets` belong to, the first of several; None where none has any.

    Those that no pool has belong to the first of which nobody knows who belongs to it.
    """
    order = tuple(order)
    counts = {pool: sum(target in pools.members(pool) for target in targets) for pool in order}
    blind = next((pool for pool in order if pools.is_blind(pool)), None)
    if blind is not None:
        counts[blind] = len(_strays(targets, order, pools))
    best = max(order, key=lambda pool: counts[pool], default=None)
    return best if best is not None and counts[best] else None


def _failover(shape: Shape, standing: frozenset[Target], pools: Pools) -> frozenset[Target]:
    order = shape.policy.order
    current = pool_of(standing, order, pools)
    if current is None:
        return _first_fit(order, shape, pools) or standing
    if pools.is_blind(current):
        return standing
    staying = _fit(pools.members(current), standing)
    kept = _keeps(shape.promise, staying)
    better = [pool for pool in order[: order.index(current)] if _is_sound(pools.members(pool))] if kept else order
    moved = _NOTHING if pools.is_broken(current) else _first_fit(better, shape, pools)
    return moved or (frozenset(staying) if kept else _nobody_leaves(standing, staying))


def _all_healthy(shape: Shape, standing: frozenset[Target], pools: Pools) -> frozenset[Target]:
    fit = _fit(pools.together(shape.policy.order), standing)
    if not _keeps(shape.promise, fit):
        return _nobody_leaves(standing, fit)
    return frozenset(fit) | _unidentified(shape, standing, pools)


def _weighted(shape: Shape, standing: frozenset[Target], pools: Pools) -> frozenset[Target]:
    taken: set[Target] = set()
    fit: list[list[Member]] = []
    for pool in shape.policy.order:
        candidates = _fit(_without(pools.members(pool), taken), standing).values()
        fit.append(
            sorted(candidates, key=lambda member: (member.target not in standing, -member.weight, member.target))
        )
        taken.update(pools.members(pool))
    unidentified = _unidentified(shape, standing, pools)
    room = max(shape.policy.answers_max, shape.promise.endpoints_min) - len(unidentified)
    counts = shares([weight for _, weight in shape.policy.pools], [len(each) for each in fit], room)
    chosen = {member.target: member for each, count in zip(fit, counts, strict=True) for member in each[:count]}
    chosen = _alike(chosen, standing)
    if not _keeps(shape.promise, chosen):
        return _nobody_leaves(standing, chosen, most=shape.policy.answers_max)
    return frozenset(chosen) | unidentified


_POLICIES: Final[Mapping[PolicyKind, Callable[[Shape, frozenset[Target], Pools], frozenset[Target]]]] = {
    PolicyKind.FAILOVER: _failover,
    PolicyKind.WEIGHTED: _weighted,
    PolicyKind.ALL_HEALTHY: _all_healthy,
}


def shares(weights: Sequence[int], available: Sequence[int], room: int) -> list[int]:
    """Share `room` places out by weight, with the largest remainders and then the first in order first.

    None gets more than it has available, and others then share what it leaves. What weighs nothing gets nothing.
    """
    counts = [0] * len(weights)
    open_ = [index for index, weight in enumerate(weights) if weight > 0 and available[index] > 0]
    while open_:  # each round but the last fills one or more up
        left = max(0, room - sum(counts))
        total = sum(weights[index] for index in open_)
        full = [index for index in open_ if available[index] * total <= left * weights[index]]
        if not full:
            for index in open_:
                counts[index] = left * weights[index] // total
            spare = left - sum(counts[index] for index in open_)
            by_remainder = sorted(open_, key=lambda index: (-(left * weights[index] % total), index))
            for index in by_remainder[:spare]:
                counts[index] += 1
            break
        for index in full:
            counts[index] = available[index]
        open_ = [index for index in open_ if index not in full]
    return counts


def _first_fit(order: Iterable[str], shape: Shape, pools: Pools) -> frozenset[Target]:
    """Return what the first pool has that keeps the promise by those alone that are well; nothing where none does."""
    for pool in order:
        fit = _fit(pools.members(pool), _NOTHING)
        if _keeps(shape.promise, fit):
            return frozenset(fit)
    return _NOTHING


def _fit(members: Mapping[Target, Member], standing: frozenset[Target]) -> Mapping[Target, Member]:
    """Return those that may stand: well, or there already and not known to be ill; none that is drained."""
    fit = {
        target: member
        for target, member in members.items()
        if not member.drained
        and (member.health is Health.WELL or (member.health is Health.UNKNOWN and target in standing))
    }
    return _alike(fit, standing)


def _alike(members: Mapping[Target, Member], standing: frozenset[Target]) -> dict[Target, Member]:
    """Return those that can stand at one name: all addresses or, where there is none, one alias (RFC 2181 10.1)."""
    addresses = {target: member for target, member in members.items() if target[0] != _CNAME}
    if addresses or not members:
        return addresses
    best = min(members.values(), key=lambda member: (member.target not in standing, -member.weight, member.target))
    return {best.target: best}


def _keeps(promise: Promise, members: Mapping[Target, Member]) -> bool:
    return (
        len(members) >= max(1, promise.endpoints_min)
        and sum(member.capacity for member in members.values()) >= promise.capacity_min
    )


def _nobody_leaves(
    standing: frozenset[Target], fit: Mapping[Target, Member], most: int | None = None
) -> frozenset[Target]:
    """Return those that stand, and beside them those that are fit, as far as they can stand together.

    Nothing where nothing stands: too little is known yet, and a name does not begin with less than was promised.
    """
    if not standing or any(rtype == _CNAME for rtype, _ in standing):
        return standing
    joining = sorted(target for target in fit if target[0] != _CNAME and target not in standing)
    return standing.union(joining if most is None else joining[: max(0, most - len(standing))])


def _is_sound(members: Mapping[Target, Member]) -> bool:
    """Say whether so much of a pool is well that a name may go back to it."""
    healths = [member.health for member in members.values() if not member.drained]
    return healths.count(Health.WELL) >= RETURN_RATIO * len(healths)


def _without(members: Mapping[Target, Member], taken: Collection[Target]) -> Mapping[Target, Member]:
    return {target: member for target, member in members.items() if target not in taken} if taken else members


def _strays(targets: Iterable[Target], order: Iterable[str], pools: Pools) -> frozenset[Target]:
    """Return those that no pool has."""
    return frozenset(targets) - pools.together(order).keys()


def _unidentified(shape: Shape, standing: frozenset[Target], pools: Pools) -> frozenset[Target]:
    """Return those that stand and may belong to a pool of which nobody knows who belongs to it."""
    order = shape.policy.order
    return _strays(standing, order, pools) if any(map(pools.is_blind, order)) else _NOTHING
