"""The race on loopback: real name servers, real updates, real guards and clients, and both designs at once."""

import asyncio
from io import StringIO

import pytest
from rich.console import Console

from standfast.drills.account import Account
from standfast.drills.live.screen import show_account
from standfast.drills.race.live import run_race
from standfast.drills.race.story import ENDS_AT_S

pytestmark = pytest.mark.peers

SCALE = 15.0  # the story in 14 s: enactor A has to write before half of the plans are made, however busy the machine
TIMEOUT_S = 180.0


def test_only_the_clients_of_the_original_without_a_guard_are_out() -> None:
    async def within_time() -> Account:
        async with asyncio.timeout(TIMEOUT_S):
            return await run_race(scale=SCALE, console=Console(file=said))

    said = StringIO()
    account = asyncio.run(within_time())
    assert account.passed, account.failures
    outages = {contestant.name: contestant.total.outage_s for contestant in account.contestants}
    assert outages.pop("original") > ENDS_AT_S / 4
    assert set(outages.values()) == {0.0}
    assert all(contestant.total.lookups > 5 for contestant in account.contestants)
    steps, outage = account.grids
    assert all("-" not in (original, ours) for _, original, ours in steps.rows[1:])
    assert [row[2] for row in outage.rows[1:]] == ["0 s", "0 s"]
    assert "the original design: enactor A gets the lock" in said.getvalue()
    shown = StringIO()
    show_account(Console(file=shown, width=200), account)
    assert "PASSED" in shown.getvalue()
