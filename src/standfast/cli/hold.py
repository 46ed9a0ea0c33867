"""`standfast hold`: keep a name alive by hand."""

from pathlib import Path

import click

from standfast.cli.common import ask, config_option, dry_run_option, json_option, moment, print_json, warn_if_unsaved
from standfast.cli.exits import NEGATIVE


@click.command()
@click.argument("name")
@click.argument("type", required=False)
@dry_run_option
@config_option
@json_option
@click.pass_context
def hold(ctx: click.Context, name: str, type: str | None, dry_run: bool, config: Path | None, as_json: bool) -> None:  # noqa: A002
    """Keep a name alive by hand.

    The guard goes on answering NAME with the last answer that it knows to be good, whatever upstream says, for
    as long as the name's policy allows (hold_max_s). Without TYPE, all types that it remembers. Undo it with
    `standfast release`. Exit code 1 if nothing is known of the name.

    \b
    Examples:
      standfast hold www.example.org
      standfast hold www.example.org AAAA --dry-run
    """
    answer = ask(config, "hold", name=name, type=type, dry_run=dry_run)
    if as_json:
        print_json(answer)
    elif not answer["questions"]:
        click.echo(f"nothing is known of {name}: only what was answered well before can be held", err=True)
    elif dry_run:
        click.echo(f"would hold {', '.join(answer['questions'])}")
    else:
        click.echo(f"holding {', '.join(answer['questions'])} until {moment(answer['until_ms'])}")
        warn_if_unsaved(answer)
    if not answer["questions"]:
        ctx.exit(NEGATIVE)
