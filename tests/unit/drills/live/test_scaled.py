"""What a scale does to times: the clock, TTLs, the guard's settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.codec import rrset_from_text
from standfast.dns.model import Rcode, Reply, RRset, RRType
from standfast.drills.live.scaled import ScaledClock, scaled_reply, scaled_settings
from standfast.guard.policy import DEFAULTS, PolicyTable


class Machine:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def soa_minimum_s(rrset: RRset) -> int:
    return int.from_bytes(rrset.rdatas[0][-4:], "big")


def test_the_clock_goes_as_much_faster_as_its_scale_says() -> None:
    machine = Machine()
    clock = ScaledClock(152.0, at_s=-500.0, monotonic=machine)
    assert clock.now() == pytest.approx(-500.0)
    machine.now += 10.0
    assert clock.now() == pytest.approx(1020.0)
    assert clock.at(1005.0) == pytest.approx(260.0)
    assert clock.real_s_until(1172.0) == pytest.approx(1.0)
    assert clock.real_s_until(0.0) == 0.0


def test_a_jump_goes_ahead_and_never_back() -> None:
    machine = Machine()
    clock = ScaledClock(10.0, at_s=-500.0, monotonic=machine)
    clock.jump(0.0)
    machine.now += 3.0
    assert clock.now() == pytest.approx(30.0)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.jump(29.0)


@given(ttl_s=st.integers(0, 604_800), scale=st.floats(1.0, 2000.0))
def test_a_scaled_ttl_never_outlives_the_story_but_for_the_second_that_a_cache_needs(ttl_s: int, scale: float) -> None:
    reply = Reply(rcode=Rcode.NOERROR, answer=(rrset_from_text("example.org.", RRType.A, ttl_s, ["192.0.2.1"]),))
    (scaled,) = scaled_reply(reply, scale).answer
    assert scaled.ttl_s <= max(ttl_s / scale, 1.0)
    assert (scaled.ttl_s == 0) == (ttl_s == 0)
    assert scaled.rdatas == reply.answer[0].rdatas


def test_the_negative_ttl_of_a_zone_is_scaled_with_that_of_its_soa() -> None:
    text = "ns1.example.org. hostmaster.example.org. 1 3600 600 604800 900"
    reply = Reply(rcode=Rcode.NXDOMAIN, authority=(rrset_from_text("example.org.", RRType.SOA, 900, [text]),))
    (soa,) = scaled_reply(reply, 150.0).authority
    assert (soa.ttl_s, soa_minimum_s(soa)) == (6, 6)


def test_at_scale_one_nothing_changes() -> None:
    text = "ns1.example.org. hostmaster.example.org. 1 3600 600 604800 900"
    reply = Reply(
        rcode=Rcode.NOERROR,
        answer=(rrset_from_text("example.org.", RRType.A, 60, ["192.0.2.1"]),),
        authority=(rrset_from_text("example.org.", RRType.SOA, 900, [text]),),
    )
    assert scaled_reply(reply, 1.0) == reply


def test_the_guards_own_times_shrink_with_the_story_but_never_below_what_a_cache_can_keep() -> None:
    settings = scaled_settings(DEFAULTS, 150.0)
    assert settings["grace_s"] == 6.0
    assert settings["hold_max_s"] == 576.0
    assert settings["recheck_max_s"] == 2.0
    assert settings["recheck_min_s"] == settings["held_ttl_s"] == settings["negative_ttl_max_s"] == 1


def test_scaled_settings_are_settings_of_a_policy() -> None:
    PolicyTable([("example.org.", scaled_settings(DEFAULTS, 150.0))])
