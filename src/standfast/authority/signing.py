"""Signs zones: whole, and after a change only what that touches (RFC 4034, 4035). Computes only.

`sign` is the one way: what changes of the records goes in, and comes out with the changes of keys, chain and signatures
that follow from it. To sign a zone for the first time is a change of everything.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from standfast.authority.defaults import DNSKEY_TTL_DEFAULT_S, LIFETIME_DEFAULT_S
from standfast.authority.denial import NsecDenial, canonical, merged, octets_of
from standfast.authority.keyroll import TIMING_DEFAULT, Timing
from standfast.authority.keys import DELETE_CDNSKEY, DELETE_CDS, Key, KeySet
from standfast.authority.serials import following, later
from standfast.authority.signatures import Lifetime, expires_before, signature_of, tags_of
from standfast.authority.zone import MINIMUM_AT, Node, Zone, serial_of, with_serial
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType, type_name
from standfast.dns.name import ancestors, name_from_wire, parent
from standfast.dns.rdata import rrsig_valid_at
from standfast.dns.servers import Server

DenialKind = Literal["nsec", "compact"]

MADE_BY_SIGNER: Final = frozenset({RRType.RRSIG, RRType.NSEC, RRType.DNSKEY, RRType.CDS, RRType.CDNSKEY})
NOT_IN_SOURCE: Final = MADE_BY_SIGNER | {RRType.NSEC3, RRType.NSEC3PARAM}
SIGNED_BY_KEY_SIGNERS: Final = frozenset({RRType.DNSKEY, RRType.CDS, RRType.CDNSKEY})  # RFC 7344 section 4.1
LOOKS_PER_LIFETIME: Final = 100  # for signatures that are due: each makes anew what fell due since the last one

_AT_CUT: Final = (RRType.NS, RRType.DS)  # RFC 4035 section 2.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningPolicy:
    """How a zone is to be signed."""

    algorithm: int
    split: bool = False  # a KSK and a ZSK, not one key for all
    denial: DenialKind = "nsec"
    lifetime_s: int = LIFETIME_DEFAULT_S
    dnskey_ttl_s: int = DNSKEY_TTL_DEFAULT_S
    timing: Timing = TIMING_DEFAULT
    parent: tuple[Server, ...] = ()  # where the parent's DS can be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """What it takes to sign a zone now."""

    keys: KeySet
    policy: SigningPolicy
    now: float

    @property
    def lifetime(self) -> Lifetime:
        """How long the signatures of now hold."""
        return Lifetime(self.now, self.policy.lifetime_s)

    def signers(self, covered: int) -> Sequence[Key]:
        """Return which keys sign an RRset of the type `covered`."""
        return self.keys.sign_keys if covered in SIGNED_BY_KEY_SIGNERS else self.keys.sign_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Which signatures are to be made anew, by owner and type covered, and when to look again."""

    now: Sequence[tuple[Name, int]]
    next_at_s: float


def sign(before: Zone, changes: Iterable[Change], signing: Signing, *, served_serial: int | None) -> list[Change]:
    """Return all that changes of `before`, when `changes` are made of its records.

    Args:
        before: the zone so far; not signed at all, or by this function.
        changes: of records that nobody makes but the owner of the zone; those of `MADE_BY_SIGNER` are left out.
        signing: keys, policy and time.
        served_serial: what secondaries may hold; where anything changes, the serial is later than this. None where
            none can hold anything.
    """
    work = _Work(before, [each for each in changes if _rtype(each) not in MADE_BY_SIGNER], signing)
    work.publish_keys()
    work.advance_serial(served_serial)
    return work.changes()


def resign(before: Zone, due: Iterable[tuple[Name, int]], signing: Signing) -> list[Change]:
    """Return what changes when the signatures that are `due` are made anew; the serial advances."""
    work = _Work(before, [], signing)
    work.again.update(due)
    work.publish_keys()
    if work.again or work.made:
        work.advance_serial(before.serial, always=True)
    return work.changes()


def unsigned(zone: Zone) -> list[Change]:
    """Return what changes when all goes that a signer made of `zone`; the serial advances."""
    soa = Change(before=zone.soa, after=with_serial(zone.soa, following(zone.serial)))
    return [soa, *(Change(before=each, after=None) for each in zone.rrsets() if each.rtype in NOT_IN_SOURCE)]


def due_signatures(zone: Zone, signing: Signing) -> Due:
    """Return which signatures end soon, have not begun (a clock was wrong), or are of other keys than sign now."""
    lifetime = signing.lifetime
    soon = lifetime.refresh_before
    wanted = {covers: frozenset(key.tag for key in signing.signers(covers)) for covers in (RRType.SOA, RRType.DNSKEY)}
    found = [
        (owner, covered)
        for owner, node in zone.signatures.items()
        for covered, signatures in node.items()
        if expires_before(signatures, soon)
        or not all(rrsig_valid_at(rdata, signing.now) for rdata in signatures.rdatas)
        or tags_of(signatures) != wanted[RRType.DNSKEY if covered in SIGNED_BY_KEY_SIGNERS else RRType.SOA]
    ]
    return Due(now=found, next_at_s=signing.now + signing.policy.lifetime_s / LOOKS_PER_LIFETIME)


def unfit_source(zone: Zone) -> Iterator[str]:
    """Yield, in words, what a zone that is to be signed must not bring along."""
    for node in zone.nodes.values():
        for rtype in sorted(NOT_IN_SOURCE & node.keys()):
            yield not_in_source(node[rtype])
    for node in zone.signatures.values():
        yield from map(not_in_source, node.values())
    if zone.nsec3:
        yield f"{zone.origin} has NSEC3 records, which are made by who signs the zone"


def not_in_source(rrset: RRset) -> str:
    """Return, in words, what is wrong with the RRset in a zone that is to be signed."""
    return f"{rrset.owner} has a {type_name(rrset.rtype)} record, which is made by who signs the zone"


def is_signed(zone: Zone) -> bool:
    """Say whether a zone has keys of its own."""
    return RRType.DNSKEY in zone.nodes[zone.origin]


class _Work:
    """One round of signing."""

    def __init__(self, before: Zone, changes: Sequence[Change], signing: Signing) -> None:
        self._before = before
        self._signing = signing
        chained = isinstance(before.denial, NsecDenial)
        self._whole = not is_signed(before) or chained != (signing.policy.denial == "nsec")
        self._after: dict[Name, dict[int, RRset]] = {}  # the nodes of names that change, without the chain
        self.made: list[Change] = []  # of records
        self.again: set[tuple[Name, int]] = set()  # signatures to be made though nothing changes of what they cover
        for change in changes:
            self._make(change)

    def _make(self, change: Change) -> None:
        rrset = change.before or change.after
        assert rrset is not None
        node = self._changing(rrset.owner)
        if change.after is None:
            node.pop(rrset.rtype, None)
        else:
            node[rrset.rtype] = change.after
        self.made.append(change)

    def _changing(self, owner: Name) -> dict[int, RRset]:
        node = self._after.get(owner)
        if node is None:
            node = self._after[owner] = dict(self._node_before(owner))
            node.pop(RRType.NSEC, None)
        return node

    def _node_before(self, owner: Name) -> Node:
        return self._before.nodes.get(owner, {})

    def _node(self, owner: Name) -> Node:
        node = self._after.get(owner)
        return self._node_before(owner) if node is None else node

    # What is published beside the records of the zone ------------------------------------------------------------

    def publish_keys(self) -> None:
        """Put in the keys, and what the parent is told of them (RFC 7344 section 4)."""
        origin, keys = self._before.origin, self._signing.keys
        wanted = {
            RRType.DNSKEY: tuple(key.dnskey for key in keys.published),
            RRType.CDS: tuple(key.ds(origin) for key in keys.for_parent),
            RRType.CDNSKEY: tuple(key.dnskey for key in keys.for_parent),
        }
        if keys.withdrawn:
            wanted |= {RRType.CDS: (DELETE_CDS,), RRType.CDNSKEY: (DELETE_CDNSKEY,)}
        for rtype, rdatas in wanted.items():
            before = self._node_before(origin).get(rtype)
            after = RRset(owner=origin, rtype=rtype, ttl_s=self._signing.policy.dnskey_ttl_s, rdatas=rdatas)
            if not rdatas and before is not None:
                self._make(Change(before=before, after=None))
            elif rdatas and before != after:
                self._make(Change(before=before, after=after))

    def advance_serial(self, served: int | None, *, always: bool = False) -> None:
        """See that the serial is later than what is `served`, if anything changes."""
        origin = self._before.origin
        soa = self._node(origin)[RRType.SOA]
        serial = serial_of(soa.rdatas[0])
        if served is None or later(serial, served):
            return
        before = self._node_before(origin)[RRType.SOA]
        others = [each for each in self.made if _rtype(each) != RRType.SOA]
        anything = always or others or self._whole or with_serial(soa, 0) != with_serial(before, 0)
        self.made = others
        self._make(Change(before=before, after=with_serial(soa, following(served)) if anything else before))
        if not anything:
            self.made = []

    # What follows from it ---------------------------------------------------------------------------------------

    def changes(self) -> list[Change]:
        """Return all changes, of records, chain and signatures."""
        chained = self._chain()
        signed: list[Change] = []
        before = self._before.signatures
        touched = dict.fromkeys(self._touched()) | dict.fromkeys(owner for owner, _ in self.again)
        for owner in touched:
            node = self._node(owner)
            signable = self._signable(owner, node)
            there = before.get(owner, {})
            for covered, signatures in there.items():
                if covered not in signable and covered != RRType.NSEC:
                    signed.append(Change(before=signatures, after=None))
            node_before = self._node_before(owner)
            for rtype in signable:
                rrset, old = node[rtype], there.get(rtype)
                if old is None or rrset != node_before.get(rtype) or (owner, rtype) in self.again:
                    signed.append(Change(before=old, after=self._signature(rrset)))
        chained_owners = set()
        for change in chained:
            nsec = change.before or change.after
            assert nsec is not None
            chained_owners.add(nsec.owner)
            new = None if change.after is None else self._signature(change.after)
            signed.append(Change(before=before.get(nsec.owner, {}).get(RRType.NSEC), after=new))
        for owner, covered in self.again:
            standing = self._node_before(owner).get(RRType.NSEC)
            if covered == RRType.NSEC and owner not in chained_owners and standing is not None:
                signed.append(Change(before=before[owner].get(covered), after=self._signature(standing)))
        return [*self.made, *chained, *signed]

    def _signature(self, rrset: RRset) -> RRset:
        signing = self._signing
        return signature_of(self._before.origin, rrset, signing.signers(rrset.rtype), signing.lifetime)

    def _touched(self) -> Iterator[Name]:
        """Yield the names whose records change, or what they are: where a delegation comes or goes, all below it."""
        yield from self._after
        if self._whole:
            yield from self._before.nodes
            return
        turned = tuple(f".{owner}" for owner in self._after if self._is_cut(owner) != (owner in self._before.cuts))
        if turned:
            yield from (owner for owner in self._before.nodes if owner.endswith(turned))

    def _is_cut(self, owner: Name) -> bool:
        return owner != self._before.origin and (
            RRType.NS in self._after[owner] if owner in self._after else owner in self._before.cuts
        )

    def _is_hidden(self, owner: Name) -> bool:
        """Say whether `owner` is below a delegation, and so no name of this zone."""
        if owner == self._before.origin or not self._has_cuts:
            return False
        for above in ancestors(parent(owner)):
            if above == self._before.origin:
                return False
            if self._is_cut(above):
                return True
        return False

    @cached_property
    def _has_cuts(self) -> bool:
        return bool(self._before.cuts) or any(map(self._is_cut, self._after))

    def _signable(self, owner: Name, node: Node) -> Collection[int]:
        """Return the types at `owner` that get signatures (RFC 4035 section 2.2), but for the chain's."""
        if self._is_hidden(owner):
            return ()
        if self._is_cut(owner):
            return node.keys() & {RRType.DS}
        return node.keys() - {RRType.NSEC}

    # The chain --------------------------------------------------------------------------------------------------

    def _chain(self) -> list[Change]:
        """Return what changes of the NSEC records (RFC 4035 section 2.3)."""
        before = self._before
        denial = before.denial
        old = denial.chain if isinstance(denial, NsecDenial) else []
        if self._signing.policy.denial != "nsec":
            return [Change(before=before.nodes[_name(key)][RRType.NSEC], after=None) for key in old]
        ttl_s = negative_ttl_s(self._node(before.origin)[RRType.SOA])
        added, removed, changed = set[bytes](), set[bytes](), set[bytes]()
        for owner in dict.fromkeys(self._touched()):
            was, belongs = RRType.NSEC in self._node_before(owner), self._in_chain(owner)
            if belongs and not was:
                added.add(canonical(owner))
            elif was and not belongs:
                removed.add(canonical(owner))
            elif belongs:
                changed.add(canonical(owner))
        chain = merged(old, added, removed)
        current = before.nodes[before.origin].get(RRType.NSEC)
        if current is None or current.ttl_s != ttl_s:
            remade: Iterable[int] = range(len(chain))
        else:
            at = {bisect_left(chain, key) for key in added | changed}
            ahead = {bisect_left(chain, key) - 1 for key in added | removed}  # the apex is first, and always stays
            remade = sorted(at | ahead)
        changes = [Change(before=before.nodes[_name(key)][RRType.NSEC], after=None) for key in removed]
        for place in remade:
            owner = _name(chain[place])
            rdata = octets_of(chain[(place + 1) % len(chain)]) + bitmap(self._types(owner))
            after = RRset(owner=owner, rtype=RRType.NSEC, ttl_s=ttl_s, rdatas=(rdata,))
            there = self._node_before(owner).get(RRType.NSEC)
            if there != after:
                changes.append(Change(before=there, after=after))
        return changes

    def _in_chain(self, owner: Name) -> bool:
        return bool(self._node(owner)) and not self._is_hidden(owner)

    def _types(self, owner: Name) -> Iterable[int]:
        node = self._node(owner)
        return {*(set(_AT_CUT) & node.keys() if self._is_cut(owner) else node), RRType.RRSIG, RRType.NSEC}


def negative_ttl_s(soa: RRset) -> int:
    """Return the TTL of what denies (RFC 9077 section 3)."""
    return min(soa.ttl_s, int.from_bytes(soa.rdatas[0][MINIMUM_AT:], "big"))


def bitmap(rtypes: Iterable[int]) -> bytes:
    """Return the type bit maps of an NSEC record (RFC 4034 section 4.1.2)."""
    windows: dict[int, bytearray] = {}
    for rtype in sorted(rtypes):
        window, bit = divmod(rtype, 256)
        octets = windows.setdefault(window, bytearray())
        octets.extend(bytes(bit // 8 + 1 - len(octets)))
        octets[bit // 8] |= 0x80 >> bit % 8
    return b"".join(bytes((window, len(octets))) + octets for window, octets in windows.items())


def _name(key: bytes) -> Name:
    return name_from_wire(octets_of(key))


def _rtype(change: Change) -> int:
    rrset = change.before or change.after
    assert rrset is not None
    return rrset.rtype
