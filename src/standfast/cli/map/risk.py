"""`standfast map risk`: how probably a node of a map fails, or the top event of a fault tree happens, and by what."""

import random
from collections.abc import Sequence
from pathlib import Path

import click

from standfast.cli.common import json_option, print_json
from standfast.cli.map.budget import Progress, budget_options, limits_from_now, room_for_large_trees
from standfast.cli.map.common import files_option, map_of
from standfast.cli.map.risk_words import outages_document, risk_document, show_outages, show_risk
from standfast.cli.parameters import FILE
from standfast.depmap.faults.openpsa import read_open_psa
from standfast.depmap.faults.risk import assess
from standfast.depmap.lookup import find_node
from standfast.depmap.node_risk import risk_of
from standfast.depmap.timed import Outage, Waits, outage_of
from standfast.depmap.trees import tree_of
from standfast.io.depmap.model_files import read_model_file

LISTED_MAX = 100_000
YEARS_MAX = 1_000_000


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
@click.option("--years", type=click.IntRange(1, YEARS_MAX), help="Of NAME: simulate so many, with a guard and without.")
@click.option("--seed", default="1", show_default=True, help="Which years; the same seed gives the same anywhere.")
@click.option(
    "--ttl",
    "ttl_s",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="The time to live of names, seconds.",
)
@click.option(
    "--hold",
    "hold_s",
    type=click.FloatRange(0),
    default=86_400.0,
    show_default=True,
    help="For how long the guard holds a name, seconds.",
)
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
    years: int | None,
    seed: str,
    ttl_s: float,
    hold_s: float,
    nodes_max: int,
    seconds_max: float,
    as_json: bool,
) -> None:
    """Say how probable it is that the node NAME fails, or the top event of a fault tree, and by what.

    Exactly where that fits --nodes-max and --seconds-max, else between two proven bounds.

    \b
    Examples:
      standfast map risk shop --file map.yaml
      standfast map risk shop --file map.yaml --years 10000
      standfast map risk --open-psa pumps.xml
      standfast map risk --open-psa pumps.xml --top 50 --importance --json
    """
    if (name is None) == (path is None):
        raise click.UsageError("name a node, or a fault tree with --open-psa")
    limits = limits_from_now(nodes_max, seconds_max)
    outages: list[Outage] = []
    if path is None:
        if gate is not None or mission_time is not None:
            raise click.UsageError("--gate and --mission-time are for --open-psa")
        graph_map = map_of(paths)
        node = find_node(graph_map.graph, name or "")
        found = risk_of(graph_map, node, limits, degraded=degraded, cut_sets_max=listed, tell=Progress())
        said: dict[str, object] = {"node": node, "degraded": degraded}
        if years is not None:
            tree = tree_of(graph_map, node, degraded=degraded)
            waits = [Waits(ttl_s=ttl_s), Waits(ttl_s=ttl_s, hold_s=hold_s)]
            budget = limits_from_now(nodes_max, seconds_max).budget(room=1, share=1)
            outages = outage_of(tree, waits, years, lambda block: random.Random(f"{seed}/{block}"), budget)  # noqa: S311
            if not outages:
                click.echo("standfast: no year could be simulated in time: give it more with --seconds-max", err=True)
    else:
        if paths or degraded or years is not None:
            raise click.UsageError("--file, --degraded and --years are for a node")
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
        document = {**said, **risk_document(found, importance=importance), **outages_document(outages)}
        print_json({**document, "seconds": round(seconds, 3)})
    else:
        show_risk(found, seconds, listed=listed, importance=importance, of_a_map=path is None)
        show_outages(outages)
