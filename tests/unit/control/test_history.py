"""What names were: told from the plans on either side, and never guessed where a plan is missing."""

from standfast.control.history import Past, Step, past_of
from standfast.control.plan import PlanHead
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType

ZONE, DB, WWW = "example.org.", "db.example.org.", "www.example.org."


def a(owner: str, *hosts: int) -> RRset:
    return RRset(owner=owner, rtype=RRType.A, ttl_s=60, rdatas=tuple(bytes((192, 0, 2, host)) for host in hosts))


def head(generation: int) -> PlanHead:
    return PlanHead(zone=ZONE, generation=generation, hash=f"{generation:064x}")


def step(generation: int, *changes: Change, base: int | None = None, whole: list[RRset] | None = None) -> Step:
    before = generation - 1 if base is None else base
    return Step(
        head=head(generation),
        base=head(before) if before else None,
        made_at_s=float(generation),
        changes=changes,
        whole=None if whole is None else {rrset.owner: {rrset.rtype: rrset} for rrset in whole},
    )


def hosts(pasts: list[Past], owner: str) -> dict[int, tuple[int, ...] | None]:
    """Return the last octets of the addresses that `owner` had by generation; None where nothing is known."""
    told: dict[int, tuple[int, ...] | None] = {}
    for past in pasts:
        node = past.nodes.get(owner)
        rrset = None if node is None else node.get(RRType.A)
        told[past.head.generation] = None if node is None else tuple(data[3] for data in rrset.rdatas) if rrset else ()
    return told


def test_a_name_is_told_for_every_generation_the_newest_first() -> None:
    steps = [
        step(1, Change(before=None, after=a(DB, 1))),
        step(2, Change(before=None, after=a(WWW, 9))),
        step(3, Change(before=a(DB, 1), after=a(DB, 2))),
        step(4, Change(before=a(DB, 2), after=None)),
    ]
    pasts = past_of([DB], steps)
    assert [past.head.generation for past in pasts] == [4, 3, 2, 1]
    assert hosts(pasts, DB) == {4: (), 3: (2,), 2: (1,), 1: (1,)}


def test_a_change_also_tells_of_the_time_before_it() -> None:
    pasts = past_of([DB], [step(7), step(8, Change(before=a(DB, 1), after=a(DB, 2)))])
    assert hosts(pasts, DB) == {8: (2,), 7: (1,)}


def test_a_name_that_no_plan_touched_is_told_by_the_whole() -> None:
    steps = [step(7, whole=[a(DB, 1)]), step(8), step(9, Change(before=None, after=a(WWW, 9)))]
    assert hosts(past_of([DB], steps), DB) == {9: (1,), 8: (1,), 7: (1,)}
    assert all(past.complete for past in past_of([DB], steps))


def test_a_name_that_is_not_in_the_whole_was_not_planned() -> None:
    pasts = past_of([DB], [step(7, whole=[a(WWW, 9)]), step(8, Change(before=None, after=a(DB, 1)))])
    assert hosts(pasts, DB) == {8: (1,), 7: ()}


def test_behind_a_plan_that_is_missing_nothing_is_guessed() -> None:
    """Generation 8 is gone, and may have changed the name: 9 says what stood before it, and 10 nothing new."""
    steps = [
        step(7, Change(before=None, after=a(DB, 1))),
        step(9, Change(before=a(WWW, 8), after=a(WWW, 9))),
        step(10),
    ]
    assert hosts(past_of([DB], steps), DB) == {10: None, 9: None, 7: (1,)}
    assert hosts(past_of([WWW], steps), WWW) == {10: (9,), 9: (9,), 7: None}


def test_two_plans_of_one_generation_are_both_told() -> None:
    first = step(8, Change(before=None, after=a(DB, 1)))
    other = Step(
        head=PlanHead(zone=ZONE, generation=8, hash="f" * 64),
        base=None,
        made_at_s=99.0,
        changes=(Change(before=None, after=a(DB, 2)),),
    )
    pasts = past_of([DB], [step(7), first, other])
    assert [past.head.hash[-1] for past in pasts] == ["f", "8", "7"]
    assert [past.nodes[DB][RRType.A].rdatas[0][3] for past in pasts[:2]] == [2, 1]
