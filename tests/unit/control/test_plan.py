"""Plans: in order, chained, and the same whenever they are made of the same."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.control.plan import Content, PlanHead, applied, make_plan, ordered, read_plan
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType
from standfast.dns.wire import WireError

WWW, API = "www.example.org.", "api.example.org."
BASE = PlanHead(zone="example.org.", generation=6, hash="a" * 64)


def a(owner: str, *hosts: int) -> RRset:
    return RRset(owner=owner, rtype=RRType.A, ttl_s=60, rdatas=tuple(bytes((192, 0, 2, host)) for host in hosts))


def cname(owner: str) -> RRset:
    return RRset(owner=owner, rtype=RRType.CNAME, ttl_s=60, rdatas=(b"\x03www\x07example\x03org\0",))


COME = Change(before=None, after=a(WWW, 1))
GO = Change(before=a(API, 2), after=None)
LEAD = Change(before=None, after=cname("alias.example.org."))
LEAVE = Change(before=cname("old.example.org."), after=None)


@given(st.permutations([COME, GO, LEAD, LEAVE]))
def test_a_name_is_there_before_others_lead_to_it_and_goes_after_they_do(changes: Sequence[Change]) -> None:
    assert ordered(changes) == (COME, LEAD, LEAVE, GO)


@given(st.permutations([COME, GO, LEAD, LEAVE]), st.floats(0, 2e9))
def test_the_same_changes_make_the_same_plan_at_any_time(changes: Sequence[Change], at_s: float) -> None:
    one = make_plan(zone="example.org.", generation=7, base=BASE, changes=changes, made_at_s=at_s)
    other = make_plan(zone="example.org.", generation=7, base=BASE, changes=[COME, GO, LEAD, LEAVE], made_at_s=0)
    assert one == other


def test_a_plan_is_told_from_every_other_by_its_hash() -> None:
    later = PlanHead(zone="example.org.", generation=6, hash="b" * 64)
    plans = [
        make_plan(zone="example.org.", generation=7, base=BASE, changes=[COME], made_at_s=0),
        make_plan(zone="example.org.", generation=8, base=BASE, changes=[COME], made_at_s=0),
        make_plan(zone="example.com.", generation=7, base=BASE, changes=[COME], made_at_s=0),
        make_plan(zone="example.org.", generation=7, base=None, changes=[COME], made_at_s=0),
        make_plan(zone="example.org.", generation=7, base=later, changes=[COME], made_at_s=0),
        make_plan(zone="example.org.", generation=7, base=BASE, changes=[COME, GO], made_at_s=0),
    ]
    assert len({plan.hash for plan in plans}) == len(plans)


@pytest.mark.parametrize("base", [BASE, None])
def test_a_plan_is_read_back_from_its_octets(base: PlanHead | None) -> None:
    plan = make_plan(zone="example.org.", generation=7, base=base, changes=[COME, GO], made_at_s=5)
    again = read_plan(plan.octets, made_at_s=5)
    assert (again, again.octets) == (plan, plan.octets)


def test_octets_that_are_no_plan_or_not_what_they_were_are_told() -> None:
    octets = make_plan(zone="example.org.", generation=7, base=BASE, changes=[COME, GO], made_at_s=5).octets
    cut = [octets[:length] for length in range(len(octets))]
    swapped = [octets[:-1] + b"x", octets.replace(b"plan 1", b"plan 2"), octets.replace(b"\n7\n", b"\n07\n"), b"\n" * 5]
    for broken in cut + swapped:
        with pytest.raises(WireError):
            read_plan(broken, made_at_s=5)


def test_changes_are_applied_to_the_names_that_they_are_about_and_to_no_other() -> None:
    before: Content = {API: {RRType.A: a(API, 2)}, WWW: {RRType.A: a(WWW, 9)}}
    after = applied(before, [Change(before=a(WWW, 9), after=a(WWW, 1)), GO, LEAD])
    assert dict(after) == {WWW: {RRType.A: a(WWW, 1)}, "alias.example.org.": {RRType.CNAME: LEAD.after}}
    assert before == {API: {RRType.A: a(API, 2)}, WWW: {RRType.A: a(WWW, 9)}}


_NAMES = st.sampled_from([WWW, API, "a.example.org.", "*.example.org."])
_RRSETS = st.builds(a, _NAMES, st.integers(0, 9)) | st.builds(cname, _NAMES)
_CHANGES = st.lists(
    st.builds(Change, before=st.none(), after=_RRSETS)
    | st.builds(Change, before=_RRSETS, after=st.none())
    | _RRSETS.map(lambda rrset: Change(before=rrset, after=rrset)),
    max_size=8,
)


@given(_CHANGES)
def test_changes_are_in_order_of_turn_then_name_then_type(changes: list[Change]) -> None:
    def turn(change: Change) -> tuple[int, str, int]:
        rrset = change.after or change.before
        assert rrset is not None
        leads = rrset.rtype == RRType.CNAME
        return (int(leads) if change.after else 3 - int(leads)), rrset.owner, rrset.rtype

    assert ordered(changes) == tuple(sorted(changes, key=turn))


@given(_CHANGES, _CHANGES)
def test_what_is_applied_one_by_one_is_what_is_applied_at_once(first: list[Change], then: list[Change]) -> None:
    stepwise: dict[str, dict[int, RRset]] = {}
    for change in (*first, *then):
        rrset = change.after or change.before
        assert rrset is not None
        node = stepwise.setdefault(rrset.owner, {})
        node.pop(rrset.rtype, None)
        if change.after is not None:
            node[rrset.rtype] = change.after
    before = applied({}, first)
    was = {owner: dict(node) for owner, node in before.items()}
    assert dict(applied(before, then)) == {owner: node for owner, node in stepwise.items() if node}
    assert dict(before) == was
