"""`standfast hold`: keep a name alive by hand."""

from pathlib import Path

import click

from standfast.cli.common import config_option, dry_run_option, json_option, moment, order, warn_if_unsaved


@click.command()
@click.argument("name")
@click.argument("type", required=False)
@dry_run_option
@config_option
@json_option
def hold(name: str, type: str | None, dry_run: bool, config: Path | None, as_json: bool) -> None:  # noqa: A002
    """Keep a name alive by hand.

    The guard goes on answering NAME with the last answer that it knows to be good, whatever upstream says, for
    as long as the name's policy allows (hold_max_s). Without TYPE, all types that it remembers. Undo it with
    `standfast release`. Exit code 1 if nothing is known of the name.

    \b
    Examples:
      standfast hold www.example.org
      standfast hold www.example.org AAAA --dry-run
    """
    nothing = "only what was answered well before can be held"
    held = order(config, "hold", name, type, dry_run=dry_run, as_json=as_json, nothing=nothing)
    if held:
        click.echo(f"holding {', '.join(held['questions'])} until {moment(held['until_ms'])}")
        warn_if_unsaved(held)
