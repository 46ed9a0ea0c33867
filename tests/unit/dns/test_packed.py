"""RRsets at rest come back whole, or not at all."""

import zlib
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.dns.codec import PackedError, pack_rrsets, rrset_from_text, unpack_rrsets
from standfast.dns.model import RRset, RRType

CHAIN: Final = (
    rrset_from_text("www.example.org.", RRType.CNAME, 300, ["dyn.example.org."]),
    rrset_from_text("dyn.example.org.", RRType.A, 60, ["192.0.2.1", "192.0.2.2"]),
    rrset_from_text(r"with\.dot.example.org.", RRType.TXT, 2**31 - 1, ['"text"']),
    RRset(owner=".", rtype=65_280, ttl_s=0, rdatas=(b"",)),
)


def sealed(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "big")


@pytest.mark.parametrize("count", range(len(CHAIN) + 1))
def test_what_was_packed_is_unpacked_the_same(count: int) -> None:
    assert unpack_rrsets(pack_rrsets(CHAIN[:count])) == CHAIN[:count]


def test_a_name_with_one_address_takes_few_octets() -> None:
    assert len(pack_rrsets([rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1"])])) == 36


@settings(deadline=None)
@given(at=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(at: int, bit: int) -> None:
    packed = bytearray(pack_rrsets(CHAIN))
    packed[at % len(packed)] ^= 1 << bit
    with pytest.raises(PackedError):
        unpack_rrsets(bytes(packed))


@pytest.mark.parametrize("size", range(len(pack_rrsets(CHAIN))))
def test_a_half_written_value_is_found(size: int) -> None:
    with pytest.raises(PackedError):
        unpack_rrsets(pack_rrsets(CHAIN)[:size])


@settings(deadline=None)
@given(body=st.binary(max_size=60))
def test_foreign_octets_are_refused_even_with_a_right_checksum_or_unpacked_to_what_packs_the_same(body: bytes) -> None:
    data = sealed(b"\x01" + body)
    try:
        rrsets = unpack_rrsets(data)
    except PackedError:
        return
    assert pack_rrsets(rrsets) == data


@pytest.mark.parametrize(
    "body",
    [
        b"\x02" + pack_rrsets(CHAIN)[1:-4],
        b"\x01\x01A\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x04\xc0\x00\x02\x01",
        b"\x01\x01a\x00\x00\x01\x80\x00\x00\x00\x00\x01\x00\x04\xc0\x00\x02\x01",
        b"\x01\x01a\x00\x00\x01\x00\x00\x00\x00\x00\x00",
        b"\x01\x01a\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x03\xc0\x00\x02",
        b"\x01\x01a\x00\x00\x05\x00\x00\x00\x00\x00\x01\x00\x02\xc0\x01",
    ],
    ids="version upper-case ttl no-records address compressed".split(),
)
def test_well_sealed_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(PackedError):
        unpack_rrsets(sealed(body))
