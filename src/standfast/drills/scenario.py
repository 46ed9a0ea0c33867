"""A drill's file: a Chaos Toolkit experiment whose extension `standfast` describes the world. Reads and checks only.

The experiment's actions are functions of `standfast.drills.chaos` with an argument `at_s`; each stands for one event
of `sim.events`. So the same file is run by Chaos Toolkit, by `runner`, and by the live drill.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from standfast.dns.model import RRType
from standfast.dns.name import BadName, parse_name
from standfast.drills.errors import DrillError
from standfast.drills.experiment import Activity, Experiment, Range, WorldDescription
from standfast.sim import events
from standfast.sim.events import Event, Timed
from standfast.sim.resolvers import ResolverSpec
from standfast.sim.script import Pace, Script
from standfast.sim.world import NameSpec, ZoneSpec

PROVIDER = "standfast.drills.chaos"

EVENTS: Mapping[str, type[Any]] = {
    "set_addresses": events.SetAddresses,
    "empty_record": events.EmptyRecord,
    "drop_name": events.DropName,
    "restore_record": events.RestoreRecord,
    "drop_delegation": events.DropDelegation,
    "restore_delegation": events.RestoreDelegation,
    "break_signing": events.BreakSigning,
    "mend_signing": events.MendSigning,
    "retire": events.Retire,
    "start_servers": events.StartServers,
    "stop_servers": events.StopServers,
    "revive_servers": events.ReviveServers,
    "give_away": events.GiveAway,
    "break_resolver": events.BreakResolver,
    "mend_resolver": events.MendResolver,
    "flush_resolver": events.FlushResolver,
    "restart": events.Restart,
    "note": events.Note,
}
CHECKS = frozenset({"guard_answers_as_meant", "guard_answers_with", "verdict_is", "seconds", "missed"})
NAME_FIELDS = frozenset({"name", "zone", "certificate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A probe of the experiment: what `stage` is asked, when, and what it must say.

    Those of the hypothesis have no `at_s`, and as tolerance a truth value or the least and the most that may come.
    Those of the method have an `at_s` and must be true.
    """

    title: str
    func: str
    arguments: Mapping[str, Any]
    tolerance: bool | Range
    at_s: float | None = None

    def is_met(self, output: object) -> bool:
        """Say whether `output` is within the tolerance, as Chaos Toolkit would."""
        match self.tolerance:
            case bool():
                return output is self.tolerance
            case (least, most):
                return isinstance(output, int | float) and least <= output <= most


Step = Timed | Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A drill, read and checked.

    Args:
        lesson: what should happen, in words.
        sources: where its facts come from.
        steps: the method: events and checks, in order of time.
        hypothesis: what must hold before the method and after it.
        rivals: what the others' scores are expected to be: by contestant, by kind of seconds, least and most.
    """

    name: str
    title: str
    description: str
    lesson: str
    sources: tuple[str, ...]
    tags: tuple[str, ...]
    starts_at: datetime
    zone_name: str
    script: Script
    steps: tuple[Step, ...]
    hypothesis: tuple[Check, ...]
    rivals: Mapping[str, Mapping[str, Range]]


def library() -> dict[str, Scenario]:
    """Return every drill that comes with the package, by name."""
    folder = resources.files("standfast.drills") / "library"
    paths = sorted(Path(str(path)) for path in folder.iterdir() if path.name.endswith(".json"))
    return {path.stem: load(path) for path in paths}


def find(name_or_file: str) -> Scenario:
    """Return the drill of that name, or the one in that file.

    Raises:
        DrillError: there is no such drill or file, or it cannot be used.
    """
    known = library()
    if name_or_file in known:
        return known[name_or_file]
    if Path(name_or_file).is_file():
        return load(Path(name_or_file))
    near = get_close_matches(name_or_file, known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"the drills are {', '.join(known)}"
    raise DrillError(name_or_file, f"neither a drill nor a file; {hint}")


def load(path: Path) -> Scenario:
    """Read a drill's file. Raises `DrillError` with all that is wrong with it."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DrillError(str(path), f"cannot be read: {error}") from error
    return from_experiment(path.stem, content)


def from_experiment(name: str, content: object) -> Scenario:
    """Return the drill that an experiment, as parsed from JSON, describes. Raises `DrillError`."""
    try:
        experiment = Experiment.model_validate(content)
        steps = tuple(_step(activity) for activity in experiment.method)
        hypothesis = tuple(_check(activity) for activity in experiment.hypothesis.probes)
        world = experiment.world()
        return Scenario(
            name=name,
            title=experiment.title,
            description=experiment.description,
            lesson=world.lesson,
            sources=world.sources,
            tags=experiment.tags,
            starts_at=world.starts_at,
            zone_name=world.zone_name or f"UTC{world.starts_at:%z}",
            script=_script(experiment.title, world, steps),
            steps=steps,
            hypothesis=hypothesis,
            rivals=world.rivals,
        )
    except ValidationError as error:
        findings = (f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors())
        raise DrillError(name, "; ".join(findings)) from error
    except (BadName, ValueError) as error:
        raise DrillError(name, str(error)) from error


def to_event(func: str, arguments: Mapping[str, Any]) -> Event:
    """Return the event that an action stands for. Raises `ValueError`, or pydantic's `ValidationError`."""
    kind = EVENTS.get(func)
    if kind is None:
        near = get_close_matches(func, EVENTS, n=1)
        raise ValueError(f'unknown action "{func}"' + (f' - did you mean "{near[0]}"?' if near else ""))
    unknown = set(arguments) - {each.name for each in fields(kind)}
    if unknown:
        raise ValueError(f"{func}: unknown arguments {', '.join(sorted(unknown))}")
    named = {key: parse_name(value) if key in NAME_FIELDS and value else value for key, value in arguments.items()}
    event: Event = TypeAdapter(kind).validate_python(named)
    return event


def _step(activity: Activity) -> Step:
    if activity.type == "probe":
        return _check(activity)
    arguments = dict(activity.provider.arguments)
    if "at_s" not in arguments:
        raise ValueError(f'"{activity.name}": an action needs at_s')
    at_s = float(arguments.pop("at_s"))
    return Timed(at_s=at_s, event=to_event(activity.provider.func, arguments), title=activity.name)


def _check(activity: Activity) -> Check:
    func = activity.provider.func
    if func not in CHECKS:
        near = get_close_matches(func, CHECKS, n=1)
        raise ValueError(f'unknown probe "{func}"' + (f' - did you mean "{near[0]}"?' if near else ""))
    arguments = dict(activity.provider.arguments)
    at_s = arguments.pop("at_s", None)
    tolerance = True if at_s is not None else activity.tolerance
    if tolerance is None:
        raise ValueError(f'"{activity.name}": a probe of the hypothesis needs a tolerance, one of the method at_s')
    return Check(title=activity.name, func=func, arguments=arguments, tolerance=tolerance, at_s=at_s)


def _script(title: str, world: WorldDescription, steps: tuple[Step, ...]) -> Script:
    times = [step.at_s for step in steps if step.at_s is not None]
    if not times or times != sorted(times):
        raise ValueError("the method needs at least one step, in order of at_s")
    return Script(
        title=title,
        seed=world.seed,
        zones=tuple(
            ZoneSpec(name=zone.name, negative_ttl_s=zone.negative_ttl_s, signed=zone.signed) for zone in world.zones
        ),
        names=tuple(
            NameSpec(
                name=name.name,
                zone=name.zone,
                addresses=name.addresses,
                alias_of=name.alias_of,
                ttl_s=name.ttl_s,
                tls=name.tls,
                qtypes=tuple(RRType[qtype] for qtype in name.qtypes),
                needs=name.needs,
                known_for_s=name.known_for_s,
            )
            for name in world.names
        ),
        upstreams=tuple(ResolverSpec(**each.model_dump()) for each in world.upstreams),
        second_opinions=tuple(ResolverSpec(**each.model_dump()) for each in world.second_opinions),
        policies=tuple((policy.suffix, policy.settings()) for policy in world.policies),
        timeline=tuple(step for step in steps if isinstance(step, Timed)),
        ends_at_s=times[-1],
        starts_at_s=world.starts_at.timestamp(),
        pace=Pace(first_s=world.look_up_every_s, longest_s=world.look_up_every_s),
    )
