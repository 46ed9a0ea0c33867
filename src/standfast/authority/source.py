"""Files that zones begin from, and what a file may still say once its zone was changed by others. Pure."""

from dataclasses import dataclass
from enum import Enum

from standfast.authority.serials import later


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The content of a zone file: a digest over all that was read of it, its serial, and whether we sign the zone."""

    digest: bytes
    serial: int
    signed: bool = False


class Offer(Enum):
    """What a file has to say about a zone."""

    NEW = "new"  # it takes the place of what is served
    SAME = "same"  # nothing that it did not say before
    BEHIND = "behind"  # something else than before, made without knowing what clients have changed since
    UNPLANNED = "unplanned"  # made without knowing the plan that is published


def offer_of(read: Source, *, began: Source | None, changed: bool, served: int | None, fenced: bool = True) -> Offer:
    """Say what a file has to say.

    Args:
        read: the file as it is now.
        began: the file as it was when what is served began from it; None: that is not known.
        changed: whether clients have changed the zone since.
        served: the serial that is served; None: nothing is.
        fenced: whether it has the fence of the plan that is published, if one is: whoever writes names what stands.
    """
    if served is None:
        return Offer.NEW
    if began is not None and began.digest == read.digest:
        if began.signed == read.signed:
            return Offer.SAME
        if changed and read.signed:  # it has been signed as it is
            return Offer.SAME
    # Its author has to have seen what is served: a later serial says so, and only that makes secondaries follow.
    if changed and not later(read.serial, served):
        return Offer.BEHIND
    return Offer.NEW if fenced else Offer.UNPLANNED
