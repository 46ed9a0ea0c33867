"""The tree of a node opens each node once, cuts circles and what is too deep, and says which it did."""

from standfast.depmap.graph import Need, all_of, any_of
from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.outline import Branch, outline
from standfast.depmap.statements import IsGone, Loss, Needs, Reading, Shares, Statement, Told, Witness

BY = Witness(reader="handwritten", where="m.yaml")


def map_of(*statements: Statement) -> DependencyMap:
    return merge([Reading(told=tuple(Told(each, BY) for each in statements))])


def lines(branch: Branch, level: int = 0) -> list[str]:
    cut = f" | {branch.cut}" if branch.cut else ""
    return [f"{' ' * level}{branch.text}{cut}", *(line for each in branch.branches for line in lines(each, level + 1))]


def test_a_circle_is_cut_and_what_was_opened_is_not_opened_again() -> None:
    found = map_of(
        Needs("a", all_of("b")),
        Needs("a", all_of("c")),
        Needs("b", all_of("a")),
        Needs("b", all_of("leaf")),
        Needs("c", all_of("b")),
        Needs("c", all_of("leaf")),
    )
    assert lines(outline(found, "a", depth=9)) == [
        "a",
        " b",
        "  a | a circle: it is above",
        "  leaf",
        " c",
        "  b | as shown elsewhere",
        "  leaf",
    ]
    assert lines(outline(found, "a", depth=1)) == ["a", " b | ...", " c | ..."]


def test_a_need_of_several_says_how_many_and_what_they_are_to_the_node() -> None:
    found = map_of(
        Needs("www", any_of("x", "y", role="address")),
        Needs("www", Need(parts=("p", "q", "r"), number=2, soft=True)),
        Shares("x", "region:aws/us-east-1"),
        IsGone("www", Loss.REMOVED),
    )
    tree = outline(found, "www", depth=9)
    assert lines(tree) == [
        "www [removed]",
        " 2 of 3 (degraded without)",
        "  p",
        "  q",
        "  r",
        " one of 2, address",
        "  x",
        "   shares region:aws/us-east-1",
        "  y",
    ]
    assert tree.branches[1].branches[0].witnesses == (BY,)


def test_a_chain_of_thousands_ends_where_it_is_told_to() -> None:
    found = map_of(*(Needs(f"n{number}", all_of(f"n{number + 1}")) for number in range(3_000)))
    assert len(lines(outline(found, "n0", depth=64))) == 65
