"""`standfast names`: the names that the guard knows to be good."""

import time
from pathlib import Path
from typing import Any

import click

from standfast.cli.common import ask, config_option, duration, json_option, print_json
from standfast.cli.tables import print_table


@click.command()
@click.option("--held", is_flag=True, help="Only names that are lost now, with the verdict on each.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=1_000,
    show_default=True,
    help="List so many at most, lost first.",
)
@config_option
@json_option
def names(held: bool, limit: int, config: Path | None, as_json: bool) -> None:
    """List the names that the guard knows to be good.

    Lost ones come first, with what the guard makes of the loss.

    \b
    Examples:
      standfast names
      standfast names --held
      standfast names --json --limit 10000 | jq -r '.names[].qname'
    """
    answer = ask(config, "names", held=held, limit=limit)
    if as_json:
        print_json(answer)
        return
    found = answer["names"]
    if not found:
        click.echo("no name is lost" if held else "nothing is known yet: names are learned as clients ask for them")
        return
    now_ms = time.time_ns() // 1_000_000
    print_table(("NAME", "TYPE", "ADDRESSES", "CONFIRMED", "STATE"), [_row(name, now_ms) for name in found])
    if len(found) < answer["total"]:
        click.echo(f"{len(found)} of {answer['total']}; more with --limit", err=True)


def _row(name: dict[str, Any], now_ms: int) -> tuple[str, ...]:
    confirmed = f"{duration((now_ms - name['confirmed_at_ms']) / 1000)} ago"
    return name["qname"], name["qtype"], " ".join(name["addresses"]) or "-", confirmed, _state(name, now_ms)


def _state(name: dict[str, Any], now_ms: int) -> str:
    if name["lost_since_ms"] is not None:
        since = duration((now_ms - name["lost_since_ms"]) / 1000)
        obeyed = name["served"] == "outcome" and name["verdict"].startswith("hold")
        verdict = f"only observed, {name['verdict']}" if obeyed else name["verdict"]
        return f"lost for {since}, {verdict or 'not judged yet'}: {name['reason'] or '-'}"
    return "given up" if name["released"] else "good"
