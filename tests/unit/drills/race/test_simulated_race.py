"""The race in virtual time: the original design loses it by the incident's schedule and others, ours by none."""

import asyncio
import json
from collections.abc import Collection

import pytest

from standfast.drills.account import duration
from standfast.drills.errors import DrillError
from standfast.drills.race import simulated
from standfast.drills.race.simulated import play_at_random, play_incident, run_simulated
from standfast.drills.race.story import ENDS_AT_S, ORIGINAL, OURS
from standfast.drills.race.virtual import run_virtually
from standfast.drills.report import render

LOST = ("1/69", "1/72", "1/77")  # schedules that the original loses


class NobodyIsHeldUp:
    async def before_write(self, who: str, generation: int) -> None:
        pass

    def after_write(self, who: str, generation: int) -> None:
        pass

    async def before_clean_up(self, who: str, plan: int, goes: Collection[int]) -> None:
        pass


def test_the_original_design_empties_the_name_and_nothing_repairs_it() -> None:
    played = play_incident(ORIGINAL, seed="1")
    assert played.is_empty_at_the_end
    assert [told.step for told in played.told] == [1, 2, 3, 4, 5, 6]
    assert "points the name back from plan 8 to plan 2" in played.told[3].text
    assert "deletes plan 2, which the name stands on" in played.told[4].text
    assert "refuses" in played.told[5].text


def test_ours_goes_through_the_same_and_always_has_addresses() -> None:
    played = play_incident(OURS, seed="1")
    assert played.empty_s == 0
    assert [told.step for told in played.told] == [1, 2, 3, 4, 5, 6]
    assert "the server refuses the write of enactor A as a whole" in played.told[3].text
    assert "forgets plan 2" in played.told[4].text


@pytest.mark.parametrize("design", [ORIGINAL, OURS])
def test_the_rival_is_a_fair_one_while_nobody_is_held_up_no_design_empties_anything(design: str) -> None:
    played = simulated.play(design, lambda _: NobodyIsHeldUp(), seed="1")
    assert played.empty_s == 0
    assert design == OURS or not played.told  # ours tells of writes that were refused, which are part of its day


@pytest.mark.parametrize("seed", LOST)
def test_schedules_that_the_original_loses_are_harmless_to_ours(seed: str) -> None:
    assert play_at_random(ORIGINAL, seed=seed).is_empty_at_the_end
    assert play_at_random(OURS, seed=seed).empty_s == 0


def test_one_seed_gives_one_race() -> None:
    for design in (ORIGINAL, OURS):
        assert play_at_random(design, seed="7/1") == play_at_random(design, seed="7/1")


def test_its_account_says_in_how_many_schedules_and_is_passed() -> None:
    account = run_simulated(seed="1", schedules=3)
    assert account.passed
    original, ours = account.contestants
    assert original.total.outage_s == pytest.approx(ENDS_AT_S / 2, abs=5)
    assert (ours.total.outage_s, ours.total.bad_lookups) == (0, 0)
    steps, others = account.grids
    assert [row[0][:1] for row in steps.rows[1:]] == ["1", "2", "3", "4", "5", "6"]
    assert others.rows[0][0].startswith("of 3 schedules")
    assert others.rows[1][2] == "0"
    assert json.loads(json.dumps(account.to_json()))["grids"][0]["title"] == "Step by step"
    page = render(account)
    assert "points the name back from plan 8 to plan 2" in page
    assert duration(original.total.outage_s) in page


def test_ours_being_empty_once_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "play_at_random", lambda design, seed: play_incident(ORIGINAL, seed=seed))
    account = run_simulated(seed="1", schedules=1)
    assert not account.passed
    assert account.failures == ("the name was empty in 1 of 1 schedules",)


def test_hours_of_virtual_time_take_none() -> None:
    async def hours() -> float:
        began_s = asyncio.get_running_loop().time()
        await asyncio.sleep(10 * 3600)
        return asyncio.get_running_loop().time() - began_s

    assert run_virtually(hours()) == pytest.approx(10 * 3600)


def test_a_wait_for_nobody_is_told_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("standfast.drills.race.virtual.OUTSIDE_MAX_S", 0.05)

    async def nobody() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DrillError, match="everybody waits for somebody else"):
        run_virtually(nobody())
