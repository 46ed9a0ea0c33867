"""What is published of keys, beside the examples of the standards."""

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, derive_private_key, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signed import key
from standfast.authority.keys import ECDSAP256SHA256, ED25519, Key, LocalSigner

# RFC 6605 section 6.1 and RFC 8080 section 6.1, first example
ECDSA_PUBLIC = "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=="
ECDSA_PRIVATE = "GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ="
ED25519_PUBLIC = "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="
ED25519_PRIVATE = "ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI="


def test_a_key_of_p256_is_published_and_told_to_the_parent_as_rfc_6605_has_it() -> None:
    private = derive_private_key(int.from_bytes(b64decode(ECDSA_PRIVATE), "big"), SECP256R1())
    made = Key(LocalSigner(private), "csk")
    assert made.dnskey == bytes((1, 1, 3, ECDSAP256SHA256)) + b64decode(ECDSA_PUBLIC)
    assert made.tag == 55648
    assert made.ds("example.net.").hex() == ("d9600d02b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17")


def test_a_key_of_ed25519_is_published_and_told_to_the_parent_as_rfc_8080_has_it() -> None:
    made = Key(LocalSigner(Ed25519PrivateKey.from_private_bytes(b64decode(ED25519_PRIVATE))), "csk")
    assert made.dnskey == bytes((1, 1, 3, ED25519)) + b64decode(ED25519_PUBLIC)
    assert made.tag == 3613
    assert made.ds("example.com.").hex() == ("0e1d0f023aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b")


def test_a_key_that_signs_data_alone_is_no_entry_point() -> None:
    assert key(role="zsk").dnskey[:2] == b"\1\0"
    assert key(role="ksk").dnskey[:2] == b"\1\1"


def test_a_key_of_another_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="secp384r1"):
        LocalSigner(generate_private_key(SECP384R1()))


def test_signing_the_same_twice_gives_the_same_signature() -> None:
    for algorithm in (ECDSAP256SHA256, ED25519):
        signer = key(algorithm=algorithm).signer
        assert signer.sign(b"octets") == signer.sign(b"octets") != signer.sign(b"others")
        assert len(signer.sign(b"octets")) == 64
