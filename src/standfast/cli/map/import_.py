"""`standfast map import`: one map of many files, kept in a file of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from standfast.cli.common import count, dry_run_option, json_option, print_json, state_dir
from standfast.cli.exits import NEGATIVE
from standfast.cli.map.common import DEFAULT_FILE, progress
from standfast.depmap.readers.kinds import READERS
from standfast.io.depmap.load import load_map, told_before, write_map


@click.command("import")
@click.argument("paths", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--guard",
    metavar="[STATE_DIR]",
    is_flag=False,
    flag_value="",
    help="What the guard on STATE_DIR, or the usual one, has resolved, running or not. Stands last.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_FILE,
    show_default=True,
    help="The map to write.",
)
@click.option(
    "--kind",
    type=click.Choice([reader.name for reader in READERS]),
    help="What the files are. Else: what each looks like.",
)
@dry_run_option
@json_option
@click.pass_context
def import_(
    ctx: click.Context,
    paths: Sequence[Path],
    guard: str | None,
    out: Path,
    kind: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make one map of many files.

    FILE is a file, a folder or a pattern. What is broken is named, the rest still makes a map, and the exit code is 1.

    \b
    Examples:
      standfast map import main.tfstate k8s/ extra.yaml
      standfast map import --kind "zone file" zones/ --out dns.json
      standfast map import main.tfstate --guard
    """
    if not paths and guard is None:
        raise click.UsageError("Missing argument 'FILE...', or --guard.")
    observed = None if guard is None else Path(guard) if guard else state_dir(None)
    with progress("files") as on_file:
        found = load_map(paths, kind=kind, guard=observed, without=out, on_file=on_file)
    before, now = told_before(out), frozenset(told.statement for told in found.map.told)
    if not dry_run:
        write_map(out, found.map)
    for error in found.errors:
        click.echo(f"standfast: {error}", err=True)
    numbers = {
        "files": found.files,
        "nodes": len(found.map.graph.nodes),
        "edges": len(found.map.witnesses),
        "causes": len(found.map.graph.causes),
        "contradictions": len(found.map.contradictions),
        "remarks": len(found.map.remarks),
    }
    if as_json:
        errors = [str(error) for error in found.errors]
        changed = {"statements_new": len(now - before), "statements_gone": len(before - now)}
        print_json({"out": str(out), "written": not dry_run, **numbers, **changed, "errors": errors})
    else:
        what = ", ".join(count(number, _WORDS[key]) for key, number in numbers.items())
        click.echo(f"{out} {'would be' if dry_run else 'is'} a map of {what}")
        if before:
            click.echo(f"{count(len(now - before), 'statement')} new, {len(before - now)} gone")
        if found.map.contradictions or found.map.remarks:
            click.echo("contradictions and remarks: standfast map show", err=True)
    if found.errors:
        ctx.exit(NEGATIVE)


_WORDS: Final = {
    "files": "file",
    "nodes": "node",
    "edges": "edge",
    "causes": "shared cause",
    "contradictions": "contradiction",
    "remarks": "remark",
}
