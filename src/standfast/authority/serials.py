"""Serial numbers of zones: which of two is later, and which comes next (RFC 1982). Pure."""

from typing import Final

SERIALS: Final = 1 << 32


def later(one: int, other: int) -> bool:
    """Say whether the serial `one` is later than `other` (RFC 1982 section 3.2).

    Of two that are half of all numbers apart neither is: nobody may rely on either.
    """
    return 0 < (one - other) % SERIALS < SERIALS // 2


def following(serial: int) -> int:
    """Return the serial after `serial`: one more, and 1 after the last, as some software takes 0 for none at all."""
    return (serial + 1) % SERIALS or 1
