"""`standfast map loss`: what one loss, or several at once, takes with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from standfast.cli.common import count, json_option, print_json
from standfast.cli.map.budget import SECONDS_MAX, Progress, limits_from_now
from standfast.cli.map.common import files_option, map_of
from standfast.cli.tables import print_table
from standfast.depmap.faults.budget import NODES_MAX
from standfast.depmap.gains import savings_in
from standfast.depmap.lookup import find_name
from standfast.depmap.loss import blast_radius

SAVINGS_LISTED: Final = 10  # changes that are told in words; in JSON, all


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@files_option
@click.option("--saved-by", is_flag=True, help="Say which single changes would save whom, too.")
@json_option
def loss(names: Sequence[str], paths: Sequence[Path], saved_by: bool, as_json: bool) -> None:
    """Say what the loss of NAME, a node or a shared cause, takes with it.

    Of several, what the loss of all of them at once takes with it.

    \b
    Examples:
      standfast map loss us-east-1 --file map.yaml
      standfast map loss us-east-1 --file map.yaml --saved-by
    """
    found = map_of(paths)
    lost = [find_name(found.graph, name) for name in names]
    blast = blast_radius(found.graph, lost)
    savings = savings_in(found, lost, limits_from_now(NODES_MAX, SECONDS_MAX), tell=Progress()) if saved_by else []
    if as_json:
        document = {"lost": lost, "down": dict(blast.down), "degraded": blast.degraded, "never_up": blast.never_up}
        saving = [{"change": each.what, "size": each.size, "saved": each.saved} for each in savings]
        print_json(document | ({"saved_by": saving} if saved_by else {}))
        return
    if blast.down:
        print_table(
            ("DOWN", "BECAUSE OF"), [(name, ", ".join(way[1:]) or "it is lost") for name, way in blast.down.items()]
        )
    for title, those in (("degraded", blast.degraded), ("never up, as they need each other", blast.never_up)):
        if those:
            click.echo(f"\n{title}: {', '.join(those)}")
    if saved_by:
        click.echo()
        rows = [(each.what, str(len(each.saved)), ", ".join(each.saved)) for each in savings[:SAVINGS_LISTED]]
        print_table(("CHANGE", "SAVES", "WHO WOULD STILL WORK"), rows)
        if more := savings[SAVINGS_LISTED:]:
            click.echo(f"and {count(len(more), 'change')} that would save fewer (--json)")
