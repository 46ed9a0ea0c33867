"""What a scale does to the times of a script: its clock, the TTLs in answers, the guard's settings. Computes only.

At scale 150, two and a half hours of a story pass in a minute, and an answer that lived 15 minutes lives 6 seconds.
TTLs are whole seconds on the wire, so none becomes shorter than one second.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from standfast.dns.model import Reply, RRset, RRType
from standfast.guard.policy import Policy

TTL_MIN_S = 1  # what a cache can keep; 0 means "do not" (RFC 2181 section 8)
RECHECK_MIN_S = 1.0  # a held answer's TTL is a second, so that looking more often would be felt by nobody
HELD_TTL_S = 1


class ScaledClock:
    """Seconds of a script, `scale` for each real one. Only `jump` sets it, and only ahead."""

    def __init__(self, scale: float, *, at_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.scale = scale
        self._monotonic = monotonic
        self._zero_s = monotonic() - at_s / scale  # when the script's second 0 is, on the machine's clock

    def now(self) -> float:
        """Return where the script is."""
        return self.at(self._monotonic())

    def at(self, monotonic_s: float) -> float:
        """Return where the script is when the machine's monotonic clock shows `monotonic_s`."""
        return (monotonic_s - self._zero_s) * self.scale

    def real_s_until(self, at_s: float) -> float:
        """Return how many real seconds are left until the script is at `at_s`; none when that has passed."""
        return max(0.0, (at_s - self.now()) / self.scale)

    def jump(self, to_s: float) -> None:
        """Go on from `to_s`, which must not have passed."""
        if to_s < self.now():
            raise ValueError(f"the script is at {self.now():.1f} s already; it cannot go back to {to_s:.1f} s")
        self._zero_s = self._monotonic() - to_s / self.scale


def scaled_reply(reply: Reply, scale: float) -> Reply:
    """Return `reply` with every TTL divided by `scale`, and the negative TTL of a SOA as well (RFC 2308 section 4)."""
    return replace(reply, answer=_scaled_rrsets(reply.answer, scale), authority=_scaled_rrsets(reply.authority, scale))


def scaled_settings(policy: Policy, scale: float) -> Mapping[str, float]:
    """Return the policy settings in which a time of the story stands, for a guard that runs `scale` times as fast.

    What waits for real packets stays as it is: the provisional verdict, probes, the client's patience.
    """
    return {
        "grace_s": policy.grace_s / scale,
        "hold_max_s": policy.hold_max_s / scale,
        "stale_max_s": policy.stale_max_s / scale,
        "steady_s": policy.steady_s / scale,
        "recheck_min_s": max(RECHECK_MIN_S, policy.recheck_min_s / scale),
        "recheck_max_s": max(RECHECK_MIN_S, policy.recheck_max_s / scale),
        "held_ttl_s": HELD_TTL_S,
        "negative_ttl_max_s": TTL_MIN_S,
    }


def _scaled_rrsets(rrsets: tuple[RRset, ...], scale: float) -> tuple[RRset, ...]:
    return tuple(
        replace(
            rrset,
            ttl_s=_scaled_ttl_s(rrset.ttl_s, scale),
            rdatas=tuple(_scaled_soa(rdata, scale) for rdata in rrset.rdatas)
            if rrset.rtype == RRType.SOA
            else rrset.rdatas,
        )
        for rrset in rrsets
    )


def _scaled_soa(rdata: bytes, scale: float) -> bytes:
    """Return SOA data with its last field, MINIMUM, divided (RFC 1035 section 3.3.13)."""
    minimum_s = int.from_bytes(rdata[-4:], "big")
    return rdata[:-4] + _scaled_ttl_s(minimum_s, scale).to_bytes(4, "big")


def _scaled_ttl_s(ttl_s: int, scale: float) -> int:
    return max(TTL_MIN_S, int(ttl_s / scale)) if ttl_s else 0
