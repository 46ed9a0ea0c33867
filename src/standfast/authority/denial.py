"""Proofs that something is not there, from a signed zone: by NSEC (RFC 4035 section 3.1.3) or NSEC3 (RFC 5155).

Both kinds give the same four proofs; which records make them up is all that differs.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha1
from typing import Final, Protocol

from standfast.dns.model import Name, RRset
from standfast.dns.name import ROOT, parent
from standfast.dns.wire import name_from_text

HASHES_MAX: Final = 16_384  # of names, kept: a hash costs some microseconds, and iterations are asked for by the zone
_BASE32HEX: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUV"  # RFC 4648 section 7
_HASH_OCTETS: Final = 20  # of SHA-1, the only algorithm there is (RFC 5155 section 11)


class Denial(Protocol):
    """Gives the records that prove what is not there; some may come twice."""

    def no_data(self, qname: Name) -> Iterator[RRset]:
        """Prove that `qname`, which is there, lacks a type."""
        ...

    def no_name(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """Prove that neither `qname` is there nor a wildcard below its closest `encloser`."""
        ...

    def wildcard(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """Prove that `qname` is not there, so that the wildcard of its closest `encloser` answers."""
        ...

    def wildcard_no_data(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """Prove the same, and that the wildcard lacks a type."""
        ...


class NsecDenial:
    """By the chain of all names in their canonical order (RFC 4034 section 6.1)."""

    def __init__(self, rrsets: Iterable[RRset]) -> None:
        chain = sorted((canonical(rrset.owner), rrset) for rrset in rrsets)
        self._keys = [key for key, _ in chain]
        self._rrsets = [rrset for _, rrset in chain]

    def no_data(self, qname: Name) -> Iterator[RRset]:
        """One record: that of the name, or for an empty non-terminal the one that spans it."""
        yield self._at_or_before(qname)

    def no_name(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """RFC 4035 section 3.1.3.2."""
        yield self._at_or_before(qname)
        yield self._at_or_before(wildcard_of(encloser))

    def wildcard(self, qname: Name, encloser: Name) -> Iterator[RRset]:  # noqa: ARG002
        """RFC 4035 section 3.1.3.3."""
        yield self._at_or_before(qname)

    def wildcard_no_data(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """RFC 4035 section 3.1.3.4."""
        yield self._at_or_before(wildcard_of(encloser))
        yield self._at_or_before(qname)

    def _at_or_before(self, name: Name) -> RRset:
        return self._rrsets[bisect_right(self._keys, canonical(name)) - 1]


class Nsec3Denial:
    """By the chain of the hashes of all names."""

    def __init__(self, parameters: bytes, rrsets: Iterable[RRset]) -> None:
        """Take the data of the zone's NSEC3PARAM, and its NSEC3 RRsets."""
        self._iterations = int.from_bytes(parameters[2:4], "big")
        self._salt = parameters[5 : 5 + parameters[4]]
        by_hash = {rrset.owner.partition(".")[0].upper().encode(): rrset for rrset in rrsets}
        self._hashes = sorted(by_hash)
        self._by_hash: Mapping[bytes, RRset] = by_hash

    def no_data(self, qname: Name) -> Iterator[RRset]:
        """RFC 5155 sections 7.2.3 and 7.2.4; where an opt-out span leaves the name without a record, its encloser's."""
        matching = self._matching(qname)
        if matching is not None:
            yield matching
            return
        yield from self._enclosing(qname, self._provable_encloser(parent(qname)))

    def no_name(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """RFC 5155 section 7.2.2."""
        encloser = self._provable_encloser(encloser)
        yield from self._enclosing(qname, encloser)
        yield self._covering(wildcard_of(encloser))

    def wildcard(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """RFC 5155 section 7.2.6: the encloser need not be proven, the signature's labels tell it."""
        yield self._covering(next_closer(qname, encloser))

    def wildcard_no_data(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """RFC 5155 section 7.2.5."""
        yield from self._enclosing(qname, encloser)
        yield from self.no_data(wildcard_of(encloser))

    def _enclosing(self, qname: Name, encloser: Name) -> Iterator[RRset]:
        """Prove that `encloser` is the closest one (RFC 5155 section 7.2.1)."""
        matching = self._matching(encloser)
        if matching is not None:
            yield matching
        yield self._covering(next_closer(qname, encloser))

    def _provable_encloser(self, name: Name) -> Name:
        """Return the next name up that has a record of its own: those of unsigned delegations may be opted out."""
        while name != ROOT and self._matching(name) is None:
            name = parent(name)
        return name

    def _matching(self, name: Name) -> RRset | None:
        return self._by_hash.get(self._hash(name))

    def _covering(self, name: Name) -> RRset:
        return self._by_hash[self._hashes[bisect_right(self._hashes, self._hash(name)) - 1]]

    def _hash(self, name: Name) -> bytes:
        return nsec3_hash(name, self._salt, self._iterations)


def canonical(name: Name) -> tuple[bytes, ...]:
    """Return what orders names canonically: their labels from the root on (RFC 4034 section 6.1)."""
    octets = name_from_text(name)
    labels = []
    at = 0
    while length := octets[at]:
        labels.append(octets[at + 1 : at + 1 + length])
        at += 1 + length
    return tuple(reversed(labels))


@lru_cache(maxsize=HASHES_MAX)
def nsec3_hash(name: Name, salt: bytes, iterations: int) -> bytes:
    """Return the hash of a lower-case name as base 32 with the extended hex alphabet (RFC 5155 section 5)."""
    digest = sha1(name_from_text(name) + salt, usedforsecurity=False).digest()
    for _ in range(iterations):
        digest = sha1(digest + salt, usedforsecurity=False).digest()
    number = int.from_bytes(digest, "big")
    return bytes(_BASE32HEX[number >> shift & 31] for shift in range(8 * _HASH_OCTETS - 5, -1, -5))


def wildcard_of(encloser: Name) -> Name:
    """Return the name of the wildcard just below `encloser`."""
    return "*." if encloser == ROOT else f"*.{encloser}"


def next_closer(qname: Name, encloser: Name) -> Name:
    """Return the ancestor of `qname`, or itself, that is one label longer than `encloser` (RFC 5155 section 1.3)."""
    while (above := parent(qname)) != encloser:
        qname = above
    return qname
