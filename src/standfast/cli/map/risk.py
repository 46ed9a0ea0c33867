"""`standfast map risk`: how probably a node of a map fails, or the top event of a fault tree happens, and by what."""

from collections.abc import Sequence
from pathlib import Path

import click

from standfast.cli.common import json_option, print_json
from standfast.cli.map.budget import Progress, budget_options, limits_from_now, room_for_large_trees
from standfast.cli.map.common import files_option, map_of
from standfast.cli.map.risk_words import risk_document, show_risk
from standfast.cli.parameters import FILE
from standfast.depmap.faults.openpsa import read_open_psa
from standfast.depmap.faults.risk import assess
from standfast.depmap.lookup import find_node
from standfast.depmap.node_risk import risk_of
from standfast.io.depmap.model_files import read_model_file

LISTED_MAX = 100_000


@click.command()
@click.argument("name", required=False)
@files_option
@click.option("--degraded", is_flag=True, help="Of NAME: also what it would rather have, and works without.")
@click.option("--open-psa", "path", type=FILE, help="Instead of a node: a fault tree in Open-PSA XML.")
@click.option("--gate", help="The top event of the fault tree. Else: the gate that nothing hangs on.")
@click.option("--mission-time", type=click.FloatRange(min=0), help="The mission time, in the unit of the file.")
@click.option(
    "--top",
    "listed",
    type=click.IntRange(0, LISTED_MAX),
    default=10,
    show_default=True,
    help="How many minimal cut sets to list, the most probable first.",
)
@click.option("--importance", is_flag=True, help="List how much hangs on each event, too.")
@budget_options
@json_option
@room_for_large_trees()
def risk(
    name: str | None,
    paths: Sequence[Path],
    degraded: bool,
    path: Path | None,
    gate: str | None,
    mission_time: float | None,
    listed: int,
    importance: bool,
    nodes_max: int,
    seconds_max: float,
    as_json: bool,
) -> None:
    """Say how probable it is that the node NAME fails, or the top event of a fault tree, and by what.

    Exactly where that fits --nodes-max and --seconds-max, else between two proven bounds.

    \b
    Examples:
      standfast map risk shop --file map.yaml
      standfast map risk --open-psa pumps.xml
      standfast map risk --open-psa pumps.xml --top 50 --importance --json
    """
    if (name is None) == (path is None):
        raise click.UsageError("name a node, or a fault tree with --open-psa")
    limits = limits_from_now(nodes_max, seconds_max)
    if path is None:
        if gate is not None or mission_time is not None:
            raise click.UsageError("--gate and --mission-time are for --open-psa")
        graph_map = map_of(paths)
        node = find_node(graph_map.graph, name or "")
        found = risk_of(graph_map, node, limits, degraded=degraded, cut_sets_max=listed, tell=Progress())
        said: dict[str, object] = {"node": node, "degraded": degraded}
    else:
        if paths or degraded:
            raise click.UsageError("--file and --degraded are for a node")
        read = read_open_psa(read_model_file(path), file=str(path), gate=gate, mission_time=mission_time)
        if read.other_tops:
            others = ", ".join(read.other_tops)
            click.echo(
                f'standfast: of several tops, "{read.tree.top}" is taken; others, for --gate: {others}', err=True
            )
        found = assess(read.tree, limits, cut_sets_max=listed, tell=Progress())
        said = {"file": str(path)}
    seconds = limits.seconds_spent()
    if as_json:
        print_json({**said, **risk_document(found, importance=importance), "seconds": round(seconds, 3)})
    else:
        show_risk(found, seconds, listed=listed, importance=importance, of_a_map=path is None)
