"""What is known of each server that is asked: how fast, how healthy, and which habits it has. Keeps only."""

from collections.abc import Iterable
from dataclasses import dataclass

from standfast.dns.cookies import CLIENT_OCTETS
from standfast.dns.servers import Server
from standfast.ports import Random

RTO_FIRST_S = 1.0  # before anything was measured; three round trips of 300 ms, as a TLS handshake and a query take
RTO_MIN_S = 0.8  # a resolver that is quick from its cache takes its time when it has to ask; sooner would ask twice
RTO_MAX_S = 1.5  # a client gives up at about 5 s, so a slow server must leave time for another
DOWN_AFTER = 3  # failures in a row; one lost packet is no failure of the server
DOWN_MIN_S = 1.0
DOWN_MAX_S = 30.0
HABIT_WORTH_S = 900.0  # a server that dropped EDNS, letter case or cookies may have been mended
COOKIE_LIFE_S = 86_400.0  # of our part of a cookie; RFC 7873 section 7.1, less up to 40 % so that nobody knows when
COOKIE_JITTER = 0.4


@dataclass(slots=True)
class ServerState:
    """One server. `rtt_s` and `rttvar_s` are smoothed as TCP does (RFC 6298 section 2).

    `cookie` is our part of a cookie for this server alone, and behind it the server's once it gave one (RFC 7873).
    `gives_cookies`: it has, so that an answer without one is in doubt.
    `failure` is in words what the last of its `failures` in a row was.
    """

    server: Server
    rtt_s: float | None = None
    rttvar_s: float = 0.0
    failures: int = 0
    failure: str = ""
    down_until_s: float = 0.0
    no_edns_until_s: float = 0.0
    no_case_until_s: float = 0.0
    cookie: bytes = b""
    cookie_until_s: float = 0.0
    gives_cookies: bool = False
    no_cookies_until_s: float = 0.0

    def answered(self, rtt_s: float) -> None:
        """Take in a good answer that came after `rtt_s` seconds."""
        if self.rtt_s is None:
            self.rtt_s, self.rttvar_s = rtt_s, rtt_s / 2
        else:
            self.rttvar_s += (abs(self.rtt_s - rtt_s) - self.rttvar_s) / 4
            self.rtt_s += (rtt_s - self.rtt_s) / 8
        self.failures = 0
        self.failure = ""
        self.down_until_s = 0.0

    def failed(self, now: float, failure: str) -> None:
        """Take in a time-out, or a connection that was refused or could not be trusted."""
        self.failures += 1
        self.failure = failure
        if self.failures >= DOWN_AFTER:
            pause = min(DOWN_MIN_S * 2 ** min(self.failures - DOWN_AFTER, 10), DOWN_MAX_S)
            self.down_until_s = now + pause

    def cookie_at(self, now: float, rng: Random) -> bytes:
        """Return the cookie to send, with a new part of ours when its time is over."""
        if now >= self.cookie_until_s:
            self.cookie = rng.getrandbits(8 * CLIENT_OCTETS).to_bytes(CLIENT_OCTETS, "big")
            self.cookie_until_s = now + COOKIE_LIFE_S * (1 - COOKIE_JITTER * rng.random())
        return self.cookie

    def gave_cookie(self, cookie: bytes) -> None:
        """Take in the cookie of a response, which has our part as it was sent."""
        self.no_cookies_until_s = 0.0
        if len(cookie) > CLIENT_OCTETS:  # else it sends back what it does not understand
            self.gives_cookies = True
            if cookie[:CLIENT_OCTETS] == self.cookie[:CLIENT_OCTETS]:  # not one of a part that was renewed since
                self.cookie = cookie

    def gave_no_cookie(self, now: float) -> None:
        """Take in that the server itself, beyond doubt, answered a cookie without one: none is expected of it."""
        if self.gives_cookies:
            self.gives_cookies = False
            self.spare_cookies(now)

    def spare_cookies(self, now: float) -> None:
        """Send no cookies for a while: there are servers, and things before them, that answer nothing that has one."""
        self.no_cookies_until_s = now + HABIT_WORTH_S

    def rto_s(self) -> float:
        """Return how long to wait before another try."""
        if self.rtt_s is None:
            return RTO_FIRST_S
        return min(max(self.rtt_s + 4 * self.rttvar_s, RTO_MIN_S), RTO_MAX_S)


class Upstreams:
    """The servers, in the order of the configuration."""

    def __init__(self, servers: Iterable[Server]) -> None:
        self._states = {server: ServerState(server) for server in servers}

    def state(self, server: Server) -> ServerState:
        """Return what is known of `server`; one that was not configured gets an entry."""
        state = self._states.get(server)
        if state is None:
            state = self._states[server] = ServerState(server)
        return state

    def in_order(self, servers: Iterable[Server], now: float) -> list[Server]:
        """Return `servers` healthy ones first, else as configured; those down are last, soonest back first."""
        return sorted(servers, key=lambda server: max(self.state(server).down_until_s - now, 0.0))
