"""A large map: what merging, keeping and reading it costs, and what takes down what, of everything in it.

The map is made up: services in a line, each on some of those that come after it, and one in fifty on one before it, or
another one; one cause of two hundred is shared by each. What some losses take with them is found one by one, too.
"""

import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import machine, report

from standfast.depmap.graph import Kind, all_of, any_of
from standfast.depmap.loss import blast_radius, fatal_pairs, reach, single_points
from standfast.depmap.mapfile import read, write
from standfast.depmap.merging import merge
from standfast.depmap.statements import Is, Needs, Reading, Shares, Statement, Told, Witness

NODES: Final = 10_000
CAUSES: Final = 200
BACK: Final = 0.02  # of all services
STRICT: Final = 0.1  # of all services: they need both of two others
NEAR: Final = 400  # a service needs what comes so soon after it
TARGET_S: Final = 5.0  # single points, pairs and blast radius, together
TARGET_MIB: Final = 1_024
COMPARED: Final = 20  # losses that are looked at one by one, too
WITNESSES: Final = tuple(Witness(reader=reader, where="made up") for reader in ("one", "two", "three"))

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was done, how long it took in seconds of the clock and of the processor, and what came out."""

    what: str
    seconds: float
    cpu_s: float
    found: str


@click.command()
@click.option("--quick", is_flag=True, help="A tenth of the map.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(quick: bool, as_json: bool) -> None:
    """Measure a map of 10,000 nodes and 50,000 edges: merging, its file, single points, pairs and blast radius."""
    out = report.console(as_json=as_json)
    told = _told(NODES // 10 if quick else NODES)
    steps: list[Step] = []

    def step(what: str, act: Callable[[], T], in_words: Callable[[T], str]) -> T:
        out.print(f"{what} ...", style="dim")
        begin, begin_cpu = time.perf_counter(), time.process_time()
        done = act()
        seconds, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
        steps.append(Step(what=what, seconds=seconds, cpu_s=cpu_s, found=in_words(done)))
        return done

    found = step("merge", lambda: merge([told]), lambda done: f"{len(done.graph.nodes)} nodes, {_edges(told)} edges")
    octets = step("write", lambda: write(found), lambda done: f"{len(done) / 1e6:.1f} MB")
    step("read", lambda: read(octets, file="map"), lambda done: f"{len(done.told)} statements")
    graph = found.graph
    causes = list(graph.causes)
    singles = step("single points of one", lambda: single_points(graph, "n0"), lambda done: f"{len(done)}")
    step("pairs of shared causes", lambda: fatal_pairs(graph, "n0", causes), lambda done: f"{len(done)} of one")
    reached = step("blast radius of each loss", lambda: reach(graph), lambda done: f"{len(done)} losses")
    for loss in random.Random(2).sample([*graph.nodes, *causes], COMPARED):
        down = blast_radius(graph, [loss]).down
        if len(down) != reached[loss] or ("n0" in down) != (loss in singles):
            raise click.ClickException(f"the loss of {loss} takes {len(down)} down, and not {reached[loss]}")
    analysis_s, analysis_cpu_s = sum(each.seconds for each in steps[-3:]), sum(each.cpu_s for each in steps[-3:])
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if as_json:
        report.print_json(
            {
                "machine": machine.describe(),
                "steps": steps,
                "analysis_s": analysis_s,
                "analysis_cpu_s": analysis_cpu_s,
                "peak_mib": peak_mib,
            }
        )
        return
    table = report.table("A large map", "step", "seconds", "processor", "found")
    for each in steps:
        table.add_row(each.what, f"{each.seconds:.2f}", f"{each.cpu_s:.2f}", each.found)
    out.print(table)
    took = f"{analysis_s:.1f} s, {analysis_cpu_s:.1f} s of them on the processor"
    out.print(f"single points, pairs and blast radius: {took} (target: under {TARGET_S:.0f} s)")
    out.print(f"memory of the process at its most: {peak_mib:.0f} MiB (target: under {TARGET_MIB} MiB)")


def _told(nodes: int) -> Reading:
    """Return what three readers tell of `nodes` services, with five edges each but for the last ones."""
    rng = random.Random(1)
    told: list[Told] = []

    def tell(statement: Statement) -> None:
        told.append(Told(statement, rng.choice(WITNESSES)))

    for number in range(nodes):
        name = f"n{number}"
        tell(Is(name, Kind.SERVICE))
        tell(Shares(name, f"region:cloud-{number % 4}/{rng.randrange(CAUSES // 4)}"))
        after = range(number + 1, min(number + 1 + NEAR, nodes))
        if len(after) < 5:
            continue
        parts = [f"n{part}" for part in rng.sample(after, 5)]
        if number and rng.random() < BACK:
            parts[3] = f"n{rng.randrange(number)}"
        first = all_of(*parts[:2]) if rng.random() < STRICT else any_of(*parts[:2])
        for need in (first, any_of(*parts[2:4]), any_of(parts[4], soft=True)):
            tell(Needs(name, need))
    return Reading(told=tuple(told))


def _edges(reading: Reading) -> int:
    return sum(len(told.statement.need.parts) for told in reading.told if isinstance(told.statement, Needs))


if __name__ == "__main__":
    main()
