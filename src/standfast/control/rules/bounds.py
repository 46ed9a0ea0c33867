"""Where the rules draw their lines, each with its reason. Set in `[control.rules]`."""

from dataclasses import dataclass
from typing import Final

TTL_S_MAX: Final = 2**31 - 1  # of any record: RFC 2181 section 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of all rules; what holds for one name only stands in its promise.

    `networks` are the prefixes that an address may lie in; empty: any that the Internet routes. One that lies in them
    is not held to be of special use.
    """

    # An endpoint that serves half a million names leaves once: endpoints are counted, not records.
    leave_per_minute_max: int = 50  # endpoints of a zone: more than a rack at once is more than a failure of machines
    leave_ratio_max: float = 0.5  # of a zone's endpoints, a minute: one of two regions may leave, not more
    name_leave_per_minute_max: int = 20  # endpoints of one name
    name_leave_ratio_max: float = 0.5  # of one name's endpoints, a minute: the other half takes at most twice the load
    managed_ttl_s_min: int = 5  # less asks the authority for every connection of every client
    managed_ttl_s_max: int = 3_600  # a name that moves is believed at its old place for so long
    ttl_s_max: int = 604_800  # of other records: RFC 8767 section 4 has resolvers cut longer ones to seven days
    networks: tuple[str, ...] = ()
