"""Writes zones as master files (RFC 1035 section 5), a line for each record. Reading them back gives the same."""

from collections.abc import Iterable, Iterator

from standfast.dns.model import RRset, type_name
from standfast.dns.rdata import rrset_to_text


def master_lines(rrsets: Iterable[RRset]) -> Iterator[str]:
    """Yield a line for each record of `rrsets`, without its end; names are absolute."""
    for rrset in rrsets:
        head = f"{rrset.owner} {rrset.ttl_s} IN {type_name(rrset.rtype)} "
        for text in rrset_to_text(rrset):
            yield head + text
