"""Where other zones begin: at a cut and below it stand only their servers and addresses (RFC 1034 section 4.2.1)."""

from collections.abc import Callable, Iterable
from typing import Final

from standfast.dns.model import Name, RRset, RRType
from standfast.dns.name import ROOT, name_from_wire, parent

GLUE: Final = frozenset({RRType.A, RRType.AAAA})
AT_CUT: Final = GLUE | {RRType.NS, RRType.DS}  # RFC 4035 section 2.6, but for what signers make


class Cuts:
    """The cuts of one zone. `is_cut` says of a name below the apex whether it is one."""

    def __init__(self, origin: Name, is_cut: Callable[[Name], bool]) -> None:
        self._is_cut = is_cut
        self._known: dict[Name, Name | None] = {origin: None, ROOT: None}

    def above(self, owner: Name) -> Name | None:
        """Return the highest cut above `owner`; None where there is none."""
        return self.at_or_above(parent(owner))

    def at_or_above(self, owner: Name) -> Name | None:
        """Return the highest cut above `owner`, or `owner` if it is one; None where there is none."""
        if owner not in self._known:  # names have few parents: each is looked at once
            self._known[owner] = self.at_or_above(parent(owner)) or (owner if self._is_cut(owner) else None)
        return self._known[owner]


def servers_in(rrsets: Iterable[RRset]) -> frozenset[Name]:
    """Return the name servers that NS records of these name."""
    return frozenset(name_from_wire(each) for rrset in rrsets if rrset.rtype == RRType.NS for each in rrset.rdatas)
