"""What the verbs of `standfast map` share: the option that says which files, and the map that they make."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from standfast.cli.common import count
from standfast.depmap.errors import ModelError
from standfast.depmap.merging import DependencyMap
from standfast.io.depmap.load import load_map

DEFAULT_FILE: Final = Path("standfast-map.json")

files_option = click.option(
    "--file",
    "paths",
    type=click.Path(path_type=Path),
    multiple=True,
    help=f"A map, or any file or folder that a map is made of; again for more. Else: ./{DEFAULT_FILE}.",
)


def map_of(paths: Sequence[Path], *, whole: bool = False) -> DependencyMap:
    """Return the map that `paths`, or else the file in the current folder, make; what is broken is named.

    Raises:
        ModelError: none of them can be read, or if `whole` one cannot.
    """
    if not paths and not DEFAULT_FILE.exists():
        raise ModelError(
            f"there is no {DEFAULT_FILE} here: make it with `standfast map import`, or name files with --file"
        )
    with progress("files") as on_file:
        found = load_map(paths or [DEFAULT_FILE], on_file=on_file)
    for error in found.errors:
        click.echo(f"standfast: {error}", err=True)
    if found.errors:
        lacking = f"the map lacks what {count(len(found.errors), 'file')} would say"
        if whole:
            raise ModelError(f"{lacking}, so that nothing is judged by it: mend what is named above, or leave it out")
        click.echo(f"standfast: {lacking}", err=True)
    return found.map


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal, which is moved by saying how many are done, and of how many; elsewhere nothing."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
