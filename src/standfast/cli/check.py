"""`standfast check`: say everything that is wrong with a configuration, and change nothing."""

from collections.abc import Iterator
from pathlib import Path

import click

from standfast.cli.common import count, json_option, print_json
from standfast.cli.exits import NEGATIVE
from standfast.control.intent import Intent
from standfast.io.control.intent_files import load_intent
from standfast.io.settings.config import Config, describe, load
from standfast.io.settings.control_keys import Role
from standfast.io.settings.places import ConfigError, Finding, find_config


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@json_option
@click.pass_context
def check(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Check a configuration; all findings at once.

    With [control] in it, what is wanted is checked as well. Without FILE, the one that `standfast up` would read. Exit
    code 1 if there is a finding, also one that `standfast up` would start with.

    \b
    Examples:
      standfast check standfast.toml
      standfast check --json | jq .findings
    """
    path = find_config(file, said_by="FILE")
    name = str(path) if path else None
    try:
        settings = load(path)
        intent = load_intent(settings.control) if settings.control is not None else None
    except ConfigError as error:
        if as_json:
            found = [_described(finding) for finding in error.findings]
            print_json({"file": name, "findings": found, "settings": None})
        else:
            click.echo(str(error))
        ctx.exit(NEGATIVE)
    warned = [_described(finding) for finding in settings.warnings]
    if as_json:
        print_json({"file": name, "findings": warned, "settings": describe(settings)})
    elif settings.warnings:
        click.echo("\n".join(map(str, settings.warnings)))
    else:
        click.echo(f"{name or 'no file'}: fine. {' '.join(_what_it_does(settings, intent))}")
    if settings.warnings:
        ctx.exit(NEGATIVE)


def _what_it_does(settings: Config, intent: Intent | None) -> Iterator[str]:
    if settings.has_guard:
        listens, asks = (", ".join(map(str, servers)) for servers in (settings.listen, settings.upstreams))
        yield f"It listens on {listens} and asks {asks}."
    if settings.authority is not None:
        listens = ", ".join(map(str, settings.authority.listen))
        yield f"It serves {count(len(settings.authority.zones), 'zone file')} on {listens}."
    if settings.control is not None:
        roles = ", ".join(role for role in Role if role in settings.control.run)
        publishers = ", ".join(publisher.name for publisher in settings.control.publishers) or "nowhere"
        yield f"It runs {roles} and publishes to {publishers}."
    if intent is not None:
        names = sum(len(zone.names) for zone in intent.zones.values())
        records = sum(len(rrset.rdatas) for zone in intent.zones.values() for rrset in zone.records)
        yield f"Wanted are {count(names, 'name')} and {count(records, 'record')} in {count(len(intent.zones), 'zone')}."


def _described(finding: Finding) -> dict[str, object]:
    return {"file": finding.file, "line": finding.line, "text": finding.text}
