"""What is told of a zone that was signed: how long its signatures last, and what its denials cost. Nothing is verified.

Whether signatures are right is for validators to say; what is looked at here is what goes wrong with time.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from standfast.authority.zone import Draft
from standfast.dns.masterfile import Fault
from standfast.dns.model import RRType, type_name

SOON_S: Final = 3 * 86_400  # a weekend and a day to have a zone signed anew
ITERATIONS_INSECURE: Final = (
    50  # from here on validators that are in use take no denial as proven (RFC 9276 section 3.2)
)
_TIMES: Final = struct.Struct("!II")  # expiration, inception (RFC 4034 section 3.1)
_TIMES_AT: Final = 8
_SERIALS: Final = 1 << 32


def signatures_last(draft: Draft, now: float | None) -> Iterator[Fault]:
    """Tell of the signature that ends first where that was, or will be soon; and of those whose time has not come."""
    if now is None:
        return
    ends = [
        (_seconds_from(now, expiration), _seconds_from(now, inception), rrset.owner, covered)
        for node in draft.signatures.values()
        for covered, rrset in node.items()
        for expiration, inception in (_TIMES.unpack_from(rdata, _TIMES_AT) for rdata in rrset.rdatas)
    ]
    if not ends:
        return
    left_s, _, owner, covered = min(ends)
    if left_s < SOON_S:
        others = sum(1 for end in ends if end[0] < SOON_S) - 1
        at = datetime.fromtimestamp(now + left_s, UTC)
        verb = "ended" if left_s < 0 else "ends"
        text = f"the signature of {owner} {type_name(covered)} {verb} at {at:%Y-%m-%d %H:%M} UTC"
        yield draft.at(owner, covered, f"{text}, and {others} more in these days" if others else text)
    early_s, owner, covered = max((starts_s, owner, covered) for _, starts_s, owner, covered in ends)
    if early_s > 0:
        at = datetime.fromtimestamp(now + early_s, UTC)
        text = f"the signature of {owner} {type_name(covered)} holds from {at:%Y-%m-%d %H:%M} UTC on, and not yet"
        yield draft.at(owner, covered, text)


def hashed_cheaply(draft: Draft) -> Iterator[Fault]:
    """RFC 9276 section 3.1: hashing more than once, or with a salt, costs resolvers and stops nobody."""
    parameters = draft.nodes.get(draft.origin, {}).get(RRType.NSEC3PARAM)
    for rdata in parameters.rdatas if parameters is not None else ():
        iterations = int.from_bytes(rdata[2:4], "big")
        if iterations > ITERATIONS_INSECURE:
            text = f"NSEC3 with {iterations} iterations: to many validators the zone is not signed. Use none"
        elif iterations or rdata[4]:
            text = f"NSEC3 with {iterations} iterations and {rdata[4]} octets of salt, which help nobody. Use none"
        else:
            continue
        yield draft.at(draft.origin, RRType.NSEC3PARAM, text)


def _seconds_from(now: float, serial: int) -> int:
    """Return how far a time of 32 bits is after `now`, or before it as a negative number (RFC 4034 section 3.1.5)."""
    away = (serial - int(now)) % _SERIALS
    return away - _SERIALS if away >= _SERIALS // 2 else away
