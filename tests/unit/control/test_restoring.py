"""Which generation a name is brought back to, and by which changes."""

from standfast.control.history import Past
from standfast.control.plan import Content, Node, PlanHead
from standfast.control.restoring import Choice, Impossible, Restoration, choose
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType

ZONE, DB = "example.org.", "db.example.org."


def a(*hosts: int) -> RRset:
    return RRset(owner=DB, rtype=RRType.A, ttl_s=60, rdatas=tuple(bytes((192, 0, 2, host)) for host in hosts))


def txt() -> RRset:
    return RRset(owner=DB, rtype=RRType.TXT, ttl_s=60, rdatas=(b"\x02hi",))


def cname() -> RRset:
    return RRset(owner=DB, rtype=RRType.CNAME, ttl_s=60, rdatas=(b"\x03www\x07example\x03org\0",))


def node(*rrsets: RRset) -> Node:
    return {rrset.rtype: rrset for rrset in rrsets}


def hash_of(generation: int) -> str:
    return f"{generation:064x}"


def past(*nodes: tuple[int, Node]) -> list[Past]:
    heads = {
        generation: PlanHead(zone=ZONE, generation=generation, hash=hash_of(generation)) for generation, _ in nodes
    }
    return [Past(head=heads[at], made_at_s=0, nodes={DB: each}, complete=True) for at, each in nodes]


PAST = past((9, node()), (8, node(a(2))), (7, node(a(2))), (6, node(a(1))))


def chosen(found: Node, *, to: int | None = None, among: list[Past] = PAST, recorded: set[str] | None = None) -> Choice:
    content: Content = {DB: found} if found else {}
    return choose(DB, among, content, to=to, recorded=recorded)


def generation_of(choice: Choice) -> int:
    assert isinstance(choice, Restoration)
    return choice.to.generation


def test_a_name_that_was_emptied_comes_back_as_it_was_last() -> None:
    choice = chosen(node())
    assert generation_of(choice) == 8
    assert isinstance(choice, Restoration)
    assert choice.changes == (Change(before=None, after=a(2)),)


def test_a_name_that_is_there_goes_back_to_what_it_was_before() -> None:
    assert generation_of(chosen(node(a(2)))) == 6
    assert generation_of(chosen(node(a(66)))) == 8


def test_a_generation_can_be_asked_for() -> None:
    assert generation_of(chosen(node(), to=6)) == 6
    assert chosen(node(a(1)), to=6) == Restoration(name=DB, to=PAST[-1].head, made_at_s=0, changes=())


def test_a_generation_of_which_nothing_is_known_says_which_there_are() -> None:
    choice = chosen(node(), to=5)
    assert isinstance(choice, Impossible)
    assert "at generation 5" in choice.why
    assert choice.generations == (8, 7, 6)


def test_no_name_is_restored_to_nothing() -> None:
    choice = chosen(node(a(2)), to=9)
    assert isinstance(choice, Impossible)
    assert "no name is ever restored to nothing" in choice.why


def test_a_plan_that_the_ledger_does_not_name_is_used_only_when_asked_for() -> None:
    recorded = {hash_of(6)}
    assert generation_of(chosen(node(), recorded=recorded)) == 6
    assert generation_of(chosen(node(), recorded=recorded, to=8)) == 8
    assert generation_of(chosen(node(), recorded=None)) == 8


def test_records_that_were_never_planned_stay() -> None:
    choice = chosen(node(a(66), txt()))
    assert isinstance(choice, Restoration)
    assert choice.changes == (Change(before=a(66), after=a(2)),)


def test_an_alias_in_the_place_of_addresses_gives_way() -> None:
    choice = chosen(node(cname()))
    assert isinstance(choice, Restoration)
    assert set(choice.changes) == {Change(before=None, after=a(2)), Change(before=cname(), after=None)}


def test_a_type_that_was_planned_at_another_time_goes() -> None:
    among = past((7, node(a(2), txt())), (6, node(a(1))))
    choice = chosen(node(a(2), txt()), among=among)
    assert isinstance(choice, Restoration)
    assert set(choice.changes) == {Change(before=a(2), after=a(1)), Change(before=txt(), after=None)}


def test_a_name_that_is_as_it_always_was_is_left_alone() -> None:
    choice = chosen(node(a(1)), among=past((6, node(a(1)))))
    assert isinstance(choice, Impossible)
    assert choice.generations == (6,)


def test_a_name_that_no_plan_speaks_of_is_told() -> None:
    assert chosen(node(a(1)), among=[]) == Impossible(name=DB, why="no plan that is kept says anything of it")
