"""What the verbs of `standfast map` share: the option that says which files, and the map that they make."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

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


def map_of(paths: Sequence[Path]) -> DependencyMap:
    """Return the map that `paths`, or else the file in the current folder, make; what is broken is named.

    Raises:
        ModelError: none of them can be read.
    """
    if not paths and not DEFAULT_FILE.exists():
        raise ModelError(f"there is no {DEFAULT_FILE} here: name what to read with --file")
    found = load_map(paths or [DEFAULT_FILE])
    for error in found.errors:
        click.echo(f"standfast: {error}", err=True)
    if found.errors:
        click.echo(f"standfast: the map lacks what {count(len(found.errors), 'file')} would say", err=True)
    return found.map
