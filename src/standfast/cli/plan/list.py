"""`standfast plan list`: plans that wait, and those that were made."""

import builtins
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import click

from standfast.cli.common import config_option, json_option, moment, print_json
from standfast.cli.plan.common import ZoneType, control_of, in_store, state_of, wanted
from standfast.cli.plan.words import HASH_SHOWN, plan_as_json
from standfast.cli.tables import print_table
from standfast.control.plan import Plan
from standfast.control.store import PlanStore
from standfast.dns.model import Name

LISTED: Final = 20  # plans of a zone, unless more are asked for


@click.command()
@click.argument("zones", metavar="[ZONE]...", type=ZoneType(), nargs=-1)
@click.option("--newest", type=click.IntRange(min=1), default=LISTED, show_default=True, help="So many of each zone.")
@config_option
@json_option
def list(  # noqa: A001  the command's own word
    zones: tuple[Name, ...], newest: int, config: Path | None, as_json: bool
) -> None:
    """List plans that wait, and those that were made.

    \b
    Examples:
      standfast plan list
      standfast plan list example.org --newest 5
    """
    settings, intent = wanted(config)

    found = in_store(control_of(settings), lambda store: _read(store, zones or intent.zones, newest)) or ()
    if as_json:
        print_json([{**plan_as_json(each), "changes": len(each.changes), "state": state} for each, state in found])
    elif not found:
        click.echo("nothing was planned yet: run `standfast up`, or see what would be with `standfast plan`")
    else:
        columns = ["ZONE", "GENERATION", "MADE", "CHANGES", "HASH", "STATE"]
        rows = [
            [
                each.zone,
                str(each.generation),
                moment(round(each.made_at_s * 1000)),
                str(len(each.changes)),
                each.hash[:HASH_SHOWN],
                state,
            ]
            for each, state in found
        ]
        print_table(columns, rows)


async def _read(store: PlanStore, zones: Iterable[Name], newest: int) -> Sequence[tuple[Plan, str]]:
    found: builtins.list[tuple[Plan, str]] = []
    for zone in zones:
        proposal = await store.proposal(zone)
        if proposal is not None:
            found.append((proposal.plan, state_of(proposal)))
        kept = [await store.plan(zone, number) for number in (await store.generations(zone))[-newest:]]
        made = [each for each in reversed(kept) if each is not None]
        found += [(each, "newest" if at == 0 else "") for at, each in enumerate(made)]
    return found
