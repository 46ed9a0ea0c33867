"""What is known of each server that is asked: how fast, how healthy, and which habits it has. Keeps only."""

from collections.abc import Iterable
from dataclasses import dataclass

from standfast.guard.events import Server

RTO_FIRST_S = 1.0  # before anything was measured
RTO_MIN_S = 0.8  # a resolver that is quick from its cache takes its time when it has to ask; sooner would ask twice
RTO_MAX_S = 1.5  # a client gives up at about 5 s, so a slow server must leave time for another
DOWN_AFTER = 3  # failures in a row; one lost packet is no failure of the server
DOWN_MIN_S = 1.0
DOWN_MAX_S = 30.0
HABIT_WORTH_S = 900.0  # a server that dropped EDNS or letter case may have been mended


@dataclass(slots=True)
class ServerState:
    """One server. `rtt_s` and `rttvar_s` are smoothed as TCP does (RFC 6298 section 2)."""

    server: Server
    rtt_s: float | None = None
    rttvar_s: float = 0.0
    failures: int = 0
    down_until_s: float = 0.0
    no_edns_until_s: float = 0.0
    no_case_until_s: float = 0.0

    def answered(self, rtt_s: float) -> None:
        """Take in a good answer that came after `rtt_s` seconds."""
        if self.rtt_s is None:
            self.rtt_s, self.rttvar_s = rtt_s, rtt_s / 2
        else:
            self.rttvar_s += (abs(self.rtt_s - rtt_s) - self.rttvar_s) / 4
            self.rtt_s += (rtt_s - self.rtt_s) / 8
        self.failures = 0
        self.down_until_s = 0.0

    def failed(self, now: float) -> None:
        """Take in a time-out or a connection that was refused."""
        self.failures += 1
        if self.failures >= DOWN_AFTER:
            pause = min(DOWN_MIN_S * 2 ** min(self.failures - DOWN_AFTER, 10), DOWN_MAX_S)
            self.down_until_s = now + pause

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
        return self._states.setdefault(server, ServerState(server))

    def in_order(self, servers: Iterable[Server], now: float) -> list[Server]:
        """Return `servers` healthy ones first, else as configured; those down are last, soonest back first."""
        return sorted(servers, key=lambda server: max(self.state(server).down_until_s - now, 0.0))
