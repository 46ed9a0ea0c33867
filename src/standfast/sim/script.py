"""A script: one world, its timeline, and how often its names are looked up. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from standfast.dns.model import Name, Question
from standfast.sim.events import Timed
from standfast.sim.resolvers import ResolverSpec
from standfast.sim.world import NameSpec, ZoneSpec

EPOCH_S = 1_760_918_400.0  # 20 October 2025, 00:00 UTC: a time that certificates and logs would have


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often each name is looked up: `first_s` after anything happens, each pause `growth` times the one before.

    A name that is looked up at one pace has `first_s` equal to `longest_s`.
    """

    first_s: float = 1.0
    longest_s: float = 240.0
    growth: float = 2.0

    def after(self, pause_s: float) -> float:
        """Return the pause that follows one of `pause_s`."""
        return min(pause_s * self.growth, self.longest_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One story. Times in seconds from `starts_at_s` (seconds since the epoch).

    Args:
        seed: gives everything that chance decides: latencies, losses, cache phases, the guard's own randomness.
        upstreams: resolvers that every contestant asks, in this order.
        second_opinions: resolvers that only the guard knows to ask.
        policies: the guard's policies, as `PolicyTable` takes them.
        timeline: what happens, in order of time.
        strays: questions that are looked up too, and must get a negative answer always.
        on_the_wire: messages go through the wire format both ways.
        cache_max, known_max: bounds of the guard's cache and memory, in entries.
    """

    title: str
    seed: str
    zones: tuple[ZoneSpec, ...]
    names: tuple[NameSpec, ...]
    upstreams: tuple[ResolverSpec, ...]
    second_opinions: tuple[ResolverSpec, ...] = ()
    policies: tuple[tuple[Name, Mapping[str, Any]], ...] = ()
    timeline: tuple[Timed, ...]
    ends_at_s: float
    starts_at_s: float = EPOCH_S
    pace: Pace = Pace()
    strays: tuple[Question, ...] = ()
    on_the_wire: bool = False
    cache_max: int = 10_000
    known_max: int = 10_000

    def questions(self) -> tuple[Question, ...]:
        """Return every question that is scored, what others need first."""
        needed = [need for spec in self.names for need in spec.needs]
        ordered = sorted(self.names, key=lambda spec: spec.name not in needed)
        return tuple(Question(spec.name, qtype) for spec in ordered for qtype in spec.qtypes)
