"""A failure function: which basic events, together, make the top event happen, and how likely each of them is.

The form is that of a fault tree (IEC 61025): gates over basic events. Without `Not` and `Xor` the function is coherent:
one more failure never repairs anything. Trees of other makers may be non-coherent; what is said of them then is told in
`standfast.depmap.faults.cutsets`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from standfast.depmap.errors import ModelError


class LoopError(ModelError):
    """A gate that hangs on itself. Field: `gates`, each of which hangs on the next; the last is the first again."""

    def __init__(self, gates: Sequence[str], *, file: str = "", line: int = 0) -> None:
        super().__init__(f"a gate hangs on itself: {' -> '.join(gates)}", file=file, line=line)
        self.gates = tuple(gates)


class Source(StrEnum):
    """Where an unavailability is from."""

    CLAIMED = "claimed"  # somebody promised it, or wrote it down
    MEASURED = "measured"
    ASSUMED = "assumed"  # nobody said; a default


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A basic event: something that fails by itself, with the share of time that it is failed."""

    unavailability: float
    source: Source = Source.CLAIMED


@dataclass(frozen=True, slots=True)
class Basic:
    """The basic event `name` happens."""

    name: str


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate `name` happens."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """Always or never: a house event."""

    value: bool


@dataclass(frozen=True, slots=True)
class AllOf:
    """All parts happen (AND)."""

    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part happens (OR)."""

    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """At least `number` of the parts happen; a part that stands there twice counts twice."""

    number: int
    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Xor:
    """An odd number of the parts happen."""

    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not happen."""

    part: "Formula"


Formula = Basic | Gate | Constant | AllOf | AnyOf | AtLeast | Xor | Not


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultTree:
    """Gates over basic events; `top` is the gate in question."""

    top: str
    gates: Mapping[str, Formula]
    events: Mapping[str, Event]

    def in_order(self) -> list[str]:
        """Return the gates that `top` hangs on and `top` itself, each after those that it hangs on.

        Raises:
            LoopError: a gate hangs on itself.
            ModelError: it hangs on a gate or an event that is not there.
        """
        below: dict[str, list[str]] = {}
        open_gates = [self.top]
        while open_gates:
            name = open_gates.pop()
            if name in below:
                continue
            if name not in self.gates:
                raise ModelError(f'there is no gate "{name}"')
            below[name] = []
            for part in leaves(self.gates[name]):
                if isinstance(part, Gate):
                    below[name].append(part.name)
                elif part.name not in self.events:
                    raise ModelError(f'gate "{name}" hangs on "{part.name}", and there is no such basic event')
            open_gates += below[name]
        try:
            return list(TopologicalSorter(below).static_order())
        except CycleError as error:
            raise LoopError(error.args[1][::-1]) from None


def leaves(formula: Formula) -> Iterator[Basic | Gate]:
    """Yield every reference in `formula` from left to right, as often as it stands there."""
    todo = [formula]
    while todo:
        match todo.pop():
            case Basic() | Gate() as leaf:
                yield leaf
            case Not(part):
                todo.append(part)
            case AllOf(parts) | AnyOf(parts) | AtLeast(_, parts) | Xor(parts):
                todo += reversed(parts)
            case Constant():
                pass
