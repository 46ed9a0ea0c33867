"""Many worlds on all cores: their scores added up, and whatever was broken, with the seed that breaks it again."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field
from itertools import islice

from standfast.sim.invariants import Broken
from standfast.sim.scoring import Score
from standfast.sim.simulation import CONTESTANTS, Simulation
from standfast.sim.trace import Trace
from standfast.sim.workers import workers
from standfast.sim.worlds import make_script

BATCH = 20  # worlds handed to a process at once: a second or two, so that progress shows
BROKEN_WORLDS_MAX = 50  # kept with their details; more are only counted


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenWorld:
    """A world in which something was broken; its seed makes it again."""

    seed: str
    title: str
    broken: tuple[Broken, ...]


@dataclass(slots=True, kw_only=True)
class Fleet:
    """What came of many worlds."""

    worlds: int = 0
    hours: float = 0.0
    scores: dict[str, Score] = field(default_factory=lambda: dict.fromkeys(CONTESTANTS, Score()))
    broken: list[BrokenWorld] = field(default_factory=list)
    broken_worlds: int = 0

    def add(self, other: "Fleet") -> None:
        """Add the worlds of `other`."""
        self.worlds += other.worlds
        self.hours += other.hours
        self.scores = {name: score + other.scores[name] for name, score in self.scores.items()}
        self.broken_worlds += other.broken_worlds
        self.broken = (self.broken + other.broken)[:BROKEN_WORLDS_MAX]


def run_fleet(
    worlds: int,
    seed: str,
    *,
    jobs: int | None = None,
    on_progress: Callable[[int], None] = lambda _worlds: None,
) -> Fleet:
    """Simulate `worlds` worlds of `seed`. The result does not depend on `jobs`, which is the number of processes.

    `on_progress` is told of every batch how many worlds it had.
    """
    batches = [(seed, first, min(first + BATCH, worlds)) for first in range(0, worlds, BATCH)]
    jobs = min(jobs or os.cpu_count() or 1, len(batches) or 1)
    results: dict[int, Fleet] = {}
    if jobs == 1:
        for number, batch in enumerate(batches):
            results[number] = run_batch(*batch)
            on_progress(results[number].worlds)
    else:
        with workers(jobs) as pool:
            numbers: dict[Future[Fleet], int] = {
                pool.submit(run_batch, *batch): number for number, batch in enumerate(batches)
            }
            for future in as_completed(numbers):
                results[numbers[future]] = future.result()
                on_progress(future.result().worlds)
    total = Fleet()
    for number in sorted(results):  # added in one order, so that sums of floats are the same on any machine
        total.add(results[number])
    return total


def run_batch(seed: str, first: int, end: int) -> Fleet:
    """Simulate the worlds `first` to before `end` of `seed`, in this process."""
    total = Fleet()
    for number in range(first, end):
        total.add(run_world(f"{seed}/{number}"))
    return total


def run_world(seed: str) -> Fleet:
    """Simulate one world."""
    script = make_script(seed)
    result = Simulation(script).run()
    broken = [BrokenWorld(seed=seed, title=script.title, broken=result.broken)] if result.broken else []
    return Fleet(
        worlds=1,
        hours=script.ends_at_s / 3600,
        scores={contestant: result.total(contestant) for contestant in CONTESTANTS},
        broken=broken,
        broken_worlds=len(broken),
    )


def retell(seed: str, *, lines_max: int = 60) -> Iterator[str]:
    """Yield the story of one world: what it is, what happened, and the trace before the first thing broken in it."""
    script = make_script(seed)
    trace = Trace(start_s=script.starts_at_s)
    result = Simulation(script, trace=trace).run()
    yield f"world {seed}: {script.title}; {script.ends_at_s:.0f} s; trace {trace.digest()[:16]}"
    for spec in script.names:
        yield f"  {spec}"
    for suffix, settings in script.policies:
        yield f"  policy of {suffix}: {settings}"
    for timed in script.timeline:
        yield f"  {timed.at_s:10.1f}  {timed.event}"
    for contestant in CONTESTANTS:
        yield f"  {contestant}: {result.total(contestant)}"
    if not result.broken:
        return
    first = min(broken.at_s for broken in result.broken) - script.starts_at_s
    lines = list(trace.lines)
    end = next((at for at, line in enumerate(lines) if float(line.split()[0]) > first), len(lines))
    told = [line for line in lines[:end] if "  look-up " not in line]
    yield f"the last {lines_max} lines before it broke:"
    yield from islice(told, max(0, len(told) - lines_max), None)
    for broken in result.broken:
        yield f"BROKEN {broken.invariant} at {broken.at_s - script.starts_at_s:.6f} s: {broken.detail}"
