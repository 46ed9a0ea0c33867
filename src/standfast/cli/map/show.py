"""`standfast map show`: all of a map as a table, with what is wrong in it, or what one node hangs on as a tree."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from standfast.cli.common import count, json_option, print_json
from standfast.cli.map.common import files_option, map_of
from standfast.cli.tables import console_for_output, print_facts, print_table
from standfast.depmap.lookup import find_node
from standfast.depmap.loss import fatal_pairs, single_points
from standfast.depmap.merging import Contradiction, DependencyMap
from standfast.depmap.outline import DEPTH_MAX, Branch, outline
from standfast.depmap.statements import Remark, Witness

LISTED_MAX = 100_000


@click.command()
@click.argument("name", required=False)
@files_option
@click.option(
    "--depth", type=click.IntRange(0, DEPTH_MAX), default=6, show_default=True, help="Levels of the tree of a node."
)
@click.option(
    "--limit",
    type=click.IntRange(1, LISTED_MAX),
    default=1_000,
    show_default=True,
    help="Rows of each table, without NAME.",
)
@json_option
def show(name: str | None, paths: Sequence[Path], depth: int, limit: int, as_json: bool) -> None:
    """Show what a map has in it, or what the node NAME hangs on and which losses take it down.

    Without NAME: all nodes, those first that nothing needs, and what is gone, contradictory or left out.

    \b
    Examples:
      standfast map show
      standfast map show shop --depth 2
      standfast map show shop --file map.yaml --json
    """
    found = map_of(paths)
    if name is None:
        if as_json:
            print_json(_document(found))
        else:
            _show_all(found, limit)
        return
    node = found.graph.nodes[find_node(found.graph, name)]
    singles = single_points(found.graph, node.name)
    pairs = fatal_pairs(found.graph, node.name, list(found.graph.causes))
    if as_json:
        print_json(
            _node_document(found, node.name)
            | {"needed_by": found.graph.dependents[node.name], "single_points": singles, "pairs": pairs}
        )
        return
    _print_tree(outline(found, node.name, depth=depth))
    click.echo()
    event, claim = found.events.get(node.name), found.claims.get(node.name)
    facts = [
        ("kind", node.kind.value),
        ("needs", "; ".join(map(str, node.needs)) or "nothing"),
        ("needed by", ", ".join(found.graph.dependents[node.name]) or "nothing"),
        ("gone", found.gone.get(node.name, "")),
        ("unavailability", f"{event.unavailability:g}, {event.source}" if event else ""),
        ("claimed", f"{claim * 100:.10g} % available" if claim is not None else ""),
        ("single points", ", ".join(singles) or "none"),
        ("pairs of causes", ", ".join(f"{one} and {other}" for one, other in pairs) or "none"),
    ]
    print_facts([(word, said) for word, said in facts if said])


def _show_all(found: DependencyMap, limit: int) -> None:
    dependents = found.graph.dependents
    nodes = sorted(found.graph.nodes.values(), key=lambda node: bool(dependents[node.name]))
    rows = [
        (
            node.name,
            node.kind.value,
            "; ".join(map(str, node.needs)) or "-",
            ", ".join(node.causes) or "-",
            str(len(dependents[node.name])),
            found.gone.get(node.name, "-"),
        )
        for node in nodes[:limit]
    ]
    print_table(("NODE", "KIND", "NEEDS", "SHARES", "NEEDED BY", "GONE"), rows)
    if found.contradictions:
        click.echo()
        print_table(("CONTRADICTION", "SAID", "TAKEN"), list(map(_row_of, found.contradictions[:limit])))
    if found.remarks:
        click.echo()
        print_table(("REMARK", "BY"), [(each.text, _in_words([each.by])) for each in found.remarks[:limit]])
    if max(len(nodes), len(found.contradictions), len(found.remarks)) > limit:
        click.echo(
            f"in all {count(len(nodes), 'node')}, {count(len(found.contradictions), 'contradiction')} and"
            f" {count(len(found.remarks), 'remark')}; more with --limit",
            err=True,
        )


def _row_of(each: Contradiction) -> tuple[str, str, str]:
    said: dict[str, list[Witness]] = {}
    for text, by in each.said:
        said.setdefault(text, []).append(by)
    return each.name, "; ".join(f"{text} ({_in_words(those)})" for text, those in said.items()), each.taken


def _print_tree(branch: Branch) -> None:
    def grow(tree: Tree, branches: Iterable[Branch]) -> None:
        for each in branches:
            grow(tree.add(_label(each)), each.branches)

    tree = Tree(_label(branch))
    grow(tree, branch.branches)
    console_for_output().print(tree)


def _label(branch: Branch) -> Text:
    label = Text(branch.text)  # never read as markup, whatever a file calls things
    if branch.cut:
        label.append(f"  {branch.cut}", "dim")
    if branch.witnesses:
        label.append(f"  - {_in_words(branch.witnesses)}", "dim")
    return label


def _in_words(witnesses: Iterable[Witness]) -> str:
    return ", ".join(f"{by.reader} {by.where}{f':{by.line}' if by.line else ''}" for by in witnesses)


def _document(found: DependencyMap) -> dict[str, Any]:
    return {
        "nodes": [_node_document(found, name) for name in found.graph.nodes],
        "contradictions": [
            {
                "name": each.name,
                "said": [{"says": text, "by": _witness_document(by)} for text, by in each.said],
                "taken": each.taken,
            }
            for each in found.contradictions
        ],
        "remarks": [_remark_document(each) for each in found.remarks],
    }


def _node_document(found: DependencyMap, name: str) -> dict[str, Any]:
    node, event = found.graph.nodes[name], found.events.get(name)

    def by(other: str) -> list[dict[str, Any]]:
        return [_witness_document(each) for each in found.witnesses[name, other]]

    return {
        "node": name,
        "kind": node.kind,
        "needs": [
            {
                "at_least": need.number,
                "of": [{"node": part, "by": by(part)} for part in need.parts],
                "soft": need.soft,
                "role": need.role,
            }
            for need in node.needs
        ],
        "causes": [{"cause": cause, "by": by(cause)} for cause in node.causes],
        "gone": found.gone.get(name),
        "unavailability": event and {"value": event.unavailability, "source": event.source},
        "claim": found.claims.get(name),
    }


def _remark_document(each: Remark) -> dict[str, Any]:
    return {"text": each.text, "by": _witness_document(each.by)}


def _witness_document(by: Witness) -> dict[str, Any]:
    return {"reader": by.reader, "where": by.where, "line": by.line}
