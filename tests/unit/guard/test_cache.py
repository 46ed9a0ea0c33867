"""What is prepared of a cache's entry: bounded for each keeper, and void with the entry wherever it is kept."""

from dataclasses import dataclass, field

from standfast.dns.model import Rcode, Reply
from standfast.guard.cache import PREPARED_EACH_MAX, Entry

REPLY = Reply(rcode=Rcode.NOERROR)


@dataclass(eq=False)
class Notes:
    """A keeper that notes what it keeps, by query."""

    kept: set[bytes] = field(default_factory=set)

    def put(
        self, query: bytes, answer: bytes, *, stored_at_s: float, expires_at_s: float, now: float
    ) -> "Noted | None":
        if query == b"not this one":
            return None
        self.kept.add(query)
        return Noted(self, query)


@dataclass(eq=False)
class Noted:
    notes: Notes
    query: bytes

    def void(self) -> None:
        self.notes.kept.discard(self.query)


def test_what_is_prepared_is_void_with_its_entry_at_every_keeper() -> None:
    keepers = [Notes(), Notes()]
    entry = Entry(REPLY, 0.0, 60.0)
    for keeper in keepers:
        for query in (b"a", b"b", b"not this one"):
            entry.prepare(keeper, query, b"", 1.0)
        assert keeper.kept == {b"a", b"b"}
    entry.void()
    assert [keeper.kept for keeper in keepers] == [set(), set()]


def test_each_keeper_has_its_own_bound_at_which_the_newest_stay() -> None:
    many, few = Notes(), Notes()
    entry = Entry(REPLY, 0.0, 60.0)
    entry.prepare(few, b"a", b"", 1.0)
    queries = [bytes((number,)) for number in range(3 * PREPARED_EACH_MAX)]
    for query in queries:
        entry.prepare(many, query, b"", 1.0)
    assert many.kept == set(queries[-PREPARED_EACH_MAX:])
    assert few.kept == {b"a"}
    entry.void()
    assert not many.kept
    assert not few.kept


def test_an_answer_that_its_keeper_forgot_can_always_be_prepared_again() -> None:
    keeper = Notes()
    entry = Entry(REPLY, 0.0, 60.0)
    for _ in range(3 * PREPARED_EACH_MAX):
        entry.prepare(keeper, b"a", b"", 1.0)
        assert keeper.kept == {b"a"}
        keeper.kept.clear()
