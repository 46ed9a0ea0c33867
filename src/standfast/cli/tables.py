"""Tables for people: in colour on a terminal, plain and with unbroken lines elsewhere."""

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_PIPED = 1_000  # columns where there is no terminal: what reads there wants no line broken


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print `rows` under the heads `columns`."""
    table = _table(show_header=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    _print(table, rows)


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print pairs of a word and what there is to say of it."""
    table = _table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    _print(table, facts)


def console_for_output() -> Console:
    """Return a console on standard output, as wide as the terminal is, or as anything can be where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_PIPED)


def _table(*, show_header: bool) -> Table:
    return Table(box=None, pad_edge=False, show_header=show_header, header_style="bold", padding=(0, 2, 0, 0))


def _print(table: Table, rows: Sequence[Sequence[str]]) -> None:
    for row in rows:
        table.add_row(*map(Text, row))  # a Text is never read as markup, whatever a name or a server says
    console = console_for_output()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as printed:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))
