"""The planner: one next plan from what is wanted and known, the same whoever makes it, held up by no single name."""

from planning import NAME, NOW_S, ZONE, after, held_at, inputs, managed, pool, standing, zone
from standfast.control.facts import Base
from standfast.control.fence import Fence, Unreadable
from standfast.control.finding import Verdict
from standfast.control.intent import PolicyKind
from standfast.control.plan import applied
from standfast.control.planner import plan_names, plan_zone
from standfast.dns.model import RRset

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


def test_what_was_found_is_not_taken_for_planned_though_the_newest_plan_is_known() -> None:
    first = plan_zone(zone(managed()), inputs(HEALTHY), Base())
    assert first.plan is not None
    foreign = standing("mail.example.com.", "192.0.2.9")
    base = Base(head=first.plan.head, content={**first.content, **foreign}, found=True)
    planned = plan_zone(zone(managed()), inputs(HEALTHY), base)
    assert planned.plan is not None
    assert (planned.plan.generation, planned.plan.base) == (2, None)
    assert planned.content == first.content
    assert applied(base.content, planned.plan.changes) == base.content


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


OTHER = "ftp.example.com."
ILL = HEALTHY | {"a": pool("-192.0.2.1 -192.0.2.2")}


def test_a_name_that_is_refused_holds_up_no_other() -> None:
    index = zone(managed(replica="orders"), managed(OTHER))
    first = plan_zone(index, inputs(HEALTHY), Base())
    second = plan_zone(index, inputs(ILL), after(first))
    assert (second.verdict, second.held) == (Verdict.PUBLISH, frozenset({NAME}))
    assert [finding.rule for finding in second.findings if finding.name == NAME] == ["replica-unproven"]
    assert held_at(second.content, OTHER) == ["198.51.100.1", "198.51.100.2"]
    assert held_at(second.content, NAME) == ["192.0.2.1", "192.0.2.2"]
    assert second.plan is not None
    assert {change.after.owner for change in second.plan.changes if change.after} == {OTHER}


def test_what_was_held_comes_again_alone_and_is_refused() -> None:
    index = zone(managed(replica="orders"), managed(OTHER))
    second = plan_zone(index, inputs(ILL), after(plan_zone(index, inputs(HEALTHY), Base())))
    third = plan_zone(index, inputs(ILL), after(second))
    assert (third.verdict, third.held) == (Verdict.REFUSE, frozenset())
    assert third.plan is not None


def test_a_name_that_waits_for_approval_holds_up_no_other() -> None:
    first = plan_zone(zone(managed(), managed(OTHER)), inputs(HEALTHY), Base())
    second = plan_zone(zone(managed()), inputs(ILL), after(first))
    assert (second.verdict, second.held) == (Verdict.PUBLISH, frozenset({OTHER}))
    third = plan_zone(zone(managed()), inputs(ILL), after(second))
    assert (third.verdict, [finding.name for finding in third.findings if finding.rule == "name-removed"]) == (
        Verdict.ASK,
        [OTHER],
    )


def test_a_zone_that_loses_too_much_at_once_is_still_given_what_it_gains() -> None:
    index = zone(managed(NAME, "a", kind=PolicyKind.ALL_HEALTHY), managed(OTHER, "b", kind=PolicyKind.ALL_HEALTHY))
    many = "+192.0.2.1 +192.0.2.2 +192.0.2.3 +192.0.2.4 +192.0.2.5"
    first = plan_zone(index, inputs({"a": pool(many), "b": pool("+198.51.100.1 -198.51.100.2")}), Base())
    pools = {"a": pool("+192.0.2.1"), "b": pool("+198.51.100.1 +198.51.100.2")}
    second = plan_zone(index, inputs(pools), after(first))
    assert (second.verdict, second.held) == (Verdict.PUBLISH, frozenset({NAME}))
    assert held_at(second.content, OTHER) == ["198.51.100.1", "198.51.100.2"]


def test_what_a_plan_takes_away_is_known_to_the_next() -> None:
    index = zone(managed(NAME, "a", kind=PolicyKind.ALL_HEALTHY))
    first = plan_zone(index, inputs({"a": pool("+192.0.2.1 +192.0.2.2 +192.0.2.3 +192.0.2.4")}), Base())
    fewer = {"a": pool("+192.0.2.1 +192.0.2.2 -192.0.2.3 -192.0.2.4")}
    second = plan_zone(index, inputs(fewer), after(first))
    assert (second.verdict, [left.count for left in second.left]) == (Verdict.PUBLISH, [2])
    fewer_still = {"a": pool("+192.0.2.1 -192.0.2.2 -192.0.2.3 -192.0.2.4")}
    third = plan_zone(index, inputs(fewer_still, now_s=NOW_S + 30, left=second.left), after(second))
    assert third.verdict is Verdict.ASK
    calm = plan_zone(index, inputs(fewer_still, now_s=NOW_S + 61), after(second))
    assert calm.verdict is Verdict.PUBLISH


def test_an_empty_intent_takes_nothing_away_unasked() -> None:
    first = plan_zone(zone(managed(), managed(OTHER)), inputs(HEALTHY), Base())
    nothing = plan_zone(zone(), inputs({}), after(first))
    assert nothing.verdict is Verdict.ASK
    assert [(finding.rule, finding.name) for finding in nothing.findings] == [
        ("name-removed", OTHER),
        ("name-removed", NAME),
    ]


def test_an_empty_intent_and_an_empty_zone_make_a_plan_that_says_so() -> None:
    planned = plan_zone(zone(), inputs({}), Base())
    assert planned.plan is not None
    assert (planned.verdict, planned.plan.changes) == (Verdict.PUBLISH, ())


def test_a_pool_that_vanishes_from_the_intent_takes_nobody_along() -> None:
    first = plan_zone(zone(managed()), inputs(HEALTHY), Base())
    again = plan_zone(zone(managed()), inputs({"b": HEALTHY["b"]}), after(first))
    assert (again.plan, again.content) == (None, first.content)


def test_a_source_that_names_a_tenth_of_what_it_did_is_asked_about() -> None:
    index = zone(managed(NAME, "a", kind=PolicyKind.ALL_HEALTHY))
    twenty = pool(" ".join(f"+192.0.2.{number}" for number in range(1, 21)))
    first = plan_zone(index, inputs({"a": twenty}), Base())
    two = plan_zone(index, inputs({"a": pool("+192.0.2.1 +192.0.2.2")}), after(first))
    assert two.verdict is Verdict.ASK
    assert {finding.rule for finding in two.findings} == {"leave-velocity"}
    assert any("18 of 20" in finding.text for finding in two.findings)


def test_a_source_that_never_answered_leaves_what_was_found_published() -> None:
    found = standing(NAME, "192.0.2.1", "192.0.2.2")
    blind = {"a": pool(source_failed="connection refused")}
    planned = plan_zone(zone(managed(NAME, "a")), inputs(blind), Base(content=found))
    assert planned.content == found
    assert planned.plan is not None
    assert all(change.before == change.after for change in planned.plan.changes)


def test_foreign_names_that_were_found_are_not_planned() -> None:
    foreign = standing("mail.example.com.", "192.0.2.77")
    planned = plan_zone(zone(managed()), inputs(HEALTHY), Base(content=foreign))
    assert planned.plan is not None
    assert planned.content.keys() == {NAME}
    assert {change.before for change in planned.plan.changes} == {None}


def test_names_that_hold_nothing_yet_are_told() -> None:
    planned = plan_zone(zone(managed()), inputs({"a": pool("?192.0.2.1"), "b": pool("?198.51.100.1")}), Base())
    assert (planned.waiting, planned.content) == ((NAME,), {})


def test_a_broken_measurement_is_told_though_nothing_changes() -> None:
    first = plan_zone(zone(managed()), inputs(HEALTHY), Base())
    broken = HEALTHY | {"a": pool("-192.0.2.1 -192.0.2.2", broken="2 of 2 turned ill at once")}
    again = plan_zone(zone(managed()), inputs(broken), after(first))
    assert again.plan is None
    assert [(finding.rule, finding.name) for finding in again.findings] == [("mass-unhealthy", ZONE)]


def test_a_written_record_beside_managed_addresses_stays_with_them() -> None:
    text = RRset(owner=NAME, rtype=16, ttl_s=300, rdatas=(b"\x02hi",))
    first = plan_zone(zone(managed(), records=[text]), inputs(HEALTHY), Base())
    moved = plan_zone(zone(managed(), records=[text]), inputs(ILL), after(first))
    assert moved.content[NAME][16] == text
    bare = plan_zone(zone(managed()), inputs(ILL), after(moved))
    assert 16 not in bare.content[NAME]


def test_of_what_is_said_of_very_many_names_the_first_are_told_and_the_rest_counted() -> None:
    names = [managed(f"n{number}.example.com.") for number in range(1_000)]
    first = plan_zone(zone(*names, managed()), inputs(HEALTHY), Base())
    fewer = plan_zone(zone(managed()), inputs(HEALTHY), after(first))
    assert (fewer.verdict, len(fewer.findings)) == (Verdict.ASK, 101)
    assert (fewer.findings[-1].name, fewer.findings[-1].text) == (ZONE, "and 900 more like these")
    others = plan_zone(zone(managed()), inputs(ILL), after(first))
    assert (others.verdict, len(others.held)) == (Verdict.PUBLISH, 1_000)
    assert held_at(others.content) == ["198.51.100.1", "198.51.100.2"]
