"""Plays a whole drill in the simulator and says what was expected of the guard, what came, and what it cost whom.

The guard has passed if the steady-state hypothesis holds before and after, every check on the way was met, and no
invariant was broken. What is expected of the rivals does not bear on that; it shows that the drill tells them apart.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

from standfast.drills.account import Account, Contestant, Moment
from standfast.drills.scenario import Check, Scenario
from standfast.drills.stage import Stage
from standfast.guard.resolver import Resolver
from standfast.sim.events import Timed
from standfast.sim.guard import GuardFactory


def run_in_simulation(
    scenario: Scenario,
    *,
    seed: str | None = None,
    make: GuardFactory = Resolver,
    on_step: Callable[[float], None] = lambda _at_s: None,
) -> Account:
    """Play `scenario` in virtual time; `on_step` is told how far it is, in seconds of the story."""
    began_s = time.perf_counter()
    stage = Stage(scenario, seed=seed, make=make)
    failures = [*_unmet(stage, scenario.hypothesis, "before")]
    for step in scenario.steps:
        match step:
            case Timed():
                stage.happen(step.at_s, step.event)
            case Check():
                failures += _unmet(stage, (step,), f"at {step.at_s:g} s")
        on_step(step.at_s or 0.0)
    failures += _unmet(stage, scenario.hypothesis, "after")
    failures += [f"{broken.invariant}: {broken.detail}" for broken in stage.finish()]
    contestants = stage.contestants()
    checks = 2 * len(scenario.hypothesis) + sum(isinstance(step, Check) for step in scenario.steps)
    return Account(
        drill=scenario.name,
        title=scenario.title,
        description=scenario.description,
        lesson=scenario.lesson,
        sources=scenario.sources,
        mode="sim",
        scale=0.0,
        starts_at=scenario.starts_at,
        zone=scenario.zone_name,
        ends_at_s=scenario.script.ends_at_s,
        moments=tuple(Moment(at_s=timed.at_s, text=timed.title) for timed in scenario.script.timeline),
        background=stage.background(),
        contestants=contestants,
        absent=(),
        decisions=tuple(stage.decisions),
        ledger=None,
        versions={"standfast": version("standfast")},
        notes=(
            f"Simulated in virtual time with the seed {seed or scenario.script.seed}: the guard is the real one, "
            "the rivals are modelled.",
            f"{checks} checks were made.",
            *surprises(scenario, contestants),
        ),
        took_s=time.perf_counter() - began_s,
        failures=tuple(failures),
    )


def surprises(scenario: Scenario, contestants: Sequence[Contestant]) -> Iterator[str]:
    """Yield which expectations of the rivals' scores did not come true, in sentences."""
    for contestant in contestants:
        for of, (least, most) in scenario.rivals.get(contestant.name, {}).items():
            got = getattr(contestant.total, of)
            if not least <= got <= most:
                yield f"Unexpected: {of} of {contestant.name} is {got:.0f}, not {least:g} to {most:g}."


def _unmet(stage: Stage, checks: Sequence[Check], when: str) -> Iterator[str]:
    for check in checks:
        output = stage.check(check)
        if not check.is_met(output):
            expected = check.tolerance if isinstance(check.tolerance, bool) else "{:g} to {:g}".format(*check.tolerance)
            yield f"{check.title}: {output} instead of {expected}, {when}"
