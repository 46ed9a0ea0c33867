"""Compact denial of existence (RFC 9824): what is not there is denied by one record, signed when somebody asks.

Nobody can list the zone by it. The name that is asked for is said to be there, and to lack the type; one that is not
there is told apart by the type NXNAME.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from standfast.authority.denial import wildcard_of
from standfast.authority.signatures import expires_before, signature_of
from standfast.authority.signing import Signing, bitmap, negative_ttl_s
from standfast.authority.zone import Zone
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.wire import LABEL_OCTETS_MAX, NAME_OCTETS_MAX, name_from_text

SIGNATURES_MAX: Final = 16_384  # kept, some 400 octets each: a flood of names that are not there must not fill memory


class CompactDenial:
    """Denies in the name of one snapshot of a zone. Each method yields a record and its signature."""

    compact = True

    def __init__(self, zone: Zone, signing: Signing, now: Callable[[], float]) -> None:
        """Sign for `zone` with the keys of `signing` that sign data, at the times that `now` tells."""
        self._zone = zone
        self._signing = signing
        self._now = now
        self._ttl_s = negative_ttl_s(zone.soa)
        self._signatures: dict[tuple[Name, int, bytes], RRset] = {}

    def no_data(self, qname: Name) -> Iterator[RRset]:
        """Section 3.2, and at a delegation section 3.4."""
        if qname not in self._zone.cuts:
            return self._denied(qname, self._zone.nodes[qname])
        rtypes = self._zone.nodes[qname].keys() & {RRType.NS, RRType.DS}
        return self._nsec(qname, beside(name_from_text(qname)), rtypes)

    def no_name(self, qname: Name, encloser: Name) -> Iterator[RRset]:  # noqa: ARG002  it needs no proof
        """Section 3.1."""
        return self._denied(qname, (RRType.NXNAME,))

    def wildcard(self, qname: Name, encloser: Name) -> Iterator[RRset]:  # noqa: ARG002
        """Nothing: the answer is signed as if the name were there (section 3.3)."""
        return iter(())

    def wildcard_no_data(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """Section 3.3."""
        return self._denied(qname, self._zone.nodes[wildcard_of(encloser)])

    def signed_as(self, rrset: RRset, owner: Name) -> RRset:
        """Return the signature of a wildcard's `rrset` as that of `owner`, which it answers for (section 3.3)."""
        return self._signature(replace(rrset, owner=owner))

    def _denied(self, qname: Name, rtypes: Iterable[int]) -> Iterator[RRset]:
        return self._nsec(qname, successor(name_from_text(qname)), rtypes)

    def _nsec(self, owner: Name, following: bytes, rtypes: Iterable[int]) -> Iterator[RRset]:
        rdata = following + bitmap({*rtypes, RRType.RRSIG, RRType.NSEC})
        nsec = RRset(owner=owner, rtype=RRType.NSEC, ttl_s=self._ttl_s, rdatas=(rdata,))
        yield nsec
        yield self._signature(nsec)

    def _signature(self, rrset: RRset) -> RRset:
        lifetime = replace(self._signing, now=self._now()).lifetime
        key = rrset.owner, rrset.rtype, rrset.rdatas[0]
        found = self._signatures.get(key)
        if found is None or expires_before(found, lifetime.refresh_before):
            found = signature_of(self._zone.origin, rrset, self._signing.keys.sign_data, lifetime)
            self._signatures.pop(key, None)
            self._signatures[key] = found
            if len(self._signatures) > SIGNATURES_MAX:
                del self._signatures[next(iter(self._signatures))]
        return found


def compact(zone: Zone, signing: Signing, now: Callable[[], float]) -> Zone:
    """Return `zone`, which is signed but has no chain, so that it denies compactly."""
    return replace(zone, denial=CompactDenial(zone, signing, now))


def successor(name: bytes) -> bytes:
    """Return the name that comes next after `name` in canonical order (RFC 4471 section 3.1.1)."""
    return b"\1\0" + name if len(name) + 2 <= NAME_OCTETS_MAX else beside(name)


def beside(name: bytes) -> bytes:
    """Return the name that comes next after `name` and all names below it (RFC 4471 section 3.1.2).

    `name` is no zone's origin of that length: there is room above it.
    """
    length = name[0]
    label, above = name[1 : 1 + length], name[1 + length :]
    if length < LABEL_OCTETS_MAX and len(name) < NAME_OCTETS_MAX:
        label += b"\0"
    else:
        kept = label.rstrip(b"\xff")
        if not kept:
            return beside(above)
        last = kept[-1] + 1
        label = kept[:-1] + bytes((ord("[") if chr(last) == "A" else last,))  # letters count as lower-case ones
    return bytes((len(label),)) + label + above
