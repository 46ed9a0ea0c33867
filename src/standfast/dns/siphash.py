"""SipHash-2-4, the pseudorandom function of server cookies (RFC 9018 section 6; Aumasson and Bernstein, 2012)."""

import struct
from typing import Final

KEY_OCTETS: Final = 16
_MASK: Final = (1 << 64) - 1
_KEY = struct.Struct("<2Q")
_WORD = struct.Struct("<Q")


def siphash24(key: bytes, data: bytes) -> bytes:
    """Return the hash of `data`, 8 octets, under `key` of 16 octets."""
    k0, k1 = _KEY.unpack(key)
    v0, v1, v2, v3 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = data + bytes(7 - len(data) % 8) + bytes((len(data) & 0xFF,))
    for (word,) in _WORD.iter_unpack(padded):
        v0, v1, v2, v3 = _rounds(2, v0, v1, v2, v3 ^ word)
        v0 ^= word
    v0, v1, v2, v3 = _rounds(4, v0, v1, v2 ^ 0xFF, v3)
    return _WORD.pack(v0 ^ v1 ^ v2 ^ v3)


def _rounds(count: int, v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    for _ in range(count):
        v0 = v0 + v1 & _MASK
        v2 = v2 + v3 & _MASK
        v1 = (v1 << 13 & _MASK | v1 >> 51) ^ v0
        v3 = (v3 << 16 & _MASK | v3 >> 48) ^ v2
        v0 = v0 << 32 & _MASK | v0 >> 32
        v2 = v2 + v1 & _MASK
        v0 = v0 + v3 & _MASK
        v1 = (v1 << 17 & _MASK | v1 >> 47) ^ v2
        v3 = (v3 << 21 & _MASK | v3 >> 43) ^ v0
        v2 = v2 << 32 & _MASK | v2 >> 32
    return v0, v1, v2, v3
