"""One script, one seed, one trace; and the guard, its rivals and its clients in it."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from standfast.dns.model import Question, RRType
from standfast.guard.policy import Mode
from standfast.sim import plots
from standfast.sim.events import EmptyRecord, Note, RestoreRecord, Timed
from standfast.sim.plots import NAME, SERVERS, ZONE
from standfast.sim.scoring import Kind
from standfast.sim.script import Script
from standfast.sim.simulation import CONTESTANTS, GUARD, Observation, Result, Simulation
from standfast.sim.trace import Trace
from standfast.sim.world import NameSpec
from standfast.sim.worlds import make_script

A = Question(NAME, RRType.A)
OF_A_SEED = """
from standfast.sim.simulation import Simulation
from standfast.sim.trace import Trace
from standfast.sim.worlds import make_script

for seed in ("1/0", "1/5", "1/7"):
    script = make_script(seed)
    trace = Trace(start_s=script.starts_at_s)
    Simulation(script, trace=trace).run()
    print(trace.digest())
"""


def digest(script: Script) -> str:
    trace = Trace(start_s=script.starts_at_s)
    Simulation(script, trace=trace).run()
    return trace.digest()


def observed(script: Script) -> tuple[Result, list[Observation]]:
    seen: list[Observation] = []
    return Simulation(script, watch=seen.append).run(), seen


def test_one_seed_gives_one_trace() -> None:
    for number in range(10):
        seed = f"trace/{number}"
        assert digest(make_script(seed)) == digest(make_script(seed))


def test_another_seed_gives_another_trace() -> None:
    script = plots.lost()
    assert digest(script) != digest(replace(script, seed="another"))


def test_one_seed_gives_one_trace_in_another_process_with_another_hash_seed() -> None:
    traces = {
        subprocess.run(
            [sys.executable, "-c", OF_A_SEED],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert len(traces) == 1


def test_a_name_lost_by_mistake_is_held_by_the_guard_and_lost_by_whoever_obeys() -> None:
    result, _ = observed(plots.lost())
    assert result.broken == ()
    assert result.total(GUARD).outage_s == 0
    assert result.total("obey").outage_s >= 3600
    assert result.total("rfc8767").outage_s >= 3600
    assert result.total("prefer_positive").outage_s == 0


def test_all_contestants_are_asked_at_the_same_times() -> None:
    _, seen = observed(plots.lost())
    asked = {name: [each.asked_at_s for each in seen if each.contestant == name] for name in CONTESTANTS}
    assert asked[GUARD]
    assert all(times == asked[GUARD] for times in asked.values())


def test_a_restart_in_the_middle_of_an_outage_forgets_nothing_that_matters() -> None:
    result, _ = observed(plots.restarted())
    assert result.broken == ()
    assert result.total(GUARD).outage_s == 0
    assert result.total("prefer_positive").outage_s > 800


def test_a_service_is_out_while_a_name_that_it_needs_is() -> None:
    shop = NameSpec(name=f"shop.{ZONE}", zone=ZONE, addresses=("198.51.100.7",), needs=(NAME,))
    base = plots.lost()
    result, seen = observed(replace(base, names=(shop, *base.names)))
    out = result.scores["obey"][A].outage_s
    assert out >= 3600
    assert result.scores["obey"][Question(shop.name, RRType.A)].outage_s == out
    assert any(each.for_want for each in seen)
    assert result.total(GUARD).outage_s == 0


def test_messages_may_go_through_the_wire_format_and_nothing_else_changes() -> None:
    for script in (plots.lost(), plots.removed(), plots.hijack()):
        plain, _ = observed(script)
        wired, _ = observed(replace(script, on_the_wire=True))
        assert wired.broken == plain.broken == ()
        for of in ("outage_s", "wrong_hold_s", "attack_s"):
            assert getattr(wired.total(GUARD), of) == pytest.approx(getattr(plain.total(GUARD), of), abs=30)


def test_a_script_may_be_played_step_by_step() -> None:
    script = replace(plots.lost(), timeline=())
    simulation = Simulation(script)
    simulation.advance(300)
    simulation.happen(EmptyRecord(name=NAME))
    simulation.advance(2000)
    seen, marks = simulation.ask_guard(A)
    assert seen.addresses == SERVERS
    assert not marks.bad
    simulation.advance(3900)
    simulation.happen(RestoreRecord(name=NAME))
    simulation.advance(script.ends_at_s)
    assert simulation.finish().total(GUARD) == observed(plots.lost())[0].total(GUARD)


def test_a_look_up_outside_the_scores_is_not_scored() -> None:
    simulation = Simulation(plots.lost())
    simulation.advance(100)
    before = simulation.scores()
    seen, _ = simulation.ask_guard(A)
    assert seen.kind is Kind.ADDRESSES
    assert simulation.scores()[GUARD][A].lookups == before[GUARD][A].lookups


def test_a_note_changes_nothing() -> None:
    script = plots.lost()
    noted = replace(script, timeline=(Timed(at_s=100.0, event=Note(text="all is well")), *script.timeline))
    assert observed(noted)[0].scores == observed(script)[0].scores


def test_a_guard_that_is_told_to_obey_obeys() -> None:
    script = replace(plots.lost(), policies=((ZONE, {"mode": Mode.OFF}),))
    result, _ = observed(script)
    assert result.broken == ()
    assert result.total(GUARD).outage_s >= 3600
