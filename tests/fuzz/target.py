"""What a fuzz target is: a law that any octets must keep, and octets to begin from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One parser of outside bytes. `law` raises for octets that break it; `seeds` are made by our own code."""

    law: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
