"""The fence: read as it was written, never from anything else, and never out of order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.control.fence import Fence, fence_in, fence_name, fence_rrset, read_fence
from standfast.dns.model import RRset, RRType

FENCES = st.builds(
    Fence,
    generation=st.integers(1, 10**15 - 1),
    step=st.integers(1, 10**9 - 1),
    done=st.booleans(),
    plan=st.text("0123456789abcdef", min_size=16, max_size=16),
    writer=st.from_regex(r"[a-zA-Z0-9._-]{1,64}", fullmatch=True),
)
FENCE = Fence(generation=42, step=3, done=True, plan="0123456789abcdef", writer="eu-1.7.12")


@given(FENCES)
def test_a_fence_is_read_as_it_was_written(fence: Fence) -> None:
    assert read_fence(str(fence)) == fence
    assert fence_in(fence_rrset("example.org.", fence)) == fence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "standfast=2 generation=1 step=1 state=done plan=0123456789abcdef writer=a",
        "standfast=1 generation=0 step=1 state=done plan=0123456789abcdef writer=a",
        "standfast=1 generation=01 step=1 state=done plan=0123456789abcdef writer=a",
        "standfast=1 generation=1 step=1 state=half plan=0123456789abcdef writer=a",
        "standfast=1 generation=1 step=1 state=done plan=0123456789abcdef writer=a b",
        str(FENCE) + "\n",
    ],
)
def test_any_other_text_is_no_fence(text: str) -> None:
    assert read_fence(text) is None


def test_a_fence_beside_another_record_is_none() -> None:
    (rdata,) = fence_rrset("example.org.", FENCE).rdatas
    two = RRset(owner=fence_name("example.org."), rtype=RRType.TXT, ttl_s=60, rdatas=(rdata, b"\x01a"))
    split = RRset(owner=fence_name("example.org."), rtype=RRType.TXT, ttl_s=60, rdatas=(rdata + b"\x01a",))
    assert fence_in(two) is None
    assert fence_in(split) is None
    assert fence_in(None) is None


@given(FENCES, FENCES)
def test_of_two_fences_the_later_generation_comes_later_whatever_its_step(one: Fence, other: Fence) -> None:
    if one.generation < other.generation:
        assert one.order < other.order
