"""Server cookies for clients in clear text, by the guard's clock (RFC 7873)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from standfast.dns.codec import Rejected
from standfast.dns.cookies import CLIENT_OCTETS, ServerCookies
from standfast.dns.model import Rcode


@dataclass(frozen=True, slots=True)
class Cookies:
    """What a client gets for the cookie that it sent, and what that proves; without `ours` nothing."""

    ours: ServerCookies | None
    now: Callable[[], float]

    def answer(self, cookie: bytes, address: bytes) -> bytes:
        """Return the cookie of the response to a client at `address`, in octets; none where it sent none."""
        return self.ours.answer(cookie, address, self.now()) if cookie and self.ours is not None else b""

    def settle(self, rejected: Rejected, address: bytes) -> tuple[Rejected, bytes]:
        """Return how a query is rejected, and its cookie; to ask for a cookie alone is right (RFC 7873 section 5.4)."""
        cookie = self.answer(rejected.cookie, address)
        if cookie and rejected.asks_for_cookie:
            is_good = len(rejected.cookie) == CLIENT_OCTETS or self.prove(rejected.cookie, address)
            rejected = replace(rejected, rcode=Rcode.NOERROR if is_good else Rcode.BADCOOKIE)
        return rejected, cookie

    def is_fresh(self, cookie: bytes, address: bytes) -> bool:
        """Say, without hashing, whether `cookie` is one that has been proven and may be given again."""
        return self.ours is not None and self.ours.is_known(cookie, address, self.now())

    def prove(self, cookie: bytes, address: bytes) -> bool:
        """Say whether who sent `cookie` must be at `address`."""
        return self.ours is not None and self.ours.proves(cookie, address, self.now())


NO_COOKIES: Final = Cookies(None, now=lambda: 0.0)
