"""What holds of every plan, whatever is wanted, measured and set aside: no promise is broken unasked, and more."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from planning import KNOWN, NOW_S, ZONE, after, inputs, managed, standing, zone
from standfast.control.facts import Base, Facts, Inputs, Left, recent
from standfast.control.finding import Verdict, verdict
from standfast.control.intent import Endpoint, ManagedName, PolicyKind
from standfast.control.members import each_of, targets_of
from standfast.control.overrides import overridden
from standfast.control.plan import Content, applied, make_plan
from standfast.control.planner import plan_names, plan_zone
from standfast.control.pool_view import Health, PoolView
from standfast.control.rules.losses import LEAVE_WINDOW_S
from standfast.control.rules.table import check
from standfast.control.store import Override
from standfast.control.zone_index import ZoneIndex
from standfast.dns.changes import Change, same
from standfast.dns.model import Name

A_DAY_S = 86_400
NAMES = ("www.example.com.", "ftp.example.com.", "db.example.com.")
ADDRESSES = {
    "a": ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"),
    "b": ("198.51.100.1", "198.51.100.2", "192.0.2.3"),  # one stands in two pools
    "c": ("lb.example.net.", "cdn.example.net."),
}
ALL = tuple(dict.fromkeys(address for addresses in ADDRESSES.values() for address in addresses))

managed_names = st.builds(
    lambda name, pools, kind, least, capacity, answers: managed(
        name, *pools, kind=kind, least=least, capacity=capacity, answers_max=answers
    ),
    st.sampled_from(NAMES),
    st.permutations(["a", "b", "c"]).flatmap(lambda order: st.integers(1, 3).map(lambda count: order[:count])),
    st.sampled_from(list(PolicyKind)),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(1, 4),
)
wanted = st.lists(managed_names, max_size=3, unique_by=lambda each: each.name).map(lambda names: zone(*names))
overrides = st.lists(
    st.builds(
        Override,
        rule=st.sampled_from(["never-empty", "endpoints-min", "capacity-min", "mass-unhealthy", "name-removed"]),
        scope=st.sampled_from([*NAMES, ZONE, "."]),
        person=st.just("ada"),
        reason=st.just("a test"),
        until_s=st.floats(NOW_S - 1_000, NOW_S + 100_000),
    ),
    max_size=2,
)


@st.composite
def views(draw: st.DrawFn) -> Mapping[str, PoolView]:
    """Return pools as they may be at some time; now and then one is not there, or not to be believed."""
    pools = {}
    for pool, addresses in ADDRESSES.items():
        there = draw(st.lists(st.sampled_from(addresses), unique=True))
        endpoints = {
            Endpoint(address=address, drained=draw(st.integers(0, 5)) == 0): draw(st.sampled_from(list(Health)))
            for address in there
        }
        broken, failed = (draw(st.sampled_from(["", "", "", "so it is"])) for _ in range(2))
        if draw(st.integers(0, 9)):
            pools[pool] = PoolView(endpoints=endpoints, broken=broken, source_failed=failed)
    return pools


contents = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(ALL), min_size=1, unique=True)).map(
    lambda held: {name: node for each, addresses in held.items() for name, node in standing(each, *addresses).items()}
)


def broken_promises(index: ZoneIndex, before: Content, then: Content, facts: Inputs) -> Sequence[Name]:
    """Return the names that `then` leaves with less than was promised, that had more before, and no override for it."""
    found = []
    for each in index.intent.names:
        stood, stands = at(before, each), at(then, each)
        gets_less = stood != stands and not (stood and stood < stands)
        is_short = len(stands) < max(1, each.promise.endpoints_min)
        if gets_less and is_short and not allowed(facts, each.name, "endpoints-min" if stands else "never-empty"):
            found.append(each.name)
    return found


def at(content: Content, name: ManagedName) -> frozenset[tuple[int, bytes]]:
    return frozenset(each_of(targets_of(content.get(name.name, {}))))


def allowed(facts: Inputs, name: Name, rule: str) -> bool:
    """Say whether somebody set this very rule aside for this name."""
    scopes = {name} if rule == "never-empty" else {name, ZONE, "."}
    asked = [each for each in facts.overrides if each.rule == rule and each.scope in scopes]
    return any(0 < each.until_s - facts.now_s <= A_DAY_S for each in asked)


@given(wanted, st.lists(views(), min_size=1, max_size=6), overrides, st.data())
def test_no_history_of_health_takes_a_name_below_its_promise_unasked(
    index: ZoneIndex, history: Sequence[Mapping[str, PoolView]], given_: Sequence[Override], data: st.DataObject
) -> None:
    base, left, now_s = Base(), tuple[Left, ...](), NOW_S
    for pools in history:
        now_s += data.draw(st.sampled_from([-3_600.0, 0.0, 1.0, 30.0, 90.0]))
        left = recent(left, now_s, LEAVE_WINDOW_S)
        facts = inputs(pools, now_s=now_s, left=left, overrides=given_)
        planned = plan_zone(index, facts, base)
        approved = planned.verdict is Verdict.PUBLISH or (
            planned.verdict is Verdict.ASK and data.draw(st.booleans(), label="approved")
        )
        if planned.plan is None:
            assert planned.content == base.content
        elif approved:
            assert not broken_promises(index, base.content, planned.content, facts)
            base, left = after(planned), left + planned.left


@given(wanted, contents, contents, views(), overrides)
def test_no_plan_that_the_rules_let_pass_takes_a_name_below_its_promise(
    index: ZoneIndex, before: Content, then: Content, pools: Mapping[str, PoolView], given_: Sequence[Override]
) -> None:
    """The two rules hold this by themselves, whoever made the plan."""
    facts = inputs(pools, overrides=given_)
    changes = differences(before, then)
    plan = make_plan(zone=ZONE, generation=2, base=KNOWN.head, changes=changes, made_at_s=NOW_S)
    findings = check(before, plan, Facts(zone=index, inputs=facts, base=KNOWN))
    findings = [finding for finding in findings if finding.rule in ("never-empty", "endpoints-min")]
    if verdict(overridden(findings, given_, NOW_S)) is not Verdict.REFUSE:
        assert not broken_promises(index, before, then, facts)


@given(wanted, contents, views(), overrides)
def test_a_plan_changes_what_was_planned_into_what_is_planned(
    index: ZoneIndex, before: Content, pools: Mapping[str, PoolView], given_: Sequence[Override]
) -> None:
    base = Base(head=KNOWN.head, content=before)
    planned = plan_zone(index, inputs(pools, overrides=given_), base)
    changes = planned.plan.changes if planned.plan else ()
    assert applied(before, changes) == planned.content
    assert not any(same(change.before, change.after) for change in changes)


@given(wanted, contents, views())
def test_a_plan_that_is_published_whole_leaves_nothing_to_plan(
    index: ZoneIndex, before: Content, pools: Mapping[str, PoolView]
) -> None:
    planned = plan_zone(index, inputs(pools), Base(head=KNOWN.head, content=before))
    if planned.plan is not None and not planned.held:
        assert plan_zone(index, inputs(pools), after(planned)).plan is None


@given(wanted, contents, views())
def test_the_order_that_things_come_in_makes_no_difference(
    index: ZoneIndex, before: Content, pools: Mapping[str, PoolView]
) -> None:
    base = Base(head=KNOWN.head, content=before)
    turned = {
        pool: PoolView(
            endpoints=dict(reversed([*view.endpoints.items()])), broken=view.broken, source_failed=view.source_failed
        )
        for pool, view in reversed([*pools.items()])
    }
    other = zone(*reversed(index.intent.names))
    backwards = Base(head=KNOWN.head, content=dict(reversed([*before.items()])))
    one, same_again = plan_zone(index, inputs(pools), base), plan_zone(other, inputs(turned), backwards)
    assert (one.plan, one.content, one.verdict) == (same_again.plan, same_again.content, same_again.verdict)
    assert (one.findings, one.held, one.waiting) == (same_again.findings, same_again.held, same_again.waiting)


@given(wanted, views(), views())
def test_planning_the_names_of_pools_that_turned_is_planning_all(
    index: ZoneIndex, pools: Mapping[str, PoolView], then: Mapping[str, PoolView]
) -> None:
    first = plan_zone(index, inputs(pools), Base())
    if first.plan is None or first.verdict is not Verdict.PUBLISH:
        return
    turned = [pool for pool in ADDRESSES if pools.get(pool) != then.get(pool)]
    whole = plan_zone(index, inputs(then), after(first))
    some = plan_names(index, index.touched(turned), inputs(then), after(first))
    if not first.held:
        assert (some.plan, some.content, some.verdict) == (whole.plan, whole.content, whole.verdict)


def differences(before: Content, then: Content) -> list[Change]:
    return [
        Change(before=old, after=new)
        for owner in before.keys() | then.keys()
        for rtype in before.get(owner, {}).keys() | then.get(owner, {}).keys()
        if not same(old := before.get(owner, {}).get(rtype), new := then.get(owner, {}).get(rtype))
    ]
