"""Proofs that something is not there, from a signed zone: by NSEC (RFC 4035 section 3.1.3) or NSEC3 (RFC 5155).

Both kinds give the same four proofs; which records make them up is all that differs.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha1
from typing import Final, Protocol

from standfast.dns.model import Name, RRset, RRType
from standfast.dns.name import ROOT, name_from_wire, parent
from standfast.dns.wire import name_from_text

HASHES_MAX: Final = 16_384  # of names, kept: a hash costs some microseconds, and iterations are asked for by the zone
ONE_BY_ONE_MAX: Final = 64  # names that come and go; for more, a chain is sorted anew instead of moved for each
_BASE32HEX: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUV"  # RFC 4648 section 7
_HASH_OCTETS: Final = 20  # of SHA-1, the only algorithm there is (RFC 5155 section 11)


class Denial(Protocol):
    """Gives the records that prove what is not there; some may come twice.

    A `compact` one brings their signatures along, denies a name as it denies a type, and signs what a wildcard answers.
    """

    @property
    def compact(self) -> bool:
        """Whether it is one by RFC 9824."""
        ...

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

    def signed_as(self, rrset: RRset, owner: Name) -> RRset | None:
        """Return the signature of a wildcard's `rrset` for `owner` alone; None where the wildcard's own will do."""
        ...


class NsecDenial:
    """By the chain of all names in their canonical order (RFC 4034 section 6.1)."""

    compact = False

    def __init__(self, nodes: Mapping[Name, Mapping[int, RRset]], chain: Sequence[bytes] | None = None) -> None:
        """Take all names, and the `canonical` ones of those with an NSEC record in their order, where that is known."""
        self._nodes = nodes
        self.chain = chain or sorted(canonical(owner) for owner, node in nodes.items() if RRType.NSEC in node)

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

    def signed_as(self, rrset: RRset, owner: Name) -> None:
        """Return None."""

    def _at_or_before(self, name: Name) -> RRset:
        owner = name_from_wire(octets_of(self.chain[bisect_right(self.chain, canonical(name)) - 1]))
        return self._nodes[owner][RRType.NSEC]


class Nsec3Denial:
    """By the chain of the hashes of all names."""

    compact = False

    def __init__(
        self, parameters: bytes, nsec3: Mapping[Name, RRset], origin: Name, chain: Sequence[bytes] | None = None
    ) -> None:
        """Take the data of the zone's NSEC3PARAM, all NSEC3 RRsets, and the hashes of the chain where they are known.

        There can be two chains in a zone (RFC 5155 section 7.3).
        """
        self.parameters = parameters
        self._iterations = int.from_bytes(parameters[2:4], "big")
        self._salt = parameters[5 : 5 + parameters[4]]
        self._nsec3 = nsec3
        self._origin = origin
        self.chain = chain or sorted(hash_of(owner) for owner, each in nsec3.items() if is_of_chain(each, parameters))

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

    def signed_as(self, rrset: RRset, owner: Name) -> None:
        """Return None."""

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
        found = self._nsec3.get(self._owner(self._hash(name)))
        return found if found is not None and is_of_chain(found, self.parameters) else None

    def _covering(self, name: Name) -> RRset:
        return self._nsec3[self._owner(self.chain[bisect_right(self.chain, self._hash(name)) - 1])]

    def _owner(self, hashed: bytes) -> Name:
        label = hashed.decode().lower()
        return f"{label}." if self._origin == ROOT else f"{label}.{self._origin}"

    def _hash(self, name: Name) -> bytes:
        return nsec3_hash(name, self._salt, self._iterations)


def is_of_chain(rrset: RRset, parameters: bytes) -> bool:
    """Say whether algorithm, iterations and salt of an NSEC3 are those of an NSEC3PARAM."""
    nsec3 = rrset.rdatas[0]
    return nsec3[0] == parameters[0] and nsec3[2:].startswith(parameters[2:])


def hash_of(owner: Name) -> bytes:
    """Return the hash that the owner of an NSEC3 record begins with."""
    return owner.partition(".")[0].upper().encode()


def merged(chain: Sequence[bytes], added: Collection[bytes], removed: Collection[bytes]) -> Sequence[bytes]:
    """Return a chain of sorted keys with some that come, and some that go and are there."""
    if not added and not removed:
        return chain
    if len(added) + len(removed) > ONE_BY_ONE_MAX:
        return sorted({*chain, *added}.difference(removed))
    made = list(chain)
    for key in removed:
        del made[bisect_left(made, key)]
    for key in added:
        insort(made, key)
    return made


def canonical(name: Name) -> bytes:
    """Return octets that sort as names do canonically: by their labels from the root on (RFC 4034 section 6.1).

    A zero ends each label, so that a label sorts before a longer one; the zeros and ones within a label stand escaped.
    """
    if "\\" not in name:  # then there are neither
        return b"\0".join(reversed(name.encode("ascii").split(b".")))
    octets = name_from_text(name)
    labels = [b""]
    at = 0
    while length := octets[at]:
        labels.append(octets[at + 1 : at + 1 + length].replace(b"\1", b"\1\2").replace(b"\0", b"\1\1"))
        at += 1 + length
    return b"\0".join(labels[:1] + labels[:0:-1])


def octets_of(key: bytes) -> bytes:
    """Return the octets of the name that `key` is the `canonical` of."""
    labels = key.split(b"\0")[:0:-1] if len(key) > 1 else []
    if b"\1" in key:
        labels = [label.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1") for label in labels]
    return b"".join([bytes((len(label),)) + label for label in labels]) + b"\0"


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
