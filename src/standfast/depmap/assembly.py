"""From readings to a finished map: the order of the process. Each step looks at the map so far, and tells more."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.statements import Reading

Step: TypeAlias = Callable[[DependencyMap], Reading]


def assemble(readings: Iterable[Reading], steps: Sequence[Step]) -> DependencyMap:
    """Return the map of `readings`, and of what each of `steps` tells of it in turn.

    Raises:
        ModelError: a need cannot be met.
    """
    told = list(readings)
    found = merge(told)
    for step in steps:
        more = step(found)
        if more.told or more.remarks:
            told.append(more)
            found = merge(told)
    return found
