"""Server cookies: made for clients, and known again when they come back (RFC 7873, RFC 9018).

A cookie here is what the COOKIE option holds: the client's part, then the server's where there is one. That of a
server is a hash over the client's part, the time and the client's address, under a secret: nothing is kept for a
client, and who sends a valid one has got an answer of ours at the address that it sends from.
"""

import struct
from hmac import compare_digest
from math import inf
from typing import Final

from standfast.dns.siphash import KEY_OCTETS, siphash24
from standfast.ports import Random

CLIENT_OCTETS: Final = 8  # RFC 7873 section 4
COOKIE_OCTETS: Final = 24  # with a server's part of ours (RFC 9018 section 4)
LENGTHS: Final = frozenset((CLIENT_OCTETS, *range(16, 41)))  # that a COOKIE option can have (RFC 7873 section 5.2.2)

VALID_S: Final = 3600  # how old a cookie may be (RFC 9018 section 4.3)
AHEAD_S: Final = 300  # and how far in the future, where servers share a secret (the same section)
FRESH_S: Final = 1800  # an older one is answered with a new one (the same section)
SECRET_LIFE_S: Final = 86_400.0  # RFC 7873 section 7.1, less up to 40 % so that nobody knows when
SECRET_JITTER: Final = 0.4
VERIFIED_MAX: Final = 65_536  # cookies that need not be hashed again, about 200 octets each

_VERSION: Final = 1
_HASH_AT: Final = 16  # the octets before it are hashed, with the address
_HEAD = struct.Struct("!B3xI")  # version, reserved, timestamp


class ServerCookies:
    """The cookies of this server, under a secret that is renewed about once a day."""

    def __init__(self, rng: Random, now: float) -> None:
        """Begin with a random secret; `now` is in seconds since the epoch, as everywhere here."""
        self._rng = rng
        self._secrets = [_secret(rng)]  # the present one, and the one before for as long as its cookies are valid
        self._turn_at_s = self._next_turn(now)
        self._forget_at_s = inf
        self._verified: dict[bytes, float] = {}  # by cookie and address, until when it may be given again

    def answer(self, cookie: bytes, address: bytes, now: float) -> bytes:
        """Return the cookie to give a client that sent `cookie`: the same while it is valid and fresh, else a new one.

        `address` is the client's, 4 or 16 octets.
        """
        if self.proves(cookie, address, now) and self.is_known(cookie, address, now):
            return cookie
        return make_cookie(self._secrets[0], cookie[:CLIENT_OCTETS], address, now)

    def proves(self, cookie: bytes, address: bytes, now: float) -> bool:
        """Say whether `cookie` is one of ours, so that its sender must be at `address` (RFC 7873 section 5.2.5)."""
        self._turn(now)
        if self.is_known(cookie, address, now):
            return True
        by = next((secret for secret in self._secrets if is_valid(secret, cookie, address, now)), None)
        if by is not None and by is self._secrets[0]:
            if len(self._verified) >= VERIFIED_MAX:
                self._verified.clear()  # they are learnt again as they come
            self._verified[cookie + address] = min(now - age_s(cookie, now) + FRESH_S, self._turn_at_s)
        return by is not None

    def is_known(self, cookie: bytes, address: bytes, now: float) -> bool:
        """Say whether `cookie` is known to be valid and fresh without hashing: for who has no time to hash."""
        return now < self._verified.get(cookie + address, now)

    def _turn(self, now: float) -> None:
        """Renew the secret when it is time, and forget the one before when its cookies are void (RFC 9018 section 5).

        No other server has it, so there is nobody to wait for before it is used.
        """
        if now >= self._forget_at_s:
            self._secrets, self._forget_at_s = self._secrets[:1], inf
        if now >= self._turn_at_s:
            self._secrets = [_secret(self._rng), self._secrets[0]]
            self._turn_at_s, self._forget_at_s = self._next_turn(now), now + VALID_S
            self._verified.clear()  # a cookie of the secret before is answered with a new one

    def _next_turn(self, now: float) -> float:
        return now + SECRET_LIFE_S * (1 - SECRET_JITTER * self._rng.random())


def make_cookie(secret: bytes, client: bytes, address: bytes, now: float) -> bytes:
    """Return the client's part `client`, and the server's for a client at `address` (RFC 9018 section 4)."""
    head = client + _HEAD.pack(_VERSION, int(now) & 0xFFFFFFFF)
    return head + siphash24(secret, head + address)


def is_valid(secret: bytes, cookie: bytes, address: bytes, now: float) -> bool:
    """Say whether `cookie` was made under `secret` for `address`, and its time is not over."""
    if len(cookie) != COOKIE_OCTETS or cookie[CLIENT_OCTETS] != _VERSION:
        return False
    # The reserved octets are hashed as they came (RFC 9018 section 4.2).
    return -AHEAD_S <= age_s(cookie, now) <= VALID_S and compare_digest(
        siphash24(secret, cookie[:_HASH_AT] + address), cookie[_HASH_AT:]
    )


def age_s(cookie: bytes, now: float) -> int:
    """Return how long ago a whole `cookie` was made, by the arithmetic of RFC 1982; negative is in the future."""
    _, made_s = _HEAD.unpack_from(cookie, CLIENT_OCTETS)
    return (int(now) - int(made_s) + (1 << 31) & 0xFFFFFFFF) - (1 << 31)


def _secret(rng: Random) -> bytes:
    return rng.getrandbits(8 * KEY_OCTETS).to_bytes(KEY_OCTETS, "big")
