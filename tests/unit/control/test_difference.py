"""What is repaired: all that is managed, nothing that is not."""

from hypothesis import given, settings
from hypothesis import strategies as st

from control_world import Plans, a, aaaa, cname, content, shown, txt
from standfast.control.batches import batched
from standfast.control.difference import removed_by, repair
from standfast.control.plan import Content, applied
from standfast.control.publishing import BatchLimits
from standfast.dns.model import RRset, RRType

WWW, API, OLD = "www.example.org.", "api.example.org.", "old.example.org."
TARGET = "target.example.net."


def repaired(planned: Content, before: Content, found: Content) -> Content:
    return applied(found, repair(planned, before, found))


def test_what_is_as_planned_needs_no_repair_whatever_the_order_of_its_records() -> None:
    assert repair(content(a(WWW, 1, 2)), {}, content(a(WWW, 2, 1))) == ()


def test_another_ttl_is_repaired() -> None:
    assert shown(repaired(content(a(WWW, 1)), {}, content(a(WWW, 1, ttl_s=7)))) == shown(content(a(WWW, 1)))


def test_foreign_names_and_foreign_types_are_left_alone() -> None:
    found = content(a(OLD, 1), txt(WWW, "proof of ownership"))
    assert shown(repaired(content(a(WWW, 1)), {}, found)) == shown(content(a(WWW, 1), a(OLD, 1), *found[WWW].values()))


def test_a_name_of_which_no_address_is_planned_keeps_those_that_it_has() -> None:
    found = content(a(WWW, 1), aaaa(WWW, 1))
    planned = content(txt(WWW, "planned"))
    assert repaired(planned, {}, found)[WWW].keys() == {RRType.A, RRType.AAAA, RRType.TXT}


def test_a_stray_address_beside_planned_ones_goes() -> None:
    assert repaired(content(a(WWW, 1)), {}, content(a(WWW, 1), aaaa(WWW, 1))) == content(a(WWW, 1))


def test_a_planned_alias_takes_all_else_at_its_name_away() -> None:
    found = content(a(WWW, 1), txt(WWW, "x"))
    assert repaired(content(cname(WWW, TARGET)), {}, found) == content(cname(WWW, TARGET))


def test_a_found_alias_gives_way_to_what_is_planned() -> None:
    assert repaired(content(txt(WWW, "x")), {}, content(cname(WWW, TARGET))) == content(txt(WWW, "x"))


def test_what_was_planned_and_is_no_more_goes_by_name_and_by_type() -> None:
    before = content(a(OLD, 1), txt(WWW, "old"))
    found = content(a(OLD, 1), txt(OLD, "by hand"), txt(WWW, "old"), a(WWW, 1))
    assert repaired(content(a(WWW, 1)), before, found) == content(a(WWW, 1), txt(OLD, "by hand"))


def test_what_plans_take_away_is_known_from_them() -> None:
    plans = Plans()
    plans.plan(content(a(OLD, 1), a(WWW, 1)))
    plans.plan(content(a(WWW, 2)))
    assert removed_by(plans.plans.values()) == content(a(OLD, 1))


_OWNERS = st.sampled_from([WWW, API, OLD])
_RRSETS = st.one_of(
    st.builds(a, _OWNERS, st.integers(1, 2), st.integers(3, 4)),
    st.builds(aaaa, _OWNERS, st.integers(1, 2)),
    st.builds(txt, _OWNERS, st.sampled_from("xy")),
)


def _content(rrsets: list[RRset], alias: str | None) -> Content:
    return {**content(*rrsets), **(content(cname(alias, TARGET)) if alias else {})}


_CONTENTS = st.builds(_content, st.lists(_RRSETS, max_size=6), st.one_of(st.none(), _OWNERS))
_LIMITS = st.builds(
    BatchLimits,
    records_max=st.one_of(st.none(), st.integers(12, 20)),
    octets_max=st.one_of(st.none(), st.integers(1_600, 3_000)),
)


@settings(max_examples=500, deadline=None)
@given(_CONTENTS, _CONTENTS, _CONTENTS, _LIMITS)
def test_batches_in_their_order_lead_to_the_plan_and_no_name_is_empty_on_the_way(
    planned: Content, before: Content, found: Content, limits: BatchLimits
) -> None:
    chunks, too_large = batched(repair(planned, before, found), limits, "example.org.")
    assert too_large == ()
    stands = found
    for chunk in chunks:
        stands = applied(stands, chunk)
        for node in stands.values():
            assert RRType.CNAME not in node or len(node) == 1
        assert all(stands.get(owner) for owner in planned if found.get(owner))
    assert shown(stands).items() >= shown(planned).items()
    assert repair(planned, before, stands) == ()
    for owner in found.keys() - planned.keys() - before.keys():
        assert stands[owner] == found[owner]
