"""What is known of a pool when names are planned: its endpoints, their health, and what could not be learnt."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from standfast.control.intent import Endpoint


class Health(StrEnum):
    """How an endpoint is."""

    WELL = "well"
    ILL = "ill"
    UNKNOWN = "unknown"  # nothing can be said: what is published of it stays as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A pool's endpoints in their order, drained ones included, each with its health.

    `source_failed` and `broken` say why, in words, and are empty where nothing is wrong. While `broken`, health is
    what was believed before: too many turned ill at once, or nobody measures, and the last plan stays.
    """

    endpoints: Mapping[Endpoint, Health]
    source_failed: str = ""
    broken: str = ""
