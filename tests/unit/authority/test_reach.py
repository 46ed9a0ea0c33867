"""The judgement of a change, held against that of the whole zone."""

from collections.abc import Collection, Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.authority.checks import Promise, Subject, judge
from standfast.authority.diff import apply, difference
from standfast.authority.reach import judge_changes
from standfast.authority.zone import Draft, Node, Zone
from standfast.dns.changes import Change
from standfast.dns.model import Name, type_name
from zones import HEAD, RECORDS, draft, zone


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


def turned(before: Zone, come: Sequence[str], go: Collection[tuple[str, str]]) -> Zone:
    """Return `before` without the RRsets of these owners and types, and with those of `come` put in or replaced."""
    more = draft("$TTL 3600\n" + HEAD + "".join(come)).zone()
    gone = [
        Change(before=rrset, after=None)
        for rrset in before.rrsets()
        if (rrset.owner.removesuffix(".example.org."), type_name(rrset.rtype)) in go
    ]
    return apply(before, [*gone, *(each for each in difference(before, more) if each.after is not None)])


CHAIN = [f"k{number} CNAME k{number + 1}\n" for number in range(18)]
# What makes changes reach far: glue of another zone, name servers below wildcards and cuts, long chains.
_FAR = [
    *("one NS ns.two\n", "two NS ns.two\n", "ns.two A 192.0.2.1\n", "two NS ns.far.example.\n", "far NS x.one\n"),
    *("*.w A 192.0.2.1\n", "three NS ns.w\n", "w TXT x\n", "ns.w TXT x\n", "far.w TXT x\n", "*.w TXT x\n"),
    *("four NS a.e.v\n", "b.e.v TXT x\n", "*.v A 192.0.2.1\n", "*.u CNAME t\n", "t CNAME a.e.u\n", "b.e.u TXT x\n"),
    *("d DNAME b\n", "x.d A 192.0.2.1\n", "d NS ns\n", "p CNAME q\n", "q A 192.0.2.1\n", "q CNAME r\n", "r AAAA ::1\n"),
]
_LINES = st.one_of(st.sampled_from(_FAR), st.sampled_from(_FAR), st.sampled_from(CHAIN), RECORDS)
_GONE = st.sampled_from([tuple(line.split()[:2]) for line in (*_FAR, *CHAIN)])
_PROMISES = [Promise(name=f"{label}.example.org.", addresses_min=1) for label in ("a", "p", "ns.two", "k3")]


@settings(max_examples=300, deadline=None)
@given(st.lists(_LINES, max_size=24), st.lists(_LINES, max_size=3), st.sets(_GONE, max_size=3))
def test_a_change_is_judged_as_the_whole_zone_is(lines: list[str], come: list[str], go: set[tuple[str, str]]) -> None:
    before = fit(lines)
    promises = [each for each in _PROMISES if not judge(Draft.of(before), [each])[0]]
    whole, of_change = said(before, turned(before, come, go), promises)
    assert bool(whole) == bool(of_change)
    assert {text for text in of_change if "CNAME chain" not in text} <= whole


@pytest.mark.parametrize(
    ("there", "come", "go", "fault"),
    [
        ("x.d A 192.0.2.1\n", "d NS ns\n", None, "x.d.example.org. A belongs to the zone d.example.org."),
        ("x.d A 192.0.2.1\n", "d DNAME b\n", None, "x.d.example.org. is below the DNAME of d.example.org."),
        (
            "one NS ns.two\ntwo NS ns.example.net.\nns.two A 192.0.2.1\n",
            "",
            ("one", "NS"),
            "ns.two.example.org. A belongs to the zone two.example.org., which is delegated",
        ),
        ("far NS x.one\none NS ns\n", "", ("one", "NS"), "far.example.org. has the name server x.one.example.org."),
        ("one NS a\na A 192.0.2.1\n", "", ("a", "A"), "one.example.org. has the name server a.example.org."),
        ("*.w A 192.0.2.1\none NS ns.w\n", "", ("*.w", "A"), "one.example.org. has the name server ns.w.example.org."),
        ("*.w A 192.0.2.1\none NS a.ns.w\n", "ns.w TXT x\n", None, "one.example.org. has the name server a.ns.w"),
        ("*.w A 192.0.2.1\none NS a.e.w\n", "b.e.w TXT x\n", None, "one.example.org. has the name server a.e.w"),
        ("*.w CNAME u\nu CNAME a.w\na.w TXT x\n", "", ("a.w", "TXT"), "leads back to itself"),
        ("*.w CNAME u\nu CNAME a.e.w\nb.e.w TXT x\n", "", ("b.e.w", "TXT"), "leads back to itself"),
        (
            "".join(CHAIN[:10]) + "k10 CNAME a.w\n" + "".join(CHAIN[11:17]),
            "*.w CNAME k11\n",
            None,
            "more than 16 links",
        ),
        ("".join(CHAIN[:-2]), CHAIN[-2], None, "has more than 16 links"),
        ("p CNAME q\nq CNAME r\nr A 192.0.2.1\n", "", ("r", "A"), "p.example.org. was promised never to be empty"),
    ],
)
def test_a_change_that_makes_another_name_wrong_is_found_out(
    there: str, come: str, go: tuple[str, str] | None, fault: str
) -> None:
    before = zone(there)
    promises = [Promise(name="p.example.org.")] if there.startswith("p ") else []
    whole, of_change = said(before, turned(before, [come], [go] if go else []), promises)
    assert [text for text in of_change if fault in text]
    assert whole
    assert {text for text in of_change if "CNAME chain" not in text} <= whole  # a loop is told from where one looks


def test_of_many_names_only_those_are_looked_at_that_can_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    before = zone("".join(f"h{number} A 192.0.2.1\nc{number} CNAME h{number}\n" for number in range(2_000)))
    after = turned(before, ["h7 A 192.0.2.2\n", "new MX 1 h8\n"], [("c9", "CNAME")])
    looked_at: list[Name] = []
    nodes = Subject.nodes

    def counted(subject: Subject) -> Iterable[tuple[Name, Node]]:
        found = list(nodes(subject))
        looked_at.extend(owner for owner, _ in found)
        return found

    monkeypatch.setattr(Subject, "nodes", counted)
    assert judge_changes(before, after, difference(before, after)) == []
    assert set(looked_at) == {"new.example.org."}
