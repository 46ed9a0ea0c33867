"""What operators see and do: hold, release, switch, status, names, explain."""

import json
from typing import Any

import pytest

from guard_world import UPSTREAM, World, a, shown
from standfast.dns.model import Question, RRType
from standfast.evidence.model import Identity, ProbeSpec
from standfast.guard import operators
from standfast.guard.policy import Mode

DB = "db.example.org."
KEY = Question(DB, RRType.A)
OURS = ("192.0.2.1", "192.0.2.2")
NO_PROBE = {".": {"probe": ProbeSpec(kind="none"), "grace_s": 60, "hold_max_s": 7200}}


def well(world: World, qname: str = DB, *addresses: str) -> None:
    world.serve(a(qname, *(addresses or OURS), ttl_s=5))
    for _ in range(2):
        world.look_up(qname)
        world.run(60)


def hold(world: World, qtype: RRType | None = None, qname: str = DB) -> operators.JsonObject:
    operated = operators.hold(world.core, world.now, qname, qtype)
    world.carry_out(operated.actions)
    return operated.answer


def release(world: World, qtype: RRType | None = None, qname: str = DB) -> operators.JsonObject:
    operated = operators.release(world.core, world.now, qname, qtype)
    world.carry_out(operated.actions)
    return operated.answer


def explain(world: World, qname: str = DB, qtype: RRType = RRType.A) -> dict[str, Any]:
    return operators.explain(world.core, world.now, Question(qname, qtype))


# Hold


def test_a_hold_keeps_a_name_beyond_its_grace_until_its_time_is_over() -> None:
    world = World(policy=NO_PROBE)
    well(world)
    world.lose(DB)
    world.look_up(DB)
    hold_s = world.now
    hold(world)
    while world.now < hold_s + 7100:
        assert shown(world.look_up(DB)) == OURS
        world.run(100)
    assert world.rules(DB)[-1] == "operator.hold"
    world.run(hold_s + 7201 - world.now)
    assert shown(world.look_up(DB)) == ()


def test_a_hold_brings_back_a_name_that_was_given_up() -> None:
    world = World(policy=NO_PROBE)
    well(world)
    world.lose(DB)
    world.look_up(DB)
    world.run(61)
    assert shown(world.look_up(DB)) == ()
    answer = hold(world)
    assert answer["questions"] == [f"{DB} A"]
    assert shown(world.look_up(DB)) == OURS


def test_a_hold_in_advance_outlives_good_answers_and_restarts() -> None:
    world = World(policy=NO_PROBE)
    well(world)
    hold(world)
    world.look_up(DB)
    world.run(60)
    world.restart(after_s=60)
    world.look_up(DB)
    world.run(60)
    world.lose(DB)
    world.look_up(DB)
    world.run(1800)
    assert shown(world.look_up(DB)) == OURS


def test_a_hold_does_not_hold_against_a_good_answer() -> None:
    world = World(policy=NO_PROBE)
    well(world)
    hold(world)
    world.serve(a(DB, "192.0.2.9", ttl_s=5))
    assert shown(world.look_up(DB)) == ("192.0.2.9",)


def test_a_hold_of_what_is_not_known_says_so_and_does_nothing() -> None:
    world = World()
    assert hold(world)["questions"] == []
    assert world.records == []


# Release


def test_a_release_is_obeyed_at_once_and_recorded() -> None:
    world = World()
    well(world)
    world.lose(DB)
    assert shown(world.look_up(DB)) == OURS
    assert release(world)["questions"] == [f"{DB} A"]
    assert shown(world.look_up(DB)) == ()
    assert [record.body for record in world.records if record.kind == "command"] == [
        {"command": "release", "qname": DB, "questions": [f"{DB} A"]}
    ]
    assert explain(world)["answer_why"] == "the known-good answer was given up"


def test_a_release_ends_an_operators_hold() -> None:
    world = World(policy=NO_PROBE)
    well(world)
    hold(world)
    world.lose(DB)
    assert shown(world.look_up(DB)) == OURS
    release(world)
    assert shown(world.look_up(DB)) == ()


def test_a_release_of_one_type_leaves_the_others() -> None:
    world = World()
    well(world)
    world.serve(a(DB, "2001:db8::1", ttl_s=5))
    world.look_up(DB, RRType.AAAA)
    world.run(60)
    world.lose(DB)
    world.lose(DB, RRType.AAAA)
    release(world, RRType.AAAA)
    assert shown(world.look_up(DB)) == OURS
    assert shown(world.look_up(DB, RRType.AAAA)) == ()
    assert release(world)["questions"] == [f"{DB} A", f"{DB} AAAA"]


def test_a_release_drops_what_is_cached() -> None:
    world = World()
    world.serve(a(DB, *OURS, ttl_s=3600))
    world.look_up(DB)
    world.lose(DB)
    release(world)
    assert shown(world.look_up(DB)) == ()


# Switch


def test_off_the_guard_judges_and_records_and_obeys() -> None:
    world = World()
    well(world)
    world.carry_out(operators.switch(world.core, world.now, enabled=False).actions)
    world.lose(DB)
    assert shown(world.look_up(DB)) == ()
    world.run(10)
    assert world.rules(DB) == ["negative.pending", "negative.proven"]
    assert [record.body["served"] for record in world.records if record.kind == "verdict"] == ["outcome", "outcome"]
    world.carry_out(operators.switch(world.core, world.now, enabled=True).actions)
    assert shown(world.look_up(DB)) == OURS


def test_off_the_guard_does_not_answer_for_a_silent_upstream() -> None:
    world = World(enabled=False)
    well(world)
    world.down[UPSTREAM] = None
    client = world.query(DB)
    world.run(5)
    assert shown(client.reply) == ()


def test_the_switch_outlives_a_restart() -> None:
    world = World()
    well(world)
    world.carry_out(operators.switch(world.core, world.now, enabled=False).actions)
    world.restart()
    assert not world.core.enabled


# Words


def test_status_counts_what_is_there() -> None:
    world = World()
    well(world)
    world.lose(DB)
    world.look_up(DB)
    world.run(1)
    status = operators.status(world.core, world.now)
    assert (status["queries"], status["known_good"], status["lost"], status["held"]) == (3, 1, 1, 1)
    assert status["verdicts"] == {"fresh/none": 2, "hold/mistake": 2, "hold/unknown": 1}
    assert status["upstreams"] == [
        {
            "server": str(UPSTREAM),
            "rtt_us": 10_000,
            "failures": 0,
            "failure": "",
            "down": False,
            "keeps_case": True,
            "edns": True,
        }
    ]


def test_names_lists_the_lost_ones_first() -> None:
    world = World()
    well(world, "a.example.org.")
    well(world, "b.example.org.")
    world.lose("b.example.org.")
    world.look_up("b.example.org.")
    listed = operators.names(world.core, held=False)
    assert [(each["qname"], each["verdict"]) for each in listed] == [
        ("b.example.org.", "hold/unknown"),
        ("a.example.org.", None),
    ]
    assert [each["qname"] for each in operators.names(world.core, held=True)] == ["b.example.org."]
    assert len(operators.names(world.core, held=False, limit=1)) == 1


@pytest.mark.parametrize("mode", list(Mode))
def test_explain_says_what_would_be_answered_and_why(mode: Mode) -> None:
    world = World(policy={".": {"mode": mode}})
    well(world)
    assert explain(world)["answer_why"] == "the name is not lost"
    world.lose(DB)
    reply = world.look_up(DB)
    told = explain(world)
    assert (told["answer_now"] == "the known-good answer") == bool(shown(reply)) == (mode is Mode.HOLD)


def test_everything_that_is_told_can_be_written_as_json() -> None:
    world = World()
    well(world)
    world.identity[OURS[0]] = Identity.ABSENT
    world.lose(DB)
    world.look_up(DB)
    hold(world)
    world.run(20)
    told = [explain(world), operators.status(world.core, world.now), *operators.names(world.core, held=False)]
    told += [dict(record.body) for record in world.records]
    assert json.loads(json.dumps(told)) == told
