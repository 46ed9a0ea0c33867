"""`standfast guard off|on`: the switch for when the guard itself is in the way."""

from pathlib import Path

import click

from standfast.cli.common import ask, config_option, json_option, print_json, warn_if_unsaved


@click.command()
@click.argument("state", type=click.Choice(["off", "on"]))
@config_option
@json_option
def guard(state: str, config: Path | None, as_json: bool) -> None:
    """Turn the guard off or on, at once.

    Off, it is a plain resolver: every name gets what upstream says. It goes on remembering, judging and recording,
    so that turning it on again loses nothing. The switch survives restarts.

    \b
    Examples:
      standfast guard off
      standfast guard on
    """
    answer = ask(config, "switch", enabled=state == "on")
    if as_json:
        print_json(answer)
        return
    click.echo("the guard is on" if answer["enabled"] else "the guard is OFF: every name gets what upstream says")
    warn_if_unsaved(answer)
