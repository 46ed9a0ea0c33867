"""How much an analysis may take. Cores have no clock: who calls them counts the seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

NODES_MAX: Final = 2_000_000  # of one diagram, unless told otherwise; some 400 octets each
NODES_POSSIBLE: Final = (1 << 25) - 1  # a node is 25 bits of a key
CHECKED_EVERY: Final = 4_096  # steps between two looks at the clock: a few milliseconds


class OverBudget(Exception):
    """An analysis does not fit its budget: an expected outcome inside the room, which nobody outside sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Bounds on one attempt. `spent` says whether its time is over."""

    nodes_max: int = NODES_MAX
    spent: Callable[[], bool] = lambda: False

    def check(self, nodes: int) -> None:
        """Raise OverBudget if `nodes` are too many, or the time is over."""
        if nodes > min(self.nodes_max, NODES_POSSIBLE) or self.spent():
            raise OverBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a whole analysis may take. `seconds_spent` counts from its beginning."""

    nodes_max: int = NODES_MAX
    seconds_max: float = float("inf")
    seconds_spent: Callable[[], float] = lambda: 0.0

    def budget(self, *, room: float, share: float) -> Budget:
        """Return a budget of the share `room` of the nodes, until the share `share` of the time is over."""
        until = share * self.seconds_max
        return Budget(nodes_max=max(2, int(self.nodes_max * room)), spent=lambda: self.seconds_spent() > until)

    def part(self, share: float) -> "Limits":
        """Return limits that begin now and have the share `share` of the time that is left."""
        begin = self.seconds_spent()
        return Limits(
            nodes_max=self.nodes_max,
            seconds_max=max(0.0, share * (self.seconds_max - begin)),
            seconds_spent=lambda: self.seconds_spent() - begin,
        )
