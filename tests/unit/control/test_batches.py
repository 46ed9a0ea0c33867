"""Writes of a size that a publisher takes."""

from control_world import a, cname, txt
from standfast.control.batches import FENCE_OCTETS, FENCE_RECORDS, batched
from standfast.control.publishing import BatchLimits
from standfast.dns.changes import Change
from standfast.dns.model import RRset

ZONE = "example.org."
WWW, API, OLD = "www.example.org.", "api.example.org.", "old.example.org."


def come(rrset: RRset) -> Change:
    return Change(before=None, after=rrset)


def go(rrset: RRset) -> Change:
    return Change(before=rrset, after=None)


def limits(records: int | None = None, octets: int | None = None) -> BatchLimits:
    return BatchLimits(
        records_max=None if records is None else records + FENCE_RECORDS,
        octets_max=None if octets is None else octets + FENCE_OCTETS,
    )


def test_without_limits_all_is_one_write_and_nothing_is_none() -> None:
    changes = (go(a(OLD, 1)), come(a(WWW, 1)))
    assert batched(changes, BatchLimits(), ZONE) == ((changes,), ())
    assert batched((), BatchLimits(), ZONE) == batched((), limits(5), ZONE) == ((), ())


def test_what_comes_is_written_before_what_goes() -> None:
    chunks, _ = batched((go(a(OLD, 1)), come(a(WWW, 1))), limits(1), ZONE)
    assert chunks == ((come(a(WWW, 1)),), (go(a(OLD, 1)),))


def test_records_and_octets_bound_a_write() -> None:
    changes = tuple(come(a(f"{number}.example.org.", 1, 2)) for number in range(3))
    assert [len(chunk) for chunk in batched(changes, limits(records=4), ZONE)[0]] == [2, 1]
    each = 2 * (len("0.example.org.") + 10 + 4)
    assert [len(chunk) for chunk in batched(changes, limits(octets=2 * each), ZONE)[0]] == [2, 1]
    assert [len(chunk) for chunk in batched(changes, limits(octets=2 * each - 1), ZONE)[0]] == [1, 1, 1]


def test_an_rrset_is_never_split_and_told_where_it_fits_in_no_write() -> None:
    chunks, too_large = batched((come(a(WWW, 1, 2, 3)), come(a(API, 1))), limits(2), ZONE)
    assert chunks == ((come(a(API, 1)),),)
    assert too_large == (WWW,)


def test_an_alias_and_what_it_takes_the_place_of_are_one_write() -> None:
    turn = (come(cname(WWW, API)), go(a(WWW, 1)), go(txt(WWW, "x")))
    chunks, _ = batched((*turn, come(a(API, 1))), limits(3), ZONE)
    assert chunks == ((come(a(API, 1)),), turn)
