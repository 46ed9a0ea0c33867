"""Many large worlds on all cores: what was broken in any, with the seed that breaks it again."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from standfast.sim.control.large import LargeWorld
from standfast.sim.workers import workers

SIMULATIONS: Final = 4
SIMULATIONS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What came of one world. Its seed makes it again, to the same `digest` of all that happened."""

    seed: str
    days: float
    plans: int
    writes: int
    digest: str
    broken: tuple[str, ...]


def simulate_all(
    count: int, seed: str, *, jobs: int | None = None, on_progress: Callable[[str], None] = lambda _told: None
) -> list[Simulated]:
    """Live through so many worlds of `seed`. The result does not depend on `jobs`, the number of processes."""
    seeds = [f"{seed}/{number}" for number in range(count)]
    done = []
    for each in _each(seeds, min(jobs or os.cpu_count() or 1, count or 1)):
        told = f"{each.plans} plans, {each.writes} writes in {each.days:.1f} days"
        on_progress(f"world {each.seed}: {told}" + "".join(f"; BROKEN {text}" for text in each.broken))
        done.append(each)
    return done


def _each(seeds: list[str], jobs: int) -> Iterable[Simulated]:
    if jobs == 1:
        yield from map(simulate, seeds)
        return
    with workers(jobs) as pool:
        yield from pool.map(simulate, seeds)


def simulate(seed: str) -> Simulated:
    """Live through one world."""
    world = LargeWorld(seed)
    world.run()
    return Simulated(
        seed=seed,
        days=world.now_s / 86_400,
        plans=world.plans,
        writes=world.writes,
        digest=world.digest,
        broken=tuple(world.broken),
    )


def retell(seed: str) -> Iterator[str]:
    """Yield the end of the story of one world, up to what was broken in it, if anything was."""
    world = LargeWorld(seed)
    world.run()
    yield f"world {seed}: {world.plans} plans, {world.writes} writes; trace {world.digest[:16]}; its last lines:"
    yield from world.lines
