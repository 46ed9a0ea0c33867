"""`standfast map concentration`: how many hang on one provider, of a map or of the files of a study."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from standfast.cli.common import count, json_option, print_json
from standfast.cli.map.common import files_option, map_of
from standfast.cli.parameters import FILE
from standfast.cli.tables import print_facts, print_table
from standfast.depmap.concentration import (
    TOP,
    Concentration,
    Share,
    concentration_of,
    concentrations,
    read_users,
    users_of,
)
from standfast.depmap.lookup import find_node
from standfast.io.depmap.model_files import read_model_file

LISTED_MAX = 100_000


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@files_option
@click.option("--users", "users_file", type=FILE, help="Instead of a map, the users of each provider.")
@click.option("--critical", "critical_file", type=FILE, help="Those of --users that have no other provider.")
@click.option(
    "--top",
    "listed",
    type=click.IntRange(0, LISTED_MAX),
    default=10,
    show_default=True,
    help="How many providers to list, those with the most users first.",
)
@json_option
def concentration(
    names: tuple[str, ...],
    paths: Sequence[Path],
    users_file: Path | None,
    critical_file: Path | None,
    listed: int,
    as_json: bool,
) -> None:
    """Say how many hang on one provider, region, zone, network or operator of DNS.

    Of each NAME, or of all services of the map: who uses a provider directly or by what it uses, and who does not work
    without it.

    \b
    Examples:
      standfast map concentration --file map.yaml
      standfast map concentration --users DNSconc3rd --critical DNSdamage3rd
    """
    if users_file is None and critical_file is None:
        graph = map_of(paths).graph
        users = [find_node(graph, name) for name in names] or users_of(graph)
        found = {sort.value: each for sort, each in concentrations(graph, users).items()}
        asked = len(users)
    elif users_file is None or critical_file is None or names or paths:
        raise click.UsageError("--users and --critical go together, and without NAME and --file")
    else:
        places: dict[str, int] = {}
        said = [
            read_users(read_model_file(path), file=str(path), places=places) for path in (users_file, critical_file)
        ]
        found = {"provider": concentration_of(*said)}
        asked = len(places)
    if as_json:
        print_json({"users": asked, "of": {sort: _document(each, listed) for sort, each in found.items()}})
        return
    click.echo(f"{count(asked, 'user')}{'' if found else ', and nothing that they share'}")
    for sort, each in found.items():
        _show(sort, each, listed)


def _document(found: Concentration, listed: int) -> dict[str, Any]:
    return {
        "users": found.users,
        "critical": found.critical,
        "providers": len(found.shares),
        "hhi": found.hhi,
        "hhi_critical": found.hhi_critical,
        "top_critical": found.top_critical,
        "shares": [
            {
                "name": share.name,
                "users": share.users,
                "direct": share.direct,
                "indirect": share.indirect,
                "critical": share.critical,
                "critical_direct": share.critical_direct,
            }
            for share in found.shares[:listed]
        ],
    }


def _show(sort: str, found: Concentration, listed: int) -> None:
    if not found.shares:
        return
    click.echo()
    columns = (sort.upper(), "USERS", "DIRECT", "INDIRECT", "CRITICAL", "OF THESE DIRECT")
    print_table(columns, [_row(share) for share in found.shares[:listed]])
    facts = [
        ("all", f"{len(found.shares):,}, of {found.users:,} users, critical for {found.critical:,}"),
        ("HHI", f"{_index(found.hhi)} of users, {_index(found.hhi_critical)} of critical ones"),
        (f"first {TOP}", f"critical for {found.top_critical:,} together"),
    ]
    print_facts(facts)


def _row(share: Share) -> tuple[str, ...]:
    numbers = (share.users, share.direct, share.indirect, share.critical, share.critical_direct)
    return (share.name, *(f"{number:,}" for number in numbers))


def _index(index: float | None) -> str:
    return "none" if index is None else f"{index:.4f}"
