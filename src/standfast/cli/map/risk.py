"""`standfast map risk`: how probable it is that the top event of a model happens, and by what."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from standfast.cli.common import json_option, print_json
from standfast.cli.parameters import FILE
from standfast.cli.tables import print_facts, print_table
from standfast.depmap.faults.budget import NODES_MAX, NODES_POSSIBLE, Limits
from standfast.depmap.faults.openpsa import read_open_psa
from standfast.depmap.faults.risk import Risk, assess
from standfast.io.depmap.model_files import read_model_file

SECONDS_MAX = 30.0
LISTED_MAX = 100_000
RECURSION_MAX = 100_000  # levels of a diagram; Python's own bound is meant for loops by mistake
TOLD_EVERY_S = 3.0


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


@click.command()
@click.option("--open-psa", "path", type=FILE, required=True, help="A fault tree in Open-PSA XML.")
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
