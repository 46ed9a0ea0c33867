"""From readings to a finished map: the order of the process. Each step looks at the map so far, and tells more."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.statements import Reading

Step: TypeAlias = Callable[[DependencyMap], Reading]


def assemble(readings: Iterable[Reading], steps: Sequence[Step]) -> DependencyMap:
    """Return the map of `readings`, and of what each of `steps` tells of it in turn.

    Raises:
        ModelError: a cause has the name of a node.
    """
    told = list(readings)
    found = merge(told)
    for step in steps:
        told.append(step(found))
        found = merge(told)
    return found
