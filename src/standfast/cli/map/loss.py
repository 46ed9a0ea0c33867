"""`standfast map loss`: what one loss, or several at once, takes with it."""

from collections.abc import Sequence
from pathlib import Path

import click

from standfast.cli.common import json_option, print_json
from standfast.cli.map.common import files_option, map_of
from standfast.cli.tables import print_table
from standfast.depmap.lookup import find_name
from standfast.depmap.loss import blast_radius


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@files_option
@json_option
def loss(names: Sequence[str], paths: Sequence[Path], as_json: bool) -> None:
    """Say what the loss of NAME, a node or a shared cause, takes with it.

    Of several, what the loss of all of them at once takes with it.

    \b
    Example:
      standfast map loss us-east-1 --file map.yaml
    """
    graph = map_of(paths).graph
    lost = [find_name(graph, name) for name in names]
    blast = blast_radius(graph, lost)
    if as_json:
        print_json({"lost": lost, "down": dict(blast.down), "degraded": blast.degraded, "never_up": blast.never_up})
        return
    if blast.down:
        print_table(
            ("DOWN", "BECAUSE OF"), [(name, ", ".join(way[1:]) or "it is lost") for name, way in blast.down.items()]
        )
    for title, those in (("degraded", blast.degraded), ("never up, as they need each other", blast.never_up)):
        if those:
            click.echo(f"\n{title}: {', '.join(those)}")
