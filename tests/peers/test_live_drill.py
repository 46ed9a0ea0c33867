"""The live drill as a whole: real boto3, ministack, rivals and guard, a story hundreds of times as fast as life."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from standfast.drills.account import Account
from standfast.drills.errors import DrillError
from standfast.drills.live import rivals, run
from standfast.drills.live.process import PartFailed
from standfast.drills.live.run import run_live
from standfast.drills.live.screen import show_account
from standfast.drills.scenario import Scenario, find
from standfast.guard.policy import Mode

pytestmark = pytest.mark.peers

SCALE = 600.0  # the 3 h 14 min of the drill in 20 s
UNHURRIED = 300.0  # where a verdict has to come in what is left of the story after the repair, however busy the machine
TTL_COST_S = 2 * SCALE + 200  # a cache's whole second, twice, and the pace of the calls
OUTAGE_S = (2 * 60 + 52) * 60  # 23:48 to 02:40
TIMEOUT_S = 180.0
POLL_S = 0.05


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder below which drills make theirs: a short path, as that of a Unix socket must be."""
    made = Path(tempfile.mkdtemp(prefix="sf-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def no_rivals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let neither Unbound nor dnsmasq be found."""
    monkeypatch.setattr(rivals, "SBIN", ())
    monkeypatch.setenv("PATH", "/nowhere")


def processes_in(folder: Path) -> dict[int, str]:
    """Return the command lines, by id, of the processes whose working directory lies in `folder`."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:  # ended in the meantime, or not ours to look at
            continue
    return found


def nothing_is_left(folder: Path) -> bool:
    return not processes_in(folder) and not list(folder.iterdir())


def play(scenario: Scenario, *, scale: float = SCALE) -> Account:
    async def within_time() -> Account:
        async with asyncio.timeout(TIMEOUT_S):
            return await run_live(scenario, scale=scale)

    return asyncio.run(within_time())


def test_the_guard_lives_through_the_outage_of_us_east_1_and_whoever_obeys_does_not(folder: Path) -> None:
    report = folder / "report.html"
    command = [sys.executable, "-m", "standfast.cli.main", "drill", "run", "us-east-1"]
    done = subprocess.run(
        [*command, "--scale", f"{UNHURRIED:g}", "--json", "--report", report],
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (said["passed"], said["failures"], said["mode"]) == (True, [], "live")

    contestants = {contestant["name"]: contestant for contestant in said["contestants"]}
    titles = ["DynamoDB", "api.doorbell.example", "chat.messenger.example"]
    for name, contestant in contestants.items():
        assert [each["lane"]["title"] for each in contestant["suffered"]] == titles
        for each in contestant["suffered"]:
            score = each["score"]
            assert score["wrong_hold_s"] == score["attack_s"] == 0
            if name == "guard":
                assert score["outage_s"] == score["bad_lookups"] == 0
                assert score["lookups"] > 20
            else:
                assert score["outage_s"] == pytest.approx(OUTAGE_S, abs=TTL_COST_S)
                assert any("No address associated with hostname" in error for error in each["errors"])
    assert {"plain forwarding", "guard"} <= set(contestants)
    assert set(contestants) | {absent["name"] for absent in said["absent"]} >= {"unbound", "dnsmasq"}

    verdicts = [(decision["action"], decision["cause"]) for decision in said["decisions"]]
    assert verdicts[-2:] == [("hold", "mistake"), ("fresh", "none")]
    assert any("identity proven" in sentence for sentence in said["decisions"][-2]["evidence"])
    assert "records of the guard's ledger are whole" in said["ledger"]

    assert "23:48:00  the record is emptied" in done.stderr
    assert "\x1b" not in done.stderr
    assert "<svg" in report.read_text()
    report.unlink()
    assert nothing_is_left(folder)


@pytest.mark.usefixtures("no_rivals")
def test_a_name_that_is_deleted_is_held_as_well_and_absent_rivals_are_told_with_what_would_bring_them(
    folder: Path,
) -> None:
    account = play(find("us-east-1-nxdomain"))
    assert account.passed, account.failures
    plain, guard = account.contestants
    assert (plain.name, guard.name) == ("plain forwarding", "guard")
    assert plain.suffered[0].score.outage_s == pytest.approx(OUTAGE_S, abs=TTL_COST_S)
    assert guard.total.bad_lookups == 0
    assert {absent.name: absent.install for absent in account.absent} == {
        "unbound": "sudo apt-get install unbound",
        "dnsmasq": "sudo apt-get install dnsmasq-base",
    }
    assert any("NXDOMAIN" in decision.reason for decision in account.decisions)
    assert nothing_is_left(folder)


@pytest.mark.usefixtures("no_rivals")
def test_a_guard_that_does_not_hold_fails_the_drill_with_its_seconds(folder: Path) -> None:
    scenario = find("us-east-1")
    obeying = replace(scenario, script=replace(scenario.script, policies=((".", {"mode": Mode.OBSERVE}),)))
    account = play(obeying)
    assert not account.passed
    assert any(failure.startswith("after: seconds of outage through the guard: ") for failure in account.failures)
    guard = next(contestant for contestant in account.contestants if contestant.name == "guard")
    assert guard.suffered[0].score.outage_s == pytest.approx(OUTAGE_S, abs=TTL_COST_S)
    shown = StringIO()
    show_account(Console(file=shown), account)
    assert "FAILED:" in shown.getvalue()
    assert nothing_is_left(folder)


async def until(ready: Callable[[], object]) -> None:
    while not ready():
        await asyncio.sleep(POLL_S)


@pytest.mark.usefixtures("no_rivals")
@pytest.mark.parametrize("part", ["guard", "ministack", "clients-plain"])
def test_a_part_that_dies_ends_the_drill_and_is_named_and_nothing_is_left(folder: Path, part: str) -> None:
    marks = {"guard": "standfast.cli.main up", "ministack": "-m ministack", "clients-plain": "--way=plain"}

    def victims() -> list[int]:
        return [pid for pid, command in processes_in(folder).items() if marks[part] in command]

    async def dies() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            shown = StringIO()
            drill = asyncio.create_task(run_live(find("us-east-1"), scale=SCALE, console=Console(file=shown)))
            await until(lambda: "warming up" in shown.getvalue() or drill.done())
            os.kill(victims()[0], signal.SIGKILL)
            await drill

    with pytest.raises(PartFailed, match=rf"^{part} ended with status -9"):
        asyncio.run(dies())
    assert nothing_is_left(folder)


@pytest.mark.usefixtures("no_rivals")
@pytest.mark.parametrize("said", ["starting a DynamoDB service", "starting the clients", "warming up", "PDT"])
def test_a_drill_that_is_interrupted_leaves_nothing(folder: Path, said: str) -> None:
    async def interrupted() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            shown = StringIO()
            drill = asyncio.create_task(run_live(find("us-east-1"), scale=SCALE, console=Console(file=shown)))
            await until(lambda: said in shown.getvalue())
            drill.cancel()
            await drill

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert nothing_is_left(folder)


@pytest.mark.usefixtures("no_rivals")
def test_a_drill_whose_guard_cannot_prove_anything_says_so_and_does_not_begin(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WARM_UP_TIMEOUT_S", 5.0)
    scenario = find("us-east-1")
    blind = replace(scenario, script=replace(scenario.script, policies=((".", {"mode": Mode.OFF}),)))
    began_s = time.monotonic()
    with pytest.raises(DrillError, match=r"not all was well after 5 s of warm-up: the guard does not know the names"):
        play(blind)
    assert time.monotonic() - began_s < TIMEOUT_S
    assert nothing_is_left(folder)


def test_without_its_packages_the_drill_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PACKAGES_NEEDED", ("boto3", "not_there_at_all"))
    with pytest.raises(
        DrillError, match=r"needs not_there_at_all, which is not installed: pip install 'standfast\[drill\]'"
    ):
        play(find("us-east-1"))
