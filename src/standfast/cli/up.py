"""`standfast up`: run the guard in the foreground, until it is told to stop."""

from pathlib import Path

import click

from standfast.cli.common import config_option, dry_run_option, print_json
from standfast.cli.stdout import say_if_read
from standfast.cli.tables import print_facts, print_table
from standfast.io.settings.config import Config, describe, load
from standfast.io.settings.places import find_config


@click.command()
@config_option
@dry_run_option
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the settings as one JSON document.")
def up(config: Path | None, dry_run: bool, as_json: bool) -> None:
    """Run the guard, or an authority, in the foreground.

    Needs no configuration: it then listens on 127.0.0.1:5300 and [::1]:5300, and asks the resolvers of
    /etc/resolv.conf. With [authority] in its configuration it serves zones, beside the guard or alone. One line on
    standard output says when it serves; events go to standard error. It stops cleanly on SIGTERM and SIGINT. With
    --dry-run it only prints the settings that it would run with.

    \b
    Examples:
      standfast up
      standfast up --config standfast.toml
      standfast up --dry-run
    """
    settings = load(find_config(config))
    if dry_run:
        _print_settings(settings, as_json=as_json)
        return
    if as_json:
        raise click.UsageError(
            "--json goes with --dry-run; a running guard tells its state by `standfast status --json`"
        )
    from standfast.io.daemon import run  # noqa: PLC0415  a dry run must not wait for the whole resolver to load

    run(settings, tell=say_if_read)


def _print_settings(settings: Config, *, as_json: bool) -> None:
    described = describe(settings)
    if as_json:
        print_json(described)
        return
    policies = described.pop("policy")
    tables = {name: described.pop(name) for name in ("authority", "control")}
    if settings.has_guard:
        print_facts([(key, _shown(value)) for key, value in described.items()])
        click.echo()
        assert isinstance(policies, list)
        columns = list(policies[0])
        print_table(columns, [[_shown(policy[column]) for column in columns] for policy in policies])
    for name, table in tables.items():
        if isinstance(table, dict):
            click.echo(f"\n[{name}]")
            print_facts([(key, _shown(value)) for key, value in table.items()])


def _shown(value: object) -> str:
    match value:
        case None | [] | {}:
            return "-"
        case list():
            return ", ".join(map(_shown, value))
        case dict():
            return " ".join(_shown(part) for part in value.values() if part not in (None, [], {}))
        case float():
            return f"{value:g}"
        case _:
            return str(value)
