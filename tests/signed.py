"""Keys for tests, always the same ones, and a judge of signed zones that shares no code with what it judges."""

import dns.dnssec
import dns.name
import dns.node
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from standfast.authority.diff import apply
from standfast.authority.keys import ECDSAP256SHA256, ED25519, Key, KeySet, LocalSigner, Role, one_key
from standfast.authority.signing import Signing, SigningPolicy, sign
from standfast.authority.zone import Zone
from standfast.dns.model import RRset, RRType

NOW = 1_795_000_000.0


def key(number: int = 1, role: Role = "csk", algorithm: int = ED25519) -> Key:
    """Return the key of that number."""
    if algorithm == ED25519:
        return Key(LocalSigner(Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))), role)
    return Key(LocalSigner(derive_private_key(number, SECP256R1())), role)


def signing(keys: KeySet | Key | None = None, *, now: float = NOW, lifetime_s: int = 14 * 86_400) -> Signing:
    """Return what it takes to sign, by default with one Ed25519 key and an NSEC chain."""
    keys = key() if keys is None else keys
    policy = SigningPolicy(algorithm=ECDSAP256SHA256, lifetime_s=lifetime_s)
    return Signing(keys=one_key(keys) if isinstance(keys, Key) else keys, policy=policy, now=now)


def signed(zone: Zone, how: Signing | None = None) -> Zone:
    """Return `zone` signed as a whole."""
    return apply(zone, sign(zone, [], how or signing(), served_serial=None))


def validate(zone: Zone, now: float = NOW) -> None:
    """See that every signature in `zone` is valid, and that nothing is signed or left unsigned that should not be."""
    origin = dns.name.from_text(zone.origin)
    keys: dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset] = {
        origin: rrset_of(zone.nodes[zone.origin][RRType.DNSKEY])
    }
    for owner, node in zone.nodes.items():
        below = any(owner.endswith(f".{cut}") for cut in zone.cuts)
        expected = set() if below else {RRType.DS, RRType.NSEC} & node.keys() if owner in zone.cuts else set(node)
        assert set(zone.signatures.get(owner, {})) == expected, owner
        for rtype in expected:
            dns.dnssec.validate(rrset_of(node[rtype]), rrset_of(zone.signatures[owner][rtype]), keys, origin, now)
    assert set(zone.signatures) <= set(zone.nodes)


def rrset_of(rrset: RRset) -> dns.rrset.RRset:
    """Return `rrset` as dnspython knows it."""
    made = dns.rrset.RRset(
        dns.name.from_text(rrset.owner), dns.rdataclass.IN, dns.rdatatype.RdataType.make(rrset.rtype)
    )
    for rdata in rrset.rdatas:
        made.add(dns.rdata.from_wire(dns.rdataclass.IN, made.rdtype, rdata, 0, len(rdata)), rrset.ttl_s)
    return made
