"""Keys that sign zones: what is published of them, and what the parent is told (RFC 4034, 7344, 8078). Computes only.

The private half is behind a `Signer`, so that it may lie anywhere.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256, sha384
from typing import Final, Literal, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from standfast.dns.model import Name
from standfast.dns.wire import name_from_text

ECDSAP256SHA256: Final = 13  # RFC 6605
ED25519: Final = 15  # RFC 8080
ALGORITHMS: Final = {"ecdsap256sha256": ECDSAP256SHA256, "ed25519": ED25519}

ZONE_KEY: Final = 0x0100  # flags of a DNSKEY (RFC 4034 section 2.1.1)
ENTRY_POINT: Final = 0x0001
DELETE_CDS: Final = bytes(5)  # the parent is to take the DS away (RFC 8078 section 4)
DELETE_CDNSKEY: Final = b"\0\0\3\0\0"

Role = Literal["csk", "ksk", "zsk"]  # signs all; signs the keys; signs all but the keys
PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey

_PROTOCOL: Final = 3
_DIGESTS: Final = {2: sha256, 4: sha384}  # RFC 4509, RFC 6605 section 2
_ECDSA: Final = ECDSA(SHA256(), deterministic_signing=True)  # RFC 6979: no randomness, so nothing that could be poor
_INTEGER_OCTETS: Final = 32


class Signer(Protocol):
    """The private half of a key."""

    @property
    def algorithm(self) -> int:
        """The DNSSEC algorithm number."""
        ...

    @property
    def public(self) -> bytes:
        """The public half, as a DNSKEY holds it."""
        ...

    def sign(self, octets: bytes) -> bytes:
        """Return the signature of `octets`, as an RRSIG holds it."""
        ...


@dataclass(frozen=True)
class Key:
    """A key of a zone. Two are the same when their public halves are."""

    signer: Signer
    role: Role

    @cached_property
    def dnskey(self) -> bytes:
        """The data of its DNSKEY record (RFC 4034 section 2.1)."""
        flags = ZONE_KEY | (0 if self.role == "zsk" else ENTRY_POINT)
        return flags.to_bytes(2, "big") + bytes((_PROTOCOL, self.signer.algorithm)) + self.signer.public

    @cached_property
    def tag(self) -> int:
        """Its key tag."""
        return key_tag(self.dnskey)

    def ds(self, origin: Name, digest: int = 2) -> bytes:
        """Return the data of its DS record, and of its CDS record, by default by SHA-256 (RFC 4034 section 5.1)."""
        hashed = _DIGESTS[digest](name_from_text(origin) + self.dnskey).digest()
        return self.tag.to_bytes(2, "big") + bytes((self.signer.algorithm, digest)) + hashed

    def is_in(self, origin: Name, ds: Collection[bytes]) -> bool:
        """Say whether one of the DS records `ds` is for this key."""
        return any(self.ds(origin, digest) in ds for digest in _DIGESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """Which keys do what in a zone at one time."""

    published: Sequence[Key]  # in the DNSKEY RRset
    sign_keys: Sequence[Key]  # sign that, and what the parent is told
    sign_data: Sequence[Key]  # sign all the rest
    for_parent: Sequence[Key] = ()  # of these there are to be DS records
    withdrawn: bool = False  # there is to be no DS any more


def one_key(key: Key) -> KeySet:
    """Return the set of a zone with one key for all."""
    return KeySet(published=(key,), sign_keys=(key,), sign_data=(key,), for_parent=(key,))


def key_tag(dnskey: bytes) -> int:
    """Return the tag of a key (RFC 4034 appendix B)."""
    total = sum(dnskey[::2]) * 256 + sum(dnskey[1::2])
    return (total + (total >> 16)) & 0xFFFF


class LocalSigner:
    """A private key in the memory of this process."""

    def __init__(self, private: PrivateKey) -> None:
        """Take an Ed25519 key, or one of the curve P-256.

        Raises:
            ValueError: it is of another curve.
        """
        if isinstance(private, EllipticCurvePrivateKey) and not isinstance(private.curve, SECP256R1):
            raise ValueError(f"a key of the curve {private.curve.name}; secp256r1 and Ed25519 are used")
        self.algorithm, self.public = _public(private)
        self.sign: Callable[[bytes], bytes] = (
            private.sign if isinstance(private, Ed25519PrivateKey) else _ecdsa(private)
        )


def _public(private: PrivateKey) -> tuple[int, bytes]:
    if isinstance(private, Ed25519PrivateKey):
        return ED25519, private.public_key().public_bytes_raw()
    point = private.public_key().public_numbers()
    return ECDSAP256SHA256, point.x.to_bytes(_INTEGER_OCTETS, "big") + point.y.to_bytes(_INTEGER_OCTETS, "big")


def _ecdsa(private: EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    def sign(octets: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(octets, _ECDSA))
        return r.to_bytes(_INTEGER_OCTETS, "big") + s.to_bytes(_INTEGER_OCTETS, "big")  # RFC 6605 section 4

    return sign
