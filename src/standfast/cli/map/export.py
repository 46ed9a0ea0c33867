"""`standfast map export`: a map for other programs, as a picture, or as a page to explore."""

from collections.abc import Sequence
from pathlib import Path

import click

from standfast.cli.map.common import files_option, map_of
from standfast.depmap.errors import ModelError
from standfast.depmap.exports.formats import FORMATS, format_of
from standfast.depmap.exports.scene import narrowed, scene_of
from standfast.depmap.lookup import find_name, find_node
from standfast.io.depmap.parts import part
from standfast.io.faults import in_words
from standfast.io.whole_files import write_whole

MODE = 0o644


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@files_option
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    help="A page to explore, a picture, or what other programs read. Else: as the name of --out ends.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it. Else: standard output."
)
@click.option("--lost", multiple=True, metavar="NAME", help="Show what this loss takes with it; again for more.")
@click.option("--title", default="Dependency map", show_default=True, help="What stands above it.")
def export(
    names: Sequence[str], paths: Sequence[Path], form: str | None, out: Path | None, lost: Sequence[str], title: str
) -> None:
    """Write the map, or what the nodes NAME hang on, as a page, a picture, or for other programs.

    \b
    Examples:
      standfast map export --out map.html
      standfast map export checkout --lost us-east-1 --out checkout.svg
      standfast map export --format dot | dot -Tpdf > map.pdf
    """
    form = form or (format_of(out.name) if out else None)
    if form is None:
        raise click.UsageError(f"which --format? One of these is: {', '.join(FORMATS)}")
    found = map_of(paths)
    shown = narrowed(found, [find_node(found.graph, name) for name in names]) if names else found
    scene = scene_of(shown, [find_name(shown.graph, name) for name in lost])
    text = FORMATS[form].write(scene, title, part)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        write_whole(out, text.encode(errors="replace"), mode=MODE)
    except OSError as error:
        raise ModelError(f"cannot be written: {in_words(error)}", file=str(out)) from error
