"""What a file may still say: whatever it wants until clients have changed its zone, then only what is later."""

import pytest

from standfast.authority.source import Offer, Source, offer_of

BEGAN = Source(digest=b"one", serial=3)


@pytest.mark.parametrize(
    ("before", "now", "changed", "offer"),
    [
        (False, True, False, Offer.NEW),
        (True, False, False, Offer.NEW),
        (False, True, True, Offer.SAME),  # what clients changed is signed as it is
        (True, False, True, Offer.BEHIND),  # and without signatures it would have to be another version
        (True, True, True, Offer.SAME),
    ],
)
def test_to_sign_a_zone_or_not_any_more_is_something_new(before: bool, now: bool, changed: bool, offer: Offer) -> None:
    began = Source(digest=b"one", serial=3, signed=before)
    read = Source(digest=b"one", serial=3, signed=now)
    assert offer_of(read, began=began, changed=changed, served=9) is offer


@pytest.mark.parametrize(
    ("digest", "serial", "began", "changed", "served", "offer"),
    [
        (b"one", 3, None, False, None, Offer.NEW),
        (b"one", 3, BEGAN, False, 3, Offer.SAME),
        (b"one", 3, BEGAN, True, 9, Offer.SAME),
        (b"two", 4, BEGAN, False, 3, Offer.NEW),
        (b"two", 3, BEGAN, False, 3, Offer.NEW),
        (b"two", 10, BEGAN, True, 9, Offer.NEW),
        (b"two", 0, BEGAN, True, 4_294_967_295, Offer.NEW),
        (b"two", 9, BEGAN, True, 9, Offer.BEHIND),
        (b"two", 4, BEGAN, True, 9, Offer.BEHIND),
        (b"two", 4, None, True, 9, Offer.BEHIND),
    ],
)
def test_a_file_that_does_not_know_what_clients_changed_is_behind(
    digest: bytes, serial: int, began: Source | None, changed: bool, served: int | None, offer: Offer
) -> None:
    assert offer_of(Source(digest=digest, serial=serial), began=began, changed=changed, served=served) is offer


@pytest.mark.parametrize(
    ("digest", "serial", "offer"),
    [(b"one", 3, Offer.SAME), (b"two", 9, Offer.BEHIND), (b"two", 10, Offer.UNPLANNED)],
)
def test_a_file_that_does_not_know_the_plan_is_never_new(digest: bytes, serial: int, offer: Offer) -> None:
    read = Source(digest=digest, serial=serial)
    assert offer_of(read, began=BEGAN, changed=True, served=9, fenced=False) is offer
