"""`standfast drill list|run|sim`: rehearse outages, live on loopback or in virtual time; needs no running guard."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from standfast.cli.common import json_option, print_json
from standfast.cli.exits import NEGATIVE
from standfast.cli.tables import console_for_output, print_facts, print_table
from standfast.drills.account import Account, duration
from standfast.drills.errors import DrillError
from standfast.drills.live.run import SCALE, run_live
from standfast.drills.live.screen import show_account
from standfast.drills.live.setting import set_on_loopback
from standfast.drills.race import telling as race
from standfast.drills.race.live import SCALE as RACE_SCALE
from standfast.drills.race.live import run_race
from standfast.drills.race.simulated import run_simulated
from standfast.drills.report import render
from standfast.drills.runner import run_in_simulation
from standfast.drills.scenario import Scenario, find, library
from standfast.sim.fleet import Fleet, retell, run_fleet
from standfast.sim.invariants import INVARIANTS
from standfast.sim.simulation import GUARD

WORLDS_MAX = 10_000_000
JOBS_MAX = 1024
BROKEN_SHOWN_MAX = 10
SCALE_MAX = 10_000.0  # the incident in a second; caches and probes, which keep their own time, cannot follow so far
REPORT_NAME = "drill-report.html"
RACE_MODES = ("live", "sim")


@click.group()
def drill() -> None:
    """Rehearse an outage.

    \b
    Examples:
      standfast drill list
      standfast drill run us-east-1
      standfast drill sim --worlds 1000 --seed 7
    """


@drill.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the drills that come with Standfast."""
    drills = [_described(scenario) for scenario in library().values()] + [_RACE]
    if as_json:
        print_json(drills)
        return
    rows = [(each["name"], ", ".join(each["modes"]), each["title"]) for each in drills]
    print_table(("DRILL", "RUNS", "WHAT HAPPENS"), rows)


def _complete(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    titles = {name: each.title for name, each in library().items()} | {race.NAME: race.TITLE}
    drills = [CompletionItem(name, help=title) for name, title in titles.items() if name.startswith(begun)]
    return drills or [CompletionItem(begun, type="file")]


@drill.command()
@click.argument("name", shell_complete=_complete)
@click.option(
    "--mode",
    type=click.Choice(["live", "sim"]),
    help="On loopback with real servers and clients, or in virtual time. By default as `drill list` has it first.",
)
@click.option("--seed", help="What decides by chance in virtual time; the drill has one of its own.")
@click.option(
    "--scale",
    type=click.FloatRange(1, SCALE_MAX),
    help=f"How many seconds of the story pass in a real one, live.  [default: {SCALE:g}; {RACE_SCALE:g} for race]",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Write an HTML page about it there. A live drill without --json writes {REPORT_NAME} anyway.",
)
@json_option
def run(name: str, mode: str | None, seed: str | None, scale: float | None, report: Path | None, as_json: bool) -> None:
    """Run the drill NAME, or the one in the file NAME.

    It ends with exit code 0 only if Standfast did all that the drill expects of it.

    \b
    Examples:
      standfast drill run us-east-1 --report report.html
      standfast drill run race
      standfast drill run hijack --json
      standfast drill run ./my-drill.json
    """
    scenario = None if name == race.NAME else _find(name)
    mode = mode or (_modes(scenario) if scenario else RACE_MODES)[0]
    if seed is not None and mode == "live":
        raise click.UsageError("--seed is for --mode sim: what is live has no seed")
    if scale is not None and mode == "sim":
        raise click.UsageError("--scale is for --mode live: virtual time is as fast as it can be")
    if mode == "live":
        console = Console(stderr=True)
        playing = (
            run_live(scenario, scale=scale or SCALE, console=console)
            if scenario
            else run_race(scale=scale or RACE_SCALE, console=console)
        )
        account = asyncio.run(playing)
        report = report or (None if as_json else Path(REPORT_NAME))
    else:
        account = run_in_simulation(scenario, seed=seed) if scenario else run_simulated(seed=seed)
    if as_json:
        print_json(account.to_json())
    else:
        show_account(console_for_output(), account)
    if report is not None:
        _write_report(account, report)
    if not account.passed:
        raise click.exceptions.Exit(NEGATIVE)


@drill.command()
@click.option("--worlds", type=click.IntRange(1, WORLDS_MAX), default=1000, show_default=True, help="How many.")
@click.option("--seed", default="1", show_default=True, help="Which; the same seed gives the same worlds anywhere.")
@click.option("--jobs", type=click.IntRange(1, JOBS_MAX), help="Processes; by default one for each core.")
@click.option("--world", help="Tell the story of this one world, as it is named where it broke something.")
@json_option
def sim(worlds: int, seed: str, jobs: int | None, world: str | None, as_json: bool) -> None:
    """Simulate random worlds, and score the guard and its rivals on them.

    In every world all invariants are checked; exit code 0 only if none was broken.

    \b
    Examples:
      standfast drill sim --worlds 10000 --seed 1
      standfast drill sim --world 1/4711
    """
    if world is not None:
        for line in retell(world):
            click.echo(line)
        return
    fleet = _run_fleet(worlds, seed, jobs)
    if as_json:
        print_json(_fleet_json(fleet, seed))
    else:
        _show_fleet(fleet)
    if fleet.broken_worlds:
        raise click.exceptions.Exit(NEGATIVE)


def _find(name: str) -> Scenario:
    try:
        return find(name)
    except DrillError as error:
        raise click.UsageError(str(error)) from error


def _write_report(account: Account, report: Path) -> None:
    try:
        report.write_text(render(account), encoding="utf-8")
    except OSError as error:
        raise DrillError(account.drill, f"the report cannot be written to {report}: {error.strerror}") from error
    click.echo(f"The report is in {report}", err=True)


def _run_fleet(worlds: int, seed: str, jobs: int | None) -> Fleet:
    columns = (TextColumn("worlds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("worlds", total=worlds)
        return run_fleet(worlds, seed, jobs=jobs, on_progress=lambda done: progress.advance(task, done))


def _modes(scenario: Scenario) -> tuple[str, ...]:
    """Return how `scenario` can be run, first the way that it was made for."""
    try:
        set_on_loopback(scenario)
    except DrillError:
        return ("sim",)
    return ("live", "sim") if "live" in scenario.tags else ("sim", "live")


def _described(scenario: Scenario) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "title": scenario.title,
        "description": scenario.description,
        "lesson": scenario.lesson,
        "sources": list(scenario.sources),
        "tags": list(scenario.tags),
        "modes": list(_modes(scenario)),
    }


_RACE: dict[str, Any] = {
    "name": race.NAME,
    "title": race.TITLE,
    "description": race.DESCRIPTION,
    "lesson": race.LESSON,
    "sources": list(race.SOURCES),
    "tags": list(race.TAGS),
    "modes": list(RACE_MODES),
}


def _show_fleet(fleet: Fleet) -> None:
    rows = []
    for name, score in fleet.scores.items():
        share = score.bad_lookups / max(score.lookups, 1)
        seconds = (score.outage_s, score.wrong_hold_s, score.attack_s)
        rows.append((name, *(duration(each) for each in seconds), f"{share:.1%}"))
    print_table(("RESOLVED THROUGH", "OUTAGE", "WRONG HOLD", "ATTACK", "BAD LOOK-UPS"), rows)
    click.echo()
    kinds = {broken.invariant for world in fleet.broken for broken in world.broken}
    print_facts([("BROKEN" if name in kinds else "kept", f"{name}: {words}") for name, words in INVARIANTS.items()])
    click.echo()
    for world in fleet.broken[:BROKEN_SHOWN_MAX]:
        for broken in world.broken:
            click.echo(f"world {world.seed} ({world.title}): {broken.invariant}: {broken.detail}")
        click.echo(f"  standfast drill sim --world {world.seed}")
    hours = duration(fleet.hours * 3600)
    click.echo(f"{fleet.worlds} worlds, {hours} of their time; {fleet.broken_worlds} broke an invariant")


def _fleet_json(fleet: Fleet, seed: str) -> dict[str, Any]:
    return {
        "worlds": fleet.worlds,
        "seed": seed,
        "hours": round(fleet.hours, 3),
        "scores": {name: asdict(score) for name, score in fleet.scores.items()},
        "guard": GUARD,
        "invariants": dict(INVARIANTS),
        "broken_worlds": fleet.broken_worlds,
        "broken": [asdict(world) for world in fleet.broken],
    }
