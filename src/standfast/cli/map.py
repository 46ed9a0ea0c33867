"""`standfast map show|loss|risk`: what a model says of itself. Reads files, needs no running guard."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from standfast.cli.common import json_option, print_json
from standfast.cli.tables import print_facts, print_table
from standfast.depmap.faults.budget import NODES_MAX, NODES_POSSIBLE, Limits
from standfast.depmap.faults.openpsa import read_open_psa
from standfast.depmap.faults.risk import Risk, assess
from standfast.depmap.graph import Need
from standfast.depmap.loss import blast_radius, fatal_pairs, single_points
from standfast.depmap.readers.handwritten import read_map
from standfast.io.model_files import read_model_file

SECONDS_MAX = 30.0
LISTED_MAX = 100_000
RECURSION_MAX = 100_000  # levels of a diagram; Python's own bound is meant for loops by mistake
TOLD_EVERY_S = 3.0

_FILE = click.Path(path_type=Path, dir_okay=False)


@contextmanager
def _room_for_large_trees() -> Iterator[None]:
    """Let diagrams be deep, and numbers of cut sets as long as they come."""
    levels, digits = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    sys.setrecursionlimit(max(RECURSION_MAX, levels))
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.setrecursionlimit(levels)
        sys.set_int_max_str_digits(digits)


@click.group()
def map() -> None:  # noqa: A001  the command's own word
    """What a service hangs on, and how likely it fails.

    \b
    Examples:
      standfast map show shop --file map.yaml
      standfast map loss us-east-1 --file map.yaml
      standfast map risk --open-psa pumps.xml
    """


@map.command()
@click.option("--open-psa", "path", type=_FILE, required=True, help="A fault tree in Open-PSA XML.")
@click.option("--gate", help="The top event. Else: the gate that nothing hangs on.")
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
@click.option(
    "--nodes-max",
    type=click.IntRange(1_000, NODES_POSSIBLE),
    default=NODES_MAX,
    show_default=True,
    help="Nodes of a diagram; 400 octets of memory each.",
)
@click.option(
    "--seconds-max",
    type=click.FloatRange(min=0, min_open=True),
    default=SECONDS_MAX,
    show_default=True,
    help="How long it may take. What is not exact by then is an interval.",
)
@json_option
@_room_for_large_trees()
def risk(
    path: Path,
    gate: str | None,
    mission_time: float | None,
    listed: int,
    importance: bool,
    nodes_max: int,
    seconds_max: float,
    as_json: bool,
) -> None:
    """Say how probable the top event is, and by which minimal cut sets.

    Exactly where that fits --nodes-max and --seconds-max, else between two proven bounds.

    \b
    Examples:
      standfast map risk --open-psa pumps.xml
      standfast map risk --open-psa pumps.xml --top 50 --importance --json
    """
    begin = time.perf_counter()
    read = read_open_psa(read_model_file(path), file=str(path), gate=gate, mission_time=mission_time)
    if read.other_tops:
        others = ", ".join(read.other_tops)
        click.echo(f'standfast: of several tops, "{read.tree.top}" is taken; others, for --gate: {others}', err=True)
    limits = Limits(nodes_max=nodes_max, seconds_max=seconds_max, seconds_spent=lambda: time.perf_counter() - begin)
    found = assess(read.tree, limits, cut_sets_max=listed, tell=_Progress())
    seconds = time.perf_counter() - begin
    if as_json:
        print_json({"file": str(path), **_document(found, importance=importance), "seconds": round(seconds, 3)})
    else:
        _show(found, seconds, listed=listed, importance=importance)


@map.command()
@click.argument("lost", metavar="NAME...", nargs=-1, required=True)
@click.option("--file", "path", type=_FILE, required=True, help="A dependency map in YAML.")
@json_option
def loss(lost: tuple[str, ...], path: Path, as_json: bool) -> None:
    """Say what the loss of NAME, a node or a shared cause, takes with it.

    Of several, what the loss of all of them at once takes with it.

    \b
    Example:
      standfast map loss us-east-1 --file map.yaml
    """
    blast = blast_radius(read_map(read_model_file(path), file=str(path)), lost)
    if as_json:
        print_json({"lost": lost, "down": dict(blast.down), "degraded": blast.degraded, "never_up": blast.never_up})
        return
    if blast.down:
        print_table(
            ("DOWN", "BECAUSE OF"), [(name, ", ".join(way[1:]) or "it is lost") for name, way in blast.down.items()]
        )
    for title, names in (("degraded", blast.degraded), ("never up, as they need each other", blast.never_up)):
        if names:
            click.echo(f"\n{title}: {', '.join(names)}")


@map.command()
@click.argument("name")
@click.option("--file", "path", type=_FILE, required=True, help="A dependency map in YAML.")
@json_option
def show(name: str, path: Path, as_json: bool) -> None:
    """Show what the node NAME hangs on, and which losses take it down: each alone, or two shared causes together.

    \b
    Example:
      standfast map show shop --file map.yaml
    """
    graph = read_map(read_model_file(path), file=str(path))
    singles, pairs = single_points(graph, name), fatal_pairs(graph, name, list(graph.causes))
    needed_by = graph.dependents[name]
    if as_json:
        print_json({"node": name, "needed_by": needed_by, "single_points": singles, "pairs": pairs})
        return
    facts = [
        ("needs", "; ".join(_in_words(need) for need in graph.nodes[name].needs) or "nothing"),
        ("needed by", ", ".join(needed_by) or "nothing"),
        ("single points", ", ".join(singles) or "none"),
        ("pairs of causes", ", ".join(f"{one} and {other}" for one, other in pairs) or "none"),
    ]
    print_facts(facts)


def _in_words(need: Need) -> str:
    which = "" if need.number == len(need.parts) else "one of " if need.number == 1 else f"{need.number} of "
    return f"{which}{', '.join(need.parts)}{' (degraded without)' if need.soft else ''}"


class _Progress:
    """Says on standard error what is being done, now and then; nothing of what is done soon."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, doing: str) -> None:
        now = time.monotonic()
        if now - self._told >= TOLD_EVERY_S:
            self._told = now
            click.echo(f"standfast: {doing} ...", err=True)


def _document(found: Risk, *, importance: bool) -> dict[str, Any]:
    weights = [
        {
            "event": each.event,
            "unavailability": each.unavailability,
            "birnbaum": each.birnbaum,
            "raw": each.raw,
            "rrw": each.rrw,
        }
        for each in found.importances
    ]
    return {
        "top": found.top,
        "gates": found.gates,
        "events": found.events,
        "modules": found.modules,
        "modules_open": found.modules_open,
        "nodes": found.nodes,
        "minimal_cut_sets": found.minimal_cut_sets,
        "probability": found.probability_low if found.is_exact else None,
        "probability_low": found.probability_low,
        "probability_high": found.probability_high,
        "cut_sets": [{"events": each.events, "probability": each.probability} for each in found.cut_sets],
    } | ({"importance": weights} if importance else {})


def _show(found: Risk, seconds: float, *, listed: int, importance: bool) -> None:
    low, high = found.probability_low, found.probability_high
    probability = f"{low:.5E}, exact" if found.is_exact else f"{low:.5E} to {high:.5E}, {high - low:.1E} wide"
    sets = "not known: more than the budget allows" if found.minimal_cut_sets is None else f"{found.minimal_cut_sets:,}"
    facts = [
        ("top", f"{found.top}, {found.gates} gates over {found.events} events, in {found.modules} modules"),
        ("probability", probability),
        ("minimal cut sets", sets),
        ("took", f"{seconds:.2f} s, {found.nodes} nodes"),
    ]
    print_facts(facts)
    if found.cut_sets:
        click.echo()
        rows = [
            (f"{each.probability:.5E}", " ".join(each.events) or "nothing: it always happens")
            for each in found.cut_sets
        ]
        print_table(("PROBABILITY", "CUT SET"), rows)
    if importance and found.importances:
        click.echo()
        print_table(
            ("EVENT", "UNAVAILABILITY", "BIRNBAUM", "RAW", "RRW"),
            [
                (
                    each.event,
                    f"{each.unavailability:.5E}",
                    f"{each.birnbaum:.5E}",
                    f"{each.raw:.5g}",
                    "without end" if each.rrw is None else f"{each.rrw:.5g}",
                )
                for each in found.importances[:listed]
            ],
        )
