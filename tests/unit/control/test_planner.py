"""The planner: one next plan from what is wanted and known, the same whoever makes it, held up by no single name."""

from planning import NAME, after, held_at, inputs, managed, pool, standing, zone
from standfast.control.facts import Base
from standfast.control.fence import Fence, Unreadable
from standfast.control.finding import Verdict
from standfast.control.plan import applied
from standfast.control.planner import plan_names, plan_zone

HEALTHY = {"a": pool("+192.0.2.1 +192.0.2.2"), "b": pool("+198.51.100.1 +198.51.100.2")}


def test_the_first_plan_of_a_zone_holds_every_name_and_is_the_first_of_its_line() -> None:
    planned = plan_zone(zone(managed()), inputs(HEALTHY), Base())
    assert planned.verdict is Verdict.PUBLISH
    assert planned.plan is not None
    assert (planned.plan.generation, planned.plan.base) == (1, None)
    assert held_at(planned.content) == ["192.0.2.1", "192.0.2.2"]


def test_a_plan_made_again_changes_nothing() -> None:
    first = plan_zone(zone(managed()), inputs(HEALTHY), Base())
    again = plan_zone(zone(managed()), inputs(HEALTHY), after(first))
    assert (again.plan, again.content) == (None, first.content)


def test_a_pool_that_turns_ill_is_left_for_the_next_in_order() -> None:
    first = plan_zone(zone(managed()), inputs(HEALTHY), Base())
    ill = HEALTHY | {"a": pool("-192.0.2.1 -192.0.2.2")}
    moved = plan_zone(zone(managed()), inputs(ill), after(first))
    assert moved.verdict is Verdict.PUBLISH
    assert held_at(moved.content) == ["198.51.100.1", "198.51.100.2"]
    assert moved.plan is not None
    assert applied(first.content, moved.plan.changes) == moved.content


def test_planning_the_names_of_a_pool_says_the_same_as_planning_all() -> None:
    index = zone(managed(), managed("ftp.example.com.", "b"))
    first = plan_zone(index, inputs(HEALTHY), Base())
    ill = inputs(HEALTHY | {"a": pool("-192.0.2.1 -192.0.2.2")})
    some, whole = (
        plan_names(index, index.touched(["a"]), ill, after(first)),
        plan_zone(index, ill, after(first)),
    )
    assert some.plan == whole.plan is not None
    assert some.content == whole.content


def test_what_a_later_fence_says_is_not_written_over_unasked() -> None:
    first = plan_zone(zone(managed()), inputs(HEALTHY), Base())
    assert first.plan is not None
    fence = Fence(generation=9, step=1, done=True, plan="0" * 16, writer="by-hand.1.1")
    base = Base(head=first.plan.head, content=standing(NAME, "192.0.2.9"), published={"own": fence})
    planned = plan_zone(zone(managed()), inputs(HEALTHY), base)
    assert planned.verdict is Verdict.ASK
    assert planned.plan is not None
    assert (planned.plan.generation, planned.plan.base) == (10, None)
    assert [finding.rule for finding in planned.findings] == ["unknown-publication"]


def test_a_publisher_that_cannot_be_read_does_not_keep_a_known_zone_from_being_planned() -> None:
    first = plan_zone(zone(managed()), inputs(HEALTHY), Base())
    base = Base(head=after(first).head, content=first.content, published={"own": Unreadable(why="time-out")})
    ill = HEALTHY | {"a": pool("-192.0.2.1 -192.0.2.2")}
    assert plan_zone(zone(managed()), inputs(ill), base).verdict is Verdict.PUBLISH


def test_plans_that_go_on_from_nothing_known_differ_where_what_they_plan_does() -> None:
    fence = Fence(generation=9, step=1, done=True, plan="0" * 16, writer="lost.1.1")
    made = []
    for address in ("192.0.2.1", "192.0.2.2"):  # each time it is published already, after the store was lost
        base = Base(content=standing(NAME, address), published={"own": fence})
        plan = plan_zone(zone(managed()), inputs({"a": pool(f"+{address}"), "b": pool("")}), base).plan
        assert plan is not None
        made.append(plan)
    assert {plan.generation for plan in made} == {10}
    assert made[0].hash != made[1].hash
    assert [applied({}, plan.changes) for plan in made] == [standing(NAME, "192.0.2.1"), standing(NAME, "192.0.2.2")]
