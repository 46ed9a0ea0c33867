"""`standfast release`: give a name up by hand."""

from pathlib import Path

import click

from standfast.cli.common import config_option, dry_run_option, json_option, order, warn_if_unsaved


@click.command()
@click.argument("name")
@click.argument("type", required=False)
@dry_run_option
@config_option
@json_option
def release(name: str, type: str | None, dry_run: bool, config: Path | None, as_json: bool) -> None:  # noqa: A002
    """Give a name up by hand.

    From now on NAME gets what upstream says, until upstream answers it well again. Without TYPE, all types that
    are remembered. Exit code 1 if nothing is known of the name.

    \b
    Examples:
      standfast release old.example.org
      standfast release old.example.org A --dry-run
    """
    nothing = "it gets what upstream says already"
    released = order(config, "release", name, type, dry_run=dry_run, as_json=as_json, nothing=nothing)
    if released:
        click.echo(f"released {', '.join(released['questions'])}")
        warn_if_unsaved(released)
