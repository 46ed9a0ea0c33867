"""Held answers are given again without asking, but not for a moment longer than the verdict behind them stands."""

from collections.abc import Callable

import pytest

from guard_world import World, a, codes, shown
from standfast.dns.codec import decode_incoming, decode_query, encode_outbound, encode_response
from standfast.dns.exchange import Heard, Outbound
from standfast.dns.model import Ede, Query, Question, RRType
from standfast.dns.prepared import PreparedAnswers
from standfast.guard.events import Respond
from standfast.guard.losses import ENTRY_WORTH_S

DB = "db.example.org."
QUESTION = Question(DB, RRType.A)
OURS = ("192.0.2.1", "192.0.2.2")
ASKED = Outbound(id=1, question=QUESTION, cased_qname=DB)
WIRE = encode_outbound(ASKED)


class Prepared:
    """A guard that holds a name, and the answer that was prepared when a client asked for it."""

    def __init__(self) -> None:
        self.world = World()
        self.world.serve(a(DB, *OURS, ttl_s=5))
        for _ in range(2):
            self.world.look_up(DB)
            self.world.run(60)
        self.world.lose(DB)
        self.world.look_up(DB)
        self.answers = PreparedAnswers()
        self.ask()

    def ask(self) -> None:
        """Let a client ask, and keep what it gets as the shell does."""
        query = decode_query(WIRE)
        assert isinstance(query, Query)
        actions = self.world.core.on_query(self.world.now, "somebody", query)
        (respond,) = [action for action in actions if isinstance(action, Respond)]
        assert respond.entry is not None
        respond.entry.prepare(self.answers, WIRE, encode_response(query, respond.reply), self.world.now)
        self.world.carry_out([action for action in actions if action is not respond])

    def given(self) -> Heard | None:
        """What a client would be given now, without anybody being asked."""
        octets = self.answers.get(WIRE, self.world.now)
        if octets is None:
            return None
        heard = decode_incoming(octets, ASKED)
        assert isinstance(heard, Heard)
        return heard


def test_a_held_answer_is_given_again_without_asking() -> None:
    held = Prepared()
    given = held.given()
    assert given is not None
    assert (shown(given.reply), codes(given.reply)) == (OURS, [Ede.STALE_ANSWER])


def test_the_guard_hears_within_a_second_that_a_held_answer_is_wanted() -> None:
    held = Prepared()
    held.world.now += ENTRY_WORTH_S
    assert held.given() is None


@pytest.mark.parametrize(
    "end",
    [
        lambda world: world.core.switch(world.now, enabled=False),
        lambda world: world.core.release(world.now, QUESTION),
        lambda world: world.core.hold(world.now, QUESTION, until_s=world.now + 60),
    ],
    ids=["switched off", "released", "held by an operator"],
)
def test_an_operators_word_ends_what_is_given_at_once(end: Callable[[World], object]) -> None:
    held = Prepared()
    assert held.given() is not None
    end(held.world)
    assert held.given() is None


def test_a_new_verdict_ends_what_is_given_at_once() -> None:
    held = Prepared()
    while held.given() is not None:
        before = held.world.rules(DB)
        held.world.run(ENTRY_WORTH_S / 100)
        if held.world.rules(DB) != before:
            assert held.given() is None
            return
        held.ask()
    pytest.fail("the evidence was awaited, but no verdict followed")


def test_a_name_that_is_back_is_given_fresh_at_once() -> None:
    held = Prepared()
    held.world.serve(a(DB, *OURS, ttl_s=5))
    while DB in {question.qname for question in held.world.core.losses.questions()}:
        held.ask()
        assert held.given() is not None
        held.world.run(ENTRY_WORTH_S / 2)
    assert held.given() is None
