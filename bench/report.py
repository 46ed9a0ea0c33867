"""What a benchmark says: tables for people on standard output, or one JSON object for programs."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict, is_dataclass
from typing import Final

from bench.summary import Spread
from rich.console import Console
from rich.table import Table

from standfast.errors import StandfastError

WIDTH_PIPED: Final = 120  # columns, where the output is no terminal: a table that is broken over lines compares badly
FAILED: Final = 1  # exit status


def console(*, as_json: bool) -> Console:
    """Return where tables and progress go; where JSON goes to standard output, that is standard error."""
    where = sys.stderr if as_json else sys.stdout
    return Console(file=where, width=None if where.isatty() else WIDTH_PIPED, highlight=False)


def table(title: str, *columns: str) -> Table:
    """Return an empty table: the first column is text, the others are numbers."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index else "left", no_wrap=True)
    return made


def with_spread(value: Spread | None, form: str, *, scale: float = 1) -> str:
    """Return a median times `scale`, formatted by `form`, and how far the quartiles lie from it: `183.2 ±2%`."""
    return "-" if value is None else f"{value.median * scale:{form}} ±{value.relative:.0%}"


def trouble(count: int) -> str:
    """Return a count that ought to be zero, in red where it is not."""
    return str(count) if count == 0 else f"[bold red]{count}[/]"


def print_json(value: object) -> None:
    """Print `value`, made of dataclasses, mappings and sequences, as JSON."""
    print(json.dumps(value, default=_plain))


def run(benchmark: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run `benchmark`; what cannot be helped is said in one line, with exit status 1."""
    try:
        asyncio.run(benchmark())
    except StandfastError as error:
        print(error, file=sys.stderr)
        sys.exit(FAILED)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} is not for JSON")
