"""Server cookies: known again for their time, from their address, across a new secret, and by no one else's."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.cookies import (
    COOKIE_OCTETS,
    FRESH_S,
    SECRET_JITTER,
    SECRET_LIFE_S,
    VALID_S,
    VERIFIED_MAX,
    ServerCookies,
    age_s,
)
from standfast.dns.siphash import siphash24

CLIENT, ADDRESS, NEIGHBOUR = b"\x24\x64\xc4\xab\xcf\x10\xc9\x57", b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02"
NOW = 1_790_000_000.0

# From the reference implementation: the key is 00 01 ... 0f, the data are 00 01 ... and as long as the index.
SIPHASHES = {0: "310e0edd47db6f72", 1: "fd67dc93c539f874", 8: "6224939a79f5f593", 15: "e545be4961ca29a1"}


def cookies(seed: int = 1) -> ServerCookies:
    return ServerCookies(random.Random(seed), NOW)


@pytest.mark.parametrize(("length", "digest"), SIPHASHES.items())
def test_siphash_is_that_of_its_authors(length: int, digest: str) -> None:
    assert siphash24(bytes(range(16)), bytes(range(length))).hex() == digest


def test_a_cookie_proves_the_address_that_it_was_given_to_and_no_other() -> None:
    ours = cookies()
    given_out = ours.answer(CLIENT, ADDRESS, NOW)
    assert (given_out[:8], len(given_out)) == (CLIENT, COOKIE_OCTETS)
    assert ours.proves(given_out, ADDRESS, NOW)
    assert not ours.proves(given_out, NEIGHBOUR, NOW)
    assert not ours.proves(given_out, bytes(12) + ADDRESS, NOW)
    assert not ours.proves(CLIENT, ADDRESS, NOW)


@given(place=st.integers(0, COOKIE_OCTETS - 1), bits=st.integers(1, 255))
def test_a_cookie_with_any_octet_changed_proves_nothing(place: int, bits: int) -> None:
    ours = cookies()
    changed = bytearray(ours.answer(CLIENT, ADDRESS, NOW))
    assert ours.proves(bytes(changed), ADDRESS, NOW)
    changed[place] ^= bits
    assert not ours.proves(bytes(changed), ADDRESS, NOW)


@given(st.binary(max_size=40))
def test_no_octets_trouble_it_or_pass_for_a_cookie(octets: bytes) -> None:
    assert not cookies().proves(octets, ADDRESS, NOW)


def test_another_server_s_cookie_is_none_of_ours() -> None:
    assert not cookies(1).proves(cookies(2).answer(CLIENT, ADDRESS, NOW), ADDRESS, NOW)


def test_what_was_hashed_once_is_known_while_it_is_fresh() -> None:
    ours = cookies()
    given_out = ours.answer(CLIENT, ADDRESS, NOW)
    assert not ours.is_known(given_out, ADDRESS, NOW)  # who was given it has not shown it yet
    assert ours.proves(given_out, ADDRESS, NOW)
    assert ours.is_known(given_out, ADDRESS, NOW + FRESH_S - 1)
    assert not ours.is_known(given_out, ADDRESS, NOW + FRESH_S)
    assert not ours.is_known(given_out, NEIGHBOUR, NOW)


def test_a_new_secret_comes_within_a_day_and_the_old_one_is_honoured_as_long_as_its_cookies() -> None:
    ours = cookies()
    turn_s = NOW + SECRET_LIFE_S * (1 - SECRET_JITTER * random_after_secret(1))
    assert NOW + SECRET_LIFE_S * (1 - SECRET_JITTER) <= turn_s <= NOW + SECRET_LIFE_S
    before = ours.answer(CLIENT, ADDRESS, turn_s - 1)
    assert ours.proves(before, ADDRESS, turn_s - 1)
    assert ours.answer(before, ADDRESS, turn_s - 1) == before
    after = ours.answer(before, ADDRESS, turn_s)
    assert after != before  # RFC 7873 section 7.1: answered with a new one
    assert ours.proves(before, ADDRESS, turn_s + VALID_S - 2)
    assert ours.answer(after, ADDRESS, turn_s + 1) == after
    # Who learns the old secret when it is forgotten can make cookies with any time in them, and they are void.
    forged = replaced_time(before, int(turn_s + VALID_S), secret_of(1))
    assert not ours.proves(forged, ADDRESS, turn_s + VALID_S)


def test_the_forgery_of_the_test_above_would_be_honoured_while_its_secret_is() -> None:
    ours = cookies()
    forged = replaced_time(ours.answer(CLIENT, ADDRESS, NOW), int(NOW) + 5, secret_of(1))
    assert ours.proves(forged, ADDRESS, NOW)


def test_many_clients_take_a_bounded_room() -> None:
    ours = cookies()
    first = ours.answer(CLIENT, ADDRESS, NOW)
    ours._verified.update((struct.pack("!I", number), NOW + 1) for number in range(VERIFIED_MAX))
    assert ours.proves(first, ADDRESS, NOW)
    assert len(ours._verified) == 1


@pytest.mark.parametrize("now", [0.0, 5.0, float((1 << 32) - 1), float(1 << 32), float((1 << 32) + 7)])
def test_a_cookie_s_age_is_told_across_the_end_of_its_32_bits(now: float) -> None:
    for age in (0, 7, 3600):
        made_s = int(now) - age & 0xFFFFFFFF
        assert age_s(CLIENT + struct.pack("!B3xI8x", 1, made_s), now) == age


def secret_of(seed: int) -> bytes:
    return random.Random(seed).getrandbits(128).to_bytes(16, "big")


def random_after_secret(seed: int) -> float:
    rng = random.Random(seed)
    rng.getrandbits(128)
    return rng.random()


def replaced_time(cookie: bytes, made_s: int, secret: bytes) -> bytes:
    head = cookie[:12] + struct.pack("!I", made_s)
    return head + siphash24(secret, head + ADDRESS)
