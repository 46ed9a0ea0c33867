"""The order of plans: which number the next one has, whose fence stands, and what several of them change together."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from standfast.control.fence import PLAN_DIGITS, Fence, Seen, Standing
from standfast.control.plan import Plan, PlanHead
from standfast.dns.changes import Change, Key, key_of, same
from standfast.dns.model import RRset


def next_generation(head: PlanHead | None, fences: Iterable[Seen]) -> int:
    """Return a generation later than the newest plan and than every fence that can be read.

    Of a fence that cannot be read nothing is needed: were it later, nobody could write over it, and the plan after this
    one is later than it.
    """
    known = [fence.generation for fence in fences if isinstance(fence, Fence)]
    return max(known + ([head.generation] if head else []), default=0) + 1


def follows(plan: Plan, after: PlanHead | None, newest: PlanHead | None) -> bool:
    """Say whether `plan` may be kept as the newest where `newest` is that: only if it was made after that very one.

    A store compares by this within the transaction that keeps the plan, so that of several planners one is taken.
    """
    return newest == after and (after is None or plan.generation > after.generation)


def is_of(fence: Fence, head: PlanHead) -> bool:
    """Say whether the fence is of this very plan, and not of another one of the same number."""
    return fence.generation == head.generation and fence.plan == digits_of(head)


def stands_whole(standing: Standing, head: PlanHead) -> bool:
    """Say whether what stands says that this plan is published whole."""
    return isinstance(standing, Fence) and standing.done and is_of(standing, head)


def digits_of(head: PlanHead) -> str:
    """Return what a fence says of the plan's hash."""
    return head.hash[:PLAN_DIGITS]


def folded(plans: Sequence[Plan], fence: Fence, head: PlanHead) -> tuple[Change, ...] | None:
    """Return what leads from the plan that `fence` is of to `head`: every RRset once, as it was and as it will be.

    Args:
        plans: of the generations after the fence's up to that of `head`, in order.
        fence: what stands.
        head: where to.

    Returns:
        None where the plans are no chain between the two: one was collected, or the store began anew.
    """
    if not plans or plans[-1].head != head or plans[0].base is None or not is_of(fence, plans[0].base):
        return None
    if any(plan.base != before.head for before, plan in pairwise(plans)):
        return None
    if len(plans) == 1:
        return plans[0].changes
    ends: dict[Key, tuple[RRset | None, RRset | None]] = {}
    for plan in plans:
        for change in plan.changes:
            key = key_of(_either(change))
            first = ends[key][0] if key in ends else change.before
            ends[key] = (first, change.after)
    return tuple(Change(before=before, after=after) for before, after in ends.values() if not same(before, after))


def _either(change: Change) -> RRset:
    rrset = change.after or change.before
    assert rrset is not None
    return rrset
