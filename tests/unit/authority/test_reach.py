"""The judgement of a change, held against that of the whole zone."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.authority.checks import Promise, judge
from standfast.authority.diff import Change, apply, difference
from standfast.authority.reach import judge_changes
from standfast.authority.zone import Draft, Zone
from zones import HEAD, RECORDS, draft

_PROMISES = [Promise(name=f"{label}.example.org.", addresses_min=count) for label, count in (("a", 1), ("a.b", 2))]


def fit(lines: Sequence[str]) -> Zone:
    """Return a zone without faults: of `lines`, those that do not bring one."""
    made = draft("$TTL 3600\n" + HEAD).zone()
    for line in lines:
        more = draft("$TTL 3600\n" + HEAD + line).zone()
        after = apply(made, [each for each in difference(made, more) if each.after is not None])
        if not judge(Draft.of(after))[0]:
            made = after
    return made


def said(before: Zone, after: Zone, promises: Sequence[Promise] = ()) -> tuple[set[str], set[str]]:
    """Return the faults of the whole and of the change, in words."""
    whole, _ = judge(Draft.of(after), promises)
    return {each.text for each in whole}, {
        each.text for each in judge_changes(before, after, difference(before, after), promises)
    }


def turned(before: Zone, come: Sequence[str], go: set[int]) -> Zone:
    """Return `before` without the RRsets of these numbers, and with those of `come` in the place of theirs."""
    more = draft("$TTL 3600\n" + HEAD + "".join(come)).zone()
    gone = [Change(before=rrset, after=None) for number, rrset in enumerate(before.rrsets()) if number in go]
    return apply(before, [*gone, *(each for each in difference(before, more) if each.after is not None)])


@settings(max_examples=300, deadline=None)
@given(st.lists(RECORDS, max_size=14), st.lists(RECORDS, max_size=3), st.sets(st.integers(0, 16), max_size=3))
def test_a_change_is_judged_as_the_whole_zone_is(lines: list[str], come: list[str], go: set[int]) -> None:
    before = fit(lines)
    promises = [each for each in _PROMISES if not judge(Draft.of(before), [each])[0]]
    whole, of_change = said(before, turned(before, come, go), promises)
    assert bool(whole) == bool(of_change)
    assert {text for text in of_change if "CNAME chain" not in text} <= whole
