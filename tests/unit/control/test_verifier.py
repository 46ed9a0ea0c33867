"""What answers are beside the plan, what is drift, and when a plan is visible."""

import pytest

from standfast.control.fence import Fence, Garbage
from standfast.control.plan import Content, Plan, PlanHead, make_plan
from standfast.control.publishing import Reading
from standfast.control.verifier import ASKED_MAX, Seen, Sight, Visibility, drift, finding_of, look_at, to_ask
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType

ZONE, DB, WWW = "example.org.", "db.example.org.", "www.example.org."
ONE, TWO = "127.0.0.1:53", "127.0.0.2:53"


def a(owner: str, *hosts: int, ttl_s: int = 60) -> RRset:
    return RRset(owner=owner, rtype=RRType.A, ttl_s=ttl_s, rdatas=tuple(bytes((192, 0, 2, host)) for host in hosts))


def seen(rrset: RRset | None, failure: str = "") -> Seen:
    return Seen(server=ONE, asked=(DB, RRType.A), rrset=rrset, failure=failure)


@pytest.mark.parametrize(
    ("said", "planned", "sight"),
    [
        (seen(a(DB, 2, 1)), a(DB, 1, 2), Sight.RIGHT),
        (seen(None), None, Sight.RIGHT),
        (seen(a(DB, 9)), a(DB, 1), Sight.NOT_YET),
        (seen(a(DB, 66)), a(DB, 1), Sight.WRONG),
        (seen(a(DB, 1, ttl_s=30)), a(DB, 1), Sight.WRONG),
        (seen(None), a(DB, 1), Sight.MISSING),
        (seen(a(DB, 66)), None, Sight.FOREIGN),
        (seen(None, "it is silent"), a(DB, 1), Sight.SILENT),
    ],
)
def test_an_answer_is_judged_by_the_plan_and_by_what_was_before(
    said: Seen, planned: RRset | None, sight: Sight
) -> None:
    assert look_at(said, planned, (a(DB, 9),)) is sight
    finding = finding_of(said, sight, planned)
    assert (finding is None) == (sight is Sight.RIGHT)


def test_a_resolvers_ttl_counts_down() -> None:
    assert look_at(seen(a(DB, 1, ttl_s=7)), a(DB, 1), (), cached=True) is Sight.RIGHT
    assert look_at(seen(a(DB, 1, ttl_s=61)), a(DB, 1), (), cached=True) is Sight.WRONG


def plan_of(*changes: Change) -> Plan:
    return make_plan(zone=ZONE, generation=7, base=None, changes=changes, made_at_s=0)


def test_a_plan_is_visible_at_a_server_when_that_shows_all_of_it() -> None:
    plan = plan_of(Change(before=None, after=a(DB, 1)), Change(before=a(WWW, 9), after=None))
    visibility = Visibility(plan, [ONE, TWO], since_s=100.0)
    for server in (ONE, TWO):
        visibility.see(Seen(server=server, asked=(DB, RRType.A), rrset=a(DB, 1)), 100.5)
        assert not visibility.after_s
    visibility.see(Seen(server=ONE, asked=(WWW, RRType.A), rrset=a(WWW, 9)), 101.0)
    assert not visibility.after_s
    visibility.see(Seen(server=ONE, asked=(WWW, RRType.A)), 102.0)
    assert visibility.after_s == {ONE: 2.0}
    assert visibility.left == [(TWO, (WWW, RRType.A))]


def test_of_a_large_plan_some_are_asked_for() -> None:
    plan = plan_of(*(Change(before=None, after=a(f"n{number}.{ZONE}", 1)) for number in range(1000)))
    assert len(to_ask(plan)) == ASKED_MAX


HEAD = PlanHead(zone=ZONE, generation=7, hash="a" * 64)
AT_HEAD = Fence(generation=7, step=1, done=True, plan="a" * 16, writer="eu.1.1")
PLANNED: Content = {DB: {RRType.A: a(DB, 1)}, WWW: {RRType.A: a(WWW, 9)}}


def test_what_is_as_planned_is_no_drift_whatever_else_there_is() -> None:
    found: Content = {**PLANNED, "foreign.example.org.": {RRType.A: a("foreign.example.org.", 5)}}
    assert drift(Reading(fence=AT_HEAD, content=found), HEAD, PLANNED) is None


def test_a_name_that_somebody_emptied_is_drift_and_says_which() -> None:
    found = drift(Reading(fence=AT_HEAD, content={WWW: PLANNED[WWW]}), HEAD, PLANNED)
    assert found is not None
    assert found.why == f"empty: {DB}"
    assert found.repairs == (Change(before=None, after=a(DB, 1)),)


def test_a_fence_that_is_gone_is_drift_even_where_all_names_are_right() -> None:
    found = drift(Reading(fence=None, content=PLANNED), HEAD, PLANNED)
    assert found is not None
    assert (found.why, found.repairs) == ("no fence stands: never published, or taken away", ())


def test_something_else_in_the_fences_place_is_drift() -> None:
    garbage = Garbage(ttl_s=60, rdatas=(b"\x05hello",))
    found = drift(Reading(fence=garbage, content=PLANNED), HEAD, PLANNED)
    assert found is not None
    assert (found.why, found.repairs) == ("a TXT that is no fence stands in its place", ())


@pytest.mark.parametrize(
    "fence",
    [
        Fence(generation=6, step=1, done=True, plan="b" * 16, writer="eu.1.1"),
        Fence(generation=8, step=1, done=True, plan="b" * 16, writer="eu.1.1"),
        Fence(generation=7, step=1, done=False, plan="a" * 16, writer="eu.1.1"),
        Fence(generation=7, step=1, done=True, plan="b" * 16, writer="eu.1.1"),
    ],
)
def test_another_plan_or_half_of_one_is_no_drift(fence: Fence) -> None:
    assert drift(Reading(fence=fence, content={}), HEAD, PLANNED) is None
