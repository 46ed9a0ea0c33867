"""`standfast map refresh`: the published lists that addresses are attributed by, fetched anew."""

import asyncio
from pathlib import Path
from typing import Any, assert_never

import click

from standfast.cli.common import dry_run_option, json_option, print_json
from standfast.cli.exits import NEGATIVE
from standfast.cli.tables import print_table
from standfast.depmap.errors import ModelError
from standfast.io.depmap.ranges import ranges_dir
from standfast.io.depmap.refresh import PUBLISHED, Kept, Outcome, Published, Taken, fetch_all
from standfast.io.roots import roots_of_probes
from standfast.io.settings.web_urls import check_url

BY_NAME = {published.name: published for published in PUBLISHED}


def _checked_url(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    try:
        return text and check_url(text, "URL", "https://mirror.example.org/ranges")
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("names", metavar="[LIST]...", nargs=-1, type=click.Choice(list(BY_NAME)))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where they go. Else: $STANDFAST_RANGES, or the user's cache.",
)
@click.option("--mirror", callback=_checked_url, help="A URL that has them below it, each by the name of its file.")
@dry_run_option
@json_option
def refresh(names: tuple[str, ...], folder: Path | None, mirror: str | None, dry_run: bool, as_json: bool) -> None:
    """Fetch the lists of address ranges that providers publish: each LIST, or all.

    A list that does not come, is broken, or has half as many ranges as before or less, does not replace the one that is
    there; then the exit code is 1. With --dry-run they are fetched and looked at, and nothing is written.

    \b
    Examples:
      standfast map refresh
      standfast map refresh aws google --dry-run
    """
    place = folder or ranges_dir()
    if place is None:
        raise ModelError("this user has no home directory to keep lists in: name a folder with --folder")
    lists = [BY_NAME[name] for name in names] or list(PUBLISHED)
    outcomes = asyncio.run(fetch_all(lists, place, tls=roots_of_probes(), mirror=mirror, dry_run=dry_run))
    if as_json:
        told = {each.name: _document(each, outcome) for each, outcome in zip(lists, outcomes, strict=True)}
        print_json({"folder": str(place), "written": not dry_run, "lists": told})
    else:
        rows = [(each.name, *_in_words(outcome)) for each, outcome in zip(lists, outcomes, strict=True)]
        print_table(("LIST", "RANGES", "BEFORE", ""), rows)
        click.echo(f"\n{'would be' if dry_run else 'is'} in {place}")
    if any(isinstance(outcome, Kept) for outcome in outcomes):
        raise click.exceptions.Exit(NEGATIVE)


def _in_words(outcome: Outcome) -> tuple[str, str, str]:
    before = "none" if outcome.before is None else f"{outcome.before:,}"
    match outcome:
        case Taken(ranges):
            return f"{ranges:,}", before, ""
        case Kept(why):
            return "", before, f"{'not there' if outcome.before is None else 'kept as it is'}: {why}"
        case _:
            assert_never(outcome)


def _document(published: Published, outcome: Outcome) -> dict[str, Any]:
    ranges, why = (outcome.ranges, None) if isinstance(outcome, Taken) else (None, outcome.why)
    return {"url": published.url, "file": published.file, "ranges": ranges, "before": outcome.before, "kept": why}
