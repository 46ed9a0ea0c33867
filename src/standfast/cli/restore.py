"""`standfast restore`: bring names back to what they were, with one publisher and the ledger's directory alone."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from standfast.cli.common import config_option, count, dry_run_option, json_option, moment, print_json
from standfast.cli.exits import NEGATIVE
from standfast.control.fence import standing_told
from standfast.control.publishing import Publisher
from standfast.control.restoring import Impossible, Restoration
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, type_name
from standfast.dns.name import BadName, parse_name
from standfast.dns.rdata import rrset_to_text
from standfast.io.control.journal import ControlJournal
from standfast.io.control.publishers.build import PublisherUnusable, build_publisher
from standfast.io.control.publishers.outside import by_updates
from standfast.io.control.restorer import Draft, draft, look_back, write_back, zone_of
from standfast.io.settings.authority import AuthorityConfig
from standfast.io.settings.config import load_publishing
from standfast.io.settings.control import ControlConfig
from standfast.io.settings.control_keys import PublisherKind
from standfast.io.settings.places import find_config

NAMES_MAX: Final = 100  # whoever has to bring back more has to bring back a zone, which the planner does


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--to", type=click.IntRange(min=1), help="What it was at this generation. Else: when it was last other than now."
)
@click.option("--publisher", "publisher_name", help="Where; needed where there are several.")
@click.option("--reason", default="restored by hand", show_default=True, help="Why, for the ledger.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@config_option
@json_option
def restore(
    names: tuple[str, ...],
    to: int | None,
    publisher_name: str | None,
    reason: str,
    yes: bool,
    dry_run: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Bring names back to what they were.

    Needs one publisher and the ledger's directory: no store, no planner, no running process. What each NAME was is
    found in the plans beside the ledger, which prove themselves by their hash; it is published by a fenced write of its
    own, and the planner asks before it publishes anything else. Exit code 1 where a name cannot be brought back.

    \b
    Examples:
      standfast restore db.example.org --dry-run
      standfast restore db.example.org --to 1041 --reason "plan 1042 was empty"
    """
    loaded = load_publishing(find_config(config))
    if loaded is None:
        raise click.UsageError("the configuration has no [control]: name one with --config")
    control, authority = loaded
    wanted = _names(names)
    zone = zone_of(wanted[0], control.state_dir)
    strangers = [name for name in wanted if zone_of(name, control.state_dir) != zone]
    if strangers:
        raise click.UsageError(f"{strangers[0]} is not in {zone}: restore the names of one zone at a time")
    publisher = _publisher(control, authority, publisher_name, zone)
    known = look_back(control.state_dir, zone, wanted)
    for warning in known.warnings:
        click.echo(f"warning: {warning}", err=True)
    found = asyncio.run(draft(known, publisher, wanted, to=to))
    impossible = [choice for choice in found.choices if isinstance(choice, Impossible)]
    if not as_json:
        _tell(found, publisher.facts.name)
    if impossible or dry_run or not found.restorations:
        if as_json:
            print_json(_document(found, publisher.facts.name))
        raise click.exceptions.Exit(NEGATIVE if impossible else 0)
    if not (yes or as_json):
        click.confirm(f"Write this to {publisher.facts.name}?", abort=True)
    with ControlJournal.open(control.state_dir) as journal:
        plan, fence = asyncio.run(write_back(found, publisher, journal, reason=reason, now_s=time.time()))
    if as_json:
        done = {"generation": plan.generation, "plan": plan.hash, "fence": str(fence)}
        print_json({**_document(found, publisher.facts.name), "done": done})
        return
    click.echo(f"published as generation {plan.generation} ({plan.hash[:16]}), and in the ledger")
    click.echo(
        "next: the planner finds a fence that is not its own, and asks before it publishes anything else"
        " (rule unknown-publication); see `standfast plan list`, and mend what it would plan"
    )


def _names(texts: Sequence[str]) -> list[Name]:
    try:
        names = list(dict.fromkeys(map(parse_name, texts)))
    except BadName as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    if len(names) > NAMES_MAX:
        raise click.UsageError(f"{len(names)} names: {NAMES_MAX} at most at once")
    return names


def _publisher(control: ControlConfig, authority: AuthorityConfig | None, name: str | None, zone: Name) -> Publisher:
    named = {each.name: each for each in control.publishers}
    if name is None and len(named) != 1:
        raise click.UsageError(
            f"name one publisher with --publisher: {', '.join(named) or 'the configuration has none'}"
        )
    settings = named.get(name) if name else next(iter(named.values()))
    if settings is None:
        raise click.UsageError(f'no publisher "{name}": there is {", ".join(named) or "none"}')
    try:
        if settings.kind is PublisherKind.AUTHORITY and authority is not None:
            return by_updates(settings.name, authority, zone)
        return build_publisher(settings, control.keys, served=None)
    except PublisherUnusable as error:
        raise click.UsageError(str(error)) from error


def _tell(found: Draft, publisher: str) -> None:
    for choice in found.choices:
        match choice:
            case Impossible(name=name, why=why, generations=generations):
                has = f"; it can be had as at generation {_listed(generations)}" if generations else ""
                click.echo(f"{name}: {why}{has}")
            case Restoration(name=name, to=to, made_at_s=made_at_s, changes=changes):
                when = moment(round(made_at_s * 1000))
                click.echo(f"{name} as at generation {to.generation}, planned {when} ({to.hash[:16]}):")
                for change in changes:
                    click.echo(f"  {_change(change)}")
                if not changes:
                    click.echo("  it is so already")
    click.echo(f"at {publisher}, where {standing_told(found.reading.fence)} stands")


def _listed(generations: Sequence[int]) -> str:
    shown = ", ".join(map(str, generations[:10]))
    return shown + (f" and {count(len(generations) - 10, 'other')}" if len(generations) > 10 else "")


def _change(change: Change) -> str:
    _, rtype = change.key
    return f"{type_name(rtype)} {_side(change.before)} -> {_side(change.after)}"


def _side(rrset: RRset | None) -> str:
    return " ".join([*rrset_to_text(rrset), f"({rrset.ttl_s} s)"]) if rrset else "nothing"


def _document(found: Draft, publisher: str) -> dict[str, Any]:
    return {
        "zone": found.known.zone,
        "publisher": publisher,
        "fence": str(found.reading.fence) if found.reading.fence else None,
        "names": [_described(choice) for choice in found.choices],
        "warnings": [*found.known.warnings],
    }


def _described(choice: Restoration | Impossible) -> dict[str, Any]:
    match choice:
        case Impossible(name=name, why=why, generations=generations):
            return {"name": name, "possible": False, "why": why, "generations": [*generations]}
        case Restoration(name=name, to=to, changes=changes):
            listed = [
                {
                    "type": type_name(change.key[1]),
                    "before": rrset_to_text(change.before) if change.before else [],
                    "after": rrset_to_text(change.after) if change.after else [],
                }
                for change in changes
            ]
            return {"name": name, "possible": True, "to": to.generation, "plan": to.hash, "changes": listed}
