"""What the drill's clients report, and what their canary counts as a wrong read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.drills.live.calls import Call
from standfast.drills.live.workload import Canary, WrongItem

texts = st.text(max_size=300)
calls = st.builds(
    Call,
    at_s=st.integers(0, 10**10).map(lambda ticks: ticks / 10_000),
    name=texts,
    call=st.sampled_from(["PutItem", "GetItem", "GET"]),
    ok=st.booleans(),
    error=st.none() | texts,
    address=st.none() | st.ip_addresses(v=4).map(str),
    took_ms=st.integers(0, 10**6),
)


@given(calls)
def test_a_call_is_read_as_it_is_written_and_is_one_line(call: Call) -> None:
    line = call.to_line()
    assert Call.from_line(line) == call
    assert len(line.splitlines()) == 1


class Table:
    """A table of one item in memory, whose next put can get lost on its way there or back."""

    def __init__(self) -> None:
        self.item: dict[str, Any] | None = None
        self.lost: str | None = None

    def put_item(self, *, Item: dict[str, Any], **_: object) -> None:  # noqa: N803  as DynamoDB names it
        lost, self.lost = self.lost, None
        if lost != "request":
            self.item = Item
        if lost is not None:
            raise TimeoutError

    def get_item(self, **_: object) -> dict[str, Any]:
        return {} if self.item is None else {"Item": self.item}


def test_the_canary_puts_and_gets_in_turn() -> None:
    canary = Canary(client=Table(), key="canary")
    names = []
    for _ in range(4):
        name, call = canary.next_call()
        names.append(name)
        call()
    assert names == ["PutItem", "GetItem", "PutItem", "GetItem"]


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_put_of_unknown_outcome_may_be_read_or_not(lost: str) -> None:
    table = Table()
    canary = Canary(client=table, key="canary")
    canary.put()
    table.lost = lost
    with pytest.raises(TimeoutError):
        canary.put()
    canary.get()


def test_the_canary_notices_a_write_that_was_lost_or_forgotten() -> None:
    table = Table()
    canary = Canary(client=table, key="canary")
    canary.put()
    first = table.item
    canary.put()
    table.item = first
    with pytest.raises(WrongItem, match="read 1, and had put 2 to 2"):
        canary.get()
    table.item = None
    with pytest.raises(WrongItem, match="read 0"):
        canary.get()
