"""The enactor: from whatever it finds to the newest plan, and never back."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_world import ZONE, Plans, Walker, a, cname, content, shown, txt
from publishers_in_memory import Fault, InMemoryPublisher
from standfast.control.enacting import AskFence, AskWhole, Cause, FenceRead, Rest, Settled, Wake, Write
from standfast.control.enactor import SENT_MAX, step
from standfast.control.fence import Fence, Garbage
from standfast.control.plan import Content
from standfast.control.publishing import BatchLimits, Late, Written

WWW, API, OLD, BY_HAND = "www.example.org.", "api.example.org.", "old.example.org.", "by-hand.example.org."
FIRST = content(a(WWW, 1, 2), a(OLD, 9))
SECOND = content(a(WWW, 2), a(API, 3))
THIRD = content(a(WWW, 3), a(API, 3, 4))
FOREIGN = txt(BY_HAND, "not ours")
SMALL = BatchLimits(records_max=5)  # of which the fence takes two


def world(*contents: Content, limits: BatchLimits | None = None, faults: tuple[Fault, ...] = ()) -> Walker:
    plans = Plans()
    for each in contents:
        plans.plan(each)
    return Walker(plans=plans, publisher=InMemoryPublisher(limits=limits, faults=faults))


def another(one: Walker, name: str = "b.1") -> Walker:
    return Walker(plans=one.plans, publisher=one.publisher, name=name)


def published(walker: Walker) -> Content:
    return walker.publisher.reading(ZONE).content


def fence(walker: Walker) -> Fence:
    found = walker.publisher.reading(ZONE).fence
    assert isinstance(found, Fence)
    return found


def cause(walker: Walker) -> Cause:
    rest = walker.rest()
    assert isinstance(rest, Rest), rest
    return rest.cause


# The way where nothing is wrong.


def test_the_first_plan_is_published_where_no_fence_stands() -> None:
    walker = world(FIRST)
    assert walker.rest() == Settled(fence=fence(walker))
    assert shown(published(walker)) == shown(FIRST)
    assert walker.publisher.batches[0].expect is None
    assert fence(walker).done
    assert fence(walker).generation == fence(walker).step == 1


def test_newer_plans_are_published_together_without_reading_what_stands() -> None:
    walker = world(FIRST)
    walker.rest()
    walker.plans.plan(SECOND)
    walker.plans.plan(THIRD)
    walker.did.clear()
    assert isinstance(walker.settle(), Settled)
    assert walker.did == ["AskFence", "AskNewest", "AskPlans", "Write"]
    assert shown(published(walker)) == shown(THIRD)
    assert len(walker.publisher.batches) == 2
    assert fence(walker).generation == 3


def test_what_was_not_there_is_said_to_have_been_seen_where_all_was_read_and_nowhere_else() -> None:
    walker = world(content(a(WWW, 1, 2), a(API, 3), a(OLD, 9)), limits=SMALL)
    walker.rest()
    walker.plans.plan(THIRD)
    walker.settle()
    ways = [(batch.fence.generation, batch.fence.step, batch.seen) for batch in walker.publisher.batches]
    assert {(generation, seen) for generation, _, seen in ways} == {(1, True), (2, False)}
    assert max(step for _, step, _ in ways) > 1, "a batch that follows says the same as the first"


def test_nothing_is_written_where_the_newest_plan_stands() -> None:
    walker = world(FIRST)
    walker.rest()
    other = another(walker)
    assert isinstance(other.rest(), Settled)
    assert len(walker.publisher.batches) == 1


def test_a_publication_that_is_right_but_has_no_fence_gets_one_and_nothing_else() -> None:
    walker = world(FIRST)
    walker.publisher.put(ZONE, FIRST, fence=None)
    walker.rest()
    (batch,) = walker.publisher.batches
    assert batch.changes == ()
    assert batch.fence.done


# What the incident was made of.


def test_a_stalled_enactor_that_comes_back_with_an_old_plan_changes_nothing() -> None:
    stalled = world(FIRST, SECOND)
    stalled.until(Write)
    quick = another(stalled)
    stalled.plans.plan(THIRD)
    quick.rest()
    stalled.plans.collect(1, 2)
    before = shown(published(quick))
    assert cause(stalled) is Cause.MOVED
    assert shown(published(stalled)) == before == shown(THIRD)
    assert isinstance(stalled.settle(), Settled)
    assert len(stalled.publisher.batches) == 1


def test_a_stalled_enactor_between_two_writes_changes_nothing_more() -> None:
    stalled = world(FIRST, limits=SMALL)
    stalled.rest()
    stalled.plans.plan(SECOND)
    stalled.wake()
    stalled.until(Write)
    stalled.step()  # its first write of several is done
    assert isinstance(stalled.action, Write)
    assert not fence(stalled).done
    quick = another(stalled)
    quick.plans.plan(THIRD)
    assert isinstance(quick.settle(), Settled)
    assert cause(stalled) is Cause.MOVED
    assert shown(published(stalled)) == shown(THIRD)


def test_a_zone_that_was_emptied_by_hand_is_filled_again() -> None:
    walker = world(FIRST, SECOND)
    walker.rest()
    walker.publisher.put(ZONE, {}, fence=None)
    assert isinstance(walker.settle(), Settled)
    assert shown(published(walker)) == shown(SECOND)


@pytest.mark.parametrize("limits", [None, SMALL])
def test_something_else_in_the_fences_place_is_replaced_by_a_write_of_its_own(limits: BatchLimits | None) -> None:
    walker = world(FIRST, SECOND, limits=limits)
    walker.rest()
    done = len(walker.publisher.batches)
    garbage = Garbage(ttl_s=5, rdatas=(b"\x05hello",))
    walker.publisher.put(ZONE, content(a(WWW, 66), FOREIGN), fence=garbage)
    assert isinstance(walker.settle(), Settled)
    assert shown(published(walker)) == shown({**SECOND, **content(FOREIGN)})
    first, *others = walker.publisher.batches[done:]
    assert (first.expect, first.changes, first.fence.done) == (garbage, (), False)
    assert all(isinstance(batch.expect, Fence) for batch in others)


def test_a_late_writer_that_expected_no_fence_does_not_get_past_something_else_in_its_place() -> None:
    stalled = world(FIRST)
    stalled.until(Write)
    quick = another(stalled)
    quick.plans.plan(SECOND)
    quick.rest()
    stalled.publisher.put(ZONE, SECOND, fence=Garbage(ttl_s=5, rdatas=(b"\x05hello",)))
    stalled.step()  # its write, which says that nothing is published yet, is refused
    assert shown(published(stalled)) == shown(SECOND)
    assert isinstance(stalled.settle(), Settled)
    assert shown(published(stalled)) == shown(SECOND)
    assert fence(stalled).generation == 2


def test_a_zone_that_was_emptied_but_for_its_fence_is_filled_again_once_that_is_seen() -> None:
    walker = world(FIRST, SECOND)
    walker.rest()
    walker.publisher.put(ZONE, {}, fence=fence(walker))
    assert isinstance(walker.settle(), Settled)
    assert published(walker) == {}
    assert isinstance(walker.settle(whole=True), Settled)
    assert shown(published(walker)) == shown(SECOND)
    assert fence(walker).step == 2


def test_a_reading_of_all_that_is_owed_is_not_forgotten_while_the_publisher_cannot_be_read() -> None:
    walker = world(FIRST)
    walker.rest()
    walker.publisher.put(ZONE, {}, fence=fence(walker))
    walker.publisher.unreadable = 2
    walker.wake(whole=True)
    assert cause(walker) is Cause.UNREAD
    assert isinstance(walker.settle(), Settled)
    assert shown(published(walker)) == shown(FIRST)


def test_a_fence_of_a_plan_that_was_collected_is_no_reason_to_stop() -> None:
    walker = world(FIRST)
    walker.rest()
    walker.plans.plan(SECOND)
    walker.plans.plan(THIRD)
    walker.plans.collect(1, 2)
    assert isinstance(walker.settle(), Settled)
    assert shown(published(walker)) == shown({**THIRD, **content(a(OLD, 9))})  # of which nobody knows any more


def test_what_was_half_published_is_finished_by_another_and_what_should_go_goes() -> None:
    first = world(FIRST, limits=SMALL)
    first.rest()
    first.plans.plan(SECOND)
    first.wake()
    first.until(Write)
    first.step()
    first.plans.plan(THIRD)  # and the first enactor is never seen again
    other = another(first)
    assert isinstance(other.settle(), Settled)
    assert shown(published(other)) == shown(THIRD)
    assert OLD not in published(other)


# The store and the publication disagree.


def test_without_a_plan_nothing_is_written() -> None:
    walker = world()
    walker.publisher.put(ZONE, FIRST, fence=None)
    assert cause(walker) is Cause.NO_PLAN
    assert not walker.publisher.batches


def test_a_publication_that_is_later_than_all_plans_is_left_alone() -> None:
    walker = world(FIRST, SECOND)
    walker.rest()
    walker.plans.lose()
    walker.plans.plan(THIRD)
    walker.wake()
    assert cause(walker) is Cause.AHEAD
    assert shown(published(walker)) == shown(SECOND)


def test_after_a_lost_store_a_plan_later_than_the_fence_is_published() -> None:
    walker = world(FIRST, SECOND)
    walker.rest()
    walker.plans.lose()
    walker.wake()
    assert cause(walker) is Cause.NO_PLAN
    walker.plans.plan(THIRD, generation=3)
    assert isinstance(walker.settle(), Settled)
    assert shown(published(walker)) == shown(THIRD)


def test_of_two_plans_of_one_generation_the_one_that_stands_stays() -> None:
    walker = world(FIRST)
    walker.rest()
    walker.plans.lose()
    walker.plans.plan(SECOND)
    walker.wake()
    assert cause(walker) is Cause.FORKED
    assert shown(published(walker)) == shown(FIRST)
    walker.plans.plan(THIRD)
    assert isinstance(walker.settle(), Settled)
    assert published(walker).keys() == {WWW, API, OLD}  # of the lost plan's name nothing is known any more


# Nobody knows what came of a write.


@pytest.mark.parametrize("fault", [Fault.DONE_UNSAID, Fault.LOST, Fault.ON_ITS_WAY, Fault.TWICE])
def test_an_unclear_write_is_read_back_and_done_once(fault: Fault) -> None:
    walker = world(FIRST, faults=(fault,))
    assert isinstance(walker.rest(), Settled)
    assert [outcome for outcome in walker.publisher.deliver() if not isinstance(outcome, Late)] == []
    assert shown(published(walker)) == shown(FIRST)
    assert len(walker.publisher.batches) == 1


def test_a_write_that_arrives_after_the_reading_back_is_found_to_be_ours() -> None:
    walker = world(FIRST, faults=(Fault.ON_ITS_WAY,))
    walker.until(Write)
    walker.step()
    walker.step()  # it is read back, and not there
    assert isinstance(walker.action, Write)
    assert walker.publisher.deliver() == [Written()]
    walker.step()  # sent again, it is late: for its own first sending
    assert isinstance(walker.action, AskFence)
    assert isinstance(walker.rest(), Settled)
    assert len(walker.publisher.batches) == 1


def test_a_write_is_not_sent_again_and_again_without_a_rest() -> None:
    walker = world(FIRST, faults=(Fault.LOST,) * SENT_MAX)
    assert cause(walker) is Cause.UNCLEAR
    assert walker.did.count("Write") == SENT_MAX
    assert isinstance(walker.settle(), Settled)


def test_two_batches_never_leave_the_same_fence() -> None:
    walker = world(FIRST, faults=(Fault.ON_ITS_WAY,) * SENT_MAX)
    walker.rest()
    walker.wake()
    second = walker.until(Write)
    assert isinstance(second, Write)
    first, *_ = walker.publisher.deliver()
    assert first == Written()
    assert walker.publisher.batches[0].fence != second.batch.fence
    assert isinstance(walker.settle(), Settled)


def test_a_publication_that_was_done_by_halves_is_repaired_once_that_is_seen() -> None:
    walker = world(THIRD, faults=(Fault.HALF,))
    walker.settle(whole=True)
    assert isinstance(walker.settle(whole=True), Settled)
    assert shown(published(walker)) == shown(THIRD)


# The publisher refuses.


def test_a_publisher_that_asks_for_patience_gets_the_same_write_later() -> None:
    walker = world(FIRST, faults=(Fault.THROTTLED,))
    asked = walker.until(Write)
    rest = walker.rest()
    assert isinstance(rest, Rest)
    assert rest.retry_s is not None
    walker.wake()
    assert walker.action == asked
    assert isinstance(walker.rest(), Settled)


def test_after_a_refusal_all_that_is_published_is_read() -> None:
    walker = world(FIRST)
    walker.rest()
    walker.plans.plan(SECOND)
    walker.publisher.faults.append(Fault.REFUSED)
    walker.wake()
    assert cause(walker) is Cause.REFUSED
    walker.wake()
    assert isinstance(walker.until(AskWhole, Settled), AskWhole)
    assert isinstance(walker.rest(), Settled)


def test_what_fits_in_no_write_is_told_and_keeps_nothing_else_back() -> None:
    walker = world(content(a(WWW, 1, 2, 3, 4), a(API, 3)), limits=SMALL)
    assert cause(walker) is Cause.TOO_LARGE
    assert shown(published(walker)) == shown(content(a(API, 3)))
    assert not fence(walker).done
    walker.wake()
    rest = walker.rest()
    assert isinstance(rest, Rest)
    assert WWW in rest.why
    assert len(walker.publisher.batches) == 1
    walker.plans.plan(SECOND)
    assert isinstance(walker.settle(), Settled)
    assert shown(published(walker)) == shown(SECOND)


def test_an_event_that_answers_nothing_is_an_error() -> None:
    walker = world(FIRST)
    with pytest.raises(ValueError, match="no answer"):
        step(walker.state, Wake())
    walker.rest()
    with pytest.raises(ValueError, match="no answer"):
        step(walker.state, FenceRead(fence=None))


# Whatever happens.

_OWNERS = [WWW, API, OLD]
_CONTENTS = st.lists(
    st.one_of(
        st.builds(a, st.sampled_from(_OWNERS), st.integers(1, 3), st.integers(4, 6)),
        st.builds(txt, st.sampled_from(_OWNERS), st.sampled_from("xy")),
    ),
    max_size=5,
).map(lambda rrsets: content(*rrsets))
_WITH_ALIASES = st.builds(
    lambda base, owner, target: {**base, **content(cname(owner, target))},
    _CONTENTS,
    st.sampled_from(_OWNERS),
    st.just("target.example.net."),
)
_LIMITS = st.sampled_from([BatchLimits(), BatchLimits(records_max=10), BatchLimits(records_max=14, octets_max=2_000)])
_FAULTS = st.lists(st.sampled_from(list(Fault)), max_size=6).map(
    lambda faults: tuple(fault for fault in faults if fault is not Fault.HALF)
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(_CONTENTS, _WITH_ALIASES), min_size=1, max_size=4),
    st.one_of(_CONTENTS, _WITH_ALIASES),
    _LIMITS,
    _FAULTS,
    st.lists(st.integers(0, 2), max_size=60),
)
def test_any_number_of_enactors_in_any_order_with_any_faults_end_at_the_newest_plan(
    contents: list[Content], found: Content, limits: BatchLimits, faults: tuple[Fault, ...], turns: list[int]
) -> None:
    first, *later = contents
    one = world(first, limits=limits, faults=faults)
    one.publisher.put(ZONE, {**found, **content(FOREIGN)}, fence=None)
    walkers = [one, another(one, "b.1"), another(one, "c.1")]
    for number, turn in enumerate(turns):
        if later and number % 10 == 9:
            one.plans.plan(later.pop(0))
        if number % 7 == 6:
            one.publisher.deliver()
        walkers[turn].step()
    for each in later:
        one.plans.plan(each)
    one.publisher.deliver()
    one.publisher.faults.clear()
    for walker in walkers:
        walker.rest()  # with what it knew; what came since then, it looks for when it is woken
        assert isinstance(walker.settle(), Settled)
    newest = one.plans.newest
    assert newest is not None
    assert shown(published(one)).items() >= shown(one.plans.contents[newest.generation]).items()
    assert published(one)[BY_HAND] == {FOREIGN.rtype: FOREIGN}
    orders = [batch.fence.order for batch in one.publisher.batches]
    assert orders == sorted(set(orders))
    assert all(later.expect == earlier.fence for earlier, later in pairwise(one.publisher.batches))
