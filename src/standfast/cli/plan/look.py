"""`standfast plan [ZONE]...`: what the planner would do now, and what rules have to say of it; writes nothing."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from standfast.cli.common import config_option, json_option, print_json
from standfast.cli.exits import NEGATIVE
from standfast.cli.plan.common import wanted, zones_of
from standfast.cli.plan.words import is_negative, view_as_json, view_in_words
from standfast.dns.model import Name
from standfast.io.control.outlook import look_ahead

_LOOKING: Final = (
    click.option("--check", is_flag=True, help="Exit code 1 where a rule refuses or asks; for pipelines."),
    click.option("--offline", is_flag=True, help="Ask no publisher and no source: what the store knows has to do."),
    click.option("--assume-well", is_flag=True, help="Take all endpoints to be well; for where nobody measures them."),
    config_option,
    json_option,
)


def looks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of looking ahead."""
    for option in reversed(_LOOKING):
        command = option(command)
    return command


def look(
    ctx: click.Context,
    zones: tuple[Name, ...],
    *,
    check: bool,
    offline: bool,
    assume_well: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show what the planner would do with these zones, or all; with `check`, rules decide the exit code."""
    _tell("reading what is wanted")
    settings, intent = wanted(config)
    assert settings.control is not None
    if strangers := [zone for zone in zones if zone not in intent.zones]:
        raise click.UsageError(f"{strangers[0]} is no zone of the intent: it has {zones_of(intent)}")
    view = asyncio.run(
        look_ahead(
            settings.control,
            intent,
            zones or tuple(intent.zones),
            authority=settings.authority,
            offline=offline,
            assume_well=assume_well,
            wall=time.time,
            tell=_tell,
        )
    )
    if as_json:
        print_json(view_as_json(view))
    else:
        for line in view_in_words(view):
            click.echo(line)
    if check and any(map(is_negative, view.zones)):
        ctx.exit(NEGATIVE)


def _tell(what: str) -> None:
    """Say what is being done to who waits at a terminal."""
    if sys.stderr.isatty():
        click.echo(f"{what} ...", err=True)
