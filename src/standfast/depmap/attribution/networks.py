"""Which network announces an address: tables of address ranges and the numbers of autonomous systems (RFC 1930).

In the form of https://iptoasn.com: first address, last address, number, country and name, with tabs between, and the
ranges rise. Such a table has 700,000 lines. It is searched as it is, and only lines on the way to an answer are read.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from standfast.depmap.attribution.ranges import Span, number_of
from standfast.depmap.errors import ModelError

NETWORKS: Final = "networks"  # the reader that it says so as
CHECKED_LINES: Final = 1000  # at even distances, before a table is believed to be one
_NOBODY: Final = 0  # AS 0 announces nothing (RFC 7607)


@dataclass(frozen=True, slots=True)
class Network:
    """An autonomous system: its number, and what it calls itself."""

    number: int
    name: str


class NetworkTable:
    """A table of networks."""

    def __init__(self, octets: bytes, *, file: str) -> None:
        """Take the table that `octets` are; `file` is what errors call it.

        Raises:
            ModelError: it is none.
        """
        self._lines = _Lines(octets.rstrip(), file)
        self.ranges = octets.rstrip().count(b"\n") + 1
        step = max(1, len(self._lines) // CHECKED_LINES)
        before = -1
        for at in range(0, len(self._lines), step):
            first = self._lines[at]
            if first < before:
                raise ModelError(f"its ranges do not rise (octet {at})", file=file)
            before = first

    def of(self, address: str) -> Network | None:
        """Return the network that announces `address`, None where there is none.

        Raises:
            ValueError: it is no address.
            ModelError: the table is broken where it would stand.
        """
        number = number_of(address)
        after = bisect_right(self._lines, number)
        if not after:
            return None
        (_, last), network = self._lines.row(after - 1)
        return network if number <= last and network.number != _NOBODY else None


class _Lines:
    """For each octet of a table the first address of the line that it is in: a rising row, to be bisected."""

    def __init__(self, octets: bytes, file: str) -> None:
        if not octets:
            raise ModelError("lists no network", file=file)
        self._octets = octets
        self._file = file

    def __len__(self) -> int:
        return len(self._octets)

    def __getitem__(self, at: int) -> int:
        (first, _), _ = self.row(at)
        return first

    def row(self, at: int) -> tuple[Span, Network]:
        """Return the line that the octet `at` is in."""
        begin = self._octets.rfind(b"\n", 0, at) + 1
        end = self._octets.find(b"\n", at)
        line = self._octets[begin : end if end >= 0 else None]
        try:
            first, last, number, _, name = line.decode("utf-8", "replace").rstrip("\r").split("\t")
            return (number_of(first), number_of(last)), Network(int(number), name)
        except ValueError:
            reason = f"at octet {begin} there must be two addresses, a number, a country and a name"
            raise ModelError(reason, file=self._file) from None
