"""The order of plans: always later, and folded only where they are a chain."""

from dataclasses import replace

from control_world import Plans, a, content
from standfast.control.fence import Fence, Unreadable
from standfast.control.generations import digits_of, folded, follows, is_of, next_generation
from standfast.control.plan import PlanHead, applied
from standfast.dns.changes import Change

WWW, API, OLD = "www.example.org.", "api.example.org.", "old.example.org."
FIRST, SECOND, THIRD = content(a(WWW, 1), a(OLD, 1)), content(a(WWW, 2), a(API, 1)), content(a(WWW, 1))


def fence_of(head: PlanHead) -> Fence:
    return Fence(generation=head.generation, step=1, done=True, plan=digits_of(head), writer="a.1.1")


def three() -> tuple[Plans, Fence, PlanHead]:
    plans = Plans()
    first = plans.plan(FIRST)
    plans.plan(SECOND)
    return plans, fence_of(first), plans.plan(THIRD)


def test_the_next_generation_is_later_than_the_newest_plan_and_every_fence() -> None:
    head = PlanHead(zone="example.org.", generation=7, hash="a" * 64)
    fence = fence_of(head)
    assert next_generation(None, []) == 1
    assert next_generation(head, [None, Unreadable(why="silent")]) == 8
    assert next_generation(head, [fence, replace(fence, generation=12)]) == 13
    assert next_generation(None, [fence]) == 8


def test_a_plan_is_kept_only_right_after_the_very_one_that_it_was_made_after() -> None:
    plans = Plans()
    first = plans.plan(FIRST)
    second = plans.plans[plans.plan(SECOND).generation]
    assert follows(second, first, first)
    assert follows(replace(second, generation=1), None, None)
    assert not follows(second, first, None)
    assert not follows(second, None, first)
    assert not follows(second, first, second.head)
    assert not follows(second, first, replace(first, hash="b" * 64))
    assert not follows(replace(second, generation=1), first, first)


def test_a_fence_is_of_its_plan_and_of_no_other_of_that_number() -> None:
    head = PlanHead(zone="example.org.", generation=7, hash="a" * 64)
    assert is_of(fence_of(head), head)
    assert not is_of(fence_of(head), replace(head, hash="b" * 64))
    assert not is_of(fence_of(head), replace(head, generation=8))


def test_a_chain_of_plans_is_what_it_changes_in_all() -> None:
    plans, fence, head = three()
    changes = folded(plans.since(1, 3), fence, head)
    assert changes == (Change(before=a(OLD, 1), after=None),)  # one name is back where it was, one came and went
    assert applied(FIRST, changes) == THIRD


def test_plans_that_are_no_chain_are_not_folded() -> None:
    plans, fence, head = three()
    chain = plans.since(1, 3)
    assert folded((), fence, head) is None
    assert folded(chain[1:], fence, head) is None  # one was collected
    assert folded(chain[:1], fence, head) is None
    assert folded(chain, replace(fence, plan="0" * 16), head) is None  # another first plan is published
    anew = Plans()
    head = anew.plan(SECOND)
    assert folded(anew.since(0, 1), fence, head) is None  # it is chained to nothing
