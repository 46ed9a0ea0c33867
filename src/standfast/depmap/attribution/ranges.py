"""Which ranges hold an address: a table that is made once of any number of ranges, and looked up by bisection.

Both versions of IP stand in one row of numbers, IPv4 as the addresses that RFC 4291 section 2.5.5.2 maps it to.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final, Generic, TypeAlias, TypeVar

from standfast.dns.address_text import ipv4_octets, ipv6_octets

Span: TypeAlias = tuple[int, int]  # the first address and the last, as `number_of` says them
Said = TypeVar("Said")
Found = TypeVar("Found")

_MAPPED: Final = 0xFFFF << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTable(Generic[Found]):
    """What is known of each address. `starts` rise; from each to the next, `found` of the same place holds."""

    starts: list[int]
    found: list[Found | None]

    def of(self, address: str) -> Found | None:
        """Return what is known of `address`, None where that is nothing.

        Raises:
            ValueError: it is no address.
        """
        at = bisect_right(self.starts, number_of(address)) - 1
        return self.found[at] if at >= 0 else None


def table_of(said: Iterable[tuple[Span, Said]], choose: Callable[[tuple[Said, ...]], Found]) -> RangeTable[Found]:
    """Return the table of ranges, of which any two lie within each other or apart, as prefixes always do.

    Args:
        said: each range, with what is said of it.
        choose: what to make of all that is said of an address, that of the longest range first. Equal sets ask once.
    """
    starts: list[int] = []
    found: list[Found | None] = []
    open_ends: list[int] = []
    stack: tuple[Said, ...] = ()
    chosen: dict[tuple[Said, ...], Found] = {}

    def begin(at: int) -> None:
        if stack not in chosen and stack:
            chosen[stack] = choose(stack)
        now = chosen.get(stack)
        if starts and starts[-1] == at:
            found[-1] = now
        elif not found or found[-1] != now:
            starts.append(at)
            found.append(now)

    for (first, last), what in sorted(said, key=lambda each: (each[0][0], -each[0][1])):
        while open_ends and open_ends[-1] < first:
            after, stack = open_ends.pop() + 1, stack[:-1]
            begin(after)
        open_ends.append(last)
        stack = (*stack, what)
        begin(first)
    while open_ends:
        after, stack = open_ends.pop() + 1, stack[:-1]
        begin(after)
    return RangeTable(starts=starts, found=found)


def number_of(address: str) -> int:
    """Return the place of `address` among all.

    Raises:
        ValueError: it is no address.
    """
    if ":" in address:
        return int.from_bytes(ipv6_octets(address))
    return _MAPPED | int.from_bytes(ipv4_octets(address))


def span_of(prefix: str) -> Span:
    """Return the addresses that begin as `prefix`, such as "192.0.2.0/24", says; a lone address is a range as well.

    Raises:
        ValueError: it is no prefix.
    """
    network = ip_network(prefix, strict=False)
    offset = _MAPPED if network.version == 4 else 0
    return offset | int(network.network_address), offset | int(network.broadcast_address)
