"""Which answers a change ends: the names that it touches, or all."""

import pytest

from standfast.authority.diff import difference
from standfast.authority.voided import names_touched
from zones import unfit

CHAIN = ["@ NSEC c SOA NS NSEC\n", "c A 192.0.2.1\n", "c NSEC @ A NSEC\n"]
HASHED = ["@ NSEC3PARAM 1 0 0 -\n", f"{'0' * 32} NSEC3 1 0 0 - {'1' * 32} A\n"]


@pytest.mark.parametrize(
    ("before", "after", "touched"),
    [
        ([], ["a.b.c A 192.0.2.1\n"], {"a.b.c", "b.c", "c", ""}),
        (["b.c A 192.0.2.1\n"], ["b.c A 192.0.2.1\n", "a.b.c A 192.0.2.1\n"], {"a.b.c", "b.c"}),
        (["a.b A 192.0.2.1\n"], [], {"a.b", "b", ""}),
        (["a A 192.0.2.1\n"], ["a A 192.0.2.2\n"], {"a"}),
        (["a A 192.0.2.1\n"], ["a 60 A 192.0.2.1\n"], {"a"}),
        ([], ["a NS ns.a\n", "ns.a A 192.0.2.1\n"], {"a", "ns.a", ""}),
        (["a NS ns.a\n", "ns.a A 192.0.2.1\n"], [], {"a", "ns.a", ""}),
        (["a NS ns\n"], ["a NS ns.b\n"], {"a"}),
        (["@ NS ns.b\n"], [], {""}),
        (["a A 192.0.2.1\n"], ["a A 192.0.2.1\n", "a NS ns\n"], None),
        (["a NS ns.a\n", "ns.a A 192.0.2.1\n"], ["ns.a A 192.0.2.1\n"], None),
        (["a A 192.0.2.1\n"], ["a A 192.0.2.1\n", "a DNAME b\n"], None),
        (CHAIN, [*CHAIN, "b A 192.0.2.1\n", "b NSEC c A NSEC\n"], {"b", ""}),
        ([*CHAIN, "b A 192.0.2.1\n", "b NSEC c A NSEC\n"], CHAIN, {"b", ""}),
        ([], CHAIN, None),
        (HASHED, [*HASHED, f"{'1' * 32} NSEC3 1 0 0 - {'0' * 32} A\n"], None),
        (HASHED, [HASHED[0], HASHED[1].replace(" A\n", " A TXT\n")], {"0" * 32}),
        ([*HASHED, "@ NSEC3PARAM 1 0 1 -\n"], HASHED, None),
    ],
)
def test_a_change_touches_what_comes_and_goes_with_it_or_all_where_the_structure_changes(
    before: list[str], after: list[str], touched: set[str] | None
) -> None:
    old, new = unfit(before), unfit(after)
    found = names_touched(old, new, difference(old, new))
    wanted = touched and {f"{name}.example.org." if name else "example.org." for name in touched}
    assert (found and set(found)) == wanted
