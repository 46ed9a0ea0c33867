"""What others list as the endpoints of a pool: the last good reading, how old it is, why a newer one is not believed.

A list that cannot be had, cannot be read or is empty says nothing about endpoints: what was listed before stands,
however old it is. One that lacks most of what was listed before is believed once it has said so several times in a row:
a tool that writes its list anew, or asks only half of its own sources, looks just so. Decides only.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Final, TypeAlias

from standfast.control.intent import Endpoint
from standfast.values import value

GONE_RATIO_MAX: Final = 0.5  # of the endpoints listed before: more than that is not believed at once
CONFIRMATIONS: Final = 3  # readings in a row that list the same, until it is
NEVER: Final = "it was never read"
NOT_YET: Final = "it was not read since the start"


@value
class Listed:
    """A list that could be read; there is at least one endpoint in it."""

    endpoints: tuple[Endpoint, ...]


@value
class Unlisted:
    """No list: it failed, was malformed, or empty."""

    why: str


Reading: TypeAlias = Listed | Unlisted


@value
class SourceState:
    """What is known of one source.

    `endpoints` are those of the last good reading, which was at `read_at_s` (seconds since the epoch). `failed` says
    why the newest reading is not it, and is empty where it is. `doubted` is what that one listed, `times` in a row.
    """

    endpoints: tuple[Endpoint, ...] = ()
    read_at_s: float | None = None
    failed: str = NEVER
    doubted: tuple[Endpoint, ...] = ()
    times: int = 0


def heard(state: SourceState, reading: Reading, now_s: float) -> SourceState:
    """Return what is known after `reading`, which came at `now_s` (seconds since the epoch)."""
    match reading:
        case Unlisted(why=why):
            return SourceState(endpoints=state.endpoints, read_at_s=state.read_at_s, failed=why)
        case Listed(endpoints=endpoints):
            gone = _addresses(state.endpoints) - _addresses(endpoints)
            times = state.times + 1 if endpoints == state.doubted else 1
            if len(gone) <= GONE_RATIO_MAX * len(state.endpoints) or times >= CONFIRMATIONS:
                return SourceState(endpoints=endpoints, read_at_s=now_s, failed="")
            what = f"it lacks {len(gone)} of the {len(state.endpoints)} endpoints that it listed before"
            return SourceState(
                endpoints=state.endpoints,
                read_at_s=state.read_at_s,
                failed=f"{what}, {times} of the {CONFIRMATIONS} times in a row that are needed",
                doubted=endpoints,
                times=times,
            )


def packed(state: SourceState) -> str:
    """Return the last good reading as a text of JSON, to be kept over a restart."""
    return json.dumps({"read_at_s": state.read_at_s, "endpoints": [asdict(each) for each in state.endpoints]})


def unpacked(text: str) -> SourceState:
    """Return what was kept; where that means nothing, what is known of a source that was never read."""
    try:
        said = json.loads(text)
        endpoints = tuple(Endpoint(**each) for each in said["endpoints"])
        read_at_s = float(said["read_at_s"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return SourceState()
    return SourceState(endpoints=endpoints, read_at_s=read_at_s, failed=NOT_YET) if endpoints else SourceState()


def _addresses(endpoints: Iterable[Endpoint]) -> frozenset[str]:
    return frozenset(endpoint.address for endpoint in endpoints)
