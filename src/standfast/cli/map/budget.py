"""How much the verbs of `standfast map` may take to work something out, and how they tell what they are at."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from standfast.depmap.faults.budget import NODES_MAX, NODES_POSSIBLE, Limits

SECONDS_MAX: Final = 30.0
RECURSION_MAX: Final = 100_000  # levels of a diagram; Python's own bound is meant for loops by mistake
TOLD_EVERY_S: Final = 3.0

_nodes_option = click.option(
    "--nodes-max",
    type=click.IntRange(1_000, NODES_POSSIBLE),
    default=NODES_MAX,
    show_default=True,
    help="Nodes of a diagram; 400 octets of memory each.",
)
_seconds_option = click.option(
    "--seconds-max",
    type=click.FloatRange(min=0, min_open=True),
    default=SECONDS_MAX,
    show_default=True,
    help="How long it may take. What is not exact by then is an interval.",
)


def budget_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options `nodes_max` and `seconds_max`."""
    return _nodes_option(_seconds_option(command))


def limits_from_now(nodes_max: int, seconds_max: float) -> Limits:
    """Return limits whose time begins now."""
    begin = time.perf_counter()
    return Limits(nodes_max=nodes_max, seconds_max=seconds_max, seconds_spent=lambda: time.perf_counter() - begin)


@contextmanager
def room_for_large_trees() -> Iterator[None]:
    """Let diagrams be deep, and numbers of cut sets as long as they come."""
    levels, digits = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    sys.setrecursionlimit(max(RECURSION_MAX, levels))
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.setrecursionlimit(levels)
        sys.set_int_max_str_digits(digits)


class Progress:
    """Says on standard error what is being done, now and then; nothing of what is done soon."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, doing: str) -> None:
        """Say what is being done, unless something was said a moment ago."""
        now = time.monotonic()
        if now - self._told >= TOLD_EVERY_S:
            self._told = now
            click.echo(f"standfast: {doing} ...", err=True)
