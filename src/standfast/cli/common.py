"""What several verbs share: options, the call to the running guard, times in words, JSON for programs."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from standfast.cli.exits import NEGATIVE
from standfast.io.commands.client import call
from standfast.io.settings.places import find_config, find_state_dir

config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file. Else: $STANDFAST_CONFIG, ./standfast.toml, /etc/standfast/standfast.toml, or none.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


def ask(config: Path | None, method: str, **params: Any) -> Any:
    """Call `method` of the running guard that the configuration means.

    Raises:
        ControlError: there is none, or it refuses.
        ConfigError: the configuration file cannot be read.
    """
    return call(state_dir(config), method, params)


def state_dir(config: Path | None) -> Path:
    """Return the state directory that the configuration means.

    Raises:
        ConfigError: the configuration file cannot be read.
    """
    return find_state_dir(find_config(config))


def print_json(document: Any) -> None:
    """Print `document` as JSON."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def order(
    config: Path | None, method: str, name: str, type_: str | None, *, dry_run: bool, as_json: bool, nothing: str
) -> dict[str, Any] | None:
    """Have the guard do `method` to what it knows of a name; `nothing` is what to say where that is nothing.

    Returns the answer, if it was done and is still to be told in words.

    Raises:
        Exit: with code 1, where nothing is known of the name.
        ControlError, ConfigError: as `ask` does.
    """
    answer: dict[str, Any] = ask(config, method, name=name, type=type_, dry_run=dry_run)
    if as_json:
        print_json(answer)
    elif not answer["questions"]:
        click.echo(f"nothing is known of {name}: {nothing}", err=True)
    elif dry_run:
        click.echo(f"would {method} {', '.join(answer['questions'])}")
    if not answer["questions"]:
        raise click.exceptions.Exit(NEGATIVE)
    return None if as_json or dry_run else answer


def warn_if_unsaved(answer: dict[str, Any]) -> None:
    """Warn where a command is in force, but would not survive a crash yet."""
    if not answer.get("saved", True):
        click.echo("it is in force, but not on the disk yet; `standfast status` says why", err=True)


def count(number: int, thing: str) -> str:
    """Return how many there are of a thing: `1 record`, `2 records`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def moment(at_ms: int | None, now_ms: int | None = None) -> str:
    """Return a time as people read it: `2026-11-23 08:41:02 UTC`, and how far it is from `now_ms`, if given."""
    if at_ms is None:
        return "never"
    text = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now_ms is None:
        return text
    apart_s = (now_ms - at_ms) / 1000
    return f"{text} ({duration(apart_s)} ago)" if apart_s >= 0 else f"{text} (in {duration(-apart_s)})"


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that it has two of: `45 s`, `12 min`, `3 h`, `4 days`."""
    for unit, size_s in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
