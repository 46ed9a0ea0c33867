"""Which plans may be forgotten: none that anything published refers to, or may come to refer to."""

from collections.abc import Iterable, Mapping, Sequence

from standfast.control.fence import Fence, Seen


def collectable(generations: Sequence[int], fences: Mapping[str, Seen], keep: int) -> tuple[int, ...]:
    """Return the generations that nobody needs any more.

    Nothing at or above the lowest fence is collected, and nothing at all while a fence is absent, cannot be read, or is
    open: what a half-made publication still has to take away is told by the plans since the last whole one. The newest
    `keep` always stay, so that there is something to go back to.

    A stale reading is safe: fences only grow, so the lowest one of a moment ago is never above that of now, and
    whatever it protects is all that is protected now, and more. Should a zone be emptied by hand, fence included, and
    an old plan come back: a plan that is missing is a legal state, and is repaired from what is found.

    Args:
        generations: all that are kept.
        fences: what was seen at each publisher of the zone; where there is none, only `keep` counts.
        keep: how many stay whatever happens; at least one does.
    """
    lowest = _lowest(fences.values())
    newest_first = sorted(generations, reverse=True)[max(keep, 1) :]
    return tuple(sorted(each for each in newest_first if each < lowest))


def _lowest(fences: Iterable[Seen]) -> float:
    lowest = float("inf")
    for fence in fences:
        if not isinstance(fence, Fence) or not fence.done:
            return 0
        lowest = min(lowest, fence.generation)
    return lowest
