"""The proof by exploring: every configuration whole, and every sabotage until it is caught."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from standfast.sim.control.configurations import CONFIGURATIONS, Configuration
from standfast.sim.control.explorer import Explored, explore
from standfast.sim.control.invariants import INVARIANTS, machine_of
from standfast.sim.control.sabotage import SABOTAGES, Sabotage
from standfast.sim.control.world import World
from standfast.sim.workers import workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What came of one configuration."""

    configuration: Configuration
    explored: Explored
    seconds: float

    @property
    def broken(self) -> dict[str, tuple[str, ...]]:
        """What was broken and should not be, with the trace."""
        return {
            name: trace for name, trace in self.explored.broken.items() if name not in self.configuration.exceptions
        }

    @property
    def kept(self) -> tuple[str, ...]:
        """What is said to be beyond any help here, and was kept: then it should not be said."""
        return tuple(name for name in self.configuration.exceptions if name not in self.explored.broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What came of one sabotage; the trace is empty where nothing caught it."""

    sabotage: Sabotage
    trace: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of it all."""

    proven: tuple[Proven, ...]
    caught: tuple[Caught, ...]
    seconds: float

    @property
    def states(self) -> int:
        """How many states were explored for the product's own functions."""
        return sum(each.explored.states for each in self.proven)

    @property
    def exhaustive(self) -> bool:
        """Whether these are all that can be reached."""
        return all(each.explored.exhaustive for each in self.proven)

    @property
    def invariants(self) -> dict[str, bool]:
        """Of each invariant whether it held wherever it is said to hold."""
        return {name: all(name not in each.broken for each in self.proven) for name in INVARIANTS}

    @property
    def holds(self) -> bool:
        """Whether all is as it should be."""
        return (
            all(self.invariants.values())
            and all(each.trace for each in self.caught)
            and not any(each.kept for each in self.proven)
        )

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "states": self.states,
            "exhaustive": self.exhaustive,
            "seconds": round(self.seconds, 1),
            "invariants": self.invariants,
            "sabotage": [
                {
                    "name": each.sabotage.name,
                    "caught": bool(each.trace),
                    "trace": list(each.trace),
                    "what": each.sabotage.what,
                    "by": each.sabotage.catches,
                }
                for each in self.caught
            ],
            "configurations": [_described(each) for each in self.proven],
        }


def prove(
    *, quick: bool = False, jobs: int | None = None, on_progress: Callable[[str], None] = lambda _told: None
) -> Proof:
    """Explore every configuration, those alone that take a few seconds if `quick`, and every sabotage.

    `on_progress` is told of each when it is done. The result does not depend on `jobs`, the number of processes.
    """
    began = perf_counter()
    chosen = [each for each in CONFIGURATIONS if each.quick or not quick]
    caught = [catch(sabotage) for sabotage in SABOTAGES]
    on_progress(f"{sum(bool(each.trace) for each in caught)} of {len(caught)} sabotages caught")
    proven: dict[str, Proven] = {}
    for each in _each_proven(chosen, min(jobs or os.cpu_count() or 1, len(chosen))):
        proven[each.configuration.name] = each
        on_progress(f"{each.configuration.name}: {each.explored.states:,} states in {each.seconds:.1f} s")
    return Proof(
        proven=tuple(proven[each.name] for each in chosen), caught=tuple(caught), seconds=perf_counter() - began
    )


def _each_proven(chosen: Sequence[Configuration], jobs: int) -> Iterable[Proven]:
    if jobs == 1:
        yield from map(prove_one, chosen)
        return
    with workers(jobs) as pool:
        futures: list[Future[Proven]] = [pool.submit(prove_one, each) for each in chosen]
        for future in as_completed(futures):
            yield future.result()


def prove_one(configuration: Configuration) -> Proven:
    """Explore one configuration."""
    began = perf_counter()
    explored = explore(machine_of(World(configuration.setting)))
    return Proven(configuration=configuration, explored=explored, seconds=perf_counter() - began)


def catch(sabotage: Sabotage) -> Caught:
    """Explore one sabotage until it is caught."""
    explored = explore(sabotage.machine, until=sabotage.catches)
    return Caught(sabotage=sabotage, trace=explored.broken.get(sabotage.catches, ()))


def _described(proven: Proven) -> dict[str, Any]:
    configuration, explored = proven.configuration, proven.explored
    return {
        "name": configuration.name,
        "what": configuration.what,
        "states": explored.states,
        "depth": explored.depth,
        "exhaustive": explored.exhaustive,
        "seconds": round(proven.seconds, 1),
        "broken": [{"invariant": name, "trace": list(trace)} for name, trace in proven.broken.items()],
        "exceptions": [
            {"invariant": name, "why": why, "trace": list(explored.broken.get(name, ()))}
            for name, why in configuration.exceptions.items()
        ],
    }
