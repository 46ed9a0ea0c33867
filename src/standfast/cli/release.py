"""`standfast release`: give a name up by hand."""

from pathlib import Path

import click

from standfast.cli.common import ask, config_option, dry_run_option, json_option, print_json, warn_if_unsaved
from standfast.cli.exits import NEGATIVE


@click.command()
@click.argument("name")
@click.argument("type", required=False)
@dry_run_option
@config_option
@json_option
@click.pass_context
def release(ctx: click.Context, name: str, type: str | None, dry_run: bool, config: Path | None, as_json: bool) -> None:  # noqa: A002
    """Give a name up by hand.

    From now on NAME gets what upstream says, until upstream answers it well again. Without TYPE, all types that
    are remembered. Exit code 1 if nothing is known of the name.

    \b
    Examples:
      standfast release old.example.org
      standfast release old.example.org A --dry-run
    """
    answer = ask(config, "release", name=name, type=type, dry_run=dry_run)
    if as_json:
        print_json(answer)
    elif not answer["questions"]:
        click.echo(f"nothing is known of {name}: it gets what upstream says already", err=True)
    else:
        click.echo(f"{'would release' if dry_run else 'released'} {', '.join(answer['questions'])}")
        warn_if_unsaved(answer)
    if not answer["questions"]:
        ctx.exit(NEGATIVE)
