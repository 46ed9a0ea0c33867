"""`standfast map show`: what a node hangs on."""

from collections.abc import Sequence
from pathlib import Path

import click

from standfast.cli.common import json_option, print_json
from standfast.cli.map.common import files_option, map_of
from standfast.cli.tables import print_facts
from standfast.depmap.lookup import find_node
from standfast.depmap.loss import fatal_pairs, single_points


@click.command()
@click.argument("name")
@files_option
@json_option
def show(name: str, paths: Sequence[Path], as_json: bool) -> None:
    """Show what a node hangs on, and which losses take it down.

    Each alone, or two shared causes together.

    \b
    Example:
      standfast map show shop --file map.yaml
    """
    graph = map_of(paths).graph
    node = graph.nodes[find_node(graph, name)]
    singles, pairs = single_points(graph, node.name), fatal_pairs(graph, node.name, list(graph.causes))
    needed_by = graph.dependents[node.name]
    if as_json:
        print_json({"node": node.name, "needed_by": needed_by, "single_points": singles, "pairs": pairs})
        return
    facts = [
        ("needs", "; ".join(str(need) for need in node.needs) or "nothing"),
        ("needed by", ", ".join(needed_by) or "nothing"),
        ("single points", ", ".join(singles) or "none"),
        ("pairs of causes", ", ".join(f"{one} and {other}" for one, other in pairs) or "none"),
    ]
    print_facts(facts)
